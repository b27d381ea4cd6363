"""The signals of `spot_checks_sound.json`, from the definitions in its `generator` block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def lcg(seed: int, n: int) -> np.ndarray:
    """`n` numbers in [0, 1) of the 32-bit linear congruential generator, float64."""
    values, state = np.empty(n), seed
    for k in range(n):
        state = (1664525 * state + 1013904223) % 2**32
        values[k] = state / 2**32
    return values


def tone(time: np.ndarray, term: Mapping[str, Any]) -> np.ndarray:
    """A sine of frequency f and a phase."""
    return np.sin(2 * np.pi * term["f"] * time + term.get("phase", 0))


def am(time: np.ndarray, term: Mapping[str, Any]) -> np.ndarray:
    """A sine whose amplitude swings between 0 and 1."""
    return np.sin(2 * np.pi * term["f"] * time) * 0.5 * (1 + np.sin(2 * np.pi * term["rate"] * time))


def chirp(time: np.ndarray, term: Mapping[str, Any], seconds: float) -> np.ndarray:
    """A sine that rises from f0 to f1 over the whole signal."""
    return np.sin(2 * np.pi * (term["f0"] * time + (term["f1"] - term["f0"]) * time**2 / (2 * seconds)))


def low_passed(term: Mapping[str, Any], n: int) -> np.ndarray:
    """Noise through a one-pole low-pass that starts at rest: `y_i = a y_{i-1} + (1 - a) v_i`."""
    values, last = 2 * lcg(term["seed"], n) - 1, 0.0
    for k in range(n):
        last = term["a"] * last + (1 - term["a"]) * values[k]
        values[k] = last
    return values


def matrix(seed: int, rows: int, columns: int) -> np.ndarray:
    """`lcg` row by row, `(rows, columns)`."""
    return lcg(seed, rows * columns).reshape(rows, columns)


def signal(spec: Mapping[str, Any]) -> np.ndarray:
    """The sum of the terms of a signal, float64 `(n,)`."""
    rate, n = spec["sr"], spec["n"]
    time = np.arange(n) / rate
    kinds: dict[str, Callable[[Mapping[str, Any]], np.ndarray]] = {
        "tone": lambda term: tone(time, term),
        "am": lambda term: am(time, term),
        "chirp": lambda term: chirp(time, term, n / rate),
        "noise": lambda term: 2 * lcg(term["seed"], n) - 1,
        "lpnoise": lambda term: low_passed(term, n),
    }
    return np.sum([term["gain"] * kinds[term["kind"]](term) for term in spec["terms"]], axis=0)
