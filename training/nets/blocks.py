"""A classifier of blocks of frames: a softmax at every frame, the mean over the frames of all blocks of a clip.

What Srivastava et al. 2015 compare differs in what stands below that softmax alone: nothing, an LSTM with random
weights, or an LSTM that learned without labels. So head, schedule and input are written once.

Cite: srivastava2015unsupervised (N. Srivastava, E. Mansimov, R. Salakhutdinov, Unsupervised Learning of Video
Representations using LSTMs, ICML 2015; code emansim/unsupervised-videos, `lstm_classifier.py`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unlabeled.contracts import Batch, Items, Losses, Progress, Request, Train
from unlabeled.errors import BadData, UnlabeledError
from unlabeled.streams import Rng
from unlabeled.training import augment
from unlabeled.training.loop import train
from unlabeled.training.nets.encoders import seeded
from unlabeled.training.nets.lstm import LSTM, vectors
from unlabeled.training.sizes import Size, height_width

CHUNK = 64
"""Blocks that are scored together."""


@dataclass(frozen=True, kw_only=True)
class BlockPreset:
    """What a block of frames is, the LSTM that reads it, and how a classifier of blocks learns.

    finetune              : with the labels of a benchmark
    size, colour, gain    : pixels: a picture becomes the vector of `gain * (x - 0.5)`
    features              : numbers of a frame where its features are given as files, read as they are; 0: pixels
    frames, stride, hop   : of a block: how many, how far apart, and from a block to the next when a clip is scored
    augment               : of training blocks of pixels
    units, peepholes, start : the LSTM (`training.nets.lstm.LSTM`)
    role                  : what a benchmark asks for; `video` is the last state of an LSTM that learned without labels
    """

    finetune: Train
    size: Size
    frames: int
    stride: int = 1
    hop: int = 8
    colour: Literal["rgb", "grey"] = "grey"
    gain: float = 1.0
    features: int = 0
    augment: tuple[str, ...] = ()
    units: int = 2048
    peepholes: bool = True
    start: float = 0.01
    role: Literal["video", "video_classifier", "feature_classifier"] = "video_classifier"

    @property
    def dim(self) -> int:
        """Numbers of a frame."""
        height, width = height_width(self.size)
        return self.features or (1 if self.colour == "grey" else 3) * height * width

    def lstm(self) -> LSTM:
        """A layer with random weights from torch's global generator: call it under `seeded`."""
        return LSTM(self.dim, self.units, peepholes=self.peepholes, start=self.start)


PAPER = BlockPreset(
    finetune=Train(
        steps=100_000,
        batch=128,
        lr=1e-4,
        momentum=0.0,
        weight_decay=1e-5,
        schedule="step",
        milestones=tuple(range(10_000, 100_000, 10_000)),
        gamma=0.9,
    ),
    size=32,
    colour="rgb",
    frames=10,
    augment=("crop", "flip"),
)
GIVEN = replace(PAPER, features=4096, frames=16, augment=(), role="feature_classifier")
MINI = BlockPreset(
    finetune=Train(steps=1000, batch=32, lr=2e-3, opt="adam", schedule="linear", clip=1.0),
    size=(16, 20),
    gain=4.0,
    frames=8,
    stride=3,
    hop=4,
    augment=("shift", "flip", "gain"),
    units=128,
    peepholes=False,
    start=128**-0.5,
)
BLOCKS = {
    "paper": PAPER,
    "small": replace(
        PAPER,
        finetune=Train(steps=8000, batch=128, lr=1e-3, opt="adamw", weight_decay=1e-4, schedule="cosine", clip=1.0),
        units=1024,
        start=1024**-0.5,
    ),
    "mini": MINI,
    "nano": replace(MINI, finetune=replace(MINI.finetune, steps=60)),
}
"""`paper` is the LSTM of the released configurations, on pictures of 32 x 32; `GIVEN` the same on features of frames,
in blocks of 16. Not checked in the paper: the number of steps (the sample configuration has 1,000,000, to be stopped
by hand) and `hop`. The peepholes of the released classifier are 0 and stay so; here they learn."""


