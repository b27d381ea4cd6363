"""The mel scale, the filters and the mel spectrogram agree with librosa."""

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unlabeled.errors import WrongCall
from unlabeled.training.signals import mel

SEED = 20150420


@settings(deadline=None)
@given(st.lists(st.floats(0, 50_000), min_size=1, max_size=20))
def test_mel_to_hz_undoes_hz_to_mel(hz):
    values = torch.tensor(hz, dtype=torch.float64)
    torch.testing.assert_close(mel.mel_to_hz(mel.hz_to_mel(values)), values, rtol=1e-12, atol=1e-9)


@settings(deadline=None)
@given(st.floats(0, 50_000), st.floats(0, 50_000))
def test_the_scale_rises(first, second):
    low, high = sorted([first, second])
    mels = mel.hz_to_mel(torch.tensor([low, high], dtype=torch.float64))
    assert mels[0] <= mels[1]


def test_the_scale_is_librosas():
    hz = np.random.default_rng(SEED).uniform(0, 24_000, 1000)
    np.testing.assert_allclose(mel.hz_to_mel(torch.from_numpy(hz)), librosa.hz_to_mel(hz), rtol=1e-13)


@pytest.mark.parametrize(
    ("rate", "n_fft", "n_mels", "fmin", "fmax"),
    [
        (44100, 2048, 128, 0.0, None),
        (22050, 1024, 60, 0.0, None),
        (16000, 512, 40, 20.0, 8000.0),
        (48000, 2048, 256, 0.0, None),
        (44100, 1323, 23, 100.0, 15_000.0),
    ],
)
def test_filters_are_librosas(rate, n_fft, n_mels, fmin, fmax):
    theirs = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax, dtype=np.float64)
    np.testing.assert_allclose(mel.mel_filterbank(rate, n_fft, n_mels, fmin, fmax), theirs, atol=1e-15)


def test_mel_spectrograms_are_librosas_on_a_hundred_random_signals():
    rng = np.random.default_rng(SEED)
    for _ in range(100):
        n_fft, n_mels = 2 ** int(rng.integers(10, 12)), int(rng.integers(5, 45))
        hop, rate = int(rng.integers(100, 700)), int(rng.choice([16000, 22050, 44100]))
        wave = rng.standard_normal(int(rng.integers(2000, 60_000)))
        theirs = librosa.feature.melspectrogram(
            y=wave, sr=rate, n_fft=n_fft, hop_length=hop, n_mels=n_mels, pad_mode="reflect", dtype=np.float64
        )
        ours = mel.mel_spectrogram(torch.from_numpy(wave)[None], rate, n_fft, hop, n_mels, "reflect")[0]
        np.testing.assert_allclose(ours, theirs, rtol=2e-7, atol=1e-9)  # librosa keeps its filters in float32


def test_a_clip_is_the_same_alone_and_in_a_batch():
    waves = torch.randn(3, 30_000, generator=torch.Generator().manual_seed(SEED))
    together = mel.mel_spectrogram(waves, 22050, 1024, 512, 60, "reflect")
    alone = [mel.mel_spectrogram(wave[None], 22050, 1024, 512, 60, "reflect") for wave in waves]
    assert torch.equal(together, torch.cat(alone))


def test_a_filter_without_any_bin_is_an_error():
    with pytest.raises(WrongCall, match=r"too many for n_fft 512 at 44100 Hz: \d+ of them"):
        mel.mel_filterbank(44100, 512, 128)


@pytest.mark.parametrize(
    ("fmin", "fmax", "n_mels"), [(0.0, 30_000.0, 10), (500.0, 400.0, 10), (-1.0, None, 10), (0.0, None, 0)]
)
def test_filters_that_do_not_fit_are_an_error(fmin, fmax, n_mels):
    with pytest.raises(WrongCall, match="do not fit"):
        mel.mel_filterbank(44100, 2048, n_mels, fmin, fmax)
