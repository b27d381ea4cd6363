"""Fine-tuning on single frames: the whole trunk and a new linear layer, trained with the labels of a split.

The spatial stream of K. Simonyan and A. Zisserman, Two-Stream Convolutional Networks, NIPS 2014, which Misra et al.
2016 say they follow. Neither paper was at hand: see `unverified`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unlabeled.benchmarks.metrics import clips
from unlabeled.benchmarks.probes.clips_views import in_passes
from unlabeled.benchmarks.probes.frames import (
    Answer,
    ClipItems,
    Pictures,
    compact,
    cover_for_crops,
    find_point,
    fit,
    placed,
)
from unlabeled.contracts import Batch, ImageEncoder, Losses, Progress, Request, Train, VideoItem
from unlabeled.streams import Rng
from unlabeled.training import augment
from unlabeled.training.loop import part_size
from unlabeled.training.loop import train as learn
from unlabeled.training.nets.encoders import seeded
from unlabeled.training.sizes import height_width

PRETRAINED = Train(steps=20_000, batch=256, lr=1e-2, weight_decay=5e-4, schedule="step", milestones=(14_000,))
SCRATCH = replace(PRETRAINED, steps=80_000, milestones=(50_000, 70_000))


@dataclass(frozen=True)
class FineTuning:
    """Trained on one random frame a clip; a test clip is the mean of the probabilities of `views` frames x 10 crops.

    train, scratch : the schedule of a network that learned before, and of one with random weights (which has
                     `calibrate`). An encoder of a small preset may bring a schedule of its own as `finetune: Train`:
                     a deviation
    augment        : of training frames; dropout is that of the network's own layers
    """

    splits: tuple[int, ...] = (1, 2, 3)
    views: int = 25
    train: Train = PRETRAINED
    scratch: Train = SCRATCH
    augment: tuple[str, ...] = ("crop", "flip", "jitter")
    role: str = "image"
    cite: str = "misra2016shuffle"
    point: str = ""
    sets: Mapping[str, Any] = field(default_factory=lambda: {"role": "image"})
    unverified: tuple[str, ...] = (
        "iterations, batch, learning rates, momentum and weight decay",
        "crops, flips and colour jitter",
        "dropout",
        "start of the new layer",
        "places of the 25 frames",
    )

    def prepare(self, role: ImageEncoder, lengths: Mapping[str, int]) -> Prepared:
        """The encoder, which stays as it is (every split trains a copy), and the clips as it is shown them."""
        find_point(role, self.point)
        return Prepared(role, lengths, Pictures(cover_for_crops(role.size)))

    def answers(
        self, role: Prepared, train: Sequence[VideoItem], test: Sequence[VideoItem], classes: int, rng: Rng
    ) -> dict[str, Answer]:
        """Scores of the trained network."""
        seen, labels = compact(train)
        encoder = role.encoder
        fit(encoder, ClipItems(train, encoder.size, role.pictures), labels, rng)
        usual = self.scratch if hasattr(encoder, "calibrate") else self.train
        plan = getattr(encoder, "finetune", None) or usual
        net = self._trained(role, train, labels, plan, rng)
        shown = np.stack([self._logits(net, role, item) for item in test])
        scores = placed(clips.video_scores(shown, "softmax"), seen, classes)
        own = f"{plan.steps} steps of {plan.batch} frames, not {usual.steps} of {usual.batch}"
        notes = (f"deviation: fine-tuned by the preset's own schedule ({own})",) if plan != usual else ()
        return {"": Answer(scores, len(train), notes)}

    def _trained(
        self, role: Prepared, train: Sequence[VideoItem], labels: np.ndarray, plan: Train, rng: Rng
    ) -> nn.Module:
        point = find_point(role.encoder, self.point)
        trunk = copy.deepcopy(role.encoder.trunk(point))
        dim, classes = role.encoder.points[point].dim, int(labels.max()) + 1
        head = seeded(lambda: nn.Linear(dim, classes), rng.under("head"))
        net, device = nn.Sequential(trunk, head), str(next(trunk.parameters()).device)
        request = Request("images", role.encoder.size, augment=self.augment)
        frames = TrainingFrames(role, train, labels, request)
        batches = partial(frames.parts, part_size(plan), rng.under("data"))
        learn(net, batches, loss, plan, rng.under("train"), device=device)
        return net.eval()

    @torch.no_grad()
    def _logits(self, net: nn.Module, role: Prepared, item: VideoItem) -> np.ndarray:
        """Logits of all views of a clip, `(views * 10, classes)`."""
        chosen = role.pictures.some(item, clips.spaced_frames(role.lengths[item.id], self.views).tolist())
        device, size = next(net.parameters()).device, height_width(role.encoder.size)
        # A crop of all frames at a time: a network of the paper's size would fill the memory with all ten.
        parts = [net(crop.to(device)) for crop in ten_crops(torch.from_numpy(chosen), *size)]
        return torch.cat(parts).cpu().numpy()


@dataclass(frozen=True)
class Prepared:
    """An image encoder, the number of frames of each clip, and the clips as all splits share them."""

    encoder: ImageEncoder
    lengths: Mapping[str, int]
    pictures: Pictures


@dataclass(frozen=True)
class TrainingFrames:
    """One frame anywhere in each of some clips, changed as `request` says, with its class."""

    role: Prepared
    train: Sequence[VideoItem]
    labels: np.ndarray
    request: Request

    def parts(self, size: int, rng: Rng, first: int, stride: int = 1) -> Iterator[Batch]:
        """Batches without end."""
        part = first
        while True:
            chosen = in_passes(part, size, len(self.train), rng)
            frames = [self._frame(self.train[k], rng.under("item", part * size + n)) for n, k in enumerate(chosen)]
            ids = tuple(self.train[k].id for k in chosen)
            yield Batch(ids, torch.stack(frames), labels=torch.from_numpy(self.labels[chosen].astype(np.int64)))
            part += stride

    def _frame(self, item: VideoItem, rng: Rng) -> Tensor:
        place = int(rng.numpy("frame").integers(self.role.lengths[item.id]))
        return augment.pictures(self.role.pictures.some(item, [place]), self.request, rng)[0]


def loss(net: nn.Module, batch: Batch, rng: Rng, progress: Progress) -> Losses:
    """Cross-entropy of single frames."""
    assert batch.labels is not None
    return Losses({"main": functional.cross_entropy(net(batch.frames), batch.labels)})


def ten_crops(frames: Tensor, height: int, width: int) -> list[Tensor]:
    """Four corners and the middle of frames `(n, 3, H, W)` uint8, and their mirror images: `(n, 3, height, width)`."""
    down, right = frames.shape[2] - height, frames.shape[3] - width
    places = ((0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2))
    cut = [frames[:, :, y : y + height, x : x + width].float() / 255 for y, x in places]
    return [crop for one in cut for crop in (one, one.flip(3))]
