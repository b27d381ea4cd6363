"""Paired comparison: counts one can make on paper, runs that may not be paired, damaged items."""

import dataclasses
import gzip
import json

import numpy as np
import pytest
from scipy import stats
from toys import Loudness

from unlabeled import compare, run
from unlabeled import reference as own
from unlabeled.errors import BadData, UnlabeledError, WrongCall
from unlabeled.records import Record
from unlabeled.store import Store, read_folder, reference

CLASSES = ["dog", "rain", "saw"]


def record(store, name, items, **changed) -> Record:
    """A record with these items beside it; `changed` replaces fields, `spec` and `data` in part."""
    store.prepare()
    spec = {
        "method": name, "variant": "", "benchmark": "esc10", "recipe": "piczak2015", "preset": "nano", "seed": 0,
        "limit": None, "settings": {}, "world": "nano", "world_seed": 0,
    }  # fmt: skip
    data = {"fingerprint": "f" * 64, "label": {"kinds": ["world"], "text": "world"}}
    made = Record(
        id=f"esc10-{name}",
        status="complete",
        spec=spec | changed.pop("spec", {}),
        method={},
        keys={},
        data=data | changed.pop("data", {}),
        breakdown={"classes": CLASSES},
        items=store.write_items(f"esc10-{name}", items, "none"),
    )
    return dataclasses.replace(made, **changed)


def answers(truth, predicted):
    pairs = zip(truth, predicted, strict=True)
    return [
        {"unit": "fold 1", "id": f"{k}.wav", "truth": t, "predicted": p, "right": t == p}
        for k, (t, p) in enumerate(pairs)
    ]


def sums(numbers, counts=1):
    return [{"unit": f"s{k}", "id": f"s{k}", "sums": [x * counts], "counts": [counts]} for k, x in enumerate(numbers)]


def pair(store, items_a, items_b, **changed_b):
    a, b = record(store, "a", items_a), record(store, "b", items_b, **changed_b)
    return a, store.records, b, store.records


# ---------------------------------------------------------------- right or wrong


def test_counts_on_paper(store):
    truth = [0, 0, 0, 1, 1, 2, 2, 2]
    found = compare.compare(
        *pair(store, answers(truth, [0, 0, 0, 1, 1, 2, 0, 0]), answers(truth, [0, 1, 2, 2, 1, 0, 0, 1]))
    )
    assert found.table == (2, 4, 0, 2) and found.n == 8 and found.kind == "right"
    assert (found.mean_a, found.mean_b, found.difference) == (6 / 8, 2 / 8, 4 / 8)
    assert found.p == 2 * 1 / 16
    # With only A ever better the interval cannot reach below zero.
    assert 0 <= found.interval[0] < 0.5 < found.interval[1] <= 1
    assert [(item.id, item.better) for item in found.differing] == [
        ("1.wav", "A"), ("2.wav", "A"), ("3.wav", "A"), ("5.wav", "A"), ("7.wav", None),
    ]  # fmt: skip


def test_two_equal_runs_differ_nowhere(store):
    truth = [0, 1, 2]
    found = compare.compare(*pair(store, answers(truth, [0, 1, 0]), answers(truth, [0, 1, 0])))
    assert found.p == 1 and found.difference == 0 and found.interval == (0, 0) and not found.differing
    assert "no difference is shown" in "\n".join(compare.lines(found))


def test_the_order_of_items_does_not_matter(store):
    truth = [0, 1, 2, 0]
    one, two = answers(truth, [0, 1, 0, 0]), answers(truth, [0, 0, 2, 1])
    assert compare.compare(*pair(store, one, two)).table == compare.compare(*pair(store, one, two[::-1])).table


def test_reference_records_agree_with_scipy():
    found = {r.spec["method"]: r for r, _ in read_folder(reference()).records if r.spec["benchmark"] == "esc10"}
    a, b = found["svm_mfcc"], found["knn_mfcc"]
    made = compare.compare(a, reference(), b, reference())
    both, only_a, only_b, neither = made.table
    assert both + only_a + only_b + neither == 400 == made.n
    assert made.p == pytest.approx(stats.binomtest(only_a, only_a + only_b).pvalue, rel=1e-9)
    # Folds of ESC-10 are of one size: the pooled accuracy is the number of the record.
    assert made.mean_a == pytest.approx(a.scores["accuracy"]["value"])
    assert made.mean_b == pytest.approx(b.scores["accuracy"]["value"])
    differences = np.repeat([1.0, -1.0, 0.0], [only_a, only_b, both + neither])
    theirs = stats.bootstrap((differences,), np.mean, method="percentile", rng=np.random.default_rng(1))
    assert made.interval == pytest.approx(theirs.confidence_interval, abs=0.006)
    back = compare.compare(b, reference(), a, reference())
    assert back.difference == -made.difference and back.p == made.p and back.table[1:3] == (only_b, only_a)


