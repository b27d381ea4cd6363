"""The flow of one run: cached or computed, whole or failed, equal after a stop."""

import dataclasses
import gzip
import importlib
import json
import shutil
import sys

import numpy as np
import pytest
from toys import Loudness, NearestLoudness

import unlabeled
from unlabeled import keys, registry, run
from unlabeled.contracts import Outcome
from unlabeled.errors import BadData, UnlabeledError, WrongCall
from unlabeled.store import Journal, Store


def evaluate(nano, store, method=None, **asked):
    asked = {"data": nano, "preset": "nano", **asked}
    return run.evaluate(method or Loudness(), "esc10", store=store, **asked)


def item_lines(store, record):
    text = gzip.decompress((store.records / record.items["file"]).read_bytes()).decode()
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_leaves_a_record_that_reads_back(nano, store):
    record = evaluate(nano, store)
    assert record.status == "complete" and record.data["label"]["kinds"] == ["world"]
    assert [unit["unit"] for unit in record.units] == [f"fold {k}" for k in range(1, 6)]
    folds = [unit["correct"] / unit["n"] for unit in record.units]
    assert record.scores["accuracy"]["value"] == pytest.approx(np.mean(folds))
    assert record.scores["accuracy"]["spread"] == pytest.approx(np.std(folds))
    (stored, _), *_ = store.read().records
    assert stored == record
    assert np.sum(record.breakdown["confusion"]) == record.scores["accuracy"]["n"] == 100


def test_items_lie_beside_the_record(nano, store):
    record = evaluate(nano, store)
    lines = item_lines(store, record)
    assert len(lines) == 100 == record.items["n"]
    right = sum(line["right"] for line in lines)
    assert right == sum(unit["correct"] for unit in record.units)
    assert set(lines[0]) == {"id", "unit", "truth", "predicted", "right"}


def test_predictions_are_kept_on_demand_and_cached_only_where_kept(nano, store):
    plain = evaluate(nano, store)
    kept = evaluate(nano, store, keep="predictions")
    assert kept.run["started"] >= plain.run["started"] and kept.items["keep"] == "predictions"
    assert len(item_lines(store, kept)[0]["scores"]) == 10
    assert evaluate(nano, store, keep="none").items["keep"] == "predictions"


def test_the_same_question_is_read_not_computed(nano, store):
    first = evaluate(nano, store)
    second = evaluate(nano, store)
    assert second == first
    third = evaluate(nano, store, overwrite="always")
    assert third.without_run() == first.without_run()


def test_never_takes_a_record_made_by_older_code(nano, store):
    first = evaluate(nano, store)
    file = store.records / f"{first.id}.json"
    older = json.loads(file.read_text())
    older["keys"] |= {"run": "0" * 64, "code": "0" * 64}
    older["id"] = "esc10-loudness-nano-s0-0000000000"
    (store.records / f"{older['id']}.json").write_text(json.dumps(older))
    file.unlink()
    assert evaluate(nano, store, overwrite="never").id == older["id"]
    assert evaluate(nano, store, overwrite="missing").id == first.id


def test_damaged_items_are_no_cache_hit(nano, store):
    record = evaluate(nano, store)
    (store.records / record.items["file"]).write_bytes(b"torn")
    again = evaluate(nano, store)
    assert again.without_run() == record.without_run() and store.items_whole(again)


def test_a_seed_is_another_run_and_a_setting_a_deviation(nano, store):
    plain = evaluate(nano, store)
    assert evaluate(nano, store, seed=1).id != plain.id
    same = evaluate(nano, store, settings={"sharpness": "1"})
    assert same.id == plain.id, "a setting that changes nothing is no setting"
    changed = evaluate(nano, store, settings={"sharpness": "2"})
    assert changed.id != plain.id and "sharpness=2.0" in changed.deviations[0]


def test_limit_is_a_subset(nano, store):
    record = evaluate(nano, store, limit=1)
    assert record.scores["accuracy"]["n"] == 50
    assert record.data["label"]["kinds"] == ["world", "subset"] and "first 1 of each" in record.data["label"]["text"]


