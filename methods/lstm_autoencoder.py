"""Composite LSTM: remember the frames that were seen, and tell those to come.

One LSTM reads the frames of a block. From its last state one decoder says them again, the last one first, and another
says the frames that follow: the first alone would learn to copy, the second alone to forget what is far back. What the
reading LSTM learned starts a classifier.

Cite: srivastava2015unsupervised (N. Srivastava, E. Mansimov, R. Salakhutdinov, Unsupervised Learning of Video
Representations using LSTMs, ICML 2015; code emansim/unsupervised-videos).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any, Literal

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
from unlabeled.training.augment import grey
from unlabeled.training.nets import blocks
from unlabeled.training.nets.blocks import BLOCKS, BlockClassifier, BlockPreset
from unlabeled.training.nets.encoders import seeded
from unlabeled.training.nets.lstm import LSTM, State, vectors
from unlabeled.training.sizes import height_width

Task = Literal["composite", "reconstruction", "prediction"]

# ---------------------------------------------------------------- constants


@dataclass(frozen=True, kw_only=True)
class Preset(BlockPreset):
    """`paper`: the released configuration for patches of UCF-101 (`lstm_combo_1layer_ucf101_patches`).

    Not as released: whole pictures of 32 x 32, not patches cut from larger ones; the norm of the gradient is clipped
    (there each of its numbers, to 1e-4). How a classifier learns: `training.nets.blocks`. The variants `rgb` and `flow`
    read features of frames from files; no loader reads these for a pretext, so that their weights must be given.

    task        : what is decoded
    conditional : a decoder is shown the frame before each that it says: while it learns the true one, afterwards, of
                  the future, its own
    around_mean : decoders say how frames differ from the mean of those that were read (not in the paper)
    pretrain    : the data set whose training clips are learned from, without their labels
    """

    train: Train
    task: Task = "composite"
    conditional: bool = True
    around_mean: bool = False
    pretrain: str = "ucf101"


PAPER = Preset(
    train=Train(
        steps=100_000,
        batch=100,
        lr=1e-4,
        weight_decay=1e-4,
        schedule="step",
        milestones=tuple(range(10_000, 100_000, 10_000)),
        gamma=0.9,
        clip=1.0,
    ),
    **vars(BLOCKS["paper"]),
)
GIVEN = replace(PAPER, train=replace(PAPER.train, batch=128), **vars(blocks.GIVEN))
SMALL = Preset(
    train=Train(steps=12_000, batch=100, lr=1e-3, opt="adamw", weight_decay=1e-4, schedule="cosine", clip=1.0),
    **vars(BLOCKS["small"]),
)
MINI = Preset(
    train=Train(steps=2000, batch=32, lr=2e-3, opt="adamw", schedule="linear", clip=1.0),
    conditional=False,
    around_mean=True,
    **vars(BLOCKS["mini"]),
)
"""Without `around_mean` all steps go into saying what stands still: the error stayed above that of the mean frame, with
other learning rates and twice the units too."""
PRESETS = {
    "paper": PAPER,
    "small": SMALL,
    "mini": MINI,
    "nano": replace(MINI, train=replace(MINI.train, steps=60), finetune=BLOCKS["nano"].finetune),
}

# ---------------------------------------------------------------- blocks


@dataclass(frozen=True)
class BlockRule:
    """Two blocks that follow each other anywhere in a clip: the one that is read, and the one that is asked for.

    The latter are the frames to come, or, where nothing is predicted, those that were read, the last one first. Frames
    lie `stride` apart, or as far as a shorter clip allows.
    """

    frames: int
    stride: int
    task: Task

    def __call__(self, info: Info, rng: Rng) -> Pick:
        """A pure function of a clip's length and of a stream.

        Raises
        ------
        BadData : the clip is shorter than two blocks.
        """
        gaps = 2 * self.frames - 1
        if info.frames <= gaps:
            raise BadData(
                f"a clip of {info.frames} frames holds no two blocks of {self.frames}",
                f"leave clips of fewer than {gaps + 1} frames out, or lower `frames`",
            )
        stride = min(self.stride, (info.frames - 1) // gaps)
        start = int(rng.numpy("block").integers(info.frames - stride * gaps))
        every = tuple(range(start, start + stride * gaps + 1, stride))
        read, to_come = every[: self.frames], every[self.frames :]
        return Pick(frames=(read, read[::-1] if self.task == "reconstruction" else to_come))


def read_and_asked(batch: Batch, gain: float) -> tuple[Tensor, Tensor]:
    """Vectors `(B, T, dim)` of the frames of both blocks."""
    assert batch.frames is not None
    return vectors(batch.frames[:, 0], gain), vectors(batch.frames[:, 1], gain)


# ---------------------------------------------------------------- network


class Decoder(nn.Module):
    """An LSTM that goes on from the state of another, and a linear layer that says a frame from each of its outputs."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.lstm, self.conditional = preset.lstm(), preset.conditional
        self.readout = nn.Linear(preset.units, preset.dim)
        nn.init.uniform_(self.readout.weight, -preset.start, preset.start)
        nn.init.zeros_(self.readout.bias)

    def forward(self, state: State, frames: int, true: Tensor | None) -> Tensor:
        """Frames `(B, frames, dim)`; a conditional decoder is shown the `true` frame before each, or else its own."""
        said: list[Tensor] = []
        for k in range(frames):
            before = None
            if self.conditional and k:
                before = said[-1] if true is None else true[:, k - 1]
            state = self.lstm.step(state, before)
            said.append(self.readout(state[0]))
        return torch.stack(said, 1)


