"""Paired comparison of two runs over the per-item outcomes that lie beside their records.

Both runs answered the same items, so that their difference is known far better than the two intervals say.
Right or wrong answers: exact McNemar test. Values (J&F, SDR): paired bootstrap of the mean difference.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unlabeled.errors import BadData, UnlabeledError, WrongCall, name_several
from unlabeled.intervals import mcnemar_exact, paired_bootstrap
from unlabeled.records import Record
from unlabeled.streams import Rng

Key = tuple[str, str]
"""Unit and id of an item."""

RESAMPLES = 10_000


@dataclass(frozen=True)
class Differing:
    """One item on which the runs differ: class numbers for right/wrong items, values else (no `truth`)."""

    unit: str
    id: str
    truth: Any
    a: Any
    b: Any
    better: Literal["A", "B"] | None
    """Whose answer is the better one (a higher value is); None where both are wrong in different ways."""


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same items.

    kind      : `right` for right/wrong items, `value` for items with a number
    mean_a, mean_b : share of right items as fractions, or mean value, over all `n` items (pooled over units)
    difference, interval : A minus B, and its paired bootstrap 95 % interval
    table     : right/wrong items: how many both have right, only A, only B, neither; None else
    p         : exact two-sided McNemar test; None for values
    differing : right/wrong items: A right and B wrong first, then B right, then both wrong in different ways;
                values: the largest difference first
    classes   : names of the class numbers, empty where the record has none
    notes     : what a reader must know besides
    """

    a: Record
    b: Record
    kind: Literal["right", "value"]
    n: int
    mean_a: float
    mean_b: float
    difference: float
    interval: tuple[float, float]
    table: tuple[int, int, int, int] | None
    p: float | None
    differing: tuple[Differing, ...]
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


# ---------------------------------------------------------------- reading


def load_items(record: Record, folder: Path) -> dict[Key, dict[str, Any]]:
    """Per-item outcomes of a record by unit and id; `folder` is the one the record lies in.

    Raises
    ------
    UnlabeledError : the run stored none, or they do not lie beside the record.
    BadData : the file is not the one that the record names by hash, or cannot be read as items.
    """
    if not record.items:
        raise UnlabeledError(
            f"{record.id} has no per-item outcomes",
            "its benchmark gave none (a chance level has no items), or it was made by older code: run it again",
        )
    file = folder / Path(str(record.items["file"])).name
    if not file.is_file():
        raise UnlabeledError(
            f"{record.id}: its per-item outcomes {file.name} are not in {folder}",
            "name the store that holds them with --store, or run it again",
        )
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != record.items["sha256"]:
        raise BadData(
            f"{file}: damaged, or of another run: its hash is not the one that the record names", "run it again"
        )
    try:
        items = [json.loads(line) for line in gzip.decompress(content).decode().splitlines()]
        found = {(str(item["unit"]), str(item["id"])): item for item in items}
    except (OSError, EOFError, ValueError, KeyError, TypeError) as fault:
        raise BadData(f"{file}: no readable items ({type(fault).__name__}: {fault})", "run it again") from fault
    if len(found) != len(items):
        raise BadData(f"{file}: {len(items) - len(found)} items stand there twice")
    return found


# ---------------------------------------------------------------- comparing


