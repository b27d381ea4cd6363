"""Fine-tuning on single frames: the whole trunk and a new linear layer, trained with the labels of a split.

The spatial stream of K. Simonyan and A. Zisserman, Two-Stream Convolutional Networks, NIPS 2014, which Misra et al.
2016 say they follow. Neither paper was at hand: see `unverified`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unlabeled.benchmarks.metrics import clips
from unlabeled.benchmarks.probes.frames import (
    Answer,
    compact,
    cover_for_crops,
    find_point,
    fit,
    placed,
    resized,
)  # fmt: skip
from unlabeled.contracts import Batch, ImageEncoder, Info, Losses, Pick, Progress, Request, Train, VideoItem
from unlabeled.streams import Rng
from unlabeled.training.loading import Loader
from unlabeled.training.loop import part_size
from unlabeled.training.loop import train as learn
from unlabeled.training.nets.encoders import seeded
from unlabeled.training.sizes import Size, height_width

PRETRAINED = Train(steps=20_000, batch=256, lr=1e-2, weight_decay=5e-4, schedule="step", milestones=(14_000,))
SCRATCH = replace(PRETRAINED, steps=80_000, milestones=(50_000, 70_000))


@dataclass(frozen=True)
class FineTuning:
    """Trained on one random frame a clip; a test clip is the mean of the probabilities of `views` frames x 10 crops.

    train, scratch : the schedule of a network that learned before, and of one with random weights (which has
                     `calibrate`). An encoder of a small preset may bring a schedule of its own as `finetune: Train`;
                     the record then says so.
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

    def prepare(self, role: ImageEncoder, lengths: Mapping[str, int]) -> ImageEncoder:
        """The encoder, which stays as it is: every split trains a copy."""
        find_point(role, self.point)
        return role

    def answers(
        self, role: ImageEncoder, train: Sequence[VideoItem], test: Sequence[VideoItem], classes: int, rng: Rng
    ) -> dict[str, Answer]:
        """Scores of the trained network."""
        seen, labels = compact(train)
        fit(role, train, labels, rng)
        usual = self.scratch if hasattr(role, "calibrate") else self.train
        plan = getattr(role, "finetune", None) or usual
        net = self._trained(role, train, labels, plan, rng)
        shown = np.stack([self._logits(net, item, role.size) for item in test])
        scores = placed(clips.video_scores(shown, "softmax"), seen, classes)
        own = f"{plan.steps} steps of {plan.batch} frames, not {usual.steps} of {usual.batch}"
        notes = (f"deviation: fine-tuned by the preset's own schedule ({own})",) if plan != usual else ()
        return {"": Answer(scores, len(train), notes)}

    def _trained(
        self, role: ImageEncoder, train: Sequence[VideoItem], labels: np.ndarray, plan: Train, rng: Rng
    ) -> nn.Module:
        point = find_point(role, self.point)
        trunk = copy.deepcopy(role.trunk(point))
        head = seeded(lambda: nn.Linear(role.points[point].dim, int(labels.max()) + 1), rng.under("head"))
        net = nn.Sequential(trunk, head)
        known = [replace(item, target=int(label)) for item, label in zip(train, labels, strict=True)]
        request = Request("images", role.size, RandomFrame(), augment=self.augment)
        loader = Loader(known, request, part_size(plan), rng.under("data"), labels=True)
        device = next(trunk.parameters()).device
        learn(net, loader.from_step, loss, plan, rng.under("train"), device=str(device))
        return net.eval()

    @torch.no_grad()
    def _logits(self, net: nn.Module, item: VideoItem, size: Size) -> np.ndarray:
        """Logits of all views of a clip, `(views * 10, classes)`."""
        frames = list(resized(item, cover_for_crops(size)))
        chosen = np.stack([frames[k] for k in clips.spaced_frames(len(frames), self.views)])
        device = next(net.parameters()).device
        # A crop of all frames at a time: a network of the paper's size would fill the memory with all ten.
        parts = [net(crop.to(device)) for crop in ten_crops(torch.from_numpy(chosen), *height_width(size))]
        return torch.cat(parts).cpu().numpy()


@dataclass(frozen=True)
class RandomFrame:
    """A rule for the loader: one frame anywhere in the clip."""

    def __call__(self, info: Info, rng: Rng) -> Pick:
        """A frame of the stream `frame`."""
        return Pick(frames=((int(rng.numpy("frame").integers(info.frames)),),))


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
