"""CaffeNet up to fc7: the single-tower AlexNet that most image pretexts before 2018 were compared on.

Sizes, padding, groups, local response normalisation and start: `tuple_train.prototxt` of imisra/shuffle-tuple and
`bvlc_reference_caffenet` of BVLC/caffe. Caffe's weights are (out, in / groups, h, w) as here. Its pictures are BGR from
0 to 255 with one mean a channel taken off, which `Colours` does, so that released weights fit without a change.
"""

from __future__ import annotations

import torch
from torch import nn

from unlabeled.contracts import Point
from unlabeled.training.nets.encoders import Colours, Flatten, Trunk
from unlabeled.training.sizes import Size

SIZE = 227
BGR_MEAN = (103.939, 116.779, 123.68)
CONV_STD, FC_STD = 0.01, 0.005
BIASED = ("conv2", "conv4", "conv5", "fc6", "fc7")
"""Layers whose biases begin at 1, so that their units are active at the start; the others begin at 0."""
NORMALISED = ("conv3", "conv4", "conv5", "fc6", "fc7")
"""Layers with batch normalisation in the variant of Misra et al. 2016: statistics alone, no learned scale."""

POINTS = (
    Point("conv1", 96, stride=4),
    Point("conv2", 256, stride=8),
    Point("conv3", 384, stride=16),
    Point("conv4", 384, stride=16),
    Point("conv5", 256, stride=16),
)


def caffenet(size: Size = SIZE, batch_norm: bool = False) -> Trunk:
    """The network with random weights drawn from torch's global generator.

    Points conv1 .. conv5 after their ReLU, pool5 flattened (9,216 values at 227 pixels), fc6 and fc7 after their ReLU
    and, in training, their dropout.
    """
    blocks: dict[str, nn.Module] = {
        "conv1": _layer("conv1", nn.Conv2d(3, 96, 11, 4), batch_norm),
        "pool1": _pool(),
        "norm1": nn.LocalResponseNorm(5, 1e-4, 0.75),
        "conv2": _layer("conv2", nn.Conv2d(96, 256, 5, padding=2, groups=2), batch_norm),
        "pool2": _pool(),
        "norm2": nn.LocalResponseNorm(5, 1e-4, 0.75),
        "conv3": _layer("conv3", nn.Conv2d(256, 384, 3, padding=1), batch_norm),
        "conv4": _layer("conv4", nn.Conv2d(384, 384, 3, padding=1, groups=2), batch_norm),
        "conv5": _layer("conv5", nn.Conv2d(384, 256, 3, padding=1, groups=2), batch_norm),
    }
    flat = Flatten(size, nn.Sequential(*blocks.values(), _pool()))
    blocks["pool5"] = nn.Sequential(_pool(), flat)
    blocks["fc6"] = nn.Sequential(_layer("fc6", nn.Linear(flat.dim, 4096), batch_norm), nn.Dropout(0.5))
    blocks["fc7"] = nn.Sequential(_layer("fc7", nn.Linear(4096, 4096), batch_norm), nn.Dropout(0.5))
    points = (*POINTS, Point("pool5", flat.dim), Point("fc6", 4096), Point("fc7", 4096))
    return Trunk(Colours(BGR_MEAN, scale=255.0, bgr=True), blocks, points, size)


def _layer(name: str, layer: nn.Conv2d | nn.Linear, batch_norm: bool) -> nn.Sequential:
    """Weights as Caffe starts them, batch normalisation where this layer has it, ReLU."""
    nn.init.normal_(layer.weight, std=FC_STD if isinstance(layer, nn.Linear) else CONV_STD)
    nn.init.constant_(_bias(layer), float(name in BIASED))
    norm = nn.BatchNorm1d if isinstance(layer, nn.Linear) else nn.BatchNorm2d
    channels = layer.weight.shape[0]
    between = [norm(channels, affine=False)] if batch_norm and name in NORMALISED else []
    return nn.Sequential(layer, *between, nn.ReLU())


def _bias(layer: nn.Conv2d | nn.Linear) -> torch.Tensor:
    assert layer.bias is not None
    return layer.bias


def _pool() -> nn.MaxPool2d:
    """Caffe rounds up: windows may begin inside and end outside of a map."""
    return nn.MaxPool2d(3, 2, ceil_mode=True)
