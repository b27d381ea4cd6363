"""Shuffle and Learn: are three frames of a video in the order in which they happened?

Five frames a < b < c < d < e of a stretch with much motion. (b, c, d) is in order; (b, a, d) and (b, e, d) are not. The
ends are the same, so only the frame in the middle tells, and to place it between them a network must see what moves:
where limbs are, not what the scene looks like. A cue is left: with the same ends three frames out of order span more
time, whatever their order. The presets below `paper` exchange neighbours of (b, c, d) in place of it.

Cite: misra2016shuffle (I. Misra, C. L. Zitnick, M. Hebert, Shuffle and Learn: Unsupervised Learning using Temporal
Order Verification, ECCV 2016; code imisra/shuffle-tuple).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unlabeled.contracts import Batch, Info, Losses, Method, Pick, Pretext, Progress, Request, Sanity, Train
from unlabeled.errors import BadData
from unlabeled.streams import Rng
from unlabeled.training.nets import caffenet, frame_trunk, trunks
from unlabeled.training.nets.encoders import Trunk, TrunkEncoder, seeded
from unlabeled.training.schedules import FINETUNE
from unlabeled.training.sizes import Size

# ---------------------------------------------------------------- constants


@dataclass(frozen=True)
class Preset:
    """Network, loss and schedule are those of the released `tuple_train` and `tuple_solver` prototxt.

    Not checked in the paper: `ends`, `apart`, `window`, `wrong`, `backwards`, `augment`, and how windows are drawn by
    motion. Not as released: biases learn at the rate of weights (there twice that, without weight decay), and motion
    is the difference of frames (there optical flow).

    network, point, size : the trunk, where its features go to the head, its input
    hidden               : units between features and answer; 0 is linear, as in the paper
    window               : frames among which the five lie; a shorter clip is one window
    ends                 : fewest and most frames from b to d
    apart                : fewest frames between neighbours of the five
    wrong                : share of tuples that are out of order
    wrong_from           : five: such a tuple is (b, a, d) or (b, e, d); three: (c, b, d) or (b, d, c)
    backwards            : tuples turn round half of the time; either direction is an order
    pretrain             : the data set whose training clips are learned from, without their labels
    finetune             : the schedule of a benchmark that trains the trunk on; None: the protocol's own
    """

    train: Train
    network: trunks.Network = "caffenet_bn"
    point: str = "fc7"
    size: Size = caffenet.SIZE
    hidden: int = 0
    window: int = 120
    ends: tuple[int, int] = (15, 60)
    apart: int = 5
    wrong: float = 0.75
    wrong_from: Literal["five", "three"] = "five"
    backwards: bool = True
    augment: tuple[str, ...] = ("crop", "flip")
    pretrain: str = "ucf101"
    finetune: Train | None = None


PAPER = Preset(
    Train(
        steps=100_000,
        batch=128,
        accumulate=4,
        lr=1e-3,
        weight_decay=5e-4,
        schedule="step",
        milestones=(80_000,),
    )
)
SMALL = replace(
    PAPER,
    train=Train(steps=12_000, batch=128, lr=1e-3, opt="adamw", weight_decay=5e-4, schedule="cosine", warmup=500),
    network="resnet18",
    point="pool",
    size=112,
    finetune=FINETUNE["small"],
    hidden=128,
    window=40,
    ends=(6, 20),
    apart=3,
    wrong=0.5,
    wrong_from="three",
)
MINI = Preset(
    Train(steps=1600, batch=48, lr=1.5e-3, opt="adam", schedule="linear"),
    network="frame_trunk",
    point="fc",
    size=frame_trunk.SIZE,
    hidden=128,
    window=14,
    ends=(4, 8),
    apart=2,
    wrong=0.5,
    wrong_from="three",
    backwards=False,
    augment=("shift", "flip", "gain"),
    finetune=FINETUNE["mini"],
)
"""Films of the generated world are cyclic: no frame alone says when it was, and a linear head only adds up what frames
say alone, hence `hidden`. Short distances keep most tuples within one rise of the cycle. The loss stands still for the
first thousand steps or so.

