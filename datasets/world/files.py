"""What a set consists of on disk: files with their bytes and the hash of their content.

*Content* is what was encoded (PCM samples here), hashed before compression: a newer codec may change the
bytes of a file, never its content.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile


@dataclass(frozen=True)
class WorldFile:
    """One file of a set: `path` relative to the set's folder with forward slashes."""

    path: str
    data: bytes
    content: str


def sound_file(path: str, samples: np.ndarray, rate: int) -> WorldFile:
    """A WAV file (PCM 16) of `samples`, int16 `(samples,)` or `(samples, channels)`."""
    # Encoded in memory: libsndfile reports a full disk as an error of its own, plain writing as OSError.
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype="PCM_16")
    return WorldFile(path, buffer.getvalue(), sound_content(samples, rate))


def text_file(path: str, text: str) -> WorldFile:
    """A UTF-8 text file; its content is its bytes."""
    data = text.encode()
    return WorldFile(path, data, hashlib.sha256(data).hexdigest())


def sound_content(samples: np.ndarray, rate: int) -> str:
    """SHA-256 of the sampling rate, the shape and the samples (int16, little-endian)."""
    head = f"pcm16 {rate} {samples.shape}\n".encode()
    return hashlib.sha256(head + np.ascontiguousarray(samples, "<i2").tobytes()).hexdigest()


def content_of(file: Path) -> str:
    """Content hash of a file on disk, decoded by what its name says it is.

    Raises
    ------
    OSError, soundfile.LibsndfileError : unreadable.
    """
    if file.suffix == ".wav":
        samples, rate = soundfile.read(file, dtype="int16")
        return sound_content(samples, rate)
    return hashlib.sha256(file.read_bytes()).hexdigest()
