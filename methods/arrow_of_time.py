"""Arrow of time: does a clip run forwards or backwards?

Every clip is shown in both directions. Nothing but what cannot happen backwards tells them apart: things fall, break,
spread, start with a jolt and calm down. What merely swings looks the same both ways.

It learns from `pool`, whose things jump when they sound. A set that holds every film and its reverse equally often, as
the generated `ucf101` does, leaves it at chance by construction: the two answers cancel.

Cite: pickup2014seeing (L. Pickup, Z. Pan, D. Wei, Y. Shih, C. Zhang, A. Zisserman, B. Schoelkopf, W. Freeman, Seeing
the Arrow of Time, CVPR 2014); as a pretext D. Wei, J. Lim, A. Zisserman, W. Freeman, Learning and Using the Arrow of
Time, CVPR 2018.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unlabeled.contracts import Batch, Info, Losses, Method, Pick, Pretext, Progress, Request, Sanity, Train
from unlabeled.errors import BadData
from unlabeled.streams import Rng
from unlabeled.training.nets import caffenet, frame_trunk, trunks
from unlabeled.training.nets.clip_trunks import ClipEncoder, ClipTrunk, Grey, frames_and_differences
from unlabeled.training.nets.encoders import seeded
from unlabeled.training.schedules import FINETUNE
from unlabeled.training.sizes import Size

# ---------------------------------------------------------------- constants


@dataclass(frozen=True)
class Preset:
    """`paper` is no preset of a paper: both read optical flow (words of flow and an SVM in 2014, stacks of ten fields
    in four segments through VGG in 2018), here it is frames and their differences. None of its numbers was checked.

    network, point, size : the trunk, where the linear layer reads it, its input
    frames, fps          : of a clip in grey, and how many a second; a slower video gives every frame
    step                 : frames between neighbours of a clip when the network is transferred
    gain                 : of differences; frames have 1
    finetune             : the schedule of a benchmark that trains the network on; None: the protocol's own
    pretrain             : the data set whose clips are learned from
    """

    train: Train
    network: trunks.Network = "caffenet"
    point: str = "fc7"
    size: Size = caffenet.SIZE
    frames: int = 10
    fps: float = 10.0
    step: int = 3
    gain: float = 4.0
    augment: tuple[str, ...] = ("crop", "flip")
    finetune: Train | None = None
    pretrain: str = "pool"


PAPER = Preset(Train(steps=80_000, batch=64, lr=0.01, weight_decay=5e-4, schedule="step", milestones=(50_000, 70_000)))
SMALL = replace(
    PAPER,
    train=Train(steps=12_000, batch=64, lr=1e-3, opt="adamw", weight_decay=5e-4, schedule="cosine", warmup=500),
    finetune=FINETUNE["small"],
    network="resnet18",
    point="pool",
    size=112,
    frames=8,
    fps=8.0,
)
MINI = replace(
    PAPER,
    train=Train(steps=1500, batch=32, lr=1.5e-3, opt="adam", schedule="linear", weight_decay=5e-4),
    finetune=FINETUNE["mini"],
    network="frame_trunk",
    point="fc",
    size=frame_trunk.SIZE,
    frames=8,
    fps=8.0,
    augment=("shift", "flip", "gain"),
)
"""It stays at chance on the generated `pool` (seed 1): clips learned from are told a little better than by guessing,
others are not. A direction is there to be seen, but faint: the strength of motion from frame to frame, before the film
is encoded, gives about 0.6. Encoded films have a cue of their own, a key frame every twelve frames, which whole clips
must not be allowed to show."""

# ---------------------------------------------------------------- clips


@dataclass(frozen=True)
class ClipRule:
    """A clip anywhere in a video, forwards; the other direction is made of it in the loss."""

    frames: int
    fps: float

    def __call__(self, info: Info, rng: Rng) -> Pick:
        """A pure function of a video's length and rate, and of a stream.

        Raises
        ------
        BadData : the video is too short.
        """
        stride = max(1, round(info.fps / self.fps))
        span = (self.frames - 1) * stride + 1
        if info.frames < span:
            raise BadData(
                f"{info.frames} frames hold no clip of {self.frames} frames {stride} apart: {span} are needed",
                "leave such videos out, or lower `frames`",
            )
        start = int(rng.numpy("clip").integers(info.frames - span + 1))
        return Pick(frames=(tuple(range(start, start + span, stride)),))


# ---------------------------------------------------------------- network

FORWARDS, BACKWARDS = 0, 1


class DirectionNet(nn.Module):
    """A clip trunk on grey frames and their differences, and a linear layer of two answers."""

    def __init__(self, trunk: ClipTrunk, point: str) -> None:
        super().__init__()
        self.trunk, self.point = trunk, point
        self.head = nn.Linear(trunk.points[point].dim, 2)

    def forward(self, clips: Tensor) -> Tensor:
        """Clips `(B, 3, T, H, W)` to logits `(B, 2)`."""
        return self.head(self.trunk(clips, self.point))


def both_ways(batch: Batch) -> tuple[Tensor, Tensor]:
    """Every clip forwards, then every clip backwards, `(2 B, 3, T, H, W)`, and the answers `(2 B,)`."""
    assert batch.frames is not None
    clips = batch.frames[:, 0]
    answers = torch.tensor([FORWARDS, BACKWARDS], device=clips.device).repeat_interleave(len(clips))
    return torch.cat([clips, clips.flip(2)]), answers


def loss(net: nn.Module, batch: Batch, rng: Rng, progress: Progress) -> Losses:
    """Cross-entropy over both directions of every clip."""
    clips, answers = both_ways(batch)
    logits = net(clips)
    value = functional.cross_entropy(logits, answers)
    return Losses({"main": value}, {"right": float(logits.argmax(1).eq(answers).float().mean())})


# ---------------------------------------------------------------- sanity


def measure(net: nn.Module, batch: Batch, rng: Rng) -> tuple[Tensor, Tensor | None]:
    """Of each clip the share of its two directions that is told right."""
    clips, answers = both_ways(batch)
    right = net(clips).argmax(1).eq(answers).float()
    return right.unflatten(0, (2, -1)).mean(0), None


def palindromes(batch: Batch, rng: Rng) -> Batch:
    """The first half of every clip, and back again: both directions are one film."""
    assert batch.frames is not None
    frames = batch.frames.shape[3]
    there = np.minimum(np.arange(frames), np.arange(frames)[::-1])
    return replace(batch, frames=batch.frames[:, :, :, torch.from_numpy(there)])


def any_order(batch: Batch, rng: Rng) -> Batch:
    """The frames of every clip in an order drawn at random: no direction is the right one."""
    assert batch.frames is not None
    frames = np.arange(batch.frames.shape[3])
    orders = rng.numpy("order").permuted(np.tile(frames, (len(batch.frames), 1)), axis=1)
    mixed = [clip[:, :, order] for clip, order in zip(batch.frames, torch.from_numpy(orders), strict=True)]
    return replace(batch, frames=torch.stack(mixed))


SANITY = Sanity("accuracy", 0.5, measure, {"palindromes": palindromes, "any order": any_order})

# ---------------------------------------------------------------- method


class ArrowOfTime(Method):
    """Seeing the arrow of time."""

    id = "arrow_of_time"
    cite = "pickup2014seeing"
    roles = frozenset({"video"})
    home = ("ucf101",)
    supervision = "none"
    presets = {
        "paper": PAPER,
        "small": SMALL,
        "mini": MINI,
        "nano": replace(MINI, train=replace(MINI.train, steps=60, batch=16), finetune=FINETUNE["nano"]),
    }
    devices = ("cpu", "cuda")

    def build(self, preset: Preset, rng: Rng) -> DirectionNet:
        """Trunk and head with random weights."""
        return seeded(lambda: _net(preset), rng)

    def pretext(self, preset: Preset) -> Pretext:
        """The direction of unlabelled clips."""
        rule = ClipRule(preset.frames, preset.fps)
        return Pretext(Request("clips", preset.size, rule, augment=preset.augment), preset.train, SANITY, loss)

    def adapt(self, net: DirectionNet, preset: Preset) -> ClipEncoder:
        """The trunk alone: features of clips."""
        return ClipEncoder(self.id, net.eval().trunk, preset.finetune)


def _net(preset: Preset) -> DirectionNet:
    weights = frames_and_differences(preset.frames, preset.gain)
    trunk = ClipTrunk(weights, trunks.make(preset.network, preset.size), Grey(), preset.step)
    return DirectionNet(trunk, preset.point)


METHOD = ArrowOfTime()
