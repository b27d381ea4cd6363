"""Many runs with a few processes: the same records as one by one, and a fault stays with its run."""

import pytest

from unlabeled import grid, registry, run, workers
from unlabeled.errors import AbsentData, BadData, UnlabeledError, WrongCall
from unlabeled.store import Store


def tasks(nano, root, names=("chance", "knn_mfcc", "svm_mfcc"), **changed):
    return [workers.Task(name, "esc10", None, "", "nano", 0, str(nano), "cpu", root, **changed) for name in names]


@pytest.fixture(scope="module")
def two(nano, tmp_path_factory):
    """What two workers make of three runs, of a method that is not there, and of a folder without data."""
    root, empty = tmp_path_factory.mktemp("two"), tmp_path_factory.mktemp("empty")
    asked = [
        *tasks(nano, root / "s", ("chance", "no_such_method", "knn_mfcc", "svm_mfcc")),
        *tasks(empty, root / "s", ("random_forest",)),
    ]
    return root / "s", {done.task.method: done for done in workers.run_all(asked, 2, run.Watch())}


@pytest.mark.slow
def test_two_workers_make_the_records_of_one(nano, two, tmp_path):
    root, by_method = two
    one = list(workers.run_all(tasks(nano, tmp_path / "one"), 1, run.Watch()))
    for done in one:
        assert not done.fault and not done.cached
        assert by_method[done.task.method].record.without_run() == done.record.without_run()
    again = list(workers.run_all(tasks(nano, root), 1, run.Watch()))
    assert all(done.cached for done in again)


@pytest.mark.slow
def test_a_fault_stays_with_its_run_and_keeps_its_kind(two):
    _, done = two
    assert isinstance(done["no_such_method"].fault, WrongCall) and "no method" in done["no_such_method"].fault.what
    assert done["chance"].record.status == done["knn_mfcc"].record.status == "complete"
    absent = done["random_forest"].fault
    assert isinstance(absent, AbsentData) and "how to get" in absent.todo


def test_errors_travel_between_processes():
    import pickle

    for error in (UnlabeledError("what", "todo"), BadData("what", "todo"), AbsentData("what")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.what, again.todo, again.exit) == (type(error), error.what, error.todo, error.exit)


def test_the_tally_counts_and_ends_by_the_worst():
    def done(record=None, fault=None, cached=False):
        return workers.Done(None, record, fault, cached)

    class Record:
        status = "complete"

    tally = workers.Tally()
    assert tally.exit() == 4
    tally.add(done(fault=AbsentData("x")))
    tally.add(done(Record(), cached=True))
    assert tally.exit() == 0 and tally.line(2) == "1 of 2 runs done, 0 computed now, 0 failed"
    Record.status = "partial"
    tally.add(done(Record()))
    assert tally.exit() == 3
    tally.add(done(fault=BadData("x")))
    assert tally.exit() == 1 and tally.line(4) == "2 of 4 runs done, 1 computed now, 1 failed"


@pytest.mark.parametrize("name", ["tour", "home", "full"])
def test_grids_hold_pairs_that_can_be_planned(name):
    pairs, broken = grid.pairs(name)
    assert pairs and not broken and len(set(pairs)) == len(pairs)
    for pair in pairs:
        assert run.plan.make(pair.method, pair.benchmark, recipe=pair.recipe, variant=pair.variant, preset="nano")


def test_grids_grow():
    tour, home, full = ({(p.method, p.benchmark) for p in grid.pairs(name)[0]} for name in ("tour", "home", "full"))
    assert tour <= home <= full
    assert {method for method, _ in home} == set(registry.names("methods")) - {"image_colorization"}
    with pytest.raises(WrongCall, match="no grid"):
        grid.pairs("tours")


def test_the_projects_own_records_can_be_trusted(nano, tmp_path, monkeypatch):
    store = Store(tmp_path / "own")
    record = run.evaluate("chance", "esc10", data=nano, preset="nano", store=store)
    monkeypatch.setattr(run, "reference_records", lambda: ((record, tmp_path),))
    (done,) = workers.run_all(
        [workers.Task("chance", "esc10", None, "", "nano", 0, str(nano), "cpu", tmp_path / "new", True)],
        1,
        run.Watch(),
    )
    assert done.record == record and done.cached
    assert not (tmp_path / "new" / "records").exists() or not list((tmp_path / "new" / "records").iterdir())
