"""The speed comparison of label propagation: both sides agree outside ties."""

import torch

from unlabeled import bench
from unlabeled.benches import propagation


def test_both_sides_of_the_propagation_bench_agree(monkeypatch):
    monkeypatch.setattr(propagation, "HEIGHT", 24)
    monkeypatch.setattr(propagation, "WIDTH", 30)
    monkeypatch.setattr(propagation, "CHANNELS", 16)
    monkeypatch.setattr(propagation, "_in_a_process", propagation._grown)
    (row,) = bench.run("propagation", 0)
    assert row.unit == "frames/h" and row.n == bench.FEWEST_ROUNDS
    assert row.ours > row.peer > 0 and row.difference <= propagation.SAME


def test_a_cell_is_left_out_only_where_its_best_sources_are_tied():
    frames = torch.nn.functional.normalize(torch.randn(22, 8, 5, 6, generator=torch.Generator().manual_seed(0)), dim=1)
    one, other = torch.zeros(2, 5, 6), torch.zeros(2, 5, 6)
    other[0, 2, 3] = 0.5
    assert propagation.difference(one, other, frames) == 0.5
    frames[:-1] = frames[0]  # every cell is there 21 times: the tenth and the next are one
    assert propagation.difference(one, other, frames) == 0
