"""The input of Piczak's convolutional network: log-mel segments with their deltas.

Source: K. J. Piczak, Environmental sound classification with convolutional neural networks, MLSP 2015;
constants read in its released code, which cuts both variants at half overlap (the paper says 90 % for the
long one). Its librosa 0.3.1 padded by reflection; its delta filter was another than today's, which is used here.
"""

from __future__ import annotations

import torch

from unlabeled.errors import WrongCall
from unlabeled.training.signals.cutting import full_windows
from unlabeled.training.signals.delta import delta
from unlabeled.training.signals.mel import log_mel_spectrogram
from unlabeled.training.signals.samples import HALF_STEP, pcm16, refuse_not_finite, refuse_other_than_waves

RATE = 22_050
N_FFT, HOP, N_MELS = 1024, 512, 60
SHORT, LONG = HOP * 40, HOP * 100
"""Samples of a segment: 41 and 101 frames."""
SILENCE_DB = -70.0


def normalised(waves: torch.Tensor) -> torch.Tensor:
    """16-bit samples `(i + 0.5) / 32767.5` divided by the largest absolute one of their clip.

    Digital silence is left as it is, at half a step: divided by itself it would be a loud constant, whereas
    so `log_mels` drops all its segments.

    Parameters
    ----------
    waves : `(B, samples)` in [-1, 1), 22,050 Hz, cut or padded to 5 s.

    Raises
    ------
    WrongCall : waves of another shape or dtype.
    BadData : samples that are NaN or infinite.
    """
    refuse_other_than_waves(waves)
    refuse_not_finite(waves)
    samples = pcm16(waves)
    peaks = samples.abs().amax(1, keepdim=True)
    return (samples / torch.where(peaks > HALF_STEP, peaks, 1.0)).to(waves.dtype)


def segments(waves: torch.Tensor, length: int = SHORT) -> torch.Tensor:
    """Segments of the wave at half overlap, `(B, segments, length)`; a rest at the end is left out.

    Their number is `cutting.full_count(samples, length, length // 2)`: 9 short ones or 3 long ones of 5 s.

    Raises
    ------
    WrongCall : waves of another shape or dtype.
    BadData : the waves are shorter than a segment.
    """
    refuse_other_than_waves(waves)
    return full_windows(waves, length, length // 2)


def log_mels(pieces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-mel spectrogram of each segment on its own, and which of them are kept.

    Parameters
    ----------
    pieces : `(..., length)`, from `segments`.

    Returns
    -------
    `(..., 60, 1 + length // 512)` in dB, floored 80 dB below the maximum of its segment; bool `(...)`: the
    mean is above -70 dB.

    Raises
    ------
    BadData : samples that are NaN or infinite (their mean would compare as silence), 512 samples or fewer.
    """
    rows = pieces.reshape(-1, pieces.shape[-1])
    refuse_not_finite(rows)
    bands = log_mel_spectrogram(rows, RATE, N_FFT, HOP, N_MELS, "reflect")
    bands = bands.reshape(*pieces.shape[:-1], *bands.shape[1:])
    return bands, bands.mean((-2, -1)) > SILENCE_DB


def two_channels(bands: torch.Tensor, mean: float, deviation: float) -> torch.Tensor:
    """Standardised log-mels and, as second channel, their deltas along time: `(N, 2, 60, frames)`.

    Parameters
    ----------
    bands : `(N, 60, frames)`, from `log_mels`.
    mean, deviation : of all training values together, one number each.

    Raises
    ------
    WrongCall : the deviation is not above 0.
    BadData : fewer than 9 frames.
    """
    if not deviation > 0:
        raise WrongCall(f"a deviation of {deviation} cannot standardise anything")
    standard = (bands - mean) / deviation
    return torch.stack([standard, delta(standard)], -3)
