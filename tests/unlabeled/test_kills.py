"""A run that is killed at any moment goes on, loses at most one unit, and ends in the same record."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unlabeled.store import Store
from unlabeled.streams import stream

TESTS = Path(__file__).parents[1]
DRIVER = """
import os, resource, signal, sys
from pathlib import Path
from toys import Logged
from unlabeled import run
from unlabeled.errors import UnlabeledError

if os.environ.get("KILL_AT_RENAME"):
    replace = Path.replace
    def kill(self, target):
        if str(target).endswith(os.environ["KILL_AT_RENAME"]):
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(self, target)
    Path.replace = kill
if os.environ.get("DISK"):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["DISK"]), resource.RLIM_INFINITY))
try:
    run.evaluate(Logged(), "esc10", data=sys.argv[1], preset="nano", store=sys.argv[2])
except UnlabeledError as fault:
    print(fault, file=sys.stderr)
    sys.exit(int(fault.exit))
"""


def start(nano, root, **env):
    log = root / "log"
    env = {**os.environ, "PYTHONPATH": str(TESTS), "TOY_LOG": str(log), **{k: str(v) for k, v in env.items()}}
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(nano), str(root / "store")], env=env, stderr=subprocess.PIPE, text=True
    )


def finish(nano, root, **env):
    """Run to the end; the units it computed, and its record outside the run block."""
    before = lines(root)
    process = start(nano, root, **env)
    _, text = process.communicate(timeout=120)
    assert process.returncode == 0, text
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


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(10))
def test_killed_at_a_random_moment(nano, whole, tmp_path, attempt):
    process = start(nano, tmp_path, TOY_SLEEP=0.1)
    # Spread over the whole life of the process: imports, survey, five units, record.
    time.sleep(float(stream(0, "kills", attempt).uniform(0.3, 2.0)))
    process.kill()
    process.communicate()
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
    process = start(nano, tmp_path, KILL_AT_RENAME=ending)
    process.communicate()
    assert process.returncode == -9
    assert len(journalled(tmp_path)) == 5 and not list((tmp_path / "store" / "records").glob("*.json"))
    computed, record = finish(nano, tmp_path)
    assert computed == [] and record.without_run() == whole.without_run()


@pytest.mark.parametrize("size", [4000, 6000, 9000])
def test_a_full_disk_loses_nothing_finished(nano, whole, tmp_path, size):
    """A file may not grow beyond `size`: the journal's write breaks in the middle of a line."""
    store = Store(tmp_path / "store")
    store.prepare()
    process = start(nano, tmp_path)
    process.communicate()
    for file in (*store.records.glob("*.json"), *store.records.glob("*.gz")):
        file.unlink()
    (tmp_path / "log").unlink()
    process = start(nano, tmp_path, DISK=size)
    _, text = process.communicate()
    assert process.returncode == 1 and "cannot write" in text and "the same command goes on" in text
    done = journalled(tmp_path)
    assert done == lines(tmp_path)[: len(done)]
    computed, record = finish(nano, tmp_path)
    assert not set(computed) & set(done) and record.without_run() == whole.without_run()


def test_two_processes_on_one_store(nano, whole, tmp_path):
    both = [start(nano, tmp_path, TOY_SLEEP=0.2) for _ in range(2)]
    ends = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert sorted(lines(tmp_path)) == [f"fold {k}" for k in range(1, 6)], "each unit is computed once"
    found = Store(tmp_path / "store").read()
    assert not found.set_aside and [r.without_run() for r, _ in found.records] == [whole.without_run()]
    assert not list((tmp_path / "store" / "locks").glob("*.lock"))
