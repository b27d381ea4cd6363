"""What moves a key and what does not: comments never, constants exactly where they are used."""

import shutil
from pathlib import Path

import pytest
from toys import Loudness

from unlabeled import keys
from unlabeled.errors import UnlabeledError

ROOT = Path(__file__).parents[2]
FOLDERS = {"unlabeled": "unlabeled", **{f"unlabeled.{n}": n for n in ("benchmarks", "methods", "datasets", "training")}}


@pytest.fixture
def copy(tmp_path):
    """A copy of the source tree that may be changed."""
    for folder in set(FOLDERS.values()):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def finder(root):
    def find(name):
        for package in sorted(FOLDERS, key=len, reverse=True):
            if name == package or name.startswith(package + "."):
                base = root / FOLDERS[package] / name[len(package) + 1 :].replace(".", "/")
                for file in (base.with_suffix(".py"), base / "__init__.py"):
                    if file.is_file() and file.name != ".py":
                        return file
                return None
        return None

    return find


def key(root, method, benchmark="esc10"):
    modules = [f"unlabeled.methods.{method}", f"unlabeled.benchmarks.{benchmark}", f"unlabeled.datasets.{benchmark}"]
    return keys.code_key(modules, finder(root)).key


def everything(root):
    return {name: key(root, name) for name in ("svm_mfcc", "random_forest", "knn_mfcc", "chance")}


def change(root, file, old, new):
    path = root / file
    text = path.read_text()
    assert old in text, f"{file} holds no {old!r}"
    path.write_text(text.replace(old, new, 1))


def test_the_copy_has_the_keys_of_the_installed_code(copy):
    installed = keys.code_key(["unlabeled.methods.svm_mfcc", "unlabeled.benchmarks.esc10", "unlabeled.datasets.esc10"])
    assert key(copy, "svm_mfcc") == installed.key
    assert "unlabeled.training.signals.mfcc" in installed.modules
    assert "unlabeled.datasets.decode.sound" in installed.modules
    assert "unlabeled.run" not in installed.modules and "unlabeled.cli" not in installed.modules
    assert {"scikit-learn", "numpy", "torch", "soundfile"} <= set(installed.versions)


def test_comments_and_docstrings_change_nothing(copy):
    before = everything(copy)
    for file in (
        "methods/svm_mfcc.py",
        "training/signals/mfcc.py",
        "benchmarks/metrics/accuracy.py",
        "datasets/_esc.py",
    ):
        path = copy / file
        text = path.read_text().replace('"""', '"""Other words. ', 1)
        path.write_text("# a comment\n" + text.replace("\n\n\n", "\n\n\n# another\n"))
    assert everything(copy) == before


def test_a_constant_of_a_method_moves_that_method_alone(copy):
    before = everything(copy)
    change(copy, "methods/svm_mfcc.py", "C: float = 0.1", "C: float = 0.2")
    after = everything(copy)
    assert {name for name in before if before[name] != after[name]} == {"svm_mfcc"}


def test_a_constant_of_the_shared_front_end_moves_what_uses_it(copy):
    before = everything(copy)
    change(copy, "training/signals/spectra.py", "80", "70")
    after = everything(copy)
    assert {name for name in before if before[name] != after[name]} == {"svm_mfcc", "random_forest", "knn_mfcc"}


@pytest.mark.parametrize("file", ["benchmarks/metrics/accuracy.py", "datasets/decode/sound.py", "unlabeled/streams.py"])
def test_a_constant_of_metric_reader_or_streams_moves_everything(copy, file):
    before = everything(copy)
    with (copy / file).open("a") as stream:
        stream.write("\nANOTHER = 1\n")
    after = everything(copy)
    assert all(before[name] != after[name] for name in before)


def test_modules_that_no_number_depends_on_move_nothing(copy):
    before = everything(copy)
    for file in (
        "unlabeled/cli.py",
        "unlabeled/run.py",
        "unlabeled/errors.py",
        "unlabeled/tables.py",
        "benchmarks/esc50.py",
    ):
        if file != "benchmarks/esc50.py":
            with (copy / file).open("a") as stream:
                stream.write("\nANOTHER = 1\n")
    assert everything(copy) == before


def test_the_contract_counts_by_its_number(copy, monkeypatch):
    before = everything(copy)
    with (copy / "unlabeled/contracts.py").open("a") as stream:
        stream.write("\nANOTHER = 1\n")
    assert everything(copy) == before
    monkeypatch.setattr(keys.contracts, "SCHEMA", 99)
    assert all(everything(copy)[name] != before[name] for name in before)


def test_data_files_that_a_module_names_are_hashed(tmp_path):
    module = tmp_path / "reads.py"
    module.write_text('DATA_FILES = ("table.csv",)\n')
    (tmp_path / "table.csv").write_text("1")
    first = keys.code_key(["reads"], lambda name: module if name == "reads" else None).key
    (tmp_path / "table.csv").write_text("2")
    assert keys.code_key(["reads"], lambda name: module if name == "reads" else None).key != first


def test_imports_inside_functions_and_relative_ones_are_followed(tmp_path):
    files = {
        "pack": tmp_path / "pack/__init__.py",
        "pack.a": tmp_path / "pack/a.py",
        "pack.b": tmp_path / "pack/b.py",
        "pack.deep": tmp_path / "pack/deep/__init__.py",
        "pack.deep.c": tmp_path / "pack/deep/c.py",
    }
    for file in files.values():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    files["pack.a"].write_text("def f():\n    from . import b\n")
    files["pack.b"].write_text("from .deep.c import x\n")
    files["pack.deep.c"].write_text("from .. import a\nx = 1\n")
    found = keys.code_key(["pack.a"], files.get)
    assert set(files) <= set(found.modules)


def test_a_method_without_source_cannot_be_keyed():
    with pytest.raises(UnlabeledError, match="no source file"):
        keys.code_key(["no.such.module"])


def test_a_plug_in_is_keyed_by_its_own_file():
    found = keys.code_key([type(Loudness()).__module__])
    assert "toys" in found.modules


def test_versions_of_numeric_packages_are_in_the_key(copy, monkeypatch):
    before = key(copy, "svm_mfcc")
    monkeypatch.setattr(keys.metadata, "version", lambda name: "0.0")
    assert key(copy, "svm_mfcc") != before


def test_spec_key_hangs_on_spec_data_and_weights():
    base = keys.spec_key({"seed": 0}, "data", "")
    others = [
        keys.spec_key({"seed": 1}, "data"),
        keys.spec_key({"seed": 0}, "other"),
        keys.spec_key({"seed": 0}, "data", "w"),
    ]
    assert len({base, *others}) == 4
