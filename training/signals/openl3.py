"""The inputs of the OpenL3 networks, for their published weights only.

Source: J. Cramer et al., Look, Listen and Learn More, ICASSP 2019; constants read in the package openl3
(librosa front ends). Decibels are of the **magnitude**, not of the power, and 0 dB is the window's maximum.
"""

from __future__ import annotations

import torch

from unlabeled.training.signals.cutting import covering_windows
from unlabeled.training.signals.mel import mel_bands
from unlabeled.training.signals.samples import refuse_other_than_waves
from unlabeled.training.signals.spectra import hann, power_to_db, stft, whole_frames

RATE = 48_000
SECOND = 48_000
LINEAR_N_FFT, MEL_N_FFT, HOP = 512, 2048, 242
WINDOW_HOP = 4800
"""Windows begin 0.1 s apart."""


def linear(waves: torch.Tensor) -> torch.Tensor:
    """Magnitudes in dB below the maximum of their window, frames not centred.

    Parameters
    ----------
    waves : `(B, samples)` at 48 kHz; one second in the published networks.

    Returns
    -------
    `(B, 257, 1 + (samples - 512) // 242)` in [-80, 0]: `(B, 257, 197)` for one second.

    Raises
    ------
    WrongCall : waves of another shape or dtype.
    BadData : fewer than 512 samples.
    """
    frames = whole_frames(waves, LINEAR_N_FFT, HOP) * hann(LINEAR_N_FFT, waves.dtype, waves.device)
    return _below_maximum(torch.fft.rfft(frames).abs().transpose(1, 2))


def mel(waves: torch.Tensor, n_mels: int = 256) -> torch.Tensor:
    """Mel-filtered magnitudes in dB below the maximum of their window, frames centred, zeros outside.

    Parameters
    ----------
    waves : `(B, samples)` at 48 kHz; one second in the published networks.
    n_mels : 256, or 128 for the networks called mel128.

    Returns
    -------
    `(B, n_mels, 1 + samples // 242)` in [-80, 0]: `(B, 256, 199)` for one second.

    Raises
    ------
    WrongCall, BadData : as `spectra.stft` and `mel.mel_filterbank`.
    """
    magnitudes = stft(waves, MEL_N_FFT, HOP, "constant").abs().transpose(1, 2)
    return _below_maximum(mel_bands(magnitudes, RATE, MEL_N_FFT, n_mels).transpose(1, 2))


def windows(waves: torch.Tensor, hop: int = WINDOW_HOP) -> torch.Tensor:
    """One-second windows `(B, windows, 48000)` from the first sample on, zeros behind the last.

    Raises
    ------
    WrongCall : waves of another shape or dtype; hop below 1.
    BadData : the waves are empty.
    """
    refuse_other_than_waves(waves)
    return covering_windows(waves, SECOND, hop)


def centred_windows(waves: torch.Tensor, hop: int = WINDOW_HOP) -> torch.Tensor:
    """As `windows`, after half a second of zeros: window k is centred on sample `k * hop`."""
    refuse_other_than_waves(waves)
    # An empty clip must not become half a second of silence.
    padded = torch.nn.functional.pad(waves, (SECOND // 2, 0)) if waves.shape[1] else waves
    return covering_windows(padded, SECOND, hop)


def _below_maximum(magnitudes: torch.Tensor) -> torch.Tensor:
    return power_to_db(magnitudes, reference=magnitudes.amax((1, 2), keepdim=True))
