"""Optimisers and schedules against torch's own, step by step."""

import dataclasses
import math

import pytest
import torch
from torch import nn

from unlabeled.contracts import Train
from unlabeled.errors import UnlabeledError, WrongCall
from unlabeled.training import optim

PLAN = Train(steps=20, batch=8, lr=0.3)


@pytest.mark.parametrize(
    ("plan", "make"),
    [
        (dict(momentum=0.0), lambda p: torch.optim.SGD(p, 0.3)),
        (dict(weight_decay=0.01), lambda p: torch.optim.SGD(p, 0.3, momentum=0.9, weight_decay=0.01)),
        (dict(nesterov=True), lambda p: torch.optim.SGD(p, 0.3, momentum=0.9, nesterov=True)),
        (dict(opt="adam", momentum=0.5), lambda p: torch.optim.Adam(p, 0.3, betas=(0.5, 0.999))),
        (dict(opt="adamw", weight_decay=0.1), lambda p: torch.optim.AdamW(p, 0.3, weight_decay=0.1)),
    ],
)
def test_optimisers_are_torchs(plan, make):
    mine, yours = (nn.Parameter(torch.linspace(-1, 1, 5)) for _ in range(2))
    ours, theirs = optim.make(optim.plain([mine]), dataclasses.replace(PLAN, **plan)), make([yours])
    for step in range(6):
        for param, optimiser in ((mine, ours), (yours, theirs)):
            optimiser.zero_grad()
            ((param - step) ** 2).sum().backward()
            optimiser.step()
        assert torch.equal(mine, yours)


@pytest.mark.parametrize(
    ("plan", "make"),
    [
        (dict(schedule="constant"), lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0)),
        (
            dict(schedule="step", milestones=(3, 7, 15), gamma=0.2),
            lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [3, 7, 15], 0.2),
        ),
        (dict(schedule="cosine"), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 20)),
        (dict(schedule="linear"), lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.0, total_iters=20)),
    ],
)
def test_schedules_are_torchs(plan, make):
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], PLAN.lr)
    schedule = make(optimiser)
    for step in range(PLAN.steps):
        assert optim.rate(dataclasses.replace(PLAN, **plan), step) == pytest.approx(
            schedule.get_last_lr()[0], abs=1e-12
        )
        optimiser.step()
        schedule.step()


def test_warm_up_then_the_schedule_over_what_is_left():
    plan = dataclasses.replace(PLAN, schedule="cosine", warmup=4)
    assert [optim.rate(plan, step) for step in range(4)] == pytest.approx([0.075, 0.15, 0.225, 0.3])
    assert optim.rate(plan, 4) == 0.3
    assert optim.rate(plan, 12) == pytest.approx(0.15)
    assert optim.rate(plan, 19) == pytest.approx(0.15 * (1 + math.cos(math.pi * 15 / 16)))
    assert optim.rate(dataclasses.replace(plan, schedule="linear"), 8) == pytest.approx(0.3 * 12 / 16)
    assert optim.rate(dataclasses.replace(plan, schedule="step", milestones=(6,)), 6) == pytest.approx(0.03)


def test_groups_have_their_own_rate_and_decay():
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    matrices, vectors = optim.decay_matrices(net.parameters())
    assert [p.shape for p in matrices.params] == [(2, 3)]
    assert len(vectors.params) == 3
    head = optim.Group(tuple(nn.Linear(2, 2).parameters()), scale=10.0)
    made = optim.make((matrices, vectors, head), dataclasses.replace(PLAN, weight_decay=0.1))
    optim.set_rate(made, 0.02)
    assert [group["weight_decay"] for group in made.param_groups] == [0.1, 0.0, 0.1]
    assert [group["lr"] for group in made.param_groups] == pytest.approx([0.02, 0.02, 0.2])


def test_nothing_to_train_and_trained_twice():
    net = nn.Linear(2, 2)
    with pytest.raises(UnlabeledError, match="trained twice"):
        optim.make_all({"g": optim.plain(net.parameters()), "d": optim.plain([net.bias])}, PLAN)
    frozen = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(UnlabeledError, match="no parameter of d"):
        optim.make_all({"g": optim.plain(net.parameters()), "d": optim.plain(frozen.parameters())}, PLAN)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0), ("accumulate", 3), ("accumulate", 0), ("lr", 0.0), ("lr", math.nan), ("momentum", 1.0),
        ("weight_decay", -1.0), ("clip", -1.0), ("warmup", 20), ("milestones", (5, 3)), ("batch", 0),
    ],
)  # fmt: skip
def test_a_bad_plan_is_refused_by_name(field, value):
    with pytest.raises(WrongCall, match=field):
        optim.check_plan(dataclasses.replace(PLAN, **{field: value}))


@pytest.mark.parametrize(
    "plan", [dict(schedule="step"), dict(opt="adam", nesterov=True), dict(nesterov=True, momentum=0.0)]
)
def test_settings_that_contradict_each_other_are_refused(plan):
    with pytest.raises(WrongCall):
        optim.check_plan(dataclasses.replace(PLAN, **plan))


def test_unknown_names_are_refused():
    with pytest.raises(WrongCall, match="lars"):
        optim.make(optim.plain([nn.Parameter(torch.zeros(1))]), dataclasses.replace(PLAN, opt="lars"))
    with pytest.raises(WrongCall, match="cyclic"):
        optim.rate(dataclasses.replace(PLAN, schedule="cyclic"), 0)
