"""Pretext training in bf16 beside the same training in fp32, on one batch that lies ready."""

from __future__ import annotations

import tempfile
import time
from copy import deepcopy
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import nn

from unlabeled import check_scenes, registry
from unlabeled.bench import FEWEST_ROUNDS, Row, one_thread, row, settle
from unlabeled.contracts import Batch, Pretext, VideoItem
from unlabeled.datasets.world import files
from unlabeled.streams import Rng
from unlabeled.training import loop
from unlabeled.training.loading import Loader
from unlabeled.training.passes import to_device

METHODS = ("shuffle_and_learn", "odd_one_out", "video_colorization")
PRESETS = {"cpu": "mini", "cuda": "paper"}
"""What people train on each kind of device, at its full batch."""
FILMS, FRAMES, FPS = 64, 40, 25
"""As many films as the largest part of a batch, long enough for every pick."""
STEPS = 20
"""Of one repeat."""

AHEAD = 8
"""Steps before them, which are not timed: their losses are compared."""


class Side(NamedTuple):
    """A repeat: seconds of the timed steps, losses of those before, peak memory of the device in MB (0 on a CPU)."""

    seconds: float
    losses: list[float]
    memory: float


def precision(seconds_budget: float, device: str) -> list[Row]:
    """Steps a second of each method in bf16, convolutions with channels last; the peer is fp32 in the same loop."""
    with one_thread(), tempfile.TemporaryDirectory() as name:
        items = [_film(k, Path(name)) for k in range(FILMS)]
        return [_row(method, items, seconds_budget, device) for method in METHODS]


def _film(number: int, folder: Path) -> VideoItem:
    frames = check_scenes.film(Rng(0).numpy("film", number), FRAMES, 64, 80)
    film = files.video_file(f"{number}.avi", frames, FPS, 2)
    (folder / film.path).write_bytes(film.data)
    return VideoItem(film.path, folder / film.path)


def _row(name: str, items: list[VideoItem], seconds: float, device: str) -> Row:
    method, preset = registry.load("methods", name), PRESETS[device]
    values = method.presets[preset]
    pretext, net = method.pretext(values), method.build(values, Rng(0).under("init"))
    part = loop.part_size(pretext.train)
    batch = to_device(next(Loader(items, pretext.data, part, Rng(0)).from_step(0)), torch.device(device))
    half: list[Side] = []
    full: list[Side] = []
    end = time.perf_counter() + seconds
    while len(half) < FEWEST_ROUNDS or time.perf_counter() < end:
        half.append(_side(net, pretext, batch, "bf16", device))
        full.append(_side(net, pretext, batch, "fp32", device))
    apart = max(abs(a - b) for a, b in zip(half[0].losses, full[0].losses, strict=True))
    memory = f" (peak memory {half[0].memory:.0f} MB, peer {full[0].memory:.0f} MB)" if device == "cuda" else ""
    size = f"{pretext.train.batch}" + (f" in parts of {part}" if part < pretext.train.batch else "")
    what = f"training {name} at {preset} in bf16, batch {size}{memory}"
    us, them = ([side.seconds for side in sides] for sides in (half, full))
    peer = "fp32 (convolutions in TF32)" if device == "cuda" and torch.backends.cudnn.allow_tf32 else "fp32"
    return row(what, us, them, STEPS, f"{peer} in the same loop, PyTorch {torch.__version__}", apart, "steps/s")


def _side(net: nn.Module, pretext: Pretext, batch: Batch, precision: Literal["bf16", "fp32"], device: str) -> Side:
    """One training from the same weights."""
    losses: list[float] = []
    start = 0.0

    def told(seen: loop.Seen) -> None:
        nonlocal start
        if seen.step <= AHEAD:
            losses.append(seen.values["loss"])
            settle()
            start = time.perf_counter()

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    plan = replace(pretext.train, steps=AHEAD + STEPS, warmup=0, precision=precision)
    learned = replace(pretext, train=plan)
    loop.pretrain(deepcopy(net), learned, lambda first, stride=1: repeat(batch), Rng(0), device=device, watch=(told,))
    settle()
    memory = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else 0.0
    return Side(time.perf_counter() - start, losses, memory)
