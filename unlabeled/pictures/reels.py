"""A clip as rows of pictures: all of its frames as a film, some of them as a strip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from unlabeled.pictures import films
from unlabeled.pictures.sheet import Canvas, Plate, cut, file_name, resized, save, shown_size

SIDE = 420
"""Most pixels of a picture of a film; small ones are enlarged by whole pixels."""
FPS = 8.0
"""Frames of a film in a second, whatever their distance was: slow enough to look at."""
ABREAST = 2
"""Pictures of a film beside each other."""
BAR, GAP, POINTS = 26, 4, 15
"""Rows of a film for words, pixels between pictures, and the size of words."""
COLUMNS, NARROW = 5, 230
"""Frames of a strip, at equal steps, and most pixels of one."""
EDGE, HEAD, ABOVE, BELOW = 20, 50, 26, 28


class Shot(NamedTuple):
    """A frame: pictures by name, `(H, W, 3)` uint8 of one size, and what is said below them."""

    pictures: Mapping[str, np.ndarray]
    words: str


def size(height: int, width: int) -> tuple[int, int]:
    """The size in which a frame stands in a film."""
    return shown_size(height, width, SIDE)


def plate(shots: Iterable[Shot], count: int, title: str, caption: str, file: tuple[Path, int, str, str]) -> Plate:
    """Write the strip and the film of a clip of so many frames; shots are taken one by one.

    file : folder, number, name of the clip, and the word for these pictures
    """
    out, number, name, word = file
    chosen = np.unique(np.linspace(0, count - 1, COLUMNS).round().astype(int))
    kept: list[Shot] = []

    def played() -> Iterator[np.ndarray]:
        for k, shot in enumerate(shots):
            if k in chosen:
                kept.append(shot)
            yield panels(shot)

    film = films.write(out / file_name(number, name, f"{word}.mp4"), played(), FPS)
    strip = save(_strip(kept, title).figure, out / file_name(number, name, f"{word}.png"))
    return Plate(strip, title, caption, films=(("all frames", film),))


def panels(shot: Shot) -> np.ndarray:
    """One frame of a film, `(H, W, 3)` uint8: pictures below their names, at the foot the words."""
    height, width = next(iter(shot.pictures.values())).shape[:2]
    columns = min(ABREAST, len(shot.pictures))
    lines = -(-len(shot.pictures) // columns)
    page = Image.new("RGB", (columns * (width + GAP) - GAP, lines * (height + BAR) + BAR), "white")
    pen = ImageDraw.Draw(page)
    for k, (name, picture) in enumerate(shot.pictures.items()):
        left, top = k % columns * (width + GAP), k // columns * (height + BAR)
        pen.text((left + GAP, top + BAR // 2), name, "black", _font(), "lm")
        page.paste(Image.fromarray(picture), (left, top + BAR))
    pen.text((GAP, page.height - BAR // 2), shot.words, "black", _font(), "lm")
    return np.asarray(page)


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont:
    """The letters of the other pictures."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), POINTS)


def _strip(shots: Sequence[Shot], title: str) -> Canvas:
    """A row for each picture, a column for each frame."""
    names = list(shots[0].pictures)
    some = shots[0].pictures[names[0]]
    height, width = shown_size(some.shape[0], some.shape[1], NARROW)
    column, line = width + 2 * GAP, ABOVE + height
    canvas = Canvas(max(2 * EDGE + len(shots) * column, 700), HEAD + len(names) * line + BELOW + EDGE)
    canvas.text(EDGE, HEAD / 2, cut(title, canvas.width - 2 * EDGE, 13), 13)
    for row, name in enumerate(names):
        top = HEAD + row * line
        canvas.text(EDGE, top + ABOVE / 2, name, 10, weight="bold")
        for k, shot in enumerate(shots):
            canvas.picture(EDGE + k * column, top + ABOVE, resized(shot.pictures[name], height, width))
    for k, shot in enumerate(shots):
        canvas.text(EDGE + k * column, HEAD + len(names) * line + BELOW / 2, cut(shot.words, width, 8), 8)
    return canvas
