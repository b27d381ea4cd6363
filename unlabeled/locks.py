"""One owner per run key: a lock file with host, process and its start time, kept warm by a heartbeat.

A dead owner on this host, or one on another host that was silent for five minutes, is taken over.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from unlabeled.files import writing

HEARTBEAT_S = 20.0
SILENCE_S = 300.0
POLL_S = 0.2


@contextmanager
def owned(file: Path, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock while the block runs; waits for another owner, whom `waiting` is told of once."""
    mine = _claim(file, waiting)
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(file, stop), daemon=True)
    beat.start()
    try:
        yield
    finally:
        stop.set()
        beat.join()
        if _read(file) == mine:
            file.unlink(missing_ok=True)


def _claim(file: Path, waiting: Callable[[str], None] | None) -> str:
    mine = json.dumps(
        {"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid()), "id": uuid.uuid4().hex}
    )
    # The claim appears whole or not at all: written beside, then linked to the lock's name.
    claim = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    with writing(file):
        claim.write_text(mine)
    told = False
    try:
        while True:
            try:
                os.link(claim, file)
                return mine
            except FileExistsError:
                if _take_over(file, claim):
                    continue
            if waiting is not None and not told:
                waiting(f"another process ({_read(file)}) is at this run; waiting for it")
                told = True
            time.sleep(POLL_S)
    finally:
        claim.unlink(missing_ok=True)


def _take_over(file: Path, claim: Path) -> bool:
    """Remove the lock of a dead owner. One process at a time looks, so that no fresh lock is removed."""
    with (file.parent / ".guard").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        text = _read(file)
        if text is None:
            return True
        if not _dead(text, file, claim):
            return False
        file.unlink(missing_ok=True)
        return True


def _dead(text: str, file: Path, claim: Path) -> bool:
    try:
        owner = json.loads(text)
        host, pid, started = owner["host"], int(owner["pid"]), owner["started"]
    except (ValueError, KeyError, TypeError):
        return True
    if host == socket.gethostname():
        return _started(pid) is None or _started(pid) != started
    # Both times are the file system's own: clocks of two hosts are never compared.
    claim.touch()
    try:
        return claim.stat().st_mtime - file.stat().st_mtime > SILENCE_S
    except FileNotFoundError:
        return True


def _started(pid: int) -> str | None:
    """Start time of a process in clock ticks since boot, None if there is none (a number can be used again)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc").is_dir() or not _alive(pid) else "unknown"
    # The name in brackets may hold spaces; field 22 counts from the start, 20th after the bracket.
    after = stat.rpartition(")")[2].split()
    return None if after[0] == "Z" else after[19]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _read(file: Path) -> str | None:
    try:
        return file.read_text()
    except FileNotFoundError:
        return None


def _beat(file: Path, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_S):
        try:
            os.utime(file)
        except OSError:
            return
