"""Short-time spectra: window, framing, STFT, power and decibels.

Batched: waves are `(B, samples)`, spectra `(B, bins, frames)`; dtype (float32 or float64) and device of the
input are kept. Conventions of librosa 0.11 (B. McFee et al., librosa: audio and music signal analysis in
Python, SciPy 2015; https://librosa.org). Padding stands in every call, because librosa changed it: reflection
before 0.10, zeros since.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import torch

from unlabeled.errors import BadData, WrongCall
from unlabeled.training.signals.samples import refuse_other_than_waves

Padding = Literal["reflect", "constant"]

SAMPLES_AT_ONCE = 128 * 2048
"""What one CPU core transforms at once, overlapping frames counted in full: so much stays in its cache."""


@lru_cache(maxsize=32)
def hann(n: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Periodic Hann window `(n,)`: `0.5 - 0.5 cos(2 pi i / n)`, made in float64. Do not write into it."""
    angle = torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)
    return (0.5 - 0.5 * torch.cos(angle)).to(device, dtype)


def centred_frames(waves: torch.Tensor, n_fft: int, hop: int, pad_mode: Padding) -> torch.Tensor:
    """A view of overlapping frames `(B, frames, n_fft)`, frame k centred on sample `k * hop`.

    `n_fft // 2` samples are padded on each side; there are `1 + samples // hop` frames (for even n_fft).

    Raises
    ------
    WrongCall : waves are not `(B, samples)` of float32 or float64, or n_fft or hop is below 1.
    BadData : a wave is empty, or too short to be reflected (it needs more than n_fft / 2 samples).
    """
    _refuse_no_frames(waves, n_fft, hop)
    samples, half = waves.shape[1], n_fft // 2
    fewest = half + 1 if pad_mode == "reflect" else max(1, n_fft - 2 * half)
    if samples < fewest:
        raise BadData(f"a wave of {samples} samples is too short: frames of {n_fft} need {fewest} ({pad_mode})")
    if pad_mode == "constant":
        return torch.nn.functional.pad(waves, (half, half)).unfold(1, n_fft, hop)
    # Four times as fast on a CPU as torch's own reflection.
    before, after = waves[:, 1 : half + 1].flip(1), waves[:, samples - half - 1 : -1].flip(1)
    return torch.cat([before, waves, after], 1).unfold(1, n_fft, hop)


def whole_frames(waves: torch.Tensor, length: int, hop: int) -> torch.Tensor:
    """A view of the frames that lie fully inside the waves, `(B, 1 + (samples - length) // hop, length)`.

    Raises
    ------
    WrongCall : as `centred_frames`.
    BadData : the waves are shorter than a frame.
    """
    _refuse_no_frames(waves, length, hop)
    if waves.shape[1] < length:
        raise BadData(f"a frame of {length} samples does not fit into a wave of {waves.shape[1]}")
    return waves.unfold(1, length, hop)


def _refuse_no_frames(waves: torch.Tensor, length: int, hop: int) -> None:
    refuse_other_than_waves(waves)
    if length < 1 or hop < 1:
        raise WrongCall(f"n_fft {length} and hop {hop} must be at least 1")


def stft(waves: torch.Tensor, n_fft: int, hop: int, pad_mode: Padding) -> torch.Tensor:
    """Centred short-time Fourier transform with a periodic Hann window of n_fft samples.

    Parameters
    ----------
    waves : `(B, samples)`.
    n_fft, hop : samples.
    pad_mode : what stands before the first and after the last sample.

    Returns
    -------
    Complex `(B, 1 + n_fft // 2, 1 + samples // hop)`.

    Raises
    ------
    WrongCall, BadData : as `centred_frames`.
    """
    window = hann(n_fft, waves.dtype, waves.device)
    return torch.fft.rfft(centred_frames(waves, n_fft, hop, pad_mode) * window).transpose(1, 2)


def power_pieces(frames: torch.Tensor) -> Iterator[tuple[slice, slice, torch.Tensor]]:
    """Hann-windowed power spectra piece by piece, so that those of a long batch never lie in memory together.

    From `centred_frames` `(B, frames, n_fft)` it yields a range of clips, a range of frames and their
    `(clips, frames, bins)`. On a CPU a piece is part of one clip, which makes the values of a clip
    independent of its batch; elsewhere it is the whole batch.
    """
    batch, count, n_fft = frames.shape
    window = hann(n_fft, frames.dtype, frames.device)
    at_once = max(1, SAMPLES_AT_ONCE // n_fft)
    clips_at_once, frames_at_once = (1, at_once) if frames.device.type == "cpu" else (batch, count)
    for clip in range(0, batch, clips_at_once):
        for first in range(0, count, frames_at_once):
            piece = slice(clip, clip + clips_at_once), slice(first, first + frames_at_once)
            # One pass in memory order, then one with a stride, is half the time of two with a stride.
            squares = torch.view_as_real(torch.fft.rfft(frames[piece] * window)).square_()
            yield *piece, squares[..., 0] + squares[..., 1]


def power_to_db(
    powers: torch.Tensor,
    top_db: float | None = 80.0,
    amin: float = 1e-10,
    reference: float | torch.Tensor = 1.0,
) -> torch.Tensor:
    """Decibels `10 log10(max(powers, amin) / max(reference, amin))`, floored per clip.

    Parameters
    ----------
    powers : `(B, ...)`, not negative.
    top_db : values more than this below the maximum of their own clip are raised to it; None leaves them.
    amin : smallest power told apart.
    reference : power of 0 dB; a tensor must fit `powers` by broadcasting.

    Raises
    ------
    WrongCall : amin is not positive or top_db is negative.

    Unlike librosa's, a batch in one call does not couple its clips.
    """
    if amin <= 0 or (top_db is not None and top_db < 0):
        raise WrongCall(f"amin {amin} must be above 0 and top_db {top_db} not below 0")
    decibels = 10 * torch.log10(powers.clamp_min(amin)) - _decibels_of(reference, amin)
    if top_db is None:
        return decibels
    return torch.maximum(decibels, decibels.amax(tuple(range(1, powers.ndim)), keepdim=True) - top_db)


def _decibels_of(reference: float | torch.Tensor, amin: float) -> float | torch.Tensor:
    if isinstance(reference, torch.Tensor):
        return 10 * torch.log10(reference.clamp_min(amin))
    return 10 * math.log10(max(reference, amin))
