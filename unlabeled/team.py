"""The processes that torchrun started for one command: process 0 runs it, the others learn with it when it says so.

Process 0 alone decides, locks, reads and writes, as if there were no others. Each of these has a connection to it, on
which it hears what to take part in and with which status to end, and tells what went wrong there. A connection that
closes is a process that died: whoever notices says so and ends. The system closes it at once where only a process died;
a machine that is gone without a word is missed after a minute.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import queue
import secrets
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, wait
from typing import TYPE_CHECKING, Any, NoReturn

from unlabeled.errors import Exit, UnlabeledError

if TYPE_CHECKING:
    from unlabeled.training.processes import Parted, Place

ARRIVAL_S = 300.0
"""So long the processes may take to find each other."""
GRACE_S = 20.0
"""So long process 0 may take to end by itself where another one failed, and the others where it ends."""
KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 60_000}
"""So that a connection to a machine that is gone closes after a minute; not every system knows all of these."""
AGAIN = "the same command goes on from what was kept"

Order = Callable[[], object]
"""What another process is to do; it travels as a pickle, from process 0 alone."""


class Elsewhere(Exception):
    """The traceback of another process, as text."""


class Team:
    """Process 0 among the others: a connection to each, by its number."""

    current: Team | None = None
    """That of this process, while the block of `gathered` runs."""

    def __init__(self, links: Mapping[int, Connection]) -> None:
        self.links = links
        self.failed: set[int] = set()
        self.faults: queue.SimpleQueue[Exception] = queue.SimpleQueue()
        self.ending = False
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def tell(self, *what: object) -> None:
        """Say something to all others; who is gone does not hear it."""
        for link in self.links.values():
            with suppress(OSError):
                link.send(what)

    def reason(self, fault: Parted) -> Exception:
        """What went wrong in another process, where that is why they lost each other."""
        try:
            return self.faults.get(timeout=GRACE_S)
        except queue.Empty:
            return fault

    def dismiss(self, status: int) -> None:
        """End all others with a status, and wait until they have."""
        # torchrun stops everybody as soon as one ends with a fault.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.ending = True
        self.tell("end", status)
        self.listener.join(GRACE_S)

    def terminated(self, *_: object) -> None:
        """SIGTERM came, outside of a training: torchrun sends it when another process died, which is better told."""
        if self.failed:
            return
        time.sleep(1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    def _listen(self) -> None:
        links = {link: rank for rank, link in self.links.items()}
        while links:
            for link in wait(list(links)):
                assert isinstance(link, Connection)
                try:
                    fault, trace = link.recv()
                except (EOFError, OSError):
                    rank = links.pop(link)
                    if not self.ending and rank not in self.failed:
                        self.tell("end", Exit.OTHER)
                        _end(died(rank, len(self.links) + 1))
                else:
                    self._heed(links[link], fault, trace)

    def _heed(self, rank: int, fault: UnlabeledError | str, trace: str) -> None:
        """Another process failed. If the main thread does not end for it soon, it waits for what will never come."""
        self.failed.add(rank)
        told: Exception
        if isinstance(fault, UnlabeledError):
            told = type(fault)(f"process {rank}: {fault.what}", fault.todo)
        else:
            told = RuntimeError(f"process {rank}: {fault}")
            told.__cause__ = Elsewhere(trace)
        self.faults.put(told)
        late = threading.Timer(GRACE_S, _end, [told])
        late.daemon = True
        late.start()


def size() -> int:
    """Processes that this command has."""
    return 1 if Team.current is None else len(Team.current.links) + 1


def learning(order: Order) -> AbstractContextManager[None] | None:
    """While the block runs all others carry out `order`, in which they are `processes.together` with this process.

    None where there are no others. What went wrong in one of them is raised here.
    """
    return None if Team.current is None else _learning(Team.current, pickle.dumps(order))


@contextmanager
def _learning(team: Team, order: bytes) -> Iterator[None]:
    from unlabeled.training import processes

    team.tell("do", order)
    try:
        with processes.together():
            yield
    except processes.Parted as fault:
        reason = team.reason(fault)
        raise reason from reason.__cause__


@contextmanager
def gathered() -> Iterator[None]:
    """The block is run by process 0 alone; the others follow it and end when the block does, with its exit status.

    Raises
    ------
    WrongCall : the environment says half of what torchrun says.
    UnlabeledError : the processes do not find each other.
    """
    if not {"RANK", "WORLD_SIZE"} & os.environ.keys():
        yield
        return
    from unlabeled.training import processes

    at = processes.started()
    if at.world == 1:
        yield
        return
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    links = _meet(at)
    if at.rank:
        _follow(links[0], at)
    team, status = Team(links), int(Exit.OTHER)
    signal.signal(signal.SIGTERM, team.terminated)
    Team.current = team
    try:
        yield
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        raise
    finally:
        Team.current = None
        team.dismiss(status)


# ---------------------------------------------------------------- meeting


def _meet(at: Place) -> dict[int, Connection]:
    """Connections of process 0 to all others, of these to it; torch's store tells them where it listens."""
    from torch import distributed

    where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    fault = UnlabeledError(
        f"process {at.rank} of {at.world} does not meet the others at {where}", "see that all of them were started"
    )
    late = threading.Timer(ARRIVAL_S, _end, [fault])
    late.daemon = True
    late.start()
    try:
        store, *_ = next(distributed.rendezvous("env://", timeout=timedelta(seconds=ARRIVAL_S)))
        found = _call(store, at) if at.rank else _receive(store, at)
    except (RuntimeError, ValueError, OSError) as torn:
        raise UnlabeledError(f"{fault.what} ({next(iter(str(torn).splitlines()), '')})", fault.todo) from torn
    finally:
        late.cancel()
    for link in found.values():
        _keep_alive(link)
    return found


