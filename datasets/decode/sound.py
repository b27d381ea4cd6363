"""Sound files to samples: container checks, decoding, mono, resampling, length.

Rules and constants: sections 8.1, 8.5 and 8.6 of the sound protocols.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr

from unlabeled.errors import BadData

OGG_TAIL = 65_307 + 4
"""Bytes from the end in which the last Ogg page must begin: the largest page there is (RFC 3533)."""

_AGAIN = "copy or download the file again"


@dataclass(frozen=True)
class Sound:
    """A decoded file: `samples` `(channels, n)` float32, integer formats in [-1, 1); `rate` in Hz."""

    samples: np.ndarray
    rate: int


# ---------------------------------------------------------------- is the file whole?


def check(path: Path) -> None:
    """Refuse a file that is missing, no regular file, empty, no sound, or cut off; nothing is decoded.

    libsndfile reads a truncated file short without a word, so the container itself is asked: the sizes
    that a WAV header promises, the end-of-stream page of an Ogg file.

    Raises
    ------
    BadData : names the file and what is wrong with it.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadData(f"{path} is no regular file", "put the sound file there")
        with path.open("rb") as file:
            fault = _fault(file, status.st_size)
    except FileNotFoundError:
        raise BadData(f"{path} is missing", "check the data folder") from None
    except OSError as error:
        raise BadData(f"{path} cannot be opened: {error.strerror}") from error
    if fault:
        raise BadData(f"{path} {fault}", _AGAIN)


def _fault(file: BinaryIO, size: int) -> str:
    """What is wrong with the container, empty if nothing is."""
    magic = file.read(12)
    if size == 0:
        return "is empty"
    if size < 12:
        return f"is too short for a sound file: {size} bytes"
    if magic[:4] == b"RIFF" and magic[8:] == b"WAVE":
        return _wav_fault(file, size)
    if magic[:4] == b"OggS":
        return _ogg_fault(file, size)
    return "is not a sound file: neither WAV nor Ogg"


def _wav_fault(file: BinaryIO, size: int) -> str:
    """What is wrong with a RIFF/WAVE container, empty if nothing is."""
    file.seek(4)
    riff_end = 8 + int.from_bytes(file.read(4), "little")
    kinds: set[bytes] = set()
    start = 12
    # Foreign bytes behind the RIFF part (a tag, say) are no chunks.
    while start + 8 <= size and not (start >= riff_end and {b"fmt ", b"data"} <= kinds):
        file.seek(start)
        kind, length = file.read(4), int.from_bytes(file.read(4), "little")
        end = start + 8 + length
        if end > size:
            return f"is cut off: its {kind!r} chunk ends at byte {end}, it has {size}"
        kinds.add(kind)
        start = end + (length & 1)
    # Some writers count the pad byte after an odd last chunk and leave it out of the file.
    pad_left_out = riff_end == start == size + 1
    if riff_end > size and not pad_left_out:
        return f"is cut off: its header promises {riff_end} bytes, it has {size}"
    missing = {b"fmt ", b"data"} - kinds
    return f"has no {missing.pop().decode().strip()} chunk" if missing else ""


def _ogg_fault(file: BinaryIO, size: int) -> str:
    """What is wrong with the end of an Ogg stream, empty if nothing is."""
    first = max(0, size - OGG_TAIL)
    file.seek(first)
    tail = file.read()
    at = tail.rfind(b"OggS")
    page = tail[at:] if at >= 0 else b""
    if len(page) < 27 or len(page) < 27 + page[26]:
        return "is cut off: its last page is torn"
    segments = page[26]
    length = 27 + segments + sum(page[27 : 27 + segments])
    if len(page) < length:
        return f"is cut off: its last page ends at byte {first + at + length}, it has {size}"
    end_of_stream = page[5] & 4
    return "" if end_of_stream else "is cut off: its last page is not the end of the stream"


# ---------------------------------------------------------------- reading


def read(path: Path) -> Sound:
    """Check and decode a whole file: all channels, float32.

    int16 becomes `x / 32768`, 24 and 32 bit `x / 2^23` and `x / 2^31`; float samples stay as they are.

    Raises
    ------
    BadData : whatever `check` refuses, no samples, NaN or infinite ones, or fewer than announced.
    """
    check(path)
    try:
        # As bytes: soundfile encodes a text strictly, and fails on a path that is no UTF-8.
        with soundfile.SoundFile(os.fsencode(path)) as file:
            announced, rate = file.frames, file.samplerate
            frames = file.read(dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise BadData(f"{path} cannot be decoded: {error}", _AGAIN) from error
    if announced <= 0:
        raise BadData(f"{path} holds no samples", _AGAIN)
    if len(frames) != announced:
        raise BadData(f"{path} is torn: {len(frames)} of {announced} samples could be decoded", _AGAIN)
    if not np.isfinite(frames).all():
        raise BadData(f"{path} holds NaN or infinite samples", "export it again as 16-bit WAV")
    return Sound(np.ascontiguousarray(frames.T), rate)


# ---------------------------------------------------------------- samples


def mono(sound: Sound) -> np.ndarray:
    """Mean of the channels, `(n,)` float32; the samples of a mono file are returned untouched."""
    return sound.samples[0] if len(sound.samples) == 1 else sound.samples.mean(axis=0)


def resample(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Resample the last axis with soxr HQ in float32; equal rates return the same array.

    The result has exactly `ceil(n * target / rate)` samples, as librosa defines it: soxr itself may give
    one fewer. (librosa works the ceiling out in floating point and from 44,100 to 48,000 Hz sometimes adds
    one zero too many; here it is exact.)
    """
    if rate == target:
        return samples
    length = -(-samples.shape[-1] * target // rate)
    frames = np.ascontiguousarray(samples.T, dtype=np.float32)
    return fix_length(np.ascontiguousarray(soxr.resample(frames, rate, target, quality="HQ").T), length)


def fix_length(samples: np.ndarray, n: int) -> np.ndarray:
    """The first `n` samples of the last axis, with zeros appended where there are fewer."""
    missing = n - samples.shape[-1]
    if missing <= 0:
        return samples[..., :n]
    return np.pad(samples, [(0, 0)] * (samples.ndim - 1) + [(0, missing)])


def backend() -> dict[str, str]:
    """Versions of everything that has a say in the decoded samples, for the record."""
    return {
        "soundfile": soundfile.__version__,
        "libsndfile": soundfile.__libsndfile_version__,
        "soxr": soxr.__version__,
    }