def test_runs_of_today_compare(nano, store):
    class Deaf(Loudness):
        id = "deaf"

        def adapt(self, net, preset):
            role = super().adapt(net, preset)
            role.scores = lambda items: np.tile([1.0] + [0.0] * 9, (len(items), 1))
            return role

    asked = {"data": nano, "preset": "nano", "store": store}
    loud, deaf = run.evaluate(Loudness(), "esc10", **asked), run.evaluate(Deaf(), "esc10", **asked)
    found = compare.compare(loud, store.records, deaf, store.records)
    assert found.n == 100 and found.mean_b == 0.1
    assert found.mean_a - found.mean_b == pytest.approx(found.difference)
    other = run.evaluate(Loudness(), "esc10", data=nano, preset="nano", store=store, limit=1)
    with pytest.raises(WrongCall, match="limit None and 1"):
        compare.compare(loud, store.records, other, store.records)


def test_lines_tell_the_counts_and_limit_the_items(store):
    truth = [k % 3 for k in range(30)]
    found = compare.compare(*pair(store, answers(truth, truth), answers(truth, [0] * 29 + [1])))
    text = compare.lines(found, most=4)
    assert "A  a, nano, seed 0 (esc10-a)" in text[0]
    assert any("A 100.0, B 33.3, A - B +66.7 [" in line for line in text)
    assert "both right 10, only A right 20, only B right 0, both wrong 0" in text
    assert "A is better: 20 items" in text and "    ... and 16 more" in text
    assert "    fold 1  1.wav: truth rain, A rain, B dog" in text
    assert sum(line.startswith("    fold") for line in text) == 4


# ---------------------------------------------------------------- sums


def test_sums_on_paper(store):
    found = compare.compare(*pair(store, sums([0.5, 0.7, 0.9]), sums([0.5, 0.6, 0.4])))
    assert found.kind == "sums" and found.table is None
    assert found.difference == pytest.approx(0.2)
    assert [(item.id, item.better) for item in found.differing] == [("s2", "A"), ("s1", "A")]
    text = "\n".join(compare.lines(found))
    assert "A 70.0, B 50.0, A - B +20.0 [+0.0, +50.0]" in text and "no difference is shown" in text
    again = compare.compare(*pair(store, sums([0.5, 0.7, 0.9]), sums([0.5, 0.6, 0.4])))
    assert again.interval == found.interval, "the draws have a stream of their own"


def test_an_item_with_more_counts_weighs_more(store):
    a = [*sums([0.9]), {"unit": "s1", "id": "s1", "sums": [0.3], "counts": [3]}]
    b = [*sums([0.5]), {"unit": "s1", "id": "s1", "sums": [0.6], "counts": [3]}]
    found = compare.compare(*pair(store, a, b))
    assert (found.mean_a, found.mean_b) == pytest.approx((1.2 / 4, 1.1 / 4))


def test_columns_are_averaged_after_they_are_summed(store):
    """PCK: the share of each joint over all clips first, then the mean over joints."""
    a = [{"unit": "u", "id": k, "sums": s, "counts": c} for k, s, c in (("x", [1, 2], [2, 4]), ("y", [3, 0], [4, 0]))]
    b = [{**item, "sums": [0, 0]} for item in a]
    assert compare.compare(*pair(store, a, b)).mean_a == pytest.approx((4 / 6 + 2 / 4) / 2)


def test_a_clear_difference_has_a_small_p(store):
    rng = np.random.default_rng(0)
    low = rng.uniform(0.2, 0.4, 30)
    found = compare.compare(*pair(store, sums(low + 0.1), sums(low)))
    assert found.interval == pytest.approx((0.1, 0.1)) and found.p == pytest.approx(2 / 10_001)


@pytest.mark.parametrize(("items", "told"), [(2, "0.5"), (5, "0.062"), (6, "")])
def test_few_items_are_told_beside_a_small_p(store, items, told):
    low = np.linspace(0.1, 0.6, items)
    found = compare.compare(*pair(store, sums(low + 0.1), sums(low)))
    assert found.p < 0.001, "every resample of items that all favour one run favours it too"
    text = f"{items} items are too few for a test: all favour one run by chance with p = {told}"
    assert found.notes == ((text,) if told else ())


def test_an_item_without_a_score_in_one_run_leaves_both(store):
    """A mixture that one run left undefined must not count for the other."""
    a = sums([0.5, 0.7, 0.1])
    b = [*sums([0.5, 0.7]), {"unit": "s2", "id": "s2", "sums": [0.0], "counts": [0]}]
    found = compare.compare(*pair(store, a, b))
    assert found.n == 2 and found.difference == 0 and "left out" in found.notes[0] and "s2 s2" in found.notes[0]


