"""Odd-One-Out networks: which of several sequences of one video has its frames in the wrong order?

All sequences are drawn in the same way from the same video; in one of them, at a random place, the frames stand in an
order that is neither the right one nor its reverse. A network gives each sequence a vector, and from weighted
differences of the vectors answers which is odd. To see it, a network must see how things move.

Cite: fernando2017self (B. Fernando, H. Bilen, E. Gavves, S. Gould, Self-Supervised Video Representation Learning With
Odd-One-Out Networks, CVPR 2017).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unlabeled.contracts import (
    Batch,
    ClipSpec,
    Info,
    Losses,
    Method,
    Pick,
    Point,
    Pretext,
    Progress,
    Request,
    Sanity,
    Train,
)
from unlabeled.errors import BadData, WrongCall
from unlabeled.streams import Rng
from unlabeled.training.nets import caffenet, frame_trunk, trunks
from unlabeled.training.nets.clip_trunks import DIFFERENCES, ClipEncoder, ClipTrunk, Differences
from unlabeled.training.nets.encoders import Trunk, TrunkEncoder, seeded
from unlabeled.training.schedules import FINETUNE
from unlabeled.training.sizes import Size

Sampling = Literal["consecutive", "random", "constrained"]

# ---------------------------------------------------------------- constants


@dataclass(frozen=True)
class Preset:
    """The paper was not at hand: every number of `paper` is as commonly reported, not checked.

    input       : what the network is shown of a sequence: one picture of differences (the paper's three), or its
                  frames one by one (ours)
    role        : what is asked of a network that is shown frames: features of single pictures, or of sequences
    network, point, size : the trunk, where its features go on, its input
    sequences   : in a question; one of them is odd
    frames      : of a sequence
    sampling    : consecutive frames; any frames of the video in order; or any in order of a `window` of it
    window      : frames of a window; a shorter video is one window
    apart       : fewest frames between neighbours of a sequence
    step        : frames between neighbours of a clip when the network is transferred
    hidden      : units of the layer after the fusion, and of the one that joins frames
    finetune    : the schedule of a benchmark that trains the network on; None: the protocol's own
    pretrain    : the data set whose training clips are learned from, without their labels
    """

    train: Train
    input: Literal["frames"] | Differences = "stack-of-differences"
    role: Literal["image", "video"] = "video"
    network: trunks.Network = "caffenet"
    point: str = "fc6"
    size: Size = caffenet.SIZE
    sequences: int = 6
    frames: int = 6
    sampling: Sampling = "constrained"
    window: int = 9
    apart: int = 1
    step: int = 1
    hidden: int = 128
    augment: tuple[str, ...] = ("crop", "flip")
    finetune: Train | None = None
    pretrain: str = "ucf101"


PAPER = Preset(Train(steps=30_000, batch=64, lr=0.01, weight_decay=5e-4, schedule="step", milestones=(10_000, 20_000)))
SMALL = replace(
    PAPER,
    train=Train(steps=12_000, batch=64, lr=1e-3, opt="adamw", weight_decay=5e-4, schedule="cosine", warmup=500),
    finetune=FINETUNE["small"],
    network="resnet18",
    point="pool",
    size=112,
    sequences=4,
)
MINI = replace(
    PAPER,
    train=Train(steps=1450, batch=16, lr=3e-3, opt="adam", schedule="linear"),
    finetune=FINETUNE["mini"],
    network="frame_trunk",
    point="fc",
    size=frame_trunk.SIZE,
    sequences=3,
    frames=4,
    window=10,
    apart=2,
    step=3,
    augment=("shift", "flip", "gain"),
)
"""In films of the generated world answers stay at chance for some six hundred steps where frames are shown, then rise
until the end; they rise sooner on differences. Of three sequences the one in the middle weighs nothing in the fusion:
that it is odd shows in the others alone."""

# ---------------------------------------------------------------- questions


@dataclass(frozen=True)
class QuestionRule:
    """Which frames of a video each sequence of a question shows."""

    sequences: int
    frames: int
    sampling: Sampling
    window: int
    apart: int

    def __call__(self, info: Info, rng: Rng) -> Pick:
        """A pure function of a clip's length and of a stream; the target is the place of the odd sequence.

        Raises
        ------
        BadData : the clip is too short for a sequence.
        """
        draw = rng.numpy("question")
        shown = [self.sequence(info.frames, draw) for _ in range(self.sequences)]
        odd = int(draw.integers(self.sequences))
        shown[odd] = shown[odd][wrong_order(self.frames, draw)]
        return Pick(frames=tuple(tuple(run.tolist()) for run in shown), target=odd)

    def sequence(self, length: int, draw: np.random.Generator) -> np.ndarray:
        """Frames in order `(frames,)`, at least `apart` from each other."""
        span = (self.frames - 1) * self.apart + 1
        if length < span:
            raise BadData(
                f"{length} frames hold no sequence of {self.frames} frames {self.apart} apart: {span} are needed",
                "leave such clips out, or lower `frames` and `apart`",
            )
        room = {"consecutive": span, "random": length, "constrained": max(self.window, span)}[self.sampling]
        room = min(room, length)
        start = int(draw.integers(length - room + 1))
        # Distinct frames of a shorter clip, then moved apart: every such sequence is as likely.
        chosen = np.sort(draw.choice(room - span + self.frames, self.frames, replace=False))
        return start + chosen + (self.apart - 1) * np.arange(self.frames)


def wrong_order(n: int, draw: np.random.Generator) -> np.ndarray:
    """An order `(n,)` of n >= 3 things, any but the right one and its reverse."""
    right = np.arange(n)
    while True:
        order = draw.permutation(n)
        if not (np.array_equal(order, right) or np.array_equal(order, right[::-1])):
            return order


# ---------------------------------------------------------------- network


class FrameSequence(nn.Module):
    """Features of the frames of a sequence side by side, and a layer that joins them."""

    def __init__(self, trunk: Trunk, point: str, frames: int, step: int, hidden: int) -> None:
        super().__init__()
        self.trunk, self.point = trunk, point
        self.points = {"sequence": Point("sequence", hidden)}
        self.clip = ClipSpec(frames, step, trunk.size)
        self.join = nn.Sequential(nn.Linear(frames * trunk.points[point].dim, hidden), nn.ReLU())

    def until(self, point: str) -> nn.Module:
        """The whole of it: there is one point."""
        return self

    def forward(self, clips: Tensor) -> Tensor:
        """`(B, 3, T, H, W)` to `(B, hidden)`."""
        features = self.trunk(clips.transpose(1, 2).flatten(0, 1), self.point)
        return self.join(features.reshape(len(clips), -1))


class OddNet(nn.Module):
    """A vector for each sequence by one encoder, their weighted differences, and two layers."""

    def __init__(self, encoder: FrameSequence | ClipTrunk, point: str, sequences: int, hidden: int) -> None:
        super().__init__()
        self.encoder, self.point = encoder, point
        self.head = nn.Sequential(nn.Linear(encoder.points[point].dim, hidden), nn.ReLU(), nn.Linear(hidden, sequences))

    def forward(self, questions: Tensor) -> Tensor:
        """Questions `(B, N + 1, 3, T, H, W)` to logits `(B, N + 1)`."""
        vectors = self.encoder.until(self.point)(questions.flatten(0, 1)).unflatten(0, questions.shape[:2])
        return self.head(fused(vectors))


def fused(vectors: Tensor) -> Tensor:
    """Sum over all pairs of the later vector less the earlier one, by their number: `(B, N + 1, D)` to `(B, D)`."""
    n = vectors.shape[1]
    weights = (2 * torch.arange(n, device=vectors.device) - (n - 1)) / n
    return torch.einsum("k,bkd->bd", weights.to(vectors), vectors)


def loss(net: nn.Module, batch: Batch, rng: Rng, progress: Progress) -> Losses:
    """Cross-entropy of the answer."""
    assert batch.target is not None
    logits = net(batch.frames)
    value = functional.cross_entropy(logits, batch.target)
    return Losses({"main": value}, {"right": float(_right(logits, batch.target).mean())})


def _right(logits: Tensor, target: Tensor) -> Tensor:
    return logits.argmax(1).eq(target).float()


# ---------------------------------------------------------------- sanity


def measure(net: nn.Module, batch: Batch, rng: Rng) -> tuple[Tensor, Tensor | None]:
    """Which answers are right; the odd sequence stands everywhere equally often."""
    assert batch.target is not None
    return _right(net(batch.frames), batch.target), None


def all_shuffled(batch: Batch, rng: Rng) -> Batch:
    """Every sequence in an order drawn at random, against the old answer."""
    assert batch.frames is not None
    runs = batch.frames.flatten(0, 1)
    orders = rng.numpy("order").permuted(np.tile(np.arange(runs.shape[2]), (len(runs), 1)), axis=1)
    mixed = torch.stack([run[:, order] for run, order in zip(runs, torch.from_numpy(orders), strict=True)])
    return replace(batch, frames=mixed.view_as(batch.frames))


# ---------------------------------------------------------------- method


def _sizes(**changes: object) -> Mapping[str, Preset]:
    """All presets with these fields changed."""
    mini = replace(MINI, **changes)  # type: ignore[arg-type]
    return {
        "paper": replace(PAPER, **changes),  # type: ignore[arg-type]
        "small": replace(SMALL, **changes),  # type: ignore[arg-type]
        "mini": mini,
        "nano": replace(mini, train=replace(mini.train, steps=60), finetune=FINETUNE["nano"]),
    }


class OddOneOut(Method):
    """Odd-One-Out networks."""

    id = "odd_one_out"
    cite = "fernando2017self"
    roles = frozenset({"image", "video"})
    home = ("ucf101", "hmdb51")
    supervision = "none"
    presets = _sizes(input="frames", role="image")
    variants = {name: _sizes(input=name) for name in get_args(Differences)}
    devices = ("cpu", "cuda")

    def build(self, preset: Preset, rng: Rng) -> OddNet:
        """Encoder of sequences and head with random weights.

        Raises
        ------
        WrongCall : features of single pictures are asked of a network that is shown differences.
        """
        if preset.input != "frames" and preset.role == "image":
            raise WrongCall(
                f"{preset.input} are made of several frames: such a network has no features of single pictures",
                "choose a recipe of the role video",
            )
        return seeded(lambda: _net(preset), rng)

    def pretext(self, preset: Preset) -> Pretext:
        """Questions about unlabelled clips."""
        rule = QuestionRule(preset.sequences, preset.frames, preset.sampling, preset.window, preset.apart)
        data = Request("clips", preset.size, rule, augment=preset.augment)
        sanity = Sanity("accuracy", 1 / preset.sequences, measure, {"all shuffled": all_shuffled})
        return Pretext(data, preset.train, sanity, loss)

    def adapt(self, net: OddNet, preset: Preset) -> TrunkEncoder | ClipEncoder:
        """Features of single frames, or of sequences, without the head."""
        encoder = net.eval().encoder
        if isinstance(encoder, FrameSequence) and preset.role == "image":
            return TrunkEncoder(encoder.trunk, preset.finetune)
        return ClipEncoder(self.id, encoder, preset.finetune)


def _net(preset: Preset) -> OddNet:
    trunk = trunks.make(preset.network, preset.size)
    encoder: FrameSequence | ClipTrunk
    if preset.input == "frames":
        encoder = FrameSequence(trunk, preset.point, preset.frames, preset.step, preset.hidden)
        return OddNet(encoder, "sequence", preset.sequences, preset.hidden)
    encoder = ClipTrunk(DIFFERENCES[preset.input](preset.frames), trunk, step=preset.step)
    return OddNet(encoder, preset.point, preset.sequences, preset.hidden)


METHOD = OddOneOut()
