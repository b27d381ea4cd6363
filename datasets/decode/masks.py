"""Mask PNGs as index maps: the value of a pixel is the index of its object, whatever colour the palette shows.

Palette (mode P) and grey (L) pictures of 8 bits and black-and-white ones (1) hold indices; anything else is refused
rather than converted, since a converted picture holds colours: index 1 of the DAVIS palette would become grey 38.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from unlabeled.errors import BadData

MOST_PIXELS = 1 << 26
"""Larger pictures are refused before they are decoded: 8 times a 4K frame, and no memory is lost to a bogus header."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KINDS = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
_AGAIN = "copy or download the file again"
_SAVE_AS = "save it as palette or grey PNG of 8 bits whose pixel values are object indices"


class Header(NamedTuple):
    """Size in pixels, and mode as Pillow names it ("P", "L", "1", "RGB", ...); "L;16" is grey of 16 bits."""

    width: int
    height: int
    mode: str


def _palette() -> np.ndarray:
    """Bit j of red, green, blue is bit 3i, 3i + 1, 3i + 2 of the index, where i = 7 - j."""
    index = np.arange(256)[:, None]
    colours = np.zeros((256, 3), dtype=int)
    for i in range(8):
        colours |= (index >> 3 * i + np.arange(3) & 1) << 7 - i
    return colours.astype(np.uint8)


PALETTE = _palette()
"""Colours of DAVIS and PASCAL VOC, `(256, 3)` uint8: black, dark red, dark green, ..."""


# ---------------------------------------------------------------- reading


def header(path: Path) -> Header:
    """Size and mode of a PNG; nothing is decoded.

    Raises
    ------
    BadData : no such file, no PNG, or a torn header.
    """
    with _opened(path) as file:
        width, height, bits, colour = _first_chunk(file.read(33), path)
    if (colour, bits) == (0, 1):
        return Header(width, height, "1")
    return Header(width, height, _KINDS[colour] if colour == 3 or bits == 8 else f"{_KINDS[colour]};{bits}")


def read(path: Path) -> np.ndarray:
    """The index map of a mask PNG, `(H, W)` uint8, read-only.

    Raises
    ------
    BadData : no such file, no PNG, truncated or altered bytes, a picture of colours, more than 8 bits, grey of 2 or 4
        bits, several frames, or more than 67 million pixels.
    """
    with _opened(path) as file:
        data = file.read()
    width, height, bits, colour = _first_chunk(data[:33], path)
    if colour not in (0, 3):
        raise BadData(f"{path} is a {_KINDS[colour]} picture, not an index mask", _SAVE_AS)
    if bits == 16 or (colour == 0 and bits in (2, 4)):
        # Decoders spread the grey levels of 2 and 4 bits over 0 .. 255: not what was meant by an index.
        raise BadData(f"{path} is grey of {bits} bits, not an index mask", _SAVE_AS)
    if width * height > MOST_PIXELS:
        raise BadData(f"{path} claims {width} x {height} pixels, at most {MOST_PIXELS} are read", _AGAIN)
    packed = _packed_pixels(data, path)
    if (colour, bits, data[28]) == (3, 8, 0):
        index = _unfiltered(packed, width, height, path)
        if index is not None:
            return index
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            index = np.asarray(picture)
            return index.astype(np.uint8) & 1 if index.dtype == bool else index  # Pillow's true is 255
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
        raise BadData(f"{path} cannot be decoded: {fault}", _AGAIN) from fault


def _opened(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise BadData(f"{path} is missing", "check the folder of masks") from None
    except OSError as fault:
        raise BadData(f"{path} cannot be opened: {fault.strerror}") from fault


def _first_chunk(start: bytes, path: Path) -> tuple[int, int, int, int]:
    """Width, height, bits and colour type from the first 33 bytes."""
    if not start:
        raise BadData(f"{path} is empty", _AGAIN)
    if start[:8] != _SIGNATURE[: len(start)]:
        raise BadData(f"{path} is not a PNG", _SAVE_AS)
    if len(start) < 33 or start[8:16] != b"\0\0\0\rIHDR" or zlib.crc32(start[12:29]) != _number(start[29:]):
        raise BadData(f"{path} has a torn header", _AGAIN)
    width, height, bits, colour = struct.unpack(">IIBB", start[16:26])
    if width == 0 or height == 0 or colour not in _KINDS:
        raise BadData(f"{path} has an impossible header: {width} x {height} pixels of type {colour}", _AGAIN)
    return width, height, bits, colour


def _packed_pixels(data: bytes, path: Path) -> bytes:
    """The compressed pixels; a file that is cut off, damaged or an animation is refused.

    Decoders compare few of the checksums.
    """
    packed, at = [], 8
    while at + 12 <= len(data):
        length, kind = _number(data[at : at + 4]), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            break
        if zlib.crc32(data[at + 4 : end - 4]) != _number(data[end - 4 : end]):
            raise BadData(f"{path} is damaged: its {kind!r} chunk at byte {at} has a wrong checksum", _AGAIN)
        if kind == b"acTL":
            raise BadData(f"{path} is an animation, not an index mask", "save one PNG for each frame")
        if kind == b"IDAT":
            packed.append(data[at + 8 : end - 4])
        if kind == b"IEND":
            return b"".join(packed)
        at = end
    raise BadData(f"{path} is cut off: it has {len(data)} bytes and no end chunk", _AGAIN)


def _unfiltered(packed: bytes, width: int, height: int, path: Path) -> np.ndarray | None:
    """Indices of 8 bits whose rows are stored as they are, which is how palette pictures are; None if one is filtered.

    Decoding is most of the time that scoring masks takes, and this is a quarter faster than the general decoder, which
    moreover fills up missing rows with background.
    """
    try:
        rows = zlib.decompressobj().decompress(packed, height * (width + 1))
    except zlib.error as fault:
        raise BadData(f"{path} cannot be decoded: {fault}", _AGAIN) from fault
    if len(rows) < height * (width + 1):
        raise BadData(f"{path} is torn: {len(rows)} of {height * (width + 1)} bytes could be decoded", _AGAIN)
    filters_and_indices = np.frombuffer(rows, dtype=np.uint8).reshape(height, width + 1)
    return None if filters_and_indices[:, 0].any() else filters_and_indices[:, 1:]


def _number(four: bytes) -> int:
    return int.from_bytes(four, "big")


# ---------------------------------------------------------------- writing


def write(path: Path, index_map: np.ndarray) -> None:
    """Save an index map `(H, W)` uint8 as PNG with the DAVIS palette.

    Raises
    ------
    ValueError : another shape or type.
    """
    if index_map.ndim != 2 or index_map.size == 0 or index_map.dtype != np.uint8:
        raise ValueError(f"an index map is (H, W) uint8, not {index_map.shape} {index_map.dtype}")
    picture = Image.fromarray(np.ascontiguousarray(index_map))
    picture.putpalette(PALETTE.tobytes())
    picture.save(path, "PNG")
