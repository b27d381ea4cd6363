"""Networks that give a feature to every cell of every frame of a grey clip, and what makes a DenseEncoder of them.

Cells are small enough to follow things by: the stride is 4 or 8 pixels, and nothing is pooled at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models  # type: ignore[import-untyped]
from torchvision.models.resnet import BasicBlock  # type: ignore[import-untyped]

from unlabeled.training.nets.untrained import average_norms
from unlabeled.training.signals.lab import rgb_to_lab

Network = Literal["mini_dense", "colour_resnet"]
DIM = 64
DILATIONS = (1, 2, 4, 8, 16)
"""Of the five convolutions over space and time, in cells."""
STRIDES: Mapping[Network, int] = {"mini_dense": 4, "colour_resnet": 8}
"""Input pixels between cells."""


class DenseTrunk(nn.Module):
    """Pictures one by one through `frames`, their maps together through `clip`.

    stride : input pixels between cells
    dim    : length of a feature
    reach  : how many frames before and after it a feature hangs on
    """

    def __init__(self, frames: nn.Module, clip: nn.Module, stride: int, dim: int, reach: int) -> None:
        super().__init__()
        self.frames, self.clip = frames, clip
        self.stride, self.dim, self.reach = stride, dim, reach

    def forward(self, light: Tensor) -> Tensor:
        """Lightness in [-1, 1], `(B, 1, T, H, W)`, to `(B, dim, T, h, w)`; h is H / stride rounded up, w likewise."""
        maps = self.frames(light.transpose(1, 2).flatten(0, 1))
        return self.clip(maps.unflatten(0, (len(light), -1)).transpose(1, 2))


def mini_dense(dim: int = DIM) -> DenseTrunk:
    """A convolution and three residual blocks: stride 4, every frame by itself, for frames of 64 pixels or so."""
    frames = nn.Sequential(
        nn.Conv2d(1, 24, 5, stride=2, padding=2, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        _block(24, 32, stride=2),
        _block(32, 48),
        _block(48, 48),
        nn.Conv2d(48, dim, 1),
    )
    return DenseTrunk(frames, nn.Identity(), STRIDES["mini_dense"], dim, 0)


def colour_resnet(dim: int = DIM) -> DenseTrunk:
    """ResNet-18 at stride 8, then five convolutions over space and time: the network of Vondrick et al. 2018.

    The last two stages keep the stride of 8 and have 256 channels; the place of a cell, from -1 to 1, goes in beside
    their features. Not checked in the paper: that the convolutions over space, dilated, and over time stand apart, as
    in the re-implementations, and their 256 channels.
    """
    net = models.resnet18(weights=None)
    stem = nn.Sequential(nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False), net.bn1, net.relu, net.maxpool)
    stages = (net.layer1, net.layer2, _stage(128, 256), _stage(256, 256))
    channels = [256 + 2, *[256] * len(DILATIONS)]
    blocks = [_space_time(a, b, d) for a, b, d in zip(channels, channels[1:], DILATIONS, strict=False)]
    clip = nn.Sequential(Places(), *blocks, nn.Conv3d(256, dim, 1))
    return DenseTrunk(nn.Sequential(stem, *stages), clip, STRIDES["colour_resnet"], dim, len(DILATIONS))


class Places(nn.Module):
    """Two more channels: the place of each cell, x before y, from -1 to 1."""

    def forward(self, maps: Tensor) -> Tensor:
        """`(B, C, T, h, w)` to `(B, C + 2, T, h, w)`."""
        batch, _, frames, height, width = maps.shape
        x = torch.linspace(-1, 1, width, device=maps.device).expand(batch, 1, frames, height, width)
        y = torch.linspace(-1, 1, height, device=maps.device)[:, None].expand(batch, 1, frames, height, width)
        return torch.cat([maps, x, y], dim=1)


def _block(channels: int, out: int, stride: int = 1) -> nn.Module:
    if channels == out and stride == 1:
        return BasicBlock(channels, out)
    across = nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))
    return BasicBlock(channels, out, stride, across)


def _stage(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(_block(channels, out), _block(out, out))


def _space_time(channels: int, out: int, dilation: int) -> nn.Sequential:
    space = nn.Conv3d(channels, out, (1, 3, 3), dilation=(1, dilation, dilation), padding=(0, dilation, dilation))
    time = nn.Conv3d(out, out, (3, 1, 1), padding=(1, 0, 0), bias=False)
    return nn.Sequential(space, time, nn.BatchNorm3d(out), nn.ReLU())


TRUNKS: Mapping[Network, Callable[[], DenseTrunk]] = {"mini_dense": mini_dense, "colour_resnet": colour_resnet}


def make(network: Network) -> DenseTrunk:
    """A trunk with random weights from torch's global generator: call it under `seeded`."""
    return TRUNKS[network]()


# ---------------------------------------------------------------- roles


def lightness(clips: Tensor) -> Tensor:
    """RGB in [0, 1], `(B, 3, T, H, W)`, to CIE lightness in [-1, 1], `(B, 1, T, H, W)`."""
    return rgb_to_lab(clips.transpose(1, 2))[:, :, :1].transpose(1, 2) / 50 - 1


class GreyDense:
    """Role dense: a trunk on the lightness of clips. Colours make no difference.

    A trunk that learned to point, with features of length 1 (`unit`) or a temperature, gives them scaled so that the
    softmax of their plain products is what it pointed with. A recipe that does not normalise features puts its own
    temperature on top.
    """

    def __init__(self, net: DenseTrunk, temperature: float = 1.0, unit: bool = False) -> None:
        self.net, self.temperature, self.unit = net.eval(), temperature, unit
        self.stride, self.dim, self.reach = net.stride, net.dim, net.reach

    @torch.no_grad()
    def dense(self, clips: Tensor) -> Tensor:
        """RGB in [0, 1], `(B, 3, T, H, W)`, to `(B, dim, T, h, w)`, on the CPU."""
        features = self.net(lightness(clips.to(next(self.net.parameters()).device))).cpu()
        return (functional.normalize(features, dim=1) if self.unit else features) / math.sqrt(self.temperature)


class UntrainedDense(GreyDense):
    """A trunk with random weights: its batch normalisation takes its statistics from the benchmark's clips."""

    def calibrate(self, batches: Iterable[Tensor]) -> None:
        """Set the running statistics to the mean over some unlabelled batches `(B, 3, T, H, W)`."""
        average_norms(self.net, self.dense, batches)
