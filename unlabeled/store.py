"""The store: a plain folder of records, journals, locks and made worlds.

Everything is written to a temporary name, flushed to disk and renamed, or appended and flushed line by line:
a process that is killed at any moment loses at most the unit it was computing.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from unlabeled import keys, records
from unlabeled.contracts import Outcome
from unlabeled.errors import BadData, UnlabeledError
from unlabeled.files import write_atomic, writing
from unlabeled.records import Record

DEFAULT = Path(".unlabeled")


class Unread(NamedTuple):
    """A file that holds no record; `reason` is a sentence that names it."""

    file: Path
    reason: str


@dataclass(frozen=True)
class Found:
    """Records of a folder, each with its file, and the files that could not be read."""

    records: tuple[tuple[Record, Path], ...]
    set_aside: tuple[Unread, ...]


def reference() -> Path:
    """The folder of the project's own records."""
    return Path(str(resources.files("unlabeled._results") / "runs"))


def read_folder(folder: Path) -> Found:
    """Every record of a folder in order of file names; unreadable ones are named, the rest still reads."""
    good, bad = [], []
    for file in sorted(folder.glob("*.json")):
        try:
            good.append((_read_record(file), file))
        except FileNotFoundError:
            continue  # another process took it away since the folder was listed
        except BadData as fault:
            bad.append(Unread(file, fault.what))
    return Found(tuple(good), tuple(bad))


