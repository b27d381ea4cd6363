"""What a set consists of on disk: files with their bytes and the hash of their content.

*Content* is what was encoded (PCM samples, pixels, frames), hashed before compression: a newer codec may
change the bytes of a file, never its content. From a file of a lossless format it can be read back; JPEG and
video keep no more than their bytes, which is why `content_of` gives nothing for them.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
from PIL import Image
from scipy import io as scipy_io

LOSSY = frozenset({".avi", ".jpeg", ".jpg", ".mp4"})
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
    # Room for an index of one gigabyte: the usual 256 would be a tenth of a small file.
    with av.open(buffer, "w", format="avi", options={"reserve_index_space": "16"}) as container:
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


def film_file(path: str, frames: np.ndarray, fps: int, quantiser: int, samples: np.ndarray, rate: int) -> WorldFile:
    """An MPEG-4 .mp4 of uint8 RGB `frames (n, h, w, 3)` with the sound of int16 `samples (m,)` as AAC."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        track = container.add_stream("mpeg4", rate=fps)
        _, track.height, track.width, _ = frames.shape
        track.pix_fmt = "yuv420p"
        coder = track.codec_context
        coder.thread_count = 1
        coder.qmin = coder.qmax = quantiser
        voice = container.add_stream("aac", rate=rate, layout="mono")
        voice.codec_context.thread_count = 1
        voice.codec_context.bit_rate = 3 * rate
        for frame in frames:
            container.mux(track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(track.encode())
        block = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        block.sample_rate, block.pts, block.time_base = rate, 0, Fraction(1, rate)
        container.mux(voice.encode(block))
        container.mux(voice.encode())
    content = f"{video_content(frames, fps)} {sound_content(samples, rate)}"
    return WorldFile(path, buffer.getvalue(), hashlib.sha256(content.encode()).hexdigest())


def mat_file(path: str, variables: Mapping[str, object]) -> WorldFile:
    """A compressed MATLAB file of version 5."""
    buffer = io.BytesIO()
    scipy_io.savemat(buffer, dict(variables), do_compression=True)
    # The first 116 bytes are a text, where the writer puts the time and its system.
    data = b"MATLAB 5.0 MAT-file, made by a program".ljust(116) + buffer.getvalue()[116:]
    return WorldFile(path, data, _mat_content(data))


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


def _mat_content(data: bytes) -> str:
    """SHA-256 of the variables, unpacked.

    Raises
    ------
    zlib.error : damaged.
    """
    digest, at = hashlib.sha256(), 128
    while at < len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        digest.update(zlib.decompress(data[at + 8 : at + 8 + size]))
        at += 8 + size
    return digest.hexdigest()


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
    if file.suffix == ".mat":
        try:
            return _mat_content(file.read_bytes())
        except zlib.error as fault:
            raise OSError(str(fault)) from fault
    if file.suffix == ".wav":
        samples, rate = soundfile.read(file, dtype="int16")
        return sound_content(samples, rate)
    return hashlib.sha256(file.read_bytes()).hexdigest()
