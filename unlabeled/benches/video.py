"""Decoding of videos, folders of frames and WAV against plain PyAV, Pillow and soundfile."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import PIL
import soundfile
from PIL import Image

from unlabeled.bench import Row, interleaved, one_thread, row
from unlabeled.datasets.decode import frames, sound
from unlabeled.datasets.decode import video as decode
from unlabeled.streams import stream

WIDTH, HEIGHT, FPS, COUNT, WANTED = 320, 240, 25, 175, 16


def scenes() -> np.ndarray:
    """`(COUNT, HEIGHT, WIDTH, 3)` uint8: a blurred background that drifts under sensor noise."""
    rng = stream(0, "bench", "video")
    colours = Image.fromarray(rng.integers(32, 224, (24, 40, 3), np.uint8))
    wide = np.asarray(colours.resize((WIDTH + COUNT, HEIGHT), Image.Resampling.BILINEAR))
    noise = rng.integers(0, 12, (HEIGHT, WIDTH + COUNT, 1), np.uint8)
    return np.stack([wide[:, k : k + WIDTH] + noise[:, COUNT - k : COUNT - k + WIDTH] for k in range(COUNT)])


def write(path: Path, pictures: np.ndarray) -> None:
    """An MPEG-4 AVI of about the bit rate of UCF-101."""
    with av.open(str(path), "w") as container:
        film = container.add_stream("mpeg4", rate=FPS)
        film.width, film.height, film.pix_fmt, film.bit_rate = WIDTH, HEIGHT, "yuv420p", 400_000
        film.codec_context.thread_count = 1
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts = number
            container.mux(film.encode(frame))
        container.mux(film.encode())


def video(seconds_budget: float) -> list[Row]:
    """16 frames, evenly spaced, of a video of 7 s, the same 16 from JPEG files, and 7 s of sound from WAV.

    One loop of the other side converts what it needs and as we do, on one thread; the second one is what most people
    write, every frame by the default conversion on all cores: its largest difference is one of colour, not of frames.
    """
    pictures = scenes()
    wanted = np.linspace(0, COUNT - 1, WANTED).round().astype(int).tolist()

    def ours() -> np.ndarray:
        return decode.read_frames(path, wanted)

    def careful() -> np.ndarray:
        form: dict[str, Any] = {"format": "rgb24", "interpolation": decode.CONVERSION, "threads": 1}
        with av.open(str(path)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            decoded = enumerate(container.decode(video=0))
            return np.stack([f.to_ndarray(**form) for k, f in decoded if k in wanted])

    def plain() -> np.ndarray:
        with av.open(str(path)) as container:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])[wanted]

    def from_folder() -> np.ndarray:
        return frames.read_images(frames.list_frames(stills))

    def pillow() -> np.ndarray:
        return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in sorted(stills.iterdir())])

    def our_wave() -> np.ndarray:
        return sound.read(wave).samples

    def soundfile_wave() -> np.ndarray:
        return soundfile.read(wave, dtype="float32", always_2d=True)[0].T

    with one_thread(), tempfile.TemporaryDirectory() as folder:
        path, wave, stills = Path(folder) / "scene.avi", Path(folder) / "sound.wav", Path(folder) / "stills"
        write(path, pictures)
        soundfile.write(wave, stream(0, "bench", "video", "sound").uniform(-1, 1, (7 * 44_100, 2)), 44_100)
        stills.mkdir()
        for place, number in enumerate(wanted):
            Image.fromarray(pictures[number]).save(stills / f"{place:05d}.jpg", quality=90)
        times = [
            *interleaved([ours, careful, plain], seconds_budget * 0.7),
            *interleaved([from_folder, pillow], seconds_budget * 0.2),
            *interleaved([our_wave, soundfile_wave], seconds_budget * 0.1),
        ]
        pairs = [(ours, careful), (ours, plain), (from_folder, pillow), (our_wave, soundfile_wave)]
        differences = [float(np.abs(us() - them().astype(float)).max()) for us, them in pairs]
    what = f"{WANTED} of {COUNT} frames, MPEG-4 {WIDTH} x {HEIGHT}"
    versions = f"PyAV {av.__version__}", f"Pillow {PIL.__version__}", f"soundfile {soundfile.__version__}"
    us, them, most, read, load, hear, play = times
    return [
        row(what, us, them, 1, f"{versions[0]}, only these converted", differences[0], "videos/s"),
        row(what, us, most, 1, f"{versions[0]}, all converted by default", differences[1], "videos/s"),
        row(f"folder of {WANTED} JPEG", read, load, 1, versions[1], differences[2], "folders/s"),
        row("7 s of 16-bit stereo WAV, checks included", hear, play, 1, versions[2], differences[3], "files/s"),
    ]
