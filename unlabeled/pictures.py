"""Pictures of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unlabeled.records import Record
from unlabeled.store import writing


def confusion(record: Record, file: Path) -> Path:
    """Draw the confusion table of a classification run: rows are the truth, columns the answer, with recalls.

    `record.breakdown` holds `classes` and `confusion` `(classes, classes)` counts.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    classes = record.breakdown["classes"]
    counts = np.asarray(record.breakdown["confusion"], dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(5.0, 0.34 * len(classes) + 2.5)
    figure, axes = pyplot.subplots(figsize=(side + 1.5, side), layout="constrained")
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    recalls = [f"{name}  {100 * share:.0f} %" for name, share in zip(classes, np.diag(shares), strict=True)]
    axes.set_yticks(range(len(classes)), recalls)
    axes.set_xticks(range(len(classes)), classes, rotation=90)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth, with recall")
    if len(classes) <= 20:
        for row, column in np.argwhere(counts > 0):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{counts[row, column]:.0f}", ha="center", va="center", color=colour, fontsize=8)
    spec, score = record.spec, record.scores["accuracy"]
    title = f"{spec['method']} on {spec['benchmark']} ({record.data['label']['text']})"
    axes.set_title(f"{title}\naccuracy {100 * score['value']:.1f} %, n = {score['n']}", fontsize=10)
    figure.colorbar(image, ax=axes, shrink=0.6, label="share of the class")
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=110)
    pyplot.close(figure)
    return file
