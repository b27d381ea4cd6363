"""Small videos made in a test: one AVI and one MP4 of four frames, copied wherever a set needs one."""

from functools import cache
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from PIL import Image

WIDTH, HEIGHT, FRAMES = 64, 48, 4


@cache
def video_bytes(container: str = "avi", height: int = HEIGHT) -> bytes:
    """A video that darkens."""
    out = BytesIO()
    with av.open(out, "w", format=container) as film:
        stream = film.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, height, "yuv420p"
        for k in range(FRAMES):
            picture = np.full((height, WIDTH, 3), 200 - 40 * k, np.uint8)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        film.mux(stream.encode())
    return out.getvalue()


def write_video(file: Path, **how) -> Path:
    """A video in a folder that need not be there yet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(video_bytes(**how))
    return file


def write_frames(folder: Path, numbers=range(1, FRAMES + 1)) -> Path:
    """A folder of frames in place of a video."""
    folder.mkdir(parents=True)
    for k in numbers:
        Image.new("RGB", (WIDTH, HEIGHT), (40 * k % 256, 90, 90)).save(folder / f"{k:05d}.jpg")
    return folder
