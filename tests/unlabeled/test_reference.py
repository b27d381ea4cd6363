"""The project's own records: what may become one, and that nothing is lost on the way."""

import dataclasses
import json

import pytest
from toys import Loudness

from unlabeled import reference, run
from unlabeled.errors import UnlabeledError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    home = tmp_path / "runs"
    home.mkdir()
    monkeypatch.setattr(reference, "reference", lambda: home)
    return home


@pytest.fixture
def record(nano, store):
    return run.evaluate(Loudness(), "esc10", data=nano, preset="paper", store=store)


def official(record, **changed):
    data = {**record.data, "label": {"kinds": ["official"], "text": "official"}}
    return dataclasses.replace(record, data=data, **changed)


def test_only_whole_official_unchanged_paper_runs_are_adoptable(record):
    assert not reference.adoptable(record)
    assert reference.adoptable(official(record))
    assert not reference.adoptable(official(record, status="partial"))
    assert not reference.adoptable(official(record, deviations=("setting x",)))
    assert not reference.adoptable(official(record, spec={**record.spec, "preset": "mini"}))


def test_a_new_record_takes_the_place_of_the_old_one_of_the_same_question(record, store, folder):
    old = json.loads((store.records / f"{record.id}.json").read_text()) | {"id": "esc10-loudness-paper-s0-0000000000"}
    (folder / f"{old['id']}.json").write_text(json.dumps(old))
    (folder / f"{old['id']}.items.jsonl.gz").write_bytes(b"")
    reference.adopt(record, store, with_items=True)
    assert sorted(file.name for file in folder.iterdir()) == [f"{record.id}.items.jsonl.gz", f"{record.id}.json"]


def test_the_old_record_stays_where_the_new_one_cannot_be_copied(record, store, folder, monkeypatch):
    old = json.loads((store.records / f"{record.id}.json").read_text()) | {"id": "esc10-loudness-paper-s0-0000000000"}
    (folder / f"{old['id']}.json").write_text(json.dumps(old))

    def fail(file, content):
        raise UnlabeledError("disk full")

    monkeypatch.setattr(reference, "write_atomic", fail)
    with pytest.raises(UnlabeledError):
        reference.adopt(record, store, with_items=True)
    assert (folder / f"{old['id']}.json").exists()


def test_a_record_that_is_not_in_the_store_is_kept_as_it_is(record, store, folder):
    (store.records / f"{record.id}.json").unlink()
    assert reference.adopt(record, store, with_items=False) is None
