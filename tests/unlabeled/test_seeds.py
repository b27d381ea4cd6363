"""Scores over seeds, on paper."""

import pytest

from unlabeled.seeds import above, mean_and_deviation


def test_mean_and_sample_deviation():
    assert mean_and_deviation([1.0, 3.0]) == (2.0, pytest.approx(2**0.5))
    assert mean_and_deviation([4.0]) == (4.0, None), "one seed has no deviation"
    with pytest.raises(ValueError, match="at least one"):
        mean_and_deviation([])


def test_above_needs_every_seed():
    assert above([2.0, 3.0], [1.0, 2.5]) == ("above", False, 0.75)
    assert above([2.0, 3.0], [1.0, 1.5]) == ("above", True, 1.25)
    assert above([1.0, 1.5], [2.0, 3.0]) == ("below", True, -1.25)
    assert above([9.0, 1.0], [1.0, 1.0]).verdict == "not ordered", "equal is not higher"
    with pytest.raises(ValueError, match="same seeds"):
        above([1.0], [1.0, 2.0])
