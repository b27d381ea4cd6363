"""A small trunk for single frames of 40 x 32 pixels, made for the generated world: 143,088 parameters.

Three convolutions of stride 2 with batch normalisation and ReLU, and one fully connected layer on the flattened map.
"""

from __future__ import annotations

from torch import nn

from unlabeled.contracts import Point
from unlabeled.training.nets.encoders import Colours, Flatten, Trunk
from unlabeled.training.sizes import Size

SIZE = (32, 40)
"""Height and width: half a side of the world's 80 x 64 clips."""
DIM = 128


def frame_trunk(size: Size = SIZE) -> Trunk:
    """The network with random weights drawn from torch's global generator; points conv1 .. conv3 and fc."""
    blocks: dict[str, nn.Module] = {
        "conv1": _conv(3, 16, 5),
        "conv2": _conv(16, 32, 3),
        "conv3": _conv(32, 48, 3),
    }
    flat = Flatten(size, nn.Sequential(*blocks.values()))
    blocks["fc"] = nn.Sequential(flat, nn.Linear(flat.dim, DIM), nn.BatchNorm1d(DIM), nn.ReLU())
    points = (Point("conv1", 16, stride=2), Point("conv2", 32, stride=4), Point("conv3", 48, stride=8))
    return Trunk(Colours((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)), blocks, (*points, Point("fc", DIM)), size)


def _conv(channels: int, out: int, kernel: int) -> nn.Sequential:
    # The normalisation has a shift of its own: a bias before it would do nothing.
    conv = nn.Conv2d(channels, out, kernel, stride=2, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU())
