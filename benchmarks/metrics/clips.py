"""From the views of a video to one answer, and where in a video its views lie.

Pure functions on arrays. A view is a clip or a frame; frames count from 0. Equal scores go to the lowest class.
Sources: D. Xu et al., Video Clip Order Prediction, CVPR 2019, and P. Morgado et al., Audio-Visual Instance
Discrimination, CVPR 2021 (positions as in their released loaders); 25 frames: K. Simonyan and A. Zisserman, Two-Stream
Convolutional Networks, NIPS 2014.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Mean = Literal["softmax", "logits"]
Short = Literal["loop", "hold"]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis, float64 of the same shape.

    Raises
    ------
    ValueError : logits that are NaN or infinite, or no class.
    """
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim < 1 or logits.shape[-1] == 0 or not np.isfinite(logits).all():
        raise ValueError(f"logits of shape {logits.shape} must be finite numbers, a class or more in the last axis")
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def video_scores(logits: np.ndarray, mean: Mean) -> np.ndarray:
    """Class scores of videos: the mean over their views of probabilities or of logits. The two may disagree.

    Parameters
    ----------
    logits : `(..., views, classes)`.
    mean : of what.

    Returns
    -------
    float64 `(..., classes)`.

    Raises
    ------
    ValueError : no views, or logits that are no finite numbers.
    """
    probabilities = softmax(logits)
    if probabilities.ndim < 2 or probabilities.shape[-2] == 0:
        raise ValueError(f"logits of shape {probabilities.shape} hold no view")
    return (probabilities if mean == "softmax" else np.asarray(logits, dtype=np.float64)).mean(axis=-2)


def top_classes(scores: np.ndarray, k: int) -> np.ndarray:
    """The k classes of highest score, the best first, `(..., k)` int64; of equals the lowest class first."""
    return np.argsort(-np.asarray(scores), axis=-1, kind="stable")[..., :k]


# ---------------------------------------------------------------- where views lie


def vcop_starts(frames: int, clips: int = 10, length: int = 16) -> np.ndarray:
    """First frames `(clips,)` int64: centres at equal steps from half a clip after the start to half before the end.

    A video shorter than a clip gives 0: its last frame is repeated (the released loader fails there).
    """
    _refuse_empty(frames)
    half = length / 2
    last = max(frames, length) - half
    return (np.linspace(half, last, clips) - half).astype(np.int64)


def avid_starts(frames: int, clips: int = 10, length: int = 8) -> np.ndarray:
    """First frames `(clips,)` int64 at equal steps; 0 for a video of at most `length` frames, which is looped."""
    _refuse_empty(frames)
    return np.linspace(0, max(frames - length, 0), clips).astype(np.int64)


def spaced_frames(frames: int, views: int = 25) -> np.ndarray:
    """Frames `(views,)` int64 at equal steps from the first to the last, rounded half to even; short videos repeat."""
    _refuse_empty(frames)
    return np.round(np.linspace(0, frames - 1, views)).astype(np.int64)


def consecutive_starts(frames: int, length: int) -> np.ndarray:
    """First frames `(windows,)` int64 of all windows one after the other; what is left at the end is left out.

    A video shorter than a window has one.
    """
    _refuse_empty(frames)
    return np.arange(max(frames // length, 1)) * length


def thinned(frames: int, fps: float, wanted: float) -> np.ndarray:
    """Frames `(n,)` int64 that are seen when a video of `fps` frames a second is shown at `wanted` ones.

    Frame k is the one that stands at its time, as the released loader of AVID counts. All frames where either rate
    is 0: not known, not asked for.
    """
    _refuse_empty(frames)
    if not fps or not wanted:
        return np.arange(frames)
    return (np.arange(max(int(frames * wanted / fps), 1)) * fps / wanted).astype(np.int64)


def strided_windows(frames: int, length: int, stride: int, starts: np.ndarray, short: Short = "loop") -> np.ndarray:
    """Frame numbers `(starts, length)` int64 of windows whose frames lie `stride` apart.

    A video that is too short for a window starts again at its first frame, or holds its last one.
    """
    _refuse_empty(frames)
    places = np.asarray(starts, dtype=np.int64)[:, None] + stride * np.arange(length)
    return places % frames if short == "loop" else np.minimum(places, frames - 1)


def _refuse_empty(frames: int) -> None:
    if frames < 1:
        raise ValueError(f"a video of {frames} frames has no view")
