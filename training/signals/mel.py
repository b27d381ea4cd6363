"""The Slaney mel scale, its filters, and mel spectrograms.

Source: M. Slaney, Auditory Toolbox, Interval Research technical report 1998-010; the form and the
normalisation are those of librosa 0.11 (`htk=False`, `norm="slaney"`).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch

from unlabeled.errors import WrongCall
from unlabeled.training.signals.spectra import Padding, centred_frames, power_pieces, power_to_db

HZ_PER_MEL = 200 / 3
"""Below the break the scale is linear."""
BREAK_HZ = 1000.0
BREAK_MEL = BREAK_HZ / HZ_PER_MEL
LOG_STEP = math.log(6.4) / 27
"""Above the break, the logarithm of the frequency ratio of one mel."""

BANDS_AT_ONCE = 16
"""Neighbouring filters that are applied together, to the few bins that they cover."""


def hz_to_mel(hz: torch.Tensor) -> torch.Tensor:
    """Frequencies in Hz, not negative, to mels; elementwise, in the dtype given."""
    above = BREAK_MEL + torch.log(hz.clamp_min(BREAK_HZ) / BREAK_HZ) / LOG_STEP
    return torch.where(hz >= BREAK_HZ, above, hz / HZ_PER_MEL)


def mel_to_hz(mel: torch.Tensor) -> torch.Tensor:
    """The inverse of `hz_to_mel`."""
    above = BREAK_HZ * torch.exp(LOG_STEP * (mel.clamp_min(BREAK_MEL) - BREAK_MEL))
    return torch.where(mel >= BREAK_MEL, above, mel * HZ_PER_MEL)


def mel_frequencies(n: int, fmin: float, fmax: float) -> torch.Tensor:
    """`n` frequencies in Hz, equally spaced in mels from fmin to fmax inclusive, float64."""
    low, high = hz_to_mel(torch.tensor([fmin, fmax], dtype=torch.float64)).tolist()
    return mel_to_hz(torch.linspace(low, high, n, dtype=torch.float64))


@lru_cache(maxsize=32)
def mel_filterbank(rate: int, n_fft: int, n_mels: int, fmin: float = 0.0, fmax: float | None = None) -> torch.Tensor:
    """Triangular filters on the FFT bins, each scaled to equal area: `2 / (f_right - f_left)`.

    Parameters
    ----------
    rate : samples a second.
    n_fft : samples of a frame.
    n_mels : number of filters.
    fmin, fmax : edges of the lowest and the highest filter in Hz; fmax None is half the rate.

    Returns
    -------
    float64 `(n_mels, 1 + n_fft // 2)`. Cached: do not write into it.

    Raises
    ------
    WrongCall : the range is empty or leaves 0 .. rate / 2, or a filter covers no bin (too many filters for
        this n_fft): it would be silent in every clip.
    """
    fmax = rate / 2 if fmax is None else fmax
    if not (0 <= fmin < fmax <= rate / 2) or n_mels < 1:
        raise WrongCall(f"{n_mels} mel filters from {fmin} to {fmax} Hz do not fit a rate of {rate} Hz")
    bins = torch.arange(1 + n_fft // 2, dtype=torch.float64) * (rate / n_fft)
    edges = mel_frequencies(n_mels + 2, fmin, fmax)
    widths = edges.diff()
    rising = (bins - edges[:-2, None]) / widths[:-1, None]
    falling = (edges[2:, None] - bins) / widths[1:, None]
    filters = torch.minimum(rising, falling).clamp_min(0) * (2 / (edges[2:] - edges[:-2]))[:, None]
    silent = (filters.amax(1) == 0).nonzero().flatten().tolist()
    if silent:
        raise WrongCall(
            f"{n_mels} mel filters are too many for n_fft {n_fft} at {rate} Hz: {len(silent)} of them "
            f"cover no FFT bin (the first is number {silent[0]})",
            "take fewer filters or a larger n_fft",
        )
    return filters


class _Group(NamedTuple):
    """Neighbouring filters cut down to the bins they cover: `weights` `(bins, bands)`."""

    bins: slice
    weights: torch.Tensor


@lru_cache(maxsize=32)
def _groups(rate: int, n_fft: int, n_mels: int, dtype: torch.dtype, device: torch.device) -> tuple[_Group, ...]:
    # The full matrix is nearly all zeros; groups save four fifths of the multiplications.
    filters = mel_filterbank(rate, n_fft, n_mels)
    groups = []
    for first in range(0, n_mels, BANDS_AT_ONCE):
        bands = slice(first, min(first + BANDS_AT_ONCE, n_mels))
        covered = filters[bands].amax(0).nonzero().flatten()
        bins = slice(int(covered[0]), int(covered[-1]) + 1)
        groups.append(_Group(bins, filters[bands, bins].T.contiguous().to(device, dtype)))
    return tuple(groups)


def _filtered(spectra: torch.Tensor, groups: tuple[_Group, ...]) -> torch.Tensor:
    return torch.cat([spectra[..., group.bins] @ group.weights for group in groups], -1)


def mel_bands(spectra: torch.Tensor, rate: int, n_fft: int, n_mels: int) -> torch.Tensor:
    """Spectra, powers or magnitudes, through the mel filters from 0 Hz to half the rate.

    Parameters
    ----------
    spectra : `(..., 1 + n_fft // 2)`, real.
    rate, n_fft, n_mels : see `mel_filterbank`, whose errors it raises.

    Returns
    -------
    `(..., n_mels)`.
    """
    return _filtered(spectra, _groups(rate, n_fft, n_mels, spectra.dtype, spectra.device))


def mel_spectrogram(
    waves: torch.Tensor, rate: int, n_fft: int, hop: int, n_mels: int, pad_mode: Padding
) -> torch.Tensor:
    """Mel-filtered power spectra of centred Hann frames, filters from 0 Hz to half the rate.

    Parameters
    ----------
    waves : `(B, samples)` float32 or float64.
    rate : samples a second; n_fft, hop : samples; n_mels : number of filters.
    pad_mode : see `spectra.stft`.

    Returns
    -------
    `(B, n_mels, 1 + samples // hop)`, power.

    Raises
    ------
    WrongCall, BadData : as `mel_filterbank` and `spectra.centred_frames`.
    """
    frames = centred_frames(waves, n_fft, hop, pad_mode)
    groups = _groups(rate, n_fft, n_mels, waves.dtype, waves.device)
    bands = waves.new_empty(*frames.shape[:2], n_mels)
    for clips, span, spectra in power_pieces(frames):
        bands[clips, span] = _filtered(spectra, groups)
    return bands.transpose(1, 2)


def log_mel_spectrogram(
    waves: torch.Tensor, rate: int, n_fft: int, hop: int, n_mels: int, pad_mode: Padding
) -> torch.Tensor:
    """`mel_spectrogram` in dB (0 dB = power 1), floored 80 dB below the maximum of each clip."""
    return power_to_db(mel_spectrogram(waves, rate, n_fft, hop, n_mels, pad_mode))
