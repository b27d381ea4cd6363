"""Region similarity J and boundary accuracy F of video object masks, as the DAVIS evaluation computes them.

Pure functions on arrays; fractions, not percent. J is the intersection over union of two masks; F is the harmonic
mean of precision and recall of their boundaries, with a tolerance of 0.8 % of the image diagonal.

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016 (J, F, the
statistics); Pont-Tuset et al., "The 2017 DAVIS Challenge on Video Object Segmentation", 2017 (several objects). The
behaviour at borders, in empty masks and in ties is that of the released davis2017-evaluation.

An index map `(H, W)` uint8 holds 0 for background, 1, 2, ... for objects, and in a truth 255 for void. Everything
that a frame needs is found in few passes over it: a histogram of index pairs over runs of equal pixels gives the J
of all objects, and the few pixels where an index changes give their boundaries.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from itertools import zip_longest
from math import ceil, hypot, isqrt
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

BOUND = 0.008
"""Tolerance of F as a share of the image diagonal."""

MOST_PROPOSALS = 20
"""Results that the unsupervised task allows in one sequence."""

VOID = 255


Scores = tuple[np.ndarray, np.ndarray]
"""J and F."""


class Statistics(NamedTuple):
    """Mean of the frames, share of frames above 0.5, and loss from the first quarter to the last."""

    mean: float
    recall: float
    decay: float


# ---------------------------------------------------------------- one mask against another


def jaccard(predicted: np.ndarray, truth: np.ndarray, void: np.ndarray | None = None) -> float:
    """J of two masks: intersection over union, 1 where the union is empty.

    Parameters
    ----------
    predicted, truth : `(H, W)` bool.
    void : `(H, W)` bool, pixels that do not count.

    Raises
    ------
    ValueError : shapes that differ or are not `(H, W)`, an empty image, or masks that are not bool.
    """
    ours, true = _checked(_one_object(predicted), _one_object(truth), void, 1, 1)
    either = np.count_nonzero(ours | true)
    return np.count_nonzero(ours & true) / either if either else 1.0


def boundary_map(mask: np.ndarray) -> np.ndarray:
    """The boundary pixels of a mask, `(H, W)` bool: those that differ from a neighbour to the right or below.

    Neighbours are the pixels to the right, below, and right below; the image border is no boundary, so that of a full
    mask is empty. Boundary pixels lie on both sides of the edge, shifted towards the top left.

    Raises
    ------
    ValueError : a mask that is not `(H, W)` bool.
    """
    _one_object(mask)
    below, right = np.pad(mask, ((0, 1), (0, 0)), "edge")[1:], np.pad(mask, ((0, 0), (0, 1)), "edge")[:, 1:]
    across = np.pad(mask, ((0, 1), (0, 1)), "edge")[1:, 1:]
    return (mask != right) | (mask != below) | (mask != across)


def boundary_f(predicted: np.ndarray, truth: np.ndarray, void: np.ndarray | None = None, bound: float = BOUND) -> float:
    """F of two masks.

    Precision is the share of predicted boundary pixels with a true one within the tolerance, recall the reverse; a
    pixel may serve several others. Two empty boundaries agree (1); if one alone is empty, F is 0.

    Parameters
    ----------
    predicted, truth, void : as in `jaccard`; void pixels count as background in both masks.
    bound : the tolerance as in `tolerance`.

    Raises
    ------
    ValueError : as in `jaccard` and `tolerance`.
    """
    return float(frame_scores(_one_object(predicted), _one_object(truth), 1, void, bound)[1][0])


def tolerance(height: int, width: int, bound: float = BOUND) -> int:
    """Radius in pixels within which boundaries match: 8 at 480 x 854.

    Parameters
    ----------
    bound : below 1 a share of the image diagonal, rounded up; from 1 on pixels.

    Raises
    ------
    ValueError : a negative bound, or pixels that are no whole number.
    """
    if not (0 <= bound < 1 or (bound >= 1 and float(bound).is_integer())):
        raise ValueError(f"bound is {bound}, allowed are shares of the diagonal from 0 to 1 and whole pixels")
    return int(bound) if bound >= 1 else ceil(bound * hypot(height, width))


# ---------------------------------------------------------------- frames and sequences


def frame_scores(
    predicted: np.ndarray, truth: np.ndarray, objects: int, void: np.ndarray | None = None, bound: float = BOUND
) -> Scores:
    """J and F of each object in one frame, float64 `(objects,)` each; object k is at k - 1.

    Parameters
    ----------
    predicted, truth : index maps `(H, W)` uint8. Indices of the truth above `objects`, 255 too, are background.
    objects : number of objects of the sequence, see `count_objects`.
    void : `(H, W)` bool, pixels that do not count. The semi-supervised task gives none.
    bound : the tolerance as in `tolerance`.

    Raises
    ------
    ValueError : a predicted index above `objects` (255 is one), maps that are not uint8 or not of one size, or
        `objects` outside 1 to 254.
    """
    predicted, truth = _checked(predicted, truth, void, objects, objects)
    frame = _compare(predicted, truth, objects, objects)
    radius = tolerance(truth.shape[0], truth.shape[1], bound)
    f = [_f(ours, true, radius) for ours, true in zip(frame.predicted, frame.truth, strict=True)]
    return np.diagonal(_jaccards(frame.pixels)).copy(), np.array(f)


def count_objects(first_truth: np.ndarray) -> int:
    """Number of objects of a sequence: the highest index in its first annotated frame, void aside.

    An index that does not occur below it counts too: it is an object that is empty in every frame.

    Raises
    ------
    ValueError : a map that is not `(H, W)` uint8.
    """
    _index_map(first_truth, "the truth")
    return int(np.where(first_truth == VOID, 0, first_truth).max())


def sequence_scores(predicted: Iterable[np.ndarray], truth: Iterable[np.ndarray], objects: int) -> Scores:
    """J and F of each object in each frame given, float64 `(objects, frames)` each.

    One frame is held at a time. The semi-supervised task leaves the first and the last frame out, but counts the
    objects in the first: that is the caller's.

    Parameters
    ----------
    predicted, truth : index maps `(H, W)` uint8 of the same frames.
    objects : number of objects of the sequence, see `count_objects`.

    Raises
    ------
    ValueError : no frames, more frames in one than in the other, or a frame that `frame_scores` refuses.
    """
    scores = [_of_frame(t, frame_scores, *maps, objects) for t, maps in enumerate(zip_longest(predicted, truth))]
    if not scores:
        raise ValueError("J and F of no frames are undefined")
    j, f = np.stack(scores, axis=-1)
    return j, f


def statistics(values: np.ndarray) -> Statistics:
    """Statistics of one object over its scored frames.

    Recall is the share of frames strictly above 0.5. Decay is the mean of the first of four bins minus that of the
    last; neighbouring bins share a frame. NaN frames are left out of the means but count as not above 0.5.

    Parameters
    ----------
    values : J or F of each frame, `(frames,)`.

    Raises
    ------
    ValueError : no frames, or more than one axis.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"values must be one list of at least one frame, not {values.shape}")
    # The tiny addend is the released code's: it moves the halves that round() would send to the even side.
    edges = (np.round(np.linspace(1, len(values), 5) + 1e-10) - 1).astype(int)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)  # frames that are all NaN
        first, last = (np.nanmean(values[edges[k] : edges[k + 1] + 1]) for k in (0, 3))
        mean = np.nanmean(values)
    return Statistics(float(mean), float((values > 0.5).mean()), float(first - last))


