"""Spectra agree with librosa on random signals, keep dtype, and treat every clip on its own."""

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unlabeled.errors import BadData, WrongCall
from unlabeled.training.signals import spectra

SEED = 20150420


@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
def test_stft_is_librosas_on_a_hundred_random_signals(pad_mode):
    rng = np.random.default_rng(SEED)
    for _ in range(100):
        n_fft, n = 2 ** int(rng.integers(6, 12)), int(rng.integers(2100, 9000))
        hop = int(rng.integers(16, n_fft // 2))
        wave = rng.standard_normal(n)
        ours = spectra.stft(torch.from_numpy(wave)[None], n_fft, hop, pad_mode)[0].numpy()
        theirs = librosa.stft(wave, n_fft=n_fft, hop_length=hop, pad_mode=pad_mode)
        assert ours.shape == theirs.shape == (1 + n_fft // 2, 1 + n // hop)
        np.testing.assert_allclose(ours, theirs, atol=1e-10)


@pytest.mark.parametrize(("n_fft", "hop", "n"), [(256, 189, 3780), (1024, 512, 20_480), (2048, 512, 1025)])
def test_frames_are_those_of_the_padded_signal_where_librosa_errs(n_fft, hop, n):
    # From hop = n_fft / 2 on, where hop divides n, librosa 0.11 reflects one sample of the last frame wrongly.
    wave = np.random.default_rng(n).standard_normal(n)
    padded = np.pad(wave, n_fft // 2, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    plain = [np.fft.rfft(padded[first : first + n_fft] * window) for first in range(0, n + 1, hop)]
    ours = spectra.stft(torch.from_numpy(wave)[None], n_fft, hop, "reflect")[0].T
    np.testing.assert_allclose(ours, plain, atol=1e-11)


def test_dtype_and_device_are_kept_and_float32_is_close(device):
    waves = torch.randn(3, 5000, dtype=torch.float64, generator=torch.Generator().manual_seed(SEED)).to(device)
    exact = spectra.stft(waves, 512, 128, "reflect")
    single = spectra.stft(waves.float(), 512, 128, "reflect")
    assert (exact.dtype, single.dtype) == (torch.complex128, torch.complex64)
    assert exact.device.type == single.device.type == device
    torch.testing.assert_close(single.to(torch.complex128), exact, atol=1e-4, rtol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(600, 70_000))
def test_pieces_put_together_are_the_whole_power_spectrum(batch, n):
    waves = torch.randn(batch, n, generator=torch.Generator().manual_seed(n))
    frames = spectra.centred_frames(waves, 1024, 256, "reflect")
    whole = torch.zeros(*frames.shape[:2], 513)
    for clips, span, piece in spectra.power_pieces(frames):
        assert not whole[clips, span].any(), "a frame came twice"
        whole[clips, span] = piece
    expected = spectra.stft(waves, 1024, 256, "reflect").abs().square().transpose(1, 2)
    torch.testing.assert_close(whole, expected, atol=1e-3, rtol=1e-4)


def test_hann_is_periodic():
    window = spectra.hann(8, torch.float64, torch.device("cpu"))
    np.testing.assert_allclose(window, 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(8) / 8), atol=1e-15)


def test_power_to_db_is_librosas_on_a_hundred_random_arrays():
    rng = np.random.default_rng(SEED)
    for _ in range(100):
        powers = 10 ** rng.uniform(-14, 3, (20, 30)) * (rng.random((20, 30)) > 0.1)
        for top_db in (80.0, 30.0, None):
            ours = spectra.power_to_db(torch.from_numpy(powers)[None], top_db)[0]
            np.testing.assert_allclose(ours, librosa.power_to_db(powers, top_db=top_db), atol=1e-10)


def test_the_floor_of_a_clip_does_not_depend_on_its_neighbours():
    loud, quiet = torch.full((1, 2, 3), 1e6), torch.full((1, 2, 3), 1e-9)
    alone = spectra.power_to_db(quiet)
    together = spectra.power_to_db(torch.cat([loud, quiet]))
    torch.testing.assert_close(together[1:], alone)
    assert alone[0, 0, 0] == pytest.approx(-90)


def test_silence_is_minus_100_db_and_never_infinite():
    assert (spectra.power_to_db(torch.zeros(1, 4, 4)) == -100).all()


def test_calls_that_make_no_sense_are_refused():
    wave = torch.zeros(1, 100)
    with pytest.raises(BadData, match="100 samples is too short"):
        spectra.stft(wave, 2048, 512, "reflect")
    with pytest.raises(BadData, match="too short"):
        spectra.stft(wave[:, :0], 64, 16, "constant")
    with pytest.raises(WrongCall, match=r"\(B, samples\)"):
        spectra.stft(wave[0], 64, 16, "constant")
    with pytest.raises(WrongCall, match="int64"):
        spectra.stft(wave.long(), 64, 16, "constant")
    with pytest.raises(WrongCall, match="hop 0"):
        spectra.stft(wave, 64, 0, "constant")
    with pytest.raises(WrongCall, match="amin"):
        spectra.power_to_db(wave, amin=0.0)
