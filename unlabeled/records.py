"""The record of one finished or failed run: a frozen dataclass and its JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from unlabeled.errors import BadData

SCHEMA = 1
"""Number of the record format. Older or newer files are set aside by name, never half read."""

Status = Literal["complete", "partial", "failed"]


@dataclass(frozen=True)
class Record:
    """One run.

    spec     : method, variant, benchmark, recipe, preset, seed, world_seed, limit, settings
    method   : name, cite, supervision, source (module and distribution it came from), values (every
               constant of its preset)
    keys     : run, spec, code, sources, versions {distribution: version}, python
    data     : dataset, label {kinds, text}, fingerprint, layout, expected, found, notes, decoder
    deviations: everything in which the run departs from the recipe of its cell; each blocks a verdict
    units    : [{unit, n, values}] in the order of the protocol
    scores   : {metric: {value, n, interval, interval_kind, spread}}; fractions and dB
    breakdown: per-class recall, confusion table and the like
    items    : {file, sha256, n, keep} of the per-item outcomes beside the record, or None
    error    : {where, what, todo} of a failed run, or None
    device   : {name, threads}
    run      : started, seconds, cpu_seconds, peak_mb, command, host, resumed_units (never compared)
    """

    id: str
    status: Status
    spec: Mapping[str, Any]
    method: Mapping[str, Any]
    keys: Mapping[str, Any]
    data: Mapping[str, Any]
    deviations: tuple[str, ...] = ()
    units: tuple[Mapping[str, Any], ...] = ()
    missing_units: tuple[str, ...] = ()
    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    breakdown: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    items: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None
    device: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    def to_json(self) -> str:
        """The text of the record file."""
        lines = [f"{json.dumps(name)}: {_dumps(value)}" for name, value in sorted(asdict(self).items())]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def without_run(self) -> dict[str, Any]:
        """What two runs of the same keys must share to the byte."""
        values = asdict(self)
        del values["run"]
        return values


def _dumps(value: Any) -> str:
    """One line a field: small files, and a changed field is one changed line."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def parse(text: str, source: str) -> Record:
    """Read a record; `source` names the file in errors.

    Raises
    ------
    BadData : no JSON, another schema, unknown or missing fields, a field of another type.
    """
    try:
        values = json.loads(text)
    except ValueError as fault:
        raise BadData(f"{source}: no readable record ({fault})") from fault
    if not isinstance(values, dict) or "schema" not in values:
        raise BadData(f"{source}: no record (a JSON object with a `schema` is expected)")
    if values["schema"] != SCHEMA:
        raise BadData(f"{source}: record format {values['schema']}, this version reads {SCHEMA}")
    known = {f.name: f for f in fields(Record)}
    unknown = sorted(set(values) - set(known))
    needed = ("id", "status", "spec", "method", "keys", "data")
    absent = [name for name in needed if name not in values]
    if unknown or absent:
        raise BadData(f"{source}: unknown fields {unknown}, missing fields {absent}")
    wrong = [
        name
        for name in ("spec", "method", "keys", "data", "scores", "breakdown", "device", "run")
        if not isinstance(values.get(name, {}), dict)
    ]
    if wrong or values["status"] not in ("complete", "partial", "failed"):
        raise BadData(f"{source}: fields of another type: {wrong or ['status']}")
    for name in ("deviations", "units", "missing_units", "notes"):
        if name in values:
            values[name] = tuple(values[name])
    return Record(**values)
