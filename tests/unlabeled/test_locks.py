"""One owner per key; dead owners are taken over, living ones are waited for."""

import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from unlabeled import locks


def owner(**changed):
    facts = {"host": socket.gethostname(), "pid": os.getpid(), "started": locks._started(os.getpid()), "id": "x"}
    return json.dumps({**facts, **changed})


def test_the_lock_goes_with_the_block(tmp_path):
    file = tmp_path / "a.lock"
    with locks.owned(file):
        assert json.loads(file.read_text())["pid"] == os.getpid()
    assert sorted(path.name for path in tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError), locks.owned(file):
        raise RuntimeError
    assert not file.exists()


def test_a_dead_process_is_taken_over(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    file = tmp_path / "a.lock"
    file.write_text(owner(pid=gone.pid))
    with locks.owned(file):
        assert json.loads(file.read_text())["pid"] == os.getpid()


def test_a_process_number_used_again_is_no_owner(tmp_path):
    file = tmp_path / "a.lock"
    file.write_text(owner(started="1"))
    with locks.owned(file):
        assert json.loads(file.read_text())["started"] != "1"


@pytest.mark.parametrize("text", ["", "torn{", "[]", '{"host": "h"}'])
def test_an_unreadable_lock_is_taken_over(tmp_path, text):
    file = tmp_path / "a.lock"
    file.write_text(text)
    with locks.owned(file):
        pass


def test_a_foreign_owner_is_believed_for_five_minutes(tmp_path):
    file, claim = tmp_path / "a.lock", tmp_path / "claim"
    file.write_text(owner(host="elsewhere"))
    claim.write_text("")
    assert not locks._dead(file.read_text(), file, claim)
    old = time.time() - locks.SILENCE_S - 5
    os.utime(file, (old, old))
    assert locks._dead(file.read_text(), file, claim)


def test_waiting_for_a_living_owner(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "POLL_S", 0.01)
    file, told, order = tmp_path / "a.lock", [], []

    def second():
        with locks.owned(file, told.append):
            order.append("second")

    with locks.owned(file):
        waiter = threading.Thread(target=second)
        waiter.start()
        time.sleep(0.1)
        order.append("first")
    waiter.join(timeout=10)
    assert order == ["first", "second"] and len(told) == 1 and "waiting" in told[0]


def test_the_heartbeat_touches_the_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "HEARTBEAT_S", 0.01)
    file = tmp_path / "a.lock"
    with locks.owned(file):
        os.utime(file, (0, 0))
        time.sleep(0.2)
        assert file.stat().st_mtime > 1
