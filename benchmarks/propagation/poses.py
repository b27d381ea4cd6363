"""Joints as maps on the feature grid, and joints read from such maps (A. Jabri et al. 2020, released code).

Places are (x, y) in cells; a map has its peak where `draw` puts it, at `trunc(p - 3 sigma)` plus half the patch.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def draw(places: np.ndarray, height: int, width: int, sigma: float) -> Tensor:
    """A Gaussian map for each joint, `(J, height, width)` float64, 1 at its peak and 0 outside its patch.

    Parameters
    ----------
    places : `(2, J)`, (x, y) in cells. Nothing is drawn of a joint whose patch does not touch the map.
    """
    maps = torch.zeros(places.shape[1], height, width, dtype=torch.float64)
    side = int(6 * sigma + 1)
    near = torch.arange(side, dtype=torch.float64) - side // 2
    patch = torch.exp(-(near[:, None] ** 2 + near**2) / (2 * sigma**2))
    for joint, place in enumerate(places.T):
        # Towards zero, for negative places too, so that near the left and upper border the patch is cut short.
        left, top = (int(p) for p in np.trunc(place - 3 * sigma))
        right, below = (int(p) for p in np.trunc(place + 3 * sigma + 1))
        if left >= width or top >= height or right < 0 or below < 0:
            continue
        rows = slice(max(top, 0), min(below, top + side, height))
        columns = slice(max(left, 0), min(right, left + side, width))
        maps[joint, rows, columns] = patch[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
    return maps


def with_background(maps: Tensor) -> Tensor:
    """Joint maps `(J, h, w)` to soft labels `(1 + J, h, w)` float32: label 0 is 1 where no joint has mass."""
    return torch.cat([(maps.sum(0) == 0)[None].to(maps), maps]).float()


def read(maps: Tensor, topk: int) -> np.ndarray:
    """The mean place of the `topk` largest cells of each joint map `(J, h, w)`, weighted by their values, `(2, J)`.

    (-1, -1) where a map has no mass.
    """
    width = maps.shape[2]
    best = maps.flatten(1).double().topk(min(topk, maps.shape[1] * width), 1)
    cells = torch.stack([best.indices % width, best.indices // width])
    total = best.values.sum(1)
    there = maps.flatten(1).sum(1) != 0
    means = (cells * best.values).sum(2) / torch.where(there, total, torch.ones_like(total))
    found: np.ndarray = torch.where(there, means, -1.0).cpu().numpy()
    return found
