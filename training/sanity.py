"""Whether a network learned the task of its pretext, and whether the signal was where it should be.

The value must be better than chance by three standard errors, and each control, with the signal destroyed, within three
of chance: one control in twenty is two away by luck alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from unlabeled.contracts import Batch, Sanity
from unlabeled.errors import UnlabeledError
from unlabeled.streams import Rng
from unlabeled.training.passes import evaluating, own_torch, seed_torch, to_device

SIGMAS = 3.0
ROUNDING = 1e-9
"""Means of equal numbers may lie so far apart; it counts where the standard error is zero."""


@dataclass(frozen=True)
class Verdict:
    """`learned`: the value is better than chance. `controls`: which of them are at chance, as they must be."""

    learned: bool
    controls: dict[str, bool]


def evaluate_sanity(net: nn.Module, sanity: Sanity, batches: Iterable[Batch], rng: Rng) -> dict[str, Any]:
    """The value of a pretext's own task on held-out batches in evaluation mode, with every control on the same ones.

    Returns
    -------
    `{"name", "value", "n", "se", "chance", "controls": {name: {"value", "n", "se"}}}`: JSON values; `n` scores and
    the standard error of the value. Value and controls draw from equal streams.

    Raises
    ------
    UnlabeledError : no batches, or a score that is no number.
    """
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    seen: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in ("", *sanity.controls)}
    with evaluating(net), own_torch(device):
        for k, batch in enumerate(batches):
            batch = to_device(batch, device)
            for name in seen:
                shown = sanity.controls[name](batch, rng.under("control", name, k)) if name else batch
                seed_torch(rng.under("measure", k), device)
                scores, strata = sanity.measure(net, shown, rng.under("measure", k))
                kinds = torch.zeros_like(scores) if strata is None else strata
                seen[name].append((scores.double().cpu().numpy(), kinds.cpu().numpy()))
    if not seen[""]:
        raise UnlabeledError(f"sanity {sanity.name}: there are no held-out batches")
    found = {}
    for name, parts in seen.items():
        every, strata_of = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        if not np.isfinite(every).all():
            raise UnlabeledError(f"sanity {sanity.name}{f', control {name}' if name else ''}: a score is no number")
        value, se = balanced_mean(every, strata_of)
        found[name] = {"value": value, "n": len(every), "se": se}
    return {"name": sanity.name, "chance": sanity.chance, **found.pop(""), "controls": found}


def balanced_mean(scores: np.ndarray, strata: np.ndarray) -> tuple[float, float]:
    """Mean of the means of strata, and its standard error.

    The strata are independent, so the variance is the sum of `s_k^2 / n_k` over the squared number of strata. A
    stratum of one score takes the pooled variance of the others; where there are no others it is infinite.
    """
    groups = [scores[strata == kind] for kind in np.unique(strata)]
    free = sum(len(group) - 1 for group in groups)
    pooled = sum(((group - group.mean()) ** 2).sum() for group in groups) / free if free else math.inf
    variances = [(group.var(ddof=1) if len(group) > 1 else pooled) / len(group) for group in groups]
    return float(np.mean([group.mean() for group in groups])), float(math.sqrt(sum(variances)) / len(groups))


def judge(result: dict[str, Any], sanity: Sanity) -> Verdict:
    """Whether the value is better than chance by three standard errors, and each control within three of it."""
    gain = (result["value"] - sanity.chance) * (1 if sanity.better == "up" else -1)
    controls = {
        name: abs(control["value"] - sanity.chance) <= SIGMAS * control["se"] + ROUNDING
        for name, control in result["controls"].items()
    }
    return Verdict(gain > SIGMAS * result["se"] + ROUNDING, controls)
