"""The package that `new method` writes passes its own test, and is found by name once it is installed."""

import importlib
import json
import os
import subprocess
import sys

import pytest

from unlabeled import check_method, registry, skeleton
from unlabeled.errors import UnlabeledError, WrongCall


def python(*arguments, folder, path):
    """Run Python in `folder` with `path` first in its search path."""
    env = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)


def test_it_writes_four_small_files(tmp_path):
    files = skeleton.new_method("band_means", tmp_path / "new" / "package")
    assert [file.name for file in files] == ["README.md", "band_means.py", "test_band_means.py", "pyproject.toml"]
    text = "".join(file.read_text() for file in files)
    assert "xample" not in text.lower() and "class BandMeans(Method)" in text and 'name = "band-means"' in text
    assert sorted(files) == sorted((tmp_path / "new" / "package").iterdir())


def test_the_method_has_nothing_against_it(tmp_path, monkeypatch):
    skeleton.new_method("means_of_bands", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    findings = check_method.check(importlib.import_module("means_of_bands").MeansOfBands())
    del sys.modules["means_of_bands"]
    assert all(finding.ok and not finding.note for finding in findings)


@pytest.mark.slow
def test_it_passes_its_own_test(tmp_path):
    skeleton.new_method("band_means", tmp_path / "package")
    done = python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", folder=tmp_path / "package", path=tmp_path / "package"
    )
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr


def test_it_passes_the_checks_of_this_project(tmp_path):
    files = skeleton.new_method("band_means", tmp_path)
    settings = ["--line-length", "120", "--isolated", "--select", "E,F,W,I,B,UP,SIM"]
    for command in (["ruff", "check", *settings], ["ruff", "format", "--check", "--isolated", "--line-length", "120"]):
        code = [file for file in files if file.suffix == ".py"]
        done = python("-m", *command, *code, folder=tmp_path, path="")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_installed_it_runs_by_name(tmp_path, nano):
    skeleton.new_method("band_means", tmp_path / "package")
    pip = ("-m", "pip", "--disable-pip-version-check", "-q", "install", "--no-deps", "--no-build-isolation")
    installed = python(*pip, "--target", tmp_path / "site", tmp_path / "package", folder=tmp_path, path="")
    assert installed.returncode == 0, installed.stderr

    def call(*arguments):
        return python("-m", "unlabeled", *arguments, folder=tmp_path, path=tmp_path / "site")

    listed = call("list", "methods").stdout
    assert "band_means" in listed and "Nearest mean of the energies" in listed
    done = call("esc10", "-m", "band_means", "--preset", "nano", "--data", nano, "--store", tmp_path / "s", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["status"] == "complete" and record["method"]["source"] == "band_means (band-means)"
    assert record["scores"]["accuracy"]["value"] > 0.1


@pytest.mark.parametrize(
    "name", ["", "Mine", "my-method", "2mine", "my method", "mine_", "my__own", "class", "é", "../x"]
)
def test_names_that_are_no_modules_are_refused(name, tmp_path):
    with pytest.raises(WrongCall, match="cannot be the name"):
        skeleton.new_method(name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name, words", [("svm_mfcc", "taken by a method of unlabeled"), ("numpy", "would hide it")])
def test_taken_names_are_refused(name, words, tmp_path):
    with pytest.raises(WrongCall, match=words):
        skeleton.new_method(name, tmp_path / "new")


def test_an_empty_folder_of_the_same_name_is_no_module(tmp_path, monkeypatch):
    (tmp_path / "band_means").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert len(skeleton.new_method("band_means", tmp_path / "band_means")) == 4


def test_folders_that_hold_something_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(WrongCall, match="not empty"):
        skeleton.new_method("band_means", tmp_path)
    with pytest.raises(WrongCall, match="is a file"):
        skeleton.new_method("band_means", tmp_path / "notes.txt")
    with pytest.raises(UnlabeledError, match="cannot write"):
        skeleton.new_method("band_means", tmp_path / "notes.txt" / "new")
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_the_registry_is_asked_for_third_party_names(monkeypatch, tmp_path):
    plugin = registry.Plugin("methods", "band_means", "elsewhere", "METHOD", "another-package")
    monkeypatch.setattr(registry, "_plugins", lambda kind: ({"band_means": plugin}, ()))
    with pytest.raises(WrongCall, match="taken by a method of another-package"):
        skeleton.new_method("band_means", tmp_path / "new")
