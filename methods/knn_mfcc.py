"""k nearest neighbours on 26 numbers a clip: means and deviations of 12 MFCCs and of the zero-crossing rate.

The features of `svm_mfcc`; the 8 training clips at the smallest Euclidean distance have one vote each. The
numbers are not scaled, so the first few coefficients, which are large, decide nearly alone.

Cite: piczak2015esc (K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from unlabeled.contracts import Items, Method
from unlabeled.errors import BadData
from unlabeled.streams import Rng
from unlabeled.training.signals.esc_baseline import RememberedStatistics

# ---------------------------------------------------------------- constants


@dataclass(frozen=True)
class Preset:
    """The published row: `k` was found by matching the stored results of the paper's program."""

    k: int = 8


# ---------------------------------------------------------------- classifier


class NeighbourClassifier:
    """Role classifier. Nothing is drawn at random."""

    def __init__(self, preset: Preset) -> None:
        self.statistics = RememberedStatistics()
        self.model = KNeighborsClassifier(n_neighbors=preset.k)

    def fit(self, items: Items, labels: np.ndarray, rng: Rng) -> None:
        """Keep the items and integer labels `(N,)`; N must be at least k."""
        if len(items) < self.model.n_neighbors:
            raise BadData(
                f"{len(items)} training clips have no {self.model.n_neighbors} nearest neighbours",
                "use more clips, or fewer neighbours (--set k=...)",
            )
        self.model.fit(self.statistics.of(items), labels)

    def scores(self, items: Items) -> np.ndarray:
        """Shares of the votes `(N, classes)`; a class that was never seen gets none."""
        shares = self.model.predict_proba(self.statistics.of(items))
        classes = self.model.classes_
        scores = np.zeros((len(shares), int(classes[-1]) + 1))
        scores[:, classes] = shares
        return scores


# ---------------------------------------------------------------- method


class KnnMfcc(Method):
    """k-NN on MFCC."""

    id = "knn_mfcc"
    cite = "piczak2015esc"
    roles = frozenset({"classifier"})
    home = ("esc50", "esc10")
    supervision = "labels"
    presets = {"paper": Preset(), "small": Preset(), "mini": Preset(), "nano": Preset()}

    def adapt(self, net: None, preset: Preset) -> NeighbourClassifier:
        """A classifier that has seen nothing yet."""
        return NeighbourClassifier(preset)


METHOD = KnnMfcc()
