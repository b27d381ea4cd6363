"""JHMDB: joints propagated from the first frame of a clip, share found near their true place (PCK).

The joints of the first frame are given and not scored. PCK@a is the mean over the 15 joints of the share of pairs of
a clip and a frame whose distance is at most a x 0.6 x the diagonal of the box round the joints. Published numbers are
of the test clips of split 1. Joints that a result does not have leave the count, as published: the share of lost
pairs and PCK with lost joints wrong stand beside. Sources: H. Jhuang et al., ICCV 2013; the released evaluation of
videowalk (A. Jabri et al., 2020).

Joints of the first frame are moved on by a method, or by its features and one of the recipes of `propagation.joints`.
Results made elsewhere lie in `RESULTS/CLASS/CLIP.npy` or `RESULTS/CLIP.npy` (`.json`, `.mat`): (x, y), joint, frame
in 0-based pixels, -1 where a joint is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled.benchmarks._faults import Faults, inside
from unlabeled.benchmarks._sums import interval
from unlabeled.benchmarks.metrics import pck
from unlabeled.benchmarks.propagation.joints import RECIPES, PosePropagation, PreparedJoints
from unlabeled.contracts import GivenResults, Metric, Outcome, PoseClip, Score, Scores, Survey
from unlabeled.datasets.decode import joints
from unlabeled.errors import BadData, name_several
from unlabeled.streams import Rng

NAMES = tuple(f"pck@{threshold}" for threshold in pck.THRESHOLDS)
ENDINGS = (".npy", ".json", ".mat")
ALL_SPLITS = (1, 2, 3)


@dataclass(frozen=True)
class GivenJoints:
    """Joints made elsewhere.

    splits     : whose test clips are scored; of several, the plain mean of their PCK
    normaliser : what a distance is divided by, `pck.normalisers`
    lost       : what becomes of lost joints, `pck.clip_counts`
    """

    splits: tuple[int, ...] = (1,)
    normaliser: pck.Normaliser = "diagonal"
    lost: pck.Lost = "leave out"
    role: str = "given"
    cite: str = "jhuang2013towards"
    point: str = ""
    sets: Mapping[str, Any] = field(default_factory=dict)
    unverified: tuple[str, ...] = ()

    def usable(self, clip: PoseClip) -> bool:
        """Pictures are not looked at."""
        return True

    def prepare(self, role: GivenResults, data: Survey) -> Path:
        """The folder, if it holds a file of any of the clips.

        Raises
        ------
        BadData : it holds none.
        """
        clips = _tested(data, self.splits)

        def holds(folder: Path) -> bool:
            return any(_files(folder, clip) for clip in clips)

        if not holds(role.folder):
            names = name_several([clip.id for clip in clips], 2)
            raise BadData(
                f"{role.folder} holds no file of joints named like a clip ({names})",
                "joints are expected as RESULTS/CLASS/CLIP.npy or RESULTS/CLIP.npy, or .json or .mat"
                f"{inside(role.folder, holds)}",
            )
        return role.folder

    def positions(
        self, role: Path, clips: Sequence[PoseClip], rng: Rng
    ) -> Iterator[tuple[PoseClip, np.ndarray, np.ndarray]]:
        """Clips with predicted and true joints `(2, 15, frames)`.

        Raises
        ------
        BadData : at the end; names every result file that is missing or cannot be scored.
        """
        faults = Faults(role)
        for clip in clips:
            place = role / clip.action / clip.id
            try:
                place = self.joints(role, clip)
                predicted = joints.read_predictions(place)
            except BadData as fault:
                faults.add(place, fault.what)
                continue
            truth = joints.read(clip.joints)
            short = truth.shape[2] - predicted.shape[2]
            if short > 0:
                faults.add(place, f"has {short} frame{'s' if short > 1 else ''} fewer than are annotated")
                continue
            yield clip, predicted, truth
        faults.refuse(f"give (2, {len(pck.JOINTS)}, frames) for every test clip, -1, -1 where a joint is lost")

    def joints(self, role: Path, clip: PoseClip) -> Path:
        """The file of a clip.

        Raises
        ------
        BadData : there is none, or more than one.
        """
        files = _files(role, clip)
        if len(files) != 1:
            several = name_several([str(file.relative_to(role)) for file in files])
            what = f"has several files ({several})" if files else f"has no file {', '.join(ENDINGS)}"
            raise BadData(f"{role / clip.action / clip.id} {what}", "give one file of joints for every clip")
        return files[0]


Recipe = GivenJoints | PosePropagation


class Jhmdb:
    """One unit an action."""

    id = "jhmdb"
    title = "JHMDB"
    dataset = "jhmdb"
    metrics = tuple(Metric(name) for name in NAMES)
    pictures = "joints"
    recipes = {
        "split1": GivenJoints(),
        "split2": GivenJoints(splits=(2,)),
        "split3": GivenJoints(splits=(3,)),
        "splits123": GivenJoints(splits=ALL_SPLITS),
        "split1-strict": GivenJoints(lost="wrong"),
        "split1-longest-side": GivenJoints(normaliser="longest side"),
        **RECIPES,
    }
    chance = None

    def units(self, data: Survey, recipe: Recipe) -> tuple[str, ...]:
        """The actions that have test clips, with pictures where these are looked at."""
        return tuple(sorted({clip.action for clip in _tested(data, recipe.splits) if recipe.usable(clip)}))

    def all_units(self, data: Survey, recipe: Recipe) -> tuple[str, ...]:
        """The actions that have test clips: clips that are not there are the label's matter."""
        return tuple(sorted({clip.action for clip in _tested(data, recipe.splits)}))

    def prepare(self, role: Any, data: Survey, recipe: Recipe) -> Path | PreparedJoints:
        """Where the joints of this run are, or what moves them.

        Raises
        ------
        BadData : a split of the recipe has no test clip, no such clip has pictures, or the folder has no file of one.
        """
        there = {split: len(_tested(data, (split,))) for split in ALL_SPLITS}
        lacking = [str(split) for split in recipe.splits if not there[split]]
        if lacking:
            others = [f"split {split} ({n})" for split, n in there.items() if n]
            raise BadData(
                f"{data.folder} has no test clip of split {' and '.join(lacking)}; "
                f"test clips at hand: {', '.join(others) or 'none'}",
                "name another split (--recipe split3), or get the clips (`unlabeled datasets where jhmdb`)",
            )
        if not self.units(data, recipe):
            raise BadData(
                f"{data.folder} has the pictures of no test clip, only joints",
                "get Rename_Images too (`unlabeled datasets where jhmdb`)",
            )
        return recipe.prepare(role, data)

    def memory(self, role: Any, data: Survey, recipe: PosePropagation) -> tuple[int, str]:
        """Bytes that the most demanding clip needs beside the method's network, and what they are for."""
        prepared = self.prepare(role, data, recipe)
        assert isinstance(prepared, PreparedJoints)
        return recipe.memory(prepared, [clip for clip in _tested(data, recipe.splits) if recipe.usable(clip)])

    def run_unit(self, unit: str, data: Survey, role: Any, recipe: Recipe, rng: Rng, keep: str) -> Outcome:
        """Right and counted pairs of the test clips of one action.

        Raises
        ------
        BadData : names every result file that is missing or cannot be scored, or the clip whose frames cannot be used.
        """
        clips = [clip for clip in _tested(data, recipe.splits) if clip.action == unit and recipe.usable(clip)]
        items = []
        for clip, predicted, truth in recipe.positions(role, clips, rng):
            items.append(_item(clip, predicted, truth, recipe))
            if keep == "predictions" and isinstance(recipe, PosePropagation):
                items[-1]["joints"] = predicted.tolist()
        values: dict[str, Any] = dict(zip(NAMES, _means(_by_split(items, recipe)), strict=True))
        if isinstance(recipe, PosePropagation):
            values |= {"notes": recipe.notes(role.moved_by), "adapters": recipe.adapters(role)}
        return Outcome(len(items), values, tuple(items))

    def aggregate(self, outcomes: Mapping[str, Outcome], data: Survey, recipe: Recipe) -> Scores:
        """PCK over all clips; intervals from bootstraps over whole clips.

        Raises
        ------
        BadData : no pair of a joint and a frame counts.
        """
        items = [item for outcome in outcomes.values() for item in outcome.items]
        splits = _by_split(items, recipe)
        means = _means(splits)
        metrics = {}
        for k, (name, mean) in enumerate(zip(NAMES, means, strict=True)):
            if mean is None:
                raise BadData(
                    "every joint of every clip is lost in all frames after the first: nothing can be scored",
                    "check the sign of the coordinates: a joint with x < 0 counts as lost",
                )
            hits = [_columns(item, item["hits"][k], recipe) for item in items]
            metrics[name] = Score(mean, len(items), *interval(hits, [item["counts"] for item in items], "clips"))
        strict = dict(zip(NAMES, _means(_by_split(items, recipe, strict=True)), strict=True))
        lost = _lost(splits)
        breakdown: dict[str, Any] = {
            "lost": lost,
            "pck_strict": strict,
            "splits": {f"split {k}": dict(zip(NAMES, part.mean, strict=True)) for k, part in splits.items()},
            "joints": {joint: _of_joint(splits, j) for j, joint in enumerate(pck.JOINTS)},
            "actions": {
                unit: {"clips": outcome.n, **{name: outcome.values[name] for name in NAMES}}
                for unit, outcome in outcomes.items()
            },
        }
        told: dict[str, list[str]] = {
            name: list(dict.fromkeys(text for outcome in outcomes.values() for text in outcome.values.get(name, ())))
            for name in ("notes", "adapters")
        }
        if isinstance(recipe, PosePropagation):
            breakdown["adapters"] = told["adapters"]
        partial = (*_short(data, recipe), *_without_pictures(data, recipe), *_without_value(splits))
        return Scores(metrics, breakdown, (*_notes(items, lost, strict, recipe), *told["notes"]), partial)


