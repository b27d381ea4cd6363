"""What may honestly be said about our number beside a published one. Pure functions of records and cells.

A verdict needs everything at once: official data, preset `paper`, no deviation, recipe and variant of the
cell, every unit, as many seeds as the cell asks, and a published value that somebody has checked. Otherwise
there is no verdict, and the reason stands beside the number.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any, Literal

from unlabeled.published import Cell, TableCell
from unlabeled.records import Record

Kind = Literal["reproduced", "not reproduced", "none"]

PER_UNIT: Mapping[str, float] = {"percent": 100.0, "dB": 1.0, "fraction": 1.0}
"""What one in a record (a fraction, or dB) is in the unit of a table."""

ONE_SPLIT = "official split 1"
"""The split text of a number for one split, where a run gives the mean of all: not the same quantity."""

UNKNOWN_SPLIT = "official splits (which, the slide does not say)"
"""The split text of a number whose split nobody knows. Every other text names what a run aggregates."""

NO_RECORD = "no record"
"""The reason of a cell that no run has filled yet."""

NOISE = 1e-9
"""Added to a tolerance, so that 67.5 lies within 0.5 of 67.0 whatever the last bit of a float says."""


@dataclass(frozen=True)
class Judgement:
    """`value` is ours in the unit of the cell (mean over seeds), `spread` the sample deviation over seeds.

    `difference` is ours minus the published number that counts. `reason` says why there is no verdict.
    `records` are those behind the value, one a seed.
    """

    kind: Kind
    value: float | None
    difference: float | None
    reason: str
    records: tuple[Record, ...] = ()
    spread: float | None = None


def is_world(record: Record) -> bool:
    """Whether a run saw generated data; such a number never stands beside a published one."""
    return label(record)[0][:1] == ("world",) or bool(record.spec.get("world"))


def label(record: Record) -> tuple[tuple[str, ...], str]:
    """Kinds and text of the data label; a run that failed early has neither."""
    found = record.data.get("label") or {}
    return tuple(found.get("kinds", ())), str(found.get("text", ""))


def same_run(record: Record) -> tuple[Any, ...]:
    """What runs share that differ in nothing but their seed."""
    spec = {key: value for key, value in record.spec.items() if key not in ("seed", "world_seed")}
    return repr(sorted(spec.items())), label(record)[0], record.status, record.deviations


def by_seed(records: Sequence[Record]) -> tuple[Record, ...]:
    """The first record of every seed, by seed."""
    first: dict[int, Record] = {}
    for record in records:
        first.setdefault(int(record.spec.get("seed", 0)), record)
    return tuple(first[seed] for seed in sorted(first))


def preferred(records: Sequence[Record]) -> tuple[Record, ...]:
    """The runs to show: complete before partial before failed, then the order given; one a seed."""
    if not records:
        return ()
    rank = {"complete": 0, "partial": 1, "failed": 2}
    best = min(records, key=lambda record: rank[record.status])
    return by_seed([record for record in records if same_run(record) == same_run(best)])


def belongs(cell: Cell, record: Record) -> bool:
    """Whether a record is a run of the cell's method, variant, benchmark, recipe and data set on real data."""
    asked = (cell.method_id, cell.run_variant, cell.benchmark, cell.recipe_name)
    given = tuple(record.spec.get(key, "") for key in ("method", "variant", "benchmark", "recipe"))
    other_weights = cell.released and not record.spec.get("weights")
    other_data = record.data.get("dataset", cell.dataset) != cell.dataset
    return asked == given and not (is_world(record) or other_weights or other_data)


def blockers(cell: Cell, record: Record) -> list[str]:
    """Everything in one record that keeps it from earning a verdict in a cell."""
    if record.status == "failed":
        error = record.error or {}
        return [f"failed: {_without_folders(error.get('what', 'no reason given'))}"]
    spec, (kinds, text) = record.spec, label(record)
    found = [] if kinds == ("official",) else [text or "data without a label"]
    if spec.get("preset") != cell.preset:
        found.append(f"preset {spec.get('preset')}")
    found += record.deviations or [f"setting {k}={v} changed" for k, v in (spec.get("settings") or {}).items()]
    if spec.get("limit") and kinds == ("official",):
        found.append(f"limited to {spec['limit']} items")
    for key, asked in (
        ("method", cell.method_id),
        ("variant", cell.run_variant),
        ("recipe", cell.recipe_name),
    ):
        if spec.get(key, "") != asked:
            found.append(f"{key} {spec.get(key) or 'plain'}")
    if record.data.get("dataset") != cell.dataset:
        found.append(f"data set {record.data.get('dataset')}")
    if spec.get("weights") and not cell.needs_weights:
        found.append("weights given by hand")
    if cell.released and not spec.get("weights"):
        found.append("not the released checkpoint")
    if record.status != "complete" or record.missing_units:
        found.append(f"partial: without {', '.join(record.missing_units) or 'all units'}")
    if _value(cell, record) is None:
        found.append(f"the record holds no {cell.metric}")
    return found