class Breaks(Loudness):
    """Fails in the third fold it meets."""

    id = "breaks"

    def __init__(self, fault=None):
        self.fault = fault

    def adapt(self, net, preset):
        fault = self.fault

        class Role(NearestLoudness):
            met = 0

            def fit(self, items, labels, rng):
                Role.met += 1
                if Role.met == 3 and fault:
                    raise RuntimeError(fault)
                super().fit(items, labels, rng)

        return Role()


def test_a_failure_is_a_record_and_never_a_cache_hit(nano, store):
    with pytest.raises(UnlabeledError, match="breaks failed on esc10: RuntimeError: out of luck"):
        evaluate(nano, store, Breaks("out of luck"))
    ((failed, _),) = store.read().records
    assert "test_run.py" in failed.error["trace"]
    assert failed.status == "failed" and "out of luck" in failed.error["what"]
    assert [unit["unit"] for unit in failed.units] == ["fold 1", "fold 2"]
    assert failed.missing_units == ("fold 3", "fold 4", "fold 5") and not failed.scores
    assert store.find(failed.keys["run"]) is None


class Bad(Loudness):
    """Gives scores that are wrong in a chosen way."""

    id = "bad"

    def __init__(self, kind):
        self.kind = kind

    def adapt(self, net, preset):
        kind = self.kind

        class Role(NearestLoudness):
            def scores(self, items):
                good = super().scores(items)
                return {"nan": good * np.nan, "short": good[:-1], "narrow": good[:, :-1]}[kind]

        return Role()


@pytest.mark.parametrize("kind, words", [("nan", "no numbers"), ("short", "shape"), ("narrow", "shape")])
def test_scores_that_are_none_give_an_error_not_a_number(nano, store, kind, words):
    with pytest.raises(BadData, match=words):
        evaluate(nano, store, Bad(kind))
    ((failed, _),) = store.read().records
    assert failed.status == "failed" and not failed.scores