def _read_record(file: Path) -> Record:
    """One record.

    Raises
    ------
    BadData : the file holds none.
    FileNotFoundError : it is gone.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as fault:
        raise BadData(f"{file}: cannot be read ({fault})") from fault
    return records.parse(text, str(file))


class Store:
    """One store folder, made on first use."""

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root) if root is not None else DEFAULT
        self.records, self.journals, self.locks = (self.root / name for name in ("records", "journals", "locks"))
        self.checkpoints = self.root / "checkpoints"
        self._memo = self.root / "files.jsonl"
        self._known: dict[str, dict[str, Any]] | None = None
        self._codes: dict[str, str] = {}

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
        """All records; the files that hold none are moved to `records/set-aside` and named."""
        found = read_folder(self.records)
        return Found(found.records, tuple(Unread(file, reason + self._move(file)) for file, reason in found.set_aside))

    def _move(self, file: Path) -> str:
        """Move a file to `set-aside` under a name that is free there; what to tell of it."""
        aside = self.records / "set-aside"
        try:
            aside.mkdir(exist_ok=True)
            names = (f"{file.stem}{f'.{k}' if k else ''}{file.suffix}" for k in itertools.count())
            file.replace(next(target for name in names if not (target := aside / name).exists()))
        except FileNotFoundError:
            return " (another process moved it to set-aside)"
        except OSError as fault:
            return f" (it stays there: {fault.strerror})"
        return " (moved to set-aside)"

    def find(self, run_key: str) -> Record | None:
        """The finished record of a key; a failed run is never found."""
        for file in self.records.glob(f"*-{run_key[:10]}.json"):
            with suppress(BadData, FileNotFoundError):
                record = _read_record(file)
                if record.keys["run"] == run_key and record.status != "failed" and self.items_whole(record):
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
        """Write the record of a run in one step.

        Raises
        ------
        BadData : it would not read back; nothing is written.
        """
        file = self.records / f"{record.id}.json"
        try:
            text = record.to_json()
        except ValueError as fault:
            raise BadData(f"{file}: the run gave what no record can hold ({fault})") from fault
        records.parse(text, str(file))
        write_atomic(file, text.encode())
        return file

    # ------------------------------------------------------------ where the files of a run lie

    def write_places(self, run_id: str, places: Mapping[str, Path]) -> None:
        """Remember the folders that a run read, for the pictures of it."""
        if places:
            file = self._places(run_id)
            with writing(file):
                file.parent.mkdir(exist_ok=True)
            text = json.dumps({name: str(path.resolve()) for name, path in places.items()})
            write_atomic(file, text.encode())

    def read_places(self, run_id: str) -> dict[str, Path]:
        """The folders that a run read, as far as they are known."""
        try:
            known = json.loads(self._places(run_id).read_text(encoding="utf-8"))
            return {name: Path(path) for name, path in known.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def _places(self, run_id: str) -> Path:
        return self.root / "places" / f"{run_id}.json"

    # ------------------------------------------------------------ remembered facts about media files

    def memo(self, file: Path, look: Callable[[Path], dict[str, Any]], remember: bool = True) -> dict[str, Any]:
        """`look(file)`, remembered by path, size, time of change and the code that `look` depends on."""
        code = self._code(look.__module__)
        if not code or not file.exists():
            return look(file)
        stat = file.stat()
        name = f"{look.__module__}.{look.__qualname__}"
        key = f"{file.resolve()}:{stat.st_size}:{stat.st_mtime_ns}:{name}:{code}"
        known = self._read_memo()
        if key not in known:
            known[key] = look(file)
            if remember:
                line = json.dumps([key, known[key], _seal(key, known[key])]) + "\n"
                with writing(self._memo), self._memo.open("a", encoding="utf-8") as stream:
                    stream.write(line)
        return known[key]

    def _code(self, module: str) -> str:
        """Hash of a module and all that it uses, empty where it has no source: then nothing is remembered."""
        if module not in self._codes:
            try:
                self._codes[module] = keys.code_key([module]).key
            except UnlabeledError:
                self._codes[module] = ""
        return self._codes[module]

    def _read_memo(self) -> dict[str, dict[str, Any]]:
        if self._known is None:
            self._known = {}
            lines = self._memo.read_text(encoding="utf-8", errors="replace").splitlines() if self._memo.exists() else []
            for line in lines:
                # A line that was torn, changed or written by an older version: that file is looked at again.
                with suppress(ValueError, TypeError, RecursionError):
                    key, facts, seal = json.loads(line)
                    if isinstance(key, str) and isinstance(facts, dict) and seal == _seal(key, facts):
                        self._known[key] = facts
        return self._known


def _seal(key: str, facts: Mapping[str, Any]) -> str:
    """Hash that tells a whole line of the memo from a changed one."""
    return hashlib.sha256(json.dumps([key, facts], sort_keys=True).encode()).hexdigest()


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
                unit, outcome = self._entry(line)
            except (ValueError, KeyError, TypeError, RecursionError):
                # Not torn at the end but damaged inside: nothing after this line can be trusted.
                write_atomic(self.file, b"".join(self._line(*done) for done in self.done.items()))
                return
            self.done[unit] = outcome

    @staticmethod
    def _entry(line: bytes) -> tuple[str, Outcome]:
        """Unit and outcome of a line; KeyError, TypeError or ValueError where it holds none."""
        entry = json.loads(line)
        unit, n, values, items = (entry[name] for name in ("unit", "n", "values", "items"))
        forms = ((unit, str), (n, int), (values, dict), (items, list), *((item, dict) for item in items))
        if not all(isinstance(value, form) for value, form in forms):
            raise ValueError("an outcome is a whole number `n`, an object `values` and a list of objects `items`")
        return unit, Outcome(n, values, tuple(items))

    @staticmethod
    def _line(unit: str, outcome: Outcome) -> bytes:
        entry = {"unit": unit, "n": outcome.n, "values": outcome.values, "items": outcome.items}
        return json.dumps(entry, ensure_ascii=False).encode() + b"\n"

    def append(self, unit: str, outcome: Outcome) -> Outcome:
        """Write a finished unit; returned is what a later reader will see, so that resumed runs are equal."""
        line = self._line(unit, outcome)
        _, read_back = self._entry(line)
        with writing(self.file), self.file.open("ab") as stream:
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
        self.done[unit] = read_back
        return read_back

    def remove(self) -> None:
        """The record is written: the journal has done its work."""
        self.file.unlink(missing_ok=True)