def _without_folders(message: str) -> str:
    """The first line of an error; tables name files without the folders of somebody's machine."""
    return re.sub(r"(?<![\w.])~?/(?:[^\s/:'\"]+/)*", "", message.split("\n", 1)[0])


def _value(cell: Cell, record: Record) -> float | None:
    score = record.scores.get(cell.metric)
    return None if score is None else float(score["value"]) * PER_UNIT[cell.unit]


def target(published: TableCell) -> float | None:
    """The number that counts: the paper's where it is known, since slides round; else the one shown."""
    text = published.value_paper or published.value
    return float(text) if text else None


def judge(cell: Cell, published: TableCell, records: Sequence[Record]) -> Judgement:
    """Compare the runs of one method, variant, benchmark and recipe with a published number."""
    real = [record for record in records if not is_world(record)]
    clean = [record for record in real if not blockers(cell, record)]
    runs = by_seed(clean) or preferred(real)
    if not runs:
        return Judgement("none", None, None, NO_RECORD)
    if cell.split == ONE_SPLIT:
        return Judgement("none", None, None, "published for split 1 alone, a run gives the mean of all", runs)
    reasons = blockers(cell, runs[0])
    if not reasons and len(runs) < int(cell.seeds):
        reasons.append(f"seeds {len(runs)} of {cell.seeds}")
    if cell.split == UNKNOWN_SPLIT:
        reasons.append("the published split is not known")
    theirs = target(published)
    if theirs is None:
        reasons.append("published value not readable")
    elif published.value_status == "unverified":
        reasons.append("published value unverified")
    found = Judgement("none", None, None, "; ".join(reasons), runs)
    values = [value for record in runs if (value := _value(cell, record)) is not None]
    if runs[0].status == "failed" or not values:
        return found
    ours = fmean(values)
    found = replace(found, value=ours, spread=stdev(values) if len(values) > 1 else None)
    if theirs is None:
        return found
    found = replace(found, difference=ours - theirs)
    if reasons:
        return found
    near = abs(ours - theirs) <= float(cell.tolerance) + NOISE
    return replace(found, kind="reproduced" if near else "not reproduced")


@dataclass(frozen=True)
class Built:
    """What an installation has: the recipes of a benchmark, the variants of a method, None where that is not built."""

    recipes: Callable[[str], Collection[str] | None]
    variants: Callable[[str], Collection[str] | None]


def missing_reason(cell: Cell, built: Built, at_hand: Collection[str] = ()) -> str:
    """The one thing that keeps a cell from being measured, empty where nothing does. `at_hand`: data sets on disk."""
    if cell.measurable == "no":
        return "data unobtainable" if cell.missing == "data" else cell.missing
    recipes, variants = built.recipes(cell.benchmark), built.variants(cell.method_id)
    if recipes is None:
        return "benchmark not built"
    if variants is None:
        return "method not built"
    if cell.recipe_name not in recipes:
        return "recipe not built"
    if cell.run_variant and cell.run_variant not in variants:
        return "variant not built"
    return "" if cell.missing == "data" and cell.dataset in at_hand else cell.missing


def command(cell: Cell) -> str:
    """The command that measures a cell; `ROOT` and `FILE` are for the reader to fill in."""
    words = ["unlabeled", cell.benchmark, "--method", cell.method_id, "--preset", cell.preset]
    if cell.missing:
        words += ["--data", "ROOT"]
    if cell.run_variant:
        words += ["--variant", cell.run_variant]
    words += ["--recipe", cell.recipe_name]
    if cell.released:
        words += ["--weights", "FILE"]
    if int(cell.seeds) > 1:
        words += ["--seeds", ",".join(map(str, range(int(cell.seeds))))]
    return shlex.join(words)
