"""Deltas and zero-crossing rates: cases on paper, properties, bad input. librosa: test_librosa.py."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unlabeled.errors import BadData, WrongCall
from unlabeled.training.signals.crossings import zero_crossing_rate
from unlabeled.training.signals.delta import delta


def test_the_delta_of_a_line_is_its_slope_and_of_a_constant_nothing():
    frames = torch.arange(12, dtype=torch.float64)
    torch.testing.assert_close(delta(3 * frames + 7), torch.full((12,), 3.0, dtype=torch.float64))
    assert not delta(torch.full((2, 60, 41), 0.1)).any()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(9, 60), st.integers(0, 2**31))
def test_deltas_of_a_batch_are_those_of_each_and_float32_is_close(batch, frames, seed):
    features = torch.randn(batch, 5, frames, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    together = delta(features)
    assert torch.equal(together, torch.stack([delta(one) for one in features]))
    torch.testing.assert_close(delta(features.float()).double(), together, atol=1e-6, rtol=0)
    torch.testing.assert_close(delta(features.flip(2)), -together.flip(2))


def test_too_few_frames_for_a_delta_are_an_error():
    with pytest.raises(BadData, match="need at least 9 frames, there are 8"):
        delta(torch.zeros(1, 60, 8))
    for width in (1, 4):
        with pytest.raises(WrongCall, match="odd and at least 3"):
            delta(torch.zeros(1, 60, 41), width)


def test_crossings_on_paper():
    wave = torch.tensor([[1.0, -1, 1, -1, 1, 1, 1, 1]])
    # Frames of 4 around samples 0, 4 and 8: (1 1 1 -1), (1 -1 1 1), (1 1 1 1).
    assert zero_crossing_rate(wave, 4, 4).tolist() == [[1 / 4, 2 / 4, 0]]
    tiny = torch.tensor([[1e-11, -1e-11, 0.0, -0.0, 1e-3]])
    assert not zero_crossing_rate(tiny, 4, 2).any(), "what is no further than 1e-10 from zero is positive"


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.integers(1, 5000), st.integers(0, 2**31))
def test_rates_of_a_batch_are_those_of_each_whatever_the_loudness(batch, n, seed):
    waves = torch.randn(batch, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    rates = zero_crossing_rate(waves, 256, 64)
    assert rates.shape == (batch, 1 + n // 64) and (rates >= 0).all() and (rates < 1).all()
    assert torch.equal(rates, torch.cat([zero_crossing_rate(wave[None], 256, 64) for wave in waves]))
    assert torch.equal(rates, zero_crossing_rate(waves * 1e6, 256, 64))


def test_crossings_refuse_what_has_no_sign():
    with pytest.raises(BadData, match="row 1 of 2"):
        zero_crossing_rate(torch.tensor([[0.0, 1.0], [0.0, float("nan")]]))
    with pytest.raises(BadData, match="too short"):
        zero_crossing_rate(torch.zeros(1, 0))
    with pytest.raises(WrongCall, match="hop 0"):
        zero_crossing_rate(torch.zeros(1, 10), 4, 0)
    with pytest.raises(WrongCall, match=r"\(B, samples\)"):
        zero_crossing_rate(torch.zeros(10))
