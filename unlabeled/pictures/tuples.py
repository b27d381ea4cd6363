"""What a pretext showed to its network: items of the first batch with targets, held-out ones with the answers.

The batch is made by the loader, request, augmentations and streams of the training itself. Whatever a request can ask
for is drawn: pictures, runs of frames, sound as spectrograms, in rgb, Lab or grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import torch
from torch import Tensor

from unlabeled.contracts import Batch, Pick, Pretext, Request
from unlabeled.errors import UnlabeledError
from unlabeled.pictures.sheet import Canvas, Plate, cut, resized, save, shown_size, spread
from unlabeled.pictures.sounds import RANGE_DB, levels
from unlabeled.pictures.system import System
from unlabeled.streams import Rng
from unlabeled.training import loop, pretraining, requests
from unlabeled.training.loading import ONCE, Loader
from unlabeled.training.passes import evaluating, own_torch, seed_torch
from unlabeled.training.signals.rgb import unit_to_rgb

WIDTH, HEIGHT = 1240, 880
"""Most pixels of a sheet; at least one item is drawn."""
SIDE, SMALLEST, WORDY = 120, 48, 70
"""Most pixels of a frame, fewest where many lie beside each other, and from how many on its label has words."""
SOUND = (120, 240)
"""Height and width of a spectrogram."""
MOST = 8
"""Frames of a longer run that are shown, at equal steps."""
GAP, EDGE, HEAD, NAME, LABEL = 8, 20, 56, 50, 22
HELD_OUT = 12
"""Held-out items that the network is asked."""
FRAME = "frame "
RIGHT, WRONG = "tab:green", "tab:red"


class Cell(NamedTuple):
    """A picture `(H, W, 3)` uint8 and what stands below it."""

    pixels: np.ndarray
    words: str


@dataclass(frozen=True)
class Shown:
    """One item: what stands above it in which colour, its name, and its rows of pictures."""

    head: str
    colour: str
    name: str
    rows: Sequence[Sequence[Cell]]


def seen(system: System, out: Path) -> list[Plate]:
    """A sheet of the first training batch."""
    learn, _ = pretraining.parts(system.unlabelled)
    shown = _trained_on(learn, system.pretext, _stream(system), system.store.root / "frames")
    title = f"What {system.name} saw: its first training batch"
    caption = "Items of the first batch as the network got them, augmented; target: the answer that it must give."
    return [_plate(shown, title, caption + _since(system), out / "pretext-seen.png")]


def answered(system: System, out: Path) -> list[Plate]:
    """A sheet of held-out items with what the network answered."""
    _, held = pretraining.parts(system.unlabelled)
    pretext = system.pretext
    shown = _asked(system, held, pretext, _stream(system), system.store.root / "frames")
    title = f"What {system.name} answered on held-out items"
    caption = (
        "Items that it never learned from, not augmented; above each what the measure of the pretext, "
        f"{pretext.sanity.name}, says of the answer."
    )
    return [_plate(shown, title, caption + _since(system), out / "pretext-held-out.png")]


def _stream(system: System) -> Rng:
    """The stream of the whole pretraining."""
    return Rng(system.record.spec["seed"]).under("pretrain")


def _since(system: System) -> str:
    return "" if system.unchanged else " Its code or its libraries have changed since: this is what they give today."


def _plate(shown: Sequence[Shown], title: str, caption: str, file: Path) -> Plate:
    return Plate(save(_sheet(shown, title).figure, file), title, caption)


# ---------------------------------------------------------------- batches


def _trained_on(items: Sequence[Any], pretext: Pretext, rng: Rng, folder: Path) -> list[Shown]:
    # Frames come from the cache of the training where it is there; none is made for the sake of one batch.
    loader = Loader(
        items, pretext.data, loop.part_size(pretext.train), rng.under("loader"), cache=folder, cache_bytes=0
    )
    batch = next(iter(loader))
    rows = rows_of(batch, pretext.data, _picks(loader, batch, "0"))
    return [Shown(_target(batch, k), "black", _name(batch, pretext.data, k), cells) for k, cells in enumerate(rows)]


def _asked(system: System, items: Sequence[Any], pretext: Pretext, rng: Rng, folder: Path) -> list[Shown]:
    """Held-out items of all kinds, each as it was asked for the first time, with the score of the answer."""
    some = spread(items, HELD_OUT * pretext.data.sources)
    loader = Loader(some, pretext.data, len(some), rng.under("held-out", 0), cache=folder, cache_bytes=0)
    batch = next(loader.once())
    scores = _scores(system, pretext, batch, rng)
    words = _score_words(scores, pretext.sanity.name)
    rows = rows_of(batch, pretext.data, _picks(loader, batch, ONCE))
    return [
        Shown(", ".join(filter(None, (_target(batch, k), word))), colour, _name(batch, pretext.data, k), cells)
        for k, (cells, (word, colour)) in enumerate(zip(rows, words, strict=True))
    ]


def _scores(system: System, pretext: Pretext, batch: Batch, rng: Rng) -> np.ndarray:
    """The sanity scores `(B,)` of a batch, as they are measured after training."""
    net, cpu = system.trained(), torch.device("cpu")
    draws = rng.under("sanity").under("measure", 0)
    with system.running("the sanity measure"), evaluating(net), own_torch(cpu):
        seed_torch(draws, cpu)
        scores = pretext.sanity.measure(net, batch, draws)[0].double().numpy()
    if not np.isfinite(scores).all():
        raise UnlabeledError(f"sanity {pretext.sanity.name}: a score is no number")
    return scores


def _score_words(scores: np.ndarray, name: str) -> list[tuple[str, str]]:
    """What stands above each item, with its colour: right or wrong where scores are nothing else."""
    if np.isin(scores, (0, 1)).all():
        return [("answered right", RIGHT) if score else ("answered wrong", WRONG) for score in scores]
    return [(f"{name} {score:.3g}", "black") for score in scores]


def _picks(loader: Loader, batch: Batch, epoch: str) -> list[Pick]:
    """What was read of each clip of a batch, source by source."""
    places = {item.id: k for k, item in enumerate(loader.items)}
    return [
        requests.picked(
            loader.request, loader.items[places[name]], loader.infos[places[name]],
            loader.rng.under("item", epoch, name),
        )
        for name in batch.ids
    ]  # fmt: skip


def _name(batch: Batch, request: Request, k: int) -> str:
    return " + ".join(batch.ids[k * request.sources : (k + 1) * request.sources])


def _target(batch: Batch, k: int) -> str:
    """The target of an item in words; of a large one its shape."""
    if batch.target is None:
        return ""
    target = batch.target[k]
    if target.numel() > MOST:
        return f"target: {' x '.join(map(str, target.shape))} numbers"
    values = [f"{value:.3g}" for value in target.flatten().tolist()]
    return f"target {values[0]}" if not target.ndim else f"target ({', '.join(values)})"


# ---------------------------------------------------------------- an item as rows of pictures


def rows_of(batch: Batch, request: Request, picks: Sequence[Pick]) -> list[list[list[Cell]]]:
    """The rows of pictures of every item of a batch.

    A row is a run of frames; stretches of sound share a row. Of mixtures each source has a row, frames and sound, and
    the sum has the last one.

    picks : of each clip of the batch, source by source
    """
    frames = None if batch.frames is None else _runs(batch.frames, request)
    count = len(batch.ids) // request.sources
    items = []
    for k in range(count):
        own = picks[k * request.sources : (k + 1) * request.sources]
        runs = [run for pick in own for run in pick.frames]
        rows = [] if frames is None else [_run(*pair) for pair in zip(frames[k], runs, strict=True)]
        heard = _stretches(batch, request, k, own)
        if batch.mixture is None:
            rows += [heard] if heard else []
        else:
            rows = [[*row, cell] for row, cell in zip(rows or [[] for _ in heard], heard, strict=True)]
            start = min(pick.sound[0][0] for pick in own)
            rows.append([_heard(batch.mixture[k], request.rate, start, "their sum")])
        items.append(rows)
    return items


def _runs(frames: Tensor, request: Request) -> np.ndarray:
    """Frames of any kind of batch as `(B, runs, T, H, W, 3)` uint8."""
    match request.kind:
        case "images":
            ordered = frames[:, None, None]
        case "frames":
            ordered = frames[:, None]
        case _:
            ordered = frames.transpose(2, 3)
    return rgb(ordered, request.colour)


def rgb(frames: Tensor, colour: str) -> np.ndarray:
    """Frames `(..., C, H, W)` as a loader gives them, to `(..., H, W, 3)` uint8 that a screen shows."""
    if colour == "lab":
        frames = unit_to_rgb(frames)
    shown = frames.expand(*frames.shape[:-3], 3, *frames.shape[-2:]).movedim(-3, -1)
    return (shown.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def _run(frames: np.ndarray, indices: Sequence[int]) -> list[Cell]:
    """A run of frames `(T, H, W, 3)` and their numbers, at most MOST of them at equal steps."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, MOST).round().astype(int)) if len(frames) > MOST else None
    return [Cell(frames[k], f"{FRAME}{indices[k]}") for k in (range(len(frames)) if chosen is None else chosen)]


