"""Scores that are a mean over columns of summed sums over summed counts: their intervals, by whole items.

J&F over sequences (one column), PCK over clips (a column a joint), dB over mixtures: an item of the record holds
its `sums` and `counts`, so that a score can be worked out again for any draw of items.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unlabeled.intervals import bootstrap_weights, percentile_interval, ratio_of_sums
from unlabeled.streams import Rng

RESAMPLES = 10_000


def interval(sums: Sequence[Any], counts: Sequence[Any], items: str) -> tuple[tuple[float, float] | None, str]:
    """Percentile bootstrap 95 % interval and its kind; None for fewer than two items, which say nothing of a spread.

    Parameters
    ----------
    sums, counts : `(N,)` or `(N, columns)`, an item a row; items without any count are left out.
    items : what they are called, in the plural.
    """
    above, below = (np.asarray(values, dtype=np.float64).reshape(len(values), -1) for values in (sums, counts))
    used = below.sum(axis=1) > 0
    if used.sum() < 2:
        return None, ""
    draws = bootstrap_weights(int(used.sum()), RESAMPLES, Rng(0).numpy("interval"))
    values = np.concatenate([ratio_of_sums(above[used], below[used], weights) for weights in draws])
    return percentile_interval(values[np.isfinite(values)]), bootstrap_of(int(used.sum()), items)


def bootstrap_of(n: int, items: str) -> str:
    """What an interval is made of: how many items were resampled is seldom the `n` of the score."""
    return f"bootstrap 95 %, {n} {items}"
