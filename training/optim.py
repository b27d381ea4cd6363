"""Optimisers and learning-rate schedules: both are plain functions of a `Train` and a step number.

A rate that depends on the step alone needs no state, so a resumed run cannot get it wrong.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from unlabeled.contracts import Train
from unlabeled.errors import UnlabeledError, WrongCall, name_several


@dataclass(frozen=True)
class Group:
    """Parameters that share a learning rate: `scale` times that of the plan; `decay` False: no weight decay."""

    params: tuple[nn.Parameter, ...]
    scale: float = 1.0
    decay: bool = True


Players = Mapping[str, Sequence[Group]]
"""Player -> the groups of its optimiser; `main` where there is one player."""


def plain(params: Iterable[nn.Parameter]) -> tuple[Group, ...]:
    """All parameters alike."""
    return (Group(tuple(params)),)


def decay_matrices(params: Iterable[nn.Parameter]) -> tuple[Group, ...]:
    """No weight decay on vectors: biases, and scales and shifts of normalisation (the recipes of SimCLR and MAE)."""
    known = tuple(params)
    return (
        Group(tuple(p for p in known if p.ndim > 1)),
        Group(tuple(p for p in known if p.ndim <= 1), decay=False),
    )


def check_plan(plan: Train) -> None:
    """See that the values of a plan go together.

    Raises
    ------
    WrongCall : they do not; every bad field is named.
    """
    rules = {
        f"steps {plan.steps}: at least 1": plan.steps >= 1,
        f"accumulate {plan.accumulate}: at least 1": plan.accumulate >= 1,
        f"batch {plan.batch}: a multiple of accumulate {plan.accumulate}": plan.batch >= 1
        and plan.accumulate >= 1
        and plan.batch % plan.accumulate == 0,
        f"lr {plan.lr}: above 0": 0 < plan.lr < math.inf,
        f"momentum {plan.momentum}: from 0 to below 1": 0 <= plan.momentum < 1,
        f"nesterov with opt {plan.opt}, momentum {plan.momentum}: sgd with momentum only": not plan.nesterov
        or (plan.opt == "sgd" and plan.momentum > 0),
        f"weight_decay {plan.weight_decay}: at least 0": 0 <= plan.weight_decay < math.inf,
        f"clip {plan.clip}: at least 0": 0 <= plan.clip < math.inf,
        f"warmup {plan.warmup}: from 0 to below steps {plan.steps}": 0 <= plan.warmup < plan.steps,
        f"milestones {plan.milestones}: rising": list(plan.milestones) == sorted(set(plan.milestones)),
        "schedule step: without milestones": plan.schedule != "step" or bool(plan.milestones),
    }
    broken = [rule for rule, holds in rules.items() if not holds]
    if broken:
        raise WrongCall(f"training cannot run with {name_several(broken)}")


def rate(plan: Train, step: int) -> float:
    """The learning rate of a step, counted from 0.

    Warm-up rises by equal parts: `lr (step + 1) / warmup`. Cosine and linear then fall from `lr` to 0 over the
    steps that are left, `step` multiplies by `gamma` at every milestone (a step number from the start).
    """
    if step < plan.warmup:
        return plan.lr * (step + 1) / plan.warmup
    done = (step - plan.warmup) / (plan.steps - plan.warmup)
    match plan.schedule:
        case "constant":
            return plan.lr
        case "step":
            return plan.lr * plan.gamma ** bisect_right(plan.milestones, step)
        case "cosine":
            return plan.lr * (1 + math.cos(math.pi * done)) / 2
        case "linear":
            return plan.lr * (1 - done)
    raise WrongCall(f"schedule {plan.schedule!r} is not known", "constant, step, cosine or linear")


def make(groups: Sequence[Group], plan: Train) -> Optimizer:
    """The optimiser of one player. `momentum` is Adam's first beta; the second is 0.999."""
    options: list[dict[str, Any]] = [
        {
            "params": [p for p in group.params if p.requires_grad],
            "scale": group.scale,
            "weight_decay": plan.weight_decay if group.decay else 0.0,
        }
        for group in groups
    ]
    match plan.opt:
        case "sgd":
            return torch.optim.SGD(options, lr=plan.lr, momentum=plan.momentum, nesterov=plan.nesterov)
        case "adam":
            return torch.optim.Adam(options, lr=plan.lr, betas=(plan.momentum, 0.999))
        case "adamw":
            return torch.optim.AdamW(options, lr=plan.lr, betas=(plan.momentum, 0.999))
    raise WrongCall(f"optimiser {plan.opt!r} is not known", "sgd, adam or adamw")


def make_all(players: Players, plan: Train) -> dict[str, Optimizer]:
    """One optimiser a player.

    Raises
    ------
    UnlabeledError : a player has nothing to train, or a parameter is trained twice.
    """
    empty = [name for name, groups in players.items() if not any(p.requires_grad for g in groups for p in g.params)]
    if empty or not players:
        raise UnlabeledError(f"nothing to train: no parameter of {name_several(empty) or 'any player'} takes gradients")
    owned = [id(p) for groups in players.values() for group in groups for p in group.params]
    if len(owned) > len(set(owned)):
        raise UnlabeledError(f"a parameter is trained twice by {name_several(list(players))}")
    return {name: make(groups, plan) for name, groups in players.items()}


def trained(optimiser: Optimizer) -> list[nn.Parameter]:
    """The parameters of an optimiser in the order of its state."""
    return [p for group in optimiser.param_groups for p in group["params"]]


def set_rate(optimiser: Optimizer, value: float) -> None:
    """Give every group its share of the learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = value * group["scale"]
