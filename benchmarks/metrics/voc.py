"""Average precision of object detection as PASCAL VOC 2007 scores it.

Pure functions on arrays, one class at a time. Boxes are `(N, 4)` pixels xmin, ymin, xmax, ymax, 1-based with both
corners inside: a box is xmax - xmin + 1 wide. Images are integers, any numbering. AP is a fraction.

Source: Everingham et al., The PASCAL Visual Object Classes (VOC) challenge, 2010, and the VOC 2007 development kit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.sparse import csr_array

Kind = Literal["11-point", "area"]
Convention = Literal["1-based", "py-faster-rcnn", "detectron2"]

RIGHT, WRONG, NEITHER = 1, 0, -1
"""What `match` says of a detection; neither: it found a difficult object."""

RECALLS = np.arange(0.0, 1.1, 0.1)
"""The eleven recalls, with their rounding: the fourth is 0.30000000000000004, which a recall of 3/10 misses."""

IOU_SWEEP = tuple(percent / 100 for percent in range(50, 100, 5))
"""0.50, 0.55 ... 0.95: the mean of AP over these is the "AP" beside AP50 and AP75."""

CHUNK = 128
"""Resamples worked on at once: their counts of 5,000 images (5 MB) stay in the cache."""


class Detected(NamedTuple):
    """Detections of a class: `image` `(D,)` integers, `score` `(D,)`, `boxes` `(D, 4)`."""

    image: np.ndarray
    score: np.ndarray
    boxes: np.ndarray


class Truth(NamedTuple):
    """Objects of a class: `image` `(G,)` integers, `boxes` `(G, 4)`, `difficult` `(G,)` bool."""

    image: np.ndarray
    boxes: np.ndarray
    difficult: np.ndarray


class Matched(NamedTuple):
    """`order` `(D,)` of the detections by score downwards; `flags` `(thresholds, D)` int8 in that order."""

    order: np.ndarray
    flags: np.ndarray


# ---------------------------------------------------------------- which detections are right?


def match(detected: Detected, truth: Truth, thresholds: Sequence[float] = (0.5,)) -> Matched:
    """Which detections are `RIGHT`, `WRONG` or `NEITHER`, for one or several IoU thresholds.

    A detection belongs to the box of largest IoU in its image, difficult or not (the first on ties). With an IoU above
    the threshold it is right if no earlier one found that box, wrong if one did, neither if the box is difficult; it
    is never given to its second-best box. Detections of equal score keep the order in which they came.

    Parameters
    ----------
    detected, truth : of one class; an image may have detections, objects, both or none.
    thresholds : an IoU must be larger than this, equal is not enough.

    Raises
    ------
    ValueError : shapes that do not fit, images that are no integers, scores or boxes that are NaN or infinite, a box
        whose xmax < xmin or ymax < ymin.
    """
    detected, truth = _detected(detected), _truth(truth)
    order = np.argsort(-detected.score, kind="stable")
    overlap, box = _best(detected, truth)
    overlap, box = overlap[order], box[order]
    flags = np.zeros((len(thresholds), len(order)), dtype=np.int8)
    for row, threshold in zip(flags, thresholds, strict=True):
        found = np.flatnonzero(overlap > threshold)
        first = np.zeros(len(truth.boxes), dtype=np.intp)
        # Of several assignments to one place the last stays: backwards that is the highest score.
        first[box[found[::-1]]] = found[::-1]
        row[found] = first[box[found]] == found
        row[found[truth.difficult[box[found]]]] = NEITHER
    return Matched(order, flags)


def _best(detected: Detected, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    """The largest IoU of each detection with an object of its image, -1 if there is none, and that object."""
    by_image = np.argsort(truth.image, kind="stable")
    images, corners = truth.image[by_image], truth.boxes[by_image].T
    areas = _area(corners)
    start = np.searchsorted(images, detected.image)
    objects = np.searchsorted(images, detected.image, side="right") - start
    overlap, box = np.full(len(start), -1.0), np.zeros(len(start), dtype=np.intp)
    here = np.flatnonzero(objects)
    mine, kth = detected.boxes[here].T, start[here]
    area = _area(mine)
    # All detections meet the first object of their image, those with more objects the second, and so on.
    for k in range(1, objects.max(initial=0) + 1):
        other = corners[:, kth]
        width = np.minimum(mine[2], other[2]) - np.maximum(mine[0], other[0]) + 1
        height = np.minimum(mine[3], other[3]) - np.maximum(mine[1], other[1]) + 1
        both = np.maximum(width, 0) * np.maximum(height, 0)
        iou = both / (area + areas[kth] - both)
        better = iou > overlap[here]
        overlap[here[better]], box[here[better]] = iou[better], kth[better]
        more = objects[here] > k
        here, mine, area, kth = here[more], mine[:, more], area[more], kth[more] + 1
    return overlap, by_image[box] if len(by_image) else box


def _area(corners: np.ndarray) -> np.ndarray:
    """Pixels in boxes `(4, N)`."""
    area: np.ndarray = (corners[2] - corners[0] + 1) * (corners[3] - corners[1] + 1)
    return area


# ---------------------------------------------------------------- curve and average precision


def curve(flags: np.ndarray, positives: int) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision `(D,)` after each detection.

    Parameters
    ----------
    flags : `(D,)` in order of score, from `match`.
    positives : objects that are not difficult.

    Raises
    ------
    ValueError : no positives (recall would be 0/0), or fewer than right detections.
    """
    right = np.cumsum(flags == RIGHT)
    if positives < 1 or (right.size and right[-1] > positives):
        raise ValueError(f"{right[-1] if right.size else 0} right detections of {positives} objects have no recall")
    counted = np.cumsum(flags != NEITHER)
    return right / positives, right / np.maximum(counted, 1)


