"""The speed comparison of the loader: all sides give the same clips."""

import pytest

from unlabeled import bench
from unlabeled.benches import loading, video


@pytest.mark.slow
def test_all_sides_of_the_loading_bench_agree(monkeypatch):
    monkeypatch.setattr(video, "COUNT", 20)
    for name, value in (("VIDEOS", 3), ("BATCHES", 2), ("SETTLED_S", 0)):
        monkeypatch.setattr(loading, name, value)
    rows = bench.run("loading", 0)
    assert [row.what.split(", ")[-1] for row in rows] == ["in this process", "one worker", "two workers"]
    assert all(row.difference == 0 and row.n == bench.FEWEST_ROUNDS and row.unit == "clips/s" for row in rows)
