"""What the parts of `check-method` share: findings, and the state of the global generators."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from unlabeled.run import Watch

S = TypeVar("S")
T = TypeVar("T")

CLOSE = 1e-4
"""Largest difference between an item alone and in company, as a share of the largest number: what the order of
sums changes in float32 is far below, what a neighbour changes far above."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `note` marks what is worth knowing and no fault: such a finding is `ok`."""

    name: str
    ok: bool
    text: str
    note: bool = False


@dataclass(frozen=True)
class Check(Generic[S]):
    """`look` returns what was found, or raises; where it is not `required` that makes a note, not a fault."""

    name: str
    look: Callable[[S], str]
    required: bool = True


class Fault(Exception):
    """What was expected and what was found."""


def expect(holds: bool, text: str) -> None:
    """Raise a Fault with this text unless `holds`."""
    if not holds:
        raise Fault(text)


def raised(fault: Exception) -> str:
    """What an exception says of itself."""
    return f"raised {type(fault).__name__}: {fault}"


def try_all(checks: Sequence[Check[S]], subject: S, title: str, watch: Watch, prefix: str = "") -> list[Finding]:
    """Every check on one subject; an exception of the subject is a finding like any other."""
    findings = []
    for done, check in enumerate(checks):
        watch.step(title, done, len(checks))
        name = prefix + check.name
        try:
            findings.append(Finding(name, True, check.look(subject)))
        except Fault as fault:
            findings.append(Finding(name, not check.required, str(fault), note=not check.required))
        except Exception as fault:
            findings.append(Finding(name, not check.required, raised(fault), note=not check.required))
    watch.step(title, len(checks), len(checks))
    return findings


# ---------------------------------------------------------------- the global generators


def _states() -> dict[str, bytes]:
    """State of every generator that a method must leave alone."""
    import torch

    numpy_state: Any = np.random.get_state(legacy=False)
    return {
        "random": repr(random.getstate()).encode(),
        "numpy.random": numpy_state["state"]["key"].tobytes() + str(numpy_state["state"]["pos"]).encode(),
        "torch": torch.get_rng_state().numpy().tobytes(),
    }


@dataclass(frozen=True)
class Left:
    """State of the global generators after something ran, and the names of those that it changed."""

    states: Mapping[str, bytes]
    changed: tuple[str, ...]


def under_globals(seed: int, act: Callable[[], T]) -> tuple[T, Left]:
    """What `act` gives with the global generators at `seed`, and how it left them; they are put back."""
    import torch

    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        random.seed(seed)
        np.random.seed(seed)
        torch.random.default_generator.manual_seed(seed)
        start = _states()
        result = act()
        end = _states()
        return result, Left(end, tuple(name for name in end if end[name] != start[name]))
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


def not_seeded(left: Left, other: Left) -> str:
    """`left` and `other` began at different states; a generator that ends in one state was seeded."""
    seeded = [name for name in left.changed if left.states[name] == other.states[name]]
    expect(not seeded, f"it seeds the global generator of {', '.join(seeded)}; draw from the Rng that is given")
    return "no global generator is seeded"


def not_drawn(left: Left) -> str:
    """Draws that change no result are worth a note: libraries make them."""
    expect(
        not left.changed,
        f"the global generator of {', '.join(left.changed)} is drawn from (some libraries do, such as SVC without "
        "random_state)",
    )
    return "no global generator is drawn from"


def equal(a: np.ndarray, b: np.ndarray) -> bool:
    """The same to the bit, NaN equal to NaN."""
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=True))


def gap(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference as a share of the largest number; infinite between different shapes."""
    if a.shape != b.shape:
        return np.inf
    return float(np.abs(a - b).max() / max(np.abs(a).max(), np.abs(b).max(), 1e-12)) if a.size else 0.0
