"""Looping and cutting clips: cases on paper, properties, errors that name both lengths."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlabeled.errors import BadData, WrongCall
from unlabeled.training.signals import cutting

FIVE = torch.arange(5.0)[None]


def test_small_cases_on_paper():
    assert cutting.loop(FIVE[:, :3], 8).tolist() == [[0, 1, 2, 0, 1, 2, 0, 1]]
    assert cutting.loop(FIVE, 2).tolist() == [[0, 1]]
    assert cutting.full_windows(FIVE, 2, 2).tolist() == [[[0, 1], [2, 3]]]
    assert cutting.covering_windows(FIVE, 2, 2).tolist() == [[[0, 1], [2, 3], [4, 0]]]
    assert cutting.covering_windows(FIVE[:, :1], 3, 1).tolist() == [[[0, 0, 0]]]
    assert cutting.spaced_windows(FIVE, 2, 3).tolist() == [[[0, 1], [1, 2], [3, 4]]]
    assert cutting.spaced_windows(FIVE, 2, 1).tolist() == [[[0, 1]]]


def test_ten_windows_of_an_esc_clip_are_four_ninths_of_a_second_apart():
    seconds = torch.arange(240_000.0, dtype=torch.float64)[None]
    starts = cutting.spaced_windows(seconds, 48_000, 10)[0, :, 0]
    assert starts[0] == 0 and starts[-1] == 192_000
    torch.testing.assert_close(starts / 48_000, torch.arange(10, dtype=torch.float64) * 4 / 9, atol=1 / 48_000, rtol=0)


@given(st.integers(1, 60), st.integers(1, 200))
def test_a_loop_is_the_clip_again_and_again(n, samples):
    clip = torch.arange(float(n)).repeat(2, 1)
    looped = cutting.loop(clip, samples)
    assert looped.shape == (2, samples) and looped.dtype == clip.dtype
    assert torch.equal(looped, (torch.arange(samples) % n).float().repeat(2, 1))


@given(st.integers(1, 80), st.integers(1, 20), st.integers(1, 20))
def test_counts_are_those_of_the_windows_and_covering_windows_leave_nothing_out(n, length, hop):
    clip = torch.arange(1.0, n + 1)[None]
    covering = cutting.covering_windows(clip, length, hop)
    assert covering.shape == (1, cutting.covering_count(n, length, hop), length)
    if hop <= length:
        assert set(clip[0].tolist()) <= set(covering.flatten().tolist())
    if n < length:
        assert cutting.full_count(n, length, hop) == 0
    else:
        full = cutting.full_windows(clip, length, hop)
        assert full.shape[1] == cutting.full_count(n, length, hop) and (full > 0).all()
        assert torch.equal(full, covering[:, : full.shape[1]])


def test_a_window_longer_than_the_clip_names_both_lengths():
    for cut in (cutting.full_windows, cutting.spaced_windows):
        with pytest.raises(BadData, match="window of 6 samples does not fit into a clip of 5"):
            cut(FIVE, 6, 1)


def test_impossible_lengths_are_refused():
    for call in (cutting.full_windows, cutting.covering_windows, cutting.spaced_windows):
        with pytest.raises(WrongCall, match="at least 1"):
            call(FIVE, 0, 1)
        with pytest.raises(WrongCall, match="at least 1"):
            call(FIVE, 2, 0)
    with pytest.raises(WrongCall, match="0 samples"):
        cutting.loop(FIVE, 0)
    for cut in (lambda: cutting.loop(FIVE[:, :0], 3), lambda: cutting.covering_windows(FIVE[:, :0], 3, 1)):
        with pytest.raises(BadData, match="without samples"):
            cut()
