"""Front ends agree with librosa 0.11 to 1e-4 on two hundred random signals, silence and constants among them.

In float64 to 1e-4 absolute, each; in float32 as each test says. librosa keeps its filters in float32.
"""

import librosa
import numpy as np
import pytest
import torch

from unlabeled.training.signals import mel, openl3, spectra
from unlabeled.training.signals.crossings import zero_crossing_rate
from unlabeled.training.signals.delta import delta
from unlabeled.training.signals.mfcc import mfcc

CLOSE = 1e-4
PADDINGS = ["reflect", "constant"]


def batch(wave: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(wave)[None]


def librosa_mel(wave, rate, pad_mode):
    return librosa.feature.melspectrogram(y=wave, sr=rate, n_fft=1024, hop_length=512, n_mels=60, pad_mode=pad_mode)


def test_the_signals_are_two_hundred_and_hold_silence_and_constants(signals):
    assert len(signals) == 200
    assert sum(not wave.any() for wave, _ in signals) == 5
    assert sum(wave.any() and np.ptp(wave) == 0 for wave, _ in signals) == 5
    assert {rate for _, rate in signals} == {16_000, 22_050, 44_100, 48_000}


@pytest.mark.parametrize("pad_mode", PADDINGS)
def test_stft(signals, pad_mode):
    """In float32 to 1e-4 of the largest magnitude."""
    for wave, _ in signals:
        theirs = librosa.stft(wave, n_fft=1024, hop_length=512, pad_mode=pad_mode)
        np.testing.assert_allclose(spectra.stft(batch(wave), 1024, 512, pad_mode)[0], theirs, atol=CLOSE, rtol=0)
        single = spectra.stft(batch(wave).float(), 1024, 512, pad_mode)[0]
        np.testing.assert_allclose(single, theirs, atol=CLOSE * max(1e-30, np.abs(theirs).max()), rtol=0)


@pytest.mark.parametrize("pad_mode", PADDINGS)
def test_mel(signals, pad_mode):
    """In float32 to 1e-4 of the largest value."""
    for wave, rate in signals:
        theirs = librosa_mel(wave, rate, pad_mode)
        ours = mel.mel_spectrogram(batch(wave), rate, 1024, 512, 60, pad_mode)[0]
        np.testing.assert_allclose(ours, theirs, atol=CLOSE, rtol=1e-6)
        single = mel.mel_spectrogram(batch(wave).float(), rate, 1024, 512, 60, pad_mode)[0]
        np.testing.assert_allclose(single, theirs, atol=CLOSE * max(1e-30, theirs.max()), rtol=0)


@pytest.mark.parametrize("pad_mode", PADDINGS)
def test_log_mel(signals, pad_mode):
    """In dB. In float32, librosa's too, rounding alone reaches tenths of a dB 80 dB below the maximum."""
    for wave, rate in signals:
        theirs = librosa.power_to_db(librosa_mel(wave, rate, pad_mode))
        ours = mel.log_mel_spectrogram(batch(wave), rate, 1024, 512, 60, pad_mode)[0]
        np.testing.assert_allclose(ours, theirs, atol=CLOSE, rtol=0)
        single = mel.log_mel_spectrogram(batch(wave).float(), rate, 1024, 512, 60, pad_mode)[0].numpy()
        loud = theirs > theirs.max() - 50
        np.testing.assert_allclose(single[loud], theirs[loud], atol=1e-3, rtol=0)


@pytest.mark.parametrize("pad_mode", PADDINGS)
def test_mfcc(signals, pad_mode):
    for wave, rate in signals:
        theirs = librosa.feature.mfcc(
            y=wave, sr=rate, n_mfcc=13, n_fft=1024, hop_length=512, n_mels=60, pad_mode=pad_mode
        )
        ours = mfcc(batch(wave), rate, 13, pad_mode, 1024, 512, 60)[0]
        np.testing.assert_allclose(ours, theirs, atol=CLOSE, rtol=0)


def test_delta(signals):
    """Of the log-mel spectrogram of each signal long enough for nine frames; of every width that fits."""
    compared = 0
    for wave, rate in signals:
        bands = mel.log_mel_spectrogram(batch(wave), rate, 1024, 512, 60, "reflect")
        for width in (3, 9, 15):
            if bands.shape[2] >= width:
                theirs = librosa.feature.delta(bands[0].numpy(), width=width)
                np.testing.assert_allclose(delta(bands, width)[0], theirs, atol=1e-9, rtol=0)
                single = delta(bands.float(), width)[0]
                np.testing.assert_allclose(single, theirs, atol=CLOSE, rtol=0)
                compared += 1
    assert compared > 500


@pytest.mark.parametrize(("frame", "hop"), [(2048, 512), (1000, 333), (777, 100)])
def test_zero_crossing_rate(signals, frame, hop):
    """Counts, so equal in float32 too."""
    for wave, _ in signals:
        for samples in (wave, wave.astype(np.float32)):
            theirs = librosa.feature.zero_crossing_rate(samples, frame_length=frame, hop_length=hop)[0]
            np.testing.assert_allclose(zero_crossing_rate(batch(samples), frame, hop)[0], theirs, atol=1e-7, rtol=0)


def test_openl3_linear(signals):
    for wave, _ in signals:
        magnitudes = np.abs(librosa.stft(wave, n_fft=512, hop_length=242, center=False))
        theirs = librosa.power_to_db(magnitudes, ref=np.max, amin=1e-10, top_db=80)
        np.testing.assert_allclose(openl3.linear(batch(wave))[0], theirs, atol=CLOSE, rtol=0)


@pytest.mark.parametrize("n_mels", [128, 256])
def test_openl3_mel(signals, n_mels):
    for wave, _ in signals:
        sizes = {"n_fft": 2048, "hop_length": 242, "n_mels": n_mels}
        bands = librosa.feature.melspectrogram(y=wave, sr=48_000, power=1, pad_mode="constant", **sizes)
        theirs = librosa.power_to_db(bands, ref=np.max, amin=1e-10, top_db=80)
        np.testing.assert_allclose(openl3.mel(batch(wave), n_mels)[0], theirs, atol=CLOSE, rtol=0)
