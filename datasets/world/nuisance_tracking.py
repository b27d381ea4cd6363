"""Do `davis2017` and `jhmdb` ask for more than a copy? Checks that block their freezing.

The floor of both is the copy of the first frame: it must be neither useless nor enough. What never looks at a picture
(the mean mask, the mean pose) must score less. The number of an object must say nothing about it.

Figures are percentages, one for each master seed; a level is judged on their mean, an order in every seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import chi2_contingency

from unlabeled.benchmarks.metrics import davis, pck
from unlabeled.datasets.decode import joints, masks
from unlabeled.datasets.world import davis2017, jhmdb
from unlabeled.datasets.world.knobs import JHMDB

LEAST_P = 0.01
"""Of the chi-squared tests of the number of an object."""


@dataclass(frozen=True)
class Finding:
    """One figure against its limits: `values` one a seed, or one for all; their mean lies from `low` to `high`."""

    name: str
    values: tuple[float, ...]
    low: float
    high: float

    @property
    def leaks(self) -> bool:
        """Whether it breaks a limit."""
        return not self.low <= float(np.mean(self.values)) <= self.high


# ---------------------------------------------------------------- davis2017


@dataclass(frozen=True)
class MaskSamples:
    """One `davis2017` of one master seed.

    train, val : index maps `(n, h, w)` of each sequence
    numbers    : number of each object of the sequences with several, `(objects,)`
    traits     : name -> what that object is like, as a number of a class, `(objects,)`
    """

    train: Sequence[np.ndarray]
    val: Sequence[np.ndarray]
    numbers: np.ndarray
    traits: Mapping[str, np.ndarray]


def davis2017_samples(folder: Path, preset: str, seed: int) -> MaskSamples:
    """Masks of a finished `davis2017`, from its files; kinds from the generator."""
    parts: dict[str, list[np.ndarray]] = {part: [] for part in davis2017.PARTS}
    rows: list[tuple[float, ...]] = []
    for clip in davis2017.items(preset, seed):
        files = sorted((folder / "Annotations" / "480p" / clip.name).iterdir())
        maps = np.stack([masks.read(file) for file in files])
        parts[clip.part].append(maps)
        things = davis2017.plan(clip).objects
        for number, thing in enumerate(things, 1):
            if len(things) > 1:
                y, x = np.nonzero(maps[0] == number)
                rows.append((number, x.mean() / maps.shape[2], y.mean() / maps.shape[1], len(x), thing.kind))
    number, x, y, area, kind = np.array(rows).T
    traits = {
        "start position": 2 * (y > 0.5) + (x > 0.5),
        "start size": np.searchsorted(np.quantile(area, (1 / 3, 2 / 3)), area),
        "kind": kind,
    }
    return MaskSamples(parts["train"], parts["val"], number.astype(int), traits)


def check_davis2017(seeds: Sequence[MaskSamples]) -> list[Finding]:
    """Every figure of the set."""
    numbers = np.concatenate([made.numbers for made in seeds])
    return [
        Finding("copy of the first mask (J&F)", tuple(first_mask(made) for made in seeds), 10.0, 30.0),
        Finding("mean mask (J&F)", tuple(mean_mask(made) for made in seeds), 0.0, 10.0),
        *(
            Finding(
                f"number against {name} (p)",
                (dependence(numbers, np.concatenate([made.traits[name] for made in seeds])),),
                LEAST_P,
                1.0,
            )
            for name in seeds[0].traits
        ),
    ]


def first_mask(made: MaskSamples) -> float:
    """J&F of the first mask in every frame."""
    return _j_and_f([(np.broadcast_to(maps[0], maps.shape), maps) for maps in made.val])


def mean_mask(made: MaskSamples) -> float:
    """J&F of one mask for all: where each number is most often in training, to half of its highest share."""
    most = max(int(maps.max()) for maps in (*made.train, *made.val))
    shares = np.stack(
        [np.mean([np.mean(maps == k, axis=0) for maps in made.train], axis=0) for k in range(1, most + 1)]
    )
    pairs = []
    for maps in made.val:
        mine = shares[: davis.count_objects(maps[0])]
        guess = np.where(mine.max(axis=0) > mine.max() / 2.0, 1 + mine.argmax(axis=0), 0).astype(np.uint8)
        pairs.append((np.broadcast_to(guess, maps.shape), maps))
    return _j_and_f(pairs)


def _j_and_f(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Mean over objects, first and last frame not scored."""
    scores = [davis.sequence_scores(ours[1:-1], true[1:-1], davis.count_objects(true[0])) for ours, true in pairs]
    return 100.0 * float(np.concatenate([(j + f).mean(axis=1) / 2.0 for j, f in scores]).mean())


