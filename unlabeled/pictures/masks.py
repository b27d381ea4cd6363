"""Masks on their frames: truth beside result for the worst and the best frame of a sequence, and J and F over time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from unlabeled.contracts import MaskSequence
from unlabeled.datasets.decode import masks
from unlabeled.pictures.sheet import Canvas, Judged, Plate, file_name, percent, photo, sample, save

PANEL = (600, 520)
"""Most pixels of a frame, width and height."""
NARROWEST = 330
"""Width of a column: what stands above a frame must fit."""
GAP, HEAD, LABEL = 14, 46, 30


def draw(run: Judged, out: Path) -> list[Plate]:
    """Two plates for each of the worst, median and best sequences by mean J&F."""
    sequences = {sequence.id: sequence for sequence in run.data.items}
    means = {name: item["sums"][0] / item["counts"][0] for name, item in run.items.items()}
    plates = []
    for number, (name, standing) in enumerate(sample(means), 1):
        title = f"{name}: J&F {percent(means[name])}, {standing}"
        plates += _sequence(run, sequences[name], run.items[name], title, number, out)
    return plates


def _sequence(
    run: Judged, sequence: MaskSequence, item: Mapping[str, Any], title: str, number: int, out: Path
) -> list[Plate]:
    j, f = np.array(item["j"]), np.array(item["f"])  # (objects, frames)
    frames = item["frames"]
    order = np.argsort((j + f).mean(axis=0), kind="stable")
    worst, best = int(order[0]), int(order[-1])
    files = dict(zip(sequence.names, run.recipe.masks(run.role, sequence), strict=True))
    rows, told = [], []
    for word, k in (("worst", worst), ("best", best)):
        label = f"{word} frame {frames[k]}: J {percent(j[:, k].mean())}, F {percent(f[:, k].mean())}"
        told.append(label + _objects(j[:, k], f[:, k]))
        rows.append((label, triple(sequence, frames[k], files[frames[k]], run.recipe.merged)))
    without = "" if sequence.images else " Grey: the frames themselves are not there."
    strip = save(_strip(rows, title), out / file_name(number, sequence.id, "frames.png"))
    chart = save(_chart(frames, j.mean(axis=0), f.mean(axis=0), title), out / file_name(number, sequence.id, "j-f.png"))
    mean = ", mean over objects" if len(j) > 1 else ""
    return [
        Plate(strip, title, f"{'; '.join(told)}.{without}"),
        Plate(chart, f"{sequence.id} over time", f"J and F of each scored frame{mean}."),
    ]


def _objects(j: np.ndarray, f: np.ndarray) -> str:
    """What a frame gave each of several objects."""
    if len(j) < 2:
        return ""
    each = (f"object {k} J {percent(a)} F {percent(b)}" for k, (a, b) in enumerate(zip(j, f, strict=True), 1))
    return f" ({', '.join(each)})"


def triple(sequence: MaskSequence, frame: str, result: Path, merged: bool) -> tuple[np.ndarray, ...]:
    """A frame, the truth on it and the result on it, each `(H, W, 3)` uint8 in the size it is shown in."""
    k = sequence.names.index(frame)
    truth, ours = masks.read(sequence.masks[k]), masks.read(result)
    if merged:
        truth, ours = ((truth > 0) & (sequence.merged | (truth != 255))).astype(np.uint8), (ours > 0).astype(np.uint8)
    scale = min(PANEL[0] / truth.shape[1], PANEL[1] / truth.shape[0])
    size = max(1, round(truth.shape[1] * scale)), max(1, round(truth.shape[0] * scale))
    picture = photo(sequence.images[k] if sequence.images else None, size)
    large = (np.asarray(Image.fromarray(index).resize(size, Image.Resampling.NEAREST)) for index in (truth, ours))
    return (picture, *(overlay(picture, index) for index in large))


def overlay(picture: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Masks in DAVIS colours on a picture: half and half inside, pure along the edge, a white line around it.

    Parameters
    ----------
    picture : `(H, W, 3)` uint8.
    index : `(H, W)` uint8, 0 is left as it is.
    """
    inside = index > 0
    colours = masks.PALETTE[index]
    blended = (picture.astype(np.uint16) + colours) // 2
    edge = np.zeros_like(inside)
    for down, right in ((1, 0), (0, 1)):
        before = tuple(slice(0, n - step) for n, step in zip(index.shape, (down, right), strict=True))
        after = tuple(slice(step, None) for step in (down, right))
        differs = index[before] != index[after]
        edge[before] |= differs
        edge[after] |= differs
    shown = np.where(inside[..., None], blended, picture).astype(np.uint8)
    shown[edge] = np.where(inside[..., None], colours, 255)[edge]
    return shown


def _strip(rows: list[tuple[str, tuple[np.ndarray, ...]]], title: str) -> Figure:
    """Rows of image, truth and result, pixel for pixel."""
    height, width = rows[0][1][0].shape[:2]
    column = max(width, NARROWEST)
    sheet = Canvas(3 * column + 4 * GAP, HEAD + len(rows) * (LABEL + height + GAP))
    sheet.text(GAP, HEAD // 2, title, 12)
    for row, (label, panels) in enumerate(rows):
        top = HEAD + row * (LABEL + height + GAP)
        for k, (words, panel) in enumerate(zip((label, "truth", "result"), panels, strict=True)):
            left = GAP + k * (column + GAP)
            sheet.text(left, top + LABEL // 2, words, 9.5)
            sheet.picture(left, top + LABEL, panel)
    return sheet.figure


def _chart(frames: list[str], j: np.ndarray, f: np.ndarray, title: str) -> Figure:
    figure = Figure(figsize=(10, 3), layout="constrained")
    axes = figure.subplots()
    for values, name, colour in ((j, "J", "tab:blue"), (f, "F", "tab:orange")):
        axes.plot(100 * values, label=f"{name} (mean {percent(values.mean())})", color=colour, marker=".", markersize=4)
    ticks = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), 10)).round().astype(int))
    axes.set_xticks(ticks, [frames[k] for k in ticks])
    axes.set(xlabel="frame", ylabel="percent", ylim=(-3, 103))
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
