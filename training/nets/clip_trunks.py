"""Trunks for clips: frames are weighed over time, stacked as channels, and go through a trunk for pictures.

What order does to a picture: every channel is a weighted sum of the frames of a clip, so that frames in another order
give another picture.

Cite: fernando2017self (differences: B. Fernando, H. Bilen, E. Gavves, S. Gould, Self-Supervised Video Representation
Learning With Odd-One-Out Networks, CVPR 2017); dynamic images: H. Bilen, B. Fernando, E. Gavves, A. Vedaldi, S. Gould,
Dynamic Image Networks for Action Recognition, CVPR 2016, approximate rank pooling.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from unlabeled.contracts import ClipSpec, Point, Train
from unlabeled.errors import BadData, WrongCall
from unlabeled.training.augment import grey
from unlabeled.training.nets.encoders import Trunk
from unlabeled.training.nets.library import ClipReader, Vector

# ---------------------------------------------------------------- weights over time

Differences = Literal["stack-of-differences", "sum-of-differences", "dynamic-image"]


def stack_of_differences(frames: int) -> Tensor:
    """Each frame less the one before it, `(frames - 1, frames)`."""
    return torch.eye(frames)[1:] - torch.eye(frames)[:-1]


def sum_of_differences(frames: int) -> Tensor:
    """The sum over all pairs of the later frame less the earlier one, `(1, frames)`: frame t weighs 2 t - T - 1."""
    return (2 * torch.arange(1.0, frames + 1) - frames - 1)[None]


def dynamic_image(frames: int) -> Tensor:
    """The same sum over the means of frames 1 .. t, `(1, frames)`: approximate rank pooling of Bilen et al. 2016."""
    means = torch.ones(frames, frames).tril() / torch.arange(1.0, frames + 1)[:, None]
    return sum_of_differences(frames) @ means


def frames_and_differences(frames: int, gain: float = 1.0) -> Tensor:
    """Every frame, then `gain` times each less the one before it, `(2 frames - 1, frames)`."""
    return torch.cat([torch.eye(frames), gain * stack_of_differences(frames)])


DIFFERENCES: Mapping[Differences, Callable[[int], Tensor]] = {
    "stack-of-differences": stack_of_differences,
    "sum-of-differences": sum_of_differences,
    "dynamic-image": dynamic_image,
}


class OverTime(nn.Module):
    """Weighted sums of the frames of a clip as channels; frames take the colours of `colours` first.

    weights : `(K, T)`
    """

    weights: Tensor

    def __init__(self, weights: Tensor, colours: nn.Module) -> None:
        super().__init__()
        self.colours = colours
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, clips: Tensor) -> Tensor:
        """`(B, 3, T, H, W)` RGB in [0, 1] to `(B, K C, H, W)`; clips of another length are BadData."""
        if clips.shape[2] != self.weights.shape[1]:
            raise BadData(f"clips of {clips.shape[2]} frames for a network that takes {self.weights.shape[1]}")
        frames = self.colours(clips.transpose(1, 2).flatten(0, 1)).unflatten(0, (-1, clips.shape[2]))
        return torch.einsum("kt,btchw->bkchw", self.weights, frames).flatten(1, 2)


class Grey(nn.Module):
    """RGB to luma around zero."""

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` in [0, 1] to `(B, 1, H, W)` in [-2, 2]."""
        return (grey(images) - 0.5) * 4


# ---------------------------------------------------------------- the trunk


class ClipTrunk(nn.Module):
    """The blocks of a trunk for pictures behind weighted sums over time; all of its points give one vector a clip.

    Its first convolution is made anew for as many channels, its weights drawn from torch's global generator with the
    spread of those that it replaces. Maps are read as their means.
    """

    def __init__(self, weights: Tensor, trunk: Trunk, colours: nn.Module | None = None, step: int = 1) -> None:
        super().__init__()
        self.front = OverTime(weights, colours or trunk.colours)
        self.blocks = trunk.blocks
        self.points = {point.name: Point(point.name, point.dim) for point in trunk.points.values()}
        self.clip = ClipSpec(weights.shape[1], step, trunk.size)
        channels = self.front(torch.zeros(1, 3, weights.shape[1], 1, 1)).shape[1]
        _widen(self.blocks, channels)

    def until(self, point: str) -> nn.Sequential:
        """The part from clips to a point, sharing its weights with the trunk (WrongCall: no such point)."""
        if point not in self.points:
            known = ", ".join(f"{one.name} ({one.dim})" for one in self.points.values())
            raise WrongCall(f"the network has no point {point!r}", f"there are {known}")
        names = list(self.blocks)
        used = [(name, self.blocks[name]) for name in names[: names.index(point) + 1]]
        return nn.Sequential(OrderedDict([("front", self.front), *used, ("vector", Vector())]))

    def forward(self, clips: Tensor, point: str) -> Tensor:
        """`(B, 3, T, H, W)` RGB in [0, 1] to `(B, dim)`."""
        return self.until(point)(clips)


class ClipNet(Protocol):
    """A network for clips that says where it can be read."""

    @property
    def points(self) -> Mapping[str, Point]:
        """Where it can be read."""
        ...

    @property
    def clip(self) -> ClipSpec:
        """What it takes."""
        ...

    def until(self, point: str) -> nn.Module:
        """The part from clips to a point."""
        ...


class ClipEncoder(ClipReader):
    """Role video: every point of a network. `finetune` is the schedule with which a small preset is fine-tuned."""

    def __init__(self, name: str, net: ClipNet, finetune: Train | None = None) -> None:
        super().__init__(name, net.until, net.points, net.clip)
        self.finetune = finetune


def _widen(blocks: nn.ModuleDict, channels: int) -> None:
    """Put a convolution of so many input channels in the place of the first one."""
    name, first = next((name, module) for name, module in blocks.named_modules() if isinstance(module, nn.Conv2d))
    made = nn.Conv2d(
        channels,
        first.out_channels,
        first.kernel_size,  # type: ignore[arg-type]
        first.stride,  # type: ignore[arg-type]
        first.padding,  # type: ignore[arg-type]
        bias=first.bias is not None,
    )
    nn.init.normal_(made.weight, std=float(first.weight.detach().std()))
    if made.bias is not None and first.bias is not None:
        made.bias.data.copy_(first.bias.detach())
    parent, _, last = name.rpartition(".")
    setattr(blocks.get_submodule(parent), last, made)
