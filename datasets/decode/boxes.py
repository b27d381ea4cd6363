"""Boxes of PASCAL VOC: result files with one detection a line, and the XML annotation of an image.

Boxes are xmin, ymin, xmax, ymax in pixels, 1-based, both corners inside.
"""

from __future__ import annotations

import codecs
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import numpy as np
import pandas as pd
from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

from unlabeled.errors import BadData, name_several

COLUMNS = 6
"""Image, score and four corners."""

_EXACT: dict[str, Any] = (
    {} if tuple(int(part) for part in pd.__version__.split(".")[:2]) >= (3, 1) else {"float_precision": "round_trip"}
)
"""Older pandas reads numbers to the last bit only when asked; since 3.1 it always does and warns of the question."""


@dataclass(frozen=True)
class Detections:
    """The detections of a class, in file order.

    `images` holds each image id once, `image` `(D,)` the place of each detection's id in it; `scores` `(D,)` and
    `boxes` `(D, 4)` are float64.
    """

    path: Path
    images: tuple[str, ...]
    image: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray

    def index(self, known: Sequence[str]) -> np.ndarray:
        """The place `(D,)` of each detection's image in the list of `known` images.

        Raises
        ------
        BadData : a detection in an image that is not in the list.
        """
        places = {image: place for place, image in enumerate(known)}
        strange = [image for image in self.images if image not in places]
        if strange:
            raise BadData(
                f"{self.path} has detections in images that are not in the list: {name_several(strange)}",
                "score the images of the list, and no others",
            )
        return np.array([places[image] for image in self.images], dtype=np.int64)[self.image]


@dataclass(frozen=True)
class Thing:
    """One annotated object: `box` is (xmin, ymin, xmax, ymax)."""

    name: str
    difficult: bool
    truncated: bool
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Annotation:
    """Size of an image in pixels and the objects in it, in file order."""

    width: int
    height: int
    objects: tuple[Thing, ...]


# ---------------------------------------------------------------- result files


def read_detections(path: Path) -> Detections:
    """Read a result file (`comp4_det_test_CLASS.txt`): a line is `image score xmin ymin xmax ymax`.

    Numbers are read to the last bit. An empty file holds no detections; blank lines are passed over.

    Raises
    ------
    BadData : the file is missing, or has lines with another number of columns, with something else than finite
        numbers, or with xmax < xmin or ymax < ymin; all such lines are told of together.
    """
    data = _bytes(path).removeprefix(codecs.BOM_UTF8)
    return _quickly(path, data) or _line_by_line(path, data)


def _quickly(path: Path, data: bytes) -> Detections | None:
    """A file without any fault and with single blanks between columns; None for all others."""
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    if data.count(b" ") != (COLUMNS - 1) * lines or b"\0" in data:
        return None
    try:
        # pandas takes a column of nothing but "True" for ones; then the first line has one.
        _numbers(data.split(b"\n", 1)[0].decode().split())
        table = pd.read_csv(
            io.BytesIO(data),
            sep=" ",
            header=None,
            names=range(COLUMNS),
            index_col=False,
            dtype={0: object} | dict.fromkeys(range(1, COLUMNS), np.float64),
            keep_default_na=False,
            quoting=3,
            **_EXACT,
        )
    except ValueError:  # pandas' own errors are of this kind, and so is text that is no UTF-8
        return None
    numbers = table[list(range(1, COLUMNS))].to_numpy()
    # With as many blanks as whole lines have, a line that is too long leaves another too short: a NaN there.
    if len(table) != lines or not _whole(numbers).all():
        return None
    image, ids = pd.factorize(table[0])
    return Detections(path, tuple(ids), image, numbers[:, 0].copy(), numbers[:, 1:].copy())


