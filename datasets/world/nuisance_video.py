"""Can an action be told from what must say nothing about it? Checks that block the freezing of `ucf101` and `hmdb51`.

As in `nuisance`, a small classifier reads one nuisance alone, on the official splits, and is judged on the mean
over master seeds. Two questions:

- *within pair*: which of the two classes of a reversal pair is it? Nothing may tell but the order of frames.
  A leak in one pair hardly moves the mean over pairs, so the worst pair has a limit of its own.
- *all classes*: mean colour, the border and the size of a file say nothing; one frame may show the programme
  and no more. Counting and emitting add edges, hence bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from unlabeled.datasets.world import hmdb51, ucf101
from unlabeled.datasets.world.actions import PAIRS

COLUMNS, ROWS = 10, 8
"""Cells that a frame is averaged to."""

RING = 2
"""Pixels from the border that show the ground alone."""

TRAIN, TEST = 1, 2

SPREAD = 4.0
"""Standard errors that the worst pair may lie above a half: about 50 pairs and checks are looked at."""

ALLOWED = {
    "mean colour": 0.05,
    "border ring": 0.05,
    "frames and rate": 0.05,
    "file bytes": 0.07,
    "first frame": 0.25 - 1.0 / 12.0,
    "middle frame": 0.25 - 1.0 / 12.0,
}
"""What may be told about all classes, as accuracy above chance; other nuisances show the programme."""


@dataclass(frozen=True)
class Samples:
    """One set of one master seed.

    nuisances : name -> `(clips, numbers)`
    classes   : class of each clip `(clips,)`
    pairs     : reversal pair of each clip `(clips,)`, -1 for controls
    roles     : `(splits, clips)`: 1 train, 2 test
    """

    nuisances: Mapping[str, np.ndarray]
    classes: np.ndarray
    pairs: np.ndarray
    roles: np.ndarray


@dataclass(frozen=True)
class Finding:
    """One nuisance against its limits: accuracies as fractions, one a seed; `worst` are those of pair `pair`.

    Over all classes there is no worst pair.
    """

    nuisance: str
    question: str
    accuracies: tuple[float, ...]
    limit: float
    pair: int = -1
    worst: tuple[float, ...] = (0.0,)
    worst_limit: float = 1.0

    @property
    def leaks(self) -> bool:
        """Whether the mean over seeds breaks one of the limits."""
        return bool(np.mean(self.accuracies) > self.limit or np.mean(self.worst) > self.worst_limit)


def check(seeds: Sequence[Samples]) -> list[Finding]:
    """Every nuisance of a set, made with several master seeds, against its limits."""
    names = seeds[0].nuisances
    return [within_pairs(name, seeds) for name in names] + [all_classes(name, seeds) for name in ALLOWED]


def within_pairs(name: str, seeds: Sequence[Samples]) -> Finding:
    """Whether a nuisance tells the two classes of a pair apart."""
    first = seeds[0]
    numbers = [int(pair) for pair in np.unique(first.pairs) if pair >= 0]
    by_pair = np.array(
        [[_accuracy(made, name, made.pairs == pair) for pair in numbers] for made in seeds]
    )  # (seeds, pairs)
    worst = int(np.argmax(by_pair.mean(axis=0)))
    tested = int(np.sum((first.roles == TEST) & (first.pairs >= 0)))
    return Finding(
        nuisance=name,
        question="within pair",
        accuracies=tuple(by_pair.mean(axis=1).tolist()),
        limit=0.5 + max(0.05, 2.0 * _error(0.5, tested)),
        pair=numbers[worst],
        worst=tuple(by_pair[:, worst].tolist()),
        worst_limit=0.5 + SPREAD * _error(0.5, tested // len(numbers) * len(seeds)),
    )


def all_classes(name: str, seeds: Sequence[Samples]) -> Finding:
    """How much a nuisance tells about all classes at once."""
    first = seeds[0]
    chance, tested = 1.0 / len(np.unique(first.classes)), int(np.sum(first.roles == TEST))
    accuracies = tuple(_accuracy(made, name, np.ones(len(made.classes), bool)) for made in seeds)
    return Finding(name, "all classes", accuracies, chance + max(ALLOWED[name], 2.0 * _error(chance, tested)))


def _accuracy(made: Samples, name: str, chosen: np.ndarray) -> float:
    """Mean over splits of the accuracy on the test clips among those chosen."""
    values, right = made.nuisances[name], []
    for roles in made.roles:
        train, test = chosen & (roles == TRAIN), chosen & (roles == TEST)
        model = make_pipeline(StandardScaler(), SVC(C=2.0)).fit(values[train], made.classes[train])
        right.append(np.mean(model.predict(values[test]) == made.classes[test]))
    return float(np.mean(right))


def _error(share: float, clips: int) -> float:
    return float(np.sqrt(share * (1.0 - share) / clips))


# ---------------------------------------------------------------- the nuisances


def ucf101_samples(folder: Path, preset: str, seed: int) -> Samples:
    """Nuisances of a finished `ucf101`, from its files."""
    clips = ucf101.items(preset, seed)
    roles = [[TEST if clip.group in tested else TRAIN for clip in clips] for tested in ucf101.TESTED.values()]
    return _samples([folder / "UCF-101" / clip.name for clip in clips], [clip.action.name for clip in clips], roles)


def hmdb51_samples(folder: Path, preset: str, seed: int) -> Samples:
    """Nuisances of a finished `hmdb51`, from its files."""
    clips = hmdb51.items(preset, seed)
    roles = [list(split) for split in zip(*(clip.roles for clip in clips), strict=True)]
    files = [folder / "hmdb51_org" / clip.label / clip.name for clip in clips]
    return _samples(files, [clip.action.name for clip in clips], roles)


def _samples(files: Sequence[Path], names: Sequence[str], roles: Sequence[Sequence[int]]) -> Samples:
    rows: dict[str, list[tuple[float, ...]]] = {}
    for file in files:
        frames, rate = read(file)
        for name, value in {**from_frames(frames), "frames and rate": (len(frames), rate)}.items():
            rows.setdefault(name, []).append(value)
        rows.setdefault("file bytes", []).append((float(file.stat().st_size),))
    pair_of = {action.name: number for number, pair in enumerate(PAIRS) for action in pair}
    return Samples(
        nuisances={name: np.array(values) for name, values in rows.items()},
        classes=np.unique(names, return_inverse=True)[1],
        pairs=np.array([pair_of.get(name, -1) for name in names]),
        roles=np.array(roles),
    )


def read(file: Path) -> tuple[np.ndarray, float]:
    """Frames of a video, uint8 `(n, h, w, 3)`, and their rate."""
    with av.open(str(file)) as container:
        rate = float(container.streams.video[0].average_rate or 0.0)
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]), rate


def from_frames(frames: np.ndarray) -> dict[str, tuple[float, ...]]:
    """Nuisances of one clip, uint8 `(n, h, w, 3)`; levels are of 255."""
    values = frames.astype(np.float32)
    cells = _cells(values)
    mean = values.mean(axis=0)
    ring = (mean[:RING], mean[-RING:], mean[:, :RING], mean[:, -RING:])
    motion = np.abs(np.diff(values, axis=0)).mean(axis=(1, 2, 3))
    return {
        "mean colour": tuple(mean.mean(axis=(0, 1))),
        "border ring": tuple(np.concatenate([side.mean(axis=(0, 1)) for side in ring])),
        "first frame": tuple(cells[0].ravel()),
        "middle frame": tuple(cells[len(cells) // 2].ravel()),
        "mean frame": tuple(cells.mean(axis=0).ravel()),
        "deviation over time": tuple(cells.std(axis=0).ravel()),
        "motion energy": (float(motion.mean()), float(motion.max())),
        "sharpness of the ends": (_sharpness(values[0]), _sharpness(values[-1])),
    }


def _cells(values: np.ndarray) -> np.ndarray:
    """Means of each frame over 10 x 8 cells `(n, 8, 10, 3)`."""
    frames, rows, columns, _ = values.shape
    return values.reshape(frames, ROWS, rows // ROWS, COLUMNS, columns // COLUMNS, 3).mean(axis=(2, 4))


def _sharpness(frame: np.ndarray) -> float:
    """Mean difference of neighbours: lower where a codec predicted a frame and dropped its noise."""
    return float(np.abs(np.diff(frame, axis=0)).mean() + np.abs(np.diff(frame, axis=1)).mean())
