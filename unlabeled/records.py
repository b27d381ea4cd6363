"""The record of one finished or failed run: a frozen dataclass and its JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, get_args

from unlabeled.errors import BadData, name_several

SCHEMA = 1
"""Number of the record format. Older or newer files are set aside by name, never half read."""

NEAR = 1e-9
"""So far two floats of one quantity may lie apart."""

Status = Literal["complete", "partial", "failed"]
Unit = Literal["percent", "dB", "fraction"]


@dataclass(frozen=True)
class Record:
    """One run.

    spec     : method, variant, benchmark, recipe, preset, seed, world, world_seed, limit, settings,
               point (absent in older records)
    method   : name, cite, supervision, source (module and distribution it came from), values (every
               constant of its preset)
    keys     : run, spec, code, sources, versions {distribution: version}, python
    data     : dataset, label {kinds, text}, fingerprint, layout, expected, found, notes, decoder
    deviations: everything in which the run departs from the recipe of its cell; each blocks a verdict
    units    : [{unit, n, values}] in the order of the protocol
    scores   : {metric: {value, n, interval, interval_kind, spread, unit}}, the main one first; fractions and dB,
               `unit` is how tables show them
    breakdown: per-class recall, confusion table and the like
    items    : {file, sha256, n, keep} of the per-item outcomes beside the record, or None
    error    : {where, what, todo} of a failed run, or None
    device   : {name, threads}
    run      : started, seconds, cpu_seconds, peak_mb, command, host, resumed_units, processes (never compared)
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
        values = sorted(asdict(self).items())
        lines = [f"{json.dumps(name)}: {_dumps(value, ordered=name != 'scores')}" for name, value in values]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def without_run(self) -> dict[str, Any]:
        """What two runs of the same keys must share to the byte."""
        values = asdict(self)
        del values["run"]
        return values


def _dumps(value: Any, ordered: bool) -> str:
    """One line a field: small files, and a changed field is one changed line. Scores keep their order."""
    return json.dumps(value, sort_keys=ordered, ensure_ascii=False, allow_nan=False)


def parse(text: str, source: str) -> Record:
    """Read a record; `source` names the file in errors.

    Everything that tables, pages and comparisons read is looked at here, so that they need not.

    Raises
    ------
    BadData : no JSON, another schema, unknown or missing fields, a field of another form, a number that is
        not finite, an interval that does not hold its value, an accuracy that is not what its units say.
    """
    try:
        values = json.loads(text, parse_constant=_finite, parse_float=_finite, parse_int=_whole)
        json.dumps(values, ensure_ascii=False).encode()  # half a character cannot be written into any table
    except (ValueError, RecursionError) as fault:
        raise BadData(f"{source}: no readable record ({fault})") from fault
    if not isinstance(values, dict) or "schema" not in values:
        raise BadData(f"{source}: no record (a JSON object with a `schema` is expected)")
    if values["schema"] != SCHEMA:
        raise BadData(f"{source}: record format {values['schema']}, this version reads {SCHEMA}")
    faults = [f"unknown field {name!r}" for name in sorted(set(values) - {f.name for f in fields(Record)})]
    # Each look trusts what the one before it has seen.
    faults += [*_misformed("", values, _FORMS)] or [*_misformed_parts(values)] or [*_contradictions(values)]
    if faults:
        raise BadData(f"{source}: {name_several(faults, 4)}")
    for name in ("deviations", "units", "missing_units", "notes"):
        if name in values:
            values[name] = tuple(values[name])
    return Record(**values)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def _whole(text: str) -> int:
    _finite(text)  # larger ones cannot be compared with any other number
    return int(text)


# ---------------------------------------------------------------- the form of each field


@dataclass(frozen=True)
class _Form:
    """What a field must be, in words and as a test. Optional fields may be left out."""

    words: str
    fits: Callable[[Any], bool]
    optional: bool = False


def _is_list_of(kind: type, value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_whole(value)


def _is_name(value: Any) -> bool:
    """A name that leads out of no folder."""
    return (
        isinstance(value, str) and value.isprintable() and value not in ("", ".", "..") and not set("/\\") & set(value)
    )


def _is_interval(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)) and value[0] <= value[1]


