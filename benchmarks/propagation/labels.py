"""From a mask to soft labels on the feature grid, and from soft labels back to a mask, as each recipe does it.

Bilinear is OpenCV's: positions `(o + 0.5) * in / out - 0.5`, clamped, no antialiasing. Nearest is Pillow's. Argmax
takes the lowest index among equals. Soft labels are `(K, h, w)`, label 0 the background; masks `(H, W)` uint8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from unlabeled.benchmarks.propagation.engine import stretched

Normalise = Literal["l2", "relu, l2", "none"]
FEWEST_REPEATS = 10
"""Of the pixels of an object in the square frame, the first not counted, there are more than so many, or it is left
out."""


class Reading(Protocol):
    """How a recipe brings masks to the feature grid and back."""

    def prepare(self, index: np.ndarray, objects: int, grid: tuple[int, int]) -> Tensor:
        """A mask `(H, W)` of indices up to `objects` to soft labels `(objects + 1, h, w)`."""
        ...

    def read(self, soft: Tensor, size: tuple[int, int]) -> np.ndarray:
        """Soft labels to a mask of a native size (height, width)."""
        ...


def normalised(features: Tensor, how: Normalise) -> Tensor:
    """Features `(C, ...)` of length 1 over channels, negative ones set to 0 before where asked."""
    if how == "none":
        return features
    return functional.normalize(features.relu() if how == "relu, l2" else features, dim=0, eps=1e-12)


def one_hot(index: np.ndarray, objects: int) -> Tensor:
    """A mask `(H, W)` as `(objects + 1, H, W)` float32; pixels of other indices have no label."""
    return torch.from_numpy(index == np.arange(objects + 1)[:, None, None]).float()


def bilinear(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """`(..., h, w)` of three or four dimensions in another size."""
    batch = maps if maps.ndim == 4 else maps[None]
    scaled = functional.interpolate(batch, size, mode="bilinear", align_corners=False, antialias=False)
    return scaled if maps.ndim == 4 else scaled[0]


def nearest(index: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask in another size (height, width)."""
    return np.asarray(Image.fromarray(index).resize((size[1], size[0]), Image.Resampling.NEAREST))


def _argmax(soft: Tensor) -> np.ndarray:
    index: np.ndarray = soft.argmax(0).to(torch.uint8).cpu().numpy()
    return index


@dataclass(frozen=True)
class Bilinear:
    """Each object's mask bilinear to the grid (or indices, `nearest`); soft labels bilinear to native size, argmax."""

    to_grid: Literal["bilinear", "nearest"] = "bilinear"

    def prepare(self, index: np.ndarray, objects: int, grid: tuple[int, int]) -> Tensor:
        """See `Reading`."""
        if self.to_grid == "nearest":
            return one_hot(nearest(index, grid), objects)
        return bilinear(one_hot(index, objects), grid)

    def read(self, soft: Tensor, size: tuple[int, int]) -> np.ndarray:
        """See `Reading`."""
        return _argmax(bilinear(soft, size))


@dataclass(frozen=True)
class Downsized:
    """Indices nearest to the grid; back bilinear by `scale`, each class to [0, 1] over the frame, argmax, nearest."""

    scale: int

    def prepare(self, index: np.ndarray, objects: int, grid: tuple[int, int]) -> Tensor:
        """See `Reading`."""
        return one_hot(nearest(index, grid), objects)

    def read(self, soft: Tensor, size: tuple[int, int]) -> np.ndarray:
        """See `Reading`."""
        height, width = soft.shape[1:]
        return nearest(_argmax(stretched(bilinear(soft, (height * self.scale, width * self.scale)))), size)


@dataclass(frozen=True)
class Square:
    """The mask nearest to a square; each object that is not tiny there bilinear to the grid; back bilinear to the
    square, argmax, nearest to native size."""

    side: int

    def prepare(self, index: np.ndarray, objects: int, grid: tuple[int, int]) -> Tensor:
        """See `Reading`."""
        maps = one_hot(nearest(index, (self.side, self.side)), objects)
        tiny = maps.sum((1, 2)) - 1 <= FEWEST_REPEATS
        tiny[0] = False
        maps[tiny] = 0
        return bilinear(maps, grid)

    def read(self, soft: Tensor, size: tuple[int, int]) -> np.ndarray:
        """See `Reading`."""
        return nearest(_argmax(bilinear(soft, (self.side, self.side))), size)
