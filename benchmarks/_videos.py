"""What protocols on labelled videos share: splits to outcomes, outcomes to accuracy.

A probe turns the videos of both sides into class scores, one array for each way in which it reads them; the first is
the number. Classes that differ in nothing but the direction of time are compared within their pair as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unlabeled.benchmarks.metrics import accuracy
from unlabeled.benchmarks.probes.frames import Answer
from unlabeled.contracts import Metric, Outcome, Score, Scores, Survey, VideoItem
from unlabeled.errors import BadData, name_several
from unlabeled.intervals import wilson
from unlabeled.streams import Rng
from unlabeled.training import facts

SIDES = ("train", "test")
PAIRS = (
    ("GrowSlow", "GrowFast"),
    ("RiseSlow", "RiseFast"),
    ("GlowSlow", "GlowFast"),
    ("EmitOut", "EmitIn"),
    ("CountUp", "CountDown"),
    ("FadeInSlow", "FadeInFast"),
    ("FlattenSlow", "FlattenFast"),
    ("PartSlow", "PartFast"),
    ("DawnSlow", "DawnFast"),
    ("WidenSlow", "WidenFast"),
)
"""Classes of the generated sets of which one is the other played backwards: only order tells them apart."""
_KEYS = tuple((a.casefold(), b.casefold()) for a, b in PAIRS)
INTERVALS = "clips of one group are cut from one recording; the interval takes all clips for independent"


@dataclass(frozen=True)
class Prepared:
    """What all units of a run share: the probe's view of the method, and what is wrong with videos that break."""

    role: Any
    faults: Mapping[str, str]

    def readable(self, unit: str, data: Survey) -> tuple[list[VideoItem], list[VideoItem]]:
        """Training and test videos of a split that can be decoded."""
        train, test = ([item for item in side if item.id not in self.faults] for side in sides_of(unit, data.items))
        return train, test

    def unreadable(self, unit: str, data: Survey) -> dict[str, str]:
        """What is wrong with the others."""
        everyone = [item for side in sides_of(unit, data.items) for item in side]
        return {item.id: self.faults[item.id] for item in everyone if item.id in self.faults}


class VideoSplits:
    """Splits that name the side of each video; one unit a split."""

    pictures = ""

    def __init__(self, id: str, title: str, dataset: str, recipes: Mapping[str, Any]) -> None:
        self.id, self.title, self.dataset, self.recipes = id, title, dataset, recipes

    def all_units(self, data: Survey, recipe: Any) -> tuple[str, ...]:
        """The splits that the recipe names."""
        return tuple(f"split {split}" for split in recipe.splits)

    def units(self, data: Survey, recipe: Any) -> tuple[str, ...]:
        """Those with videos on both sides; all of them where there are no files at all (chance)."""
        every = self.all_units(data, recipe)
        return tuple(unit for unit in every if all(sides_of(unit, data.items))) if data.items else every

    def prepare(self, role: Any, data: Survey, recipe: Any) -> Prepared:
        """The method as the probe reads it, after every video was decoded once, or given features were looked at."""
        sides = {side for unit in self.units(data, recipe) for part in sides_of(unit, data.items) for side in part}
        videos = sorted(sides, key=lambda item: item.id)
        if hasattr(recipe, "features"):
            return Prepared(recipe.prepare(role, videos), {})
        lengths, faults = _decoded(videos)
        return Prepared(recipe.prepare(role, lengths), faults)


