"""The training loop fed by one loader process, beside bare steps of the same network on one batch that lies ready."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from itertools import islice, repeat
from pathlib import Path

import torch
from torch import nn

from unlabeled.bench import FEWEST_ROUNDS, Row, one_thread, row, settle
from unlabeled.contracts import Batch, Pretext, Progress
from unlabeled.datasets.ucf101 import DATASET
from unlabeled.datasets.world import make
from unlabeled.methods.shuffle_and_learn import METHOD
from unlabeled.streams import Rng
from unlabeled.training import loop, pretraining
from unlabeled.training.loading import Loader
from unlabeled.training.passes import to_device

WORLD, STEPS = "mini", 40
"""Preset of the generated films; steps of one repeat."""

AHEAD = 3
"""Steps before each repeat that are not timed: batches that were read while the other side ran."""

SETTLED_S = 0.5
"""Rest before the other side runs: the process that reads ahead finishes what it has begun."""

COMPARED = 8
"""Steps after which both sides' weights are compared."""


def bare(net: nn.Module, pretext: Pretext, batches: Iterable[Batch], steps: int) -> nn.Module:
    """A copy of the network after a step on each batch in plain PyTorch: Adam, its rate falling evenly over `steps`."""
    net = deepcopy(net).train()
    optimiser = torch.optim.Adam(net.parameters(), pretext.train.lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    assert pretext.loss is not None
    for step, batch in enumerate(batches):
        optimiser.zero_grad()
        pretext.loss(net, batch, Rng(0), Progress(step, steps)).players["main"].backward()
        optimiser.step()
        schedule.step()
    return net


def training(seconds_budget: float, device: str) -> list[Row]:
    """Shuffle and Learn, preset `mini`, on the generated ucf101 with its frames cached: steps a second."""
    preset = METHOD.presets["mini"]
    pretext, net = METHOD.pretext(preset), METHOD.build(preset, Rng(0).under("init"))
    with one_thread(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = DATASET.find(make.ensure(DATASET.id, WORLD, 0, folder))
        assert pretext is not None and pretext.loss is not None and place is not None
        items, _ = pretraining.parts(DATASET.survey(place))
        read = [
            Loader(items, pretext.data, pretext.train.batch, Rng(0), cache=folder / "frames", workers=workers)
            for workers in (0, 1)
        ]
        batch = to_device(next(read[0].from_step(0)), torch.device(device))
        net.to(device)

        def peer() -> float:
            start = time.perf_counter()
            bare(net, pretext, repeat(batch, STEPS), STEPS)
            settle()
            return time.perf_counter() - start

        peer()
        rounds = max(FEWEST_ROUNDS, round(seconds_budget / (2 * peer())))
        steps = rounds * (AHEAD + STEPS)
        our_times: list[float] = []
        their_times: list[float] = []
        start, weights = 0.0, torch.empty(0)

        def told(seen: loop.Seen) -> None:
            nonlocal start, weights
            if seen.step == COMPARED:
                weights = _weights(ours)
            within = seen.step % (AHEAD + STEPS)
            if within in (0, AHEAD):
                settle()
            if within == 0:
                our_times.append(time.perf_counter() - start)
                time.sleep(SETTLED_S)
                their_times.append(peer())
            elif within == AHEAD:
                start = time.perf_counter()

        ours = deepcopy(net)
        plan = replace(pretext.train, steps=steps)
        loop.train(
            ours, read[1].from_step, pretext.loss, plan, Rng(0), folder=folder / "checkpoint", device=device,
            watch=(told,),
        )  # fmt: skip
        first = (to_device(batch, torch.device(device)) for batch in islice(read[0].from_step(0), COMPARED))
        theirs = bare(net, pretext, first, steps)
        difference = float((weights - _weights(theirs)).abs().max())
    what = "training shuffle_and_learn at mini, one loader process"
    peer_is = f"PyTorch {torch.__version__}, plain steps on one batch"
    return [row(what, our_times, their_times, STEPS, peer_is, difference, "steps/s")]


def _weights(net: nn.Module) -> torch.Tensor:
    """A copy of all weights in one row."""
    return nn.utils.parameters_to_vector(net.parameters()).detach()
