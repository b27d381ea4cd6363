"""Results made elsewhere: a folder told by its content, under a name that tables can show."""

import errno
import os

import pytest
from masksets import write_results, write_set
from typer.testing import CliRunner

from unlabeled import plan, run
from unlabeled.cli import app
from unlabeled.errors import AbsentData, BadData, WrongCall
from unlabeled.given import GivenResults

SET = {"cow": (4, 1), "dog": (4, 1)}


def folder_with(path, **files):
    path.mkdir()
    for name, text in files.items():
        (path / name).write_text(text)
    return path


def test_a_folder_is_told_by_names_and_bytes(tmp_path):
    one = GivenResults(folder_with(tmp_path / "a", x="1", y="2"))
    assert one.id == "a" and one.content.files == 2
    same = GivenResults(folder_with(tmp_path / "b", y="2", x="1"))
    assert same.content == one.content and same.source == one.source
    assert GivenResults(folder_with(tmp_path / "c", x="2", y="1")).content != one.content
    hidden = folder_with(tmp_path / "d", x="1", y="2")
    (hidden / ".DS_Store").write_text("a desktop was here")
    assert GivenResults(hidden).content == one.content


def test_folders_that_cannot_be_results(tmp_path):
    with pytest.raises(AbsentData, match="no such folder"):
        GivenResults(tmp_path / "nowhere")
    with pytest.raises(AbsentData, match="holds no files"):
        GivenResults(folder_with(tmp_path / "empty"))
    leading = folder_with(tmp_path / "leading", x="1")
    (leading / "out").symlink_to(folder_with(tmp_path / "a", secret="s") / "secret")
    with pytest.raises(BadData, match="leads out of the folder"):
        GivenResults(leading)


def test_a_linked_folder_is_refused_since_its_files_would_not_count(tmp_path):
    results = folder_with(tmp_path / "results", x="1")
    (tmp_path / "elsewhere").mkdir()
    for target in (tmp_path / "elsewhere", results):
        (results / "cow").symlink_to(target)
        with pytest.raises(BadData, match="cow is a link to a folder"):
            GivenResults(results)
        (results / "cow").unlink()


def test_packed_results_are_to_be_unpacked(tmp_path):
    packed = folder_with(tmp_path / "packed", **{"masks.tar.gz": "x"})
    with pytest.raises(BadData, match=r"packed files alone \(masks.tar.gz\)\n  -> unpack"):
        GivenResults(packed)
    (packed / "cow.txt").write_text("x")
    assert GivenResults(packed).content.files == 2


def test_a_pipe_is_refused_since_nobody_may_ever_write_into_it(tmp_path):
    results = folder_with(tmp_path / "results", x="1")
    os.mkfifo(results / "00000.png")
    with pytest.raises(BadData, match=r"00000\.png is neither a file nor a folder"):
        GivenResults(results)


def denied(monkeypatch, place):
    """`os.scandir` and `os.listdir` as on a folder without permission; the tests may run as root."""
    for name in ("scandir", "listdir"):
        real = getattr(os, name)

        def listed(path=".", real=real):
            if os.fspath(path) == str(place):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real(path)

        monkeypatch.setattr(os, name, listed)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    results = folder_with(tmp_path / "results", x="1")
    (results / "cow").mkdir()
    denied(monkeypatch, results / "cow")
    with pytest.raises(BadData, match=r"cow: cannot be read \(Permission denied\)"):
        GivenResults(results)


@pytest.mark.parametrize("command", ["davis2017", "verify"])
def test_data_that_cannot_be_listed_are_named(tmp_path, monkeypatch, command):
    folder = write_set(tmp_path, SET)
    results = write_results(tmp_path / "results", SET)
    denied(monkeypatch, folder / "Annotations" / "480p" / "dog")
    scored = ["davis2017", "--results", str(results), "--store", str(tmp_path / "store")]
    words = ["datasets", "verify", "davis2017"] if command == "verify" else scored
    done = CliRunner().invoke(app, [*words, "--data", str(tmp_path)])
    assert isinstance(done.exception, BadData)
    assert "dog: cannot be read (Permission denied)" in str(done.exception)


@pytest.mark.parametrize(
    ("asked", "told"), [({"settings": {"sha256": "a"}}, "--set"), ({"seed": 1}, "--seeds"), ({"point": "x"}, "--point")]
)
def test_nothing_about_given_results_can_be_set(tmp_path, asked, told):
    given = GivenResults(folder_with(tmp_path / "a", x="1"))
    with pytest.raises(WrongCall, match=f"{told}: a folder of results is scored as it is"):
        plan.make(given, "davis2017", data=tmp_path, **asked)


@pytest.mark.parametrize("name", [" ", "two\nlines", "x" * 81])
def test_names_no_table_can_show(tmp_path, name):
    with pytest.raises(WrongCall, match="no name for a row"):
        GivenResults(folder_with(tmp_path / "a", x="1"), name)


def test_given_results_fit_where_a_recipe_scores_them(tmp_path):
    given = GivenResults(folder_with(tmp_path / "a", x="1"), "mine")
    made = plan.make(given, "davis2017", data=tmp_path)
    assert made.spec.preset == "given" and made.spec.method == "mine" and made.spec.recipe == "semi-supervised"
    assert made.spec.source == f"result files {given.content.sha256}"
    with pytest.raises(WrongCall, match="mine gives given; esc10 cannot use that"):
        plan.make(given, "esc10", data=tmp_path)
    with pytest.raises(AbsentData, match="preset given needs data"):
        plan.make(given, "davis2017")


def test_chance_has_no_value_for_masks():
    with pytest.raises(WrongCall, match="chance gives chance; davis2017 cannot use that"):
        plan.make("chance", "davis2017")


def test_the_command_scores_a_folder(tmp_path):
    write_set(tmp_path, SET)
    results = write_results(tmp_path / "results", SET)
    asked = ["davis2017", "--results", str(results), "--data", str(tmp_path), "--store", str(tmp_path / "store")]
    done = CliRunner().invoke(app, [*asked, "--name", "my row"])
    assert done.exit_code == 0 and "davis2017 my row: jf_mean" in done.stdout and "n = 2" in done.stdout
    dry = CliRunner().invoke(app, [*asked, "--name", "my row", "--dry-run"])
    assert "cached: davis2017-my-row-given" in dry.stdout


@pytest.mark.parametrize("words", [[], ["--method", "random", "--results", "."], ["--method", "random", "--name", "x"]])
def test_one_of_method_and_results_is_asked(words):
    done = CliRunner().invoke(app, ["davis2017", *words])
    assert isinstance(done.exception, WrongCall)


def test_where_the_files_lie_is_remembered_beside_the_record(tmp_path, store):
    folder = write_set(tmp_path, SET)
    results = write_results(tmp_path / "results", SET)
    record = run.evaluate(GivenResults(results), "davis2017", data=folder, store=store)
    assert store.read_places(record.id) == {"data": folder, "results": results}
    told = {**record.without_run(), "id": ""}
    assert str(tmp_path) not in str(told), "a record names no place on somebody's machine"
    assert store.read_places("another") == {}
    (store.root / "places" / f"{record.id}.json").write_text("[1")
    assert store.read_places(record.id) == {}
