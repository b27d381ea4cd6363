"""Accuracy of class decisions: single, over folds, and class by class.

Pure functions on integer arrays; fractions, not percent. Rules: sections 0 and 1.2 of the sound protocols.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class FoldMean(NamedTuple):
    """`mean` and population standard deviation `std` of the fold accuracies; `pooled` over all items."""

    mean: float
    std: float
    pooled: float


def accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Share of items whose predicted class is the true one.

    Parameters
    ----------
    truth, predicted : integer classes `(N,)`.

    Raises
    ------
    ValueError : shapes that differ, no items, or classes that are no integers.
    """
    truth, predicted = _pair(truth, predicted)
    return float((truth == predicted).mean())


def fold_accuracies(correct: Sequence[int], n: Sequence[int] | int) -> np.ndarray:
    """Accuracy of each fold, float64 `(folds,)`.

    Parameters
    ----------
    correct : right answers of each fold.
    n : items of each fold; one number where all are equal.

    Raises
    ------
    ValueError : no folds, a fold without items, or more right answers than items.
    """
    right = np.asarray(correct, dtype=np.float64)
    items = np.broadcast_to(np.asarray(n, dtype=np.float64), right.shape)
    if right.ndim != 1 or len(right) == 0:
        raise ValueError("the mean over folds needs at least one fold")
    if (items < 1).any() or (right < 0).any() or (right > items).any():
        raise ValueError(f"{list(correct)} right answers of {n} items are impossible")
    return right / items


def fold_mean(correct: Sequence[int], n: Sequence[int] | int) -> FoldMean:
    """The number of a cross-validated benchmark: the mean of its fold accuracies.

    It equals the pooled accuracy only where all folds have the same size. Parameters and errors as in
    `fold_accuracies`.
    """
    folds = fold_accuracies(correct, n)
    items = np.broadcast_to(np.asarray(n), folds.shape)
    return FoldMean(float(folds.mean()), float(folds.std()), float(np.sum(correct) / items.sum()))


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts `(classes, classes)` int64: row = true class, column = predicted class.

    Raises
    ------
    ValueError : as `accuracy`, or a class outside 0 .. classes - 1.
    """
    truth, predicted = _pair(truth, predicted)
    both = np.concatenate([truth, predicted])
    if both.min() < 0 or both.max() >= classes:
        raise ValueError(f"classes run from {both.min()} to {both.max()}, allowed are 0 to {classes - 1}")
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def per_class_recall(counts: np.ndarray) -> list[float | None]:
    """Share of each true class that was recognised, from `confusion`; None for a class without items."""
    totals = counts.sum(1)
    return [float(counts[k, k] / total) if total else None for k, total in enumerate(totals)]


def _pair(truth: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.ndim != 1 or truth.shape != predicted.shape:
        raise ValueError(f"truth {truth.shape} and predictions {predicted.shape} must be one list each, equally long")
    if len(truth) == 0:
        raise ValueError("accuracy of no items is undefined")
    if not (np.issubdtype(truth.dtype, np.integer) and np.issubdtype(predicted.dtype, np.integer)):
        raise ValueError(f"classes must be integers, not {truth.dtype} and {predicted.dtype}")
    return truth.astype(np.int64), predicted.astype(np.int64)
