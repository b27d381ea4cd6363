"""Paired comparison of two runs over the per-item outcomes that lie beside their records.

Both runs answered the same items, so that their difference is known far better than the two intervals say.
Right or wrong answers: exact McNemar test. Scores of sums (J&F over sequences, PCK over clips, dB over mixtures) and
mAP over images: paired bootstrap, the same draw of items for both, the whole score worked out again for each draw.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unlabeled import registry
from unlabeled.errors import BadData, UnlabeledError, WrongCall, name_several
from unlabeled.intervals import bootstrap_p, bootstrap_weights, mcnemar_exact, percentile_interval, ratio_of_sums
from unlabeled.records import Record
from unlabeled.streams import Rng
from unlabeled.tables import number
from unlabeled.verdict import PER_UNIT

Key = tuple[str, str]
"""Unit and id of an item."""

Kind = Literal["right", "sums", "resampled"]

Score = Callable[[np.ndarray], np.ndarray]
"""Weights `(B, n)`, how often each item counts, to scores `(B,)`."""

RESAMPLES = 10_000

FEWEST = 6
"""Items with which an exact test of signs can go below p = 0.05; a bootstrap of fewer goes there all the same."""


@dataclass(frozen=True)
class Differing:
    """One item on which the runs differ: class numbers for right/wrong items, scores else (no `truth`)."""

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

    kind      : `right` for right/wrong items, `sums` for items that add up to the score, `resampled` where the
                benchmark works the score out from its items
    mean_a, mean_b : the score over all `n` items (pooled over units); fractions and dB
    difference, interval : A minus B, and its paired bootstrap 95 % interval
    table     : right/wrong items: how many both have right, only A, only B, neither; None else
    p         : two-sided: exact McNemar test of right/wrong items, else from the bootstrap
    differing : right/wrong items: A right and B wrong first, then B right, then both wrong in different ways;
                scores: the largest difference first
    classes   : names of the class numbers, empty where the record has none
    notes     : what a reader must know besides
    """

    a: Record
    b: Record
    kind: Kind
    n: int
    mean_a: float
    mean_b: float
    difference: float
    interval: tuple[float, float]
    table: tuple[int, int, int, int] | None
    p: float
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
        raise BadData(f"the items of {a.id} are of the kind {kind!r}, those of {b.id} are not")
    items_b = {key: items_b[key] for key in items_a}
    notes = [f"{record.id} is {record.status}" for record in (a, b) if record.status != "complete"]
    bare = [key for key in items_a if kind == "sums" and not all(any(i[key]["counts"]) for i in (items_a, items_b))]
    if bare:
        # What has no score in one run says nothing of the difference, whatever it scored in the other.
        notes.append(f"without a score in one of them, left out: {name_several([' '.join(key) for key in bare], 4)}")
        items_a, items_b = ({key: i for key, i in items.items() if key not in bare} for items in (items_a, items_b))
    if not items_a:
        raise WrongCall(f"no item has a score in both {a.id} and {b.id}", "compare runs that scored the same items")
    (n, score_a), (_, score_b) = (_score(record, items, kind) for record, items in ((a, items_a), (b, items_b)))
    mean_a, mean_b = (float(score(np.ones((1, n)))[0]) for score in (score_a, score_b))
    if n < 2:
        raise WrongCall(
            f"{a.id} ({mean_a:.4g}) and {b.id} ({mean_b:.4g}) share one item",
            "nothing can be said of a difference on one item; score more of the data",
        )
    if kind != "right" and n < FEWEST:
        # All resamples of two items that favour one run favour it too, however little two items show.
        notes.append(f"{n} items are too few for a test: all favour one run by chance with p = {2 ** (1 - n):.2g}")
    draws = bootstrap_weights(n, RESAMPLES, Rng(0).numpy("compare"))
    differences = np.concatenate([score_a(weights) - score_b(weights) for weights in draws])
    table = _table(items_a, items_b) if kind == "right" else None
    return Comparison(
        a=a,
        b=b,
        kind=kind,
        n=n,
        mean_a=mean_a,
        mean_b=mean_b,
        difference=mean_a - mean_b,
        interval=percentile_interval(differences[np.isfinite(differences)]),
        table=table,
        p=mcnemar_exact(table[1], table[2]) if table else bootstrap_p(differences[np.isfinite(differences)]),
        differing=_answers(items_a, items_b) if table else _scores(items_a, items_b),
        classes=tuple(str(name) for name in a.breakdown.get("classes", ())),
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


def _kind(record: Record, items: Mapping[Key, Mapping[str, Any]]) -> Kind:
    if all(isinstance(item.get("right"), bool) for item in items.values()):
        return "right"
    if all(_is_sum(item) for item in items.values()):
        return "sums"
    if hasattr(registry.load("benchmarks", record.spec["benchmark"]), "resampled"):
        return "resampled"
    raise UnlabeledError(f"{record.id}: its items hold neither `right` nor finite `sums` and `counts` throughout")


def _is_sum(item: Mapping[str, Any]) -> bool:
    """Whether an item has finite sums over counts, column by column."""
    try:
        sums, counts = (np.asarray(item[name], dtype=np.float64) for name in ("sums", "counts"))
    except (KeyError, TypeError, ValueError):
        return False
    return bool(sums.ndim == 1 and sums.shape == counts.shape and np.isfinite([sums, counts]).all())


def _score(record: Record, items: Mapping[Key, Mapping[str, Any]], kind: Kind) -> tuple[int, Score]:
    """The number of items that are drawn, and the score of any draw."""
    rows = list(items.values())
    if kind == "resampled":
        benchmark = registry.load("benchmarks", record.spec["benchmark"])
        units = benchmark.resampling_units(rows)
        return len(units), lambda weights: np.asarray(benchmark.resampled(rows, units, weights))
    if kind == "right":
        sums, counts = np.array([[item["right"]] for item in rows], dtype=np.float64), np.ones((len(rows), 1))
    else:
        sums, counts = (np.array([item[name] for item in rows], dtype=np.float64) for name in ("sums", "counts"))
    return len(rows), lambda weights: ratio_of_sums(sums, counts, weights)


def _table(items_a: Mapping[Key, Any], items_b: Mapping[Key, Any]) -> tuple[int, int, int, int]:
    """Counts of items that both, only A, only B, neither has right."""
    a, b = (np.array([item["right"] for item in items.values()]) for items in (items_a, items_b))
    return int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), int((~a & ~b).sum())