class Composite(nn.Module):
    """The LSTM that reads, and a decoder for each task."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.gain, self.shape = preset.gain, (1 if preset.colour == "grey" else 3, *height_width(preset.size))
        self.around_mean, self.encoder = preset.around_mean, preset.lstm()
        self.back = Decoder(preset) if preset.task != "prediction" else None
        self.on = Decoder(preset) if preset.task != "reconstruction" else None

    def forward(self, read: Tensor, to_come: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """Vectors `(B, T, dim)` to those of the same frames, the last one first, and of as many to come.

        Frames to come are told to a conditional decoder while it learns.
        """
        _, state = self.encoder(read)
        mean = read.mean(1, keepdim=True) if self.around_mean else torch.zeros_like(read[:, :1])
        back = self.back(state, read.shape[1], read.flip(1) - mean) + mean if self.back else None
        told = None if to_come is None else to_come - mean
        return back, self.on(state, read.shape[1], told) + mean if self.on else None

    def answer(self, read: Tensor) -> Tensor:
        """What is said when the second block is asked for, `(B, T, dim)`: nobody has told a frame of it."""
        back, on = self(read, None)
        return back if on is None else on

    def pictures(self, frames: Tensor) -> Tensor:
        """Vectors `(B, T, dim)` as pictures `(B, C, T, H, W)` in [0, 1]."""
        return (frames / self.gain + 0.5).clamp(0, 1).unflatten(2, self.shape).transpose(1, 2)


def loss(net: Any, batch: Batch, rng: Rng, progress: Progress) -> Losses:
    """Half the squared error of both decoders, summed over the numbers of a frame and over frames."""
    read, asked = read_and_asked(batch, net.gain)
    back, on = net(read, asked)
    answers = {"reconstruction": (back, read.flip(1)), "prediction": (on, asked)}
    parts = {
        name: functional.mse_loss(said, true, reduction="sum") / (2 * len(read))
        for name, (said, true) in answers.items()
        if said is not None
    }
    return Losses(
        {"main": torch.stack(list(parts.values())).sum()}, {name: float(v.detach()) for name, v in parts.items()}
    )


# ---------------------------------------------------------------- sanity


def measure(net: Any, batch: Batch, rng: Rng) -> tuple[Tensor, Tensor | None]:
    """Whether the answer lies nearer to the frames that were asked for than to the same frames played backwards.

    Any answer that does not change, such as the last frame or the mean frame again and again, lies as near to both: it
    has exactly chance. That the error is below theirs as well stands beside the pictures (`pictures`): on frames in
    random order the mean frame beats the last one, so that no error against the last frame falls back to chance there.
    """
    read, asked = read_and_asked(batch, net.gain)
    said = net.answer(read)
    # Half the difference of both squared errors: written out, so that what does not change gives exactly 0.
    nearer = ((said - said.flip(1)) * (asked - asked.flip(1))).sum((1, 2))
    return (nearer.sign() + 1) / 2, None


def any_order(batch: Batch, rng: Rng) -> Batch:
    """The frames that are asked for in an order drawn at random."""
    assert batch.frames is not None
    frames = batch.frames.clone()
    count = frames.shape[3]
    orders = rng.numpy("order").permuted(np.tile(np.arange(count), (len(frames), 1)), axis=1)
    for item, order in zip(frames, torch.from_numpy(orders), strict=True):
        item[1] = item[1][:, order]
    return replace(batch, frames=frames)


SANITY = Sanity("nearer to the true order", 0.5, measure, {"any order": any_order})


@torch.no_grad()
def pictures(net: Any, batch: Batch, rng: Rng) -> dict[str, Tensor]:
    """Frames that were read, those that were asked for, the answer, and what repeating a frame would answer."""
    assert batch.frames is not None
    read, _ = read_and_asked(batch, net.gain)
    shown, true = batch.frames[:, 0], batch.frames[:, 1]
    said = net.pictures(net.answer(read))
    return {
        "shown": shown,
        "true": true,
        "predicted": said,
        "last frame": shown[:, :, -1:].expand_as(shown),
        "mean frame": shown.mean(2, keepdim=True).expand_as(shown),
    }


# ---------------------------------------------------------------- roles


class LastState(nn.Module):
    """Clips to what the LSTM has made of them after their last frame."""

    def __init__(self, encoder: LSTM, preset: Preset) -> None:
        super().__init__()
        self.encoder, self.preset = encoder, preset

    def forward(self, clips: Tensor) -> Tensor:
        """`(B, 3, T, H, W)` in [0, 1] to `(B, units)`; pictures of another size are BadData."""
        height, width = height_width(self.preset.size)
        if tuple(clips.shape[3:]) != (height, width):
            found = f"{clips.shape[3]} x {clips.shape[4]}"
            raise BadData(f"pictures of {found} for an LSTM that takes {height} x {width} (height x width)")
        if self.preset.colour == "grey":
            clips = grey(clips.transpose(1, 2).flatten(0, 1)).unflatten(0, (len(clips), -1)).transpose(1, 2)
        _, (output, _) = self.encoder(vectors(clips, self.preset.gain))
        return output


class StateEncoder:
    """Role video: the last output of the LSTM that reads."""

    space = None

    def __init__(self, encoder: LSTM, preset: Preset) -> None:
        self.net = LastState(encoder, preset).eval()
        self.points = {"state": Point("state", preset.units)}
        self.clip = ClipSpec(preset.frames, preset.stride, preset.size)

    @torch.no_grad()
    def encode_clip(self, clips: Tensor, point: str) -> Tensor:
        """`(B, 3, T, H, W)` float32 in [0, 1] to `(B, units)`, on the CPU.

        Raises
        ------
        WrongCall : another point than `state`.
        BadData : pictures of another size.
        """
        net = self._at(point)
        return net(clips.to(next(net.parameters()).device)).cpu()

    def trunk(self, point: str) -> nn.Module:
        """A copy of the network: training it leaves the encoder as it is."""
        return copy.deepcopy(self._at(point))

    def _at(self, point: str) -> LastState:
        if point not in self.points:
            raise WrongCall(f"the network has no point {point!r}", f"there is state ({self.points['state'].dim})")
        return self.net


# ---------------------------------------------------------------- method


class LSTMAutoencoder(Method):
    """Composite LSTM."""

    id = "lstm_autoencoder"
    cite = "srivastava2015unsupervised"
    roles = frozenset({"video", "video_classifier"})
    home = ("ucf101", "hmdb51")
    supervision = "none"
    presets = PRESETS
    variants = {
        "reconstruction": {name: replace(preset, task="reconstruction") for name, preset in PRESETS.items()},
        "prediction": {name: replace(preset, task="prediction") for name, preset in PRESETS.items()},
        "rgb": {"paper": GIVEN},
        "flow": {"paper": GIVEN},
    }
    devices = ("cpu", "cuda")

    def build(self, preset: Preset, rng: Rng) -> Composite:
        """Encoder and decoders with random weights."""
        return seeded(lambda: Composite(preset), rng)

    def pretext(self, preset: Preset) -> Pretext:
        """Reconstruction and prediction on unlabelled clips.

        Raises
        ------
        WrongCall : the preset reads given features, which no loader reads for a pretext.
        """
        if preset.features:
            raise WrongCall(
                "features of frames can be read for a benchmark, not for learning without labels",
                "give the weights of a network that learned from them with --weights FILE",
            )
        rule = BlockRule(preset.frames, preset.stride, preset.task)
        data = Request("clips", preset.size, rule, augment=preset.augment, colour=preset.colour)
        return Pretext(data, preset.train, SANITY, loss, pictures=pictures)

    def adapt(self, net: Composite, preset: Preset) -> StateEncoder | BlockClassifier:
        """The LSTM that reads: its last state, or a classifier that starts from it."""
        if preset.role == "video":
            return StateEncoder(net.encoder, preset)
        return BlockClassifier(net.encoder, preset)


METHOD = LSTMAutoencoder()
