"""What `check-method` looks at in a pretext before a network is there: its request, its picks, and films to learn from.

The films are tiny, without a class, and go through the loader that a training uses.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled import check_scenes, registry
from unlabeled.check_basics import Check, Fault, expect, not_drawn, under_globals
from unlabeled.contracts import Batch, ImageItem, Info, Pick, Pretext, VideoItem
from unlabeled.errors import UnlabeledError
from unlabeled.streams import Rng

LENGTHS = (1, 2, 3, 5, 8, 13, 21, 40, 100, 250, 1000)
"""Frames of the clips that a pick is tried on."""
DRAWS = 12
FPS, RATE = 25, 16_000
FILMS = (40, 100, 250)
"""Frames of the films that are made: the first length that the pick takes."""
HEIGHT, WIDTH = 64, 80
BATCH, BATCHES = 8, 3

# ---------------------------------------------------------------- what is asked for


@dataclass(frozen=True)
class Asked:
    """A method's pretext, before any data."""

    pretext: Pretext
    values: Any


def _declared(asked: Asked) -> str:
    from unlabeled.training import optim

    pretext = asked.pretext
    expect(isinstance(pretext, Pretext), f"`pretext` gives a contracts.Pretext, not a {type(pretext).__name__}")
    ways = [name for name in ("loss", "fit") if getattr(pretext, name)]
    expect(len(ways) == 1, f"it learns by `loss` or by `fit`, not by {' and '.join(ways) or 'neither'}")
    optim.check_plan(pretext.train)
    named = getattr(asked.values, "pretrain", None)
    known = registry.names("datasets")
    expect(
        named in known,
        f"the preset's field `pretrain` names the data set that is learned from, not {named!r}; "
        f"installed: {', '.join(known)}",
    )
    return f"learns by `{ways[0]}` from {named}"


def _request(asked: Asked) -> str:
    from unlabeled.training import requests

    requests.check(asked.pretext.data)
    return f"asks for {asked.pretext.data.kind} of size {asked.pretext.data.size}, and for no labels"


def _info(pretext: Pretext, frames: int) -> Info:
    samples = round(frames / FPS * pretext.data.rate)
    motion = None
    if "motion" in pretext.data.wants and frames > 1:
        motion = Rng(0).under("check").numpy("motion", frames).uniform(0, 0.1, frames - 1).astype(np.float32)
    return Info(frames, FPS, samples, pretext.data.rate if samples else 0, motion)


def _picked(pretext: Pretext, frames: int, draw: int) -> Pick | None:
    """What is read of a clip, None where the pick refuses so short a one; a Fault where it is wrong."""
    from unlabeled.training import requests

    item = VideoItem(f"a clip of {frames} frames", Path("nowhere"))
    try:
        return requests.picked(pretext.data, item, _info(pretext, frames), Rng(draw).under("check"))
    except UnlabeledError as fault:
        if isinstance(fault.__cause__, UnlabeledError):
            return None
        raise Fault(fault.what) from fault


def _bounds(asked: Asked) -> str:
    refused = [frames for frames in LENGTHS for draw in range(DRAWS) if _picked(asked.pretext, frames, draw) is None]
    taken = [frames for frames in LENGTHS if frames not in refused]
    expect(bool(taken), f"it refuses clips of every length from {LENGTHS[0]} to {LENGTHS[-1]} frames")
    odd = [frames for frames in refused if frames > taken[0]]
    expect(not odd, f"it takes clips of {taken[0]} frames, and refuses some of {odd[0] if odd else 0}")
    shorter = "; shorter ones are refused" if refused else ""
    return f"every index is inside clips of {taken[0]} to {LENGTHS[-1]} frames{shorter}"


def _alike(one: Any, other: Any) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))


def _pure(asked: Asked) -> str:
    pick = asked.pretext.data.pick
    if pick is None:
        return "no pick: the one picture is read"
    for frames in LENGTHS:
        info, rng = _info(asked.pretext, frames), Rng(1).under("check")
        if _picked(asked.pretext, frames, 1) is None:
            continue
        before = copy.deepcopy(info)
        first, left = under_globals(0, lambda info=info, rng=rng: pick(info, rng))  # type: ignore[misc]
        again, _ = under_globals(1, lambda info=info, rng=rng: pick(info, rng))  # type: ignore[misc]
        same = (first.frames, first.sound) == (again.frames, again.sound)
        same = same and _alike(first.target, again.target)
        expect(same, f"picked twice from {frames} frames with the same Rng it differs: no pure function of (Info, Rng)")
        expect(_alike(before.motion, info.motion), "it changes the motion that it is told")
        not_drawn(left)
    return "the same Info and Rng give the same pick, whatever the global state"


# ---------------------------------------------------------------- films


def _films(pretext: Pretext, folder: Path) -> list[Any]:
    """Films of the shortest length that the pick takes, without a class; pictures where there is no pick."""
    from unlabeled.datasets.world import files

    count = BATCH * BATCHES * pretext.data.sources
    draw = Rng(0).under("check").numpy("films")
    if pretext.data.pick is None:
        items: list[Any] = []
        for k in range(count):
            picture = files.png_file(f"{k}.png", check_scenes.film(draw, 1, HEIGHT, WIDTH)[0])
            (folder / picture.path).write_bytes(picture.data)
            items.append(ImageItem(f"item-{k}", folder / picture.path, -1, "train"))
        return items
    frames = next((n for n in FILMS if all(_picked(pretext, n, draw) for draw in range(DRAWS))), FILMS[-1])
    items = []
    for k in range(count):
        film = files.video_file(f"{k}.avi", check_scenes.film(draw, frames, HEIGHT, WIDTH), FPS, 2)
        (folder / film.path).write_bytes(film.data)
        items.append(VideoItem(f"item-{k}", folder / film.path, sound=_voice(draw, frames, k, folder, pretext)))
    return items


def _voice(draw: np.random.Generator, frames: int, k: int, folder: Path, pretext: Pretext) -> Path | None:
    """A tone with some noise, as long as the film and a little longer: rounding must not make it too short."""
    from unlabeled.datasets.world import files

    if not pretext.data.rate:
        return None
    time = np.arange(round((frames + 2) / FPS * RATE)) / RATE
    wave = 0.4 * np.sin(2 * np.pi * draw.uniform(200, 2000) * time) + draw.normal(0, 0.02, time.shape)
    made = files.sound_file(f"{k}.wav", (wave.clip(-1, 1) * 32767).astype(np.int16), RATE)
    (folder / made.path).write_bytes(made.data)
    return folder / made.path


def batches(pretext: Pretext) -> list[Batch]:
    """The batches of one epoch, read as in training: with augmentations, without labels."""
    from unlabeled.training.loading import Loader

    with tempfile.TemporaryDirectory() as name:
        items = _films(pretext, Path(name))
        return list(islice(Loader(items, pretext.data, BATCH, Rng(0).under("check", "loader")), BATCHES))


ASKED: Sequence[Check[Asked]] = (
    Check("declared", _declared),
    Check("request", _request),
    Check("pick bounds", _bounds),
    Check("pick pure", _pure),
)
