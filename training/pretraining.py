"""A pretext meets unlabelled data: which items it learns from, which it is looked at with, and the learning itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from unlabeled.contracts import Batch, Pretext, Survey
from unlabeled.errors import BadData
from unlabeled.streams import Rng
from unlabeled.training import loop, predictions, sanity
from unlabeled.training.loading import Loader

EVERY = 10
"""Of items without sides every tenth is held out."""

SCORES, ROUNDS = 4000, 16
"""The sanity value is of about so many questions: held-out items are asked again, so many times at most."""


@dataclass(frozen=True)
class Learned:
    """A network that finished its pretext; `sanity` as `sanity.evaluate_sanity` gives it.

    Where the pretext says pictures, it holds the `errors` of `predictions.measure` too.
    """

    trained: loop.Trained
    artefacts: Mapping[str, np.ndarray]
    sanity: Mapping[str, Any]


def parts(data: Survey) -> tuple[list[Any], list[Any]]:
    """Items to learn from and items held out: the sides of the first split, or every tenth where there are none.

    Labels of the items are not looked at: the loader does not hand them out.

    Raises
    ------
    BadData : one of the two would be empty.
    """
    sides = [item.sides[0] if getattr(item, "sides", ()) else getattr(item, "side", "") for item in data.items]
    if any(sides):
        learn = [item for item, side in zip(data.items, sides, strict=True) if side == "train"]
        held = [item for item, side in zip(data.items, sides, strict=True) if side in ("test", "val")]
    else:
        learn = [item for k, item in enumerate(data.items) if k % EVERY]
        held = list(data.items[::EVERY])
    if not learn or not held:
        raise BadData(
            f"{data.folder}: {len(learn)} clips to learn from and {len(held)} held-out ones",
            "a pretext needs both; give more of the data with --pretrain-data",
        )
    return learn, held


def learn(
    net: nn.Module,
    pretext: Pretext,
    data: Survey,
    rng: Rng,
    folder: Path,
    *,
    device: str = "cpu",
    cache: Path | None = None,
    workers: int = 0,
    watch: Sequence[Callable[[loop.Seen], None]] = (),
    tell: Callable[[str], None] = lambda text: None,
) -> Learned:
    """Let a network learn its pretext from the training side of a data set; gone on with where it was stopped.

    Raises
    ------
    BadData, WrongCall, UnlabeledError : as the loader and the loop do.
    """
    learn_from, held = parts(data)
    train = pretext.train
    loader = Loader(
        learn_from, pretext.data, loop.part_size(train), rng.under("loader"), cache=cache, workers=workers, tell=tell
    )
    trained, artefacts = loop.pretrain(net, pretext, loader.from_step, rng, folder=folder, device=device, watch=watch)
    found = sanity.evaluate_sanity(net, pretext.sanity, _questions(held, pretext, rng, cache), rng.under("sanity"))
    if pretext.pictures:
        found["errors"] = predictions.measure(net, pretext, held, rng, cache)
    return Learned(trained, artefacts, found)


def _questions(held: Sequence[Any], pretext: Pretext, rng: Rng, cache: Path | None) -> Iterator[Batch]:
    """Held-out batches, every item as often as it takes to have enough scores, within bounds."""
    batch = min(len(held), pretext.train.batch)
    for again in range(min(ROUNDS, math.ceil(SCORES / len(held)))):
        yield from Loader(held, pretext.data, batch, rng.under("held-out", again), cache=cache).once()
