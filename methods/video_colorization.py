"""Video colorization: give a grey frame its colours back by copying them from frames before it.

The features of a grey cell point at the cells of three coloured frames, and the colour there must be its own. What
points at the right place can carry any other label: to follow things was never asked for, it emerges.

Cite: vondrick2018tracking (C. Vondrick, A. Shrivastava, A. Fathi, S. Guadarrama, K. Murphy, Tracking Emerges by
Colorizing Videos, ECCV 2018). Its code was never released; where the paper leaves something open, the
re-implementation wbaek/tracking_via_colorization was looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional

from unlabeled.contracts import Batch, Losses, Method, Pretext, Progress, Request, Sanity, Train
from unlabeled.streams import Rng
from unlabeled.training.nets import dense_trunks
from unlabeled.training.nets.dense_trunks import DenseTrunk, GreyDense
from unlabeled.training.nets.encoders import seeded
from unlabeled.training.pointing import SpacedFrames, point, pointing_loss
from unlabeled.training.signals.lab import from_unit
from unlabeled.training.signals.rgb import coloured, unit_to_rgb

# ---------------------------------------------------------------- constants

COLOURS = 16
SAMPLES = 10_000
"""Colours of cells from which the palette is made."""
CLEAR = 15.0
"""Distance in a and b from which two colours of the palette are clearly different: less may be noise."""


@dataclass(frozen=True)
class Preset:
    """Not checked in the paper: `train`, `fps`, `gaps`, `augment`, and what `dense_trunks.colour_resnet` says.

    size        : of the frames
    fps         : frames a second among which the four are chosen; 0: all that there are
    gaps        : fewest and most of these from one of the four to the next
    temperature : of the softmax over the cells of the references
    unit        : features have length 1 in it
    palette     : batches from which the palette is made
    pretrain    : the data set whose training clips are learned from
    """

    train: Train
    network: dense_trunks.Network = "colour_resnet"
    size: int = 256
    fps: float = 6.0
    gaps: tuple[int, int] = (1, 1)
    temperature: float = 1.0
    unit: bool = False
    palette: int = 20
    augment: tuple[str, ...] = ("crop", "flip")
    pretrain: str = "pool"


PAPER = Preset(
    Train(steps=400_000, batch=32, lr=1e-3, opt="adam", schedule="step", milestones=(60_000,)),
)
SMALL = replace(
    PAPER, train=Train(steps=10_000, batch=16, lr=1e-3, opt="adam", schedule="cosine", warmup=300), size=128
)
MINI = Preset(
    Train(steps=530, batch=8, lr=1e-3, opt="adam", schedule="cosine", warmup=16),
    network="mini_dense",
    size=64,
    fps=0.0,
    gaps=(1, 5),
    temperature=0.1,
    unit=True,
)
"""In a few hundred steps a small network learns directions far sooner than lengths, and by them it is compared."""

# ---------------------------------------------------------------- colours


def cell_colours(frames: Tensor, stride: int) -> Tensor:
    """Lab frames `(B, N, 3, H, W)` as a Batch has them to the mean a and b of each cell, `(B, N, 2, h, w)`."""
    colours = from_unit(frames)[:, :, 1:].flatten(0, 1)
    return functional.avg_pool2d(colours, stride, ceil_mode=True).unflatten(0, frames.shape[:2])


def named(colours: Tensor, palette: Tensor) -> Tensor:
    """Colours `(..., 2, h, w)` to the number of the nearest one of a palette `(K, 2)`, `(..., h, w)`."""
    return (colours.movedim(-3, -1).unsqueeze(-2) - palette).square().sum(-1).argmin(-1)


def make_palette(batches: Iterator[Batch], rng: Rng, stride: int) -> np.ndarray:
    """K-means centres `(COLOURS, 2)` of a and b over cells of some batches."""
    every = []
    for batch in batches:
        assert batch.frames is not None
        every.append(cell_colours(batch.frames, stride).movedim(2, -1).reshape(-1, 2).cpu().numpy())
    cells = np.concatenate(every)
    draw = rng.numpy("cells")
    cells = cells[draw.choice(len(cells), min(SAMPLES, len(cells)), replace=False)]
    found = KMeans(COLOURS, n_init=1, random_state=int(draw.integers(2**31))).fit(cells)
    return found.cluster_centers_.astype(np.float32)


# ---------------------------------------------------------------- network


class PointingNet(nn.Module):
    """A trunk, and the palette of the colours that are copied."""

    palette: Tensor

    def __init__(self, trunk: DenseTrunk, temperature: float, unit: bool) -> None:
        super().__init__()
        self.trunk, self.temperature, self.unit = trunk, temperature, unit
        self.register_buffer("palette", torch.zeros(COLOURS, 2))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Lab frames `(B, 4, 3, H, W)`, the target last, to its copied colours `(B, COLOURS, h, w)`, and the number of
        the true colour of every cell, `(B, 4, h, w)`."""
        # Of the target nothing but its lightness goes in.
        features = self.trunk(frames[:, :, :1].transpose(1, 2) * 2 - 1)
        true = named(cell_colours(frames, self.trunk.stride), self.palette)
        labels = functional.one_hot(true[:, :-1], COLOURS).to(features).movedim(-1, 1)
        return point(features[:, :, :-1], features[:, :, -1], labels, self.temperature, self.unit), true