def _stretches(batch: Batch, request: Request, k: int, own: Sequence[Pick]) -> list[Cell]:
    """The sound of an item, stretch by stretch or source by source."""
    if batch.waves is None:
        return []
    starts = [start for pick in own for start, _ in pick.sound]
    return [_heard(wave, request.rate, start, "") for wave, start in zip(batch.waves[k], starts, strict=True)]


def _heard(wave: Tensor, rate: int, start: float, words: str) -> Cell:
    """A spectrogram, low frequencies at the bottom."""
    found = levels(wave.numpy(), rate)[0]
    shares = 1 + np.clip(found - found.max(), -RANGE_DB, 0) / RANGE_DB
    colours = (matplotlib.colormaps["magma"](shares[::-1])[..., :3] * 255).round().astype(np.uint8)
    rows, columns = (np.arange(n) * m // n for n, m in zip(SOUND, shares.shape, strict=True))
    told = f"{start:.2f} to {start + len(wave) / rate:.2f} s, 0 to {rate / 2000:g} kHz"
    return Cell(colours[rows][:, columns], words or told)


# ---------------------------------------------------------------- the sheet


def _sheet(items: Sequence[Shown], title: str) -> Canvas:
    """Items beside and below each other, as many as there is room for."""
    side = _side(items[0].rows)
    laid = [[[_fitted(cell, side) for cell in row] for row in item.rows] for item in items]
    width = max(max(sum(cell.pixels.shape[1] + GAP for cell in row) for row in rows) for rows in laid) + EDGE
    height = max(sum(_height(row) for row in rows) for rows in laid) + NAME + EDGE
    columns = max(1, (WIDTH - EDGE) // width)
    lines = max(1, (HEIGHT - HEAD) // height)
    drawn = min(len(items), columns * lines)
    lines = -(-drawn // columns)
    sheet = Canvas(max(EDGE + columns * width, 700), HEAD + lines * height)
    sheet.text(EDGE, HEAD / 2, title, 15)
    for k in range(drawn):
        left, top = EDGE + k % columns * width, HEAD + k // columns * height
        sheet.text(left, top + 12, items[k].head, 13, color=items[k].colour, weight="bold")
        sheet.text(left, top + 34, cut(items[k].name, width - EDGE, 9), 9, color="dimgrey")
        y = top + NAME
        for row in laid[k]:
            x = left
            for cell in row:
                sheet.picture(x, y, cell.pixels)
                sheet.text(x, y + cell.pixels.shape[0] + LABEL / 2, cell.words, 9)
                x += cell.pixels.shape[1] + GAP
            y += _height(row)
    return sheet


def _side(rows: Sequence[Sequence[Cell]]) -> int:
    """The side of frames with which the longest row fits into the sheet."""
    longest = max(len(row) for row in rows)
    return max(SMALLEST, min(SIDE, (WIDTH - 2 * EDGE) // longest - GAP))


def _fitted(cell: Cell, side: int) -> Cell:
    """A cell at the size in which it is shown; spectrograms have theirs."""
    height, width = cell.pixels.shape[:2]
    if (height, width) == SOUND:
        return cell
    shown = resized(cell.pixels, *shown_size(height, width, side))
    return Cell(shown, cell.words if shown.shape[1] >= WORDY else cell.words.removeprefix(FRAME))


def _height(row: Sequence[Cell]) -> int:
    return max(cell.pixels.shape[0] for cell in row) + LABEL
