"""A real package of somebody else, installed by pip: a method, a benchmark and a data set, run by name."""

import os
import subprocess
import sys
import textwrap

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
    env = {**os.environ, "PYTHONPATH": str(site)}

    def call(*arguments, status=0):
        command = [sys.executable, "-m", "unlabeled", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == status and "Traceback" not in done.stderr, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert "loudest" in call("list", "methods") and "esc10_mirror" in call("list", "datasets")
    assert "esc10_holdout" in call("--help")
    asked = ("--preset", "nano", "--data", nano)
    assert "n = 20 (world" in call("esc10_holdout", "-m", "loudest", *asked)
    assert "accuracy 10.0, n = 20" in call("esc10_holdout", "-m", "chance", *asked)
    assert "n = 20 (world" in call("esc10_holdout", "-m", "svm_mfcc", *asked)
    assert "n = 100 (world" in call("esc10", "-m", "loudest", *asked)
    assert "A - B" in call("compare", "esc10_holdout-loudest", "esc10_holdout-svm_mfcc")
    assert "half written" in call("broken_protocol", "-m", "loudest", status=1)
    grid = call("run-all", "--grid", "home", *asked, "--dry-run")
    assert "esc10_holdout loudest" in grid and "half written" in grid
    assert "no method is called 'loudst'" in call("esc10_holdout", "-m", "loudst", status=2)