def _answers(items_a: Mapping[Key, Any], items_b: Mapping[Key, Any]) -> tuple[Differing, ...]:
    found = []
    for (unit, name), one in items_a.items():
        two = items_b[unit, name]
        if one["right"] != two["right"] or one.get("predicted") != two.get("predicted"):
            better: Literal["A", "B"] | None = "A" if one["right"] > two["right"] else "B" if two["right"] else None
            found.append(Differing(unit, name, one.get("truth"), one.get("predicted"), two.get("predicted"), better))
    return tuple(sorted(found, key=lambda item: item.better or "C"))


def _scores(items_a: Mapping[Key, Any], items_b: Mapping[Key, Any]) -> tuple[Differing, ...]:
    found = []
    for (unit, name), one in items_a.items():
        x, y = (_own_score(item) for item in (one, items_b[unit, name]))
        if x is not None and y is not None and x != y:
            found.append(Differing(unit, name, None, x, y, "A" if x > y else "B"))
    return tuple(sorted(found, key=lambda item: -abs(item.a - item.b)))


def _own_score(item: Mapping[str, Any]) -> float | None:
    """The score of one item alone, None where it has no counts."""
    if not _is_sum(item) or not any(item["counts"]):
        return None
    return float(ratio_of_sums(np.array([item["sums"]]), np.array([item["counts"]]), np.ones((1, 1)))[0])


# ---------------------------------------------------------------- telling


def lines(comparison: Comparison, most: int = 10) -> list[str]:
    """The comparison for a screen; at most `most` items are named for each way to differ."""
    found = comparison
    text = [
        f"A  {_described(found.a)}",
        f"B  {_described(found.b)}",
        f"on {found.a.spec['benchmark']}/{found.a.spec['recipe']}, {found.a.data['label']['text']}, n = {found.n}",
    ]
    metric, unit = _metric(found.a)
    low, high = (_shown(end, unit, "+") for end in found.interval)
    text.append(
        f"{metric}: A {_shown(found.mean_a, unit)}, B {_shown(found.mean_b, unit)}, A - B "
        f"{_shown(found.difference, unit, '+')} [{low}, {high}] (paired bootstrap, 95 %)"
    )
    if found.table is not None:
        both, only_a, only_b, neither = found.table
        text.append(f"both right {both}, only A right {only_a}, only B right {only_b}, both wrong {neither}")
    test = "exact McNemar test" if found.table is not None else "bootstrap"
    text.append(f"{test}: p = {found.p:.2g}" + ("" if found.p < 0.05 else " (no difference is shown)"))
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


def _metric(record: Record) -> tuple[str, str]:
    """Name and unit of the score that is compared: the first one of the record."""
    return next(((name, str(score["unit"])) for name, score in record.scores.items()), ("accuracy", "percent"))


def _shown(value: float, unit: str, sign: str = "") -> str:
    text = number(value * PER_UNIT[unit], unit)
    return f"+{text}" if sign and not text.startswith("-") else text


def _named(comparison: Comparison, items: list[Differing], title: str, most: int) -> list[str]:
    if not items:
        return []
    text = [f"{title}: {len(items)} items"]
    for item in items[:most]:
        if comparison.kind == "right":
            truth, a, b = (_class(value, comparison.classes) for value in (item.truth, item.a, item.b))
            text.append(f"    {item.unit}  {item.id}: truth {truth}, A {a}, B {b}")
        else:
            unit = _metric(comparison.a)[1]
            a, b, difference = _shown(item.a, unit), _shown(item.b, unit), _shown(item.a - item.b, unit, "+")
            text.append(f"    {item.unit}  {item.id}: A {a}, B {b}, A - B {difference}")
    if len(items) > most:
        text.append(f"    ... and {len(items) - most} more")
    return text


def _class(value: Any, names: tuple[str, ...]) -> str:
    """Name of a class number; what is no known number is shown as it is."""
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else str(value)