def loss(net: nn.Module, batch: Batch, rng: Rng, progress: Progress) -> Losses:
    """Negative logarithm of the share of the true colour."""
    copied, true = net(batch.frames)
    right = copied.argmax(1).eq(true[:, -1])
    moved = true[:, -1].ne(true[:, -2])
    changed = right[moved].float().sum() / moved.sum().clamp(min=1)
    log = {"right": float(right.float().mean()), "right where changed": float(changed)}
    return Losses({"main": pointing_loss(copied, true[:, -1])}, log)


# ---------------------------------------------------------------- sanity


def measure(net: nn.Module, batch: Batch, rng: Rng) -> tuple[Tensor, Tensor | None]:
    """How often a cell whose colour is new has more of it than of another new colour; see `of_two_new`."""
    assert batch.frames is not None and isinstance(net, PointingNet)
    copied, true = net(batch.frames)
    far = torch.cdist(net.palette, net.palette) > CLEAR
    return of_two_new(copied, true[:, -2], true[:, -1], far), None


def of_two_new(copied: Tensor, old: Tensor, new: Tensor, far: Tensor) -> Tensor:
    """Scores `(B,)` of shares `(B, COLOURS, h, w)`, given the number of each cell's colour in the last reference and in
    the target, `(B, h, w)`, and which colours are clearly different, `(COLOURS, COLOURS)`.

    Two colours a and b are compared in the cells that have one of them now and had neither before, nor one like them.
    Cells of a count as much as those of b. So who answers without a look at the cell (always the commoner colour, any
    palette, a coin) has exactly 1/2, and so has who copies in place. A clip without such cells counts as 1/2. Accuracy
    among all colours has no such number: copying in place has 0, and other answers what a video's colours make of them.
    """
    now, shares = functional.one_hot(new.flatten(1), COLOURS).to(copied), copied.flatten(2).transpose(1, 2)
    fresh = far[old.flatten(1)].to(copied)  # colours unlike the one before, for each cell
    share = (shares * now).sum(2, keepdim=True)
    wins = (share > shares).to(copied) + 0.5 * (share == shares).to(copied)
    count, won = (torch.einsum("bna,bnc->bac", now * fresh, fresh * value) for value in (torch.ones_like(wins), wins))
    weight = torch.minimum(count, count.transpose(1, 2)).triu(1)
    rate = won / count.clamp(min=1)
    value = (weight * (rate + rate.transpose(1, 2)) / 2).sum((1, 2))
    total = weight.sum((1, 2))
    return torch.where(total > 0, value / total.clamp(min=1), 0.5)


def other_colours(batch: Batch, rng: Rng) -> Batch:
    """The colours of another video's target; its lightness and the references stay.

    With the references of another video the value is not quite 1/2: lightness alone says a little of colours.
    """
    assert batch.frames is not None
    frames = batch.frames.clone()
    frames[:, -1, 1:] = batch.frames[:, -1, 1:].roll(1, 0)
    return replace(batch, frames=frames)


SANITY = Sanity("of two new colours", 0.5, measure, {"colours of another video": other_colours})

# ---------------------------------------------------------------- pictures


def pictures(net: nn.Module, batch: Batch, rng: Rng) -> dict[str, Tensor]:
    """The references, the target, and the target with the mean of the colours that it copies; also with those of the
    last reference in place."""
    assert batch.frames is not None and isinstance(net, PointingNet)
    copied, true = net(batch.frames)
    light = batch.frames[:, -1, :1]
    in_place = functional.one_hot(true[:, -2], COLOURS).to(copied).movedim(-1, 1)
    answers = {
        name: coloured(light, torch.einsum("bkhw,kc->bchw", shares, net.palette))[:, :, None]
        for name, shares in (("copied", copied), ("copied in place", in_place))
    }
    frames = unit_to_rgb(batch.frames).transpose(1, 2)
    return {"shown": frames[:, :, :-1], "true": frames[:, :, -1:], **answers}


# ---------------------------------------------------------------- method


class VideoColorization(Method):
    """Video colorization."""

    id = "video_colorization"
    cite = "vondrick2018tracking"
    roles = frozenset({"dense"})
    home = ("davis2017", "jhmdb")
    supervision = "none"
    presets = {
        "paper": PAPER,
        "small": SMALL,
        "mini": MINI,
        "nano": replace(MINI, train=replace(MINI.train, steps=30)),
    }
    devices = ("cpu", "cuda")

    def build(self, preset: Preset, rng: Rng) -> PointingNet:
        """The trunk with random weights; the palette is made before the first step."""
        return seeded(lambda: PointingNet(dense_trunks.make(preset.network), preset.temperature, preset.unit), rng)

    def pretext(self, preset: Preset) -> Pretext:
        """Colours of a grey frame, copied from three frames of the same clip."""
        data = Request(
            "frames", preset.size, SpacedFrames(preset.fps, preset.gaps), augment=preset.augment, colour="lab"
        )

        def artefacts(batches: Iterator[Batch], rng: Rng) -> dict[str, np.ndarray]:
            return {"palette": make_palette(islice(batches, preset.palette), rng, dense_trunks.STRIDES[preset.network])}

        return Pretext(data, preset.train, SANITY, loss, artefacts=artefacts, pictures=pictures)

    def adapt(self, net: PointingNet, preset: Preset) -> GreyDense:
        """The features of the trunk, of grey frames, as they were compared while it learned."""
        return GreyDense(net.trunk, preset.temperature, preset.unit)


METHOD = VideoColorization()
