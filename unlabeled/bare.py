"""A bare `torch.nn.Module` as a method: what `unlabeled.evaluate(module, ..., rate=16_000)` runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unlabeled.contracts import Method, Point
from unlabeled.errors import WrongCall


@dataclass(frozen=True)
class Preset:
    """Rate in Hz of the waves that the module takes."""

    rate: int


class Bare(Method):
    """A module from waves `(B, samples)` to `(B, dim)` or `(B, dim, T)`; its one point is `out`."""

    cite = ""
    roles = frozenset({"audio"})
    home = ()
    devices = ("cpu", "cuda")

    def __init__(self, module: nn.Module, rate: int) -> None:
        self.id = f"module:{type(module).__name__}"
        self.presets = {name: Preset(rate) for name in ("nano", "mini", "small", "paper")}
        self.module = module.eval()
        self.code = tuple(sorted({type(part).__module__ for part in module.modules()} - _of_torch(module)))

    def build(self, preset: Preset, rng: Any) -> nn.Module:
        """The module as it was given."""
        return self.module

    def adapt(self, net: nn.Module, preset: Preset) -> BareEncoder:
        """One point, its size taken from what a second of silence gives."""
        return BareEncoder(net, preset.rate)


class BareEncoder:
    """Role audio."""

    window_s = 1.0

    def __init__(self, net: nn.Module, rate: int) -> None:
        self.net, self.rate = net, rate
        found = self.encode_wave(torch.zeros(1, rate), "out")
        if found.ndim not in (2, 3) or len(found) != 1:
            raise WrongCall(f"the module turns (1, {rate}) into {tuple(found.shape)}, not (1, dim) or (1, dim, T)")
        step = 1 / found.shape[2] if found.ndim == 3 else 0.0
        self.points = {"out": Point("out", found.shape[1], step)}

    @torch.inference_mode()
    def encode_wave(self, waves: Tensor, point: str) -> Tensor:
        """`(B, samples)` to whatever the module gives, on the CPU."""
        parameter = next(iter(self.net.parameters()), None)
        return self.net(waves if parameter is None else waves.to(parameter.device)).cpu()


def wrap(module: nn.Module, rate: int | None) -> Bare:
    """The method of a module.

    Raises
    ------
    WrongCall : no rate is given.
    """
    if not rate or rate < 1:
        raise WrongCall("a bare module needs the rate of its waves", "call evaluate(module, ..., rate=16_000)")
    return Bare(module, rate)


def _of_torch(module: nn.Module) -> set[str]:
    """Modules of torch itself count by its version."""
    names = {type(part).__module__ for part in module.modules()}
    return {name for name in names if name.partition(".")[0] == "torch"}
