"""Folders of numbered frames, one JPEG or PNG each: listed in order, gaps named, read at full size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from unlabeled.datasets.decode.masks import MOST_PIXELS
from unlabeled.errors import BadData, name_several

SUFFIXES = {".jpg", ".jpeg", ".png"}

_NUMBER = re.compile("([0-9]+)[^0-9]*$")
_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK"}
_AGAIN = "copy or extract the frames again"


def list_frames(folder: Path) -> tuple[Path, ...]:
    """The pictures of a folder in the order of the last number of their names, which may begin anywhere.

    Other files and hidden ones (`._00001.jpg`) are passed over.

    Raises
    ------
    BadData : no such folder, no pictures, a name without a number, a number twice or a gap in the numbers.
    """
    try:
        names = [file.name for file in folder.iterdir()]
    except OSError as fault:
        raise BadData(f"{folder} cannot be read as a folder of frames: {fault.strerror}") from fault
    pictures = [name for name in names if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")]
    if not pictures:
        raise BadData(f"{folder} holds no JPEG or PNG frames", _AGAIN)
    numbered: dict[int, str] = {}
    for name in sorted(pictures):
        number = _NUMBER.search(Path(name).stem)
        if number is None:
            raise BadData(f"{folder}/{name} has no frame number in its name", "put other pictures elsewhere")
        if other := numbered.get(int(number[1])):
            raise BadData(f"{folder}: {other} and {name} have one frame number", "keep one of them")
        numbered[int(number[1])] = name
    order = sorted(numbered)
    gaps = [_span(left + 1, right - 1) for left, right in pairwise(order) if right > left + 1]
    if gaps:
        raise BadData(f"{folder}: frames are missing: {name_several(gaps)}", _AGAIN)
    return tuple(folder / numbered[number] for number in order)


def _span(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first} to {last}"


def read_images(paths: Sequence[Path]) -> np.ndarray:
    """Pictures of one size, `(n, H, W, 3)` uint8 RGB; transparency is dropped, rotation tags are not followed.

    Raises
    ------
    BadData : no paths, no such file, no JPEG or PNG, more than 8 bits, truncated or damaged bytes, another size than
        the first one, or more than 67 million pixels.
    """
    if not paths:
        raise BadData("no frames to read")
    for number, path in enumerate(paths):
        try:
            with Image.open(path, formats=["JPEG", "PNG"]) as picture:
                _check(picture, path)
                if number == 0:
                    width, height = picture.size
                    frames = np.empty((len(paths), height, width, 3), np.uint8)
                if picture.size != (width, height):
                    size = f"{picture.width} x {picture.height}"
                    raise BadData(f"{path} is {size} pixels, {paths[0].name} is {width} x {height}", _AGAIN)
                frames[number] = np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))
        except FileNotFoundError:
            raise BadData(f"{path} is missing", _AGAIN) from None
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
            raise BadData(f"{path} cannot be decoded: {fault}", _AGAIN) from fault
    return frames


def _check(picture: Image.Image, path: Path) -> None:
    """From the header alone."""
    if picture.width * picture.height > MOST_PIXELS:
        raise BadData(f"{path} claims {picture.width} x {picture.height} pixels, at most {MOST_PIXELS} are read")
    if picture.mode not in _MODES:
        raise BadData(f"{path} is a picture of mode {picture.mode}", "save it with 8 bits a colour")
