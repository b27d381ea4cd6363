"""The speed comparison: both sides give the same numbers, the row says what was compared."""

import sys

import pytest
import torch

from unlabeled import bench
from unlabeled.errors import UnlabeledError


def test_both_sides_of_the_mfcc_bench_agree():
    threads = torch.get_num_threads()
    rows = bench.run("mfcc", 0.1)
    assert torch.get_num_threads() == threads
    assert [row.unit for row in rows] == ["clips/s"] * 3
    for row in rows:
        assert row.ours > 0 and row.ratio == row.ours / row.peer and row.n >= bench.FEWEST_ROUNDS
        assert row.difference < 2e-3 and row.peer_version.startswith("librosa 0.")
    text = bench.table(rows)
    assert len(text.splitlines()) == 5 and "batches of 8" in text and "librosa" in text


def test_both_sides_of_the_log_mel_bench_agree():
    rows = bench.run("logmel", 0.1)
    assert [row.what.split(", ")[-1] for row in rows] == ["one clip a call", "batches of 8"]
    for row in rows:
        # In float32 both sides round; 80 dB below the maximum that is seen.
        assert row.ours > 0 and row.difference < 0.05 and row.peer_version.startswith("librosa 0.")


def test_sides_are_called_in_turn_and_the_first_call_is_not_counted():
    calls = []
    times = bench.interleaved([lambda: calls.append("a"), lambda: calls.append("b")], 0)
    assert calls == ["a", "b"] * (1 + bench.FEWEST_ROUNDS)
    assert [len(taken) for taken in times] == [bench.FEWEST_ROUNDS] * 2


def test_a_missing_peer_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(UnlabeledError, match=r"needs librosa.*\n.*pip install -e"):
        bench.run("mfcc", 0.1)
