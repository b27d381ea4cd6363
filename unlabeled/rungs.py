"""Rungs of a calibration that are no methods: features by hand, and the generator's own truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from unlabeled.benchmarks.probes.ordered import OrderedProbe
from unlabeled.contracts import Survey, VideoItem
from unlabeled.datasets import hmdb51, ucf101
from unlabeled.datasets.decode import video
from unlabeled.datasets.world import hmdb51 as made_hmdb51
from unlabeled.datasets.world import ucf101 as made_ucf101
from unlabeled.datasets.world.actions import states
from unlabeled.streams import Rng

CELLS = (8, 10)
"""Rows and columns that a frame is averaged to."""

READERS: Mapping[str, Any] = {"ucf101": ucf101.DATASET, "hmdb51": hmdb51.DATASET}
MADE: Mapping[str, Any] = {"ucf101": made_ucf101, "hmdb51": made_hmdb51}


def thumbnails(set_id: str, folder: Path, preset: str, seed: int) -> float:
    """Accuracy on split 1 of the deviation over time and the mean of 10 x 8 thumbnails, RBF SVM (C = 2)."""
    data: Survey = READERS[set_id].survey(folder)
    train, test = _sides(data)
    rows, wanted = (np.stack([_thumbnail(item) for item in part]) for part in (train, test))
    machine = make_pipeline(StandardScaler(), SVC(C=2.0)).fit(rows, [item.target for item in train])
    return float((machine.predict(wanted) == [item.target for item in test]).mean())


def truth(set_id: str, folder: Path, preset: str, seed: int) -> float:
    """Accuracy on split 1 of the ordered probe on the state of the programme, which the generator knows."""
    data: Survey = READERS[set_id].survey(folder)
    train, test = _sides(data)
    clips = {Path(clip.name).stem: clip for clip in MADE[set_id].items(preset, seed)}
    shown = sorted({clip.action.programme.name for clip in clips.values()})
    known = {}
    for item in data.items:
        clip = clips[Path(item.id).stem]
        # The programme of every frame, and how far it has come: all there is to know but the direction of time.
        place, state = np.arange(len(shown)) == shown.index(clip.action.programme.name), states(clip.take)
        known[item.id] = np.column_stack([np.outer(state, place), np.tile(place, (len(state), 1))])
    role: Any = _Truth(known)
    answers = OrderedProbe().answers(role, train, test, len(data.classes), Rng(seed))
    return float((answers[""].scores.argmax(axis=1) == [item.target for item in test]).mean())


class _Truth:
    """Stands where the probe has an encoder."""

    def __init__(self, known: Mapping[str, np.ndarray]) -> None:
        self.known = known

    def learn(self, train: Sequence[VideoItem], labels: np.ndarray, rng: Rng) -> None:
        """Nothing is learned: everything is known."""

    def of(self, items: Sequence[VideoItem]) -> list[np.ndarray]:
        """The truth of each clip, `(frames, dim)`."""
        return [self.known[item.id].astype(np.float32) for item in items]


def _sides(data: Survey) -> tuple[list[VideoItem], list[VideoItem]]:
    train = [item for item in data.items if item.sides[0] == "train"]
    return train, [item for item in data.items if item.sides[0] == "test"]


def _thumbnail(item: VideoItem) -> np.ndarray:
    small = video.read_frames(item.path, size=CELLS).astype(np.float32)
    return np.concatenate([small.std(axis=0).ravel(), small.mean(axis=0).ravel()])
