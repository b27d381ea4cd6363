"""Random changes of pictures and sound that a Request names, and the way from decoded frames to a network's input.

    crop    the window lies anywhere in the picture; without it, in the middle
    shift   the window is moved by up to 1/16 of its side each way, and stays inside the picture
    flip    left and right are exchanged, half of the time
    jitter  contrast, saturation and hue
    gain    brightness of pictures; loudness of sound, by a draw of its own

One draw serves all frames (all stretches of sound) of an item; `name/each` draws for each of them. Every name has its
own random stream, so that naming one more changes no other. No pixel is ever made up: both crop and shift move inside
a picture that is read larger (`reading_size`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from unlabeled.contracts import Request
from unlabeled.errors import WrongCall
from unlabeled.streams import Rng
from unlabeled.training.signals import lab
from unlabeled.training.sizes import Size, height_width

NAMES = ("crop", "shift", "flip", "jitter", "gain")
MARGIN = 8 / 7
"""Short side of a picture that is read for crop or shift, in sides of the window: 256 for 224, as is usual."""
SHIFT = 1 / 16
CONTRAST, SATURATION = (0.6, 1.4), (0.6, 1.4)
HUE = 0.1
"""Largest turn of the hue either way, in whole turns."""
BRIGHTNESS = (0.7, 1.3)
LOUDNESS = (0.5, 1.0)
"""Factors of samples: never above 1, so that they stay in [-1, 1]."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (BT.601)."""

EACH = "/each"


def check(names: Sequence[str]) -> None:
    """Refuse names that mean nothing, or one augmentation twice.

    Raises
    ------
    WrongCall : all such names together.
    """
    plain = [name.removesuffix(EACH) for name in names]
    unknown = [name for name, kind in zip(names, plain, strict=True) if kind not in NAMES]
    if unknown:
        raise WrongCall(
            f"no augmentation is named {', '.join(unknown)}", f"there are {', '.join(NAMES)}, each also as NAME{EACH}"
        )
    twice = sorted({kind for kind in plain if plain.count(kind) > 1})
    if twice:
        raise WrongCall(f"augmentations named twice: {', '.join(twice)}", f"take NAME or NAME{EACH}")


def reading_size(request: Request) -> Size:
    """The window that pictures are read to cover: `size`, with a margin where the window moves."""
    moving = any(name.removesuffix(EACH) in ("crop", "shift") for name in request.augment)
    if not moving:
        return request.size
    rows, columns = height_width(request.size)
    return round(rows * MARGIN), round(columns * MARGIN)


# ---------------------------------------------------------------- pictures


def pictures(frames: np.ndarray, request: Request, rng: Rng | None) -> torch.Tensor:
    """Frames `(n, 3, H, W)` uint8 of one item, read at `reading_size`, to `(n, C, rows, columns)` float32 in [0, 1].

    `rng` belongs to the item; None leaves all augmentations out.
    """
    return unit(changed(frames, request, rng))


def changed(frames: np.ndarray, request: Request, rng: Rng | None) -> torch.Tensor:
    """What `unit` makes `pictures` of: uint8 where no colour is changed, a quarter of the bytes to hand on."""
    draw = _Draw(request.augment if rng is not None else (), rng, len(frames))
    square = _windows(frames, request.size, draw)
    flipped = draw.values("flip", lambda stream, n: stream.random(n) < 0.5)
    if flipped is not None:
        square = np.where(flipped[:, None, None, None], square[..., ::-1], square)
    rgb = _brightened(_jittered(torch.from_numpy(square), draw), draw)
    if request.colour == "grey":
        return grey(unit(rgb))
    return lab.to_unit(lab.rgb_to_lab(unit(rgb))).clamp_(0, 1) if request.colour == "lab" else rgb


def unit(pixels: torch.Tensor) -> torch.Tensor:
    """Bytes to float32 in [0, 1]; what is float already stays as it is."""
    return pixels.float().div_(255) if pixels.dtype == torch.uint8 else pixels


def grey(rgb: torch.Tensor) -> torch.Tensor:
    """`(n, 3, H, W)` to luma `(n, 1, H, W)`."""
    red, green, blue = (rgb[:, k : k + 1] * weight for k, weight in enumerate(LUMA))
    return red + green + blue


