"""What all pictures of a run share: what they are drawn from, how they are saved, what the gallery says of them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from unlabeled.contracts import Survey
from unlabeled.errors import BadData
from unlabeled.files import write_atomic
from unlabeled.records import Record

Item = TypeVar("Item")

DPI = 110
GREY = 200
"""Stands where there is no picture."""


@dataclass(frozen=True)
class Judged:
    """A run over results made elsewhere: its record, the data and the results that it read, and its items by id.

    `role` is what the recipe reads results from.
    """

    record: Record
    data: Survey
    recipe: Any
    role: Any
    items: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Plate:
    """One picture of a page with what is said of it; `sounds` and `films` are played beside it, each with its name."""

    file: Path
    title: str
    caption: str
    sounds: tuple[tuple[str, Path], ...] = ()
    films: tuple[tuple[str, Path], ...] = ()


@dataclass(frozen=True)
class Gap:
    """What stands in the place of pictures that cannot be drawn: their title, and why."""

    title: str
    why: str


class Canvas:
    """A figure in pixels from its top left corner: pictures lie on it as they are, no resampling touches them."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)

    def text(self, x: float, y: float, words: str, size: float, **how: Any) -> None:
        """Words of `size` points, which begin at x; y is their middle."""
        self.figure.text(x / self.width, 1 - y / self.height, words, fontsize=size, va="center", **how)

    def picture(self, x: int, y: int, pixels: np.ndarray) -> None:
        """A picture `(H, W, 3)` uint8 with its top left corner at x, y."""
        self.figure.figimage(pixels, x, self.height - y - pixels.shape[0])

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A line around a place."""
        place = x / self.width, 1 - (y + height) / self.height
        size = width / self.width, height / self.height
        self.figure.add_artist(Rectangle(place, *size, fill=False, edgecolor=colour, linewidth=2))


def save(figure: Figure, file: Path) -> Path:
    """Write a figure as PNG in one step."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    write_atomic(file, buffer.getvalue())
    return file


def file_name(number: int, name: str, ending: str) -> str:
    """`03-car-shadow-frames.png`: a name of the data as part of a file name, told apart by the number."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in name)
    return f"{number:02}-{plain[:60]}-{ending}"


def sample(scores: Mapping[str, float | tuple[float, ...]], ends: int = 2, middle: int = 2) -> list[tuple[str, str]]:
    """The worst, the median and the best by score, worst first, each with the place it takes among all."""
    order = sorted(scores, key=lambda name: (scores[name], name))
    n = len(order)
    first = max(0, (n - middle) // 2)
    places = {*range(min(ends, n)), *range(first, min(first + middle, n)), *range(max(0, n - ends), n)}
    words = {first: " (median)"} if middle == 1 and n > 2 else {}
    words |= {0: " (worst)", n - 1: " (best)"} if n > 1 else {}
    return [(order[k], f"rank {n - k} of {n}{words.get(k, '')}") for k in sorted(places)]


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most so many items at equal steps: sets are listed by class, so that most of them differ in it."""
    chosen = np.unique(np.linspace(0, len(items) - 1, count).round().astype(int))
    return [items[k] for k in chosen] if items else []


def cut(words: str, width: int, points: float) -> str:
    """Words cut to about so many pixels at a size in points."""
    room = max(4, int(width / (0.85 * points)))
    return words if len(words) <= room else f"{words[: room - 3]}..."


def shown_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width at which a picture is shown: enlarged by whole pixels, or made smaller, to at most `side`."""
    longest = max(height, width)
    if longest <= side:
        return height * (side // longest), width * (side // longest)
    return max(1, round(height * side / longest)), max(1, round(width * side / longest))


def resized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """A picture `(H, W, 3)` uint8 at a size that `shown_size` gave."""
    if height >= picture.shape[0] and width >= picture.shape[1]:
        return picture.repeat(height // picture.shape[0], axis=0).repeat(width // picture.shape[1], axis=1)
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def photo(file: Path | None, size: tuple[int, int]) -> np.ndarray:
    """A picture in a size (width, height), `(height, width, 3)` uint8; plain grey where there is none.

    Raises
    ------
    BadData : the file is gone or is no picture.
    """
    if file is None:
        return np.full((size[1], size[0], 3), GREY, dtype=np.uint8)
    try:
        with Image.open(file) as picture:
            return np.asarray(picture.convert("RGB").resize(size, Image.Resampling.LANCZOS))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
        raise BadData(f"{file} is no picture that can be read: {fault}", "copy or download the file again") from fault


def percent(value: float) -> str:
    """A fraction as tables show it."""
    return f"{100 * value:.1f}"
