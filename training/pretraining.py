"""A pretext meets unlabelled data: which items it learns from, which it is looked at with, and the learning itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from torch import nn

from unlabeled.contracts import Pretext, Survey
from unlabeled.errors import BadData
from unlabeled.streams import Rng
from unlabeled.training import loop, predictions, sanity
from unlabeled.training.loading import Loader
from unlabeled.training.processes import place

EVERY = 10
"""Of items without sides every tenth is held out."""

SCORES, ROUNDS = 4000, 16
"""The sanity value is of about so many questions: held-out items are asked again, so many times at most."""


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
    together: AbstractContextManager[None] | None = None,
) -> tuple[loop.Trained, dict[str, Any]]:
    """Let a network learn its pretext from the training side of a data set; gone on with where it was stopped.

    The artefacts are returned too. `together` is entered for the training by each process that takes part, see
    `processes.together`: by process 0 when caches and artefacts are made, so that the others find them. What has no
    loss to train by is fitted by one process.

    Raises
    ------
    BadData, WrongCall, UnlabeledError : as the loader and the loop do.
    """
    learn_from, _ = parts(data)
    size = loop.part_size(pretext.train)
    loader = Loader(learn_from, pretext.data, size, rng.under("loader"), cache=cache, workers=workers, tell=tell)
    with ExitStack() as stack:
        if together and pretext.loss:
            loop.make_artefacts(pretext, loader.from_step, rng, folder)
            stack.enter_context(together)
        batches = partial(loader.from_step, cut=place().world)
        return loop.pretrain(net, pretext, batches, rng, folder=folder, device=device, watch=watch)


def measure(net: nn.Module, pretext: Pretext, data: Survey, rng: Rng, cache: Path | None = None) -> dict[str, Any]:
    """The sanity value of a network that learned, on the held-out side, as `sanity.evaluate_sanity` gives it.

    Every item is asked as often as it takes to have enough scores, within bounds. Where the pretext says pictures, its
    `errors` are those of `predictions.measure`.
    """
    _, held = parts(data)
    size = min(len(held), pretext.train.batch)
    rounds = min(ROUNDS, math.ceil(SCORES / len(held)))
    loaders = (Loader(held, pretext.data, size, rng.under("held-out", k), cache=cache) for k in range(rounds))
    batches = chain.from_iterable(loader.once() for loader in loaders)
    found = sanity.evaluate_sanity(net, pretext.sanity, batches, rng.under("sanity"))
    return found | {"errors": predictions.measure(net, pretext, held, rng, cache)} if pretext.pictures else found
