"""Every published cell has a line: the command that measures it, or the one thing that is missing."""

import shlex

import pytest

from unlabeled import outlook, published, registry, tables
from unlabeled.errors import UnlabeledError
from unlabeled.store import Store


def cells(data, tmp_path):
    *listed, last = outlook.lines(data, Store(tmp_path / "store"))
    return [line.strip() for line in listed if line.startswith("  ")], last


def test_every_cell_is_listed_once(tmp_path):
    lines, last = cells(None, tmp_path)
    assert len(lines) == len(published.load().cells) == 247
    assert all(": missing: " in line or ": unlabeled " in line for line in lines)
    assert last.startswith("247 published cells: 1 can be measured now")
    (ready,) = [line for line in lines if ": unlabeled " in line]
    assert "--method chance" in ready, "chance needs no data"


def test_a_part_of_a_set_is_no_set(nano, tmp_path):
    """The generated clips lie in the official layout, but a subset of ESC-50 fills no cell."""
    import shutil

    shutil.copytree(registry.load("datasets", "esc50").find(nano), tmp_path / "data" / "ESC-50")
    (tmp_path / "data" / "ESC-50" / "MANIFEST.json").unlink()
    assert "1 can be measured now" in cells(tmp_path / "data", tmp_path)[1]


def test_every_command_in_a_table_names_what_is_registered():
    numbers = published.load()
    for name in numbers.table_ids():
        for line in tables.lecture_table(numbers, name, [], outlook.BUILT).commands:
            words = shlex.split(line)
            given = dict(zip(words[2::2], words[3::2], strict=True))
            assert given["--recipe"] in registry.load("benchmarks", words[1]).recipes, line
            assert {given.get("--variant", "")} <= {"", *registry.load("methods", given["--method"]).variants}, line


def test_a_plug_in_that_cannot_be_loaded_counts_as_not_built(monkeypatch):
    def torn(kind, name):
        raise UnlabeledError(f"{name} cannot be loaded", "mend it")

    assert outlook.BUILT.recipes("no_such_benchmark") is None
    monkeypatch.setattr(registry, "load", torn)
    assert outlook._recipes.__wrapped__("esc10") is outlook._variants.__wrapped__("svm_mfcc") is None


@pytest.mark.slow
def test_with_official_data_there_are_commands_that_can_be_planned(real_data, tmp_path):
    from unlabeled import plan

    lines, _ = cells(real_data, tmp_path)
    commands = [shlex.split(line.split(": ", 1)[1]) for line in lines if ": unlabeled " in line]
    methods = {words[words.index("--method") + 1] for words in commands if words[1] == "esc10"}
    assert methods == {"svm_mfcc", "random_forest", "knn_mfcc"}
    for words in commands:
        given = dict(zip(words[2::2], words[3::2], strict=True))
        assert plan.make(given["--method"], words[1], data=real_data, preset="paper", recipe=given["--recipe"])
