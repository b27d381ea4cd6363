"""The project's own records: how far a new one lies from them, and how one becomes one of them."""

from __future__ import annotations

from pathlib import Path

from unlabeled import run
from unlabeled.files import write_atomic, writing
from unlabeled.records import Record
from unlabeled.store import Store, read_folder, reference


def distance(record: Record) -> str:
    """How far a record lies from the project's own one of the same question; empty where there is none."""
    for known, _ in run.reference_records():
        if known.keys["spec"] == record.keys["spec"] and known.status == "complete":
            gaps = [record.scores[name]["value"] - score["value"] for name, score in known.scores.items()]
            if not any(gaps):
                return "equal to the reference record"
            return f"{max(gaps, key=abs):+.4f} from the reference record"
    return ""


def adoptable(record: Record) -> bool:
    """Whether a record can be one of the project's own: whole, official, as published."""
    official = record.data["label"]["kinds"] == ["official"] and record.spec["preset"] == "paper"
    return official and record.status == "complete" and not record.deviations


def adopt(record: Record, store: Store, with_items: bool) -> Path | None:
    """Make a record one of the project's own, in place of older ones of the same question.

    The older ones go when the new one is on disk. None where the record is the project's own already.
    """
    folder, source = reference(), store.records / f"{record.id}.json"
    if not source.is_file():
        return None
    if with_items and record.items:
        write_atomic(folder / record.items["file"], (store.records / record.items["file"]).read_bytes())
    write_atomic(folder / source.name, source.read_bytes())
    with writing(folder):
        for old, file in read_folder(folder).records:
            if old.keys["spec"] == record.keys["spec"] and old.id != record.id:
                file.with_name(f"{old.id}.items.jsonl.gz").unlink(missing_ok=True)
                file.unlink()
    return folder / source.name