class VideoClassification(VideoSplits):
    """A class for every video.

    A pair of `PAIRS` counts where the class list holds both, compared with each other alone: chance is one half.
    """

    metrics = (
        Metric("accuracy"),
        Metric("within_pair"),
        Metric("accuracy_108"),
        Metric("within_pair_108"),
        Metric("accuracy_linear"),
    )
    pictures = "confusion"

    def __init__(self, id: str, title: str, recipes: Mapping[str, Any]) -> None:
        super().__init__(id, title, id, recipes)

    def run_unit(self, unit: str, data: Survey, role: Prepared, recipe: Any, rng: Rng, keep: str) -> Outcome:
        """Train on one side of a split, score the other; videos that cannot be decoded are left out and told."""
        train, test = role.readable(unit, data)
        if len({item.target for item in train}) < 2:
            raise BadData(f"{data.folder}: {unit} leaves fewer than two classes to train on")
        if not test:
            raise BadData(f"{data.folder}: {unit} leaves no video to test that can be decoded")
        answers = recipe.answers(role.role, train, test, len(data.classes), rng)
        truth, scores = np.array([item.target for item in test]), answers[""].scores
        pairs = _pairs(data, {item.target for item in train})
        values = {
            "correct": int((scores.argmax(axis=1) == truth).sum()),
            "accuracy": accuracy.accuracy(truth, scores.argmax(axis=1)),
            "confusion": accuracy.confusion(truth, scores.argmax(axis=1), len(data.classes)).tolist(),
            "probes": {name: _tally(answer, truth, pairs) for name, answer in answers.items()},
            "unreadable": role.unreadable(unit, data),
            "notes": [note for answer in answers.values() for note in answer.notes],
        }
        return Outcome(len(test), values, tuple(_items(test, scores, keep)))

    def chance(self, unit: str, data: Survey, recipe: Any) -> Outcome:
        """One in as many as there are classes, one in two within a pair."""
        n = len(sides_of(unit, data.items)[1]) if data.items else data.found[f"{unit} test"]
        values = {"accuracy": 1 / len(data.classes)}
        return Outcome(n, values | {"within_pair": 0.5} if _pairs(data) else values)

    def aggregate(self, outcomes: Mapping[str, Outcome], data: Survey, recipe: Any) -> Scores:
        """Means over splits of every probe's numbers, population deviation, Wilson intervals on the pooled videos."""
        if any("correct" not in outcome.values for outcome in outcomes.values()):
            names = list(next(iter(outcomes.values())).values)
            n = sum(outcome.n for outcome in outcomes.values())
            chance = {name: float(np.mean([o.values[name] for o in outcomes.values()])) for name in names}
            return Scores({name: Score(value, n) for name, value in chance.items()}, {"classes": list(data.classes)})
        metrics: dict[str, Score] = {}
        for name in next(iter(outcomes.values())).values["probes"]:
            tallies = [outcome.values["probes"][name] for outcome in outcomes.values()]
            ending = f"_{name}" if name else ""
            metrics[f"accuracy{ending}"] = _score([[tally["correct"], tally["n"]] for tally in tallies])
            pairs = [np.sum(list(tally["pairs"].values()), axis=0).tolist() for tally in tallies if tally["pairs"]]
            if len(pairs) == len(tallies):
                metrics[f"within_pair{ending}"] = _score(pairs)
        shown = {metric.name: metrics[metric.name] for metric in self.metrics if metric.name in metrics}
        notes = (INTERVALS, *without_training(outcomes, data), *remarks(outcomes))
        return Scores(shown, _breakdown(outcomes, data), notes, partial_videos(outcomes, data))


# ---------------------------------------------------------------- pairs


def _pairs(data: Survey, trained: set[int] | None = None) -> dict[str, tuple[int, int]]:
    """Class numbers of the pairs that the class list holds; where trained classes are given, of those alone.

    Sets spell the same class in their own ways: `GrowSlow`, `grow_slow`.
    """
    number = {name.replace("_", "").casefold(): k for k, name in enumerate(data.classes)}
    known = [(number[a], number[b]) for a, b in _KEYS if a in number and b in number]
    return {
        f"{data.classes[a]}/{data.classes[b]}": (a, b)
        for a, b in known
        if trained is None or trained.issuperset((a, b))
    }


# ---------------------------------------------------------------- a unit


def sides_of(unit: str, items: Iterable[VideoItem]) -> tuple[list[VideoItem], list[VideoItem]]:
    """Training and test videos of a split."""
    place = int(unit.removeprefix("split ")) - 1
    known = [item for item in items if len(item.sides) > place]
    train, test = ([item for item in known if item.sides[place] == side] for side in SIDES)
    return train, test


def _decoded(items: Iterable[VideoItem]) -> tuple[dict[str, int], dict[str, str]]:
    """Frames of each video, and what is wrong with those that cannot be decoded to their end."""
    lengths, faults = {}, {}
    for item in items:
        try:
            shapes = [frame.shape for frame in facts.all_frames(item.path)]
        except BadData as fault:
            faults[item.id] = fault.what.replace(str(item.path), item.path.name)
            continue
        lengths[item.id] = len(shapes)
        if len(set(shapes)) > 1:
            faults[item.id] = "frames of several sizes"
    return lengths, faults


