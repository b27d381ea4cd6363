"""Our speed beside that of the package people would use otherwise, in one process on one thread, or one GPU.

Both sides start from the same input and their results are compared in the run that times them; repeats are
interleaved, so that whatever else the machine does falls on both. Times are medians of wall time.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from tabulate import tabulate
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from unlabeled import registry
from unlabeled.errors import UnlabeledError, WrongCall, name_several

FEWEST_ROUNDS = 3


@dataclass(frozen=True)
class Row:
    """One comparison. `ours` and `peer` are in `unit`, a rate: more is better; `ratio` is ours / peer.

    `peer_version` names the other package and its release, `difference` the largest absolute difference of the
    two results, `n` the timed repeats of each side.
    """

    what: str
    ours: float
    peer: float
    ratio: float
    peer_version: str
    difference: float
    n: int
    unit: str


# ---------------------------------------------------------------- timing


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch and every BLAS or OpenMP library of the process on one thread, as before afterwards."""
    threads = torch.get_num_threads()
    try:
        with threadpool_limits(1):
            torch.set_num_threads(1)
            yield
    finally:
        torch.set_num_threads(threads)


def interleaved(sides: Sequence[Callable[[], object]], seconds: float) -> list[list[float]]:
    """Times in seconds of each side, called in turn until the time is up (three rounds at least).

    A first call of each, in which caches fill and libraries finish loading, is not counted.
    """
    for side in sides:
        side()
    settle()
    times: list[list[float]] = [[] for _ in sides]
    end = time.perf_counter() + seconds
    while len(times[0]) < FEWEST_ROUNDS or time.perf_counter() < end:
        for side, taken in zip(sides, times, strict=True):
            start = time.perf_counter()
            side()
            settle()
            taken.append(time.perf_counter() - start)
    return times


def settle() -> None:
    """Wait until what a CUDA device was told is done; without one nothing happens."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def peer_package(name: str) -> Any:
    """Import the package we compare with.

    Raises
    ------
    UnlabeledError : it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as fault:
        raise UnlabeledError(
            f"this comparison needs {name}: {fault}", 'pip install -e ".[dev]" in the checkout brings it'
        ) from fault


def row(
    what: str, ours: list[float], peer: list[float], things: int, version: str, difference: float, unit: str
) -> Row:
    """A row from the times of both sides, each of which did `things` things of the `unit` (such as clips/s)."""
    us, them = things / median(ours), things / median(peer)
    return Row(what, us, them, us / them, version, difference, len(ours), unit)


# ---------------------------------------------------------------- output

BENCHES = {
    "mfcc": "sound",
    "logmel": "sound",
    "voc": "detections",
    "bss": "separation",
    "davis": "masks",
    "propagation": "propagation",
    "loading": "loading",
    "training": "training",
    "precision": "precision",
    "video": "video",
}
"""Each bench and the module of `unlabeled.benches` that holds the function of that name."""

ON_CUDA = ("propagation", "training", "precision")
"""Benches that take a device too; what the others time runs on the CPU."""


def run(name: str, seconds: float, device: str = "cpu") -> list[Row]:
    """The rows of one bench; `seconds` is the time for timing, `device` is `cpu` or `cuda`."""
    bench = getattr(importlib.import_module(f"unlabeled.benches.{BENCHES[name]}"), name)
    rows: list[Row] = bench(seconds, device) if name in ON_CUDA else bench(seconds)
    return rows


def named(names: Sequence[str], device: str) -> list[str]:
    """The benches to run: those named, or all that the device can run.

    Raises
    ------
    WrongCall : no bench has a name, no such device, or the bench does not run there.
    """
    for name in names:
        if name not in BENCHES:
            raise registry.unknown("bench", name, BENCHES)
    if device == "cpu":
        return list(names or BENCHES)
    if device != "cuda":
        raise WrongCall(f"--device {device}", "give cpu or cuda")
    strange = [name for name in names if name not in ON_CUDA]
    if strange:
        raise WrongCall(
            f"{name_several(strange)}: what is timed runs on the CPU", f"with --device cuda: {', '.join(ON_CUDA)}"
        )
    if not torch.cuda.is_available():
        raise WrongCall("--device cuda: torch sees no CUDA device", "run `unlabeled doctor`, or leave --device out")
    return list(names or ON_CUDA)


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""
    cells = [
        (
            row.what,
            f"{row.ours:.0f}",
            f"{row.peer:.0f}",
            row.unit,
            f"{row.ratio:.2f}",
            row.peer_version,
            f"{row.difference:.1e}",
            row.n,
        )
        for row in rows
    ]
    headers = ("what", "ours", "peer", "unit", "ratio", "peer is", "largest difference", "repeats")
    return tabulate(cells, headers, tablefmt="github", disable_numparse=True)