# ---------------------------------------------------------------- clips


def _tested(data: Survey, splits: Iterable[int]) -> list[PoseClip]:
    """Test clips of any of the splits."""
    wanted = tuple(splits)
    return [clip for clip in data.items if any(clip.sides[split - 1] == "test" for split in wanted)]


def _short(data: Survey, recipe: Recipe) -> tuple[str, ...]:
    """Splits that are not whole in official data: these are official by the test clips of split 1 alone."""
    if data.label.kinds != ("official",):
        return ()
    cells = {split: f"split {split} test" for split in recipe.splits}
    return tuple(
        f"split {split}: {data.found[cell]} of {data.expected[cell]} test clips"
        for split, cell in cells.items()
        if data.found[cell] < data.expected[cell]
    )


def _without_pictures(data: Survey, recipe: Recipe) -> tuple[str, ...]:
    clips = _tested(data, recipe.splits)
    lacking = [clip.id for clip in clips if not recipe.usable(clip)]
    told = f"{len(lacking)} of {len(clips)} test clips have no pictures: {name_several(lacking, 3)}"
    return (told,) if lacking else ()


def _files(folder: Path, clip: PoseClip) -> list[Path]:
    """Files of a clip, in the folder of its action or in none; its name may hold dots and brackets."""
    places = (folder / clip.action, folder)
    return [file for place in places for ending in ENDINGS if (file := place / f"{clip.id}{ending}").is_file()]


