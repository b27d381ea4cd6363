"""Clips brought to a length, and cut into windows of equal length.

Waves are `(B, samples)`, windows `(B, windows, length)`; dtype and device are kept. Rules: sections 1.3 to 1.5
and 8.8 of the sound protocols. Lengths and hops are whole samples.
"""

from __future__ import annotations

import torch

from unlabeled.errors import BadData, WrongCall


def loop(waves: torch.Tensor, samples: int) -> torch.Tensor:
    """Repeat clips from their beginning until they are long enough, and cut them: `(B, samples)`.

    SoundNet repeats a clip to 11 s or more and keeps 10 s, which is this with `samples` = 10 s.

    Raises
    ------
    WrongCall : `samples` is below 1.
    BadData : the clips are empty.
    """
    length = waves.shape[1]
    if samples < 1:
        raise WrongCall(f"clips cannot be looped to {samples} samples")
    if length == 0:
        raise BadData("clips without samples cannot be looped")
    return waves.repeat(1, -(-samples // length))[:, :samples]


def full_count(samples: int, length: int, hop: int) -> int:
    """How many windows lie fully inside a clip: 0 where it is shorter than one.

    Raises
    ------
    WrongCall : `length` or `hop` is below 1.
    """
    _refuse_no_window(length, hop)
    return 0 if samples < length else 1 + (samples - length) // hop


def full_windows(waves: torch.Tensor, length: int, hop: int) -> torch.Tensor:
    """The windows that lie fully inside, one every `hop` samples; a view, samples behind the last are left out.

    Raises
    ------
    WrongCall : as `full_count`.
    BadData : the clips are shorter than a window.
    """
    _refuse_no_window(length, hop)
    _refuse_longer_window(waves, length)
    return waves.unfold(1, length, hop)


def covering_count(samples: int, length: int, hop: int) -> int:
    """How many windows hold every sample of a clip, the last one filled up with zeros; at least 1.

    Raises
    ------
    WrongCall : as `full_count`.
    """
    _refuse_no_window(length, hop)
    return 1 + -(-max(0, samples - length) // hop)


def covering_windows(waves: torch.Tensor, length: int, hop: int) -> torch.Tensor:
    """Windows every `hop` samples until each sample is in one; zeros follow the end of the clip.

    Raises
    ------
    WrongCall : as `full_count`.
    BadData : the clips are empty.
    """
    samples = waves.shape[1]
    if samples == 0:
        raise BadData("clips without samples cannot be cut into windows")
    needed = length + hop * (covering_count(samples, length, hop) - 1)
    return torch.nn.functional.pad(waves, (0, needed - samples)).unfold(1, length, hop)


def spaced_windows(waves: torch.Tensor, length: int, count: int) -> torch.Tensor:
    """`count` windows, equally spaced: the first begins with the clip, the last ends with it.

    Window k begins at sample `floor(k (samples - length) / (count - 1))`; a single window begins the clip.

    Raises
    ------
    WrongCall : `length` or `count` is below 1.
    BadData : the clips are shorter than a window.
    """
    _refuse_no_window(length, count)
    _refuse_longer_window(waves, length)
    rest, gaps = waves.shape[1] - length, max(1, count - 1)
    starts = torch.arange(count, device=waves.device) * rest // gaps
    return waves[:, starts[:, None] + torch.arange(length, device=waves.device)]


def _refuse_no_window(length: int, hop_or_count: int) -> None:
    if length < 1 or hop_or_count < 1:
        raise WrongCall(f"windows of {length} samples, hop or count {hop_or_count}: both must be at least 1")


def _refuse_longer_window(waves: torch.Tensor, length: int) -> None:
    if waves.shape[1] < length:
        raise BadData(f"a window of {length} samples does not fit into a clip of {waves.shape[1]}")
