"""`unlabeled show RUN` draws: unasked for results made elsewhere, asked for everything else."""

import shutil

import masksets
import pytest
from typer.testing import CliRunner

from unlabeled.cli import app
from unlabeled.errors import BadData
from unlabeled.given import GivenResults
from unlabeled.run import evaluate

SEQUENCES = {"one": (4, 1)}


@pytest.fixture
def run(store, tmp_path):
    """A run over given masks, and the folder that everything lies in."""
    data = masksets.write_set(tmp_path / "data", SEQUENCES)
    results = masksets.write_results(tmp_path / "results", SEQUENCES)
    return evaluate(GivenResults(results), "davis2017", data=data, store=store), tmp_path


def show(record, store, *arguments):
    done = CliRunner().invoke(app, ["show", record.id, "--store", str(store.root), *map(str, arguments)])
    return done


def test_pictures_go_into_the_store(run, store):
    record, _ = run
    done = show(record, store)
    assert done.exit_code == 0 and "jf_mean" in done.stdout
    assert "no numbers by attribute: beside the data lies no table" in done.stdout
    page = store.root / "pictures" / record.id / "index.html"
    assert f"page: {page}" in done.stdout and page.is_file()
    assert "picture: " in done.stdout.rsplit("page: ", 1)[1]


def test_pictures_go_where_they_are_asked(run, store):
    record, place = run
    assert show(record, store, "--out", place / "drawn").exit_code == 0
    assert (place / "drawn" / "index.html").is_file() and not (store.root / "pictures").exists()


def test_without_the_data_the_record_is_shown_all_the_same(run, store):
    record, place = run
    shutil.rmtree(place / "data")
    done = show(record, store)
    assert done.exit_code == 0 and "jf_mean" in done.stdout
    assert "no pictures: " in done.stderr and "--data" in done.stderr


@pytest.mark.parametrize("option", ["--out", "--data", "--results"])
def test_who_asks_for_pictures_hears_of_the_fault_as_such(run, store, option):
    record, place = run
    shutil.rmtree(place / "data")
    done = show(record, store, option, place / "results")
    assert isinstance(done.exception, BadData) and "--data" in str(done.exception) and "jf_mean" in done.stdout