def compare(a: Record, folder_a: Path, b: Record, folder_b: Path) -> Comparison:
    """Compare two runs item by item. `folder_a`, `folder_b`: the folders that the records lie in.

    Raises
    ------
    WrongCall : the runs do not answer the same question on the same data; says in what they differ.
    UnlabeledError, BadData : items that are absent, damaged, or of no kind that can be compared.
    """
    _refuse_unlike(a, b)
    items_a, items_b = load_items(a, folder_a), load_items(b, folder_b)
    _refuse_other_items(a, items_a, b, items_b)
    kind = _kind(a, items_a)
    if _kind(b, items_b) != kind:
        raise BadData(f"the items of {a.id} hold {kind!r}, those of {b.id} do not")
    names = tuple(str(name) for name in a.breakdown.get("classes", ()))
    notes = [f"{record.id} is {record.status}" for record in (a, b) if record.status != "complete"]
    values_a = np.array([item[kind] for item in items_a.values()], dtype=np.float64)
    values_b = np.array([items_b[key][kind] for key in items_a], dtype=np.float64)
    low, high = paired_bootstrap(values_a - values_b, Rng(0).numpy("compare"), RESAMPLES)
    table = _table(values_a, values_b) if kind == "right" else None
    return Comparison(
        a=a,
        b=b,
        kind=kind,
        n=len(items_a),
        mean_a=float(values_a.mean()),
        mean_b=float(values_b.mean()),
        difference=float((values_a - values_b).mean()),
        interval=(low, high),
        table=table,
        p=mcnemar_exact(table[1], table[2]) if table else None,
        differing=_answers(items_a, items_b) if table else _values(items_a, items_b),
        classes=names,
        notes=tuple(notes),
    )


def _refuse_unlike(a: Record, b: Record) -> None:
    if a.id == b.id:
        raise WrongCall(f"{a.id} is compared with itself", "name two different runs")
    failed = [record.id for record in (a, b) if record.status == "failed"]
    if failed:
        raise WrongCall(f"{' and '.join(failed)} failed: there is no result to compare", "run it again")
    unlike = [
        f"{name} {a.spec.get(name)} and {b.spec.get(name)}"
        for name in ("benchmark", "recipe", "limit")
        if a.spec.get(name) != b.spec.get(name)
    ]
    if a.data.get("fingerprint") != b.data.get("fingerprint"):
        texts = [f"{_world(record)}{record.data['label']['text']}" for record in (a, b)]
        unlike.append(f"other data ({texts[0]}; {texts[1]})")
    if unlike:
        raise WrongCall(
            f"{a.id} and {b.id} cannot be paired: {'; '.join(unlike)}",
            "a paired comparison needs the same benchmark, recipe and limit on the same data; on the generated "
            "world, the same --data world:PRESET:SEED",
        )


def _world(record: Record) -> str:
    if not record.spec.get("world"):
        return ""
    return f"world:{record.spec['world']}:{record.spec.get('world_seed')}, "


def _refuse_other_items(a: Record, items_a: Mapping[Key, Any], b: Record, items_b: Mapping[Key, Any]) -> None:
    lacking = [
        f"{record.id} lacks {name_several([' '.join(key) for key in others if key not in own], 3)}"
        for record, own, others in ((a, items_a, items_b), (b, items_b, items_a))
        if others.keys() - own.keys()
    ]
    if lacking:
        raise WrongCall(
            f"the runs hold different items: {'; '.join(lacking)}", "finish the partial run: the same command goes on"
        )
    other = [" ".join(key) for key, item in items_a.items() if item.get("truth") != items_b[key].get("truth")]
    if other:
        raise BadData(f"the runs name different truths for {name_several(other, 3)}", "run both again")


def _kind(record: Record, items: Mapping[Key, Mapping[str, Any]]) -> Literal["right", "value"]:
    if all(isinstance(item.get("right"), bool) for item in items.values()):
        return "right"
    numbers = [item.get("value") for item in items.values()]
    if all(isinstance(x, int | float) and not isinstance(x, bool) and np.isfinite(x) for x in numbers):
        return "value"
    raise UnlabeledError(f"{record.id}: its items hold neither `right` nor a finite `value` throughout")


def _table(a: np.ndarray, b: np.ndarray) -> tuple[int, int, int, int]:
    """Counts of items that both, only A, only B, neither has right."""
    a, b = a > 0, b > 0
    return int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), int((~a & ~b).sum())


