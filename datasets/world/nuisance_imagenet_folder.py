"""Can a kind of `imagenet_folder`, or how a picture was turned, be told from what must say nothing about it?

As in `nuisance`, a small classifier reads one nuisance alone, is trained on `train`, tested on `val`, and judged on the
mean over master seeds. A kind has its palette, so that the mean colour may say something.

How a picture was turned by quarters must not show in its thumbnail: a linear classifier on 8 x 8 cells of all four
turns would find light from above, a horizon or a common shadow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from unlabeled.datasets.world import imagenet_folder

CELLS = 8
RING = 2
"""Pixels from the border that show the ground alone."""

MEAN_COLOUR = "mean colour"
"""Allowed up to 2.5 times chance."""

QUARTERS = "quarter turns of a thumbnail"
QUARTERS_LIMIT = 0.6


@dataclass(frozen=True)
class Samples:
    """One set of one master seed.

    nuisances  : name -> `(pictures, numbers)`
    thumbnails : `(pictures, 8, 8, 3)`, -1..1
    kinds      : `(pictures,)`
    tested     : whether a picture stands in `val`, `(pictures,)`
    """

    nuisances: Mapping[str, np.ndarray]
    thumbnails: np.ndarray
    kinds: np.ndarray
    tested: np.ndarray


@dataclass(frozen=True)
class Finding:
    """One nuisance against its limit: accuracies as fractions, one a seed."""

    nuisance: str
    accuracies: tuple[float, ...]
    limit: float

    @property
    def leaks(self) -> bool:
        """Whether the mean over seeds breaks the limit."""
        return bool(np.mean(self.accuracies) > self.limit)


def check(seeds: Sequence[Samples]) -> list[Finding]:
    """Every nuisance, and the turns."""
    return [*(judge(name, seeds) for name in seeds[0].nuisances), judge_turns(seeds)]


def judge(name: str, seeds: Sequence[Samples]) -> Finding:
    """What one nuisance tells about the kind."""
    accuracies = []
    for made in seeds:
        values, test = made.nuisances[name], made.tested
        model = make_pipeline(StandardScaler(), SVC(C=2.0)).fit(values[~test], made.kinds[~test])
        accuracies.append(float(np.mean(model.predict(values[test]) == made.kinds[test])))
    chance, tested = 1.0 / len(np.unique(seeds[0].kinds)), np.count_nonzero(seeds[0].tested)
    limit = chance + max(0.05, 2.0 * np.sqrt(chance * (1.0 - chance) / tested))
    return Finding(name, tuple(accuracies), 2.5 * chance if name == MEAN_COLOUR else float(limit))


def judge_turns(seeds: Sequence[Samples]) -> Finding:
    """How well a linear classifier tells by which of four quarters a thumbnail was turned."""
    accuracies = []
    for made in seeds:
        turned = np.concatenate([np.rot90(made.thumbnails, quarter, (1, 2)) for quarter in range(4)])
        values, quarters = turned.reshape(len(turned), -1), np.repeat(np.arange(4), len(made.kinds))
        test = np.tile(made.tested, 4)
        model = LogisticRegression(C=0.1, max_iter=500).fit(values[~test], quarters[~test])
        accuracies.append(float(np.mean(model.predict(values[test]) == quarters[test])))
    return Finding(QUARTERS, tuple(accuracies), QUARTERS_LIMIT)


# ---------------------------------------------------------------- the nuisances


def imagenet_folder_samples(folder: Path, preset: str, seed: int) -> Samples:
    """Nuisances of a finished `imagenet_folder`: from its files, and places from the generator."""
    rows: dict[str, list[tuple[float, ...]]] = {}
    thumbnails = []
    pictures = imagenet_folder.items(preset, seed)
    for picture in pictures:
        file = folder / picture.name
        with Image.open(file) as image:
            pixels = np.asarray(image).astype(np.float32)
        there = imagenet_folder.place(picture)
        for name, value in from_picture(pixels).items():
            rows.setdefault(name, []).append(value)
        rows.setdefault("place and size", []).append((there.x, there.y, there.size))
        rows.setdefault("file bytes", []).append((float(file.stat().st_size),))
        cells = pixels.reshape(CELLS, len(pixels) // CELLS, CELLS, -1, 3).mean(axis=(1, 3))
        thumbnails.append(cells / 127.5 - 1.0)
    return Samples(
        nuisances={name: np.array(values) for name, values in rows.items()},
        thumbnails=np.array(thumbnails),
        kinds=np.array([picture.kind for picture in pictures]),
        tested=np.array([picture.part == "val" for picture in pictures]),
    )


def from_picture(pixels: np.ndarray) -> dict[str, tuple[float, ...]]:
    """Nuisances that a picture `(h, w, 3)` shows; the ring is that of the mean colour of eight parts of each side."""
    ring = (
        pixels[:RING].mean(axis=0),
        pixels[-RING:].mean(axis=0),
        pixels[:, :RING].mean(axis=1),
        pixels[:, -RING:].mean(axis=1),
    )
    parts = [side.reshape(CELLS, -1, 3).mean(axis=1) for side in ring]
    return {
        MEAN_COLOUR: tuple(pixels.mean(axis=(0, 1))),
        "border ring": tuple(np.concatenate(parts).ravel()),
    }
