"""Rungs of a calibration that are no methods: features by hand, nothing at all, and the generator's own truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from unlabeled.benchmarks import davis2017 as masks_followed
from unlabeled.benchmarks import jhmdb as joints_followed
from unlabeled.benchmarks.probes.ordered import OrderedProbe
from unlabeled.benchmarks.propagation.joints import PreparedJoints
from unlabeled.benchmarks.propagation.labels import one_hot
from unlabeled.benchmarks.propagation.masks import PreparedMasks
from unlabeled.benchmarks.propagation.moving import Native
from unlabeled.contracts import Survey, VideoItem
from unlabeled.datasets import davis2017, hmdb51, jhmdb, ucf101
from unlabeled.datasets.decode import joints, masks, video
from unlabeled.datasets.world import hmdb51 as made_hmdb51
from unlabeled.datasets.world import ucf101 as made_ucf101
from unlabeled.datasets.world.actions import states
from unlabeled.streams import Rng

CELLS = (8, 10)
"""Rows and columns that a frame is averaged to."""

READERS: Mapping[str, Any] = {
    data.id: data for data in (ucf101.DATASET, hmdb51.DATASET, davis2017.DATASET, jhmdb.DATASET)
}
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


# ---------------------------------------------------------------- things followed

FOLLOWED: Mapping[str, tuple[Any, Any]] = {
    "davis2017": (masks_followed.BENCHMARK, PreparedMasks),
    "jhmdb": (joints_followed.BENCHMARK, PreparedJoints),
}
"""Benchmarks whose labels move, and what all clips of a run of theirs share."""


def nothing_followed(set_id: str, folder: Path, preset: str, seed: int) -> float:
    """The first metric where every pixel is background, every joint in the middle of the frame."""
    return _followed(set_id, folder, seed, _Nothing)


def all_followed(set_id: str, folder: Path, preset: str, seed: int) -> float:
    """The first metric of the true masks or joints: what the scoring leaves to reach."""
    return _followed(set_id, folder, seed, _True)


def _followed(set_id: str, folder: Path, seed: int, propagator: Callable[[Any], Any]) -> float:
    """Score what `propagator(clip)` gives, by the recipe and the scoring of the benchmark."""
    benchmark, prepared = FOLLOWED[set_id]
    data, recipe = READERS[set_id].survey(folder), benchmark.recipes["world"]
    outcomes = {}
    for item in data.items:
        # Alone: a propagator gets frames, and is not told whose they are.
        alone, role = replace(data, items=(item,)), prepared(Native(propagator(item)), (), ())
        for unit in benchmark.units(alone, recipe):
            outcomes[item.id] = benchmark.run_unit(unit, alone, role, recipe, Rng(seed), "none")
    scores = benchmark.aggregate(outcomes, data, recipe)
    return float(scores.metrics[benchmark.metrics[0].name].value)


class _Nothing:
    """Role propagator that looks at nothing; `item` is the clip."""

    def __init__(self, item: Any) -> None:
        self.item = item

    def propagate(self, frames: torch.Tensor, first: torch.Tensor) -> Iterator[torch.Tensor]:
        """Background alone."""
        background = torch.zeros_like(first)
        background[0] = 1.0
        return (background for _ in range(1, len(frames)))

    def move(self, frames: torch.Tensor, points: torch.Tensor) -> Iterator[torch.Tensor]:
        """The middle of the frame."""
        height, width = frames.shape[2:]
        middle = torch.tensor([(width - 1) / 2, (height - 1) / 2]).expand_as(points)
        return (middle for _ in range(1, len(frames)))


class _True(_Nothing):
    """Role propagator that reads the answers."""

    def propagate(self, frames: torch.Tensor, first: torch.Tensor) -> Iterator[torch.Tensor]:
        """The true masks."""
        return (one_hot(masks.read(file), self.item.objects) for file in self.item.masks[1:])

    def move(self, frames: torch.Tensor, points: torch.Tensor) -> Iterator[torch.Tensor]:
        """The true joints."""
        truth = torch.from_numpy(joints.read(self.item.joints)[..., : len(frames)]).float()
        return (places.T for places in truth.unbind(2)[1:])