def test_a_torn_journal_line_is_dropped_at_every_byte(nano, store):
    """A kill inside the write of the third unit leaves a part of its line; the record comes out the same."""
    made = run.plan.make(Loudness(), "esc10", data=nano, preset="nano")
    resolved = run.resolve(made, store, run.Watch()) if store.prepare() is None else None
    journal = Journal(store, resolved.key)
    run._run_units(resolved, journal, store, "cpu", "none", run.Watch())
    lines = journal.file.read_bytes().splitlines(keepends=True)
    whole = evaluate(nano, store, overwrite="always").without_run()
    third = lines[2]
    for cut in [*range(0, 40), len(third) // 2, len(third) - 2, len(third) - 1]:
        journal.file.write_bytes(b"".join(lines[:2]) + third[:cut])
        assert list(Journal(store, resolved.key).done) == ["fold 1", "fold 2"]
        assert journal.file.read_bytes() == b"".join(lines[:2])
    for cut in (0, 1, len(third) // 2, len(third) - 1):
        for file in store.records.glob("*.json"):
            file.unlink()
        journal.file.write_bytes(b"".join(lines[:2]) + third[:cut])
        record = evaluate(nano, store)
        assert record.run["resumed_units"] == 2 and record.without_run() == whole


def test_a_journal_damaged_inside_keeps_what_stands_before(nano, store):
    store.prepare()
    journal = Journal(store, "k" * 64)
    for k in range(3):
        journal.append(f"fold {k}", Outcome(1, {"accuracy": 1.0}))
    lines = journal.file.read_bytes().splitlines(keepends=True)
    journal.file.write_bytes(lines[0] + b"garbage\n" + lines[2])
    assert list(Journal(store, "k" * 64).done) == ["fold 0"]
    assert journal.file.read_bytes() == lines[0]


def test_wrong_calls(nano, store, tmp_path):
    with pytest.raises(WrongCall, match="no method"):
        evaluate(nano, store, "svmmfcc")
    with pytest.raises(WrongCall, match="no recipe"):
        evaluate(nano, store, recipe="piczak")
    with pytest.raises(WrongCall, match="no preset"):
        evaluate(nano, store, preset="huge")
    with pytest.raises(WrongCall, match="no variant"):
        evaluate(nano, store, variant="wide")
    with pytest.raises(WrongCall, match="limit"):
        evaluate(nano, store, limit=0)
    with pytest.raises(WrongCall, match="no setting"):
        evaluate(nano, store, settings={"sharp": "1"})
    with pytest.raises(WrongCall, match="float is expected"):
        evaluate(nano, store, settings={"sharpness": "high"})
    with pytest.raises(BadData, match="needs data"):
        evaluate(None, store, preset="paper")
    with pytest.raises(WrongCall, match="world is named"):
        evaluate("world:huge:1", store)
    with pytest.raises(WrongCall, match="CPU only"):
        evaluate(nano, store, device="cuda")
    with pytest.raises(WrongCall, match="learns nothing"):
        evaluate(nano, store, pretrain_data=tmp_path)
    with pytest.raises(BadData, match="no such data root"):
        evaluate(tmp_path / "absent", store)
    with pytest.raises(BadData, match="holds no esc10"):
        evaluate(tmp_path, store)
    with pytest.raises(UnlabeledError, match="has no id, cite"):
        evaluate(nano, store, object())
    with pytest.raises(WrongCall, match="--data is empty"):
        evaluate("", store)
    with pytest.raises(WrongCall, match="finite"):
        evaluate(nano, store, settings={"sharpness": "NaN"})
    with pytest.raises(WrongCall, match="world is named"):
        evaluate("world:nano:²", store)


def test_a_store_that_cannot_be_written_says_so(nano, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnlabeledError, match="cannot write"):
        evaluate(nano, Store(tmp_path / "file" / "store"))


def test_an_object_that_cannot_be_keyed_is_not_cached(nano, store):
    method = Loudness()
    method.helper = lambda: 0  # what a function does is not in what it holds
    first, second = evaluate(nano, store, method), evaluate(nano, store, method)
    assert first.keys["run"] != second.keys["run"] and not first.keys["cacheable"]


def test_state_of_an_object_is_in_its_key(nano, store):
    one, two = Loudness(), Loudness()
    one.weights, two.weights = np.zeros(5000), np.zeros(5000)
    two.weights[2500] = 1e-9
    assert evaluate(nano, store, one).id != evaluate(nano, store, two).id
    two.weights = one.weights.copy()
    assert evaluate(nano, store, one).id == evaluate(nano, store, two).id


class Louder(Loudness):
    """Another class that calls itself `loudness`."""


def test_two_methods_of_one_name_never_share_a_result(nano, store):
    assert Louder.id == Loudness.id
    first, second = evaluate(nano, store), evaluate(nano, store, Louder())
    assert first.keys["spec"] != second.keys["spec"] and first.keys["run"] != second.keys["run"]
    third = evaluate(nano, store, Louder(), overwrite="never")
    assert third.id == second.id


def test_presets_made_by_an_object_are_in_its_key(nano, store):
    changed = Loudness()
    changed.presets = {"nano": type(Loudness.presets["nano"])(sharpness=5.0)}
    assert evaluate(nano, store, changed).id != evaluate(nano, store).id


def write_module(folder, name, text):
    (folder / f"{name}.py").write_text(text)
    importlib.invalidate_caches()


PLUGIN = """
import {name}_helper as helper
from toys import Loudness, NearestLoudness
class Helped(Loudness):
    id = "helped"
    def adapt(self, net, preset):
        class Role(NearestLoudness):
            def scores(self, items):
                return super().scores(items) * helper.SIGN
        return Role()
"""


def test_a_helper_beside_a_plug_in_is_in_its_key(nano, store, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    write_module(tmp_path, "plug_a_helper", "SIGN = 1.0\n")
    write_module(tmp_path, "plug_a", PLUGIN.format(name="plug_a"))
    before = keys.code_key(["plug_a"])
    assert "plug_a_helper" in before.modules
    write_module(tmp_path, "plug_a_helper", "SIGN = -1.00\n")
    assert keys.code_key(["plug_a"]).key != before.key


def test_source_edited_after_its_import_is_not_cached(nano, store, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    write_module(tmp_path, "plug_b_helper", "SIGN = 1.0\n")
    write_module(tmp_path, "plug_b", PLUGIN.format(name="plug_b"))
    method = importlib.import_module("plug_b").Helped()
    assert evaluate(nano, store, method).keys["cacheable"]
    write_module(tmp_path, "plug_b_helper", "SIGN = -1.00\n")
    told = []

    class Watch(run.Watch):
        def say(self, text):
            told.append(text)

    record = evaluate(nano, store, method, watch=Watch())
    assert not record.keys["cacheable"] and "plug_b_helper changed on disk" in told[0]


def test_data_that_are_refused_now_give_no_cached_number(nano, store, tmp_path):
    folder = tmp_path / "ESC-50"
    shutil.copytree(registry.load("datasets", "esc10").find(nano), folder)
    assert evaluate(tmp_path, store).status == "complete"
    (folder / "audio" / "1-999-A-3.wav").write_bytes(next((folder / "audio").glob("1-*.wav")).read_bytes())
    for _ in range(2):
        with pytest.raises(BadData, match="file without a row"):
            evaluate(tmp_path, store)
    assert sorted(record.status for record, _ in store.read().records) == ["complete", "failed"]


def test_a_failure_never_takes_the_place_of_a_finished_record(nano, store):
    good = evaluate(nano, store, Sometimes())
    with pytest.raises(UnlabeledError):
        Sometimes.fails = True
        try:
            evaluate(nano, store, Sometimes(), overwrite="always")
        finally:
            Sometimes.fails = False
    assert store.find(good.keys["run"]) == good
    again = evaluate(nano, store, Sometimes(), overwrite="always")
    assert again.without_run() == good.without_run()
    assert [record.status for record, _ in store.read().records] == ["complete"], "the failure is over"


class Sometimes(Loudness):
    id = "sometimes"
    fails = False

    def adapt(self, net, preset):
        class Role(NearestLoudness):
            def fit(self, items, labels, rng):
                if Sometimes.fails and rng.path == ("fold 3",):
                    raise RuntimeError("now")
                super().fit(items, labels, rng)

        return Role()


def test_computing_anew_goes_on_where_it_was_stopped(nano, store):
    evaluate(nano, store, Sometimes())
    Sometimes.fails = True
    with pytest.raises(UnlabeledError):
        evaluate(nano, store, Sometimes(), overwrite="always")
    Sometimes.fails = False
    assert evaluate(nano, store, Sometimes(), overwrite="always").run["resumed_units"] == 2
    assert evaluate(nano, store, Sometimes(), overwrite="always").run["resumed_units"] == 0


def test_results_is_a_frame(nano, store):
    record = evaluate(nano, store)
    frame = unlabeled.results(store)
    assert list(frame["method"]) == ["loudness"] and frame["value"][0] == record.scores["accuracy"]["value"]
    assert frame["low"][0] < frame["value"][0] < frame["high"][0]


def test_preview_computes_nothing(nano, store):
    (line,) = run.preview(Loudness(), "esc10", store=store.root, data=nano, preset="nano")
    assert "would run 5 units" in line and "cost not known" in line
    assert not store.root.exists()
    evaluate(nano, store)
    (line,) = run.preview(Loudness(), "esc10", store=store.root, data=nano, preset="nano")
    assert "cached" in line
    (line,) = run.preview(Loudness(), "esc10", store=store.root, data=nano / "absent", preset="nano")
    assert "missing" in line and "datasets where esc10" in line


def test_chance_is_exact(nano, store):
    record = evaluate(nano, store, "chance")
    assert record.scores["accuracy"]["value"] == 0.1 and record.scores["accuracy"]["interval"] is None
    paper = run.evaluate("chance", "esc50", preset="paper", store=store)
    assert paper.scores["accuracy"]["value"] == 0.02 and paper.scores["accuracy"]["n"] == 2000


def test_records_are_frozen(nano, store):
    with pytest.raises(dataclasses.FrozenInstanceError):
        evaluate(nano, store).status = "failed"


@pytest.mark.parametrize(
    ("first", "told"),
    [("/opt/bin/unlabeled", "unlabeled"), ("/opt/lib/unlabeled/__main__.py", "python -m unlabeled")],
)
def test_the_record_holds_the_command_that_was_typed(nano, store, monkeypatch, first, told):
    monkeypatch.setattr(sys, "argv", [first, "esc10", "--seeds", "1 2"])
    assert evaluate(nano, store).run["command"] == f"{told} esc10 --seeds '1 2'"
