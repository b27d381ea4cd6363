"""Colours as classes: the a and b of Lab on a grid, to and from shares of its points.

Source: R. Zhang, P. Isola, A. A. Efros, Colorful Image Colorization, ECCV 2016, and its released code
(richzhang/colorization).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import ConvexHull
from torch import Tensor

from unlabeled.training.signals.lab import rgb_to_lab

LEVELS = 32
"""Of red, green and blue, when the colours that there are get outlined."""
SIGMA = 5.0
ANNEAL = 0.38
"""Temperature of the annealed mean; not checked in the paper."""


def gamut_bins(grid: float) -> np.ndarray:
    """Points of a grid over a and b, `(Q, 2)` float32 in the order of a, then b: 313 for a grid of 10, as released.

    They are the corners of all squares that touch the convex hull of what sRGB can show.
    """
    level = np.linspace(0, 1, LEVELS)
    rgb = np.stack(np.meshgrid(level, level, level, indexing="ij")).reshape(3, 1, -1)
    colours = rgb_to_lab(rgb)[1:, 0].T
    hull = ConvexHull(colours)
    outline = colours[hull.vertices]
    low, high = np.floor(outline.min(0) / grid), np.ceil(outline.max(0) / grid)
    squares = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), -1).reshape(-1, 1, 2)
    corners = squares + np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    # Inside of the outline `normal . x + offset <= 0`; a square beyond one of its edges does not touch it.
    normals, offsets = hull.equations[:, :2], hull.equations[:, 2]
    beyond = (corners * grid @ normals.T + offsets > 0).all(axis=1).any(axis=1)
    return (np.unique(corners[~beyond].reshape(-1, 2), axis=0) * grid).astype(np.float32)


def shares(colours: Tensor, bins: Tensor, nearest: int) -> tuple[Tensor, Tensor]:
    """Colours `(..., 2)` as shares of their nearest bins: numbers and shares, `(..., nearest)`, the nearest first.

    The shares are a Gaussian of the distance, and sum to 1; of one bin it is 1.
    """
    distance = (colours.unsqueeze(-2) - bins).square().sum(-1)
    near, numbers = distance.topk(nearest, largest=False)
    return numbers, (-near / (2 * SIGMA**2)).softmax(-1)


def rebalanced(prior: Tensor, mix: float) -> Tensor:
    """Weights of the classes `(Q,)`: the rarer, the larger; their mean under the prior is 1.

    `mix` is the share of the even distribution, over the classes that occur, with which the prior is mixed.
    """
    occurs = prior > 0
    even = occurs.to(prior) / occurs.sum()
    weights = 1 / ((1 - mix) * prior + mix * even).clamp(min=torch.finfo(prior.dtype).tiny)
    weights = torch.where(occurs, weights, weights[occurs].max())
    return weights / (weights * prior).sum()


def annealed_mean(logits: Tensor, bins: Tensor, temperature: float = ANNEAL) -> Tensor:
    """Logits `(B, Q, h, w)` to one colour a cell, `(B, 2, h, w)`: between the mean (1) and the mode (0)."""
    return torch.einsum("bqhw,qc->bchw", (logits / temperature).softmax(1), bins)
