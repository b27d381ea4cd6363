"""What a set consists of on disk: files with their bytes and the hash of their content.

*Content* is what was encoded (PCM samples, pixels, frames), hashed before compression: a newer codec may
change the bytes of a file, never its content. From a file of a lossless format it can be read back; JPEG and
video keep no more than their bytes, which is why `content_of` gives nothing for them.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
from PIL import Image

LOSSY = frozenset({".avi", ".jpeg", ".jpg"})
"""Endings, in small letters, of files from which what was encoded cannot be read back."""


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


def png_file(path: str, pixels: np.ndarray, palette: bytes | None = None) -> WorldFile:
    """A PNG file of uint8 pixels: RGB `(h, w, 3)`, grey `(h, w)`, or indices `(h, w)` into a `palette` of RGB bytes."""
    image = Image.fromarray(pixels)
    if palette is not None:
        image = image.convert("P")  # keeps the numbers: grey levels become indices
        image.putpalette(palette)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return WorldFile(path, buffer.getvalue(), _image_content(image))


def jpeg_file(path: str, pixels: np.ndarray, quality: int) -> WorldFile:
    """A JPEG file of uint8 RGB `pixels (h, w, 3)`."""
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return WorldFile(path, buffer.getvalue(), _image_content(image))


def video_file(path: str, frames: np.ndarray, fps: int, quantiser: int) -> WorldFile:
    """A Motion-JPEG .avi of uint8 RGB `frames (n, h, w, 3)`; a larger `quantiser` (2..31) is coarser.

    Every frame is coded alone: one that is predicted from earlier ones carries their traces, which may tell
    the direction of time.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="avi") as container:
        track = container.add_stream("mjpeg", rate=fps)
        _, track.height, track.width, _ = frames.shape
        track.pix_fmt = "yuvj420p"
        coder = track.codec_context
        coder.thread_count = 1
        coder.qmin = coder.qmax = quantiser
        for frame in frames:
            container.mux(track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(track.encode())
    return WorldFile(path, buffer.getvalue(), video_content(frames, fps))


def sound_content(samples: np.ndarray, rate: int) -> str:
    """SHA-256 of the sampling rate, the shape and the samples (int16, little-endian)."""
    head = f"pcm16 {rate} {samples.shape}\n".encode()
    return hashlib.sha256(head + np.ascontiguousarray(samples, "<i2").tobytes()).hexdigest()


def video_content(frames: np.ndarray, fps: int) -> str:
    """SHA-256 of the frame rate, the shape and the frames (uint8 RGB)."""
    return _array_content(f"rgb24 {fps} {frames.shape}", frames)


def _image_content(image: Image.Image) -> str:
    """SHA-256 of the mode, the size, the palette if there is one, and the pixels."""
    palette = "" if image.mode != "P" else bytes(image.getpalette() or ()).hex()
    return _array_content(f"{image.mode} {image.size} {palette}", np.asarray(image))


def _array_content(head: str, values: np.ndarray) -> str:
    digest = hashlib.sha256(f"{head}\n".encode())
    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def content_of(file: Path) -> str | None:
    """Content hash of a file on disk, decoded by what its name says it is; None where coding is lossy.

    Raises
    ------
    OSError, soundfile.LibsndfileError : unreadable.
    """
    if file.suffix.lower() in LOSSY:
        return None
    if file.suffix == ".png":
        try:
            with Image.open(file) as image:
                return _image_content(image)
        except SyntaxError as fault:  # so PIL calls a broken chunk
            raise OSError(str(fault)) from fault
    if file.suffix == ".wav":
        samples, rate = soundfile.read(file, dtype="int16")
        return sound_content(samples, rate)
    return hashlib.sha256(file.read_bytes()).hexdigest()
