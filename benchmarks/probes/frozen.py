"""A linear probe of whole videos: the mean feature of a few frames, multinomial logistic regression."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from unlabeled.benchmarks.metrics import clips
from unlabeled.benchmarks.probes.frames import Answer, FrameFeatures, compact, placed
from unlabeled.contracts import ImageEncoder, VideoItem
from unlabeled.streams import Rng


@dataclass(frozen=True)
class FrozenProbe:
    """The mean over `views` frames at equal steps, standardised with training statistics; it cannot see order.

    C, iterations : weight of the likelihood against the L2 penalty, passes of L-BFGS at most
    """

    splits: tuple[int, ...] = (1, 2, 3)
    views: int = 25
    C: float = 1.0
    iterations: int = 1000
    role: str = "image"
    cite: str = ""
    point: str = ""
    sets: Mapping[str, Any] = field(default_factory=lambda: {"role": "image"})
    unverified: tuple[str, ...] = ()

    def prepare(self, role: ImageEncoder, lengths: Mapping[str, int]) -> FrameFeatures:
        """The encoder with features of these frames remembered by clip."""
        return FrameFeatures(role, self.point, lengths, partial(clips.spaced_frames, views=self.views))

    def answers(
        self, role: FrameFeatures, train: Sequence[VideoItem], test: Sequence[VideoItem], classes: int, rng: Rng
    ) -> dict[str, Answer]:
        """Scores of the probe."""
        seen, labels = compact(train)
        role.learn(train, labels, rng)
        rows, shown = (np.stack([clip.mean(axis=0) for clip in role.of(part)]) for part in (train, test))
        scaler = StandardScaler().fit(rows)
        machine = LogisticRegression(C=self.C, max_iter=self.iterations)
        with warnings.catch_warnings():
            # It answers with what it has after its last pass.
            warnings.simplefilter("ignore", ConvergenceWarning)
            machine.fit(scaler.transform(rows), labels)
        return {"": Answer(placed(machine.predict_proba(scaler.transform(shown)), seen, classes), len(train))}
