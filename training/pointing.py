"""Pointing: a cell of one frame takes its label from the cells of other frames that look like it.

    A_ij = exp(f_i . f_j / T) / sum over k of exp(f_k . f_j / T)        y_j = sum over i of A_ij y_i

i and k run over all cells of all references, j is a cell of the target. Labels are colours while a network learns, and
anything afterwards. Source: C. Vondrick et al., Tracking Emerges by Colorizing Videos, ECCV 2018, equations 1 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unlabeled.contracts import Info, Pick
from unlabeled.errors import BadData
from unlabeled.streams import Rng

REFERENCES = 3
LEAST = 1e-6
"""Added to a probability before its logarithm."""


@dataclass(frozen=True)
class SpacedFrames:
    """Which frames of a clip are shown: three references and, last, the target, at equal distances.

    fps  : frames a second among which they are chosen; 0: all that there are
    gaps : fewest and most of these from one to the next
    """

    fps: float
    gaps: tuple[int, int]

    def __call__(self, info: Info, rng: Rng) -> Pick:
        """A pure function of a clip's length and frame rate, and of a stream.

        Raises
        ------
        BadData : the clip is too short.
        """
        step = max(1, round(info.fps / self.fps)) if self.fps else 1
        longest = min(self.gaps[1], (info.frames - 1) // (REFERENCES * step))
        if longest < self.gaps[0]:
            needed = REFERENCES * step * self.gaps[0] + 1
            raise BadData(f"{info.frames} frames where {needed} are needed", "leave such clips out, or lower `gaps`")
        draw = rng.numpy("frames")
        gap = step * int(draw.integers(self.gaps[0], longest, endpoint=True))
        start = int(draw.integers(info.frames - REFERENCES * gap))
        return Pick(frames=(tuple(int(k) for k in start + gap * np.arange(REFERENCES + 1)),))


def point(references: Tensor, target: Tensor, labels: Tensor, temperature: float = 1.0, unit: bool = False) -> Tensor:
    """Labels of the target's cells.

    Parameters
    ----------
    references, target : features `(B, D, R, h, w)` and `(B, D, h, w)`.
    labels : of the references' cells, `(B, K, R, h, w)`: one-hot or soft.
    unit : features are brought to length 1 first, so that only their direction counts.

    Returns
    -------
    `(B, K, h, w)`: a share for each label, summing to 1 where those of every reference cell do.
    """
    if unit:
        references, target = functional.normalize(references, dim=1), functional.normalize(target, dim=1)
    alike = torch.einsum("bdi,bdj->bij", references.flatten(2), target.flatten(2)) / temperature
    copied = torch.einsum("bki,bij->bkj", labels.flatten(2), alike.softmax(dim=1))
    return copied.unflatten(2, target.shape[-2:])


def pointing_loss(copied: Tensor, truth: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean negative logarithm of the share of the true label; `(B, K, h, w)` and numbers `(B, h, w)`.

    The shares are probabilities already: no second softmax. `weights` `(K,)` of the labels make it a weighted mean.
    """
    return functional.nll_loss((copied + LEAST).log(), truth, weights)
