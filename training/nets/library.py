"""Networks of libraries as encoders: pictures or clips in, features at named points out.

A library module says for each point which module leads there; here are the colours, the sizes and the two roles.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import torch
from torch import Tensor, nn

from unlabeled.contracts import ClipSpec, Point
from unlabeled.errors import WrongCall


class Normalise(nn.Module):
    """RGB in [0, 1] to `(x - mean) / std`, pictures `(B, 3, H, W)` and clips `(B, 3, T, H, W)` alike."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """The same shape."""
        shape = (1, 3, *[1] * (images.ndim - 2))
        return (images - self.mean.view(shape)) / self.std.view(shape)


class Vector(nn.Module):
    """Features of any shape `(B, C, ...)` to `(B, C)`: the mean over everything after the channels."""

    def forward(self, features: Tensor) -> Tensor:
        """`(B, C, ...)` to `(B, C)`."""
        return features.flatten(2).mean(2) if features.ndim > 2 else features


class Tokens(nn.Module):
    """What is read of tokens `(B, prefix + h w, C)`: the class token, the mean of the patches, or their grid."""

    def __init__(self, kind: str, prefix: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.kind, self.prefix, self.grid = kind, prefix, grid

    def forward(self, tokens: Tensor) -> Tensor:
        """`(B, C)`, for the kind `tokens` `(B, C, h, w)`."""
        if self.kind == "cls":
            return tokens[:, 0]
        patches = tokens[:, self.prefix :]
        if self.kind == "pool":
            return patches.mean(1)
        return patches.transpose(1, 2).unflatten(2, self.grid)


class Reader:
    """A network at named points: `lead` makes the part from pictures or clips in [0, 1] to one, sharing its weights."""

    space = None

    def __init__(self, name: str, lead: Callable[[str], nn.Module], points: Mapping[str, Point]) -> None:
        self.name, self.points = name, points
        self._lead = cache(lead)

    def _part(self, point: str) -> nn.Module:
        if point not in self.points:
            known = ", ".join(f"{one.name} ({one.dim})" for one in self.points.values())
            raise WrongCall(f"{self.name} has no point {point!r}", f"there are {known}")
        return self._lead(point)

    @torch.no_grad()
    def _read(self, inputs: Tensor, point: str) -> Tensor:
        part = self._part(point)
        return part(inputs.to(next(part.parameters()).device)).float().cpu()

    def trunk(self, point: str) -> nn.Module:
        """A copy of the network that leads to a point: training it leaves the encoder as it is."""
        return copy.deepcopy(self._part(point))


class ImageReader(Reader):
    """Role image."""

    def __init__(self, name: str, lead: Callable[[str], nn.Module], points: Mapping[str, Point], size: int) -> None:
        super().__init__(name, lead, points)
        self.size = size

    def encode(self, images: Tensor, point: str) -> Tensor:
        """`(B, 3, H, W)` float32 in [0, 1] to `(B, dim)`, or `(B, dim, h, w)` where the point has a stride; on the CPU.

        Raises
        ------
        WrongCall : the network has no such point.
        """
        return self._read(images, point)


class ClipReader(Reader):
    """Role video."""

    def __init__(
        self, name: str, lead: Callable[[str], nn.Module], points: Mapping[str, Point], clip: ClipSpec
    ) -> None:
        super().__init__(name, lead, points)
        self.clip = clip

    def encode_clip(self, clips: Tensor, point: str) -> Tensor:
        """`(B, 3, T, H, W)` float32 in [0, 1] to `(B, dim)`; on the CPU.

        Raises
        ------
        WrongCall : the network has no such point.
        """
        return self._read(clips, point)
