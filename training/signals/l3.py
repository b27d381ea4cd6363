"""The log-spectrograms of L3-Net and AVE-Net.

Source: R. Arandjelovic, A. Zisserman, Look, Listen and Learn, ICCV 2017, and Objects that Sound, ECCV 2018:
windows of 0.01 s, half overlap, 257 frequencies; the logarithm is that of the public l3embedding.
"""

from __future__ import annotations

import torch

from unlabeled.errors import WrongCall
from unlabeled.training.signals.samples import refuse_other_than_waves
from unlabeled.training.signals.spectra import hann, whole_frames

RATE = 48_000
WINDOW, HOP, N_FFT = 480, 240, 512
SMALLEST, SCALE = 1e-12, 5.0


def log_spectrogram(waves: torch.Tensor, window: int = WINDOW, hop: int = HOP, n_fft: int = N_FFT) -> torch.Tensor:
    """`ln(max(|X|, 1e-12)) / 5` of Hann windows that lie fully inside the wave, zeros appended up to n_fft.

    librosa cannot say this: with `win_length` it centres the window in a frame of n_fft samples.

    Parameters
    ----------
    waves : `(B, samples)`, one second at 48 kHz in the paper.
    window, hop, n_fft : samples; window <= n_fft.

    Returns
    -------
    `(B, 1 + n_fft // 2, 1 + (samples - window) // hop)`: `(B, 257, 199)` for one second.

    Raises
    ------
    WrongCall : waves of another shape or dtype, a window longer than the FFT, a size below 1.
    BadData : the waves are shorter than a window.
    """
    if window > n_fft:
        raise WrongCall(f"a window of {window} samples is longer than the FFT of {n_fft}")
    frames = whole_frames(waves, window, hop) * hann(window, waves.dtype, waves.device)
    magnitudes = torch.fft.rfft(frames, n_fft).abs().transpose(1, 2)
    return magnitudes.clamp_min(SMALLEST).log() / SCALE


def ave_log_spectrogram(waves: torch.Tensor) -> torch.Tensor:
    """`log_spectrogram` with half a window of zeros at the end: `(B, 257, 200)` for one second at 48 kHz.

    Errors as there.
    """
    refuse_other_than_waves(waves)
    return log_spectrogram(torch.nn.functional.pad(waves, (0, WINDOW // 2)))
