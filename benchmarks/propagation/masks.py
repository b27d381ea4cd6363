"""Object masks moved through a clip: the recipes of DAVIS."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from unlabeled.benchmarks.metrics.davis import VOID
from unlabeled.benchmarks.propagation.encoders import TrainClip
from unlabeled.benchmarks.propagation.frames import ShortSide
from unlabeled.benchmarks.propagation.labels import Bilinear, Downsized, Reading, Square, one_hot
from unlabeled.benchmarks.propagation.moving import Engine, Native, moving
from unlabeled.benchmarks.propagation.recipes import (
    COLORIZATION,
    COLORIZATION_UNVERIFIED,
    CRW,
    DINO,
    SQUARE_256,
    SQUARE_320,
    TIMECYCLE,
    WORLD,
    Propagation,
)
from unlabeled.contracts import MaskSequence, Survey
from unlabeled.datasets.decode import masks
from unlabeled.streams import Rng

TRAIN = "2017 train"


@dataclass(frozen=True)
class MaskPropagation(Propagation):
    """Masks of the first frame moved on; `labels` brings them to the feature grid and back."""

    labels: Reading = field(default_factory=Bilinear)
    part: str = "2017 val"
    task: str = "semi-supervised"
    merged: bool = False

    def usable(self, sequence: MaskSequence) -> bool:
        """Whether a sequence has frames to look at."""
        return bool(sequence.images)

    def prepare(self, role: Any, data: Survey) -> PreparedMasks:
        """What moves masks, and the clips that it may learn from."""
        moved_by = moving(role, self.matching, self.size, self.normalise, self.point)
        sides = [
            [_clip(item) for item in data.items if part in item.lists and item.images and not item.merged]
            for part in (TRAIN, self.part)
        ]
        return PreparedMasks(moved_by, *sides)

    def masks(self, role: PreparedMasks, sequence: MaskSequence, rng: Rng) -> Iterator[np.ndarray]:
        """The index maps `(H, W)` uint8 of frames 1, 2, ..., at native size.

        Raises
        ------
        BadData : frames of another size than the masks, or features or labels that are no numbers.
        """
        role.moved_by.learn(role.train, role.scored, rng)
        first = _index(sequence, 0)
        if isinstance(role.moved_by, Native):
            soft = role.moved_by.soft(sequence.images, first.shape, one_hot(first, sequence.objects))
            return (one.argmax(0).byte().cpu().numpy() for one in soft)
        soft = role.moved_by.soft(
            sequence.images, first.shape, lambda grid: self.labels.prepare(first, sequence.objects, grid)
        )
        return (self.labels.read(one, first.shape) for one in soft)

    def memory(self, role: PreparedMasks, sequences: Sequence[MaskSequence]) -> tuple[int, str]:
        """Bytes that the most demanding sequence needs beside the method's network, and what for."""
        return max(role.moved_by.memory(_size(item), item.objects + 1, len(item.names)) for item in sequences)


@dataclass(frozen=True)
class PreparedMasks:
    """What all sequences of a run share."""

    moved_by: Engine | Native
    train: Sequence[TrainClip]
    scored: Sequence[TrainClip]


def _index(sequence: MaskSequence, frame: int) -> np.ndarray:
    index = masks.read(sequence.masks[frame])
    return np.where(index == VOID, 0, index).astype(np.uint8)


def _size(sequence: MaskSequence) -> tuple[int, int]:
    header = masks.header(sequence.masks[0])
    return header.height, header.width


def _clip(sequence: MaskSequence) -> TrainClip:
    return TrainClip(sequence.id, sequence.images, _size(sequence), partial(_indices, sequence))


def encoded(index: np.ndarray) -> str:
    """An index map as grey PNG in base64, as kept predictions hold it."""
    buffer = io.BytesIO()
    Image.fromarray(index).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _indices(sequence: MaskSequence) -> np.ndarray:
    return np.stack([_index(sequence, frame) for frame in range(len(sequence.masks))])


RECIPES: Mapping[str, MaskPropagation] = {
    "world": MaskPropagation(WORLD, stride=0),
    "crw": MaskPropagation(CRW, cite="jabri2020walk"),
    "dino-p16": MaskPropagation(DINO, ShortSide(), stride=16, labels=Downsized(16), cite="caron2021dino"),
    "dino-p8": MaskPropagation(DINO, ShortSide(), stride=8, labels=Downsized(8), cite="caron2021dino"),
    "timecycle": MaskPropagation(
        TIMECYCLE,
        SQUARE_320,
        "relu, l2",
        labels=Square(320),
        cite="wang2019cycle",
        unverified_adapters=("first mask nearest to 320 x 320",),
    ),
    "colorization": MaskPropagation(
        COLORIZATION,
        SQUARE_256,
        "none",
        labels=Bilinear("nearest"),
        cite="vondrick2018tracking",
        unverified_adapters=(*COLORIZATION_UNVERIFIED, "labels nearest to the grid"),
    ),
}
"""By name; the first is what a method gets that names none."""