class _Draw:
    """Draws of one item: a value for each of its n parts, equal for all of them without `/each`."""

    def __init__(self, names: Sequence[str], rng: Rng | None, n: int) -> None:
        self.names, self.rng, self.n = names, rng, n

    def values(self, name: str, draw: Callable[[np.random.Generator, int], np.ndarray]) -> np.ndarray | None:
        """`draw(stream, count)` gives `(count, ...)`; None where the augmentation is not asked for."""
        each = name + EACH in self.names
        if self.rng is None or not (each or name in self.names):
            return None
        drawn = draw(self.rng.numpy(name), self.n if each else 1)
        return drawn if each else np.repeat(drawn, self.n, axis=0)

    def factors(self, name: str, low_high: tuple[float, float]) -> np.ndarray | None:
        """`(n,)` uniform factors."""
        return self.values(name, lambda stream, count: stream.uniform(*low_high, count))


def _windows(frames: np.ndarray, size: Size, draw: _Draw) -> np.ndarray:
    """`(n, 3, rows, columns)`: middle windows unless crop or shift say otherwise."""
    rows, columns = height_width(size)
    room = np.array(frames.shape[2:], dtype=np.int64) - np.array((rows, columns), dtype=np.int64)
    starts = np.broadcast_to(room // 2, (len(frames), 2))
    cropped = draw.values("crop", lambda stream, count: stream.integers(room + 1, size=(count, 2)))
    if cropped is not None:
        starts = cropped
    reach = int(min(rows, columns) * SHIFT)
    moved = draw.values("shift", lambda stream, count: stream.integers(-reach, reach + 1, (count, 2)))
    if moved is not None:
        starts = np.clip(starts + moved, 0, room)
    return np.stack([frame[:, y : y + rows, x : x + columns] for frame, (y, x) in zip(frames, starts, strict=True)])


def _jittered(rgb: torch.Tensor, draw: _Draw) -> torch.Tensor:
    """Contrast around middle grey; saturation and hue as stretch and turn of the two colour axes of YIQ."""
    low, high = zip(CONTRAST, SATURATION, (-HUE, HUE), strict=True)
    drawn = draw.values("jitter", lambda stream, count: stream.uniform(low, high, (count, 3)))
    if drawn is None:
        return rgb
    contrast, saturation, turn = (_columns(column) for column in drawn.T)
    y, i, q = _mixed(unit(rgb), _YIQ)
    cosine, sine = saturation * torch.cos(2 * torch.pi * turn), saturation * torch.sin(2 * torch.pi * turn)
    turned = torch.stack([y, i * cosine - q * sine, i * sine + q * cosine], dim=1)
    mixed = torch.stack(_mixed(turned, _RGB), dim=1)
    return ((mixed - 0.5) * contrast[:, None] + 0.5).clamp_(0, 1)


_YIQ = np.array([LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])
_RGB = np.linalg.inv(_YIQ)


def _mixed(colours: torch.Tensor, matrix: np.ndarray) -> list[torch.Tensor]:
    """Each row of a 3 x 3 matrix applied to `(n, 3, H, W)`; written out, so that no thread count changes the sum."""
    first, second, third = colours.unbind(1)
    return [float(a) * first + float(b) * second + float(c) * third for a, b, c in matrix]


def _columns(values: np.ndarray) -> torch.Tensor:
    """`(n,)` to `(n, 1, 1)` float32."""
    return torch.from_numpy(values.astype(np.float32))[:, None, None]


def _brightened(rgb: torch.Tensor, draw: _Draw) -> torch.Tensor:
    factors = draw.factors("gain", BRIGHTNESS)
    return rgb if factors is None else (unit(rgb) * _columns(factors)[:, None]).clamp_(0, 1)


# ---------------------------------------------------------------- sound


def sound(stretches: np.ndarray, request: Request, rng: Rng | None) -> np.ndarray:
    """Stretches `(S, samples)` float32 of one item with their loudness changed where `gain` is asked for.

    `rng` belongs to the item's sound; None leaves all augmentations out.
    """
    draw = _Draw(request.augment if rng is not None else (), rng, len(stretches))
    factors = draw.factors("gain", LOUDNESS)
    return stretches if factors is None else stretches * factors.astype(np.float32)[:, None]
