"""Frames of a clip for an encoder: the size that a recipe asks for, and a few frames in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from unlabeled.benchmarks.propagation.labels import bilinear
from unlabeled.datasets.decode import frames as decoded
from unlabeled.errors import BadData

CHUNK, MOST_PIXELS = 16, 1 << 21
"""Most frames that an encoder gets at once, and most pixels, but one frame at least."""


class InputSize(Protocol):
    """The size (height, width) in which a recipe gives frames to an encoder."""

    def of(self, height: int, width: int) -> tuple[int, int]:
        """From the native size."""
        ...


@dataclass(frozen=True)
class Native:
    """Frames as they are, or enlarged so many times."""

    times: int = 1

    def of(self, height: int, width: int) -> tuple[int, int]:
        """See `InputSize`."""
        return height * self.times, width * self.times


@dataclass(frozen=True)
class SquareSide:
    """A square; the aspect ratio is not kept."""

    side: int

    def of(self, height: int, width: int) -> tuple[int, int]:
        """See `InputSize`."""
        return self.side, self.side


@dataclass(frozen=True)
class ShortSide:
    """The short side so long, the long one rounded down to a multiple."""

    side: int = 480
    multiple: int = 64

    def of(self, height: int, width: int) -> tuple[int, int]:
        """See `InputSize`."""
        long = self.side * max(height, width) // (min(height, width) * self.multiple) * self.multiple
        return (long, self.side) if height > width else (self.side, long)


def chunk_length(height: int, width: int) -> int:
    """Frames of this size that are given to an encoder together."""
    return max(1, min(CHUNK, MOST_PIXELS // (height * width)))


def read(paths: Sequence[Path], size: tuple[int, int]) -> np.ndarray:
    """Some frames of a clip, `(n, H, W, 3)` uint8 RGB.

    Raises
    ------
    BadData : a frame that cannot be decoded, or of another size than the clip's (height, width).
    """
    pictures = decoded.read_images(paths)
    if pictures.shape[1:3] != size:
        found, wanted = (f"{width} x {height}" for height, width in (pictures.shape[1:3], size))
        raise BadData(f"{paths[0]} is {found} pixels, its clip has {wanted}", "give all frames of a clip one size")
    return pictures


def scaled(pictures: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Frames `(n, H, W, 3)` uint8 to `(n, 3, height, width)` float32 in [0, 1]."""
    planes = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    return planes if planes.shape[2:] == size else bilinear(planes, size)


def chunks(
    paths: Sequence[Path], native: tuple[int, int], size: tuple[int, int], reach: int
) -> Iterator[tuple[Tensor, int, int]]:
    """Frames `(n, 3, height, width)` of a clip part by part, and which of them, from and to, are new.

    The others are the `reach` frames before and after: new frames get the features that they have in the whole clip.
    """
    step = chunk_length(*size)
    for start in range(0, len(paths), step):
        first, last = max(0, start - reach), min(len(paths), start + step + reach)
        pictures = read(paths[first:last], native)
        yield scaled(pictures, size), start - first, min(start + step, len(paths)) - first