def _item(clip: PoseClip, predicted: np.ndarray, truth: np.ndarray, recipe: Recipe) -> dict[str, Any]:
    """What a clip adds to the sums, as the record holds it.

    `hits` (thresholds x joints), `pairs` and `lost` (joints) as `pck.Counts`, `strict` the hits with lost joints wrong;
    `beyond` the frames of the result that are not annotated;
    `sums` and `counts` are the hits at the first threshold and the pairs, 15 columns for each split of the recipe.
    """
    counts = pck.clip_counts(predicted, truth, pck.THRESHOLDS, recipe.normaliser, recipe.lost)
    strict = pck.clip_counts(predicted, truth, pck.THRESHOLDS, recipe.normaliser, "wrong")
    item = {
        "id": clip.id,
        "splits": [split for split in recipe.splits if clip.sides[split - 1] == "test"],
        "hits": counts.right.tolist(),
        "pairs": counts.pairs.tolist(),
        "lost": counts.lost.tolist(),
        "strict": strict.right.tolist(),
        "frames": counts.frames,
        "beyond": predicted.shape[2] - truth.shape[2],
    }
    columns = {"sums": _columns(item, item["hits"][0], recipe), "counts": _columns(item, item["pairs"], recipe)}
    return {**item, **columns}


def _columns(item: Mapping[str, Any], values: Sequence[int], recipe: Recipe) -> list[int]:
    """Values of the joints beside each other for each split of the recipe, 0 where the clip is not tested."""
    return [value if split in item["splits"] else 0 for split in recipe.splits for value in values]


