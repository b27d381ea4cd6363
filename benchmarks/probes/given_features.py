"""Features of frames that somebody made, in place of videos: a classifier learns from them with a head of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled.benchmarks.probes.frames import Answer, compact, placed
from unlabeled.contracts import FeatureClassifier, VideoItem
from unlabeled.errors import BadData, name_several
from unlabeled.streams import Rng


@dataclass(frozen=True)
class GivenFeatures:
    """The comparison of Srivastava et al. 2015, Table 1: one method on features of single frames (RGB, flow).

    features : the folder that a run is given: CLASS/VIDEO.npy for every video, named as the lists name it, float32
               `(frames, dim)`; None until then
    """

    features: Path | None = None
    splits: tuple[int, ...] = (1, 2, 3)
    role: str = "feature_classifier"
    cite: str = "srivastava2015unsupervised"
    point: str = ""
    sets: Mapping[str, Any] = field(default_factory=dict)
    unverified: tuple[str, ...] = ("splits", "network and layer of the features", "steps of the classifier")

    def prepare(self, role: FeatureClassifier, videos: Sequence[VideoItem]) -> FeatureClassifier:
        """The classifier itself, after the features of all videos were looked at.

        Raises
        ------
        BadData : files that are missing, torn, of another shape, or hold values that are no numbers; all in one.
        """
        items, wrong = FeatureItems(videos, self.features), defaultdict(list)
        for k, video in enumerate(videos):
            if fault := items.fault(k, role.features):
                wrong[fault].append(f"{video.id}.npy")
        if wrong:
            told = "\n  ".join(f"{len(names)} {fault}: {name_several(names)}" for fault, names in wrong.items())
            raise BadData(
                f"features of {sum(map(len, wrong.values()))} of {len(videos)} videos cannot be used:\n  {told}",
                f"each video needs CLASS/VIDEO.npy below --features: float32 (frames, {role.features})",
            )
        return role

    def answers(
        self, role: FeatureClassifier, train: Sequence[VideoItem], test: Sequence[VideoItem], classes: int, rng: Rng
    ) -> dict[str, Answer]:
        """Scores after learning from the features of all training videos."""
        seen, labels = compact(train)
        role.fit(FeatureItems(train, self.features), labels, rng.under("all"))
        scores = role.scores(FeatureItems(test, self.features))
        return {"": Answer(placed(scores, seen, classes), len(train))}


class FeatureItems:
    """Features of videos: item k is `(frames, dim)` float32, of which only what is asked for comes from the disk."""

    rate = 0

    def __init__(self, items: Sequence[VideoItem], folder: Path | None) -> None:
        assert folder is not None
        self.folder, self.ids = folder, [item.id for item in items]  # type: Path, Sequence[str]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> np.ndarray:
        array: np.ndarray = np.lib.format.open_memmap(self.folder / f"{self.ids[index]}.npy", mode="r")
        return array

    def fault(self, index: int, dim: int) -> str:
        """What is wrong with the features of a video that should have `dim` numbers a frame; empty where nothing is."""
        try:
            found = self[index]
        except FileNotFoundError:
            return "missing"
        except (OSError, ValueError, EOFError):
            return "no readable .npy file"
        if found.dtype != np.float32 or found.ndim != 2 or found.shape[1] != dim or not len(found):
            shape = ", ".join(["frames", *map(str, found.shape[1:])]) if found.ndim and len(found) else "no frame"
            return f"{found.dtype} ({shape}), not float32 (frames, {dim})"
        return "" if np.isfinite(found).all() else "with values that are no numbers"
