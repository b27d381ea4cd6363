"""A real package of somebody else, installed by pip: a method, a benchmark and a data set, run by name."""

import subprocess
import sys
import textwrap

import commands
import pytest

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "somebody-else"
version = "2.0"
[tool.setuptools]
py-modules = ["somebody_else", "somebody_broken"]
[project.entry-points."unlabeled.methods"]
loudest = "somebody_else:Loudest"
[project.entry-points."unlabeled.benchmarks"]
esc10_holdout = "somebody_else:BENCHMARK"
broken_protocol = "somebody_broken:BENCHMARK"
[project.entry-points."unlabeled.datasets"]
esc10_mirror = "somebody_else:DATASET"
"""

MODULE = '''
"""Loudest: a made-up package."""
from dataclasses import dataclass
import numpy as np
from unlabeled.benchmarks._clips import ClipClassification
from unlabeled.benchmarks.probes.sound import StepWindows, WholeClip
from unlabeled.contracts import Method
from unlabeled.datasets.esc10 import Esc10

@dataclass(frozen=True)
class Preset:
    power: float = 2.0

class Role:
    def __init__(self, power): self.power = power
    def _loud(self, items): return np.array([np.mean(np.abs(items[k]) ** self.power) for k in range(len(items))])
    def fit(self, items, labels, rng):
        loud = self._loud(items)
        self.means = np.array([loud[labels == k].mean() for k in range(labels.max() + 1)])
    def scores(self, items): return -np.abs(self._loud(items)[:, None] - self.means)

class Loudest(Method):
    id, cite, roles, home = "loudest", "", frozenset({"classifier"}), ("esc10_holdout",)
    supervision = "labels"
    presets = {"nano": Preset(), "mini": Preset()}
    def adapt(self, net, preset): return Role(preset.power)

class Holdout(ClipClassification):
    recipes = {"whole": WholeClip(), "soundnet-svm": StepWindows(sound_s=10.0, window_s=1.0)}
    def units(self, data, recipe): return ("fold 5",)
    def split(self, unit, data):
        return [i for i in data.items if i.fold != 5], [i for i in data.items if i.fold == 5]

class Mirror(Esc10):
    id = "esc10_mirror"

BENCHMARK = Holdout("esc10_holdout", "ESC-10, fold 5 alone", dataset="esc10_mirror")
DATASET = Mirror()
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("third")
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "somebody_else.py").write_text(textwrap.dedent(MODULE))
    (folder / "somebody_broken.py").write_text("raise RuntimeError('half written')\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "install", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--target", folder / "site", folder], check=True)
    return folder / "site"


@pytest.mark.slow
def test_an_installed_package_runs_by_name(site, nano, tmp_path):
    asked = ("--preset", "nano", "--data", nano)
    expected = {
        ("list", "methods"): "loudest",
        ("list", "datasets"): "esc10_mirror",
        ("--help",): "esc10_holdout",
        ("esc10_holdout", "-m", "loudest", *asked): "n = 20 (world",
        ("esc10_holdout", "-m", "chance", *asked): "accuracy 10.0, n = 20",
        ("esc10_holdout", "-m", "svm_mfcc", *asked): "n = 20 (world",
        ("esc10", "-m", "loudest", *asked): "n = 100 (world",
        ("compare", "esc10_holdout-loudest", "esc10_holdout-svm_mfcc"): "A - B",
        ("run-all", "--grid", "home", *asked, "--dry-run"): "esc10_holdout loudest",
        ("broken_protocol", "-m", "loudest"): "half written",
        ("esc10_holdout", "-m", "loudst"): "no method is called 'loudst'",
    }
    told = commands.run(expected, site, tmp_path)
    assert [status for status, _ in told] == [0] * 9 + [1, 2]
    for words, (_, text) in zip(expected.values(), told, strict=True):
        assert words in text
    assert "half written" in told[8][1], "what cannot be loaded is named, and the rest of the grid goes on"