# ---------------------------------------------------------------- the unsupervised task


def proposal_scores(
    predicted: np.ndarray, truth: np.ndarray, proposals: int, objects: int, void: np.ndarray | None = None
) -> Scores:
    """J and F of each result against each object in one frame, float64 `(proposals, objects)` each.

    Parameters and errors as in `frame_scores`; predicted indices run to `proposals`.
    """
    predicted, truth = _checked(predicted, truth, void, proposals, objects)
    frame = _compare(predicted, truth, proposals, objects)
    radius = tolerance(truth.shape[0], truth.shape[1])
    f = [[_f(ours, true, radius) for true in frame.truth] for ours in frame.predicted]
    return _jaccards(frame.pixels), np.array(f)


def assign_proposals(j: np.ndarray, f: np.ndarray) -> np.ndarray:
    """The result that each object is given, `(objects,)` int, each result at most once.

    The assignment with the largest sum of (J + F) / 2, both averaged over the frames.

    Parameters
    ----------
    j, f : `(proposals, objects, frames)`.

    Raises
    ------
    ValueError : shapes that differ, or fewer proposals than objects (pad with empty ones).
    """
    if j.shape != f.shape or j.ndim != 3 or j.shape[0] < j.shape[1]:
        raise ValueError(f"J {j.shape} and F {f.shape} must be (proposals, objects, frames), proposals >= objects")
    proposals, found = linear_sum_assignment(-(j.mean(2) + f.mean(2)) / 2)
    return proposals[np.argsort(found)]


