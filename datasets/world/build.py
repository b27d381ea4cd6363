"""Writing one set: atomic, resumable, in one process or several, safe for two makers at once.

Work happens in `NAME.partial/`, which holds

    lock            held (flock) by the process that works; the system frees it when that process dies
    journal.jsonl   first line: what is being made; then one line for each finished item with its files
    NAME/           the set itself, which is renamed to its place when it is complete

A maker that finds the lock taken waits, and then finds either the finished set or a partial one to go on
with. An item counts as finished when its journal line is whole and its files have the hashes in it; a
partial folder of something else (other preset, seed, generator or libraries) is started anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol

from unlabeled.datasets.world import manifest
from unlabeled.datasets.world.files import WorldFile
from unlabeled.datasets.world.manifest import Entry, Manifest, Medium
from unlabeled.errors import UnlabeledError

JOURNAL = "journal.jsonl"
LOCK = "lock"


class Item(Protocol):
    """One clip, picture or sequence: picklable, made from itself alone."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Order:
    """What is to be made, and how: `files` gives those of one item, `tables` those that list the items.

    `media` : what the files hold, for the versions in the manifest.
    """

    folder: str
    world: str
    preset: str
    seed: int
    generator: str
    items: Sequence[Any]
    files: Callable[[Any], Iterable[WorldFile]]
    tables: Callable[[], Iterable[WorldFile]]
    media: Sequence[Medium]


def finished(order: Order, out: Path) -> bool:
    """Whether this very set stands in `out`.

    Raises
    ------
    UnlabeledError : something else stands in its place.
    """
    folder = out / order.folder
    if not os.path.lexists(folder):
        return False
    found = manifest.read(folder)
    if found is None:
        raise UnlabeledError(f"{folder} exists and is no synthetic set", "choose another folder")
    wanted = (order.world, order.preset, order.seed)
    if (found.world, found.preset, found.seed) != wanted:
        raise UnlabeledError(
            f"{folder} holds {found.world}, preset {found.preset}, seed {found.seed}; "
            f"asked for {order.world}, preset {order.preset}, seed {order.seed}",
            "choose another folder, or remove this one",
        )
    if found.generator != order.generator:
        raise UnlabeledError(
            f"{folder} was made by another state of the generator of {order.world}",
            "remove it to make it anew, or choose another folder",
        )
    return True


def build(order: Order, out: Path, jobs: int, progress: Callable[[int], None]) -> None:
    """Make the set in `out`, or go on making it. `progress` hears the number of finished items.

    Raises
    ------
    UnlabeledError : something else stands in its place.
    OSError : the folder cannot be written.
    """
    work = out / f"{order.folder}.partial"
    if finished(order, out) and not work.exists():
        progress(len(order.items))
        return
    with _alone_in(work):
        if not finished(order, out):
            _work(order, work, jobs, progress)
            (work / order.folder).rename(out / order.folder)
        progress(len(order.items))
        shutil.rmtree(work / order.folder, ignore_errors=True)
        (work / JOURNAL).unlink(missing_ok=True)
        (work / LOCK).unlink()
    # Another maker may have put its lock there since; then that one clears the folder away.
    with suppress(OSError):
        work.rmdir()


@contextmanager
def _alone_in(work: Path) -> Iterator[None]:
    """Hold the lock of a partial folder, waiting for it if need be."""
    while True:
        work.mkdir(parents=True, exist_ok=True)
        try:
            lock = (work / LOCK).open("a")
        except FileNotFoundError:
            continue  # the last holder cleared the folder away in between
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # The last holder may have removed the file that this process was waiting at.
            if not (work / LOCK).exists() or not os.path.samestat(os.fstat(lock.fileno()), (work / LOCK).stat()):
                continue
            yield
            return


def _work(order: Order, work: Path, jobs: int, progress: Callable[[int], None]) -> None:
    """Make what the journal lacks, then the tables and the manifest."""
    plan: dict[str, Any] = {
        "world": order.world,
        "preset": order.preset,
        "seed": order.seed,
        "generator": order.generator,
        "libraries": manifest.libraries(order.media),
    }
    done = _resume(work, order.folder, plan)
    folder = work / order.folder
    waiting = [item for item in order.items if item.name not in done]
    progress(len(done))
    with (work / JOURNAL).open("a", encoding="utf-8") as journal:
        for name, entries in _made(waiting, partial(_write_item, order.files, folder), jobs):
            _append(journal, {"item": name, "files": [asdict(entry) for entry in entries]})
            done[name] = entries
            progress(len(done))
    entries = [entry for item in order.items for entry in done[item.name]]
    entries += [_write(folder, file) for file in order.tables()]
    entries.sort(key=lambda entry: entry.path)
    made = Manifest(**plan, files=tuple(entries), root=manifest.file_root(entries))
    with (folder / manifest.NAME).open("w", encoding="utf-8") as file:
        file.write(manifest.to_json(made))
        file.flush()
        os.fsync(file.fileno())


def _resume(work: Path, folder: str, plan: dict[str, Any]) -> dict[str, list[Entry]]:
    """Finished items of an earlier maker of the same plan; else an empty folder with a new journal."""
    head, *lines = _whole_lines(work / JOURNAL) or [None]
    if head != plan:
        shutil.rmtree(work / folder, ignore_errors=True)
        lines = []
    # Replaced, not rewritten: a full disk here must not lose the lines that there are.
    half = work / f"{JOURNAL}.tmp"
    half.write_text("".join(json.dumps(line) + "\n" for line in [plan, *lines]), encoding="utf-8")
    half.replace(work / JOURNAL)
    (work / folder).mkdir(exist_ok=True)
    for stray in (work / folder).rglob("*.tmp"):
        stray.unlink()
    found = {line["item"]: [Entry(**entry) for entry in line["files"]] for line in lines}
    return {name: files for name, files in found.items() if all(_intact(work / folder, f) for f in files)}


def _whole_lines(journal: Path) -> list[Any]:
    """Lines up to the first torn one, which a killed process leaves."""
    lines = []
    if journal.exists():
        for line in journal.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
            try:
                lines.append(json.loads(line if line.endswith("\n") else ""))
            except ValueError:
                break
    return lines


def _intact(folder: Path, entry: Entry) -> bool:
    file = folder / entry.path
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == entry.sha256


def _append(journal: IO[str], line: dict[str, Any]) -> None:
    journal.write(json.dumps(line) + "\n")
    journal.flush()


# ---------------------------------------------------------------- items, here or in other processes


def _made(
    items: Sequence[Item], write: Callable[[Any], tuple[str, list[Entry]]], jobs: int
) -> Iterator[tuple[str, list[Entry]]]:
    """Write items and give their names and files, in order."""
    if jobs == 1 or len(items) < 2:
        yield from map(write, items)
        return
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent)
    try:
        yield from pool.map(write, items, chunksize=max(1, min(16, len(items) // (4 * jobs))))
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """End this process when its parent is killed: a worker must never write after the lock is free."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _write_item(files: Callable[[Any], Iterable[WorldFile]], folder: Path, item: Item) -> tuple[str, list[Entry]]:
    return item.name, [_write(folder, file) for file in files(item)]


def _write(folder: Path, file: WorldFile) -> Entry:
    """Put one file in its place, whole or not at all."""
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    half.write_bytes(file.data)
    half.replace(target)
    return Entry(file.path, len(file.data), hashlib.sha256(file.data).hexdigest(), file.content)