def _receive(store: Any, at: Place) -> dict[int, Connection]:
    key, found = secrets.token_bytes(32), dict[int, Connection]()
    with Listener((_host("0.0.0.0"), 0), backlog=at.world, authkey=key) as door:
        _, port = door.address
        store.set("unlabeled", json.dumps([port, key.hex()]))
        while len(found) < at.world - 1:
            # Whoever else knocks does not know the key.
            with suppress(AuthenticationError, EOFError, ConnectionError):
                link = door.accept()
                found[link.recv()] = link
    return found


def _call(store: Any, at: Place) -> dict[int, Connection]:
    port, key = json.loads(store.get("unlabeled"))
    link = Client((_host(os.environ["MASTER_ADDR"]), port), authkey=bytes.fromhex(key))
    link.send(at.rank)
    return {0: link}


def _host(other: str) -> str:
    """This machine for itself, where all processes are on it."""
    return "127.0.0.1" if os.environ["LOCAL_WORLD_SIZE"] == os.environ["WORLD_SIZE"] else other


def _keep_alive(link: Connection) -> None:
    with socket.socket(fileno=os.dup(link.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE.items():
            if hasattr(socket, name):
                same.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


# ---------------------------------------------------------------- following


def _follow(link: Connection, at: Place) -> NoReturn:
    """Do what process 0 says until it says to end; say nothing but what went wrong, and that to process 0."""
    from unlabeled.training.processes import Parted

    warnings.simplefilter("ignore")
    # Who stops a command stops process 0; a training under way hears SIGTERM all the same.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_hear, args=(link, orders, at), daemon=True).start()
    while True:
        try:
            pickle.loads(orders.get())()
        except Parted:
            continue
        except Exception as fault:
            known = isinstance(fault, UnlabeledError)
            text = "".join(traceback.format_exception(fault))
            with suppress(OSError):
                link.send((fault if known else f"{type(fault).__name__}: {fault}", text))
            # At once: process 0 may wait for this one in the midst of a step.
            os._exit(int(fault.exit) if isinstance(fault, UnlabeledError) else Exit.OTHER)


def _hear(link: Connection, orders: queue.SimpleQueue[bytes], at: Place) -> None:
    """Hand on orders to the main thread; end the process when process 0 does, whatever the main thread waits for."""
    while True:
        try:
            what, told = link.recv()
        except (EOFError, OSError):
            if at.rank == 1:
                _end(died(0, at.world))
            os._exit(Exit.OTHER)
        if what == "end":
            os._exit(told)
        orders.put(told)


def died(rank: int, world: int) -> UnlabeledError:
    """The word for a process that is gone."""
    return UnlabeledError(f"process {rank} of {world} died (killed, or out of memory), so the others stop", AGAIN)


def _end(fault: Exception) -> NoReturn:
    """Say what is wrong and end this process now, whatever its main thread waits for."""
    shown = "\x1b[?25h" if sys.stderr.isatty() else ""
    print(f"{shown}error: {fault}", file=sys.stderr, flush=True)
    os._exit(int(fault.exit) if isinstance(fault, UnlabeledError) else Exit.OTHER)
