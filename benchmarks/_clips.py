"""What protocols that classify labelled clips share: units to outcomes, outcomes to accuracy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from unlabeled.benchmarks.metrics import accuracy
from unlabeled.contracts import Metric, Outcome, Score, Scores, SoundItem, Survey
from unlabeled.errors import BadData
from unlabeled.intervals import wilson
from unlabeled.streams import Rng


class ClipClassification(ABC):
    """A protocol says which units there are and how a unit splits the clips; the rest stands here."""

    metrics = (Metric("accuracy"),)
    pictures = "confusion"

    def __init__(self, id: str, title: str, dataset: str = "") -> None:
        self.id, self.title, self.dataset = id, title, dataset or id

    def view(self, data: Survey) -> Survey:
        """The clips as this protocol sees them: another survey where it merges or drops classes."""
        return data

    def all_units(self, data: Survey, recipe: Any) -> tuple[str, ...]:
        """The units of a complete run: those that the data allow, unless a protocol knows better."""
        return self.units(data, recipe)

    @abstractmethod
    def units(self, data: Survey, recipe: Any) -> tuple[str, ...]:
        """The units that these data allow."""

    @abstractmethod
    def split(self, unit: str, data: Survey) -> tuple[list[SoundItem], list[SoundItem]]:
        """Training and test clips of a unit."""

    def prepare(self, role: Any, data: Survey, recipe: Any) -> Any:
        """The role, or its features remembered by clip."""
        return recipe.prepare(role)

    def run_unit(self, unit: str, data: Survey, role: Any, recipe: Any, rng: Rng, keep: str) -> Outcome:
        """Train on one part of the clips, score the other."""
        data = self.view(data)
        train, test = self.split(unit, data)
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

    def chance(self, unit: str, data: Survey, recipe: Any) -> Outcome:
        """One in as many as there are classes."""
        data = self.view(data)
        without_files = data.layout == "none"
        n = data.found["clips"] // len(self.units(data, recipe)) if without_files else len(self.split(unit, data)[1])
        return Outcome(n, {"accuracy": 1 / len(data.classes)})

    def aggregate(self, outcomes: Mapping[str, Outcome], data: Survey, recipe: Any) -> Scores:
        """Mean of the units' accuracies, population deviation over units, Wilson interval on the pooled clips."""
        data = self.view(data)
        n = [outcome.n for outcome in outcomes.values()]
        if any("correct" not in outcome.values for outcome in outcomes.values()):
            units = np.array([outcome.values["accuracy"] for outcome in outcomes.values()])
            chance = Score(float(units.mean()), sum(n), spread=float(units.std()))
            return Scores({"accuracy": chance}, {"classes": list(data.classes)})
        right = [outcome.values["correct"] for outcome in outcomes.values()]
        found = accuracy.fold_mean(right, n)
        table = np.sum([outcome.values["confusion"] for outcome in outcomes.values()], axis=0)
        breakdown = {
            "classes": list(data.classes),
            "per_class_recall": accuracy.per_class_recall(table),
            "confusion": table.tolist(),
        }
        interval = wilson(sum(right), sum(n))
        score = Score(found.mean, sum(n), interval, "Wilson 95 %, pooled clips", found.std)
        return Scores({"accuracy": score}, breakdown)
