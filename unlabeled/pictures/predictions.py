"""What a predictive pretext said beside what was true: strips and films of held-out items, and all their errors.

Pictures and errors are those of `training.predictions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlabeled.contracts import Pretext
from unlabeled.pictures import films, reels
from unlabeled.pictures.sheet import Canvas, Plate, cut, file_name, resized, save, shown_size, spread
from unlabeled.pictures.system import System
from unlabeled.streams import Rng
from unlabeled.training import predictions as training
from unlabeled.training import pretraining
from unlabeled.training.predictions import SHOWN, TRUE, Error, errors, squared
from unlabeled.training.signals.lab import rgb_to_lab
from unlabeled.training.signals.rgb import lab_to_rgb

ITEMS = 6
"""Held-out items that are drawn; errors are of all."""
MOST, SIDE = 10, 96
"""Frames of a row that are drawn, at equal steps, and most pixels of one."""
ALONE = 128
"""Most pixels of a frame where every answer is one: rows then lie beside each other."""
NAMES, GAP, EDGE, HEAD, ABOVE, LEAST = 130, 4, 20, 56, 30, 700
FILM, SLOW = 210, 2.0
"""Most pixels of a picture of a film, and its frames in a second where an answer is one frame."""
GREY = "in grey"

Rows = Mapping[str, np.ndarray]
"""Pictures by name, `(T, H, W, 3)` uint8 each."""


def draw(system: System, out: Path) -> list[Plate]:
    """A sheet of held-out items with a film of each; none of a pretext that predicts no pictures."""
    pretext = system.pretext
    if pretext.pictures is None:
        return []
    _, held = pretraining.parts(system.unlabelled)
    chosen = {item.id for item in spread(held, ITEMS)}
    drawn: dict[str, Rows] = {}
    parts = []
    for ids, rows in answers(system, held, pretext):
        parts.append(squared(rows))
        seen = with_grey(rows, pretext)
        drawn |= {
            name: {row: bytes_of(p[k]) for row, p in seen.items()} for k, name in enumerate(ids) if name in chosen
        }
    found = errors({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    title = f"What {system.name} said, beside what was true"
    file = save(sheet(drawn, title).figure, out / "predictions.png")
    played = tuple(
        (name, films.write(out / file_name(k, name, "prediction.mp4"), map(reels.panels, shots(rows)), _fps(rows)))
        for k, (name, rows) in enumerate(drawn.items())
    )
    return [Plate(file, title, _caption(found, len(held)), films=played)]


def answers(
    system: System, held: Sequence[Any], pretext: Pretext
) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor]]]:
    """Ids and rows of pictures of all held-out items, batch by batch, asked as the first time after training."""
    rng = Rng(system.record.spec["seed"]).under("pretrain")
    net, cache = system.trained(), system.store.root / "frames"
    for k, batch in enumerate(training.questions(held, pretext, rng, cache)):
        with system.running("`pictures`"):
            rows = training.answers(net, pretext, batch, rng.under("pictures", k))
        yield batch.ids, rows


def _caption(found: Mapping[str, Error], items: int) -> str:
    told = "; ".join(f"{name} {error.value:.5f} (se {error.se:.5f})" for name, error in found.items())
    (own, _), *others = found.items()
    above = "; ".join(f"{name} {error.less:+.5f} (se {error.less_se:.5f})" for name, error in others)
    return (
        f"Items that it never learned from. Mean squared error of all {items} of them: {told}. "
        f"Above {own}, item by item: {above}."
    )


# ---------------------------------------------------------------- pictures


def bytes_of(frames: Tensor) -> np.ndarray:
    """Pictures `(C, T, H, W)` in [0, 1] as `(T, H, W, 3)` uint8."""
    colours = frames.expand(3, -1, -1, -1).permute(1, 2, 3, 0)
    return (colours.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def with_grey(rows: Mapping[str, Tensor], pretext: Pretext) -> dict[str, Tensor]:
    """Rows with what a network sees that colours one frame of several: the true frame without its colours."""
    if pretext.data.colour != "lab" or pretext.data.kind != "frames":
        return dict(rows)
    colours = rgb_to_lab(rows[TRUE].transpose(1, 2))
    colours[:, :, 1:] = 0
    grey = lab_to_rgb(colours).transpose(1, 2)
    before = {name: row for name, row in rows.items() if name == SHOWN}
    return {**before, GREY: grey, **{name: row for name, row in rows.items() if name != SHOWN}}


def sheet(items: Mapping[str, Rows], title: str) -> Canvas:
    """Rows of frames below each other for each item, or beside each other where every answer is one frame."""
    if all(len(rows[TRUE]) == 1 for rows in items.values()):
        return _beside(items, title)
    every = [row for rows in items.values() for row in rows.values()]
    height, width = _size(every[0], SIDE)
    columns = max(min(len(row), MOST) for row in every)
    tall = sum(ABOVE + len(rows) * (height + GAP) for rows in items.values())
    canvas = Canvas(max(LEAST, 2 * EDGE + NAMES + columns * (width + GAP)), HEAD + tall + EDGE)
    canvas.text(EDGE, HEAD / 2, cut(title, canvas.width - 2 * EDGE, 13), 13)
    top = HEAD
    for name, rows in items.items():
        canvas.text(EDGE, top + ABOVE / 2, cut(name, canvas.width - 2 * EDGE, 10), 10, weight="bold")
        top += ABOVE
        for label, frames in rows.items():
            canvas.text(EDGE, top + height / 2, cut(label, NAMES, 10), 10)
            for k, frame in enumerate(spread(list(frames), MOST)):
                canvas.picture(EDGE + NAMES + k * (width + GAP), top, resized(frame, height, width))
            top += height + GAP
    return canvas


def _beside(items: Mapping[str, Rows], title: str) -> Canvas:
    """A line for each item; each row below its name."""
    some = next(iter(items.values()))
    height, width = _size(some[TRUE], ALONE)
    count = max(sum(min(len(frames), MOST) for frames in rows.values()) for rows in items.values())
    wide = 2 * EDGE + count * (width + GAP) + len(some) * EDGE
    canvas = Canvas(max(LEAST, wide), HEAD + len(items) * (2 * ABOVE + height) + EDGE)
    canvas.text(EDGE, HEAD / 2, cut(title, canvas.width - 2 * EDGE, 13), 13)
    for line, (name, rows) in enumerate(items.items()):
        top, left = HEAD + line * (2 * ABOVE + height), EDGE
        canvas.text(left, top + ABOVE / 2, cut(name, canvas.width - 2 * EDGE, 10), 10, weight="bold")
        for label, frames in rows.items():
            canvas.text(left, top + 1.5 * ABOVE, label, 9)
            for frame in spread(list(frames), MOST):
                canvas.picture(left, top + 2 * ABOVE, resized(frame, height, width))
                left += width + GAP
            left += EDGE
    return canvas


def shots(rows: Rows) -> Iterator[reels.Shot]:
    """The frames of a film: first what was shown, in the place of each row but that, then those rows."""
    before = rows.get(SHOWN, rows[TRUE][:0])
    size = _size(rows[TRUE], FILM)
    told = {name: np.concatenate([before, frames]) for name, frames in rows.items() if name != SHOWN}
    for k in range(len(before) + len(rows[TRUE])):
        after = k - len(before)
        words = f"shown, {k + 1} of {len(before)}" if after < 0 else f"answered, {after + 1} of {len(rows[TRUE])}"
        yield reels.Shot({name: resized(frames[k], *size) for name, frames in told.items()}, words)


def _fps(rows: Rows) -> float:
    return reels.FPS if len(rows[TRUE]) > 1 else SLOW


def _size(frames: np.ndarray, side: int) -> tuple[int, int]:
    """Height and width in which frames `(T, H, W, 3)` are shown."""
    return shown_size(frames.shape[1], frames.shape[2], side)