def dependence(numbers: np.ndarray, trait: np.ndarray) -> float:
    """p of the chi-squared test that two columns of classes are independent."""
    table = np.zeros((len(np.unique(numbers)), len(np.unique(trait))))
    np.add.at(table, (np.unique(numbers, return_inverse=True)[1], np.unique(trait, return_inverse=True)[1]), 1)
    return float(chi2_contingency(table).pvalue)


# ---------------------------------------------------------------- jhmdb


@dataclass(frozen=True)
class JointSamples:
    """One `jhmdb` of one master seed: joints `(2, 15, n)` of each clip, 0-based, and the size of the frames."""

    clips: Sequence[np.ndarray]
    width: int
    height: int


def jhmdb_samples(folder: Path, preset: str, seed: int) -> JointSamples:
    """Joints of a finished `jhmdb`, from its files: those of all clips, since a split tests few."""
    size = JHMDB.sizes[preset]
    files = [folder / "joint_positions" / clip.name / "joint_positions.mat" for clip in jhmdb.items(preset, seed)]
    return JointSamples([joints.read(file) for file in files], size.width, size.height)


def check_jhmdb(seeds: Sequence[JointSamples]) -> list[Finding]:
    """Every figure of the set."""
    copies = [first_pose(made) for made in seeds]
    below = min(copy - mean_pose(made) for copy, made in zip(copies, seeds, strict=True))
    return [
        Finding("copy of the first joints (PCK@0.1)", tuple(copies), 20.0, 40.0),
        Finding("copy over the mean pose, worst seed (points)", (below,), 0.0, 100.0),
        Finding("joints inside the frame (%)", tuple(inside(made) for made in seeds), 95.0, 100.0),
    ]


def first_pose(made: JointSamples) -> float:
    """PCK@0.1 of the first joints in every frame."""
    return _pck([(np.repeat(true[..., :1], true.shape[2], axis=2), true) for true in made.clips])


def mean_pose(made: JointSamples) -> float:
    """PCK@0.1 of the mean pose of the set, put at the centroid of the first joints."""
    pose = np.mean([true - true.mean(axis=1, keepdims=True) for true in made.clips], axis=(0, 3))[..., None]
    starts = [true[..., :1].mean(axis=1, keepdims=True) for true in made.clips]
    return _pck(
        [(np.repeat(pose + start, true.shape[2], axis=2), true) for start, true in zip(starts, made.clips, strict=True)]
    )


def _pck(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    # A negative x would stand for a lost joint.
    counts = [pck.clip_counts(np.maximum(ours, 0.0), true, (0.1,)) for ours, true in pairs]
    return 100.0 * float(pck.pck(counts).mean[0] or 0.0)


def inside(made: JointSamples) -> float:
    """Share of the pairs of a joint and a frame that lie in the frame, in percent."""
    x, y = np.concatenate([true.reshape(2, -1) for true in made.clips], axis=1)
    return 100.0 * float(
        np.mean(
            (np.abs(x + 0.5 - made.width / 2) < made.width / 2) & (np.abs(y + 0.5 - made.height / 2) < made.height / 2)
        )
    )
