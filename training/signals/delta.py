"""Deltas: the slope of features along time.

Source: S. Furui, Speaker-independent isolated word recognition using dynamic features of speech spectrum,
IEEE TASSP 1986; width and edges of librosa 0.11 (`feature.delta`: A. Savitzky, M. Golay, Analytical Chemistry
1964, order 1, `mode="interp"`).
"""

from __future__ import annotations

import torch

from unlabeled.errors import BadData, WrongCall

WIDTH = 9


def delta(features: torch.Tensor, width: int = WIDTH) -> torch.Tensor:
    """Slope of the straight line that fits `width` neighbouring frames best, per frame.

    Parameters
    ----------
    features : `(..., frames)`, floating point.
    width : frames of a fit, odd.

    Returns
    -------
    Of the same shape; the `width // 2` frames at each end have the slope of the first and of the last fit.

    Raises
    ------
    WrongCall : width is even or below 3.
    BadData : there are fewer than `width` frames.
    """
    frames, half = features.shape[-1], width // 2
    if width < 3 or width % 2 == 0:
        raise WrongCall(f"the width of deltas must be odd and at least 3, not {width}")
    if frames < width:
        raise BadData(f"deltas of width {width} need at least {width} frames, there are {frames}")
    fits = frames - 2 * half
    middle = features.new_zeros(*features.shape[:-1], fits)
    for step in range(1, half + 1):
        later, earlier = (features[..., half + way : half + way + fits] for way in (step, -step))
        middle.add_(later - earlier, alpha=step)
    middle /= 2 * sum(step * step for step in range(1, half + 1))
    first, last = middle[..., :1], middle[..., -1:]
    return torch.cat([*[first] * half, middle, *[last] * half], -1)
