"""The confusion table of a classification run."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from unlabeled.pictures.sheet import Plate, save
from unlabeled.records import Record

ROOM = 40
"""From so many classes on cells and names shrink, so that the picture stays below 2,000 pixels."""


def draw(record: Record, out: Path) -> list[Plate]:
    """Rows are the truth, columns the answer, with recalls; nothing where the record holds no such table.

    `record.breakdown` holds `classes` and `confusion` `(classes, classes)` counts.
    """
    if "confusion" not in record.breakdown or "accuracy" not in record.scores:
        return []
    classes = record.breakdown["classes"]
    counts = np.asarray(record.breakdown["confusion"], dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(5.0, 0.34 * min(len(classes), ROOM) + 2.5)
    figure = Figure(figsize=(side + 1.5, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    small = max(2, min(10, 10 * ROOM / len(classes)))
    recalls = [f"{name}  {100 * share:.0f} %" for name, share in zip(classes, np.diag(shares), strict=True)]
    axes.set_yticks(range(len(classes)), recalls, fontsize=small)
    axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=small)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth, with recall")
    if len(classes) <= 20:
        for row, column in np.argwhere(counts > 0):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{counts[row, column]:.0f}", ha="center", va="center", color=colour, fontsize=8)
    spec, score = record.spec, record.scores["accuracy"]
    numbers = f"accuracy {100 * score['value']:.1f} %, n = {score['n']}"
    title = textwrap.fill(f"{spec['method']} on {spec['benchmark']} ({record.data['label']['text']})", round(10 * side))
    axes.set_title(f"{title}\n{numbers}", fontsize=10)
    figure.colorbar(image, ax=axes, shrink=0.6, label="share of the class")
    file = save(figure, out / f"{record.id}-confusion.png")
    return [Plate(file, "Confusion table", f"Rows are the truth, columns the answer: {numbers}.")]
