"""Films for a page: H.264 with AAC, which browsers play from disk."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np

from unlabeled.files import write_atomic

SMALLEST = 240
"""Films are enlarged by whole pixels until they have so many rows."""


def write(file: Path, frames: Iterable[np.ndarray], fps: float, sound: tuple[np.ndarray, int] | None = None) -> Path:
    """Write an MP4 of frames `(H, W, 3)` uint8, one by one, and a sound `(samples,)` float32 with its rate in Hz."""
    rest = iter(frames)
    first = next(rest)
    scale = max(1, -(-SMALLEST // first.shape[0]))
    # The encoder takes even sizes alone.
    height, width = (side * scale // 2 * 2 for side in first.shape[:2])
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        picture = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options={"crf": "18"})
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        heard = container.add_stream("aac", rate=sound[1]) if sound else None
        for frame in chain([first], rest):
            large = np.ascontiguousarray(frame.repeat(scale, axis=0).repeat(scale, axis=1)[:height, :width])
            container.mux(picture.encode(av.VideoFrame.from_ndarray(large, format="rgb24")))
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
