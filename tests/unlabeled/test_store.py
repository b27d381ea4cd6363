"""The store: files that hold nothing useful are named and set aside, and never break what reads it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from unlabeled import keys
from unlabeled import store as store_module
from unlabeled.contracts import Outcome
from unlabeled.errors import BadData, UnlabeledError
from unlabeled.records import Record
from unlabeled.store import Journal, Store, read_folder, reference


@pytest.fixture
def record() -> Record:
    """One of the project's own, without items."""
    return next(record for record, _ in read_folder(reference()).records if record.spec["benchmark"] == "esc50")


@pytest.fixture
def file(store: Store, record: Record) -> Path:
    store.prepare()
    return store.write(record)


def spoil(file: Path, name: str, **changes: Any) -> Path:
    bad = file.with_name(name)
    bad.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return bad


# ---------------------------------------------------------------- records


def test_what_cannot_be_read_is_named_and_set_aside(store: Store, file: Path, record: Record) -> None:
    bad = [spoil(file, f"{name}.json", **{name: 5}) for name in ("items", "scores", "units")]
    torn = file.with_name("zz-torn.json")
    torn.write_bytes(b"\xff{")
    found = store.read()
    assert found.records == ((record, file),)
    assert [unread.file for unread in found.set_aside] == [*bad, torn]
    for path, reason in found.set_aside:
        assert reason.startswith(f"{path}: ") and reason.endswith(" (moved to set-aside)")
        assert not path.exists() and (store.records / "set-aside" / path.name).is_file()
    assert "items: 5 is not an object" in found.set_aside[0].reason
    assert store.read().set_aside == ()


def test_a_folder_is_read_without_moving_anything(store: Store, file: Path) -> None:
    bad = spoil(file, "bad.json", spec={})
    assert [unread.file for unread in read_folder(store.records).set_aside] == [bad]
    assert bad.exists() and not (store.records / "set-aside").exists()


def test_nothing_set_aside_is_overwritten(store: Store, file: Path) -> None:
    for k in range(3):
        spoil(file, "bad.json", units=k)
        assert len(store.read().set_aside) == 1
    kept = sorted((store.records / "set-aside").iterdir())
    assert [path.name for path in kept] == ["bad.1.json", "bad.2.json", "bad.json"]
    assert [json.loads(path.read_text())["units"] for path in kept] == [1, 2, 0]


