"""The released evaluator beside ours: a stand-in of its interface, and the package itself where it is installed."""

import sys
from types import ModuleType

import pytest
from masksets import write_results, write_set
from typer.testing import CliRunner

from unlabeled import official, run
from unlabeled.cli import app
from unlabeled.errors import BadData, WrongCall
from unlabeled.given import GivenResults

SET = {"cow": (5, 2), "dog": (4, 1)}


@pytest.fixture
def scored(tmp_path, store):
    write_set(tmp_path, SET)
    given = GivenResults(write_results(tmp_path / "results", SET))
    return run.evaluate(given, "davis2017", data=tmp_path, store=store), tmp_path, given


def stand_in(monkeypatch, evaluate):
    """A package of the released one's shape."""

    class DAVISEvaluation:
        def __init__(self, davis_root, task, gt_set, sequences):
            assert task == "semi-supervised" and gt_set == "val" and davis_root.endswith("DAVIS")
            self.sequences = sequences

        def evaluate(self, results):
            return evaluate(self.sequences)

    package, inner = ModuleType("davis2017"), ModuleType("davis2017.evaluation")
    inner.DAVISEvaluation = DAVISEvaluation
    monkeypatch.setitem(sys.modules, "davis2017", package)
    monkeypatch.setitem(sys.modules, "davis2017.evaluation", inner)


def test_both_scores_are_printed(scored, monkeypatch):
    record, root, given = scored
    stand_in(monkeypatch, lambda names: {m: dict.fromkeys("MRD", [0.25] * len(names)) for m in "JF"})
    lines = official.compare(record, root, given)
    assert lines[0] == "official (davis2017 package), 2 of 2 sequences, 3 objects:" and len(lines) == 7
    assert f"ours {record.scores['j_mean']['value']:.6f}  official 0.250000" in lines[1]


def test_a_package_that_stops_with_status_0_is_no_success(scored, monkeypatch):
    record, root, given = scored

    def stops(names):
        print("an index is too high")
        sys.exit()

    stand_in(monkeypatch, stops)
    with pytest.raises(BadData, match="stopped: an index is too high"):
        official.compare(record, root, given)


def test_without_the_package_it_says_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "davis2017", None)
    monkeypatch.setitem(sys.modules, "davis2017.evaluation", None)
    write_set(tmp_path, SET)
    results = write_results(tmp_path / "results", SET)
    asked = ["davis2017", "--official", "--results", str(results), "--data", str(tmp_path)]
    done = CliRunner().invoke(app, [*asked, "--store", str(tmp_path / "store")])
    assert isinstance(done.exception, WrongCall) and "davis2017-evaluation" in str(done.exception)
    assert not (tmp_path / "store").exists(), "nothing is scored before the package is known to be there"
    with pytest.raises(WrongCall, match="no released evaluator of esc10"):
        official.refuse_without("esc10")


def test_the_package_itself_agrees(scored):
    pytest.importorskip("davis2017.evaluation", reason="the package davis2017 is not installed")
    record, root, given = scored
    for line in official.compare(record, root, given)[1:]:
        assert abs(float(line.split()[-1])) < 1e-9, line
