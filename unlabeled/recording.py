"""From outcomes to the record of a run, finished or failed."""

from __future__ import annotations

import dataclasses
import os
import platform
import resource
import shlex
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unlabeled import keys, team, weights
from unlabeled.contracts import Metric, Outcome, Scores, Survey
from unlabeled.errors import UnlabeledError
from unlabeled.plan import Plan, setting
from unlabeled.records import Record
from unlabeled.resolve import Resolved, by_kind
from unlabeled.store import Journal, Store

DEVIATION = "deviation: "
"""A note of a benchmark that begins so is one: in what it departed from its recipe came out only while it ran."""


@dataclass(frozen=True)
class Clock:
    started: datetime
    wall: float
    cpu: float

    @classmethod
    def start(cls) -> Clock:
        """The clock of a run that begins now."""
        return cls(datetime.now(UTC), time.perf_counter(), time.process_time())


def stamped(record: Record, clock: Clock, device: str, resumed: int) -> Record:
    block = {
        "started": clock.started.isoformat(timespec="milliseconds"),
        "seconds": round(time.perf_counter() - clock.wall, 3),
        "cpu_seconds": round(time.process_time() - clock.cpu, 3),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "command": _command(),
        "host": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "resumed_units": resumed,
        "processes": team.size(),
    }
    return dataclasses.replace(record, run=block, device={"name": device, "threads": _threads()})


def _command() -> str:
    """What was typed; `python -m` puts the path of a file in the place of the package."""
    name = Path(sys.argv[0]).name
    words = ["python", "-m", "unlabeled"] if name == "__main__.py" else [name]
    return shlex.join([*words, *sys.argv[1:]])


def _threads() -> int:
    torch = sys.modules.get("torch")
    return int(torch.get_num_threads()) if torch else 1


def finish(resolved: Resolved, store: Store, journal: Journal, keep: str, learned: Mapping[str, Any]) -> Record:
    made, data = resolved.plan, resolved.data
    outcomes = {unit: journal.done[unit] for unit in made.benchmark.units(data, made.recipe)}
    scores = made.benchmark.aggregate(outcomes, data, made.recipe)
    missing = tuple(unit for unit in made.benchmark.all_units(data, made.recipe) if unit not in outcomes)
    items = [{"unit": unit, **item} for unit, outcome in outcomes.items() for item in outcome.items]
    kept = store.write_items(resolved.id, items, keep)
    empty = _empty(resolved)
    said = [note for note in scores.notes if note.startswith(DEVIATION)]
    notes = [note for note in scores.notes if note not in said]
    return dataclasses.replace(
        empty,
        method={**empty.method, **learned},
        status="partial" if missing or scores.partial else "complete",
        units=_units(outcomes),
        missing_units=missing,
        scores=_numbers(scores, made.benchmark.metrics),
        breakdown=dict(scores.breakdown),
        notes=(*(f"partial: {text}" for text in scores.partial), *notes, *_other_notes(made, resolved.code)),
        deviations=(*empty.deviations, *(note.removeprefix(DEVIATION) for note in said)),
        items=kept,
    )


def failed(resolved: Resolved, done: Mapping[str, Outcome], fault: Exception) -> Record:
    error = {
        "where": f"{resolved.plan.spec.benchmark} {resolved.plan.spec.method}",
        "what": fault.what if isinstance(fault, UnlabeledError) else f"{type(fault).__name__}: {fault}",
        "todo": fault.todo if isinstance(fault, UnlabeledError) else "report it with this record",
        "trace": "" if isinstance(fault, UnlabeledError) else "".join(traceback.format_exception(fault)),
    }
    units = _units(done)
    every = resolved.plan.benchmark.all_units(resolved.data, resolved.plan.recipe)
    missing = tuple(unit for unit in every if unit not in done)
    return dataclasses.replace(_empty(resolved), units=units, missing_units=missing, error=error)


def _empty(resolved: Resolved) -> Record:
    made, data, code = resolved.plan, resolved.data, resolved.code
    return Record(
        id=resolved.id,
        status="failed",
        spec=resolved.spec,
        method={
            "cite": made.method.cite,
            "supervision": weights.supervision(made.method, made.weights),
            "source": made.spec.source,
            "values": dataclasses.asdict(made.values),
        },
        keys={
            "run": resolved.key,
            "spec": resolved.spec_key,
            "code": code.key,
            "sources": code.sources,
            "versions": dict(code.versions),
            "python": code.python,
            "cacheable": not resolved.not_cached,
        },
        data={
            "dataset": data.dataset,
            "label": {"kinds": list(data.label.kinds), "text": data.label.text},
            "fingerprint": data.fingerprint,
            "layout": data.layout,
            "expected": dict(data.expected),
            "found": dict(data.found),
            "notes": _notes(data),
            "decoder": dict(data.decoder),
        },
        deviations=_deviations(made),
    )


def _notes(data: Survey) -> list[str]:
    return by_kind([problem for problem in data.problems if not problem.fatal], 4)


def _other_notes(made: Plan, code: keys.CodeKey) -> tuple[str, ...]:
    """Weights of unknown origin, and where exact results are known with certain versions, and others ran."""
    other = tuple(
        f"{name} {code.versions.get(name)}: the published results are known to come out exactly with {version}"
        for name, version in made.method.exact_with.items()
        if code.versions.get(name) != version
    )
    return (*weights.notes(made.weights), *other)


def _deviations(made: Plan) -> tuple[str, ...]:
    presets = made.method.variants[made.spec.variant] if made.spec.variant else made.method.presets
    usual = presets[made.spec.preset]
    changed = [f"setting {name}={value} (preset: {setting(usual, name)})" for name, value in made.spec.settings]
    given = made.benchmark.recipes[made.spec.recipe]
    if made.recipe.point != given.point:
        changed.append(f"point {made.recipe.point} (recipe: {given.point})")
    changed += ["random weights: nothing was learned"] if made.spec.random_weights else []
    return (*changed, *(f"constant not checked in the paper: {name}" for name in made.recipe.unverified))


def _units(outcomes: Mapping[str, Outcome]) -> tuple[dict[str, Any], ...]:
    """Plain numbers of each unit; tables of a unit stay in the journal and in the breakdown."""
    return tuple(
        {"unit": unit, "n": o.n, **{k: v for k, v in o.values.items() if not isinstance(v, list | dict)}}
        for unit, o in outcomes.items()
    )


def _numbers(scores: Scores, metrics: Sequence[Metric]) -> dict[str, dict[str, Any]]:
    units = {metric.name: metric.unit for metric in metrics}
    return {name: {**dataclasses.asdict(score), "unit": units[name]} for name, score in scores.metrics.items()}