def _is_moment(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _or_null(form: _Form) -> _Form:
    return _Form(f"{form.words} or null", lambda value: value is None or form.fits(value))


def _optional(form: _Form) -> _Form:
    return _Form(form.words, form.fits, optional=True)


_TEXT = _Form("text", lambda value: isinstance(value, str))
_NAME = _Form("the name of a file", _is_name)
_TEXTS = _Form("a list of texts", lambda value: _is_list_of(str, value))
_OBJECT = _Form("an object", lambda value: isinstance(value, dict))
_OBJECTS = _Form("a list of objects", lambda value: _is_list_of(dict, value))
_TEXT_OBJECT = _Form(
    "an object of texts", lambda value: isinstance(value, dict) and _is_list_of(str, [*value.values()])
)
_INTEGER = _Form("a whole number", _is_whole)
_COUNT = _Form("a number of things", lambda value: _is_whole(value) and value >= 0)
_NUMBER = _Form("a number", _is_number)
_STATUS = _Form(f"one of {', '.join(get_args(Status))}", lambda value: value in get_args(Status))
_UNIT_WORD = _Form(f"one of {', '.join(get_args(Unit))}", lambda value: value in get_args(Unit))
_INTERVAL = _Form("two numbers, the lower one first", _is_interval)
_MOMENT = _Form("a time with its zone", _is_moment)

_FORMS: Mapping[str, _Form] = {
    "id": _NAME,
    "status": _STATUS,
    **dict.fromkeys(("spec", "method", "keys", "data", "run"), _OBJECT),
    **dict.fromkeys(("scores", "breakdown", "device"), _optional(_OBJECT)),
    **dict.fromkeys(("deviations", "missing_units", "notes"), _optional(_TEXTS)),
    "units": _optional(_OBJECTS),
    "items": _optional(_or_null(_OBJECT)),
    "error": _optional(_or_null(_TEXT_OBJECT)),
    "schema": _INTEGER,
}
_PARTS: Mapping[str, Mapping[str, _Form]] = {
    "spec": {
        **dict.fromkeys(("method", "variant", "benchmark", "recipe", "preset", "world"), _TEXT),
        "seed": _INTEGER,
        "world_seed": _or_null(_INTEGER),
        "limit": _or_null(_INTEGER),
        "settings": _OBJECT,
        "point": _TEXT,
        "source": _TEXT,
    },
    "method": {**dict.fromkeys(("cite", "supervision", "source"), _TEXT), "values": _OBJECT},
    "keys": {**dict.fromkeys(("run", "spec", "code", "sources", "python"), _TEXT), "versions": _TEXT_OBJECT},
    "data": {"dataset": _TEXT, "label": _OBJECT, "notes": _TEXTS},
    "run": {"started": _MOMENT, "cpu_seconds": _NUMBER},
    "items": {"file": _NAME, "sha256": _TEXT, "n": _COUNT, "keep": _TEXT},
    "error": {"what": _TEXT},
    "breakdown": {"classes": _optional(_TEXTS)},
}
_LABEL = {"kinds": _TEXTS, "text": _TEXT}
_UNIT = {"unit": _TEXT, "n": _COUNT, "correct": _optional(_COUNT), "accuracy": _optional(_NUMBER)}
_SCORE = {
    "value": _NUMBER,
    "n": _COUNT,
    "interval": _or_null(_INTERVAL),
    "interval_kind": _TEXT,
    "spread": _or_null(_NUMBER),
    "unit": _UNIT_WORD,
}


def _misformed(where: str, values: Mapping[str, Any], forms: Mapping[str, _Form]) -> Iterator[str]:
    """Fields of an object that are missing or of another form, each by its full name."""
    for name, form in forms.items():
        if name not in values:
            yield from () if form.optional else (f"{where}{name} is missing",)
        elif not form.fits(values[name]):
            yield f"{where}{name}: {_short(values[name])} is not {form.words}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _misformed_parts(values: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong inside the objects of a record whose own fields have the right form."""
    for name, forms in _PARTS.items():
        if values.get(name) is not None:
            yield from _misformed(f"{name}.", values[name], forms)
    if _OBJECT.fits(values["data"].get("label")):
        yield from _misformed("data.label.", values["data"]["label"], _LABEL)
    for place, unit in enumerate(values.get("units", ())):
        yield from _misformed(f"units[{place}].", unit, _UNIT)
    for metric, score in values.get("scores", {}).items():
        if _OBJECT.fits(score):
            yield from _misformed(f"scores.{metric}.", score, _SCORE)
        else:
            yield f"scores.{metric}: {_short(score)} is not an object"
    yield from _misformed_confusion(values.get("breakdown", {}))


def _misformed_confusion(breakdown: Mapping[str, Any]) -> Iterator[str]:
    if "confusion" not in breakdown:
        return
    table, classes = breakdown["confusion"], breakdown.get("classes", [])
    n = len(classes) if isinstance(classes, list) else 0
    rows = table if _is_list_of(list, table) else []
    if not n or [len(row) for row in rows] != [n] * n or not all(_COUNT.fits(count) for row in rows for count in row):
        yield "breakdown.confusion is not a table of counts, a row and a column for each of breakdown.classes"


# ---------------------------------------------------------------- what the numbers say of each other


def _contradictions(values: Mapping[str, Any]) -> Iterator[str]:
    """Numbers of a well-formed record that cannot all be true."""
    units, scores = values.get("units", ()), values.get("scores", {})
    names = [unit["unit"] for unit in units]
    yield from (f"units: {name!r} stands twice" for name in sorted({n for n in names if names.count(n) > 1}))
    held = {metric: score["value"] for metric, score in scores.items()}
    if "accuracy" in scores and units and all("accuracy" in unit for unit in units):
        mean = math.fsum(unit["accuracy"] for unit in units) / len(units)
        if abs(scores["accuracy"]["value"] - mean) > NEAR:
            yield f"scores.accuracy.value: the score {held['accuracy']} is not what its units say ({mean})"
        if all("correct" in unit for unit in units):
            # The interval is that of the pooled items; where units differ in size, their mean may lie outside.
            held["accuracy"] = sum(unit["correct"] for unit in units) / max(1, sum(unit["n"] for unit in units))
    for metric, score in scores.items():
        low, high = score["interval"] or (held[metric], held[metric])
        if not low - NEAR <= held[metric] <= high + NEAR:
            yield f"scores.{metric}.interval: [{low}, {high}] does not hold {held[metric]}"
