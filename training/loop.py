"""The one training loop: pretraining and fine-tuning, on one process or many, stopped and resumed without a trace.

Everything that moves is a function of the step number: the learning rate, the random streams, the place in the data.
What is left (weights, buffers, the optimisers' memories) stands in one file that is replaced as a whole. So a training
that was killed and went on ends with the weights of one that was not, bit for bit on a CPU.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from unlabeled import contracts
from unlabeled.contracts import Batch, Pretext, Train
from unlabeled.errors import UnlabeledError, WrongCall
from unlabeled.streams import Rng
from unlabeled.training import checkpoints, half_precision, optim
from unlabeled.training.passes import first_line, own_torch, to_device
from unlabeled.training.processes import Place, open_device, place, share
from unlabeled.training.stepping import Loss, UnderWay


class Batches(Protocol):
    """Where batches come from, such as `Loader.from_step`: parts of `part_size(plan)` items, without end.

    A step takes `Train.accumulate` parts for each process. Part numbers run through all of them: process r of w gets
    the parts `r`, `r + w`, `r + 2 w` and so on. One process calls it with the first part number alone.
    """

    def __call__(self, first: int, stride: int = 1, /) -> Iterator[Batch]:
        """Every `stride`-th part from number `first` on."""
        ...


@dataclass(frozen=True)
class Every:
    """Steps between rows of the curve, looks at held-out data, and states on disk. 0: at the end only."""

    curve: int = 20
    look: int = 0
    save: int = 500


@dataclass(frozen=True)
class Seen:
    """What a watcher is told after every step: `step` of `steps` are done, `values` as in the curve's columns."""

    step: int
    steps: int
    cpu_s: float
    lr: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Trained:
    """A trained network; `losses` are those of the last row of the curve, `cpu_s` this process's CPU seconds."""

    net: nn.Module
    steps: int
    cpu_s: float
    losses: Mapping[str, float]


class Interrupted(UnlabeledError):
    """Stopped from outside after a finished step; the same command goes on."""

    def __init__(self, what: str, todo: str = "") -> None:
        super().__init__(what, todo)


def part_size(plan: Train) -> int:
    """Items of one part: what each process's loader puts into a batch.

    Raises
    ------
    WrongCall : the batch cannot be divided so.
    """
    parts = plan.accumulate * place().world
    if plan.batch % parts:
        raise WrongCall(
            f"batch {plan.batch} cannot be divided into accumulate x processes = {parts} equal parts",
            "start another number of processes, or choose another batch; in pretraining --set train.batch=N",
        )
    return plan.batch // parts


def train(
    net: nn.Module,
    batches: Batches,
    loss: Loss,
    plan: Train,
    rng: Rng,
    *,
    folder: Path | None = None,
    device: str = "cpu",
    players: optim.Players | None = None,
    after_step: Callable[[nn.Module, contracts.Progress], None] | None = None,
    look: Callable[[nn.Module, int], Mapping[str, float]] | None = None,
    watch: Sequence[Callable[[Seen], None]] = (),
    every: Every = Every(),
) -> Trained:
    """Train a network in place.

    Parameters
    ----------
    net : goes to the device and into training mode once, at the start; its `train` may keep parts of it frozen.
    loss : on one whole part. Its random draws come from the stream it is given; dropout, which draws from torch's
        global generator, is seeded for each part too.
    folder : the checkpoint to be; the training state and `curve.csv` lie in its working folder, and stay there
        until `checkpoints.save`. A state found there is gone on with. None: nothing is kept.
    players : parameters of each optimiser; by default all that take gradients belong to `main`.
    look : numbers for the curve from held-out data; must leave modes and weights as they are.

    Raises
    ------
    WrongCall : the plan cannot be run, or the device is not here.
    Interrupted : SIGTERM came; the last step is on disk.
    UnlabeledError : the loss is not finite or has diverged, memory is full, the data ended, or the working folder
        holds a training with other settings.
    """
    optim.check_plan(plan)
    part_size(plan)
    where = open_device(device)
    net.to(where)
    chosen = players or {"main": optim.plain(p for p in net.parameters() if p.requires_grad)}
    run = UnderWay(net, plan, rng, optim.make_all(chosen, plan), where, place(), folder)
    run.resume()
    share([*net.parameters(), *net.buffers()], run.at.world)
    net.train()
    with ExitStack() as stack:
        stack.enter_context(half_precision.prepared(net, where, plan.precision))
        stop = stack.enter_context(_sigterm(folder is not None))
        stack.enter_context(own_torch(where))
        stack.enter_context(_memory_faults(plan))
        stream = _parts(batches, run.step * plan.accumulate, run.at)
        stack.callback(getattr(stream, "close", lambda: None))
        while run.step < plan.steps:
            values = run.advance(loss, stream, after_step, stop)
            done = run.step
            row_due = done == plan.steps or (every.curve and done % every.curve == 0)
            looked = look(net, done) if look and (done == plan.steps or (every.look and done % every.look == 0)) else {}
            if row_due or looked:
                run.write_row(looked)
            for told in watch:
                told(Seen(done, plan.steps, run.cpu_s, optim.rate(plan, done - 1), {**values, **looked}))
            if run.stopping or done == plan.steps or (every.save and done % every.save == 0):
                run.save()
            if run.stopping:
                raise Interrupted(f"stopped after step {done} of {plan.steps}", "the same command goes on from there")
    return Trained(net, run.step, run.cpu_s, run.last)


