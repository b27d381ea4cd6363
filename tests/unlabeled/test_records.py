"""A record that reads can be shown: whatever else stands in its file is refused, with file and field."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlabeled.errors import BadData
from unlabeled.records import parse
from unlabeled.store import read_folder, reference

WHOLE = json.loads(next(reference().glob("esc10-knn_mfcc-paper-*.json")).read_text(encoding="utf-8"))


def changed(path: str, value: Any) -> dict[str, Any]:
    """A whole record with one field changed; `...` takes the field away."""
    values = copy.deepcopy(WHOLE)
    *way, last = [int(name) if name.isdecimal() else name for name in path.split(".")]
    place = values
    for name in way:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return values


def refused(values: Any) -> str:
    with pytest.raises(BadData) as fault:
        parse(values if isinstance(values, str) else json.dumps(values), "some.json")
    assert fault.value.what.startswith("some.json: ")
    return fault.value.what.removeprefix("some.json: ")


def test_the_projects_own_records_read_and_write_back() -> None:
    found = read_folder(reference())
    assert len(found.records) >= 4 and not found.set_aside
    for record, file in found.records:
        assert record.to_json() == file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "5",
        "null",
        '"text"',
        "[" * 100_000,
        '{"schema": ' + "9" * 5000 + "}",
        '{"schema": 1, "id": "\\ud800"}',
    ],
)
def test_no_json_object_is_no_record(text: str) -> None:
    assert "record" in refused(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400])
def test_numbers_are_finite(number: str) -> None:
    text = json.dumps(changed("scores.accuracy.value", "HERE")).replace('"HERE"', number)
    assert "is no finite number" in refused(text)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("schema", 0, "record format 0, this version reads 1"),
        ("schema", True, "schema: true is not a whole number"),
        ("more", 1, "unknown field 'more'"),
        ("spec", {}, "spec.method is missing"),
        ("spec", [], "spec: [] is not an object"),
        *((f"spec.{name}", ..., f"spec.{name} is missing") for name in WHOLE["spec"]),
        ("spec.seed", "0", 'spec.seed: "0" is not a whole number'),
        ("spec.seed", True, "spec.seed: true is not"),
        ("spec.limit", 1.5, "spec.limit: 1.5 is not a whole number or null"),
        ("spec.settings", [], "spec.settings: [] is not an object"),
        ("spec.point", 5, "spec.point: 5 is not text"),
        *((f"method.{name}", ..., f"method.{name} is missing") for name in WHOLE["method"]),
        *((f"keys.{name}", ..., f"keys.{name} is missing") for name in WHOLE["keys"] if name != "cacheable"),
        ("keys.versions", {"numpy": 2}, "keys.versions"),
        ("data.dataset", None, "data.dataset: null is not text"),
        ("data.notes", "note", "data.notes"),
        ("data.label", "official", 'data.label: "official" is not an object'),
        ("data.label", {}, "data.label.kinds is missing, data.label.text is missing"),
        ("data.label.kinds", "official", "data.label.kinds"),
        ("data.label.text", 1, "data.label.text"),
        ("status", "done", 'status: "done" is not one of complete, partial, failed'),
        ("status", [], "status: [] is not one of"),
        ("id", "../../etc/passwd", "is not the name of a file"),
        ("id", "", "is not the name of a file"),
        ("run", 5, "run: 5 is not an object"),
        ("run.started", "yesterday", "run.started"),
        ("run.started", "2026-11-21T14:18:23", "run.started"),
        ("run.cpu_seconds", "5", "run.cpu_seconds"),
        ("device", "cpu", "device"),
        ("deviations", "none", "deviations"),
        ("missing_units", [5], "missing_units"),
        ("notes", {}, "notes"),
        ("units", 5, "units: 5 is not a list of objects"),
        ("units", [5], "units: [5] is not a list of objects"),
        ("units.1", {}, "units[1].unit is missing, units[1].n is missing"),
        ("units.1.n", -1, "units[1].n"),
        ("units.1.accuracy", "0.7", "units[1].accuracy"),
        ("units.1.unit", "fold 1", "units: 'fold 1' stands twice"),
        ("scores", 5, "scores: 5 is not an object"),
        ("scores", {"accuracy": 5}, "scores.accuracy: 5 is not an object"),
        ("scores", {"accuracy": {}}, "scores.accuracy.value is missing"),
        ("scores.accuracy.value", "0.67", "scores.accuracy.value"),
        ("scores.accuracy.n", None, "scores.accuracy.n"),
        ("scores.accuracy.spread", "wide", "scores.accuracy.spread"),
        ("scores.accuracy.interval", 5, "scores.accuracy.interval"),
        ("scores.accuracy.interval", [0.7], "scores.accuracy.interval"),
        ("scores.accuracy.interval", [0.7, 0.6], "two numbers, the lower one first"),
        ("scores.accuracy.interval", [0.7, 0.8], "scores.accuracy.interval: [0.7, 0.8] does not hold 0.6675"),
        ("scores.accuracy.value", 0.99, "scores.accuracy.value: the score 0.99 is not what its units say (0.667"),
        ("scores.accuracy.value", 0.6675001, "the score 0.6675001 is not what its units say"),
        ("items", 5, "items: 5 is not an object or null"),
        ("items", {}, "items.file is missing"),
        ("items.file", "../items.gz", "items.file"),
        ("items.n", "400", "items.n"),
        ("error", "torn", "error"),
        ("error", {"where": "here"}, "error.what is missing"),
        ("error", {"what": 5}, "error"),
        ("breakdown", [], "breakdown"),
        ("breakdown.classes", "abc", "breakdown.classes"),
        ("breakdown.classes", None, "breakdown.classes: null is not a list of texts"),
        ("breakdown.classes", ..., "breakdown.confusion is not a table"),
        ("breakdown.confusion", [[1, 2], [3]], "breakdown.confusion is not a table"),
        ("breakdown.confusion", 5, "breakdown.confusion is not a table"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(path: str, value: Any, says: str) -> None:
    assert says in refused(changed(path, value))


def test_several_faults_are_told_together() -> None:
    message = refused({**WHOLE, "units": 5, "items": 5, "scores": 5})
    assert all(name in message for name in ("units: 5", "items: 5", "scores: 5"))


def test_a_chance_level_that_somebody_typed_in() -> None:
    chance = json.loads(next(reference().glob("esc50-chance-paper-*.json")).read_text(encoding="utf-8"))
    chance["scores"]["accuracy"]["value"] = 0.99
    assert "is not what its units say (0.02)" in refused(chance)


def test_units_of_other_sizes_have_an_interval_of_the_pooled_items() -> None:
    """One clip of one right, and one of ninety-nine: the mean of the folds lies far from the pooled share."""
    values = changed("units", [
        {"unit": "fold 1", "n": 1, "correct": 1, "accuracy": 1.0},
        {"unit": "fold 2", "n": 99, "correct": 1, "accuracy": 1 / 99},
    ])  # fmt: skip
    values["scores"]["accuracy"] |= {"value": (1 + 1 / 99) / 2, "interval": [0.0055, 0.07]}
    assert parse(json.dumps(values), "some.json").scores["accuracy"]["interval"] == [0.0055, 0.07]
    values["scores"]["accuracy"]["interval"] = [0.4, 0.6]
    assert "does not hold 0.02" in refused(values)


def test_a_failed_run_and_a_short_one_read() -> None:
    failed = {
        **WHOLE,
        "status": "failed",
        "scores": {},
        "error": {"where": "", "what": "torn", "todo": ""},
        "items": None,
    }
    assert parse(json.dumps(failed), "some.json").error == failed["error"]
    short = {name: value for name, value in WHOLE.items() if name not in ("notes", "deviations", "error", "breakdown")}
    assert parse(json.dumps(short), "some.json").deviations == ()


@given(st.data())
def test_no_value_anywhere_gives_another_error(data: st.DataObject) -> None:
    """Any field at all becomes any JSON value: the record reads and can be written, or it is refused."""
    paths: list[str] = []

    def walk(values: Any, path: str) -> None:
        for name, value in values.items() if isinstance(values, dict) else enumerate(values[:2]):
            paths.append(f"{path}{name}")
            if isinstance(value, dict | list):
                walk(value, f"{path}{name}.")

    walk({name: value for name, value in WHOLE.items() if name != "breakdown"}, "")
    path = data.draw(st.sampled_from(paths))
    leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    value = data.draw(leaf | st.lists(leaf, max_size=3) | st.dictionaries(st.text(max_size=3), leaf, max_size=3))
    try:
        record = parse(json.dumps(changed(path, value)), "some.json")
    except BadData:
        return
    assert parse(record.to_json(), "some.json") == record
