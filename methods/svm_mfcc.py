"""Linear SVM on 26 numbers a clip: means and deviations of 12 MFCCs and of the zero-crossing rate.

One vector describes the whole clip, however its sounds follow each other; a linear support vector machine
for each pair of classes votes on it. The classical baseline that every learned sound feature has to beat.

Cite: piczak2015esc (K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from unlabeled.contracts import Items, Method
from unlabeled.streams import Rng
from unlabeled.training.signals.esc_baseline import RememberedStatistics

# ---------------------------------------------------------------- constants


@dataclass(frozen=True)
class Preset:
    """The published row: `C` was found by matching the stored results of the paper's program.

    `standardise` scales each number by the training fold first: another recipe, which the paper did not use
    (71.5 instead of 67.5 % on ESC-10).
    """

    C: float = 0.1
    kernel: Literal["linear", "poly", "rbf", "sigmoid"] = "linear"
    standardise: bool = False


# ---------------------------------------------------------------- classifier


class SvmClassifier:
    """Role classifier. Nothing is drawn at random."""

    def __init__(self, preset: Preset) -> None:
        self.statistics = RememberedStatistics()
        scaler = StandardScaler() if preset.standardise else FunctionTransformer()
        machine = SVC(C=preset.C, kernel=preset.kernel, decision_function_shape="ovo")
        self.model = make_pipeline(scaler, machine)

    def fit(self, items: Items, labels: np.ndarray, rng: Rng) -> None:
        """Learn from items and integer labels `(N,)` of at least two classes."""
        self.model.fit(self.statistics.of(items), labels)

    def scores(self, items: Items) -> np.ndarray:
        """Votes of the one-vs-one machines `(N, classes)`; a class that was never seen gets none."""
        decisions = self.model.decision_function(self.statistics.of(items))
        classes = self.model.classes_
        return pairwise_votes(decisions, classes)


def pairwise_votes(decisions: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """One vote a pair, counted as libsvm does: argmax, the lowest class among equals, is its prediction.

    `decisions` `(N, pairs)` with pairs in the order 0-1, 0-2, ..., 1-2, ...: positive votes for the first.
    For two classes scikit-learn gives `(N,)` with the sign turned.
    """
    if len(classes) == 2:
        decisions = -decisions[:, None]
    votes = np.zeros((len(decisions), int(classes[-1]) + 1))
    for column, (first, second) in zip(decisions.T, combinations(classes, 2), strict=True):
        votes[:, first] += column > 0
        votes[:, second] += column <= 0
    return votes


# ---------------------------------------------------------------- method


class SvmMfcc(Method):
    """SVM-MFCC."""

    id = "svm_mfcc"
    cite = "piczak2015esc"
    roles = frozenset({"classifier"})
    home = ("esc50", "esc10")
    supervision = "labels"
    presets = {"paper": Preset(), "small": Preset(), "mini": Preset(), "nano": Preset()}

    def adapt(self, net: None, preset: Preset) -> SvmClassifier:
        """A classifier that has seen nothing yet."""
        return SvmClassifier(preset)


METHOD = SvmMfcc()
