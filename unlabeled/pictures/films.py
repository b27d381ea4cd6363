"""Films for a page: H.264 with AAC, which browsers play from disk."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from unlabeled.files import write_atomic

SMALLEST = 240
"""Films are enlarged by whole pixels until they have so many rows."""


def write(file: Path, frames: np.ndarray, fps: float, sound: tuple[np.ndarray, int] | None = None) -> Path:
    """Write an MP4 of frames `(n, H, W, 3)` uint8 and a sound `(samples,)` float32 with its rate in Hz."""
    scale = max(1, -(-SMALLEST // frames.shape[1]))
    large = frames.repeat(scale, axis=1).repeat(scale, axis=2)
    # The encoder takes even sizes alone.
    large = large[:, : large.shape[1] // 2 * 2, : large.shape[2] // 2 * 2]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        picture = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options={"crf": "18"})
        picture.width, picture.height, picture.pix_fmt = large.shape[2], large.shape[1], "yuv420p"
        heard = container.add_stream("aac", rate=sound[1]) if sound else None
        for frame in large:
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(picture.encode())
        if heard is not None and sound is not None:
            wave = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[0][None], np.float32), "fltp", "mono")
            wave.sample_rate = sound[1]
            container.mux(heard.encode(wave))
            container.mux(heard.encode())
    write_atomic(file, buffer.getvalue())
    return file


def strip(frames: np.ndarray, most: int = 8) -> np.ndarray:
    """At most `most` frames at equal steps beside each other, `(H, W, 3)`, parted by white lines."""
    chosen: Sequence[int] = np.unique(np.linspace(0, len(frames) - 1, most).round().astype(int)).tolist()
    line = np.full((frames.shape[1], 2, 3), 255, dtype=np.uint8)
    parts = [part for k in chosen for part in (frames[k], line)]
    return np.concatenate(parts[:-1], axis=1)
