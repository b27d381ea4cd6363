"""sRGB to CIE Lab under D65 (2 degree observer), exactly: no table, no approximation of the cube root.

Colours lie in the third axis from the end, `(..., 3, H, W)`; sRGB in [0, 1]. Source: IEC 61966-2-1 (1999) for the
transfer curve and the matrix, CIE 15 for Lab; the white point is (0.95047, 1, 1.08883).
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch

Array = TypeVar("Array", np.ndarray, torch.Tensor)

# Rows of the matrix from linear sRGB to XYZ, divided by the white point.
_TO_XYZ = (
    (0.412453 / 0.95047, 0.357580 / 0.95047, 0.180423 / 0.95047),
    (0.212671, 0.715160, 0.072169),
    (0.019334 / 1.08883, 0.119193 / 1.08883, 0.950227 / 1.08883),
)
_DARK, _SLOPE = 0.008856, 7.787

_WIDTH = 256.0
_ZERO = 128.0


def rgb_to_lab(rgb: Array) -> Array:
    """sRGB `(..., 3, H, W)` in [0, 1] to L in 0 .. 100 and a, b in about -108 .. 98; an array or a tensor, as given."""
    if isinstance(rgb, torch.Tensor):
        linear = torch.where(rgb > 0.04045, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
        x, y, z = (_curved_tensor(part) for part in _mixed(linear))
        return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-3)
    linear = np.where(rgb > 0.04045, ((np.maximum(rgb, 0.04045) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    x, y, z = (_curved_array(part) for part in _mixed(linear))
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-3)


def to_unit(lab: Array) -> Array:
    """Lab to the range of pictures, [0, 1]: L / 100, (a + 128) / 256, (b + 128) / 256. Grey has a = b = 0.5."""
    scale, zero = _scale(lab)
    return lab * (1 / scale) + zero


def from_unit(unit: Array) -> Array:
    """The inverse of `to_unit`: L in 0 .. 100, a and b around 0."""
    scale, zero = _scale(unit)
    return (unit - zero) * scale


def _scale(like: Array) -> tuple[Array, Array]:
    scale, zero = [[[100.0]], [[_WIDTH]], [[_WIDTH]]], [[[0.0]], [[_ZERO / _WIDTH]], [[_ZERO / _WIDTH]]]
    if isinstance(like, torch.Tensor):
        return like.new_tensor(scale), like.new_tensor(zero)
    return np.asarray(scale, dtype=like.dtype), np.asarray(zero, dtype=like.dtype)


def _mixed(linear: Array) -> list[Array]:
    """X, Y and Z relative to white. Sums written out: a matrix product may round differently with more threads."""
    red, green, blue = linear[..., 0, :, :], linear[..., 1, :, :], linear[..., 2, :, :]
    return [r * red + g * green + b * blue for r, g, b in _TO_XYZ]


def _curved_tensor(t: torch.Tensor) -> torch.Tensor:
    return torch.where(t > _DARK, t.clamp(min=_DARK) ** (1 / 3), _SLOPE * t + 16 / 116)


def _curved_array(t: np.ndarray) -> np.ndarray:
    return np.where(t > _DARK, np.cbrt(t), _SLOPE * t + 16 / 116)