def _tally(answer: Answer, truth: np.ndarray, pairs: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """Counts of one probe; of each pair the right ones and all, when only its two classes are compared."""
    scores, n = answer.scores, len(truth)
    if scores.shape[0] != n or not np.isfinite(scores).all():
        raise BadData(f"the probe gave scores of shape {scores.shape} for {n} videos, or some that are no numbers")
    within = {}
    for name, pair in pairs.items():
        rows = np.isin(truth, pair)
        if rows.any():
            chosen = np.array(sorted(pair))[scores[rows][:, sorted(pair)].argmax(axis=1)]
            within[name] = [int((chosen == truth[rows]).sum()), int(rows.sum())]
    correct = int((scores.argmax(axis=1) == truth).sum())
    return {"labels": answer.labels, "correct": correct, "n": n, "pairs": within}


def _items(test: Sequence[VideoItem], scores: np.ndarray, keep: str) -> Iterable[dict[str, Any]]:
    for item, guess, row in zip(test, scores.argmax(axis=1).tolist(), scores, strict=True):
        right = guess == item.target
        told = {"id": item.id, "truth": item.target, "predicted": guess, "right": right, "group": item.group}
        yield {**told, "scores": row.tolist()} if keep == "predictions" else told


# ---------------------------------------------------------------- all units


def _score(counts: Sequence[Sequence[int]]) -> Score:
    """Right answers and all of each split: the mean of the shares."""
    right, n = zip(*counts, strict=True)
    found = accuracy.fold_mean(right, n)
    return Score(found.mean, sum(n), wilson(sum(right), sum(n)), "Wilson 95 %, pooled clips", found.std)


def _breakdown(outcomes: Mapping[str, Outcome], data: Survey) -> dict[str, Any]:
    table = np.sum([outcome.values["confusion"] for outcome in outcomes.values()], axis=0)
    probes: dict[str, Any] = {}
    for name in next(iter(outcomes.values())).values["probes"]:
        tallies = [outcome.values["probes"][name] for outcome in outcomes.values()]
        pairs: Counter[str] = Counter()
        every: Counter[str] = Counter()
        for tally in tallies:
            pairs.update({pair: right for pair, (right, _) in tally["pairs"].items()})
            every.update({pair: n for pair, (_, n) in tally["pairs"].items()})
        probes[name or "main"] = {
            "labels": [tally["labels"] for tally in tallies],
            "accuracy": _score([[tally["correct"], tally["n"]] for tally in tallies]).value,
            "pairs": {pair: pairs[pair] / n for pair, n in every.items()},
        }
    splits = {
        unit: {
            side: {"classes": len({item.target for item in part}), "clips": len(part)}
            for side, part in zip(SIDES, _kept(unit, outcomes, data), strict=True)
        }
        for unit in outcomes
    }
    return {
        "classes": list(data.classes),
        "per_class_recall": accuracy.per_class_recall(table),
        "confusion": table.tolist(),
        "probes": probes,
        "splits": splits,
    }


def _kept(unit: str, outcomes: Mapping[str, Outcome], data: Survey) -> list[list[VideoItem]]:
    """Both sides of a split without the videos that could not be decoded."""
    broken = outcomes[unit].values["unreadable"]
    return [[item for item in side if item.id not in broken] for side in sides_of(unit, data.items)]


def without_training(outcomes: Mapping[str, Outcome], data: Survey) -> Iterable[str]:
    for unit in outcomes:
        train, test = _kept(unit, outcomes, data)
        seen = {item.target for item in train}
        strange = [item.target for item in test if item.target not in seen]
        if strange:
            names = name_several([data.classes[target] for target in sorted(set(strange))], 4)
            count = f"{len(strange)} of {len(test)} test clips"
            yield f"{unit}: {count} count as wrong: no training clip is of their class ({names})"


def remarks(outcomes: Mapping[str, Outcome]) -> Iterable[str]:
    """What the probes said, each text once."""
    return dict.fromkeys(note for outcome in outcomes.values() for note in outcome.values["notes"])


def partial_videos(outcomes: Mapping[str, Outcome], data: Survey) -> tuple[str, ...]:
    """Videos that the number lacks: those that the reader could not open, and those that broke later."""
    broken = {item: what for outcome in outcomes.values() for item, what in outcome.values["unreadable"].items()}
    unopened = [problem.where for problem in data.problems if problem.kind == "unreadable video"]
    texts = [f"{item}: {what}" for item, what in broken.items()] + unopened
    return (f"{len(texts)} videos cannot be decoded and were left out: {name_several(texts, 3)}",) if texts else ()
