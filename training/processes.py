"""The processes that train one network together, and the device that each of them has.

`torchrun` starts the processes; each is alone until it says `together()`, so that what process 0 trains by itself, such
as a fine-tuning, waits for nobody. Lightning Fabric places them. A step's batch is cut into equal pieces, one for each
process, and gradients are averaged by hand, once a step: a loss may call any part of the network any number of times,
and a distributed wrapper sees nothing but calls of `forward`. The learning rate is left as it is.

A network without batch statistics so takes the steps that it takes in one process. Batch normalisation takes its
statistics from the piece that a process has, which is no longer the batch: such a network trains, to other weights. All
buffers, running statistics too, are those of process 0 after every step.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from torch import Tensor, distributed, nn

from unlabeled.errors import UnlabeledError, WrongCall, name_several
from unlabeled.training.passes import first_line

NUMBERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
"""What torchrun tells each process, with the place where they meet: MASTER_ADDR and MASTER_PORT."""


@dataclass(frozen=True)
class Place:
    """This process: number `rank` of `world`."""

    rank: int
    world: int


class Parted(UnlabeledError):
    """A process that takes part is gone."""

    def __init__(self, what: str, todo: str = "") -> None:
        super().__init__(what, todo)


ALONE = Place(0, 1)
_PLACE = ContextVar("place", default=ALONE)


def place() -> Place:
    """Where this process stands in what is trained now: alone, but for what is done `together`."""
    return _PLACE.get()


@contextmanager
def together() -> Iterator[None]:
    """Inside, all processes that torchrun started train as one; all of them have to."""
    before = _PLACE.set(started())
    try:
        yield
    finally:
        _PLACE.reset(before)


def started() -> Place:
    """What torchrun told this process; one that was started in any other way is alone.

    Raises
    ------
    WrongCall : the environment says only a part of it, or what cannot be.
    """
    told = {name: os.environ[name] for name in NUMBERS if name in os.environ}
    if not told.keys() & {"RANK", "WORLD_SIZE"}:
        return ALONE
    missing = [name for name in (*NUMBERS, "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    wrong = [f"no {name}" for name in missing]
    wrong += [f"{name}={text}" for name, text in told.items() if not (text.isascii() and text.isdecimal())]
    if not wrong:
        rank, world, local, here = (int(told[name]) for name in NUMBERS)
        # Fabric counts the machines by this: each has the same number of processes, numbered in a row.
        if not (rank < world and local < here and world % here == 0 and rank % here == local):
            wrong = [f"{name}={text}" for name, text in told.items()]
    if wrong:
        raise WrongCall(
            f"the environment does not say which of how many processes this is: {name_several(wrong)}",
            "start them with torchrun, the same number on every machine; for one process unset RANK and WORLD_SIZE",
        )
    return Place(rank, world)


def open_device(name: str) -> torch.device:
    """The device of this process, `cpu`, `cuda` or `cuda:1`; those that are together have met after it.

    Raises
    ------
    WrongCall : the machine has no such device.
    """
    kind, _, index = name.partition(":")
    there = {"cpu": True, "cuda": torch.cuda.is_available()}
    if not there.get(kind) or (index and not (index.isdecimal() and kind == "cuda")):
        at_hand = ", ".join(kind for kind, is_there in there.items() if is_there)
        raise WrongCall(f"device {name!r} is not to be had here", f"this machine has: {at_hand}")
    if place().world == 1:
        devices = [int(index)] if index else 1
        fabric = Fabric(accelerator=kind, devices=devices, plugins=[LightningEnvironment()])
    elif index:
        raise WrongCall(f"device {name!r}: torchrun gives every process a device of its own", f"name it {kind}")
    else:
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        if kind == "cuda" and here > torch.cuda.device_count():
            found = f"torchrun started {here} processes here, this machine has {torch.cuda.device_count()} CUDA devices"
            raise WrongCall(found, "start one process for each")
        nodes = place().world // here
        environment = TorchElasticEnvironment()
        fabric = Fabric(accelerator=kind, devices=here, num_nodes=nodes, strategy="ddp", plugins=[environment])
    with _joint():
        fabric.launch()
    return fabric.device


@contextmanager
def _joint() -> Iterator[None]:
    """While processes exchange something: what breaks is that one of them is gone."""
    try:
        yield
    except RuntimeError as fault:
        raise Parted(f"the processes lost each other ({first_line(fault)})", "the same command goes on") from fault


def average_gradients(params: Sequence[nn.Parameter], world: int) -> None:
    """Mean gradient over the processes. A parameter without one counts as zero unless all processes lack it."""
    used = torch.tensor([float(p.grad is not None) for p in params], device=params[0].device)
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in params]
    joined = torch.cat([used, *(grad.reshape(-1) for grad in grads)])
    with _joint():
        distributed.all_reduce(joined)
    used, summed = joined[: len(params)], joined[len(params) :] / world
    for param, count, mean in zip(params, used.tolist(), summed.split([p.numel() for p in params]), strict=True):
        param.grad = mean.view_as(param).to(param.dtype) if count else None


def average(values: Tensor, world: int) -> Tensor:
    """Mean of a vector over the processes."""
    if world > 1:
        with _joint():
            distributed.all_reduce(values)
    return values / world


def share(tensors: Sequence[Tensor], world: int) -> None:
    """Give every process the values of process 0."""
    if world > 1:
        with _joint():
            for tensor in tensors:
                distributed.broadcast(tensor.detach(), 0)


def meet(world: int) -> None:
    """Wait for all processes: one that ends early would have the others stopped while they write."""
    if world > 1:
        with _joint():
            distributed.barrier()
