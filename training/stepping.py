"""One training under way: a step of it, and its state on disk."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unlabeled.contracts import Batch, Losses, Progress, Train
from unlabeled.errors import UnlabeledError, name_several
from unlabeled.streams import Rng
from unlabeled.training import checkpoints, half_precision, optim
from unlabeled.training.curve import Curve
from unlabeled.training.passes import seed_torch, to_device
from unlabeled.training.processes import Place, average, average_gradients, meet, share

DIVERGED = 1e4
"""A loss so many times its first value (or 1, if that is more) will not come back."""

RESERVED = ("step", "cpu_s", "lr", "loss")
"""Columns of the curve that belong to the loop."""

Loss = Callable[[nn.Module, Batch, Rng, Progress], Losses]


@dataclass
class UnderWay:
    """A training under way; `step` steps are done."""

    net: nn.Module
    plan: Train
    rng: Rng
    optimisers: dict[str, torch.optim.Optimizer]
    device: torch.device
    at: Place
    folder: Path | None
    step: int = 0
    first: dict[str, float] = field(default_factory=dict)
    sums: dict[str, list[float]] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    stopping: bool = False

    def __post_init__(self) -> None:
        self.began = time.process_time()
        # Only small half-precision numbers need scaling; bf16 has the range of fp32.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.plan.precision == "fp16")
        self.curve: Curve | None = None

    @property
    def cpu_s(self) -> float:
        return time.process_time() - self.began

    # ------------------------------------------------------------ a step

    def advance(
        self,
        loss: Loss,
        stream: Iterator[Batch],
        after_step: Callable[[nn.Module, Progress], None] | None,
        stop: threading.Event,
    ) -> dict[str, float]:
        """One step; the values of the curve's columns at it, averaged over parts and processes."""
        progress = Progress(self.step, self.plan.steps)
        rate = optim.rate(self.plan, self.step)
        for optimiser in self.optimisers.values():
            optimiser.zero_grad()
            optim.set_rate(optimiser, rate)
        parts = [self._part(loss, stream, k, progress) for k in range(self.plan.accumulate)]
        values = self._agree(parts, stop)
        losses = {name: values[_column(name)] for name in parts[0].players}
        self._check(losses, rate)
        self._update(list(losses))
        if after_step:
            after_step(self.net, progress)
        share(list(self.net.buffers()), self.at.world)
        self.step += 1
        for name, value in values.items():
            total = self.sums.setdefault(name, [0.0, 0])
            total[0] += value
            total[1] += 1
        return values

    def _part(self, loss: Loss, stream: Iterator[Batch], k: int, progress: Progress) -> Losses:
        """Losses of one part, their gradients added to what is there; the losses returned hold no graph."""
        batch = next(stream, None)
        if batch is None:
            raise UnlabeledError(f"the data ended in step {self.step} of {self.plan.steps}")
        # Numbered through parts and processes: two processes draw what one would with twice the parts.
        rng = self.rng.under("loss", self.step, k * self.at.world + self.at.rank)
        seed_torch(rng, self.device)
        with half_precision.autocast(self.device, self.plan.precision):
            losses = loss(self.net, to_device(batch, self.device), rng, progress)
        self._check_form(losses)
        names = list(losses.players)
        for name in names:
            part = self.scaler.scale(losses.players[name] / self.plan.accumulate)
            # Only this player's parameters: what the others did to its loss is theirs to answer for.
            part.backward(inputs=optim.trained(self.optimisers[name]), retain_graph=name != names[-1])
        return Losses({name: value.detach().float() for name, value in losses.players.items()}, losses.log)

    def _check_form(self, losses: Losses) -> None:
        strange = [name for name in losses.players if name not in self.optimisers]
        if strange or not losses.players:
            raise UnlabeledError(
                f"the loss is of {name_several(strange) or 'nobody'}, players are {name_several(list(self.optimisers))}"
            )
        for name, value in losses.players.items():
            if value.ndim or not value.requires_grad:
                raise UnlabeledError(f"the loss of {name} is no scalar that depends on the weights")
        taken = [name for name in losses.log if name in RESERVED or name.startswith("loss.")]
        if taken:
            raise UnlabeledError(f"the loss logs {name_several(taken)}: names that the loop itself writes")

    def _agree(self, parts: Sequence[Losses], stop: threading.Event) -> dict[str, float]:
        """Means over parts and processes; `stopping` as soon as any process is to stop."""
        players, logged = list(parts[0].players), sorted({name for part in parts for name in part.log})
        means = [torch.stack([part.players[name] for part in parts]).mean() for name in players]
        logs = [sum(part.log.get(name, math.nan) for part in parts) / len(parts) for name in logged]
        rest = torch.tensor([*logs, float(stop.is_set())], dtype=torch.float64)
        together = average(torch.cat([torch.stack(means).double(), rest.to(self.device)]), self.at.world).tolist()
        self.stopping = together.pop() > 0
        return dict(zip([*map(_column, players), *logged], together, strict=True))

    def _check(self, losses: Mapping[str, float], rate: float) -> None:
        """Stop before a bad loss reaches the weights."""
        for name, value in losses.items():
            self.first.setdefault(name, value)
            bound = DIVERGED * max(1.0, abs(self.first[name]))
            if not math.isfinite(value) or abs(value) > bound:
                found = "is" if not math.isfinite(value) else f"began at {self.first[name]:.4g} and has diverged to"
                raise self._unstable(f"the loss{'' if name == 'main' else f' of {name}'} {found} {value:.4g}", rate)

    def _unstable(self, what: str, rate: float) -> UnlabeledError:
        ways = [f"lower `lr` ({self.plan.lr:g})", f"raise `warmup` ({self.plan.warmup})"]
        ways += [f"{'lower' if self.plan.clip else 'set'} `clip` ({self.plan.clip:g})"]
        ways += [f"set `precision` to fp32 (now {self.plan.precision})"] if self.plan.precision != "fp32" else []
        where = f"at step {self.step} of {self.plan.steps}, learning rate {rate:.4g}"
        return UnlabeledError(f"training stopped {where}: {what}", ", or ".join(ways))

    def _update(self, names: Sequence[str]) -> None:
        """Move the parameters of the players that had a loss, all from the same point."""
        for name in names:
            params = optim.trained(self.optimisers[name])
            if self.at.world > 1:
                average_gradients(params, self.at.world)
            if self.plan.clip:
                self.scaler.unscale_(self.optimisers[name])
                nn.utils.clip_grad_norm_(params, self.plan.clip)
        for name in names:
            self.scaler.step(self.optimisers[name])
        # Once for all players: each must be unscaled by the factor that its loss was scaled with.
        self.scaler.update()

    # ------------------------------------------------------------ on disk

    def write_row(self, looked: Mapping[str, float]) -> None:
        """A row of the curve: means since the row before."""
        self.last = {name: total / count for name, (total, count) in self.sums.items()}
        self.sums = {}
        if self.curve:
            lr = optim.rate(self.plan, self.step - 1)
            self.curve.append({"step": self.step, "cpu_s": round(self.cpu_s, 3), "lr": lr, **self.last, **looked})

    def _identity(self) -> dict[str, Any]:
        """What a state must share with a training that goes on with it."""
        counts = {name: len(optim.trained(optimiser)) for name, optimiser in self.optimisers.items()}
        plan = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self.plan).items()}
        return {**plan, "seed": self.rng.seed, "stream": list(self.rng.path), "players": counts}

    def save(self) -> None:
        """Keep the whole state; weights that are no numbers are never kept."""
        if not all(bool(torch.isfinite(param).all()) for param in self.net.parameters()):
            raise self._unstable("weights are no longer finite", optim.rate(self.plan, self.step - 1))
        if self.folder is not None and self.at.rank == 0:
            self._write(self.folder)
        meet(self.at.world)

    def _write(self, folder: Path) -> None:
        tensors = {f"net/{name}": value for name, value in self.net.state_dict().items()}
        for player, optimiser in self.optimisers.items():
            for index, memory in optimiser.state_dict()["state"].items():
                kept = {key: value for key, value in memory.items() if isinstance(value, Tensor)}
                tensors |= {f"optimiser/{player}/{index}/{key}": value for key, value in kept.items()}
        facts = {
            "identity": self._identity(),
            "step": self.step,
            "cpu_s": self.cpu_s,
            "first": self.first,
            "sums": self.sums,
            "last": self.last,
            "scaler": self.scaler.state_dict(),
        }
        if self.curve:
            self.curve.flush()
        checkpoints.write_state(folder, checkpoints.State(tensors, facts))

    def resume(self) -> None:
        """Take up the state that lies in the working folder, if any.

        Raises
        ------
        UnlabeledError : it is of a training with other settings.
        BadData : it is torn, or of another network.
        """
        if self.folder is None:
            return
        found = checkpoints.read_state(self.folder)
        if found:
            self._take_up(found, checkpoints.working(self.folder))
        # One process alone writes: another would clear away what this one is writing.
        if self.at.rank == 0:
            self.curve = Curve(checkpoints.open_working(self.folder) / checkpoints.CURVE, self.step)

    def _take_up(self, found: checkpoints.State, work: Path) -> None:
        facts, own = found.facts, self._identity()
        other = [f"{name} {facts['identity'].get(name)}, now {value}" for name, value in own.items()
                 if facts["identity"].get(name) != value]  # fmt: skip
        if other:
            raise UnlabeledError(
                f"{work}: holds a training with other settings: {name_several(other)}",
                "delete that folder to start anew, or give the settings it began with",
            )
        checkpoints.fill(self.net, _below("net/", found.tensors), str(work / checkpoints.PROGRESS))
        for player, optimiser in self.optimisers.items():
            memory: dict[int, dict[str, Tensor]] = {}
            for name, value in _below(f"optimiser/{player}/", found.tensors).items():
                index, _, key = name.partition("/")
                memory.setdefault(int(index), {})[key] = value
            optimiser.load_state_dict({**optimiser.state_dict(), "state": memory})
        if facts["scaler"]:
            self.scaler.load_state_dict(facts["scaler"])
        self.step, self.first, self.sums, self.last = (facts[name] for name in ("step", "first", "sums", "last"))
        self.began -= facts["cpu_s"]


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _column(player: str) -> str:
    return "loss" if player == "main" else f"loss.{player}"
