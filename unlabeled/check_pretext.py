"""What `check-method` does with a pretext: loss and gradient of one batch, and whether it learns a few by heart.

Learning is judged on the very batches that were learned from, so that a few dozen steps show it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from unlabeled import check_request
from unlabeled.check_basics import Check, Finding, Left, expect, not_seeded, raised, try_all, under_globals
from unlabeled.check_request import BATCH, BATCHES, Asked
from unlabeled.contracts import Batch, Losses, Pretext, Progress, Train
from unlabeled.run import Watch
from unlabeled.streams import Rng

if TYPE_CHECKING:
    from torch import Tensor, nn

STEPS = 45
LOWER = 0.98
"""A loss after learning above so much of the one before is worth a note."""


def short(plan: Train, steps: int, batch: int) -> Train:
    """A training cut down: no more steps, no larger batches, in full precision."""
    return replace(
        plan, steps=min(plan.steps, steps), batch=min(plan.batch, batch), accumulate=1, warmup=0, precision="fp32"
    )


# ---------------------------------------------------------------- learning


@dataclass(frozen=True)
class _Learning:
    """A pretext with its batches. `net` and `other` are built from seeds 0 and 1, `second` under other globals."""

    method: Any
    values: Any
    pretext: Pretext
    batches: list[Batch]
    net: nn.Module
    second: nn.Module
    other: nn.Module
    left: Left
    left_second: Left

    @property
    def batch(self) -> Batch:
        """The first batch, on memory of its own."""
        return _copied(self.batches[0])

    def losses(self, net: nn.Module, batch: Batch) -> Losses:
        """The losses of a batch as the training loop asks for them, in training mode."""
        import torch

        from unlabeled.training.passes import own_torch, seed_torch

        assert self.pretext.loss is not None
        rng, cpu = Rng(0).under("check", "loss"), torch.device("cpu")
        net.train()
        with own_torch(cpu):
            seed_torch(rng, cpu)
            return self.pretext.loss(net, batch, rng, Progress(0, self.pretext.train.steps))

    def value(self, net: nn.Module, batch: Batch) -> float:
        """Sum of all players' losses."""
        return float(sum(float(value.detach()) for value in self.losses(net, batch).players.values()))


def _tensors(batch: Batch) -> Mapping[str, Tensor]:
    import torch

    held = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {name: value for name, value in held.items() if isinstance(value, torch.Tensor)}


def _copied(batch: Batch) -> Batch:
    held: dict[str, Any] = {name: value.clone() for name, value in _tensors(batch).items()}
    return replace(batch, **held)


def _ready(method: Any, values: Any, pretext: Pretext, batches: list[Batch], seed: int) -> nn.Module:
    """A network before its first step: built, its artefacts in their buffers."""
    import torch

    net = method.build(values, Rng(seed).under("init"))
    expect(isinstance(net, torch.nn.Module), f"`build` gives a module, not a {type(net).__name__}")
    made = pretext.artefacts(iter(batches), Rng(seed).under("check", "artefacts")) if pretext.artefacts else {}
    buffers = dict(net.named_buffers())
    for name in buffers.keys() & made.keys():
        buffers[name].copy_(torch.as_tensor(made[name]))
    return net


def _learning(method: Any, values: Any, pretext: Pretext) -> _Learning:
    batches = check_request.batches(pretext)

    def make(seed: int) -> nn.Module:
        return _ready(method, values, pretext, [_copied(batch) for batch in batches], seed)

    net, left = under_globals(0, lambda: make(0))
    second, left_second = under_globals(1, lambda: make(0))
    other, _ = under_globals(0, lambda: make(1))
    return _Learning(method, values, pretext, batches, net, second, other, left, left_second)


