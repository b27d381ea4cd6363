"""The comparison of half with full precision: one row a method, losses near each other."""

import pytest

from unlabeled import bench
from unlabeled.benches import precision


@pytest.mark.slow
def test_half_precision_trains_as_full_does(monkeypatch):
    monkeypatch.setattr(precision, "WORLD", "nano")
    monkeypatch.setattr(precision, "STEPS", 2)
    rows = bench.run("precision", 0)
    assert [row.what.split()[1] for row in rows] == list(precision.METHODS)
    for row in rows:
        assert row.unit == "steps/s" and row.n == bench.FEWEST_ROUNDS and row.ours > 0 and row.peer > 0
        assert 0 < row.difference < 0.1
