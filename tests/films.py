"""Tiny videos, folders of frames, pictures and sounds whose every frame and sample is known."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
from PIL import Image

from unlabeled.contracts import ImageItem, Info, Pick, SoundItem, VideoItem
from unlabeled.streams import Rng, stream

FPS = 10
RATE = 8_000


def number_frames(count: int, height: int = 24, width: int = 32) -> np.ndarray:
    """Frame k is grey `20 k + 10` with a ramp of up to 9 from left to right: `(count, height, width, 3)` uint8."""
    ramp = np.arange(width) * 9 // (width - 1)
    grey = 20 * np.arange(count)[:, None, None] + 10 + ramp[None, None]
    return np.broadcast_to(grey[..., None], (count, height, width, 3)).astype(np.uint8)


def write_video(path: Path, frames: np.ndarray, wave: np.ndarray | None = None) -> Path:
    """Lossless frames (FFV1, full-range RGB) with the sound in 16 bits beside them."""
    with av.open(str(path), "w", format="matroska") as container:
        film = container.add_stream("ffv1", rate=FPS)
        film.height, film.width, film.pix_fmt = *frames.shape[1:3], "bgr0"
        track = container.add_stream("pcm_s16le", rate=RATE, layout="mono") if wave is not None else None
        for picture in frames:
            container.mux(film.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(film.encode())
        if track is not None:
            samples = (wave * 32767).astype(np.int16)[None]
            block = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            block.sample_rate = RATE
            container.mux(track.encode(block))
            container.mux(track.encode())
    return path


def video_items(folder: Path, count: int, frames: int = 10, sound: bool = False) -> list[VideoItem]:
    """Videos of `frames` noisy frames of 24 x 32 pixels, each with its own noise for a sound."""
    items = []
    for k in range(count):
        rng = stream(0, "video", k)
        blocks = rng.integers(0, 256, (frames, 6, 8, 3), dtype=np.uint8).repeat(4, 1).repeat(4, 2)
        wave = rng.uniform(-0.5, 0.5, RATE * frames // FPS) if sound else None
        items.append(VideoItem(f"clip{k}", write_video(folder / f"clip{k}.mkv", blocks, wave), target=k % 3))
    return items


def frame_folder(folder: Path, frames: np.ndarray) -> VideoItem:
    """A folder of PNG frames."""
    folder.mkdir()
    for k, picture in enumerate(frames):
        Image.fromarray(picture).save(folder / f"{k:05d}.png")
    return VideoItem(folder.name, folder)


def picture_items(folder: Path, count: int) -> list[ImageItem]:
    """Noisy PNGs of 30 x 40 pixels."""
    items = []
    for k in range(count):
        path = folder / f"picture{k}.png"
        Image.fromarray(stream(0, "picture", k).integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(path)
        items.append(ImageItem(f"picture{k}", path, k % 2, "train"))
    return items


def sound_items(folder: Path, count: int, seconds: float = 1.0, subtype: str = "FLOAT") -> list[SoundItem]:
    """Noise in WAV files."""
    items = []
    for k in range(count):
        path = folder / f"sound{k}.wav"
        wave = stream(0, "sound", k).uniform(-1, 1, int(seconds * RATE)).astype(np.float32)
        soundfile.write(path, wave, RATE, subtype=subtype)
        items.append(SoundItem(f"sound{k}", path, k, 1, str(k)))
    return items


# ---------------------------------------------------------------- picks that travel to other processes


@dataclass(frozen=True)
class RunOf:
    """A random run of frames, `runs` times, and the sound under it."""

    length: int
    sounds: float = 0.0
    runs: int = 1

    def __call__(self, info: Info, rng: Rng) -> Pick:
        start = int(rng.numpy("start").integers(info.frames - self.length + 1))
        stretch = ((start / info.fps, self.sounds),) * self.runs if self.sounds else ()
        return Pick((tuple(range(start, start + self.length)),) * self.runs, stretch, start)


def first_frame(info: Info, rng: Rng) -> Pick:
    return Pick(((0,),))


def busiest_frame(info: Info, rng: Rng) -> Pick:
    """The frame after the largest change; needs motion."""
    assert info.motion is not None
    return Pick(((int(info.motion.argmax()) + 1,),))
