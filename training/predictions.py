"""What a predictive pretext says of held-out items, and how far that lies from the truth, beside its baselines.

Pictures are those of `Pretext.pictures`; errors are squared differences from the true pictures, values in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from unlabeled.contracts import Batch, Pretext
from unlabeled.errors import UnlabeledError
from unlabeled.streams import Rng
from unlabeled.training import loop
from unlabeled.training.loading import Loader
from unlabeled.training.passes import evaluating, own_torch, seed_torch, to_device

SHOWN, TRUE = "shown", "true"


class Error(NamedTuple):
    """Mean squared error over n items and its standard error; `less` is the paired one less the network's own."""

    value: float
    se: float
    less: float
    less_se: float


def questions(held: Sequence[Any], pretext: Pretext, rng: Rng, cache: Path | None) -> Iterator[Batch]:
    """All held-out items, batch by batch, asked as the first time after training. A cache is read, never made."""
    size = min(len(held), loop.part_size(pretext.train))
    return Loader(held, pretext.data, size, rng.under("held-out", 0), cache=cache, cache_bytes=0).once()


def answers(net: nn.Module, pretext: Pretext, batch: Batch, rng: Rng) -> dict[str, Tensor]:
    """The rows of pictures of a batch, on the CPU.

    Raises
    ------
    UnlabeledError : rows that are missing, of another shape, or hold values that are no numbers.
    """
    assert pretext.pictures is not None
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    with evaluating(net), own_torch(device):
        seed_torch(rng, device)
        rows = {name: row.cpu() for name, row in pretext.pictures(net, to_device(batch, device), rng).items()}
    _check(rows, len(batch.ids))
    return rows


def _check(rows: Mapping[str, Tensor], items: int) -> None:
    if TRUE not in rows or len(rows.keys() - {SHOWN, TRUE}) < 1:
        raise UnlabeledError(f"`pictures` gives the rows {', '.join(rows)}: it lacks {TRUE!r} or an answer")
    for name, row in rows.items():
        fits = row.ndim == 5 and row.shape[0] == items and row.shape[1] in (1, 3)
        fits = fits and (name == SHOWN or row.shape == rows[TRUE].shape)
        if not fits or not bool(torch.isfinite(row).all()):
            raise UnlabeledError(
                f"`pictures` gives {name!r} in shape {tuple(row.shape)}, or values that are no numbers"
            )


def measure(net: nn.Module, pretext: Pretext, held: Sequence[Any], rng: Rng, cache: Path | None) -> dict[str, Any]:
    """The errors of all held-out items as JSON values: `{"n", "of": {row: {"value", "se", "less", "less_se"}}}`.

    A standard error that one item cannot have is None.
    """
    asked = enumerate(questions(held, pretext, rng, cache))
    parts = [squared(answers(net, pretext, batch, rng.under("pictures", k))) for k, batch in asked]
    found = errors({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    told = {name: {k: v if np.isfinite(v) else None for k, v in e._asdict().items()} for name, e in found.items()}
    return {"n": len(held), "of": told}


def squared(rows: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """The mean squared error `(B,)` of each row but those that were shown and that are true."""
    asked = {name: row for name, row in rows.items() if name not in (SHOWN, TRUE)}
    return {name: (row - rows[TRUE]).double().square().mean((1, 2, 3, 4)).numpy() for name, row in asked.items()}


def errors(by_item: Mapping[str, np.ndarray]) -> dict[str, Error]:
    """Means over items `(n,)` of each row; the first is the network's own."""
    own = next(iter(by_item.values()))

    def mean(values: np.ndarray) -> tuple[float, float]:
        return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.inf

    return {name: Error(*mean(values), *mean(values - own)) for name, values in by_item.items()}