def _answers(items_a: Mapping[Key, Any], items_b: Mapping[Key, Any]) -> tuple[Differing, ...]:
    found = []
    for (unit, name), one in items_a.items():
        two = items_b[unit, name]
        if one["right"] != two["right"] or one.get("predicted") != two.get("predicted"):
            better: Literal["A", "B"] | None = "A" if one["right"] > two["right"] else "B" if two["right"] else None
            found.append(Differing(unit, name, one.get("truth"), one.get("predicted"), two.get("predicted"), better))
    return tuple(sorted(found, key=lambda item: item.better or "C"))


def _values(items_a: Mapping[Key, Any], items_b: Mapping[Key, Any]) -> tuple[Differing, ...]:
    found = []
    for (unit, name), one in items_a.items():
        x, y = one["value"], items_b[unit, name]["value"]
        if x != y:
            found.append(Differing(unit, name, None, x, y, "A" if x > y else "B"))
    return tuple(sorted(found, key=lambda item: -abs(item.a - item.b)))


# ---------------------------------------------------------------- telling


def lines(comparison: Comparison, most: int = 10) -> list[str]:
    """The comparison for a screen; at most `most` items are named for each way to differ."""
    found = comparison
    text = [
        f"A  {_described(found.a)}",
        f"B  {_described(found.b)}",
        f"on {found.a.spec['benchmark']}/{found.a.spec['recipe']}, {found.a.data['label']['text']}, n = {found.n}",
    ]
    low, high = found.interval
    if found.table is not None and found.p is not None:
        both, only_a, only_b, neither = found.table
        text += [
            f"accuracy over all items: A {_points(found.mean_a)}, B {_points(found.mean_b)}, A - B "
            f"{_points(found.difference, '+')} points [{_points(low, '+')}, {_points(high, '+')}] "
            "(paired bootstrap, 95 %)",
            f"both right {both}, only A right {only_a}, only B right {only_b}, both wrong {neither}",
            f"exact McNemar test: p = {found.p:.2g}" + ("" if found.p < 0.05 else " (no difference is shown)"),
        ]
    else:
        shown = " (no difference is shown)" if low <= 0 <= high else ""
        text.append(
            f"mean over all items: A {found.mean_a:.4g}, B {found.mean_b:.4g}, A - B {found.difference:+.4g} "
            f"[{low:+.4g}, {high:+.4g}] (paired bootstrap, 95 %){shown}"
        )
    text += [f"note: {note}" for note in found.notes]
    for better, title in (("A", "A is better"), ("B", "B is better"), (None, "both wrong, in different ways")):
        text += _named(found, [item for item in found.differing if item.better == better], title, most)
    return text


def _described(record: Record) -> str:
    spec = record.spec
    settings = [f"{name}={value}" for name, value in (spec.get("settings") or {}).items()]
    point = f"point {spec['point']}" if spec.get("point") else ""
    words = [spec["method"], spec.get("variant"), spec["preset"], f"seed {spec['seed']}", point, *settings]
    return f"{', '.join(str(word) for word in words if word)} ({record.id})"


def _points(fraction: float, sign: str = "") -> str:
    """Percent with one decimal."""
    return f"{100 * fraction:{sign}.1f}"


def _named(comparison: Comparison, items: list[Differing], title: str, most: int) -> list[str]:
    if not items:
        return []
    text = [f"{title}: {len(items)} items"]
    for item in items[:most]:
        if comparison.kind == "right":
            truth, a, b = (_class(value, comparison.classes) for value in (item.truth, item.a, item.b))
            text.append(f"    {item.unit}  {item.id}: truth {truth}, A {a}, B {b}")
        else:
            text.append(f"    {item.unit}  {item.id}: A {item.a:.4g}, B {item.b:.4g}, A - B {item.a - item.b:+.4g}")
    if len(items) > most:
        text.append(f"    ... and {len(items) - most} more")
    return text


def _class(value: Any, names: tuple[str, ...]) -> str:
    """Name of a class number; what is no known number is shown as it is."""
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else str(value)
