"""PCK of propagated poses: the share of joints found near their true place (JHMDB).

Pure functions on arrays. Positions are (x, y) in 0-based pixels; shares are fractions. The defaults are the
convention of the published propagation numbers, that of the evaluation code of UVC and videowalk (X. Li et al.,
2019; A. Jabri et al., 2020); joints and data: H. Jhuang et al., 2013.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

JOINTS = (
    "neck",
    "belly",
    "face",
    "right shoulder",
    "left shoulder",
    "right hip",
    "left hip",
    "right elbow",
    "left elbow",
    "right knee",
    "left knee",
    "right wrist",
    "left wrist",
    "right ankle",
    "left ankle",
)
"""The joints of JHMDB in the order of its files."""

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)

DIAGONAL_SHARE = 0.6
"""Share of the diagonal of the box that is the length a distance is divided by."""

Normaliser = Literal["diagonal", "longest side"]
Lost = Literal["leave out", "wrong"]


class Counts(NamedTuple):
    """Outcomes of one clip, K thresholds and J joints.

    right  : right pairs of a joint and a frame, int64 `(K, J)`
    pairs  : pairs that count, int64 `(J,)`
    lost   : pairs whose joint is not in the prediction, int64 `(J,)`; among `pairs` only where lost is wrong
    frames : frames scored, all but the first
    """

    right: np.ndarray
    pairs: np.ndarray
    lost: np.ndarray
    frames: int


class Pck(NamedTuple):
    """PCK over clips, K thresholds and J joints.

    mean          : PCK at each threshold, the mean of the joints' shares; None where no joint has a share
    per_joint     : share right of each threshold and joint, K lists of J; None where no pair counts
    without_value : number of joints without a share: the mean leaves them out, the result is partial
    lost          : share of all pairs whose joint is not in the prediction; None where there are no pairs
    """

    mean: list[float | None]
    per_joint: list[list[float | None]]
    without_value: int
    lost: float | None


def from_cells(cells: np.ndarray, width: float, height: float, grid: int = 40) -> np.ndarray:
    """Pixels of positions on a square feature grid: `x / grid * width`, `y / grid * height`, no half-cell shift.

    Parameters
    ----------
    cells : `(2, ...)`, (x, y) in cells; negative where a joint is missing, which stays negative.
    width, height : size of the frame in pixels.
    grid : cells of a side.

    Raises
    ------
    ValueError : a first axis that is not (x, y).
    """
    cells = np.asarray(cells, dtype=np.float64)
    if cells.ndim < 1 or len(cells) != 2:
        raise ValueError(f"positions of shape {cells.shape}: the first axis must be (x, y)")
    return cells / grid * np.reshape([float(width), float(height)], (2,) + (1,) * (cells.ndim - 1))


def normalisers(truth: np.ndarray, present: np.ndarray, kind: Normaliser = "diagonal") -> np.ndarray:
    """Length in pixels by which the distances of each frame are divided, float64 `(T,)`.

    Parameters
    ----------
    truth : `(2, J, T)`, (x, y) of each joint and frame.
    present : `(J, T)` bool, joints that the tight box is drawn round.
    kind : `diagonal` = 0.6 x the diagonal of the box; `longest side` = max(height, width) of the box, the
        alternative that stands in the published code.

    Returns
    -------
    0 where fewer than two places make the box, NaN where no joint is present.

    Raises
    ------
    ValueError : another kind.
    """
    inside = present[None]
    high = np.where(inside, truth, -np.inf).max(axis=1)
    low = np.where(inside, truth, np.inf).min(axis=1)
    sides = np.where(present.any(axis=0), high - low, np.nan)
    if kind == "diagonal":
        return DIAGONAL_SHARE * np.linalg.norm(sides, axis=0)
    if kind == "longest side":
        return sides.max(axis=0)
    raise ValueError(f"normaliser {kind!r} is neither 'diagonal' nor 'longest side'")


def clip_counts(
    predicted: np.ndarray,
    truth: np.ndarray,
    thresholds: Sequence[float] = THRESHOLDS,
    normaliser: Normaliser = "diagonal",
    lost: Lost = "leave out",
) -> Counts:
    """Right and counted pairs of one clip; the first frame is given to the method and not scored.

    A pair of a joint and a frame is right if distance / normaliser <= threshold; a box without extent allows
    distance 0 alone. A joint is present in a frame if its predicted x is >= 0.

    Parameters
    ----------
    predicted : `(2, J, T')`, (x, y) in 0-based pixels, T' >= T; frames beyond the annotated ones are not read.
    truth : `(2, J, T)`.
    thresholds : shares of the normaliser.
    normaliser : see `normalisers`.
    lost : `leave out` = lost joints do not count and the box is drawn round the others, as published: losing
        hard joints raises PCK; `wrong` = lost joints are wrong and the box is drawn round all (PCK strict).

    Raises
    ------
    ValueError : shapes that do not fit, positions that are no finite numbers, no thresholds, unknown conventions.
    """
    predicted, truth = _positions(predicted, truth)
    levels = np.asarray(thresholds, dtype=np.float64)
    if levels.ndim != 1 or not levels.size or not (levels >= 0).all():
        raise ValueError(f"thresholds {thresholds} must be a list of shares, at least one")
    if lost not in ("leave out", "wrong"):
        raise ValueError(f"lost {lost!r} is neither 'leave out' nor 'wrong'")
    predicted, truth = predicted[..., 1:], truth[..., 1:]
    present = predicted[0] >= 0
    everywhere = np.ones_like(present)
    counted = present if lost == "leave out" else everywhere
    # Divided as in the published code, so that a distance of exactly a threshold falls on the same side.
    lengths = np.broadcast_to(normalisers(truth, counted, normaliser), present.shape)
    distances = np.linalg.norm(predicted - truth, axis=0)
    relative = np.where(distances == 0, 0.0, np.inf)
    np.divide(distances, lengths, out=relative, where=lengths > 0)
    right = present & (relative <= levels[:, None, None])
    return Counts(right.sum(axis=2), counted.sum(axis=1), (~present).sum(axis=1), present.shape[1])


def pck(clips: Sequence[Counts]) -> Pck:
    """PCK of all clips together: the mean of the joints' shares, not the share of all pairs.

    Parameters
    ----------
    clips : `clip_counts` of every clip, same thresholds, joints and conventions.

    Raises
    ------
    ValueError : no clips, or clips of different thresholds or joints.
    """
    shapes = {clip.right.shape for clip in clips}
    if len(shapes) != 1:
        raise ValueError(f"PCK needs clips of one number of thresholds and joints, not of {sorted(shapes)}")
    right = np.sum([clip.right for clip in clips], axis=0)
    pairs = np.sum([clip.pairs for clip in clips], axis=0)
    lost = sum(int(clip.lost.sum()) for clip in clips)
    scored = sum(clip.frames for clip in clips) * len(pairs)
    have = pairs > 0
    shares = right[:, have] / pairs[have]
    return Pck(
        mean=[float(row.mean()) if have.any() else None for row in shares],
        per_joint=[[float(r / n) if n else None for r, n in zip(row, pairs, strict=True)] for row in right],
        without_value=int((~have).sum()),
        lost=lost / scored if scored else None,
    )


def _positions(predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 with as many frames as are annotated."""
    predicted, truth = np.asarray(predicted, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if truth.ndim != 3 or truth.shape[0] != 2 or 0 in truth.shape:
        raise ValueError(f"true positions of shape {truth.shape} must be (2, joints, frames)")
    if predicted.ndim != 3 or predicted.shape[:2] != truth.shape[:2] or predicted.shape[2] < truth.shape[2]:
        raise ValueError(f"predicted positions of shape {predicted.shape} do not cover the true ones, {truth.shape}")
    predicted = predicted[..., : truth.shape[2]]
    for name, positions in (("predicted", predicted), ("true", truth)):
        if not np.isfinite(positions).all():
            raise ValueError(f"{np.sum(~np.isfinite(positions))} {name} coordinates are no finite numbers")
    return predicted, truth
