"""Joints moved through a clip: the recipes of JHMDB.

Adapter `keypoints`: a map for each joint, moved as soft labels, read where it is largest. A method that moves points
itself needs no maps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from unlabeled.benchmarks.metrics import pck
from unlabeled.benchmarks.propagation import poses
from unlabeled.benchmarks.propagation.encoders import TrainClip
from unlabeled.benchmarks.propagation.frames import Native as NativeSize
from unlabeled.benchmarks.propagation.moving import Engine, Native, moving
from unlabeled.benchmarks.propagation.recipes import (
    COLORIZATION,
    COLORIZATION_UNVERIFIED,
    CRW_POSE,
    SQUARE_256,
    SQUARE_320,
    TIMECYCLE_POSE,
    WORLD,
    Propagation,
)
from unlabeled.contracts import PoseClip, Survey
from unlabeled.datasets.decode import joints
from unlabeled.errors import BadData
from unlabeled.streams import Rng

POSE_CELLS = 40
"""Cells of the grid of released code along the width of a frame: how wide joints are drawn at native size."""
JOINT_SHARE = 1 / 20
"""Radius round a joint, as a share of the frame's height, that is given to methods that learn from joints."""


@dataclass(frozen=True)
class PosePropagation(Propagation):
    """Joints of the first frame moved on.

    sigma   : of the Gaussian that is drawn for a joint, in cells
    readout : cells of a joint's map whose mean is its place
    splits, normaliser, lost : as of given joints
    """

    sigma: float = 0.5
    readout: int = 3
    splits: tuple[int, ...] = (1,)
    normaliser: pck.Normaliser = "diagonal"
    lost: pck.Lost = "leave out"

    def usable(self, clip: PoseClip) -> bool:
        """Whether a clip has frames to look at."""
        return bool(clip.images)

    def prepare(self, role: Any, data: Survey) -> PreparedJoints:
        """What moves joints, and the clips that it may learn from: those that no split of the recipe tests."""
        moved_by = moving(role, self.matching, self.size, self.normalise, self.point)
        there = [clip for clip in data.items if clip.images]
        tested = [any(clip.sides[split - 1] == "test" for split in self.splits) for clip in there]
        train = [any(clip.sides[split - 1] == "train" for split in self.splits) for clip in there]
        return PreparedJoints(
            moved_by,
            [_clip(clip) for clip, a, b in zip(there, train, tested, strict=True) if a and not b],
            [_clip(clip) for clip, tests in zip(there, tested, strict=True) if tests],
        )

    def positions(
        self, role: PreparedJoints, clips: Sequence[PoseClip], rng: Rng
    ) -> Iterator[tuple[PoseClip, np.ndarray, np.ndarray]]:
        """Clips with moved and true joints `(2, 15, frames)` in pixels from 0; moved x is negative where one is lost.

        Raises
        ------
        BadData : a clip with frames of several sizes, features or places that are no numbers.
        """
        for clip in clips:
            truth = joints.read(clip.joints)
            try:
                yield clip, self._moved(role, clip, truth, rng), truth
            except BadData as fault:
                raise BadData(f"{clip.id}: {fault.what}", fault.todo) from fault

    def _moved(self, role: PreparedJoints, clip: PoseClip, truth: np.ndarray, rng: Rng) -> np.ndarray:
        role.moved_by.learn(role.train, role.scored, rng)
        first, images = truth[..., 0], clip.images[: truth.shape[2]]
        native = (clip.height, clip.width)
        if isinstance(role.moved_by, Native):
            moved = self._by_itself(role.moved_by, images, native, first)
        else:
            moved = self._by_maps(role.moved_by, images, native, first)
        return np.stack([first, *moved], axis=2)

    def _by_itself(
        self, moved_by: Native, images: Sequence[Any], native: tuple[int, int], first: np.ndarray
    ) -> Iterator[np.ndarray]:
        moved = moved_by.points(images, native, torch.from_numpy(first.T).float())
        if moved is not None:
            yield from (one.T.cpu().double().numpy() for one in moved)
            return
        maps = poses.draw(first, *native, self.sigma * native[1] / POSE_CELLS)
        for soft in moved_by.soft(images, native, poses.with_background(maps)):
            yield poses.read(soft[1:], self.readout)

    def _by_maps(
        self, moved_by: Engine, images: Sequence[Any], native: tuple[int, int], first: np.ndarray
    ) -> Iterator[np.ndarray]:
        def drawn(grid: tuple[int, int]) -> torch.Tensor:
            return poses.with_background(poses.draw(first * _cells_a_pixel(grid, native), *grid, self.sigma))

        for soft in moved_by.soft(images, native, drawn):
            # A joint that is lost stays at a negative place.
            yield poses.read(soft[1:], self.readout) / _cells_a_pixel(soft.shape[1:], native)

    def memory(self, role: PreparedJoints, clips: Sequence[PoseClip]) -> tuple[int, str]:
        """Bytes that the most demanding clip needs beside the method's network, and what for."""
        classes = len(pck.JOINTS) + 1
        return max(role.moved_by.memory((clip.height, clip.width), classes, len(clip.images)) for clip in clips)

    def adapters(self, role: PreparedJoints) -> list[str]:
        """By which adapters the method was used."""
        itself = role.moved_by
        if isinstance(itself, Native) and hasattr(itself.propagator, "move"):
            return []
        return [*itself.adapters, "keypoints"]


