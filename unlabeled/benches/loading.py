"""Clips from video files through the loader, in this process and in others, beside one plain PyAV loop."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import torch
from torch.nn.functional import interpolate

from unlabeled.bench import FEWEST_ROUNDS, Row, one_thread, row
from unlabeled.benches.video import HEIGHT, WANTED, WIDTH, scenes, write
from unlabeled.contracts import Batch, Info, Pick, Request, VideoItem
from unlabeled.datasets.decode.video import CONVERSION
from unlabeled.streams import Rng
from unlabeled.training.loading import Loader

VIDEOS, BATCH, BATCHES, SIZE = 16, 2, 8, 112
WORKERS = (0, 1, 2)

SETTLED_S = 0.5
"""Rest before each side: processes that read ahead finish what they have begun."""


def evenly(info: Info, rng: Rng) -> Pick:
    """16 frames from the first to the last."""
    return Pick((tuple(np.linspace(0, info.frames - 1, WANTED).round().astype(int).tolist()),))


def by_hand(path: Path) -> torch.Tensor:
    """Such a clip `(3, 16, 112, 112)`: one loop over the frames, only the wanted ones converted and resized."""
    with av.open(str(path)) as container:
        film = container.streams.video[0]
        film.codec_context.thread_count = 1
        wanted = set(np.linspace(0, film.frames - 1, WANTED).round().astype(int).tolist())
        kept, size = [], (SIZE, round(WIDTH * SIZE / HEIGHT))
        for k, frame in enumerate(container.decode(film)):
            if k in wanted:
                # One thread, as on our side: swscale takes all cores by default.
                rgb = frame.reformat(format="rgb24", interpolation=CONVERSION, threads=1).to_ndarray()
                planes = torch.from_numpy(rgb).permute(2, 0, 1)[None]
                kept.append(interpolate(planes, size, mode="bilinear", antialias=True)[0])
    left = (size[1] - SIZE) // 2
    return torch.stack(kept, 1)[..., left : left + SIZE].float() / 255


def loading(seconds_budget: float) -> list[Row]:
    """16 frames, evenly spaced, of 7 s of MPEG-4 AVI: clips a second with 0, 1 and 2 processes beside this one."""
    with one_thread(), tempfile.TemporaryDirectory() as folder:
        items = []
        pictures = scenes()
        for k in range(VIDEOS):
            items.append(VideoItem(f"{k}", Path(folder) / f"{k}.avi"))
            write(items[-1].path, np.roll(pictures, k * WIDTH // VIDEOS, axis=2))
        request = Request("clips", SIZE, evenly)
        found = [Loader(items, request, BATCH, Rng(0), workers=workers).from_step(0) for workers in WORKERS]
        sides = [lambda: _plain(items), *(_reading(batches, n) for batches, n in zip(found, WORKERS, strict=True))]
        times: list[list[float]] = [[] for _ in sides]
        for side in sides:
            side()  # workers start, caches fill
        end = time.perf_counter() + seconds_budget
        while len(times[0]) < FEWEST_ROUNDS or time.perf_counter() < end:
            for side, taken in zip(sides, times, strict=True):
                time.sleep(SETTLED_S)
                taken.append(side())
        batch = next(found[0])
        theirs = torch.stack([by_hand(items[int(name)].path) for name in batch.ids])
        assert batch.frames is not None
        difference = float((batch.frames[:, 0] - theirs).abs().max())
    what = f"loader, {WANTED} frames of MPEG-4 {WIDTH} x {HEIGHT}"
    where = ("in this process", "one worker", "two workers")
    peer = f"PyAV {av.__version__}, a plain loop"
    return [
        row(f"{what}, {place}", ours, times[0], BATCH * BATCHES, peer, difference, "clips/s")
        for place, ours in zip(where, times[1:], strict=True)
    ]


def _plain(items: list[VideoItem]) -> float:
    """Seconds of as many batches by hand."""
    start = time.perf_counter()
    for k in range(BATCHES):
        torch.stack([by_hand(items[(k * BATCH + j) % VIDEOS].path) for j in range(BATCH)])
    return time.perf_counter() - start


def _reading(batches: Iterator[Batch], workers: int) -> Callable[[], float]:
    """Seconds of some batches of a loader, without those that were read ahead before the time began."""

    def seconds() -> float:
        for _ in range(2 * workers + 1):
            next(batches)
        start = time.perf_counter()
        for _ in range(BATCHES):
            next(batches)
        return time.perf_counter() - start

    return seconds
