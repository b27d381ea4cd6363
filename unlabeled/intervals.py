"""Intervals around the numbers of a benchmark."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

Z95 = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""

DRAWS = 200_000
"""Most draws that a bootstrap holds at once."""


def wilson(right: float, n: int, z: float = Z95) -> tuple[float, float]:
    """Wilson score interval of a share, as fractions.

    Parameters
    ----------
    right : number of right answers, 0 <= right <= n.
    n : number of answers, at least 1.

    Raises
    ------
    ValueError : n < 1 or right outside [0, n].

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    if n < 1 or not 0 <= right <= n:
        raise ValueError(f"{right} right answers of {n} have no interval")
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided exact McNemar test of two methods on the same items.

    Parameters
    ----------
    only_a, only_b : number of items that only A, only B has right; items on which both agree do not count.

    Returns
    -------
    Probability, if both were equally often right, of a split at least as uneven; 1 where they never differ.
    Whole numbers are added, so that it is exact to the last rounding; 20,000 differing items take 0.03 s.

    Raises
    ------
    ValueError : a negative count.

    Source: Q. McNemar, Note on the sampling error of the difference between correlated proportions, 1947.
    """
    if only_a < 0 or only_b < 0:
        raise ValueError(f"{only_a} and {only_b} are no numbers of items")
    n, less = only_a + only_b, min(only_a, only_b)
    ways = total = 1
    for k in range(less):
        ways = ways * (n - k) // (k + 1)
        total += ways
    return min(1.0, 2 * total / 2**n)


def bootstrap_weights(units: int, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each unit is drawn in each bootstrap sample; two methods that share them are resampled in pairs.

    Parameters
    ----------
    units : number of units, as many of which are drawn with replacement for a sample.
    resamples : number of bootstrap samples.
    rng : stream of the draws.

    Yields
    ------
    Counts, float64 `(rows, units)`, in parts that add up to `resamples` rows. The parts do not change the
    draws. Memory stays below 64 MB up to one million units.

    Raises
    ------
    ValueError : fewer than one unit or sample.
    """
    if units < 1 or resamples < 1:
        raise ValueError(f"{resamples} samples of {units} units: a bootstrap needs at least one of each")
    rows = max(1, DRAWS // units)
    for start in range(0, resamples, rows):
        part = min(rows, resamples - start)
        drawn = rng.integers(units, size=(part, units))
        drawn += np.arange(part)[:, None] * units
        yield np.bincount(drawn.ravel(), minlength=part * units).reshape(part, units).astype(np.float64)


def ratio_of_sums(sums: np.ndarray, counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Score of each bootstrap sample: sums over counts within each column, then the mean over columns.

    This is an accuracy (one column), J and F over sequences, PCK over clips (a column a joint).

    Parameters
    ----------
    sums, counts : `(N, K)` of each unit and column; counts are not negative.
    weights : `(B, N)` from `bootstrap_weights`.

    Returns
    -------
    float64 `(B,)`. Columns whose weighted count is 0 are left out of the mean; NaN where that leaves none.

    Raises
    ------
    ValueError : shapes that do not fit, values that are not finite, negative counts.
    """
    sums, counts = np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if sums.ndim != 2 or sums.shape != counts.shape or weights.shape[1:] != sums.shape[:1]:
        raise ValueError(f"sums {sums.shape}, counts {counts.shape} and weights {weights.shape} do not fit")
    if not np.isfinite(sums).all() or not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError("sums and counts must be finite, counts not negative")
    total = weights @ counts
    shares = np.divide(weights @ sums, total, out=np.zeros_like(total), where=total > 0)
    columns = (total > 0).sum(axis=1)
    return np.divide(shares.sum(axis=1), columns, out=np.full(len(weights), np.nan), where=columns > 0)


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of resampled values `(B,)`: order statistics floor(0.025 B) and ceil(0.975 B) - 1, from 0.

    Raises
    ------
    ValueError : no values, another shape, values that are no finite numbers.
    """
    ordered = np.sort(_finite(values))
    cut = len(ordered) // 40
    return float(ordered[cut]), float(ordered[-1 - cut])


def bootstrap_p(differences: np.ndarray) -> float:
    """Two-sided p of no difference: min(1, 2 (1 + min(#<=0, #>=0)) / (B + 1)) of B resampled differences.

    Raises
    ------
    ValueError : as `percentile_interval`.
    """
    values = _finite(differences)
    less = min(int((values <= 0).sum()), int((values >= 0).sum()))
    return min(1.0, 2 * (1 + less) / (len(values) + 1))


def _finite(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"values of shape {values.shape} must be a list of finite numbers, at least one")
    return values
