"""The processes that train one network together, and the device that each of them has.

Lightning Fabric places the processes. Gradients are averaged by hand, once a step: a loss may call any part of the
network any number of times, and a distributed wrapper sees nothing but calls of `forward`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from torch import Tensor, distributed, nn

from unlabeled.errors import WrongCall


@dataclass(frozen=True)
class Place:
    """This process: number `rank` of `world`."""

    rank: int
    world: int


def place() -> Place:
    """Where this process stands, from what `torchrun` says; a process started in any other way is alone."""
    if not distributed.is_torchelastic_launched():
        return Place(0, 1)
    return Place(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))


def open_device(name: str) -> torch.device:
    """The device of this process, `cpu`, `cuda` or `cuda:1`; under torchrun all processes have met after it.

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
        nodes = place().world // here
        environment = TorchElasticEnvironment()
        fabric = Fabric(accelerator=kind, devices=here, num_nodes=nodes, strategy="ddp", plugins=[environment])
    fabric.launch()
    return fabric.device


def average_gradients(params: Sequence[nn.Parameter], world: int) -> None:
    """Mean gradient over the processes. A parameter without one counts as zero unless all processes lack it."""
    used = torch.tensor([float(p.grad is not None) for p in params], device=params[0].device)
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in params]
    together = torch.cat([used, *(grad.reshape(-1) for grad in grads)])
    distributed.all_reduce(together)
    used, summed = together[: len(params)], together[len(params) :] / world
    for param, count, mean in zip(params, used.tolist(), summed.split([p.numel() for p in params]), strict=True):
        param.grad = mean.view_as(param).to(param.dtype) if count else None


def average(values: Tensor, world: int) -> Tensor:
    """Mean of a vector over the processes."""
    if world > 1:
        distributed.all_reduce(values)
    return values / world


def share(tensors: Sequence[Tensor], world: int) -> None:
    """Give every process the values of process 0."""
    if world > 1:
        for tensor in tensors:
            distributed.broadcast(tensor.detach(), 0)


def meet(world: int) -> None:
    """Wait for all processes: one that ends early would have the others stopped while they write."""
    if world > 1:
        distributed.barrier()