def test_one_item_says_nothing_of_a_difference(store):
    with pytest.raises(WrongCall, match=r"0\.5.*0\.7.*share one item"):
        compare.compare(*pair(store, sums([0.5]), sums([0.7])))


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"spec": {"benchmark": "esc50"}}, "benchmark esc10 and esc50"),
        ({"spec": {"recipe": "soundnet-svm"}}, "recipe piczak2015 and soundnet-svm"),
        ({"spec": {"limit": 2}}, "limit None and 2"),
        ({"data": {"fingerprint": "0" * 64}, "spec": {"world_seed": 1}}, r"other data \(world:nano:0.*world:nano:1"),
        ({"status": "failed"}, "esc10-b failed"),
        ({"id": "esc10-a"}, "compared with itself"),
    ],
)
def test_runs_that_cannot_be_paired_are_refused(store, changed, words):
    items = answers([0, 1], [0, 0])
    with pytest.raises(WrongCall, match=words):
        compare.compare(*pair(store, items, items, **changed))


def test_everything_that_differs_is_told_at_once(store):
    items = answers([0, 1], [0, 0])
    with pytest.raises(WrongCall) as told:
        compare.compare(*pair(store, items, items, spec={"limit": 1, "recipe": "x"}, data={"fingerprint": "0"}))
    assert all(word in str(told.value) for word in ("recipe", "limit", "other data"))


def test_other_items_are_refused(store):
    items = answers([0, 1, 2], [0, 0, 2])
    with pytest.raises(WrongCall, match=r"esc10-b lacks fold 1 2\.wav"):
        compare.compare(*pair(store, items, items[:2]))
    with pytest.raises(BadData, match=r"different truths for fold 1 0\.wav"):
        compare.compare(*pair(store, items, answers([1, 1, 2], [0, 0, 2])))
    with pytest.raises(BadData, match="of the kind 'right'"):
        compare.compare(*pair(store, items, [{**item, "right": None, "sums": [1.0], "counts": [1]} for item in items]))


def test_a_partial_run_with_the_same_items_is_told(store):
    items = answers([0, 1], [0, 0])
    found = compare.compare(*pair(store, items, items, status="partial"))
    assert "note: esc10-b is partial" in compare.lines(found)


def test_records_without_items_say_how_to_get_them(store):
    a = record(store, "a", answers([0, 1], [0, 0]))
    with pytest.raises(UnlabeledError, match=r"no per-item outcomes(.|\n)*run it again"):
        compare.compare(a, store.records, record(store, "b", []), store.records)
    with pytest.raises(UnlabeledError, match=r"are not in(.|\n)*--store"):
        compare.load_items(a, store.records / "elsewhere")


def test_damaged_items_are_refused(store):
    a = record(store, "a", answers([0, 1], [0, 0]))
    file = store.records / a.items["file"]
    whole = file.read_bytes()
    file.write_bytes(whole[:-3])
    with pytest.raises(BadData, match="damaged"):
        compare.load_items(a, store.records)
    file.write_bytes(whole)
    assert len(compare.load_items(a, store.records)) == 2


@pytest.mark.parametrize(
    "items, words",
    [
        ([{"unit": "fold 1", "id": "x"}] * 2, "stand there twice"),
        ([{"unit": "fold 1"}], "no readable items"),
        (["text"], "no readable items"),
    ],
)
def test_items_that_are_none_are_refused(store, items, words):
    with pytest.raises(BadData, match=words):
        compare.load_items(record(store, "a", items), store.records)


@pytest.mark.parametrize("odd", [{}, {"sums": 1}, {"sums": ["x"]}, {"sums": [float("nan")]}, {"counts": [1, 2]}])
def test_items_of_no_kind_are_refused(store, odd):
    items = [*sums([0.5]), {"unit": "s9", "id": "odd", **({"sums": [1], "counts": [1]} | odd if odd else {})}]
    with pytest.raises(UnlabeledError, match="neither `right` nor finite `sums` and `counts`"):
        compare.compare(*pair(store, items, items))


def test_a_file_name_in_a_record_leads_nowhere_else(store, tmp_path):
    a = record(store, "a", answers([0], [0]))
    secret = tmp_path / "secret.gz"
    secret.write_bytes(gzip.compress(json.dumps({"unit": "u", "id": "i"}).encode()))
    moved = dataclasses.replace(a, items={**a.items, "file": "../../secret.gz"})
    with pytest.raises(UnlabeledError, match="are not in"):
        compare.load_items(moved, store.records)


def test_adopted_records_without_items_are_refused(nano, store, tmp_path, monkeypatch):
    """The project commits items of ESC-10 only: a record of another set names a file that is not beside it."""
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setattr(own, "reference", lambda: folder)
    made = run.evaluate(Loudness(), "esc10", data=nano, preset="nano", store=store)
    own.adopt(made, Store(store.root), with_items=False)
    with pytest.raises(UnlabeledError, match="are not in"):
        compare.load_items(made, folder)