def unsupervised_scores(predicted: Iterable[np.ndarray], truth: Iterable[np.ndarray], objects: int) -> Scores:
    """J and F of each object in each frame after results are assigned to objects, float64 `(objects, frames)` each.

    All frames of a sequence count, void pixels do not. Where results are fewer than objects, empty ones fill up.

    Parameters and errors as in `sequence_scores`, but a predicted index may reach 20 whatever `objects` is.
    """
    # How many results there are is known after the last frame only; those that never occur are cut off then.
    most = max(MOST_PROPOSALS, objects)
    scores, highest = [], 0
    for t, (ours, true) in enumerate(zip_longest(predicted, truth)):
        scores.append(_of_frame(t, _one_unsupervised, ours, true, most, objects))
        highest = max(highest, int(ours.max()))
    if not scores:
        raise ValueError("J and F of no frames are undefined")
    j, f = np.stack(scores, axis=-1)[:, : max(highest, objects)]
    chosen = assign_proposals(j, f), np.arange(objects)
    return j[chosen], f[chosen]


def _one_unsupervised(predicted: np.ndarray, truth: np.ndarray, proposals: int, objects: int) -> Scores:
    _index_map(predicted, "the prediction")
    if predicted.max() > MOST_PROPOSALS:
        raise ValueError(f"the prediction holds index {predicted.max()}, at most {MOST_PROPOSALS} results are allowed")
    return proposal_scores(predicted, truth, proposals, objects, np.asarray(truth) == VOID)


# ---------------------------------------------------------------- inside


class _Points(NamedTuple):
    """Pixel positions `(n,)`, by rows."""

    y: np.ndarray
    x: np.ndarray


class _Frame(NamedTuple):
    """What J and F of all pairs need, counted in the part of the image that holds any object.

    `pixels[t, p]` are counts of index pairs, `predicted` and `truth` the boundary of each object.
    """

    pixels: np.ndarray
    predicted: list[_Points]
    truth: list[_Points]


def _compare(predicted: np.ndarray, truth: np.ndarray, proposals: int, objects: int) -> _Frame:
    """Both index maps in one: an edge of either is an edge of their pair of indices."""
    box = _box(predicted | truth)
    base = proposals + 1
    pair = np.multiply(truth[box], base, dtype=np.uint8 if base * (objects + 1) <= 256 else np.uint16)
    pair += predicted[box]
    flat, (height, width) = pair.ravel(), pair.shape
    differs = np.zeros(pair.shape, dtype=bool)  # from the next pixel, which for the last of a row is in the next row
    np.not_equal(flat[1:], flat[:-1], out=differs.ravel()[:-1])
    near = differs.copy()
    near[:-1] |= pair[1:] != pair[:-1]
    # Equal to the pixel below, the pixel right below differs just where the row below has a step.
    near[:-1] |= differs[1:]
    points = np.flatnonzero(near)

    starts = np.append(0, points[differs.ravel()[points]] + 1)
    lengths = np.diff(starts, append=flat.size)
    pixels = np.bincount(flat[starts], weights=lengths, minlength=base * (objects + 1)).reshape(-1, base)

    y, x = np.divmod(points, width)
    # An edge pixel repeated beyond the image gives the rules of the last row and column: no boundary there.
    right, below = (x < width - 1).astype(np.intp), (y < height - 1) * width
    corners = [flat[points], flat[points + right], flat[points + below], flat[points + below + right]]
    true, ours = (table[corners] for table in np.divmod(np.arange(base * (objects + 1), dtype=flat.dtype), base))
    return _Frame(pixels, _boundaries(ours, y, x, proposals), _boundaries(true, y, x, objects))


def _box(index: np.ndarray) -> tuple[slice, slice]:
    """The part of the image with all that is not background, one pixel wider where there is one.

    All of its pixels count for boundaries as they would in the image, and background against background is not asked.
    """
    rows = _span(index.max(axis=1))
    return rows, _span(index[rows].max(axis=0))


def _span(used: np.ndarray) -> slice:
    at = np.flatnonzero(used)
    return slice(max(int(at[0]) - 1, 0), int(at[-1]) + 2) if len(at) else slice(1)


def _boundaries(corners: np.ndarray, y: np.ndarray, x: np.ndarray, objects: int) -> list[_Points]:
    """For each object the points that differ from one of the three pixels `corners[1:]`."""
    found = []
    for k in range(1, objects + 1):
        pixel, right, below, across = corners == k
        differs = (pixel ^ right) | (pixel ^ below) | (pixel ^ across)
        found.append(_Points(y[differs], x[differs]))
    return found


def _jaccards(pixels: np.ndarray) -> np.ndarray:
    """J of each pair `(proposals, objects)` from the counts of index pairs `(objects + 1, proposals + 1)`."""
    both = pixels[1:, 1:].T
    either = pixels.sum(0)[1:, None] + pixels.sum(1)[None, 1:] - both
    return np.divide(both, either, out=np.ones_like(both), where=either > 0)


