"""Affinities of whole frames: the softmax of every source frame apart, or of all of them together.

Sources: X. Wang et al., Learning Correspondence from the Cycle-Consistency of Time, 2019 (`NearestInEachFrame`);
C. Vondrick et al., Tracking Emerges by Colorizing Videos, 2018, eq. 1 (`AllCells`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from unlabeled.benchmarks.propagation.engine import Sources, rows, stretched

MOST_SCORES = 1 << 22
"""Affinities that are held at once."""


class _WholeFrames(ABC):
    """The first frame and the last `context` ones; before there are so many, the first stands for those that lack."""

    def __init__(self, features: Tensor, labels: Tensor, context: int, first: bool) -> None:
        self.first = (rows(features), rows(labels)) if first else None
        self.last = [(rows(features), rows(labels))] * context
        self.grid = labels.shape[1:]

    def labels(self, features: Tensor) -> Tensor:
        """See `Sources`; block after block of target cells."""
        frames = [*([self.first] if self.first else []), *self.last]
        distinct = list({id(frame): frame for frame in frames}.values())
        counts = [sum(frame is one for frame in frames) for one in distinct]
        wanted = rows(features)
        size = max(1, MOST_SCORES // (len(wanted) * len(frames)))
        found = [self.one_block(part, distinct, counts) for part in wanted.split(size)]
        return torch.cat(found).T.reshape(-1, *self.grid)

    @abstractmethod
    def one_block(self, targets: Tensor, frames: list[tuple[Tensor, Tensor]], counts: list[int]) -> Tensor:
        """Labels `(n, K)` from different source frames (features, labels), each counted so many times."""

    def add(self, features: Tensor, labels: Tensor) -> None:
        """In the place of the oldest."""
        self.last = [*self.last[1:], (rows(features), rows(labels))]


def _whole_frames(frames: int, channels: int, height: int, width: int, classes: int) -> int:
    """Bytes of so many frames and of the affinities of a block, in three forms."""
    cells = height * width
    return 4 * ((frames + 2) * cells * (channels + classes) + 3 * max(MOST_SCORES, cells * frames))


@dataclass(frozen=True)
class NearestInEachFrame:
    """Softmax over the cells of each source frame apart; its k largest, not made to sum to 1; the mean over frames.

    Sources are the first frame and the last `context` ones; there the first frame has the labels that its own copies
    give it, the copies before it have the given ones. Labels are brought to [0, 1] class by class before they
    are copied on; a class that is constant becomes 0.

    scale : what affinities are multiplied by before the softmax
    """

    context: int
    topk: int
    scale: float

    def start(self, features: Tensor, labels: Tensor) -> Sources:
        """See `Matching`."""
        return _EachFrame(self, features, labels)

    def memory(self, channels: int, height: int, width: int, classes: int) -> int:
        """See `Matching`."""
        return _whole_frames(self.context + 1, channels, height, width, classes)


class _EachFrame(_WholeFrames):
    def __init__(self, matching: NearestInEachFrame, features: Tensor, labels: Tensor) -> None:
        super().__init__(features, labels, matching.context, first=True)
        self.matching = matching
        # The released code predicts the first frame too, from its copies, and goes on with that.
        self.add(features, self.labels(features))

    def labels(self, features: Tensor) -> Tensor:
        """See `Sources`."""
        return stretched(super().labels(features))

    def one_block(self, targets: Tensor, frames: list[tuple[Tensor, Tensor]], counts: list[int]) -> Tensor:
        """See `_WholeFrames`."""
        found = targets.new_zeros(len(targets), frames[0][1].shape[1])
        for (features, labels), count in zip(frames, counts, strict=True):
            shares = (targets @ features.T * self.matching.scale).softmax(1)
            best = shares.topk(min(self.matching.topk, shares.shape[1]), 1)
            found += count * torch.einsum("nk,nkc->nc", best.values, labels[best.indices])
        return found / sum(counts)


@dataclass(frozen=True)
class AllCells:
    """Softmax of affinity / T over all cells of the last `context` frames, the first for those before it."""

    context: int
    temperature: float

    def start(self, features: Tensor, labels: Tensor) -> Sources:
        """See `Matching`."""
        return _AllFrames(self, features, labels)

    def memory(self, channels: int, height: int, width: int, classes: int) -> int:
        """See `Matching`."""
        return _whole_frames(self.context, channels, height, width, classes)


class _AllFrames(_WholeFrames):
    def __init__(self, matching: AllCells, features: Tensor, labels: Tensor) -> None:
        super().__init__(features, labels, matching.context, first=False)
        self.matching = matching

    def one_block(self, targets: Tensor, frames: list[tuple[Tensor, Tensor]], counts: list[int]) -> Tensor:
        """See `_WholeFrames`."""
        # A frame that counts several times has so much more of the softmax.
        scores = [
            targets @ features.T / self.matching.temperature + math.log(count)
            for (features, _), count in zip(frames, counts, strict=True)
        ]
        return torch.cat(scores, 1).softmax(1) @ torch.cat([labels for _, labels in frames])