def test_another_process_may_be_first(store: Store, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = spoil(file, "bad.json", units=5)
    read = store_module.read_folder

    def slow(folder: Path) -> store_module.Found:
        found = read(folder)
        bad.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(store_module, "read_folder", slow)
    ((_, reason),) = store.read().set_aside
    assert "another process" in reason


def test_a_file_that_goes_while_the_folder_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = file.with_name("a-gone.json")
    gone.write_text("")
    read = Path.read_text

    def late(path: Path, **how: str) -> str:
        if path == gone:
            path.unlink()
        return read(path, **how)

    monkeypatch.setattr(Path, "read_text", late)
    found = read_folder(file.parent)
    assert [path for _, path in found.records] == [file] and not found.set_aside


def test_where_nothing_can_be_moved_it_is_named_all_the_same(store: Store, file: Path) -> None:
    spoil(file, "bad.json", units=5)
    (store.records / "set-aside").write_text("a file, no folder")
    found = store.read()
    assert len(found.records) == 1 and "it stays there" in found.set_aside[0].reason


def test_a_damaged_record_is_not_found(store: Store, file: Path, record: Record) -> None:
    key = record.keys["run"]
    assert store.find(key) == record
    for changes in ({"items": 5}, {"spec": {}}, {"units": 5}, {"scores": {"accuracy": 5}}, {"keys": {}}):
        text = file.read_text()
        spoil(file, file.name, **changes)
        assert store.find(key) is None
        file.write_text(text)
    file.write_bytes(b"\xff")
    assert store.find(key) is None
    file.unlink()
    file.mkdir()
    assert store.find(key) is None


def test_what_would_not_read_back_is_not_written(store: Store, record: Record) -> None:
    store.prepare()
    score = record.scores["accuracy"]
    for value in (float("nan"), 0.99):
        with pytest.raises(BadData, match=record.id):
            store.write(dataclasses.replace(record, scores={"accuracy": {**score, "value": value}}))
    assert not list(store.records.iterdir())


# ---------------------------------------------------------------- remembered facts


LOOKS: list[Path] = []


def look(file: Path) -> dict[str, Any]:
    LOOKS.append(file)
    return {"size": file.stat().st_size}


def looks(root: Path, media: Path) -> int:
    """How often a file is looked at by a fresh store."""
    LOOKS.clear()
    assert Store(root).memo(media, look) == {"size": 3}
    return len(LOOKS)


@pytest.fixture
def media(store: Store, tmp_path: Path) -> Path:
    store.prepare()
    file = tmp_path / "clip.wav"
    file.write_bytes(b"abc")
    return file


def test_a_file_is_looked_at_once(store: Store, media: Path) -> None:
    assert [looks(store.root, media) for _ in range(3)] == [1, 0, 0]
    assert store.memo(media, look, remember=False) == {"size": 3} and not LOOKS


def test_nothing_is_written_where_nothing_shall_be_remembered(store: Store, media: Path) -> None:
    store.memo(media, look, remember=False)
    assert not (store.root / "files.jsonl").exists()


def test_a_file_that_is_not_there_is_never_remembered(store: Store, media: Path) -> None:
    store.memo(media, look)
    media.unlink()
    with pytest.raises(FileNotFoundError):
        store.memo(media, look)


@pytest.mark.parametrize(
    "line", ["null", "5", "[]", "{}", '["a", {}]', "[1, 2, 3]", '[[], {}, ""]', "torn", "[" * 100_000]
)
def test_a_line_that_is_no_memory_is_passed_over(store: Store, media: Path, line: str) -> None:
    memo = store.root / "files.jsonl"
    memo.write_text(f"{line}\n")
    assert [looks(store.root, media) for _ in range(2)] == [1, 0]
    with memo.open("a") as stream:
        stream.write(f"{line}\n")
    assert looks(store.root, media) == 0


@pytest.mark.parametrize("facts", [None, 5, [], {}, {"size": 4}, {"other": 3}])
def test_changed_facts_are_no_facts(store: Store, media: Path, facts: Any) -> None:
    looks(store.root, media)
    memo = store.root / "files.jsonl"
    key, _, seal = json.loads(memo.read_text())
    memo.write_text(json.dumps([key, facts, seal]) + "\n")
    assert [looks(store.root, media) for _ in range(2)] == [1, 0]


def test_a_changed_reader_forgets(store: Store, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks(store.root, media)
    asked = []

    def other(starts: Any) -> keys.CodeKey:
        asked.append(list(starts))
        return dataclasses.replace(code, key="0" * 64)

    code = keys.code_key([__name__])
    monkeypatch.setattr(keys, "code_key", other)
    fresh = Store(store.root)
    LOOKS.clear()
    assert [fresh.memo(media, look) for _ in range(2)] == [{"size": 3}] * 2
    assert len(LOOKS) == 1 and asked == [[__name__]], "the code is hashed once a store"


def test_a_reader_without_source_remembers_nothing(store: Store, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(starts: Any) -> keys.CodeKey:
        raise UnlabeledError("no source file")

    monkeypatch.setattr(keys, "code_key", none)
    assert [looks(store.root, media) for _ in range(2)] == [1, 1]
    assert not (store.root / "files.jsonl").exists()


# ---------------------------------------------------------------- the journal


@pytest.mark.parametrize(
    "line",
    [
        '{"n": 1, "values": {}, "items": []}',
        '{"unit": 5, "n": 1, "values": {}, "items": []}',
        '{"unit": "fold 2", "n": "1", "values": {}, "items": []}',
        '{"unit": "fold 2", "n": 1, "values": [], "items": []}',
        '{"unit": "fold 2", "n": 1, "values": {}, "items": "abc"}',
        '{"unit": "fold 2", "n": 1, "values": {}, "items": [5]}',
        "null",
        "[]",
        "[" * 100_000,
    ],
)
def test_a_damaged_line_ends_the_journal(store: Store, line: str) -> None:
    store.prepare()
    journal = Journal(store, "k" * 64)
    first = journal.append("fold 1", Outcome(1, {"accuracy": 1.0}, ({"id": "a"},)))
    whole = journal.file.read_bytes()
    with journal.file.open("a") as stream:
        stream.write(line + "\n" + whole.decode().replace("fold 1", "fold 3"))
    assert Journal(store, "k" * 64).done == {"fold 1": first}
    assert journal.file.read_bytes() == whole


def test_what_a_journal_cannot_hold_is_refused(store: Store) -> None:
    store.prepare()
    with pytest.raises(ValueError, match="a whole number `n`"):
        Journal(store, "k" * 64).append("fold 1", Outcome(1.5, {}))  # type: ignore[arg-type]
    assert not list(store.journals.iterdir())