class BlockNet(nn.Module):
    """An LSTM, or nothing, and a linear layer on what it gives at each frame."""

    def __init__(self, body: LSTM | None, dim: int, classes: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(body.units if body else dim, classes)
        nn.init.zeros_(self.head.bias)

    def forward(self, blocks: Tensor) -> Tensor:
        """Vectors of frames `(B, T, dim)` to logits `(B, T, classes)`."""
        return self.head(self.body(blocks)[0] if self.body else blocks)


def loss(net: nn.Module, batch: Batch, rng: Rng, progress: Progress) -> Losses:
    """Cross-entropy at every frame."""
    assert batch.labels is not None
    logits = net(batch.frames)
    every = batch.labels[:, None].expand(logits.shape[:2])
    return Losses({"main": functional.cross_entropy(logits.transpose(1, 2), every)})


class BlockClassifier:
    """Role video_classifier, or feature_classifier where the preset takes `features`.

    Item k is a clip `(n, H, W, 3)` uint8 at `size` or larger, so that `shift` and `crop` have room; or `(n, features)`
    float32. A fit reads one clip for each block that it learns from: items should be cached.

    body : the LSTM that a fit starts from, which stays as it is; None: none
    """

    def __init__(self, body: LSTM | None, preset: BlockPreset) -> None:
        self.body, self.preset, self.size, self.features = body, preset, preset.size, preset.features
        self.request = Request("clips", preset.size, augment=preset.augment, colour=preset.colour)
        self.fitted: BlockNet | None = None

    def fit(self, items: Items, labels: np.ndarray, rng: Rng) -> None:
        """Learn from clips and integer labels `(N,)`, from `body` anew."""
        plan, classes = self.preset.finetune, int(labels.max()) + 1
        body = copy.deepcopy(self.body)
        net = seeded(lambda: BlockNet(body, self.preset.dim, classes), rng.under("head"))

        def batches(first: int, stride: int = 1) -> Iterator[Batch]:
            size, part = plan.batch // plan.accumulate, first
            while True:
                yield self._batch(items, labels, range(part * size, (part + 1) * size), rng.under("data"))
                part += stride

        train(net, batches, loss, plan, rng.under("train"), device=str(self._device()))
        self.fitted = net.eval()

    @torch.no_grad()
    def scores(self, items: Items) -> np.ndarray:
        """Mean probabilities of all frames of all blocks of each clip, `(N, classes)`.

        Raises
        ------
        UnlabeledError : nothing was learned yet.
        """
        if self.fitted is None:
            raise UnlabeledError("nothing was learned yet: the softmax has random weights", "call `fit` first")
        rows = []
        for k in range(len(items)):
            clip = self._clip(items, k)
            starts = range(0, self._starts(len(clip)), self.preset.hop)
            seen = []
            for first in range(0, len(starts), CHUNK):
                blocks = torch.stack([self._block(clip, s, None) for s in starts[first : first + CHUNK]])
                seen.append(self.fitted(blocks.to(self._device())).softmax(2).flatten(0, 1))
            rows.append(torch.cat(seen).mean(0).cpu().numpy())
        return np.stack(rows)

    # ------------------------------------------------------------ blocks

    def _device(self) -> torch.device:
        net = self.body or self.fitted
        return next(net.parameters()).device if net else torch.device("cpu")

    def _batch(self, items: Items, labels: np.ndarray, numbers: range, rng: Rng) -> Batch:
        """One block of each of some clips; clip number `n` is in epoch `n // len(items)`."""
        rounds = {
            epoch: rng.numpy("order", epoch).permutation(len(items)) for epoch in {n // len(items) for n in numbers}
        }
        chosen = [int(rounds[n // len(items)][n % len(items)]) for n in numbers]
        blocks = []
        for n, item in zip(numbers, chosen, strict=True):
            clip = self._clip(items, item)
            start = int(rng.numpy("start", n).integers(self._starts(len(clip))))
            blocks.append(self._block(clip, start, rng.under("augment", n)))
        ids = tuple(items.ids[item] for item in chosen)
        return Batch(ids, torch.stack(blocks), labels=torch.from_numpy(labels[chosen].astype(np.int64)))

    def _starts(self, frames: int) -> int:
        """How many first frames a block may have; 1 where it does not fit."""
        return max(1, frames - self.preset.stride * (self.preset.frames - 1))

    def _block(self, clip: np.ndarray, start: int, rng: Rng | None) -> Tensor:
        """Vectors `(frames, dim)` from frame `start` on; a clip that is too short starts again at its first frame."""
        places = (start + self.preset.stride * np.arange(self.preset.frames)) % len(clip)
        if self.preset.features:
            return torch.from_numpy(clip[places])
        pictures = augment.pictures(clip[places].transpose(0, 3, 1, 2), self.request, rng)
        return vectors(pictures.transpose(0, 1)[None], self.preset.gain)[0]

    def _clip(self, items: Items, index: int) -> np.ndarray:
        clip, wanted = items[index], self.preset.features
        if wanted:
            fits = clip.dtype == np.float32 and clip.ndim == 2 and clip.shape[1] == wanted and len(clip) > 0
            expected = f"features (frames, {wanted}) of float32"
        else:
            fits = clip.dtype == np.uint8 and clip.ndim == 4 and clip.shape[3] == 3 and len(clip) > 0
            expected = "a clip (frames, height, width, 3) of uint8"
        if not fits:
            raise BadData(f"item {items.ids[index]} is {clip.dtype} of shape {clip.shape}, not {expected}")
        return clip
