"""CIE Lab under D65 back to sRGB, the inverse of `lab.rgb_to_lab`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unlabeled.training.signals.lab import _DARK, _SLOPE, _TO_XYZ, from_unit

_FROM_XYZ = torch.from_numpy(np.linalg.inv(_TO_XYZ)).float()


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Lab `(..., 3, H, W)`, L in 0 .. 100, to sRGB in [0, 1]; colours that sRGB does not have are clipped."""
    light, a, b = lab.movedim(-3, 0)
    y = (light + 16) / 116
    curved = torch.stack([y + a / 500, y, y - b / 200], dim=-1)
    white = torch.where(curved**3 > _DARK, curved**3, (curved - 16 / 116) / _SLOPE)
    linear = white @ _FROM_XYZ.to(lab).T
    rgb = torch.where(linear > 0.0031308, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055, 12.92 * linear)
    return rgb.clamp(0, 1).movedim(-1, -3)


def coloured(light: Tensor, colours: Tensor) -> Tensor:
    """RGB pictures `(B, 3, H, W)` of lightness `(B, 1, H, W)` in [0, 1] and the a and b of cells, `(B, 2, h, w)`."""
    fine = functional.interpolate(colours, size=light.shape[-2:], mode="bilinear", align_corners=False)
    return lab_to_rgb(torch.cat([light * 100, fine], dim=1))


def unit_to_rgb(frames: Tensor) -> Tensor:
    """Lab frames `(..., 3, H, W)` as a Batch has them, as sRGB in [0, 1]."""
    return lab_to_rgb(from_unit(frames))
