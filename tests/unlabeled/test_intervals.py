"""Intervals and tests around numbers: by hand, then against SciPy."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from unlabeled import intervals
from unlabeled.streams import Rng


def test_wilson_agrees_with_scipy_and_refuses_what_is_no_share():
    for right, n in ((0, 1), (1, 1), (3, 10), (68, 400), (400, 400)):
        expected = stats.binomtest(right, n).proportion_ci(method="wilson")
        assert intervals.wilson(right, n) == pytest.approx((expected.low, expected.high), abs=1e-12)
    for right, n in ((0, 0), (-1, 4), (5, 4)):
        with pytest.raises(ValueError, match="no interval"):
            intervals.wilson(right, n)


def test_mcnemar_by_hand():
    assert intervals.mcnemar_exact(0, 0) == 1.0
    assert intervals.mcnemar_exact(5, 5) == 1.0, "as even as can be"
    assert intervals.mcnemar_exact(0, 3) == 2 * 1 / 8
    assert intervals.mcnemar_exact(1, 4) == 2 * (1 + 5) / 32
    with pytest.raises(ValueError, match="no numbers of items"):
        intervals.mcnemar_exact(-1, 4)


def test_mcnemar_is_the_binomial_test_of_scipy():
    for a, b in ((1, 0), (2, 9), (9, 2), (17, 17), (30, 51), (200, 262), (1003, 1100), (4000, 4000), (0, 900)):
        assert intervals.mcnemar_exact(a, b) == pytest.approx(stats.binomtest(a, a + b).pvalue, rel=1e-9)


def mean_interval(values, rng, resamples=10_000):
    """Bootstrap interval of the mean of values."""
    sums = [weights @ values for weights in intervals.bootstrap_weights(len(values), resamples, rng)]
    return intervals.percentile_interval(np.concatenate(sums) / len(values))


def test_bootstrap_of_equal_differences_has_no_width():
    assert mean_interval(np.full(7, 0.25), Rng(0).numpy("x")) == (0.25, 0.25)


def test_bootstrap_agrees_with_scipy():
    differences = Rng(1).numpy("differences").normal(0.3, 1.0, size=150)
    ours = mean_interval(differences, Rng(0).numpy("compare"))
    theirs = stats.bootstrap(
        (differences,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(5)
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.012), "two draws of 10,000 differ by about 0.004"


def test_bootstrap_covers_the_truth_about_as_often_as_it_says():
    draws = Rng(3).numpy("worlds").normal(0.0, 1.0, size=(300, 60))
    covered = 0
    for k, differences in enumerate(draws):
        low, high = mean_interval(differences, Rng(k).numpy("compare"), resamples=1000)
        covered += low <= 0 <= high
    assert 0.90 <= covered / 300 <= 0.98


def test_bootstrap_in_parts_is_the_bootstrap_at_once(monkeypatch):
    differences = np.arange(11.0)
    whole = mean_interval(differences, Rng(0).numpy("x"), 500)
    monkeypatch.setattr(intervals, "DRAWS", 40)
    assert len(list(intervals.bootstrap_weights(11, 500, Rng(0).numpy("x")))) == 167, "three rows a part"
    assert mean_interval(differences, Rng(0).numpy("x"), 500) == whole


@pytest.mark.parametrize("units", [1, 2, 13])
def test_weights_count_the_draws_of_whole_rows(units, monkeypatch):
    monkeypatch.setattr(intervals, "DRAWS", 50)
    weights = np.concatenate(list(intervals.bootstrap_weights(units, 101, Rng(2).numpy("x"))))
    drawn = Rng(2).numpy("x").integers(units, size=(101, units))
    assert weights.dtype == np.float64
    np.testing.assert_array_equal(weights, [np.bincount(row, minlength=units) for row in drawn])


def test_the_interval_is_two_order_statistics():
    shuffled = Rng(0).numpy("x").permutation(np.arange(10_000.0))
    assert intervals.percentile_interval(shuffled) == (250.0, 9749.0)
    for B in (1, 2, 39, 40, 41, 100, 999, 1000, 1001):
        low, high = intervals.percentile_interval(np.arange(float(B)))
        assert (low, high) == (math.floor(Fraction(25, 1000) * B), math.ceil(Fraction(975, 1000) * B) - 1)


def test_p_of_resampled_differences_by_hand():
    assert intervals.bootstrap_p(np.array([1.0, 2.0, 3.0])) == 2 / 4, "the smallest that three samples can show"
    assert intervals.bootstrap_p(np.array([-1.0, 2.0, 3.0, 4.0, 5.0])) == 2 * 2 / 6
    assert intervals.bootstrap_p(-np.array([-1.0, 2.0, 3.0, 4.0, 5.0])) == 2 * 2 / 6
    assert intervals.bootstrap_p(np.zeros(9)) == 1.0, "no difference counts for both sides"
    assert intervals.bootstrap_p(np.full(10_000, 0.1)) == 2 / 10_001


def test_ratio_of_sums_by_hand():
    sums, counts = np.array([[1.0, 0.0], [3.0, 2.0]]), np.array([[2.0, 0.0], [4.0, 4.0]])
    weights = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    scores = intervals.ratio_of_sums(sums, counts, weights)
    assert scores == pytest.approx([(4 / 6 + 2 / 4) / 2, 1 / 2, (6 / 8 + 4 / 8) / 2])
    nothing = intervals.ratio_of_sums(sums[:, 1:], counts[:, 1:], weights)
    assert nothing[0] == 0.5 and np.isnan(nothing[1]), "a sample without a single count has no score"


def test_ratio_of_sums_is_resampling_and_scoring_anew():
    draw = Rng(4).numpy("x")
    counts = draw.integers(0, 3, size=(9, 4)).astype(float)
    sums = counts * draw.uniform(size=(9, 4))
    (weights,) = intervals.bootstrap_weights(9, 200, Rng(5).numpy("x"))
    for row, score in zip(weights, intervals.ratio_of_sums(sums, counts, weights), strict=True):
        drawn = np.repeat(np.arange(9), row.astype(int))
        shares = [sums[drawn, k].sum() / counts[drawn, k].sum() for k in range(4) if counts[drawn, k].sum()]
        assert score == pytest.approx(np.mean(shares), abs=1e-12)


def test_a_bootstrap_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="at least one"):
        next(intervals.bootstrap_weights(0, 10, Rng(0).numpy("x")))
    with pytest.raises(ValueError, match="at least one"):
        next(intervals.bootstrap_weights(3, 0, Rng(0).numpy("x")))
    ones = np.ones((3, 2))
    for sums, counts, weights in ((ones, ones[:2], ones.T), (ones, ones, ones), (ones[0], ones[0], ones.T)):
        with pytest.raises(ValueError, match="do not fit"):
            intervals.ratio_of_sums(sums, counts, weights)
    for sums, counts in ((ones, -ones), (ones * np.nan, ones), (ones, ones * np.inf)):
        with pytest.raises(ValueError, match="not negative"):
            intervals.ratio_of_sums(sums, counts, ones.T)


@pytest.mark.parametrize("bad", [[], [[1.0]], [1.0, float("nan")], [float("inf")]])
def test_bootstrap_refuses_what_has_no_mean(bad):
    with pytest.raises(ValueError, match="finite"):
        intervals.percentile_interval(np.array(bad))
    with pytest.raises(ValueError, match="finite"):
        intervals.bootstrap_p(np.array(bad))
