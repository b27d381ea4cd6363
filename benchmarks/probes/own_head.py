"""A classifier of clips as it is: it learns from training videos and scores test videos with a head of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unlabeled.benchmarks.probes.frames import Answer, ClipItems, compact, placed
from unlabeled.benchmarks.probes.ordered import first_groups
from unlabeled.contracts import Classifier, VideoItem
from unlabeled.streams import Rng


@dataclass(frozen=True)
class OwnHead:
    """Whole clips, read to cover the classifier's own `size`; what it makes of them is its own matter.

    few : it learns a second time, from the first groups of each class as in the ordered probe
    """

    splits: tuple[int, ...] = (1,)
    few: int = 108
    role: str = "video_classifier"
    cite: str = ""
    point: str = ""
    sets: Mapping[str, Any] = field(default_factory=lambda: {"role": "video_classifier"})
    unverified: tuple[str, ...] = ()

    def prepare(self, role: Classifier, lengths: Mapping[str, int]) -> Classifier:
        """The classifier itself."""
        return role

    def answers(
        self, role: Any, train: Sequence[VideoItem], test: Sequence[VideoItem], classes: int, rng: Rng
    ) -> dict[str, Answer]:
        """Scores after learning from all training videos, and from few where there are more."""
        shown, parts = ClipItems(test, role.size), {"": list(train)}
        few = first_groups(train, self.few)
        if len(few) < len(train):
            parts["108"] = few
        found = {}
        for name, part in parts.items():
            seen, labels = compact(part)
            role.fit(ClipItems(part, role.size), labels, rng.under(name or "all"))
            found[name] = Answer(placed(role.scores(shown), seen, classes), len(part))
        return found
