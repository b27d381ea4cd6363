"""Trunks for pictures that read nothing but their lightness, with points conv1 .. conv5.

Sources: A. Krizhevsky et al. 2012 as in BVLC/caffe (`caffenet_grey`, one input channel); R. Zhang, P. Isola,
A. A. Efros, Colorful Image Colorization, ECCV 2016, `eccv16` of richzhang/colorization (`colour_net`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from unlabeled.contracts import Point
from unlabeled.training.nets import caffenet
from unlabeled.training.nets.encoders import Colours, Trunk
from unlabeled.training.signals.lab import rgb_to_lab
from unlabeled.training.sizes import Size

Network = Literal["mini_alex", "caffenet", "colour_net"]


class Lightness(Colours):
    """RGB in [0, 1] to CIE lightness in [-1, 1], one channel."""

    def __init__(self) -> None:
        super().__init__((0.5,), (0.5,))

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, 1, H, W)`."""
        return super().forward(rgb_to_lab(images)[:, :1] / 100)


def mini_alex(size: Size) -> Trunk:
    """Five convolutions for pictures of 64 pixels or so: strides 2, 4 and then 8."""
    blocks = {
        "conv1": nn.Sequential(nn.Conv2d(1, 24, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(24), nn.ReLU()),
        "conv2": nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), _conv(24, 48)),
        "conv3": nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), _conv(48, 64)),
        "conv4": _conv(64, 64),
        "conv5": _conv(64, 64),
    }
    return Trunk(Lightness(), blocks, _points((24, 48, 64, 64, 64), (2, 4, 8, 8, 8)), size)


def caffenet_grey(size: Size) -> Trunk:
    """The convolutions of CaffeNet with batch normalisation, the first with one channel."""
    whole = caffenet.caffenet(size, batch_norm=True)
    blocks = dict(list(whole.blocks.items())[: list(whole.blocks).index("conv5") + 1])
    first = nn.Conv2d(1, 96, 11, 4)
    nn.init.normal_(first.weight, std=caffenet.CONV_STD)
    blocks["conv1"] = nn.Sequential(first, *list(blocks["conv1"].children())[1:])
    return Trunk(Lightness(), blocks, caffenet.POINTS, size)


def colour_net(size: Size) -> Trunk:
    """The first seven blocks of the released network: stride 8 from the third on, the fifth and sixth dilated by 2."""
    channels = (1, 64, 128, 256, 512, 512, 512, 512)
    depths, ends, dilations = (2, 2, 3, 3, 3, 3, 3), (2, 2, 2, 1, 1, 1, 1), (1, 1, 1, 1, 2, 2, 1)
    blocks = {}
    for k, (given, made) in enumerate(pairwise(channels)):
        layers: list[nn.Module] = []
        for n in range(depths[k]):
            stride = ends[k] if n == depths[k] - 1 else 1
            conv = nn.Conv2d(made if n else given, made, 3, stride, padding=dilations[k], dilation=dilations[k])
            layers += [conv, nn.ReLU()]
        blocks[f"conv{k + 1}"] = nn.Sequential(*layers, nn.BatchNorm2d(made))
    return Trunk(Lightness(), blocks, _points(channels[1:], (2, 4, 8, 8, 8, 8, 8)), size)


def _conv(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU())


def _points(dims: tuple[int, ...], strides: tuple[int, ...]) -> list[Point]:
    return [Point(f"conv{k}", dim, stride=stride) for k, (dim, stride) in enumerate(zip(dims, strides, strict=True), 1)]


TRUNKS: Mapping[Network, Callable[[Size], Trunk]] = {
    "mini_alex": mini_alex,
    "caffenet": caffenet_grey,
    "colour_net": colour_net,
}


def make(network: Network, size: Size) -> Trunk:
    """A trunk with random weights from torch's global generator: call it under `seeded`."""
    return TRUNKS[network](size)
