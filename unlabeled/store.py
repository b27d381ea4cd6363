"""The store: a plain folder of records, journals, locks and made worlds.

Everything is written to a temporary name, flushed to disk and renamed, or appended and flushed line by line:
a process that is killed at any moment loses at most the unit it was computing.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from unlabeled import records
from unlabeled.contracts import Outcome
from unlabeled.errors import BadData, UnlabeledError
from unlabeled.records import Record

DEFAULT = Path(".unlabeled")


@dataclass(frozen=True)
class Found:
    """Records of a folder, each with its file, and what could not be read."""

    records: tuple[tuple[Record, Path], ...]
    set_aside: tuple[str, ...]


def reference() -> Path:
    """The folder of the project's own records."""
    return Path(str(resources.files("unlabeled._results") / "runs"))


def read_folder(folder: Path) -> Found:
    """Every record of a folder in order of file names; unreadable ones are named, the rest still reads."""
    good, bad = [], []
    for file in sorted(folder.glob("*.json")):
        try:
            good.append((records.parse(file.read_text(encoding="utf-8"), file.name), file))
        except (BadData, UnicodeDecodeError) as fault:
            bad.append(f"{file}: {fault}")
    return Found(tuple(good), tuple(bad))


@contextmanager
def writing(what: Path) -> Iterator[None]:
    """Turn a full disk or a refused write into an error that says where and that nothing finished is lost."""
    try:
        yield
    except OSError as fault:
        raise UnlabeledError(
            f"cannot write {what}: {fault.strerror or fault}",
            "free space or name another folder with --store; finished units are kept, the same command goes on",
        ) from fault


def write_atomic(file: Path, content: bytes) -> None:
    """Write beside, flush to disk, rename: readers see the old file or the new one, never a part."""
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    with writing(file):
        try:
            with partial.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)


class Store:
    """One store folder, made on first use."""

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root) if root is not None else DEFAULT
        self.records, self.journals, self.locks = (self.root / name for name in ("records", "journals", "locks"))
        self._memo = self.root / "files.jsonl"
        self._known: dict[str, Any] | None = None

    def prepare(self) -> None:
        """Make the folders and see that they can be written.

        Raises
        ------
        UnlabeledError : the store cannot be written.
        """
        with writing(self.root):
            for folder in (self.records, self.journals, self.locks):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".probe.{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()

    def world(self, world: str) -> Path:
        """Folder of a generated world, named `preset:seed`."""
        return self.root / "world" / world.replace(":", "-")

    # ------------------------------------------------------------ records

    def read(self) -> Found:
        """All records; unreadable ones are moved to `records/set-aside` and named."""
        found = read_folder(self.records)
        for text in found.set_aside:
            file = Path(text.partition(".json: ")[0] + ".json")
            aside = self.records / "set-aside"
            with writing(aside):
                aside.mkdir(exist_ok=True)
                file.replace(aside / file.name)
        return Found(found.records, tuple(f"{text} (moved to set-aside)" for text in found.set_aside))

    def find(self, run_key: str) -> Record | None:
        """The finished record of a key; a failed run is never found."""
        for file in self.records.glob(f"*-{run_key[:10]}.json"):
            try:
                record = records.parse(file.read_text(encoding="utf-8"), file.name)
            except (BadData, UnicodeDecodeError):
                continue
            if record.keys.get("run") == run_key and record.status != "failed" and self.items_whole(record):
                return record
        return None

    def items_whole(self, record: Record) -> bool:
        """Whether the per-item outcomes beside a record are those it names."""
        if record.items is None:
            return True
        file = self.records / record.items["file"]
        return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == record.items["sha256"]

    def write_items(self, run_id: str, items: Iterable[Mapping[str, Any]], keep: str) -> dict[str, Any] | None:
        """Store per-item outcomes beside the record; what the record says of them, None if there are none."""
        lines = [json.dumps(item, sort_keys=True, ensure_ascii=False) for item in items]
        if not lines:
            return None
        buffer = io.BytesIO()
        # No name and no time in the header: equal items are equal bytes.
        with gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0) as stream:
            stream.write(("\n".join(lines) + "\n").encode())
        content, file = buffer.getvalue(), f"{run_id}.items.jsonl.gz"
        write_atomic(self.records / file, content)
        return {"file": file, "sha256": hashlib.sha256(content).hexdigest(), "n": len(lines), "keep": keep}

    def write(self, record: Record) -> Path:
        """Write the record of a run in one step."""
        file = self.records / f"{record.id}.json"
        write_atomic(file, record.to_json().encode())
        return file

    # ------------------------------------------------------------ remembered facts about media files

    def memo(self, file: Path, look: Callable[[Path], dict[str, Any]], remember: bool = True) -> dict[str, Any]:
        """`look(file)`, remembered by path, size and time of change."""
        stat = file.stat() if file.exists() else None
        key = f"{file.resolve()}:{stat.st_size}:{stat.st_mtime_ns}:{look.__qualname__}" if stat else ""
        known = self._read_memo()
        if key not in known:
            facts = look(file)
            known[key] = facts
            if remember:
                with writing(self._memo), self._memo.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps([key, facts]) + "\n")
        return known[key]

    def _read_memo(self) -> dict[str, Any]:
        if self._known is None:
            self._known = {}
            if self._memo.exists():
                for line in self._memo.read_text(encoding="utf-8", errors="replace").splitlines():
                    try:
                        key, facts = json.loads(line)
                    except ValueError:
                        continue  # a line torn by a kill: that file is looked at again
                    self._known[key] = facts
        return self._known


class Journal:
    """Finished units of one run, one line of JSON each, flushed to disk before the next unit starts."""

    def __init__(self, store: Store, run_key: str) -> None:
        self.file = store.journals / f"{run_key}.jsonl"
        self.done: dict[str, Outcome] = {}
        self._read()

    def _read(self) -> None:
        if not self.file.exists():
            return
        content = self.file.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with writing(self.file):
                os.truncate(self.file, len(whole))
        for line in whole.splitlines():
            try:
                entry = json.loads(line)
                outcome = Outcome(entry["n"], entry["values"], tuple(entry["items"]))
            except (ValueError, KeyError, TypeError):
                # Not torn at the end but damaged inside: nothing after this line can be trusted.
                self._keep(list(self.done))
                return
            self.done[entry["unit"]] = outcome

    def _keep(self, units: list[str]) -> None:
        lines = [self._line(unit, self.done[unit]) for unit in units]
        write_atomic(self.file, b"".join(lines))

    @staticmethod
    def _line(unit: str, outcome: Outcome) -> bytes:
        entry = {"unit": unit, "n": outcome.n, "values": outcome.values, "items": outcome.items}
        return json.dumps(entry, ensure_ascii=False).encode() + b"\n"

    def append(self, unit: str, outcome: Outcome) -> Outcome:
        """Write a finished unit; returned is what a later reader will see, so that resumed runs are equal."""
        line = self._line(unit, outcome)
        with writing(self.file), self.file.open("ab") as stream:
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
        entry = json.loads(line)
        self.done[unit] = Outcome(entry["n"], entry["values"], tuple(entry["items"]))
        return self.done[unit]

    def remove(self) -> None:
        """The record is written: the journal has done its work."""
        self.file.unlink(missing_ok=True)
