"""Scores of one method over several seeds, and two methods over the same seeds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Literal, NamedTuple


class Ordered(NamedTuple):
    """How A stands to B. `separated` is stronger: all seeds of one lie above all seeds of the other."""

    verdict: Literal["above", "below", "not ordered"]
    separated: bool
    mean_difference: float


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n - 1); None for one seed, which has none.

    Raises
    ------
    ValueError : no values.
    """
    if not values:
        raise ValueError("the mean over seeds needs at least one")
    return fmean(values), stdev(values) if len(values) > 1 else None


def above(a: Sequence[float], b: Sequence[float]) -> Ordered:
    """A is above B where its score is higher in every seed. Three seeds alone are never significant: p is 1/8.

    Parameters
    ----------
    a, b : scores of the same seeds in the same order.

    Raises
    ------
    ValueError : no seeds, or not as many for both.
    """
    if not a or len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} scores are not of the same seeds")
    difference = fmean(x - y for x, y in zip(a, b, strict=True))
    if all(x > y for x, y in zip(a, b, strict=True)):
        return Ordered("above", min(a) > max(b), difference)
    if all(x < y for x, y in zip(a, b, strict=True)):
        return Ordered("below", max(a) < min(b), difference)
    return Ordered("not ordered", False, difference)