def pretrain(
    net: nn.Module,
    pretext: Pretext,
    batches: Batches,
    rng: Rng,
    *,
    folder: Path | None = None,
    device: str = "cpu",
    look: Callable[[nn.Module, int], Mapping[str, float]] | None = None,
    watch: Sequence[Callable[[Seen], None]] = (),
    every: Every = Every(),
) -> tuple[Trained, dict[str, Any]]:
    """Let a network learn its pretext; the artefacts are returned too.

    Artefacts and closed-form methods see at most the batches of `Train.steps` steps. An artefact that has the name of
    a buffer of the network is copied into it, so that `loss` finds it there.
    """
    begun = time.process_time()
    artefacts = make_artefacts(pretext, batches, rng, folder)
    _fill_buffers(net, artefacts)
    if pretext.loss is None:
        if pretext.fit is None:
            raise UnlabeledError("the pretext has neither `loss` nor `fit`: there is nothing to learn by")
        where = open_device(device)
        net.to(where)
        pretext.fit(net, (to_device(batch, where) for batch in _shown(pretext, batches)), rng.under("fit"))
        return Trained(net, 0, time.process_time() - begun, {}), artefacts
    players = None
    if pretext.players:
        players = {name: optim.plain(params) for name, params in pretext.players(net).items()}
    trained = train(
        net,
        batches,
        pretext.loss,
        pretext.train,
        rng,
        folder=folder,
        device=device,
        players=players,
        after_step=pretext.after_step,
        look=look,
        watch=watch,
        every=every,
    )
    return trained, artefacts


def make_artefacts(pretext: Pretext, batches: Batches, rng: Rng, folder: Path | None = None) -> dict[str, Any]:
    """The artefacts of a pretext: those in the working folder, or made now and kept there."""
    found = checkpoints.read_arrays(folder) if folder else None
    if found is not None or pretext.artefacts is None:
        return found or {}
    made = dict(pretext.artefacts(_shown(pretext, batches), rng.under("artefacts")))
    if folder and made and place().rank == 0:
        checkpoints.write_arrays(folder, made)
    return made


def _shown(pretext: Pretext, batches: Batches) -> Iterator[Batch]:
    """All batches that artefacts and closed-form methods see."""
    return islice(batches(0), pretext.train.steps * pretext.train.accumulate)


def tensorboard(folder: Path) -> Callable[[Seen], None]:
    """A watcher that writes every value for TensorBoard.

    Raises
    ------
    WrongCall : it is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as fault:
        raise WrongCall("TensorBoard is not installed", "pip install 'unlabeled[log]'") from fault
    writer = SummaryWriter(str(folder))

    def told(seen: Seen) -> None:
        for name, value in {"lr": seen.lr, **seen.values}.items():
            writer.add_scalar(name, value, seen.step)
        if seen.step == seen.steps:
            writer.close()

    return told


def _parts(batches: Batches, k: int, at: Place) -> Iterator[Batch]:
    """The parts of this process from its `k`-th on."""
    return batches(k) if at.world == 1 else batches(k * at.world + at.rank, at.world)


def _fill_buffers(net: nn.Module, artefacts: Mapping[str, Any]) -> None:
    """Copy artefacts into the buffers of their names."""
    buffers = dict(net.named_buffers())
    for name, array in artefacts.items():
        if name in buffers:
            value = torch.as_tensor(array)
            if value.shape != buffers[name].shape:
                shapes = f"{tuple(value.shape)}, the network's buffer {tuple(buffers[name].shape)}"
                raise UnlabeledError(f"artefact {name} has shape {shapes}")
            buffers[name].copy_(value)


@contextmanager
def _sigterm(catch: bool) -> Iterator[threading.Event]:
    """An event that SIGTERM sets. Only a main thread can catch signals; without a folder nothing could be kept."""
    stop = threading.Event()
    if not catch or threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _memory_faults(plan: Train) -> Iterator[None]:
    """Full memory becomes an error that names what to lower."""
    try:
        yield
    except (MemoryError, RuntimeError) as fault:
        full = isinstance(fault, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(fault)
        if not full:
            raise
        raise UnlabeledError(
            f"memory is full with parts of {part_size(plan)} items ({first_line(fault)})",
            f"raise `accumulate` ({plan.accumulate}: more parts, each smaller), or lower `batch` ({plan.batch}); in "
            "pretraining --set train.accumulate=N",
        ) from fault
