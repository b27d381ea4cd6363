"""DCASE 2013 scenes: acoustic scene classification, accuracy on the held-out test set.

Train on the development set, test on the test set: 100 recordings of 30 s each, 10 a scene. With the public
development set alone five folds are dealt, which no published number is about. Recording places are not given, so
a place may stand on both sides. Source: D. Stowell et al., Detection and Classification of Acoustic Scenes and
Events, IEEE Transactions on Multimedia 2015; splits as SoundNet's released `eval_dcase.lua` reads them.
"""

from __future__ import annotations

from typing import Any

from unlabeled.benchmarks._clips import ClipClassification
from unlabeled.benchmarks.probes.sound import SecondWindows, StepWindows
from unlabeled.contracts import SoundItem, Survey

TEST = "test set"
DEVELOPMENT_FOLD, TEST_FOLD = 1, 2


class Dcase2013(ClipClassification):
    """One unit, the test set; five folds where there is none."""

    recipes = {
        "soundnet-svm": StepWindows(sound_s=30.0, window_s=5.0),
        "l3-svm": SecondWindows(seconds=30.0, windows=60),
    }

    def units(self, data: Survey, recipe: Any) -> tuple[str, ...]:
        """The test set, or the folds of the public set."""
        folds = sorted({item.fold for item in data.items})
        whole = not folds or folds == [DEVELOPMENT_FOLD, TEST_FOLD]
        return (TEST,) if whole else tuple(f"fold {fold}" for fold in folds)

    def split(self, unit: str, data: Survey) -> tuple[list[SoundItem], list[SoundItem]]:
        """Development and test set, or the other folds and this one."""
        fold = TEST_FOLD if unit == TEST else int(unit.removeprefix("fold "))
        return [item for item in data.items if item.fold != fold], [item for item in data.items if item.fold == fold]


BENCHMARK = Dcase2013("dcase2013", "DCASE 2013 scenes")