# ---------------------------------------------------------------- sums


def _by_split(items: Iterable[Mapping[str, Any]], recipe: Recipe, strict: bool = False) -> dict[int, pck.Pck]:
    """PCK over the items of each split that has any."""
    parts: dict[int, list[pck.Counts]] = {split: [] for split in recipe.splits}
    for item in items:
        pairs = [item["frames"]] * len(pck.JOINTS) if strict else item["pairs"]
        hits = item["strict"] if strict else item["hits"]
        counts = pck.Counts(np.array(hits), np.array(pairs), np.array(item["lost"]), item["frames"])
        for split in item["splits"]:
            parts[split].append(counts)
    return {split: pck.pck(clips) for split, clips in parts.items() if clips}


def _mean(shares: Iterable[float | None]) -> float | None:
    there = [share for share in shares if share is not None]
    return float(np.mean(there)) if there else None


def _means(splits: Mapping[int, pck.Pck]) -> list[float | None]:
    """PCK at each threshold, the mean over the joints of all splits that have a share.

    That is the plain mean of the splits' PCK, but where a joint has no share in one of them: there it stays the
    number that resampled `sums` and `counts` give.
    """
    return [_mean(share for part in splits.values() for share in part.per_joint[k]) for k in range(len(NAMES))]


def _lost(splits: Mapping[int, pck.Pck]) -> float | None:
    return _mean(part.lost for part in splits.values())


def _of_joint(splits: Mapping[int, pck.Pck], joint: int) -> dict[str, float | None]:
    return {name: _mean(part.per_joint[k][joint] for part in splits.values()) for k, name in enumerate(NAMES)}


def _without_value(splits: Mapping[int, pck.Pck]) -> tuple[str, ...]:
    """Joints that the mean leaves out."""
    told = []
    for split, part in splits.items():
        names = [joint for joint, share in zip(pck.JOINTS, part.per_joint[0], strict=True) if share is None]
        if names:
            told.append(f"split {split}: {name_several(names, 15)} lost in every scored frame, left out of the mean")
    return tuple(told)


def _notes(
    items: Iterable[Mapping[str, Any]],
    lost: float | None,
    strict: Mapping[str, float | None],
    recipe: Recipe,
) -> tuple[str, ...]:
    """What a reader of the number must know besides."""
    notes = []
    if lost and recipe.lost == "leave out":
        values = ", ".join(f"{name} {100 * value:.1f}" for name, value in strict.items() if value is not None)
        notes.append(f"{100 * lost:.1f} % of all pairs have a lost joint and are left out; with them wrong: {values}")
    elif lost:
        notes.append(f"{100 * lost:.1f} % of all pairs have a lost joint and are wrong")
    beyond = [item["id"] for item in items if item["beyond"]]
    if beyond:
        told = f"{len(beyond)} results hold more frames than are annotated, the first ones are scored"
        notes.append(f"{told}: {name_several(beyond, 3)}")
    single = [item["id"] for item in items if not item["frames"]]
    if single:
        notes.append(f"{len(single)} clips of one frame give no pairs: {name_several(single, 3)}")
    return tuple(notes)


BENCHMARK = Jhmdb()
