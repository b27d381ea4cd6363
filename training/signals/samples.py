"""What the functions of this folder ask of waves, and how 16-bit samples were scaled before librosa.

Files are decoded elsewhere (`datasets/decode/sound.py`): int16 becomes `x / 32768`, and so on.
"""

from __future__ import annotations

import torch

from unlabeled.errors import BadData, WrongCall

HALF_STEP = 0.5 / 32767.5
"""Digital silence as `pcm16` gives it."""


def refuse_other_than_waves(waves: torch.Tensor) -> None:
    """Raise WrongCall unless waves are `(B, samples)` of float32 or float64."""
    if waves.ndim != 2 or waves.dtype not in (torch.float32, torch.float64):
        raise WrongCall(f"waves must be (B, samples) float32 or float64, not {tuple(waves.shape)} {waves.dtype}")


def refuse_not_finite(waves: torch.Tensor) -> None:
    """Raise BadData if samples of `(B, samples)` are NaN or infinite; the first such row is named."""
    broken = (~torch.isfinite(waves)).any(1).nonzero().flatten().tolist()
    if broken:
        raise BadData(f"NaN or infinite samples in row {broken[0]} of {len(waves)} waves")


def pcm16(waves: torch.Tensor) -> torch.Tensor:
    """The 16-bit samples of float waves in [-1, 1), as readers of 2015 scaled them; float64.

    `(i + 0.5) / 32767.5` is never zero, so that digital silence has a sign and crosses nothing.
    """
    integers = torch.round(waves.double() * 32768).clamp_(-32768, 32767)
    return integers.add_(0.5).div_(32767.5)
