"""The speed comparison of the training loop: both sides take the same steps."""

import pytest

from unlabeled import bench
from unlabeled.benches import training


@pytest.mark.slow
def test_both_sides_of_the_training_bench_agree(monkeypatch):
    for name, value in (("WORLD", "nano"), ("STEPS", 6), ("SETTLED_S", 0)):
        monkeypatch.setattr(training, name, value)
    (row,) = bench.run("training", 0)
    assert row.unit == "steps/s" and row.n == bench.FEWEST_ROUNDS
    assert row.ours > 0 and row.peer > 0 and row.difference == 0
