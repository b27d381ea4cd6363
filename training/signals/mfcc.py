"""Mel-frequency cepstral coefficients.

Source: S. Davis, P. Mermelstein, Comparison of parametric representations for monosyllabic word recognition,
IEEE TASSP 1980; constants and form of librosa 0.11 (`feature.mfcc`, `dct_type=2`, `norm="ortho"`, no lifter).
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch

from unlabeled.errors import WrongCall
from unlabeled.training.signals.mel import log_mel_spectrogram
from unlabeled.training.signals.spectra import Padding


@lru_cache(maxsize=32)
def dct_matrix(n: int, keep: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """First `keep` rows of the orthonormal DCT-II of length n, `(keep, n)`. Cached: do not write into it."""
    if not 1 <= keep <= n:
        raise WrongCall(f"{keep} coefficients cannot be kept of a cosine transform of {n} bands")
    order = torch.arange(keep, dtype=torch.float64)[:, None]
    position = torch.arange(n, dtype=torch.float64) + 0.5
    rows = torch.cos(order * position * (math.pi / n)) * math.sqrt(2 / n)
    rows[0] /= math.sqrt(2)
    return rows.to(device, dtype)


def mfcc(
    waves: torch.Tensor,
    rate: int,
    n_mfcc: int,
    pad_mode: Padding,
    n_fft: int = 2048,
    hop: int = 512,
    n_mels: int = 128,
) -> torch.Tensor:
    """Cosine transform of the mel spectrum in dB, floored 80 dB below the maximum of each clip.

    Parameters
    ----------
    waves : `(B, samples)` float32 or float64.
    rate : samples a second.
    n_mfcc : coefficients kept, the 0th (energy) included.
    pad_mode, n_fft, hop, n_mels : see `mel.mel_spectrogram`.

    Returns
    -------
    `(B, n_mfcc, 1 + samples // hop)`.

    Raises
    ------
    WrongCall, BadData : as `mel.mel_spectrogram`; n_mfcc above n_mels.
    """
    transform = dct_matrix(n_mels, n_mfcc, waves.dtype, waves.device)
    return transform @ log_mel_spectrogram(waves, rate, n_fft, hop, n_mels, pad_mode)
