"""A linear probe of clips: features of a frozen video encoder, batch normalisation, one linear layer.

Source: T. Han, W. Xie, A. Zisserman, Self-supervised Co-Training for Video Representation Learning, NeurIPS 2020, and
the released code (TengdaHan/CoCLR, `eval/feature_linear_probe.py`, `eval/main_classifier.py`). That code keeps the
weights that are best on the test videos, and changes the colours of test clips at random: here the last weights answer
and colours stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from unlabeled.benchmarks.metrics import clips, retrieval
from unlabeled.benchmarks.probes import finetune
from unlabeled.benchmarks.probes.clips_features import ClipFeatures
from unlabeled.benchmarks.probes.clips_finetune import Epochs, planned
from unlabeled.benchmarks.probes.clips_views import Places, ShortSide, in_passes, other_clip
from unlabeled.benchmarks.probes.frames import Answer, compact, placed
from unlabeled.contracts import Batch, ClipSpec, VideoEncoder, VideoItem
from unlabeled.streams import Rng
from unlabeled.training.loop import train as learn
from unlabeled.training.nets.encoders import seeded

CLIP = ClipSpec(32, 1, 128)
PLACES = Places("consecutive")
SCHEDULE = Epochs(100, batch=1024, lr=1.0, weight_decay=1e-3, milestones=(60, 80))
DEVIATION = 0.01
"""Standard deviation of the linear layer's weights at the start; its biases are 0."""


@dataclass(frozen=True)
class ClipLinear:
    """The mean over a training video of the features of its clips, each of length 1, is one example.

    A test video is the mean of the probabilities of its clips, in `crops` crops each.
    """

    clip: ClipSpec = CLIP
    places: Places = PLACES
    crops: int = 10
    train: Epochs = SCHEDULE
    splits: tuple[int, ...] = (1, 2, 3)
    role: str = "video"
    cite: str = "han2020self"
    point: str = ""
    sets: Mapping[str, Any] = field(default_factory=lambda: {"role": "video"})
    unverified: tuple[str, ...] = ()

    def prepare(self, role: VideoEncoder, lengths: Mapping[str, int]) -> ClipFeatures:
        """The encoder with features of clips remembered by video."""
        return ClipFeatures(role, self.point, lengths, self.places, ShortSide())

    def answers(
        self, role: ClipFeatures, train: Sequence[VideoItem], test: Sequence[VideoItem], classes: int, rng: Rng
    ) -> dict[str, Answer]:
        """Scores of the probe."""
        seen, labels = compact(train)
        role.learn(train, labels, rng)
        rows = torch.from_numpy(np.stack([retrieval.unit(video).mean(axis=0) for video in role.of(train)])).float()
        net = self._learned(rows, torch.from_numpy(labels), len(seen), rng)
        with torch.no_grad():
            shown = [net(torch.from_numpy(retrieval.unit(video)).float()) for video in role.of(test, self.crops)]
        scores = np.stack([clips.video_scores(logits.numpy(), "softmax") for logits in shown])
        return {"": Answer(placed(scores, seen, classes), len(train), other_clip(role.encoder.clip, self.clip))}

    def _learned(self, rows: torch.Tensor, labels: torch.Tensor, classes: int, rng: Rng) -> nn.Module:
        net = seeded(lambda: probe(rows.shape[1], classes), rng.under("probe"))
        # A set that fills no batch is one batch.
        plan = planned(self.train, max(len(rows), self.train.batch))
        size = min(self.train.batch, len(rows))

        def batches(first: int, stride: int = 1) -> Iterator[Batch]:
            step = first
            while True:
                chosen = in_passes(step, size, len(rows), rng.under("data"))
                yield Batch((), frames=rows[chosen], labels=labels[chosen])
                step += stride

        learn(net, batches, finetune.loss, plan, rng.under("train"))
        return net.eval()


def probe(dim: int, classes: int) -> nn.Module:
    """Batch normalisation with a scale and a shift of its own, and the linear layer."""
    linear = nn.Linear(dim, classes)
    nn.init.normal_(linear.weight, std=DEVIATION)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(nn.BatchNorm1d(dim), linear)
