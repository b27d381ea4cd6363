"""The trunks for pictures by name, as presets of methods call them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from unlabeled.training.nets.caffenet import caffenet
from unlabeled.training.nets.encoders import Trunk
from unlabeled.training.nets.frame_trunk import frame_trunk
from unlabeled.training.nets.resnet import resnet18, resnet50
from unlabeled.training.sizes import Size

Network = Literal["caffenet", "caffenet_bn", "frame_trunk", "resnet18", "resnet50"]

TRUNKS: Mapping[Network, Callable[[Size], Trunk]] = {
    "caffenet": caffenet,
    "caffenet_bn": partial(caffenet, batch_norm=True),
    "frame_trunk": frame_trunk,
    "resnet18": resnet18,
    "resnet50": resnet50,
}


def make(network: Network, size: Size) -> Trunk:
    """A trunk with random weights from torch's global generator: call it under `seeded`."""
    return TRUNKS[network](size)
