"""Intervals and tests around numbers: by hand, then against SciPy."""

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


def test_bootstrap_of_equal_differences_has_no_width():
    assert intervals.paired_bootstrap(np.full(7, 0.25), Rng(0).numpy("x")) == (0.25, 0.25)


def test_bootstrap_agrees_with_scipy():
    differences = Rng(1).numpy("differences").normal(0.3, 1.0, size=150)
    ours = intervals.paired_bootstrap(differences, Rng(0).numpy("compare"))
    theirs = stats.bootstrap(
        (differences,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(5)
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.012), "two draws of 10,000 differ by about 0.004"


def test_bootstrap_covers_the_truth_about_as_often_as_it_says():
    draws = Rng(3).numpy("worlds").normal(0.0, 1.0, size=(300, 60))
    covered = 0
    for k, differences in enumerate(draws):
        low, high = intervals.paired_bootstrap(differences, Rng(k).numpy("compare"), resamples=1000)
        covered += low <= 0 <= high
    assert 0.90 <= covered / 300 <= 0.98


def test_bootstrap_in_parts_is_the_bootstrap_at_once(monkeypatch):
    differences = np.arange(11.0)
    whole = intervals.paired_bootstrap(differences, Rng(0).numpy("x"), 500)
    monkeypatch.setattr(intervals, "DRAWS", 40)
    assert intervals.paired_bootstrap(differences, Rng(0).numpy("x"), 500) == whole


@pytest.mark.parametrize("bad", [[], [[1.0]], [1.0, float("nan")], [float("inf")]])
def test_bootstrap_refuses_what_has_no_mean(bad):
    with pytest.raises(ValueError, match="finite"):
        intervals.paired_bootstrap(np.array(bad), Rng(0).numpy("x"))
