"""The comparison of half with full precision: one row a method, losses near each other."""

from pathlib import Path

import pytest

from unlabeled import bench, registry
from unlabeled.benches import precision
from unlabeled.streams import Rng
from unlabeled.training import loop
from unlabeled.training.loading import Loader


@pytest.mark.slow
def test_films_are_enough_for_what_is_trained_on_a_gpu(tmp_path: Path):
    items = [precision._film(k, tmp_path) for k in range(precision.FILMS)]
    for name in precision.METHODS:
        method = registry.load("methods", name)
        pretext = method.pretext(method.presets[precision.PRESETS["cuda"]])
        size = loop.part_size(pretext.train)
        assert len(next(Loader(items, pretext.data, size, Rng(0)).from_step(0)).ids) == size


@pytest.mark.slow
def test_half_precision_trains_as_full_does(monkeypatch):
    monkeypatch.setattr(precision, "STEPS", 2)
    rows = bench.run("precision", 0)
    assert [row.what.split()[1] for row in rows] == list(precision.METHODS)
    for row in rows:
        assert row.unit == "steps/s" and row.n == bench.FEWEST_ROUNDS and row.ours > 0 and row.peer > 0
        assert 0 < row.difference < 0.1