def average_precision(recall: np.ndarray, precision: np.ndarray, kind: Kind = "11-point") -> float:
    """AP of a curve; 0 without detections.

    `11-point` (VOC 2007): mean over recalls 0, 0.1 ... 1 of the highest precision at that recall or a higher one.
    `area` (VOC 2010 and later): area under the curve after precision was made non-increasing.

    Parameters
    ----------
    recall, precision : `(D,)`, recall never falls, from `curve`.

    Raises
    ------
    ValueError : lists of different length, values outside [0, 1], a recall that falls.
    """
    recall, precision = np.asarray(recall, dtype=np.float64), np.asarray(precision, dtype=np.float64)
    if recall.ndim != 1 or recall.shape != precision.shape:
        raise ValueError(f"recall {recall.shape} and precision {precision.shape} must be lists of one length")
    if not all(((part >= 0) & (part <= 1)).all() for part in (recall, precision)) or (np.diff(recall) < 0).any():
        raise ValueError("recall and precision lie in [0, 1] and recall never falls")
    return float(_under(recall[:, None], precision[:, None], kind)[0])


def class_aps(
    detected: Detected, truth: Truth, thresholds: Sequence[float] = IOU_SWEEP, kind: Kind = "11-point"
) -> list[float] | None:
    """AP of a class at each IoU threshold; None for a class without positives. Parameters and errors as `match`."""
    positives = int(np.count_nonzero(~_truth(truth).difficult))
    flags = match(detected, truth, thresholds).flags
    return [average_precision(*curve(row, positives), kind) for row in flags] if positives else None


def class_ap(detected: Detected, truth: Truth, threshold: float = 0.5, kind: Kind = "11-point") -> float | None:
    """AP of a class at one IoU threshold; None for a class without positives. Parameters and errors as `match`."""
    aps = class_aps(detected, truth, (threshold,), kind)
    return None if aps is None else aps[0]