@dataclass(frozen=True)
class PreparedJoints:
    """What all clips of a run share."""

    moved_by: Engine | Native
    train: Sequence[TrainClip]
    scored: Sequence[TrainClip]


def _cells_a_pixel(grid: Sequence[int], native: tuple[int, int]) -> np.ndarray:
    """`(2, 1)`, x before y; no half-cell shift."""
    return np.array([[grid[1] / native[1]], [grid[0] / native[0]]])


def _clip(clip: PoseClip) -> TrainClip:
    return TrainClip(clip.id, clip.images, (clip.height, clip.width), partial(index_maps, clip))


def index_maps(clip: PoseClip) -> np.ndarray:
    """Index maps `(n, H, W)` uint8 of the joints of a clip: k + 1 near joint k, that of the nearest joint."""
    truth = joints.read(clip.joints)[..., : len(clip.images)]
    y, x = np.mgrid[: clip.height, : clip.width]
    maps = []
    for places in np.moveaxis(truth, 2, 0):
        squared = (x[..., None] - places[0]) ** 2 + (y[..., None] - places[1]) ** 2
        near = squared.min(axis=-1) <= (JOINT_SHARE * clip.height) ** 2
        maps.append(np.where(near, squared.argmin(axis=-1) + 1, 0).astype(np.uint8))
    return np.stack(maps)


COLORIZATION_POSE = PosePropagation(
    COLORIZATION,
    SQUARE_256,
    "none",
    cite="vondrick2018tracking",
    unverified_adapters=(*COLORIZATION_UNVERIFIED, "drawing and read-out of joints"),
)
RECIPES: Mapping[str, PosePropagation] = {
    # Twice as large: at the native size of the generated set a cell of stride 4 is as wide as the tolerance.
    "world": PosePropagation(WORLD, NativeSize(times=2), stride=0),
    "crw-pose": PosePropagation(CRW_POSE, SQUARE_320, cite="jabri2020walk"),
    "timecycle-pose": PosePropagation(TIMECYCLE_POSE, SQUARE_320, "relu, l2", readout=5, cite="wang2019cycle"),
    "colorization": COLORIZATION_POSE,
    # Published numbers are of split 1; these are for clips that only another split tests.
    "colorization-split2": replace(COLORIZATION_POSE, splits=(2,)),
    "colorization-split3": replace(COLORIZATION_POSE, splits=(3,)),
}
"""By name; the first is what a method gets that names none."""
