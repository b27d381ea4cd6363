"""What moves labels through a clip: a method that does it by itself, or its features and the engine.

A propagator gets frames and labels at native size, whatever the recipe: only the recipe's scoring applies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unlabeled.benchmarks.propagation import frames
from unlabeled.benchmarks.propagation.encoders import FeatureReader, TrainClip
from unlabeled.benchmarks.propagation.engine import Matching, propagate
from unlabeled.benchmarks.propagation.frames import InputSize
from unlabeled.benchmarks.propagation.labels import Normalise, normalised
from unlabeled.errors import BadData, WrongCall
from unlabeled.streams import Rng

MOST_BYTES = 16 * 1024**3
"""Frames of one clip that a propagator is given at once."""
ADAPTS = ("dense", "mask_classifier", "image")
"""Roles that serve where a propagator is asked for, by adapters."""


class Engine:
    """Features of a method and the engine: adapter `propagate`."""

    def __init__(self, reader: FeatureReader, matching: Matching, normalise: Normalise) -> None:
        self.reader, self.matching, self.normalise = reader, matching, normalise
        self.adapters = reader.adapters

    def learn(self, train: Sequence[TrainClip], scored: Sequence[TrainClip], rng: Rng) -> None:
        """See `FeatureReader`; the same for all units of a run, in whatever order and process they come."""
        self.reader.learn(train, scored, Rng(rng.seed).under("learn"))

    def soft(self, images: Sequence[Path], native: tuple[int, int], first: Any) -> Iterator[Tensor]:
        """Soft labels `(K, h, w)` of frames 1, 2, ...; `first(grid)` gives those of frame 0 on the feature grid."""
        features = (normalised(frame, self.normalise) for frame in self.reader.of(images, native))
        start = next(features)
        return propagate(chain([start], features), first(tuple(start.shape[1:])), self.matching)

    def memory(self, native: tuple[int, int], classes: int, length: int) -> tuple[int, str]:
        """Bytes beside the network, at most, and what they are for."""
        grid = self.reader.grid(native)
        height, width = self.reader.size.of(*native)
        decoded = (frames.chunk_length(height, width) + 2 * self.reader.reach) * height * width * 3 * 4
        features = 2 * frames.chunk_length(height, width) * grid[0] * grid[1] * self.reader.dim * 4
        native_labels = 3 * classes * max(native[0] * native[1], height * width) * 4
        held = self.matching.memory(self.reader.dim, *grid, classes)
        what = f"{grid[0]} x {grid[1]} cells of {self.reader.dim} numbers, whatever the length of the clip"
        return decoded + features + native_labels + held, what


class Native:
    """A method that moves labels by itself."""

    adapters: tuple[str, ...] = ()

    def __init__(self, propagator: Any) -> None:
        self.propagator = propagator

    def learn(self, train: Sequence[TrainClip], scored: Sequence[TrainClip], rng: Rng) -> None:
        """Nothing is asked for."""

    def frames(self, images: Sequence[Path], native: tuple[int, int]) -> Tensor:
        """All frames `(T, 3, H, W)` in [0, 1].

        Raises
        ------
        WrongCall : they would not fit into memory.
        """
        needed = 12 * len(images) * native[0] * native[1]
        if needed > MOST_BYTES:
            raise WrongCall(
                f"{len(images)} frames of {native[1]} x {native[0]} take {needed / 1024**3:.0f} GiB at once",
                "cut the clip into shorter ones, or take a method that gives features",
            )
        clip = torch.empty(len(images), 3, *native)
        step = frames.chunk_length(*native)
        for start in range(0, len(images), step):
            part = slice(start, start + step)
            clip[part] = frames.scaled(frames.read(images[part], native), native)
        return clip

    def soft(self, images: Sequence[Path], native: tuple[int, int], first: Tensor) -> Iterator[Tensor]:
        """Soft labels `(K, H, W)` of frames 1, 2, ... from those of frame 0, at native size."""
        found = self.propagator.propagate(self.frames(images, native), first)
        return _checked(found, tuple(first.shape), len(images) - 1, "soft labels")

    def points(self, images: Sequence[Path], native: tuple[int, int], first: Tensor) -> Iterator[Tensor] | None:
        """Places `(J, 2)` of frames 1, 2, ... from those of frame 0; None for a method that moves no points."""
        if not hasattr(self.propagator, "move"):
            return None
        found = self.propagator.move(self.frames(images, native), first)
        return _checked(found, tuple(first.shape), len(images) - 1, "places")

    def memory(self, native: tuple[int, int], classes: int, length: int) -> tuple[int, str]:
        """Bytes of frames and labels, beside what the method itself takes."""
        pixels = native[0] * native[1]
        return 4 * pixels * (3 * length + 4 * classes), f"{length} frames of {native[1]} x {native[0]} at once"


def _checked(found: Iterator[Tensor], shape: tuple[int, ...], frames_after: int, what: str) -> Iterator[Tensor]:
    """What a propagator gives, frame by frame.

    Raises
    ------
    BadData : another shape, values that are no numbers, more or fewer frames than there are.
    """
    number = 0
    for number, one in enumerate(found, 1):
        if tuple(one.shape) != shape or not bool(torch.isfinite(one).all()):
            told = (
                "values that are no numbers" if tuple(one.shape) == shape else f"shape {tuple(one.shape)}, not {shape}"
            )
            raise BadData(f"frame {number}: the method gives {what} of {told}")
        yield one
    if number != frames_after:
        raise BadData(f"the method gives {what} of {number} frames, the clip has {frames_after} after the first")


def moving(role: Any, matching: Matching, size: InputSize, normalise: Normalise, point: str) -> Engine | Native:
    """How labels are moved with a method: its own way wins over its features.

    Raises
    ------
    WrongCall : it gives neither, or is an image encoder without maps.
    """
    if hasattr(role, "propagate"):
        return Native(role)
    if hasattr(role, "dense") or hasattr(role, "encode"):
        return Engine(FeatureReader(role, point, size), matching, normalise)
    raise WrongCall(f"a {type(role).__name__} gives neither labels nor features of frames")
