"""Intervals around the numbers of a benchmark."""

from __future__ import annotations

import math

Z95 = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""


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
