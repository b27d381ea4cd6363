"""A run that is killed at any moment goes on, loses at most one unit, and ends in the same record."""

import json
import multiprocessing
import time

import killed
import pytest

from unlabeled.store import Store
from unlabeled.streams import stream

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(killed.LIBRARIES)


def start(nano, root, **options):
    process = CONTEXT.Process(target=killed.main, args=(nano, root), kwargs=options)
    process.start()
    return process


def end(process):
    """Exit status of a process, the negative signal where one killed it."""
    process.join(timeout=120)
    return process.exitcode


def error(root):
    return (root / "error").read_text() if (root / "error").exists() else ""


def finish(nano, root):
    """Run to the end; the units it computed, and its record outside the run block."""
    before = lines(root)
    assert end(start(nano, root)) == 0, error(root)
    ((record, _),) = Store(root / "store").read().records
    return lines(root)[len(before) :], record


def lines(root):
    log = root / "log"
    return log.read_text().split("\n")[:-1] if log.exists() else []


def journalled(root):
    """Units whose line in the journal is whole."""
    files = list((root / "store" / "journals").glob("*.jsonl"))
    if not files:
        return []
    return [json.loads(line)["unit"] for line in files[0].read_bytes().split(b"\n")[:-1]]


@pytest.fixture(scope="module")
def whole(nano, tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    computed, record = finish(nano, root)
    assert computed == [f"fold {k}" for k in range(1, 6)]
    return record


@pytest.mark.parametrize("attempt", range(10))
def test_killed_at_a_random_moment(nano, whole, tmp_path, attempt):
    process = start(nano, tmp_path, sleep=0.1)
    # Spread over the whole life of the run: survey, five units, record.
    time.sleep(float(stream(0, "kills", attempt).uniform(0.1, 1.5)))
    process.kill()
    end(process)
    done = journalled(tmp_path)
    finished = list((tmp_path / "store" / "records").glob("*.json"))
    computed, record = finish(nano, tmp_path)
    if finished:
        assert computed == []
    else:
        assert not set(computed) & set(done), "a journalled unit was computed again"
        assert sorted({*computed, *done}) == [f"fold {k}" for k in range(1, 6)]
        assert record.run["resumed_units"] == len(done)
    assert record.without_run() == whole.without_run()


@pytest.mark.parametrize("ending", [".items.jsonl.gz", ".json"])
def test_killed_between_flush_and_rename(nano, whole, tmp_path, ending):
    assert end(start(nano, tmp_path, kill_at_rename=ending)) == -9
    assert len(journalled(tmp_path)) == 5 and not list((tmp_path / "store" / "records").glob("*.json"))
    computed, record = finish(nano, tmp_path)
    assert computed == [] and record.without_run() == whole.without_run()


@pytest.mark.parametrize("size", [4000, 6000, 9000])
def test_a_full_disk_loses_nothing_finished(nano, whole, tmp_path, size):
    """A file may not grow beyond `size`: the journal's write breaks in the middle of a line."""
    store = Store(tmp_path / "store")
    store.prepare()
    end(start(nano, tmp_path))
    for file in (*store.records.glob("*.json"), *store.records.glob("*.gz")):
        file.unlink()
    (tmp_path / "log").unlink()
    assert end(start(nano, tmp_path, disk=size)) == 1
    assert "cannot write" in error(tmp_path) and "the same command goes on" in error(tmp_path)
    done = journalled(tmp_path)
    assert done == lines(tmp_path)[: len(done)]
    computed, record = finish(nano, tmp_path)
    assert not set(computed) & set(done) and record.without_run() == whole.without_run()


def test_two_processes_on_one_store(nano, whole, tmp_path):
    both = [start(nano, tmp_path, sleep=0.2) for _ in range(2)]
    assert [end(process) for process in both] == [0, 0], error(tmp_path)
    assert sorted(lines(tmp_path)) == [f"fold {k}" for k in range(1, 6)], "each unit is computed once"
    found = Store(tmp_path / "store").read()
    assert not found.set_aside and [r.without_run() for r, _ in found.records] == [whole.without_run()]
    assert not list((tmp_path / "store" / "locks").glob("*.lock"))
