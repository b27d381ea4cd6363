"""Trunks of named blocks for pictures, and what turns any of them into an ImageEncoder.

A trunk takes RGB in [0, 1]; what its colours become inside (mean, scale, order of channels) is its own matter.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from unlabeled.contracts import Point, Train
from unlabeled.errors import BadData, WrongCall
from unlabeled.streams import Rng
from unlabeled.training.sizes import Size, height_width

Made = TypeVar("Made")


def seeded(make: Callable[[], Made], rng: Rng) -> Made:
    """What `make` builds, its initial weights drawn from the stream alone; torch's global generator stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(rng.numpy("weights").integers(2**63)))
        return make()


class Colours(nn.Module):
    """RGB in [0, 1] to `(scale * x - mean) / std`; with `bgr` blue comes first, and mean and std are in that order.

    The numbers are no part of the state: a checkpoint holds what was learned.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, mean: Sequence[float], std: Sequence[float] = (1.0, 1.0, 1.0), scale: float = 1.0, bgr: bool = False
    ) -> None:
        super().__init__()
        self.scale, self.bgr = scale, bgr
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to the same shape."""
        ordered = images.flip(1) if self.bgr else images
        return (self.scale * ordered - self.mean) / self.std


class Flatten(nn.Module):
    """Maps to vectors, of the one shape that the fully connected layer after it was made for."""

    def __init__(self, size: Size, maps: nn.Module) -> None:
        super().__init__()
        self.size = size
        with torch.no_grad():
            self.shape = tuple(copy.deepcopy(maps).eval()(torch.zeros(1, 3, *height_width(size))).shape[1:])
        self.dim = self.shape[0] * self.shape[1] * self.shape[2]

    def forward(self, maps: Tensor) -> Tensor:
        """`(B, C, h, w)` to `(B, C h w)`; maps of another size are BadData."""
        if tuple(maps.shape[1:]) != self.shape:
            height, width = height_width(self.size)
            raise BadData(
                f"maps of {tuple(maps.shape[1:])} before a fully connected layer that takes {self.shape}",
                f"give pictures of {height} x {width} (height x width), or read an earlier point",
            )
        return maps.flatten(1)


class Trunk(nn.Module):
    """Blocks one after the other, `colours` before the first; some of them are points where features are read.

    size : of the pictures that it prefers; fully connected layers take no other
    """

    def __init__(self, colours: Colours, blocks: Mapping[str, nn.Module], points: Sequence[Point], size: Size) -> None:
        super().__init__()
        self.colours, self.blocks, self.size = colours, nn.ModuleDict(blocks), size
        self.points = {point.name: point for point in points}

    def until(self, point: str) -> nn.Sequential:
        """The blocks that lead to a point, sharing their weights with the trunk (WrongCall: no such point)."""
        if point not in self.points:
            known = ", ".join(f"{one.name} ({one.dim})" for one in self.points.values())
            raise WrongCall(f"the network has no point {point!r}", f"there are {known}")
        names = list(self.blocks)
        used = names[: names.index(point) + 1]
        return nn.Sequential(OrderedDict([("colours", self.colours), *((name, self.blocks[name]) for name in used)]))

    def forward(self, images: Tensor, point: str) -> Tensor:
        """`(B, 3, H, W)` RGB in [0, 1] to `(B, dim, h, w)`, or `(B, dim)` where the point has no stride."""
        return self.until(point)(images)


class TrunkEncoder:
    """Role image: every point of a trunk. `finetune` is the schedule with which a small preset is fine-tuned."""

    space = None

    def __init__(self, net: Trunk, finetune: Train | None = None) -> None:
        self.net, self.points, self.size = net.eval(), net.points, net.size
        self.finetune = finetune

    @torch.no_grad()
    def encode(self, images: Tensor, point: str) -> Tensor:
        """`(B, 3, H, W)` float32 in [0, 1] to `(B, dim)`, or `(B, dim, h, w)` where the point has a stride; on the CPU.

        Raises
        ------
        WrongCall : the network has no such point.
        BadData : the pictures do not have the size that a fully connected layer needs.
        """
        return self.net(images.to(_device(self.net)), point).cpu()

    def trunk(self, point: str) -> nn.Module:
        """A copy of the network up to a point: training it leaves the encoder as it is."""
        return copy.deepcopy(self.net.until(point))


class UntrainedEncoder(TrunkEncoder):
    """A trunk with random weights: its batch normalisation takes its statistics from the benchmark's pictures."""

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Tensor]) -> None:
        """Set the running statistics to the mean over some unlabelled batches `(B, 3, H, W)`."""
        norms = [module for module in self.net.modules() if isinstance(module, _BatchNorm)]
        kept = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over the batches
            norm.train()  # these alone: dropout stays off
        for images in batches:
            self.net(images.to(_device(self.net)), next(reversed(self.net.points)))
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum
        self.net.eval()


def _device(net: nn.Module) -> torch.device:
    return next(net.parameters()).device
