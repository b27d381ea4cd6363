"""Supervised: the trunk of the pretexts, trained with the labels that they do without.

A head on the features of a few frames, read in order, says the class (`paper`: one frame, a linear layer); a clip gets
the mean of the probabilities of its windows. Afterwards the trunk gives features like any other: what labels teach it
is the mark that a pretext is measured by.

Cells of frames learn from masks: as in `video_colorization` they point at the cells of frames before, and copy the
number of an object instead of a colour.

Cite: krizhevsky2012imagenet (A. Krizhevsky, I. Sutskever, G. E. Hinton, ImageNet Classification with Deep
Convolutional Neural Networks, NIPS 2012), the network of the `paper` preset.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unlabeled.contracts import Batch, Info, Items, Losses, Method, Progress, Request, Train
from unlabeled.errors import BadData, UnlabeledError
from unlabeled.streams import Rng
from unlabeled.training import augment
from unlabeled.training.loop import train
from unlabeled.training.nets import caffenet, dense_trunks, frame_trunk, trunks
from unlabeled.training.nets.dense_trunks import DenseTrunk, GreyDense, lightness
from unlabeled.training.nets.encoders import Trunk, TrunkEncoder, seeded
from unlabeled.training.pointing import SpacedFrames, point, pointing_loss
from unlabeled.training.schedules import FINETUNE
from unlabeled.training.sizes import Size

# ---------------------------------------------------------------- constants


FOLLOW = Train(steps=20_000, batch=32, lr=1e-3, opt="adam", schedule="cosine", warmup=500)


@dataclass(frozen=True)
class Preset:
    """`paper` is the schedule from scratch of Simonyan and Zisserman 2014, not checked in the paper.

    network, point, size : the trunk, where the linear layer reads it, its input
    frames, stride       : of a window: how many, and how far apart; their features stand side by side
    hidden, dropout      : a layer between features and classes; 0 units: linear, without dropout
    views                : windows of a clip that are scored, at equal steps
    finetune             : the schedule of a benchmark that trains the trunk on; None: the protocol's own

    Of the role mask_classifier, which has a network of its own:

    cells      : that network
    follow     : how it is trained, on windows of `window` pixels a side
    gaps       : fewest and most frames from one of the four to the next
    temperature, unit : as in `video_colorization`
    """

    train: Train
    network: trunks.Network = "caffenet"
    point: str = "fc7"
    size: Size = caffenet.SIZE
    frames: int = 1
    stride: int = 1
    hidden: int = 0
    dropout: float = 0.0
    views: int = 25
    augment: tuple[str, ...] = ("crop", "flip", "jitter")
    finetune: Train | None = None
    role: Literal["video_classifier", "image", "mask_classifier"] = "video_classifier"
    cells: dense_trunks.Network = "colour_resnet"
    follow: Train = FOLLOW
    window: int = 256
    gaps: tuple[int, int] = (1, 3)
    temperature: float = 1.0
    unit: bool = False


PAPER = Preset(Train(steps=80_000, batch=256, lr=1e-2, weight_decay=5e-4, schedule="step", milestones=(50_000, 70_000)))
SMALL = replace(
    PAPER,
    train=Train(steps=8000, batch=128, lr=0.05, nesterov=True, weight_decay=5e-4, schedule="cosine", warmup=200),
    network="resnet18",
    point="pool",
    size=112,
    finetune=FINETUNE["small"],
)
MINI = Preset(
    Train(steps=320, batch=32, lr=1.5e-3, opt="adam", schedule="linear"),
    network="frame_trunk",
    point="fc",
    size=frame_trunk.SIZE,
    frames=4,
    stride=3,
    hidden=128,
    dropout=0.3,
    views=8,
    augment=("shift", "flip", "gain"),
    finetune=FINETUNE["mini"],
    cells="mini_dense",
    follow=Train(steps=140, batch=8, lr=3e-3, opt="adam", schedule="cosine", warmup=20),
    window=64,
    temperature=0.1,
    unit=True,
)
"""Four to six times as many steps change little on the generated sets: see results/world."""

NOWHERE = -100
"""Cells that the loss leaves out."""

# ---------------------------------------------------------------- network


class WindowNet(nn.Module):
    """A trunk on each frame of a window, and a head on their features side by side."""

    def __init__(self, trunk: Trunk, preset: Preset, classes: int) -> None:
        super().__init__()
        self.trunk, self.point = trunk, preset.point
        dim, hidden = preset.frames * trunk.points[preset.point].dim, preset.hidden
        layers: list[nn.Module] = [nn.Linear(dim, hidden or classes)]
        if hidden:
            layers += [nn.ReLU(), nn.Dropout(preset.dropout), nn.Linear(hidden, classes)]
        self.head = nn.Sequential(*layers)

    def forward(self, windows: Tensor) -> Tensor:
        """`(B, frames, 3, H, W)` to logits `(B, classes)`."""
        features = self.trunk(windows.flatten(0, 1), self.point)
        return self.head(features.reshape(len(windows), -1))


def loss(net: nn.Module, batch: Batch, rng: Rng, progress: Progress) -> Losses:
    """Cross-entropy of windows."""
    assert batch.labels is not None
    return Losses({"main": functional.cross_entropy(net(batch.frames), batch.labels)})


# ---------------------------------------------------------------- classifier


class WindowClassifier(TrunkEncoder):
    """Roles video_classifier and image. Item k is a clip `(n, H, W, 3)` uint8 at the trunk's size, or larger, so that
    `shift` and `crop` have room. A fit reads one clip for each window that it learns from: items should be cached."""

    def __init__(self, net: Trunk, preset: Preset) -> None:
        super().__init__(net, preset.finetune)
        self.start, self.preset = copy.deepcopy(net), preset
        self.request = Request("images", preset.size, augment=preset.augment)
        self.fitted: WindowNet | None = None

    def _learned(self) -> WindowNet:
        if self.fitted is None:
            raise UnlabeledError("nothing was learned yet: this network has random weights", "call `fit` first")
        return self.fitted

    def encode(self, images: Tensor, point: str) -> Tensor:
        """As of any trunk, once `fit` was called (UnlabeledError before)."""
        self._learned()
        return super().encode(images, point)

    def trunk(self, point: str) -> nn.Module:
        """As of any trunk, once `fit` was called (UnlabeledError before)."""
        self._learned()
        return super().trunk(point)

    def fit(self, items: Items, labels: np.ndarray, rng: Rng) -> None:
        """Learn from clips and integer labels `(N,)`, from the initial weights anew; `encode` then reads what was
        learned."""
        plan, device = self.preset.train, next(self.start.parameters()).device
        trunk, classes = copy.deepcopy(self.start), int(labels.max()) + 1
        net = seeded(lambda: WindowNet(trunk, self.preset, classes), rng.under("head"))

        def batches(first: int, stride: int = 1) -> Iterator[Batch]:
            size, part = plan.batch // plan.accumulate, first
            while True:
                yield self._batch(items, labels, range(part * size, (part + 1) * size), rng.under("data"))
                part += stride

        train(net, batches, loss, plan, rng.under("train"), device=str(device))
        self.fitted = net.eval()
        self.net = trunk

    def _batch(self, items: Items, labels: np.ndarray, numbers: range, rng: Rng) -> Batch:
        """One window of each of some clips; clip number `n` is in epoch `n // len(items)`."""
        chosen = _in_turn(len(items), numbers, rng)
        windows = []
        for n, item in zip(numbers, chosen, strict=True):
            clip = _clip(items, item)
            start = int(rng.numpy("frame", n).integers(self._starts(clip)))
            windows.append(self._window(clip, start, rng.under("augment", n)))
        ids = tuple(items.ids[item] for item in chosen)
        return Batch(ids, torch.stack(windows), labels=torch.from_numpy(labels[chosen].astype(np.int64)))

    def _starts(self, clip: np.ndarray) -> int:
        """How many first frames a window may have; 1 where it does not fit."""
        return max(1, len(clip) - self.preset.stride * (self.preset.frames - 1))

    def _window(self, clip: np.ndarray, start: int, rng: Rng | None) -> Tensor:
        """`(frames, 3, H, W)` from frame `start` on; a clip that is too short starts again at its first frame."""
        places = (start + self.preset.stride * np.arange(self.preset.frames)) % len(clip)
        return augment.pictures(clip[places].transpose(0, 3, 1, 2), self.request, rng)

    @torch.no_grad()
    def scores(self, items: Items) -> np.ndarray:
        """Mean probabilities of the windows of each clip, `(N, classes)`."""
        net = self._learned()
        device = next(net.parameters()).device
        rows = []
        for k in range(len(items)):
            clip = _clip(items, k)
            starts = np.linspace(0, self._starts(clip) - 1, self.preset.views).round().astype(int)
            windows = torch.stack([self._window(clip, int(start), None) for start in starts])
            rows.append(net(windows.to(device)).softmax(1).mean(0).cpu().numpy())
        return np.stack(rows)


def _clip(items: Items, index: int) -> np.ndarray:
    clip = items[index]
    if clip.dtype != np.uint8 or clip.ndim != 4 or clip.shape[3] != 3 or not len(clip):
        found = f"{clip.dtype} of shape {clip.shape}"
        raise BadData(f"item {items.ids[index]} is {found}, not a clip (frames, height, width, 3) of uint8")
    return clip


# ---------------------------------------------------------------- masks


class MaskPointer(GreyDense):
    """Role mask_classifier. Items are clips `(n, H, W, 3)` uint8 and their index maps `(n, H, W)` uint8."""

    def __init__(self, net: DenseTrunk, preset: Preset) -> None:
        super().__init__(net, preset.temperature, preset.unit)
        self.start, self.preset, self.fitted = copy.deepcopy(net), preset, False
        self.rule = SpacedFrames(0.0, preset.gaps)

    def dense(self, clips: Tensor) -> Tensor:
        """As of any trunk, once `fit` was called (UnlabeledError before)."""
        if not self.fitted:
            raise UnlabeledError("nothing was learned yet: this network has random weights", "call `fit` first")
        return super().dense(clips)

    def fit(self, clips: Items, masks: Items, rng: Rng) -> None:
        """Learn to copy the numbers of objects, from the initial weights anew.

        Raises
        ------
        BadData : a clip is too short for four frames.
        """
        plan, net = self.preset.follow, copy.deepcopy(self.start)
        size = plan.batch // plan.accumulate

        def batches(first: int, stride: int = 1) -> Iterator[Batch]:
            part = first
            while True:
                yield self._batch(clips, masks, range(part * size, (part + 1) * size), rng.under("data"))
                part += stride

        follow = partial(follow_loss, temperature=self.preset.temperature, unit=self.preset.unit)
        train(net, batches, follow, plan, rng.under("train"), device=str(next(net.parameters()).device))
        self.net, self.fitted = net.eval(), True

    def _batch(self, clips: Items, masks: Items, numbers: range, rng: Rng) -> Batch:
        """Four frames of each of some clips, and their index maps as targets; one window and flip for all four."""
        chosen = _in_turn(len(clips), numbers, rng)
        held = [(clips[item], masks[item]) for item in chosen]
        # Clips of several sizes: what fits in all of them, in whole cells.
        rows, columns = (
            min(self.preset.window, *(clip.shape[axis] for clip, _ in held)) // self.stride * self.stride
            for axis in (1, 2)
        )
        pictures, maps = [], []
        for n, (clip, index) in zip(numbers, held, strict=True):
            (places,) = self.rule(Info(len(clip), 0.0), rng.under("frames", n)).frames
            draw = rng.numpy("window", n)
            top, left = (int(draw.integers(clip.shape[a] - side + 1)) for a, side in ((1, rows), (2, columns)))
            turn = slice(None, None, int(draw.choice((-1, 1))))
            window = np.ix_(places, range(top, top + rows), range(left, left + columns))
            pictures.append(torch.from_numpy(np.ascontiguousarray(clip[window][:, :, turn])))
            maps.append(torch.from_numpy(np.ascontiguousarray(index[window][:, :, turn])))
        frames = torch.stack(pictures).permute(0, 1, 4, 2, 3).float() / 255
        return Batch(tuple(clips.ids[item] for item in chosen), frames, target=torch.stack(maps).long())


def follow_loss(
    net: nn.Module, batch: Batch, rng: Rng, progress: Progress, temperature: float = 1.0, unit: bool = False
) -> Losses:
    """Negative logarithm of the share of the true object in each cell; all objects that are seen weigh alike.

    Each frame but the first copies from all before it. That costs little beside the features, which are there anyway.
    """
    assert batch.frames is not None and batch.target is not None and isinstance(net, DenseTrunk)
    features = net(lightness(batch.frames.transpose(1, 2)))
    middle = slice(net.stride // 2, None, net.stride)
    numbers = batch.target[..., middle, middle]
    labels = functional.one_hot(numbers).to(features).movedim(-1, 1)
    losses = []
    for t in range(1, numbers.shape[1]):
        before = labels[:, :, :t]
        copied = point(features[:, :, :t], features[:, :, t], before, temperature, unit)
        # An object that no frame before shows cannot be copied.
        seen = (before.flatten(2).amax(2)[..., None, None] * labels[:, :, t]).sum(1)
        truth = numbers[:, t].masked_fill(seen == 0, NOWHERE)
        count = torch.bincount(truth[truth != NOWHERE], minlength=labels.shape[1]).to(features)
        if count.any():
            losses.append(pointing_loss(copied, truth, 1 / count.clamp(min=1)))
    # Where nothing in any frame was there before, nothing can be learned.
    return Losses({"main": torch.stack(losses).mean() if losses else 0 * features.sum()})


def _in_turn(items: int, numbers: range, rng: Rng) -> list[int]:
    """Items for some numbers of examples: each epoch shows every item once, in an order of its own."""
    rounds = {epoch: rng.numpy("order", epoch).permutation(items) for epoch in {n // items for n in numbers}}
    return [int(rounds[n // items][n % items]) for n in numbers]


# ---------------------------------------------------------------- method


class Supervised(Method):
    """Supervised."""

    id = "supervised"
    cite = "krizhevsky2012imagenet"
    roles = frozenset({"video_classifier", "image", "mask_classifier"})
    home = ("ucf101", "hmdb51", "davis2017", "jhmdb")
    supervision = "labels"
    presets = {
        "paper": PAPER,
        "small": SMALL,
        "mini": MINI,
        "nano": replace(
            MINI,
            train=replace(MINI.train, steps=60),
            follow=replace(MINI.follow, steps=20, warmup=0),
            finetune=FINETUNE["nano"],
        ),
    }
    devices = ("cpu", "cuda")

    def build(self, preset: Preset, rng: Rng) -> Trunk | DenseTrunk:
        """The trunk of the role with random weights."""
        if preset.role == "mask_classifier":
            return seeded(lambda: dense_trunks.make(preset.cells), rng)
        return seeded(lambda: trunks.make(preset.network, preset.size), rng)

    def adapt(self, net: Trunk | DenseTrunk, preset: Preset) -> WindowClassifier | MaskPointer:
        """A classifier that has seen nothing yet."""
        return MaskPointer(net, preset) if isinstance(net, DenseTrunk) else WindowClassifier(net, preset)


METHOD = Supervised()