def _f(predicted: _Points, truth: _Points, radius: int) -> float:
    """F from the boundaries of two masks."""
    n_predicted, n_truth = len(predicted.y), len(truth.y)
    if n_predicted == 0 or n_truth == 0:
        return float(n_predicted == n_truth)
    right, found = _matches(predicted, truth, radius)
    precision, recall = right / n_predicted, found / n_truth
    return 2 * precision * recall / (precision + recall) if right else 0.0


def _matches(a: _Points, b: _Points, radius: int) -> tuple[int, int]:
    """How many points of each set have one of the other within the radius.

    The picture of a set is one integer, row after row: shifts move the picture, and a disc is a few dozen shifts.
    Only where the boxes around the sets, each grown by the radius, overlap can a point have a partner.
    """
    top, bottom = max(a.y[0], b.y[0]) - radius, min(a.y[-1], b.y[-1]) + radius
    left, right = max(a.x.min(), b.x.min()) - radius, min(a.x.max(), b.x.max()) + radius
    if top > bottom or left > right:
        return 0, 0
    # Empty columns between the rows catch what is shifted over the end of a row.
    stride = int(right - left) + 1 + radius
    pictures = []
    for y, x in (a, b):
        inside = (y >= top) & (y <= bottom) & (x >= left) & (x <= right)
        bits = np.zeros((bottom - top + 1) * stride, dtype=bool)
        bits[((y - top) * stride + (x - left))[inside]] = True
        pictures.append(int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little"))
    first, second = pictures
    return (
        (_dilated(second, radius, stride) >> radius * (stride + 1) & first).bit_count(),
        (_dilated(first, radius, stride) >> radius * (stride + 1) & second).bit_count(),
    )


def _dilated(picture: int, radius: int, stride: int) -> int:
    """The picture with a disc `dy^2 + dx^2 <= radius^2` at each of its points, all moved by the radius down and right.

    From the ends of the disc to its middle the rows only get wider, and each is made of the one before.
    """
    dilated, rows, width = 0, picture, 1
    for dy in range(radius, -1, -1):
        half = isqrt(radius * radius - dy * dy)
        while width < 2 * half + 1:
            step = min(width, 2 * half + 1 - width)
            rows |= rows << step
            width += step
        at = (radius - dy) * stride + radius - half
        dilated |= rows << at | rows << at + 2 * dy * stride
    return dilated


def _of_frame(
    t: int, function: Callable[..., Scores], predicted: np.ndarray | None, truth: np.ndarray | None, *rest: int
) -> Scores:
    """The function's answer for frame `t` of those given, whose number is put into its error."""
    if predicted is None or truth is None:
        raise ValueError(f"frame {t} of those to score is missing in the {'truth' if truth is None else 'prediction'}")
    try:
        return function(predicted, truth, *rest)
    except ValueError as fault:
        raise ValueError(f"frame {t} of those to score: {fault}") from None


def _checked(
    predicted: np.ndarray, truth: np.ndarray, void: np.ndarray | None, proposals: int, objects: int
) -> tuple[np.ndarray, np.ndarray]:
    """The maps with all that does not count set to background."""
    _index_map(predicted, "the prediction")
    _index_map(truth, "the truth")
    if predicted.shape != truth.shape:
        raise ValueError(f"the prediction is {_size(predicted)}, the truth {_size(truth)} pixels")
    if not 1 <= objects < VOID:
        raise ValueError(f"{objects} objects: a sequence has 1 to 254 (in a 2016 truth 255 is the object, not void)")
    if predicted.max() > proposals:
        raise ValueError(f"the prediction holds index {predicted.max()}, the highest allowed is {proposals}")
    if truth.max() > objects:
        truth = np.where(truth > objects, 0, truth)
    if void is not None:
        if void.shape != truth.shape or void.dtype != bool:
            raise ValueError(f"void is {void.shape} {void.dtype}, the truth {truth.shape}; void must be bool")
        predicted, truth = np.where(void, 0, predicted), np.where(void, 0, truth)
    return predicted, truth


def _index_map(index: np.ndarray, name: str) -> None:
    if index.ndim != 2 or index.size == 0 or index.dtype != np.uint8:
        raise ValueError(f"{name} is {index.shape} {index.dtype}, an index map is (H, W) uint8")


def _one_object(mask: np.ndarray) -> np.ndarray:
    """A mask as index map of one object."""
    if mask.ndim != 2 or mask.size == 0 or mask.dtype != bool:
        raise ValueError(f"a mask is (H, W) bool, not {mask.shape} {mask.dtype}")
    return mask.view(np.uint8)


def _size(index: np.ndarray) -> str:
    return " x ".join(map(str, index.shape))
