"""One array of a MATLAB file, versions 5 to 7.2.

`scipy.io.loadmat` reads more, but a single wrong byte in a type tag ends the whole process (a segmentation fault,
SciPy 1.17). Here every size and type is checked before it is used.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

import numpy as np

HEADER = 128
MATRIX, COMPRESSED = 14, 15
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Types of stored numbers. MATLAB stores whole numbers in a smaller type than that of the array."""
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""Types of arrays."""
COMPLEX = 0x0800


def read_array(file: BinaryIO, name: str) -> np.ndarray:
    """The array `name`, with the type and shape that it has in MATLAB; other variables are not read.

    Raises
    ------
    ValueError : another format, damaged, without that variable, or the variable is no array of real numbers.

    Source: MathWorks, MAT-File Format (level 5).
    """
    content = file.read()
    order = {b"IM": "<", b"MI": ">"}.get(content[HEADER - 2 : HEADER])
    if order is None:
        raise ValueError("it is no MATLAB file of version 5 to 7.2")
    (version,) = np.frombuffer(content, order + "u2", 1, HEADER - 4)
    if version != 0x0100:
        raise ValueError("it is a MATLAB file of version 7.3 (HDF5) or of an unknown one: save it with -v7")
    for kind, body in _elements(memoryview(content)[HEADER:], order):
        if kind == COMPRESSED:
            kind, body = _unpacked(body, order)
        found = _array(body, order, name) if kind == MATRIX else None
        if found is not None:
            return found
    raise ValueError(f"it has no variable `{name}`")


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and content of the data elements, one after the other."""
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise ValueError("it is cut off")
        kind, size = np.frombuffer(data, order + "u4", 2, at).tolist()
        start = at + 8
        if kind >> 16:  # Up to four bytes stand in the tag itself.
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            if size > 4:
                raise ValueError("it is damaged: a short element is too long")
        if start + size > len(data):
            raise ValueError("it is cut off")
        yield kind, data[start : start + size]
        padded = 0 if kind == COMPRESSED else -(start + size) % 8
        at = start + size + padded


def _unpacked(body: memoryview, order: str) -> tuple[int, memoryview]:
    try:
        inner = zlib.decompress(body)
    except zlib.error as fault:
        raise ValueError(f"it is damaged: {fault}") from fault
    for element in _elements(memoryview(inner), order):
        return element
    raise ValueError("it is damaged: an empty element")


def _array(body: memoryview, order: str, name: str) -> np.ndarray | None:
    """The array of a matrix element, None if it has another name."""
    parts = list(islice(_elements(body, order), 4))
    if len(parts) < 3:
        raise ValueError("it is damaged: a variable without a name")
    (_, flags), (_, sizes), (_, label) = parts[:3]
    if bytes(label) != name.encode():
        return None
    word = int(np.frombuffer(flags, order + "u4", 1)[0])
    target = CLASSES.get(word & 0xFF)
    if target is None or word & COMPLEX or len(parts) < 4:
        raise ValueError(f"`{name}` is no array of real numbers")
    kind, numbers = parts[3]
    stored = STORED.get(kind)
    shape = np.frombuffer(sizes, order + "i4").tolist()
    if stored is None or min(shape, default=-1) < 0 or math.prod(shape) * int(stored[1]) != len(numbers):
        raise ValueError(f"it is damaged: `{name}` has not the numbers for its shape {tuple(shape)}")
    return np.frombuffer(numbers, order + stored).astype(target).reshape(shape, order="F")