def _equal(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(bool(a.equal(b)) for a, b in pairs)


def _weights(learning: _Learning) -> str:
    expect(
        _equal(learning.net, learning.second),
        "built anew with the same Rng it has other weights: `build` draws from a generator that is not the Rng's",
    )
    expect(not _equal(learning.net, learning.other), "built with another Rng it has the same weights")
    return "the weights come from the Rng: equal for the same, others for another"


def _build_seeds(learning: _Learning) -> str:
    return not_seeded(learning.left, learning.left_second)


def _loss(learning: _Learning) -> str:
    batch = learning.batch
    before = _copied(batch)
    try:
        found = learning.losses(learning.net, batch)
    except Exception as fault:
        reads = _works(learning, _numbered(learning.batch, 0))
        expect(not reads, f"{raised(fault)}; with labels in the batch it works, but a pretext never sees them")
        raise
    expect(bool(found.players), "the loss is of nobody: `Losses.players` is empty")
    for name, value in found.players.items():
        expect(value.ndim == 0, f"the loss of {name} is a scalar, not of shape {tuple(value.shape)}")
        expect(bool(value.isfinite()), f"the loss of {name} is {float(value.detach()):g} on the first batch")
    changed = [name for name, value in _tensors(batch).items() if not value.equal(_tensors(before)[name])]
    expect(not changed, f"the {' and '.join(changed)} of the batch are changed: work on a copy")
    return ", ".join(f"{name} {float(value.detach()):.4g}" for name, value in found.players.items())


def _numbered(batch: Batch, add: int) -> Batch:
    """The batch with labels, as a benchmark has them."""
    import torch

    rows = len(next(iter(_tensors(batch).values())))
    return replace(batch, labels=(torch.arange(rows) + add) % 2)


def _works(learning: _Learning, batch: Batch) -> bool:
    try:
        learning.losses(learning.net, batch)
    except Exception:
        return False
    return True


def _labels(learning: _Learning) -> str:
    found = {
        learning.value(copy.deepcopy(learning.second), batch)
        for batch in (learning.batch, _numbered(learning.batch, 0), _numbered(learning.batch, 1))
    }
    expect(len(found) == 1, "labels in the batch change the loss: a pretext never sees them")
    return "labels in the batch change nothing"


def _gradient(learning: _Learning) -> str:
    import torch

    net = learning.second
    players = learning.pretext.players(net) if learning.pretext.players else {"main": net.parameters()}
    owned = {name: [weight for weight in weights if weight.requires_grad] for name, weights in players.items()}
    told = []
    for name, value in learning.losses(net, learning.batch).players.items():
        expect(name in owned, f"the loss is of {name!r}, players are {', '.join(owned)}")
        expect(bool(value.requires_grad), f"the loss of {name} has no gradient: it does not depend on the weights")
        found = torch.autograd.grad(value, owned[name], retain_graph=True, allow_unused=True)
        known = [gradient for gradient in found if gradient is not None]
        expect(all(bool(g.isfinite().all()) for g in known), f"gradients of {name} are no numbers")
        moved = sum(bool(gradient.any()) for gradient in known)
        expect(moved > 0, f"every gradient of {name} is zero")
        told.append(f"{name}: {moved} of {len(found)} weights")
    return f"gradients that are not zero, {'; '.join(told)}"


def _seeding(learning: _Learning) -> str:
    def anew() -> float:
        net = _ready(learning.method, learning.values, learning.pretext, learning.batches, 0)
        return learning.value(net, learning.batch)

    (first, left), (second, other) = under_globals(0, anew), under_globals(1, anew)
    expect(first == second, "the same network, batch and Rng give another loss: a draw does not come from the Rng")
    not_seeded(left, other)
    return "the same network, batch and Rng give the same loss, whatever the global state"


# ---------------------------------------------------------------- what was learned


@dataclass(frozen=True)
class _Learned:
    """A network after its training, with the mean losses of the same batches before and after; None of a `fit`."""

    learning: _Learning
    net: nn.Module
    before: float | None
    after: float | None


def _learned(learning: _Learning) -> _Learned:
    """Some steps of the real loop on the same few batches again and again; whatever stops a training is raised."""
    from unlabeled.training import loop

    pretext, net = learning.pretext, copy.deepcopy(learning.second)

    def batches(first: int, stride: int = 1, /) -> Iterator[Batch]:
        return (_copied(batch) for batch in islice(cycle(learning.batches), first, None, stride))

    def mean() -> float | None:
        if pretext.loss is None:
            return None
        return float(np.mean([learning.value(copy.deepcopy(net), _copied(batch)) for batch in learning.batches]))

    before = mean()
    loop.pretrain(net, pretext, batches, Rng(0).under("check", "pretrain"))
    return _Learned(learning, net, before, mean())


def _lower(learned: _Learned) -> str:
    if learned.before is None or learned.after is None:
        return "`fit` runs through"
    told = f"{learned.before:.4g} before {STEPS} steps on {BATCHES} batches, {learned.after:.4g} after"
    expect(learned.after < learned.before - (1 - LOWER) * abs(learned.before), f"the loss is hardly lower: {told}")
    return f"the loss is {told}"


def _measured(learned: _Learned, batch: Batch) -> tuple[Tensor, Tensor | None]:
    from unlabeled.training.passes import evaluating

    with evaluating(learned.net):
        return learned.learning.pretext.sanity.measure(learned.net, batch, Rng(0).under("check", "measure"))


def _sanity(learned: _Learned) -> str:
    (scores, strata), _ = under_globals(0, lambda: _measured(learned, learned.learning.batch))
    (again, _), _ = under_globals(1, lambda: _measured(learned, learned.learning.batch))
    expect(tuple(scores.shape) == (BATCH,), f"scores of {BATCH} items have shape {tuple(scores.shape)}, not ({BATCH},)")
    expect(bool(scores.isfinite().all()), "scores are no numbers")
    expect(
        strata is None or tuple(strata.shape) == (BATCH,),
        f"strata are None or of shape ({BATCH},), not {None if strata is None else tuple(strata.shape)}",
    )
    expect(again.equal(scores), "the same network, batch and Rng are measured otherwise: a draw is not from the Rng")
    return f"{BATCH} items give {BATCH} scores"


def _controls(learned: _Learned) -> str:
    sanity = learned.learning.pretext.sanity
    expect(bool(sanity.controls), "there is no control: a batch with the signal destroyed")
    for name, control in sanity.controls.items():
        batch = learned.learning.batch
        before, found = _tensors(_copied(batch)), _tensors(control(batch, Rng(0).under("check", "control")))
        shapes = {key: tuple(value.shape) for key, value in before.items()}
        other = {key: tuple(value.shape) for key, value in found.items()}
        expect(shapes == other, f"control {name!r} gives shapes {other}, not {shapes}")
        now = _tensors(batch)
        expect(
            all(now[key].equal(before[key]) for key in before), f"control {name!r} changes the batch that it is given"
        )
        expect(any(not found[key].equal(before[key]) for key in before), f"control {name!r} gives the batch as it was")
        _measured(learned, control(batch, Rng(0).under("check", "control")))
    return f"{', '.join(sanity.controls)}: other batches of the same shapes"


# ---------------------------------------------------------------- all together

LEARNING: tuple[Check[_Learning], ...] = (Check("weights", _weights), Check("build global seeds", _build_seeds))
LOSS: tuple[Check[_Learning], ...] = (
    Check("loss", _loss),
    Check("gradient", _gradient),
    Check("labels", _labels),
    Check("seeding", _seeding),
)
LEARNED: Sequence[Check[_Learned]] = (
    Check("learns", _lower, required=False),
    Check("sanity", _sanity),
    Check("controls", _controls),
)


def check(method: Any, values: Any, title: str, watch: Watch) -> list[Finding]:
    """Findings about what a method learns before any benchmark with these values of its preset; none if nothing."""
    prefix = "pretext: "
    try:
        pretext = method.pretext(values)
    except Exception as fault:
        return [Finding(f"{prefix}declared", False, raised(fault))]
    if pretext is None:
        return []
    findings = try_all(check_request.ASKED, Asked(pretext, values), title, watch, prefix)
    if not all(finding.ok for finding in findings):
        return findings
    cut = replace(pretext, train=short(pretext.train, STEPS, BATCH))
    try:
        learning, _ = under_globals(0, lambda: _learning(method, values, cut))
    except Exception as fault:
        return [*findings, Finding(f"{prefix}batches", False, raised(fault))]
    findings += try_all(LEARNING if pretext.fit else LEARNING + LOSS, learning, title, watch, prefix)
    # A training would stop for the same reason: one fault is told once.
    if any(not finding.ok and finding.name in (f"{prefix}loss", f"{prefix}gradient") for finding in findings):
        return findings
    try:
        learned, _ = under_globals(0, lambda: _learned(learning))
    except Exception as fault:
        return [*findings, Finding(f"{prefix}training", False, raised(fault))]
    return findings + try_all(LEARNED, learned, title, watch, prefix)
