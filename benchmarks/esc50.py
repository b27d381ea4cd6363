"""ESC-50: environmental sound classification, mean accuracy of the five official folds.

Test on fold f, train on the other four; the number is the mean of the five fold accuracies.
Source: K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unlabeled.benchmarks.metrics import accuracy
from unlabeled.benchmarks.probes.sound import SecondWindows, StepWindows, WholeClip
from unlabeled.contracts import Metric, Outcome, Score, Scores, SoundItem, Survey
from unlabeled.errors import BadData
from unlabeled.intervals import wilson
from unlabeled.streams import Rng


class Esc:
    """The protocol that ESC-50 and ESC-10 share."""

    metrics = (Metric("accuracy"),)
    recipes = {
        "piczak2015": WholeClip(),
        "soundnet-svm": StepWindows(sound_s=10.0, window_s=1.0),
        "l3-svm": SecondWindows(seconds=5.0, windows=10),
    }
    folds = (1, 2, 3, 4, 5)

    def __init__(self, id: str, title: str) -> None:
        self.id, self.title, self.dataset = id, title, id

    def all_units(self, data: Survey) -> tuple[str, ...]:
        """The five official folds."""
        return tuple(f"fold {fold}" for fold in self.folds)

    def units(self, data: Survey) -> tuple[str, ...]:
        """The folds that hold clips; all five where there are no files at all (chance)."""
        present = {item.fold for item in data.items} or set(self.folds)
        return tuple(f"fold {fold}" for fold in self.folds if fold in present)

    def prepare(self, role: Any, data: Survey, recipe: Any) -> Any:
        """The role, or its features remembered by clip."""
        return recipe.prepare(role)

    def run_unit(self, unit: str, data: Survey, role: Any, recipe: Any, rng: Rng, keep: str) -> Outcome:
        """Train on the other folds, test on this one."""
        fold = int(unit.removeprefix("fold "))
        train = [item for item in data.items if item.fold != fold]
        test = [item for item in data.items if item.fold == fold]
        if len({item.target for item in train}) < 2:
            raise BadData(f"{data.folder}: {unit} leaves fewer than two classes to train on")
        return self._outcome(test, recipe.scores(role, train, test, data, rng), len(data.classes), keep)

    def _outcome(self, test: list[SoundItem], scores: np.ndarray, classes: int, keep: str) -> Outcome:
        if scores.shape != (len(test), classes):
            raise BadData(f"the method gave scores of shape {scores.shape}, not {(len(test), classes)}")
        if not np.isfinite(scores).all():
            bad = [item.id for item, row in zip(test, scores, strict=True) if not np.isfinite(row).all()]
            raise BadData(f"the method gave scores that are no numbers for {', '.join(bad[:5])}")
        predicted = scores.argmax(axis=1)
        truth = np.array([item.target for item in test])
        items = []
        for item, guess, row in zip(test, predicted, scores, strict=True):
            right = bool(guess == item.target)
            outcome = {"id": item.id, "truth": item.target, "predicted": int(guess), "right": right}
            items.append({**outcome, "scores": [float(x) for x in row]} if keep == "predictions" else outcome)
        values = {
            "correct": int((predicted == truth).sum()),
            "accuracy": accuracy.accuracy(truth, predicted),
            "confusion": accuracy.confusion(truth, predicted, classes).tolist(),
        }
        return Outcome(len(test), values, tuple(items))

    def chance(self, unit: str, data: Survey) -> Outcome:
        """One in as many as there are classes."""
        fold = int(unit.removeprefix("fold "))
        official = data.found["clips"] // len(self.folds)
        n = sum(item.fold == fold for item in data.items) if data.items else official
        return Outcome(n, {"accuracy": 1 / len(data.classes)})

    def aggregate(self, outcomes: Mapping[str, Outcome], data: Survey) -> Scores:
        """Mean of the fold accuracies, population deviation over folds, Wilson interval on the pooled clips."""
        folds = np.array([outcome.values["accuracy"] for outcome in outcomes.values()])
        n = sum(outcome.n for outcome in outcomes.values())
        mean, spread = float(folds.mean()), float(folds.std())
        if any("correct" not in outcome.values for outcome in outcomes.values()):
            return Scores({"accuracy": Score(mean, n, spread=spread)}, {"classes": list(data.classes)})
        right = sum(outcome.values["correct"] for outcome in outcomes.values())
        table = np.sum([outcome.values["confusion"] for outcome in outcomes.values()], axis=0)
        breakdown = {
            "classes": list(data.classes),
            "per_class_recall": accuracy.per_class_recall(table),
            "confusion": table.tolist(),
        }
        score = Score(mean, n, wilson(right, n), "Wilson 95 %, pooled clips", spread)
        return Scores({"accuracy": score}, breakdown)


BENCHMARK = Esc("esc50", "ESC-50")
