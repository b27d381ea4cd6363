"""Image colorization: which colour does each place of a grey picture have?

The a and b of Lab are put into classes, and a network says from the lightness alone how likely each class is. Most of
the world is dull; classes that are rare weigh more, or everything would come out brown. To know colours a network must
know things.

Cite: zhang2016colorful (R. Zhang, P. Isola, A. A. Efros, Colorful Image Colorization, ECCV 2016; code
richzhang/colorization).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unlabeled.contracts import Batch, Losses, Method, Pretext, Progress, Request, Sanity, Train
from unlabeled.streams import Rng
from unlabeled.training.nets import grey_trunks
from unlabeled.training.nets.encoders import Trunk, TrunkEncoder, seeded
from unlabeled.training.signals.colour_bins import annealed_mean, gamut_bins, rebalanced, shares
from unlabeled.training.signals.lab import from_unit
from unlabeled.training.signals.rgb import coloured, unit_to_rgb
from unlabeled.training.sizes import Size

# ---------------------------------------------------------------- constants

GREY = 5.0
"""A picture in which neither |a| nor |b| ever exceeds this has no colours to learn from."""


@dataclass(frozen=True)
class Preset:
    """Classes, weights and schedule are those of the released code (its `train_alexnet` for CaffeNet).

    Not checked in the paper: the head on CaffeNet, `steps` of CaffeNet's last rate, and `prior`.

    network, point, size : the trunk, the last of its layers that the head reads, its input
    hidden               : channels of the head between trunk and classes
    cell                 : input pixels a side whose mean colour is one answer
    grid                 : distance of the classes in a and b
    nearest              : classes among which a colour is shared out by a Gaussian; 1: all of it goes to the nearest
    mix                  : of the even distribution in the weights of the classes
    prior                : batches over which classes are counted
    pretrain             : the data set whose training pictures are learned from, without their labels
    """

    train: Train
    network: grey_trunks.Network = "caffenet"
    point: str = "conv5"
    size: Size = 227
    hidden: int = 256
    cell: int = 4
    grid: float = 10.0
    nearest: int = 10
    mix: float = 0.5
    prior: int = 100
    augment: tuple[str, ...] = ("crop", "flip")
    pretrain: str = "imagenet_folder"


PAPER = Preset(
    Train(
        steps=450_000,
        batch=40,
        lr=3e-5,
        opt="adam",
        weight_decay=1e-3,
        schedule="step",
        milestones=(240_000, 300_000, 400_000),
        gamma=1 / 3,
    )
)
COLOUR_NET = replace(
    PAPER,
    train=replace(PAPER.train, steps=500_000, milestones=(225_000,), gamma=0.1),
    network="colour_net",
    point="conv7",
    size=176,
)
"""The network that colours pictures, rather than the one that is compared by its features."""
MINI = Preset(
    Train(steps=500, batch=32, lr=2e-3, opt="adamw", weight_decay=5e-4, schedule="cosine", warmup=25),
    network="mini_alex",
    size=64,
    hidden=128,
    grid=20.0,
    nearest=1,
    prior=20,
)
SMALL = replace(
    MINI,
    train=replace(MINI.train, steps=20_000, batch=64, warmup=500),
    network="colour_net",
    point="conv7",
    size=128,
    grid=10.0,
    nearest=10,
    prior=100,
)
NANO = replace(MINI, train=replace(MINI.train, steps=30, warmup=2), prior=4)

# ---------------------------------------------------------------- network


class ColourNet(nn.Module):
    """A trunk on lightness, and a head that gives every cell a distribution over the classes.

    Buffers: `bins`, the colours `(Q, 2)` of the classes, and `prior`, how often each occurs.
    """

    bins: Tensor
    prior: Tensor

    def __init__(self, trunk: Trunk, preset: Preset) -> None:
        super().__init__()
        bins = torch.from_numpy(gamut_bins(preset.grid))
        self.trunk, self.point, self.cell = trunk, preset.point, preset.cell
        self.nearest, self.mix = preset.nearest, preset.mix
        self.head = nn.Sequential(
            nn.Conv2d(trunk.points[preset.point].dim, preset.hidden, 1),
            nn.ReLU(),
            nn.Conv2d(preset.hidden, len(bins), 1),
        )
        self.register_buffer("bins", bins)
        self.register_buffer("prior", torch.full((len(bins),), 1 / len(bins)))

    def forward(self, pictures: Tensor) -> Tensor:
        """Lab pictures `(B, 3, H, W)` to logits `(B, Q, h, w)`, one a cell; nothing but their lightness goes in."""
        maps = pictures[:, :1] * 2 - 1
        for block in list(self.trunk.until(self.point))[1:]:  # the first makes lightness of RGB
            maps = block(maps)
        height, width = (-(-side // self.cell) for side in pictures.shape[-2:])
        # The head is 1 x 1: between two cells of the trunk its input is a mean of theirs.
        return self.head(functional.interpolate(maps, size=(height, width), mode="bilinear", align_corners=False))


def cell_colours(pictures: Tensor, cell: int) -> Tensor:
    """Lab pictures `(B, 3, H, W)` as a Batch has them to the mean a and b of every cell, `(B, h, w, 2)`."""
    return functional.avg_pool2d(from_unit(pictures)[:, 1:], cell, ceil_mode=True).movedim(1, -1)


def surprise(logits: Tensor, colours: Tensor, net: ColourNet) -> tuple[Tensor, Tensor]:
    """Cross-entropy of every cell in nats, and its weight, both `(B, h, w)`: logits `(B, Q, h, w)` against colours."""
    numbers, parts = shares(colours, net.bins, net.nearest)
    log = logits.log_softmax(1).movedim(1, -1)
    # The weight is that of the nearest class, whatever others share in the target.
    return -(log.gather(-1, numbers) * parts).sum(-1), rebalanced(net.prior, net.mix)[numbers[..., 0]]


def loss(net: nn.Module, batch: Batch, rng: Rng, progress: Progress) -> Losses:
    """Rebalanced cross-entropy over the cells of pictures that have colours at all."""
    assert batch.frames is not None and isinstance(net, ColourNet)
    logits, colours = net(batch.frames), cell_colours(batch.frames, net.cell)
    nats, weights = surprise(logits, colours, net)
    coloured = (colours.abs().amax((1, 2, 3)) > GREY).to(nats)[:, None, None].expand_as(nats)
    value = (nats * weights * coloured).sum() / coloured.sum().clamp(min=1)
    guess, _ = surprise(net.prior.clamp(min=1e-6).log()[None, :, None, None].expand_as(logits), colours, net)
    return Losses({"main": value}, {"nats above the prior's": float((nats.detach() - guess).mean())})


# ---------------------------------------------------------------- sanity


def measure(net: nn.Module, batch: Batch, rng: Rng) -> tuple[Tensor, Tensor | None]:
    """Whose colours are these? Of two pictures, whether their colours are likelier as they are than exchanged.

    Who does not look at the lightness finds both equally likely, which counts half; so chance is exactly 1/2. Nats
    above those of the prior have no such number: on the colours of other pictures a network that has learned much does
    worse than the prior.
    """
    assert batch.frames is not None and isinstance(net, ColourNet)
    logits, colours = net(batch.frames), cell_colours(batch.frames, net.cell)
    away = len(logits) // 2
    other_logits, other_colours = logits.roll(away, 0), colours.roll(away, 0)

    def nats(of: Tensor, seen: Tensor) -> Tensor:
        return surprise(of, seen, net)[0].double().sum((1, 2))

    kept = nats(logits, colours) + nats(other_logits, other_colours)
    exchanged = nats(logits, other_colours) + nats(other_logits, colours)
    return (kept < exchanged).float() + 0.5 * (kept == exchanged).float(), None


def other_colours(batch: Batch, rng: Rng) -> Batch:
    """The colours of another picture, which is not the one that `measure` compares with."""
    assert batch.frames is not None
    away = max(1, len(batch.frames) // 4)
    return replace(batch, frames=torch.cat([batch.frames[:, :1], batch.frames[:, 1:].roll(away, 0)], dim=1))


SANITY = Sanity("whose colours", 0.5, measure, {"colours of another picture": other_colours})

# ---------------------------------------------------------------- pictures


def pictures(net: nn.Module, batch: Batch, rng: Rng) -> dict[str, Tensor]:
    """The grey picture, its true colours, and the annealed mean of the predicted ones."""
    assert batch.frames is not None and isinstance(net, ColourNet)
    light = batch.frames[:, :1]
    guess = coloured(light, annealed_mean(net(batch.frames), net.bins))
    rows = {"shown": coloured(light, torch.zeros_like(batch.frames[:, 1:])), "true": unit_to_rgb(batch.frames)}
    return {name: row[:, :, None] for name, row in {**rows, "predicted": guess}.items()}


# ---------------------------------------------------------------- method


def count_classes(batches: Iterator[Batch], bins: np.ndarray, preset: Preset) -> np.ndarray:
    """How often each class is the nearest one, `(Q,)`, summing to 1."""
    count = np.zeros(len(bins))
    for batch in batches:
        assert batch.frames is not None
        numbers, _ = shares(cell_colours(batch.frames, preset.cell), torch.from_numpy(bins).to(batch.frames), 1)
        count += np.bincount(numbers.flatten().cpu().numpy(), minlength=len(bins))
    return (count / count.sum()).astype(np.float32)


class ImageColorization(Method):
    """Image colorization."""

    id = "image_colorization"
    cite = "zhang2016colorful"
    roles = frozenset({"image"})
    home = ("imagenet_linear",)
    supervision = "none"
    presets = {"paper": PAPER, "small": SMALL, "mini": MINI, "nano": NANO}
    variants = {"colour-net": {**presets, "paper": COLOUR_NET}}
    devices = ("cpu", "cuda")

    def build(self, preset: Preset, rng: Rng) -> ColourNet:
        """Trunk and head with random weights."""
        return seeded(lambda: ColourNet(grey_trunks.make(preset.network, preset.size), preset), rng)

    def pretext(self, preset: Preset) -> Pretext:
        """Colours of pictures from their lightness."""
        data = Request("images", preset.size, augment=preset.augment, colour="lab")

        def artefacts(batches: Iterator[Batch], rng: Rng) -> dict[str, np.ndarray]:
            return {"prior": count_classes(islice(batches, preset.prior), gamut_bins(preset.grid), preset)}

        return Pretext(data, preset.train, SANITY, loss, artefacts=artefacts, pictures=pictures)

    def adapt(self, net: ColourNet, preset: Preset) -> TrunkEncoder:
        """The trunk alone: features of pictures, by their lightness."""
        return TrunkEncoder(net.trunk)


METHOD = ImageColorization()