def mean_ap(aps: Sequence[float | None]) -> float:
    """Mean over the classes, or IoU thresholds, that have an AP.

    Raises
    ------
    ValueError : none has one.
    """
    values = [ap for ap in aps if ap is not None]
    if not values:
        raise ValueError(f"of {len(aps)} APs none has a value")
    return float(np.mean(values))


def _under(recall: np.ndarray, precision: np.ndarray, kind: Kind) -> np.ndarray:
    """AP `(B,)` of B curves, the columns of `recall` and `precision` `(D, B)`."""
    if kind not in ("11-point", "area"):
        raise ValueError(f"AP is 11-point or area, not {kind!r}")
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    if kind == "area":
        return (np.diff(recall, axis=0, prepend=0.0) * highest).sum(0)
    highest = np.vstack([highest, np.zeros((1, highest.shape[1]))])
    columns = np.arange(highest.shape[1])
    points = [highest[np.count_nonzero(recall < least, axis=0), columns] for least in RECALLS]
    return np.mean(points, axis=0)


# ---------------------------------------------------------------- numbers made from rounded text


def rounded_text(
    scores: np.ndarray, boxes: np.ndarray, convention: Convention = "1-based"
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and 1-based boxes as they are after a trip through a text file, which makes ties.

    The usual writers print scores with 3 decimals and corners with 1. The devkit wants 1-based boxes: for 0-based ones
    `py-faster-rcnn` adds 1 to each corner, `detectron2` to xmin and ymin alone (its xmax, ymax lie outside the box).

    Parameters
    ----------
    scores, boxes : `(D,)` and `(D, 4)`.
    convention : `1-based` boxes are only rounded, the others are shifted first.

    Raises
    ------
    ValueError : shapes that do not fit, NaN, infinity, a convention there is not.
    """
    shifts = {"1-based": (0, 0, 0, 0), "py-faster-rcnn": (1, 1, 1, 1), "detectron2": (1, 1, 0, 0)}
    if convention not in shifts:
        raise ValueError(f"boxes are written as {', '.join(shifts)}, not {convention!r}")
    scores, boxes = np.asarray(scores, dtype=np.float64), np.asarray(boxes, dtype=np.float64)
    if boxes.shape != (*scores.shape, 4) or scores.ndim != 1:
        raise ValueError(f"scores {scores.shape} and boxes {boxes.shape} must be (D,) and (D, 4)")
    if not (np.isfinite(scores).all() and np.isfinite(boxes).all()):
        raise ValueError("scores and boxes must be finite")
    return _printed(scores, 3), _printed(boxes + shifts[convention], 1)


def _printed(values: np.ndarray, digits: int) -> np.ndarray:
    """What is read back after printing with this many digits behind the point."""
    scaled = values * 10**digits
    printed = np.rint(scaled) / 10**digits
    # Printing rounds the exact value; scaled values near a half may have crossed it.
    unsure = np.abs(np.abs(scaled - np.trunc(scaled)) - 0.5) < 1e-12 * (1 + np.abs(scaled))
    printed[unsure] = [float(f"{value:.{digits}f}") for value in values[unsure]]
    return printed


# ---------------------------------------------------------------- image bootstrap


def resampled_ap(
    flags: np.ndarray, image: np.ndarray, positives: np.ndarray, weights: np.ndarray, kind: Kind = "11-point"
) -> np.ndarray:
    """AP `(B,)` float64 of a class over B resamples of the images; NaN where a resample holds no positive.

    An image that is drawn w times counts as w images. Matching is per image, so `flags` stay; the copies of a detection
    stand together, and the curve has its point after the last copy (within them precision only rises or only falls,
    so the AP is the same). Equal scores of different detections keep their order, all copies of the first first.

    Parameters
    ----------
    flags : `(D,)` in order of score, one row of `Matched.flags`.
    image : `(D,)` image of each detection in that order, 0 .. images - 1.
    positives : `(images,)` objects in each image that are not difficult.
    weights : `(B, images)` how often each image is drawn.

    20 classes, 254,590 detections, 4,952 images, 10,000 resamples: 10 s, and 20 MB beside the 99 MB of uint16 weights.

    Raises
    ------
    ValueError : shapes that do not fit, an image out of range, a negative weight.
    """
    flags, image, positives, weights = (np.asarray(part) for part in (flags, image, positives, weights))
    if flags.ndim != 1 or flags.shape != image.shape or positives.ndim != 1:
        raise ValueError(f"flags {flags.shape}, images {image.shape} and positives {positives.shape} must be lists")
    if weights.ndim != 2 or weights.shape[1] != len(positives):
        raise ValueError(f"weights {weights.shape} must be (resamples, {len(positives)})")
    if image.size and (image.min() < 0 or image.max() >= len(positives)):
        raise ValueError(f"images run from {image.min()} to {image.max()}, there are {len(positives)}")
    if weights.size and weights.min() < 0:
        raise ValueError("an image is drawn a negative number of times")
    # Precision is highest at right detections: only there is a point needed, and what was wrong since the one before.
    right, wrong = np.flatnonzero(flags == RIGHT), np.flatnonzero(flags == WRONG)
    gap = np.searchsorted(right, wrong)
    wrong, gap = wrong[gap < len(right)], gap[gap < len(right)]
    shape = (len(right), len(positives))
    ones = np.ones(len(wrong))
    wrong_before = csr_array((ones, (gap, image[wrong])), shape=shape)
    aps = np.empty(len(weights))
    for begin in range(0, len(weights), CHUNK):
        drawn = np.ascontiguousarray(weights[begin : begin + CHUNK].T, dtype=np.float64)
        objects = positives @ drawn
        found = np.cumsum(drawn[image[right]], axis=0)
        counted = np.cumsum(wrong_before @ drawn, axis=0)
        counted += found
        # A right detection that is not drawn repeats the recall before it at no higher precision.
        ap = _under(found / np.maximum(objects, 1), found / np.maximum(counted, 1), kind)
        aps[begin : begin + CHUNK] = np.where(objects > 0, ap, np.nan)
    return aps


# ---------------------------------------------------------------- checks


def _detected(detected: Detected) -> Detected:
    image, boxes = _boxes(detected.image, detected.boxes, "detections")
    score = np.asarray(detected.score, dtype=np.float64)
    if score.shape != image.shape:
        raise ValueError(f"detections have {len(image)} images and scores {score.shape}")
    if not np.isfinite(score).all():
        raise ValueError(f"the score of detection {int(np.isfinite(score).argmin())} is not finite")
    return Detected(image, score, boxes)


def _truth(truth: Truth) -> Truth:
    image, boxes = _boxes(truth.image, truth.boxes, "objects")
    difficult = np.asarray(truth.difficult)
    if difficult.shape != image.shape or (difficult.size and difficult.dtype != bool):
        raise ValueError(f"objects have {len(image)} images and {difficult.dtype} {difficult.shape} difficult flags")
    return Truth(image, boxes, difficult.astype(bool))


def _boxes(image: np.ndarray, boxes: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    image, boxes = np.asarray(image), np.asarray(boxes, dtype=np.float64)
    if not image.size and not boxes.size:
        return np.zeros(0, dtype=np.int64), np.zeros((0, 4))
    if image.ndim != 1 or boxes.shape != (len(image), 4):
        raise ValueError(f"{what} need images (N,) and boxes (N, 4), not {image.shape} and {boxes.shape}")
    if not np.issubdtype(image.dtype, np.integer):
        raise ValueError(f"images of {what} are integers, not {image.dtype}")
    whole = np.isfinite(boxes).all(1) & (boxes[:, 2] >= boxes[:, 0]) & (boxes[:, 3] >= boxes[:, 1])
    if not whole.all():
        at = int(whole.argmin())
        raise ValueError(f"box {at} of the {what} is no box: {boxes[at].tolist()}")
    return image, boxes