`wrong_from` is not the paper's: with its tuples the span of the three frames alone gives the answer in 80 % of cases,
and trained on them the control `any order` came to 53.0, 53.7 and 55.4 % on seeds 1 to 3 (4032 questions, standard
error 0.8). Right and wrong tuples of the same three frames have nothing but order between them: 49.9, 50.3 and 50.4 %.
The price: the ends of a wrong tuple are nearer to each other."""

# ---------------------------------------------------------------- tuples

IN_ORDER, OUT_OF_ORDER = 1, 0


@dataclass(frozen=True)
class TupleRule:
    """Which three frames of a clip are shown."""

    window: int
    ends: tuple[int, int]
    apart: int
    wrong: float
    wrong_from: Literal["five", "three"]
    backwards: bool

    def __call__(self, info: Info, rng: Rng) -> Pick:
        """A pure function of a clip's length and motion, and of a stream.

        Raises
        ------
        BadData : the clip is too short for five frames so far apart.
        """
        draw = rng.numpy("tuple")
        a, b, c, d, e = self.five(info, draw)
        in_order = bool(draw.random() >= self.wrong)
        wrong = {"five": ((b, a, d), (b, e, d)), "three": ((c, b, d), (b, d, c))}[self.wrong_from]
        shown = (b, c, d) if in_order else wrong[int(draw.integers(2))]
        if self.backwards and draw.random() < 0.5:
            shown = shown[::-1]
        return Pick(frames=(shown,), target=IN_ORDER if in_order else OUT_OF_ORDER)

    def five(self, info: Info, draw: np.random.Generator) -> tuple[int, int, int, int, int]:
        """Frames a < b < c < d < e: first the distance of the ends b and d, then the place of each."""
        window, apart = min(self.window, info.frames), self.apart
        shortest = max(self.ends[0], 2 * apart)
        longest = min(self.ends[1], window - 1 - 2 * apart)
        if longest < shortest:
            raise BadData(
                f"{window} frames hold no five frames at least {apart} apart, the middle ones over {shortest}: "
                f"{shortest + 2 * apart + 1} are needed",
                "leave such clips out, or lower `ends` and `apart`",
            )

        def between(first: int, last: int) -> int:
            return int(draw.integers(first, last, endpoint=True))

        start = busy_start(info, window, draw)
        end = start + window - 1
        ends = between(shortest, longest)
        b = between(start + apart, end - apart - ends)
        d = b + ends
        return between(start, b - apart), b, between(b + apart, d - apart), d, between(d + apart, end)


def busy_start(info: Info, window: int, draw: np.random.Generator) -> int:
    """First frame of a window, drawn in proportion to the motion in it; a clip where nothing moves gives any."""
    starts = info.frames - window + 1
    if info.motion is None or not info.motion.any():
        return int(draw.integers(starts))
    total = np.concatenate([[0.0], np.cumsum(info.motion, dtype=np.float64)])
    inside = total[window - 1 :] - total[:starts]
    return int(draw.choice(starts, p=inside / inside.sum()))


# ---------------------------------------------------------------- network


class TupleNet(nn.Module):
    """One trunk for the three frames, and a head on their features side by side."""

    def __init__(self, trunk: Trunk, point: str, hidden: int) -> None:
        super().__init__()
        self.trunk, self.point = trunk, point
        dim = 3 * trunk.points[point].dim
        self.head = (
            nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, 2)) if hidden else nn.Linear(dim, 2)
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Tuples `(B, 3, 3, H, W)` to logits `(B, 2)`."""
        # All frames in one batch: the three towers share their batch statistics.
        features = self.trunk(frames.flatten(0, 1), self.point)
        return self.head(features.reshape(len(frames), -1))


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
    """Which answers are right, by the true answer: with many wrong tuples a constant answer looks good otherwise."""
    assert batch.target is not None
    return _right(net(batch.frames), batch.target), batch.target


def one_frame(batch: Batch, rng: Rng) -> Batch:
    """The middle frame three times: nothing but that frame is left to tell."""
    assert batch.frames is not None
    return replace(batch, frames=batch.frames[:, 1:2].expand_as(batch.frames))


def any_order(batch: Batch, rng: Rng) -> Batch:
    """The three frames in an order drawn at random, against the old answer."""
    assert batch.frames is not None
    orders = rng.numpy("order").permuted(np.tile(np.arange(3), (len(batch.frames), 1)), axis=1)
    mixed = torch.stack([tuple_[order] for tuple_, order in zip(batch.frames, torch.from_numpy(orders), strict=True)])
    return replace(batch, frames=mixed)


SANITY = Sanity("balanced accuracy", 0.5, measure, {"one frame": one_frame, "any order": any_order})

# ---------------------------------------------------------------- method


class ShuffleAndLearn(Method):
    """Shuffle and Learn."""

    id = "shuffle_and_learn"
    cite = "misra2016shuffle"
    roles = frozenset({"image"})
    home = ("ucf101", "hmdb51")
    supervision = "none"
    presets = {
        "paper": PAPER,
        "small": SMALL,
        "mini": MINI,
        "nano": replace(MINI, train=replace(MINI.train, steps=60), finetune=FINETUNE["nano"]),
    }
    devices = ("cpu", "cuda")

    def build(self, preset: Preset, rng: Rng) -> TupleNet:
        """Trunk and head with random weights."""
        return seeded(lambda: TupleNet(trunks.make(preset.network, preset.size), preset.point, preset.hidden), rng)

    def pretext(self, preset: Preset) -> Pretext:
        """Order verification on unlabelled clips."""
        rule = TupleRule(preset.window, preset.ends, preset.apart, preset.wrong, preset.wrong_from, preset.backwards)
        data = Request("frames", preset.size, rule, augment=preset.augment, wants=frozenset({"motion"}))
        return Pretext(data, preset.train, SANITY, loss)

    def adapt(self, net: TupleNet, preset: Preset) -> TrunkEncoder:
        """The trunk alone: features of single frames."""
        return TrunkEncoder(net.trunk, preset.finetune)


METHOD = ShuffleAndLearn()
