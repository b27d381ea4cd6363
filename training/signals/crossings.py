"""Zero-crossing rate of overlapping frames, as librosa 0.11 defines it.

The ESC baseline of 2015 counts in another way: see `esc_baseline.zero_crossing_rates`.
"""

from __future__ import annotations

import torch

from unlabeled.errors import BadData, WrongCall
from unlabeled.training.signals.samples import refuse_not_finite, refuse_other_than_waves

THRESHOLD = 1e-10
"""Samples no further than this from zero are zero, and zero counts as positive."""


def zero_crossing_rate(waves: torch.Tensor, frame: int = 2048, hop: int = 512) -> torch.Tensor:
    """Sign changes inside each frame, divided by the samples of the frame.

    Frame k is centred on sample `k * hop`; the first and the last sample are repeated outside the clip. The
    change into the first sample of a frame belongs to no frame, though the divisor is `frame`.

    Parameters
    ----------
    waves : `(B, samples)` float32 or float64.
    frame, hop : samples.

    Returns
    -------
    `(B, 1 + samples // hop)` (for even frames), in the dtype of the waves.

    Raises
    ------
    WrongCall : waves of another shape or dtype; frame or hop below 1.
    BadData : no samples, or samples that are NaN or infinite.
    """
    refuse_other_than_waves(waves)
    refuse_not_finite(waves)
    if frame < 1 or hop < 1:
        raise WrongCall(f"frame {frame} and hop {hop} must be at least 1")
    if waves.shape[1] < 1 + frame % 2:
        raise BadData(f"a wave of {waves.shape[1]} samples is too short: frames of {frame} need {1 + frame % 2}")
    negative = waves < -THRESHOLD
    half = frame // 2
    padded = torch.cat([negative[:, :1].expand(-1, half), negative, negative[:, -1:].expand(-1, half)], 1)
    # Running totals give each frame by one subtraction, instead of a sum over overlapping frames.
    changes = torch.nn.functional.pad((padded[:, 1:] != padded[:, :-1]).cumsum(1), (1, 0))
    starts = torch.arange(0, padded.shape[1] - frame + 1, hop, device=waves.device)
    return (changes[:, starts + frame - 1] - changes[:, starts]).to(waves.dtype) / frame
