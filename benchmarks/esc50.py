"""ESC-50: environmental sound classification, mean accuracy of the five official folds.

Test on fold f, train on the other four; the number is the mean of the five fold accuracies.
Source: K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015.
"""

from __future__ import annotations

from typing import Any

from unlabeled.benchmarks._clips import ClipClassification
from unlabeled.benchmarks.probes.sound import SecondWindows, StepWindows, WholeClip
from unlabeled.contracts import SoundItem, Survey

FOLDS = (1, 2, 3, 4, 5)


class Esc(ClipClassification):
    """The protocol that ESC-50 and ESC-10 share."""

    recipes = {
        "piczak2015": WholeClip(),
        "soundnet-svm": StepWindows(sound_s=10.0, window_s=1.0),
        "l3-svm": SecondWindows(seconds=5.0, windows=10),
    }

    def all_units(self, data: Survey, recipe: Any) -> tuple[str, ...]:
        """The five official folds."""
        return tuple(f"fold {fold}" for fold in FOLDS)

    def units(self, data: Survey, recipe: Any) -> tuple[str, ...]:
        """The folds that hold clips; all five where there are no files at all (chance)."""
        present = {item.fold for item in data.items} or set(FOLDS)
        return tuple(f"fold {fold}" for fold in FOLDS if fold in present)

    def split(self, unit: str, data: Survey) -> tuple[list[SoundItem], list[SoundItem]]:
        """The other folds, and this one."""
        fold = int(unit.removeprefix("fold "))
        return [item for item in data.items if item.fold != fold], [item for item in data.items if item.fold == fold]


BENCHMARK = Esc("esc50", "ESC-50")
