"""Features read in order: those of four frames side by side, or of one clip, through one hidden layer.

A linear layer on frames cannot tell which way time runs in a cyclic programme, since its wrap makes the answer a
product of states; it stands beside as a control. An encoder of clips sees the order itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unlabeled.benchmarks.metrics import clips
from unlabeled.benchmarks.probes.clips_features import ClipFeatures
from unlabeled.benchmarks.probes.clips_views import Places, ShortSide
from unlabeled.benchmarks.probes.frames import Answer, FrameFeatures, compact, placed
from unlabeled.contracts import Batch, ImageEncoder, Losses, Progress, Train, VideoEncoder, VideoItem
from unlabeled.streams import Rng
from unlabeled.training.loop import train as learn
from unlabeled.training.nets.encoders import seeded

SCHEDULE = Train(steps=400, batch=256, lr=1.5e-3, opt="adam", schedule="linear")


@dataclass(frozen=True)
class OrderedProbe:
    """Windows of a few frames, their features side by side, through one hidden layer to the classes.

    Features are standardised with the mean and deviation of the training frames. Training draws windows anywhere; a
    test clip is the mean of the probabilities of `views` windows at equal steps. A clip that is shorter than a window
    starts again at its first frame.

    frames, stride  : of a window: its first frame, and frames that lie `stride` apart
    hidden, dropout : the layer; 0 hidden units is linear, without dropout
    few             : the probe learns a second time from the first groups of each class, as many whole ones as hold at
                      least so many clips
    """

    splits: tuple[int, ...] = (1,)
    frames: int = 4
    stride: int = 3
    views: int = 8
    hidden: int = 128
    dropout: float = 0.3
    few: int = 108
    train: Train = SCHEDULE
    role: str = "image"
    cite: str = ""
    point: str = ""
    sets: Mapping[str, Any] = field(default_factory=lambda: {"role": "image"})
    unverified: tuple[str, ...] = ()

    def prepare(self, role: ImageEncoder, lengths: Mapping[str, int]) -> FrameFeatures:
        """The encoder with features of all frames remembered by clip."""
        return FrameFeatures(role, self.point, lengths, None)

    def answers(
        self,
        role: FrameFeatures | ClipFeatures,
        train: Sequence[VideoItem],
        test: Sequence[VideoItem],
        classes: int,
        rng: Rng,
    ) -> dict[str, Answer]:
        """Scores of the probe, of the probe with few labels where there are more, and of the linear control."""
        role.learn(train, compact(train)[1], rng)
        chosen = dict(zip((item.id for item in train), role.of(train), strict=True))
        shown = role.of(test)
        found = {"": self._answer(chosen, train, shown, classes, self.hidden, rng.under("probe"))}
        few = first_groups(train, self.few)
        if len(few) < len(train):
            found["108"] = self._answer(chosen, few, shown, classes, self.hidden, rng.under("few"))
        found["linear"] = self._answer(chosen, train, shown, classes, 0, rng.under("linear"))
        return found

    def _answer(
        self,
        chosen: Mapping[str, np.ndarray],
        train: Sequence[VideoItem],
        shown: Sequence[np.ndarray],
        classes: int,
        hidden: int,
        rng: Rng,
    ) -> Answer:
        seen, labels = compact(train)
        clips_of = Standardised([chosen[item.id] for item in train])
        dim = self.frames * clips_of.mean.shape[0]
        net = seeded(lambda: probe(dim, hidden, self.dropout, len(seen)), rng)

        def batches(first: int, stride: int = 1) -> Iterator[Batch]:
            step = first
            while True:
                yield self._windows(clips_of, labels, rng.numpy("windows", step))
                step += stride

        learn(net, batches, loss, self.train, rng.under("train"))
        net.eval()
        with torch.no_grad():
            logits = torch.stack([net(self._views(clips_of.scaled(clip))) for clip in shown])
        return Answer(placed(clips.video_scores(logits.numpy(), "softmax"), seen, classes), len(train))

    def _windows(self, clips_of: Standardised, labels: np.ndarray, draw: np.random.Generator) -> Batch:
        """Windows anywhere in clips drawn at random, `(batch, frames * dim)`."""
        rows = draw.integers(len(labels), size=self.train.batch)
        starts = (draw.random(self.train.batch) * self._starts(clips_of.lengths[rows])).astype(np.int64)
        places = (starts[:, None] + self.stride * np.arange(self.frames)) % clips_of.lengths[rows, None]
        windows = clips_of.rows[torch.from_numpy(clips_of.first[rows, None] + places)]
        return Batch((), frames=windows.flatten(1), labels=torch.from_numpy(labels[rows]))

    def _views(self, clip: Tensor) -> Tensor:
        """Windows at equal steps of one clip, `(views, frames * dim)`."""
        starts = np.linspace(0, self._starts(np.array(len(clip))) - 1, self.views).astype(np.int64)
        return clip[torch.from_numpy(clips.strided_windows(len(clip), self.frames, self.stride, starts))].flatten(1)

    def _starts(self, lengths: np.ndarray) -> np.ndarray:
        """How many first frames a window may have in clips of these lengths; 1 where it does not fit."""
        return np.maximum(lengths - self.stride * (self.frames - 1), 1)


@dataclass(frozen=True)
class OrderedClips(OrderedProbe):
    """The same for an encoder of clips: a window is one clip, as long as the encoder takes.

    views  : clips of a video, at equal steps; training draws among those of the training videos
    frames : 1 vector a window
    """

    frames: int = 1
    stride: int = 1
    views: int = 16
    role: str = "video"
    sets: Mapping[str, Any] = field(default_factory=lambda: {"role": "video"})

    def prepare(self, role: VideoEncoder, lengths: Mapping[str, int]) -> ClipFeatures:  # type: ignore[override]
        """The encoder with features of these clips remembered by video."""
        return ClipFeatures(role, self.point, lengths, Places("avid", self.views), ShortSide())


class Standardised:
    """Features of training clips one after the other, scaled to mean 0 and deviation 1 by their own frames.

    rows : `(all frames, dim)`; clip k begins at row `first[k]` and has `lengths[k]` rows
    """

    def __init__(self, features: Sequence[np.ndarray]) -> None:
        self.lengths = np.array([len(clip) for clip in features])
        self.first = np.cumsum(self.lengths) - self.lengths
        together = np.concatenate(features)
        self.mean = together.mean(axis=0, dtype=np.float64).astype(np.float32)
        deviation = together.std(axis=0, dtype=np.float64).astype(np.float32)
        # What never changes says nothing: it becomes 0.
        self.deviation = np.where(deviation > 0, deviation, 1)
        self.rows = self.scaled(together)

    def scaled(self, features: np.ndarray) -> Tensor:
        """Features `(n, dim)` of any clip on the same scale."""
        return torch.from_numpy((features - self.mean) / self.deviation)


def probe(dim: int, hidden: int, dropout: float, classes: int) -> nn.Module:
    """One hidden layer, or a linear one where it has no units."""
    if not hidden:
        return nn.Linear(dim, classes)
    return nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, classes))


def loss(net: nn.Module, batch: Batch, rng: Rng, progress: Progress) -> Losses:
    """Cross-entropy of windows."""
    assert batch.labels is not None
    return Losses({"main": functional.cross_entropy(net(batch.frames), batch.labels)})


def first_groups(items: Sequence[VideoItem], least: int) -> list[VideoItem]:
    """Clips of the first groups of each class by name: the smallest number of groups with at least so many clips.

    All of them where there are fewer.
    """
    groups: dict[int, set[str]] = defaultdict(set)
    for item in items:
        groups[item.target].add(item.group)
    ranks = {(target, group): k for target, found in groups.items() for k, group in enumerate(sorted(found))}
    kept: list[VideoItem] = []
    for most in range(max(ranks.values()) + 1):
        kept = [item for item in items if ranks[item.target, item.group] <= most]
        if len(kept) >= least:
            break
    return kept
