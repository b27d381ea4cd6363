"""From the answers for windows or segments of a clip to one answer for the clip.

Pure functions on arrays. Rows are windows of any clips in any order; `clip` `(N,)` says which clip each
belongs to, 0 .. clips - 1. Equal scores go to the lowest class. Rules: sections 0, 1.3 and 1.5 of the sound
protocols.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NO_ANSWER = -1
"""The class of a clip that no segment speaks for: it equals no true class, so it counts as wrong."""
ROW_SUM_TOLERANCE = 1e-3
"""How far the probabilities of a segment may be from adding up to 1; half precision keeps within it."""


class Vote(NamedTuple):
    """Mean `scores` `(clips, classes)` float64 and the `prediction` `(clips,)` int64 they lead to."""

    scores: np.ndarray
    prediction: np.ndarray


def mean_score_vote(scores: np.ndarray, clip: np.ndarray, clips: int) -> Vote:
    """The class with the highest mean score over the windows of a clip.

    Parameters
    ----------
    scores : decision values `(N, classes)`.
    clip : `(N,)` integers, the clip of each row.
    clips : how many clips there are.

    Raises
    ------
    ValueError : shapes that do not fit, a clip out of range or without a window, scores that are NaN or infinite.
    """
    scores, clip = _rows(scores, clip, clips)
    windows = np.bincount(clip, minlength=clips)
    if not windows.all():
        raise ValueError(f"clip {int(windows.argmin())} of {clips} has no window")
    means = _sums(scores, clip, clips) / windows[:, None]
    return Vote(means, means.argmax(1))


def probability_vote(probabilities: np.ndarray, clip: np.ndarray, clips: int) -> Vote:
    """The class with the highest mean probability over the segments of a clip.

    A clip without a segment (all were silent) has scores 0 and the prediction `NO_ANSWER`.

    Parameters
    ----------
    probabilities : `(N, classes)`, each row adds up to 1.
    clip, clips : as `mean_score_vote`.

    Raises
    ------
    ValueError : as `mean_score_vote`, and rows that are no probabilities.
    """
    rows, clip = _rows(probabilities, clip, clips)
    if (rows < 0).any() or (abs(rows.sum(1) - 1) > ROW_SUM_TOLERANCE).any():
        raise ValueError("probabilities must not be negative and add up to 1 in each row")
    segments = np.bincount(clip, minlength=clips)
    means = _sums(rows, clip, clips) / np.maximum(segments, 1)[:, None]
    return Vote(means, np.where(segments > 0, means.argmax(1), NO_ANSWER))


def majority_vote(answers: np.ndarray, clip: np.ndarray, clips: int) -> np.ndarray:
    """The most frequent class among the segments of a clip, of equals the one seen first; `(clips,)` int64.

    A clip without a segment has the prediction `NO_ANSWER`.

    Parameters
    ----------
    answers : `(N,)` integer classes, the segments of a clip in the order of time.
    clip, clips : as `mean_score_vote`.

    Raises
    ------
    ValueError : shapes that do not fit, a clip out of range, answers that are no classes.
    """
    answers = np.asarray(answers)
    clip = _clips(clip, len(answers), clips)
    if answers.ndim != 1 or not np.issubdtype(answers.dtype, np.integer) or (answers < 0).any():
        raise ValueError(f"answers must be a list of classes 0, 1, ..., not {answers.dtype} {answers.shape}")
    prediction = np.full(clips, NO_ANSWER, dtype=np.int64)
    for k in range(clips):
        classes, first, counts = np.unique(answers[clip == k], return_index=True, return_counts=True)
        if len(classes):
            prediction[k] = classes[np.lexsort((first, -counts))[0]]
    return prediction


def _rows(scores: np.ndarray, clip: np.ndarray, clips: int) -> tuple[np.ndarray, np.ndarray]:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] == 0:
        raise ValueError(f"scores must be (rows, classes), not {scores.shape}")
    broken = ~np.isfinite(scores).all(1)
    if broken.any():
        raise ValueError(f"scores of row {int(broken.argmax())} are NaN or infinite")
    return scores, _clips(clip, len(scores), clips)


def _clips(clip: np.ndarray, rows: int, clips: int) -> np.ndarray:
    clip = np.asarray(clip)
    if clip.shape != (rows,) or (rows and not np.issubdtype(clip.dtype, np.integer)):
        raise ValueError(f"clip must name the clip of each of {rows} rows by its number, not {clip.dtype} {clip.shape}")
    if clips < 1 or (rows and (clip.min() < 0 or clip.max() >= clips)):
        raise ValueError(f"rows belong to clips outside 0 .. {clips - 1}")
    return clip.astype(np.int64)


def _sums(rows: np.ndarray, clip: np.ndarray, clips: int) -> np.ndarray:
    sums = np.zeros((clips, rows.shape[1]))
    np.add.at(sums, clip, rows)
    return sums