def _line_by_line(path: Path, data: bytes) -> Detections:
    """Any file; tells of all faults."""
    ids: dict[str, int] = {}
    image: list[int] = []
    rows: list[list[float]] = []
    faults: list[str] = []
    no_text: list[str] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            words = line.decode().split()
            if not words:
                continue
            row = _numbers(words)
        except UnicodeDecodeError:
            no_text.append(str(number))
            continue
        except ValueError as fault:
            faults.append(f"line {number}: {fault}")
            continue
        image.append(ids.setdefault(words[0], len(ids)))
        rows.append(row)
    bad = len(faults) + len(no_text)
    if no_text:
        faults.append(f"line{'s' if len(no_text) > 1 else ''} {name_several(no_text, 4)}: no UTF-8 text")
    if faults:
        raise BadData(
            f"{path} has {bad} bad lines: {name_several(faults)}" if bad > 1 else f"{path} {faults[0]}",
            "a line is: image score xmin ymin xmax ymax",
        )
    numbers = np.array(rows, dtype=np.float64).reshape(-1, COLUMNS - 1)
    return Detections(path, tuple(ids), np.array(image, dtype=np.int64), numbers[:, 0].copy(), numbers[:, 1:].copy())


def _numbers(words: list[str]) -> list[float]:
    """Score and corners of a line; ValueError says what is wrong with them."""
    if len(words) != COLUMNS:
        raise ValueError(f"{len(words)} columns, not {COLUMNS}")
    row = []
    for word in words[1:]:
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        # Python reads 1_000 and digits of other scripts as numbers, a result file has none.
        if not math.isfinite(value) or "_" in word or not word.isascii():
            raise ValueError(f"{word!r} is no finite number")
        row.append(value)
    if not _whole(np.array([row]))[0]:
        raise ValueError(f"xmax < xmin or ymax < ymin: {' '.join(words[2:])}")
    return row


def _whole(numbers: np.ndarray) -> np.ndarray:
    """Whether rows of score and corners are finite and their boxes at least a pixel."""
    whole: np.ndarray = (
        np.isfinite(numbers).all(1) & (numbers[:, 3] >= numbers[:, 1]) & (numbers[:, 4] >= numbers[:, 2])
    )
    return whole


# ---------------------------------------------------------------- annotations


def read_annotation(path: Path) -> Annotation:
    """Read the XML annotation of an image.

    Only direct children of an `<object>` are its name and box: its `<part>` elements have names and boxes of their own.
    Corners with a fraction are cut to integers, as the references do.

    Raises
    ------
    BadData : the file is missing, malformed or unsafe XML, or lacks something; says what.
    """
    try:
        root = fromstring(_bytes(path))
        size = _child(root, "size")
        return Annotation(
            _value(size, "width", int),
            _value(size, "height", int),
            tuple(_thing(node) for node in root.findall("object")),
        )
    except ParseError as fault:
        raise BadData(f"{path} is no XML: {fault}", "unpack or copy the file again") from None
    except DefusedXmlException:
        raise BadData(f"{path} declares entities, which no annotation does", "do not use this file") from None
    except ValueError as fault:
        raise BadData(f"{path} is no annotation: {fault}", "unpack or copy the file again") from None


def _thing(node: Element) -> Thing:
    name = _value(node, "name", str)
    try:
        frame = _child(node, "bndbox")
        xmin, ymin, xmax, ymax = (
            _value(frame, corner, lambda text: int(float(text))) for corner in ("xmin", "ymin", "xmax", "ymax")
        )
        if xmax < xmin or ymax < ymin:
            raise ValueError(f"xmax < xmin or ymax < ymin: {xmin} {ymin} {xmax} {ymax}")
        return Thing(name, _value(node, "difficult", _flag), _value(node, "truncated", _flag), (xmin, ymin, xmax, ymax))
    except ValueError as fault:
        raise ValueError(f"object {name}: {fault}") from None


def _child(node: Element, tag: str) -> Element:
    child = node.find(tag)
    if child is None:
        raise ValueError(f"<{node.tag}> has no <{tag}>")
    return child


def _value(node: Element, tag: str, kind: Callable[[str], Any]) -> Any:
    """The text of a child as a value of some kind."""
    text = (_child(node, tag).text or "").strip()
    try:
        if not text:
            raise ValueError
        return kind(text)
    except (ValueError, OverflowError):
        raise ValueError(f"<{tag}> of <{node.tag}> is {text!r}") from None


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError
    return text == "1"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BadData(f"{path} is missing", "check the folder") from None
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror}") from error
