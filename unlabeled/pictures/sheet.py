"""What all pictures of a run share: what they are drawn from, how they are saved, what the gallery says of them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from unlabeled.contracts import Survey
from unlabeled.errors import BadData
from unlabeled.files import write_atomic
from unlabeled.records import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
    words = {0: " (worst)", n - 1: " (best)"} if n > 1 else {}
    return [(order[k], f"rank {n - k} of {n}{words.get(k, '')}") for k in sorted(places)]


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
