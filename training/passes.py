"""What several modules of training need: tensors on the device, torch's own generator set by name, modes put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from unlabeled.contracts import Batch
from unlabeled.streams import Rng


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with every tensor on the device; itself where it is there already."""
    held = {f.name: getattr(batch, f.name) for f in fields(batch)}
    moved: dict[str, Any] = {
        name: value.to(device, non_blocking=True)
        for name, value in held.items()
        if isinstance(value, Tensor) and value.device != device
    }
    return replace(batch, **moved) if moved else batch


def seed_torch(rng: Rng, device: torch.device) -> None:
    """Set torch's global generators, which dropout draws from, to the stream `torch`. Call it under `own_torch`."""
    seed = int(rng.numpy("torch").integers(2**63))
    # One by one: torch.manual_seed visits every kind of device, which costs more than a step of a small network.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index].manual_seed(seed)


@contextmanager
def own_torch(device: torch.device) -> Iterator[None]:
    """Inside, torch's global generators may be seeded at will; afterwards they are as they were."""
    where = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=where):
        yield


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every module is in the mode that it had."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def first_line(fault: BaseException) -> str:
    """What torch says of a fault without the pages of advice below it."""
    return next(iter(str(fault).splitlines()), type(fault).__name__)
