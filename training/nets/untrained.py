"""An encoder with random weights: its batch normalisation takes its statistics from the benchmark's unlabelled items.

Without that a network that has learned nothing is broken, not a floor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

CALLS = ("encode", "encode_clip", "encode_wave")


def _norms(net: nn.Module) -> list[_BatchNorm]:
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
    return [norm for norm in norms if norm.track_running_stats]


@torch.no_grad()
def average_norms(net: nn.Module, run: Callable[[Tensor], object], batches: Iterable[Tensor]) -> None:
    """Set the running statistics of a network to their mean over some batches, each of which `run` sends through."""
    norms = _norms(net)
    if not norms:
        return
    kept = [(norm.momentum, norm.training) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
        norm.train()  # these alone: dropout stays off
    for batch in batches:
        run(batch)
    for norm, (momentum, training) in zip(norms, kept, strict=True):
        norm.momentum = momentum
        norm.train(training)


class Untrained:
    """An image, video, audio or dense encoder on `net`, as it is, with `calibrate` as well."""

    def __init__(self, role: Any, net: nn.Module) -> None:
        self._role, self._net = role, net

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._role, name)

    def calibrate(self, batches: Iterable[Tensor]) -> None:
        """Set the running statistics to the mean over some unlabelled batches of what the encoder takes."""
        average_norms(self._net, self._run, batches)

    def _run(self, batch: Tensor) -> None:
        call = next((getattr(self._role, name) for name in CALLS if hasattr(self._role, name)), None)
        if hasattr(self._role, "dense") and (call is None or batch.ndim == 5):
            self._role.dense(batch)
        elif call is not None:
            call(batch, next(reversed(self._role.points)))
