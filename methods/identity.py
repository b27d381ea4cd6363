"""Identity: the labels of the first frame, for ever.

Nothing is learned and nothing is looked at, so it is exact, and right as far as nothing moves: the floor of every
method that follows things.

Source: the row of that name in C. Vondrick et al., Tracking Emerges by Colorizing Videos, ECCV 2018.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from unlabeled.contracts import Method


@dataclass(frozen=True)
class Preset:
    """Nothing to choose."""


class Copy:
    """Role propagator."""

    def propagate(self, frames: Tensor, first: Tensor) -> Iterator[Tensor]:
        """`(T, 3, H, W)` and soft labels `(K, H, W)` to these labels in each of the frames 1 .. T - 1."""
        return (first.clone() for _ in range(1, len(frames)))

    def move(self, frames: Tensor, points: Tensor) -> Iterator[Tensor]:
        """`(T, 3, H, W)` and places `(J, 2)` to these places in each of the frames 1 .. T - 1."""
        return (points.clone() for _ in range(1, len(frames)))


class Identity(Method):
    """Identity."""

    id = "identity"
    cite = ""
    roles = frozenset({"propagator"})
    home = ("davis2017", "jhmdb")
    supervision = "none"
    presets = {name: Preset() for name in ("paper", "small", "mini", "nano")}
    devices = ("cpu", "cuda")

    def adapt(self, net: None, preset: Preset) -> Copy:
        """There is no network."""
        return Copy()


METHOD = Identity()
