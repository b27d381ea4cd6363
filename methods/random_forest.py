"""Random forest on 26 numbers a clip: means and deviations of 12 MFCCs and of the zero-crossing rate.

The features of `svm_mfcc`; 500 decision trees, each grown on a bootstrap sample of the training clips,
average their class shares. Scale and outliers do not matter to a tree, which suits these raw numbers.

Cite: piczak2015esc (K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from unlabeled.contracts import Items, Method
from unlabeled.streams import Rng
from unlabeled.training.signals.esc_baseline import RememberedStatistics

# ---------------------------------------------------------------- constants


@dataclass(frozen=True)
class Preset:
    """The published row: exact only with the author's own seed, and with the clips in class order."""

    trees: int = 500
    random_state: int = 20150420


# ---------------------------------------------------------------- classifier


class ForestClassifier:
    """Role classifier. Its randomness is `random_state`, not the seed of the run."""

    def __init__(self, preset: Preset) -> None:
        self.statistics = RememberedStatistics()
        self.model = RandomForestClassifier(n_estimators=preset.trees, random_state=preset.random_state)

    def fit(self, items: Items, labels: np.ndarray, rng: Rng) -> None:
        """Learn from items and integer labels `(N,)`."""
        self.model.fit(self.statistics.of(items), labels)

    def scores(self, items: Items) -> np.ndarray:
        """Class shares averaged over trees `(N, classes)`; a class that was never seen gets none."""
        shares = self.model.predict_proba(self.statistics.of(items))
        classes = self.model.classes_
        scores = np.zeros((len(shares), int(classes[-1]) + 1))
        scores[:, classes] = shares
        return scores


# ---------------------------------------------------------------- method


class RandomForest(Method):
    """Random Forest."""

    id = "random_forest"
    cite = "piczak2015esc"
    roles = frozenset({"classifier"})
    home = ("esc50", "esc10")
    supervision = "labels"
    exact_with = {"scikit-learn": "1.9.1"}
    presets = {"paper": Preset(), "small": Preset(), "mini": Preset(), "nano": Preset(trees=20)}

    def adapt(self, net: None, preset: Preset) -> ForestClassifier:
        """A classifier that has seen nothing yet."""
        return ForestClassifier(preset)


METHOD = RandomForest()
