"""`new method NAME`: a small package of one's own with a method that works, its test and its packaging."""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path

from unlabeled import registry
from unlabeled.errors import WrongCall
from unlabeled.files import write_atomic, writing

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def new_method(name: str, folder: Path) -> list[Path]:
    """Write the package of a new method into a new or empty folder; the files, in the order to read them.

    Parameters
    ----------
    name : id of the method, its module and its entry point: lower-case letters, digits and single underscores.
    folder : made where it does not exist.

    Raises
    ------
    WrongCall : a name that cannot be a module or is taken, a folder that holds something.
    UnlabeledError : the folder cannot be written.
    """
    _refuse_name(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WrongCall(f"{folder} is {'not empty' if folder.is_dir() else 'a file'}", "name a new folder with --out")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    files = {"README.md": README, f"{name}.py": METHOD, f"test_{name}.py": TEST, "pyproject.toml": PACKAGE}
    for file, text in files.items():
        write_atomic(folder / file, _named(text, name).encode())
    return [folder / file for file in files]


def _refuse_name(name: str) -> None:
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise WrongCall(
            f"{name!r} cannot be the name of a method",
            "it becomes a module: lower-case letters, digits and single underscores, a letter first, no word of Python",
        )
    if name in registry.names("methods"):
        raise WrongCall(
            f"the name {name!r} is taken by a method of {registry.find('methods', name).distribution}",
            "choose another one; `unlabeled list methods` shows them",
        )
    # A folder of that name on the path has no origin and hides nothing.
    found = importlib.util.find_spec(name)
    if found is not None and found.origin is not None:
        raise WrongCall(f"{name!r} is already a module of this Python: yours would hide it", "choose another name")


def _named(text: str, name: str) -> str:
    """The template with its example names replaced."""
    title = "".join(part.capitalize() for part in name.split("_"))
    replaced = text.replace("EXAMPLE_PROJECT", name.replace("_", "-"))
    return replaced.replace("example_method", name).replace("ExampleMethod", title)


README = """\
# EXAMPLE_PROJECT

A method for `unlabeled`: `example_method.py` holds it, `test_example_method.py` checks it.

    pip install --no-build-isolation -e .
    python -m pytest                          # the checks of its contract, and one run in seconds
    unlabeled check-method example_method
    unlabeled esc10 -m example_method --preset nano
"""

METHOD = '''\
"""Nearest mean of the energies in eight frequency bands: replace this line by the idea of your method.

`unlabeled list methods` shows the first line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from unlabeled.contracts import Items, Method
from unlabeled.streams import Rng

# ---------------------------------------------------------------- constants


@dataclass(frozen=True)
class Preset:
    """Every constant of the method. `--set bands=12` changes one for a run, and the record says so."""

    bands: int = 8
    lowest: float = 50.0  # Hz


# ---------------------------------------------------------------- classifier


class NearestMean:
    """The role `classifier`: the only role that sees labels. One object is fitted anew for every fold."""

    def __init__(self, preset: Preset) -> None:
        self.preset = preset

    def features(self, items: Items) -> np.ndarray:
        """`(N, bands)`: log energies. `items[k]` decodes wave k, `(samples,)` in [-1, 1] at `items.rate` Hz."""
        return np.stack([self._bands(items[k], items.rate) for k in range(len(items))])

    def _bands(self, wave: np.ndarray, rate: int) -> np.ndarray:
        power = np.abs(np.fft.rfft(wave)) ** 2
        edges = np.geomspace(self.preset.lowest, rate / 2, self.preset.bands + 1) * len(wave) / rate
        starts = np.round(edges[:-1]).astype(int)
        # The small number keeps the logarithm of a silent clip finite.
        return np.log(np.add.reduceat(power, starts) / len(wave) + 1e-6)

    def fit(self, items: Items, labels: np.ndarray, rng: Rng) -> None:
        """Learn from items and labels `(N,)`, whole numbers from 0.

        Draw what is random from `rng.numpy("a name for the purpose")` alone: the run can then be repeated.
        """
        features = self.features(items)
        self.centre, self.scale = features.mean(axis=0), features.std(axis=0) + 1e-6
        scaled = (features - self.centre) / self.scale
        self.means = np.stack([scaled[labels == k].mean(axis=0) for k in range(labels.max() + 1)])

    def scores(self, items: Items) -> np.ndarray:
        """`(N, classes)`, the higher the likelier. No item may change the scores of another one."""
        scaled = (self.features(items) - self.centre) / self.scale
        return -np.linalg.norm(scaled[:, None] - self.means, axis=2)


# ---------------------------------------------------------------- method


class ExampleMethod(Method):
    """What `unlabeled` reads: a name, a citation, the roles it plays, its sizes."""

    id = "example_method"  # equal to the name of the entry point in pyproject.toml
    cite = ""  # a citation key, such as "aytar2016soundnet"
    roles = frozenset({"classifier"})  # see unlabeled.contracts.ROLES
    home = ("esc10",)  # benchmarks that `unlabeled run-all` puts it through
    supervision = "labels"  # "none" for a method that learned from unlabeled data alone
    # nano: seconds, for tests; mini: CPU minutes; small: one GPU; paper: what the paper did.
    presets = {"nano": Preset(), "mini": Preset(), "small": Preset(), "paper": Preset()}

    def adapt(self, net: None, preset: Preset) -> NearestMean:
        """An object with the methods of its roles. `net` is what `build(preset, rng)` gave: nothing here."""
        return NearestMean(preset)
'''

TEST = '''\
"""The contract of the method, and one whole run on generated sound."""

import unlabeled
from unlabeled import check_method

from example_method import ExampleMethod


def test_it_keeps_the_contract():
    faults = [f"{finding.name}: {finding.text}" for finding in check_method.check(ExampleMethod()) if not finding.ok]
    assert not faults, "\\n".join(faults)


def test_it_runs(tmp_path):
    record = unlabeled.evaluate(ExampleMethod(), "esc10", preset="nano", store=tmp_path)
    assert record.status == "complete"
    # Ten classes: guessing gives 0.1.
    assert record.scores["accuracy"]["value"] > 0.1
'''

PACKAGE = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "EXAMPLE_PROJECT"
version = "0.1.0"
description = "A method for unlabeled"
requires-python = ">=3.11"
dependencies = ["unlabeled", "numpy"]

# This line makes `unlabeled` find the method by its name.
[project.entry-points."unlabeled.methods"]
example_method = "example_method:ExampleMethod"

[tool.setuptools]
py-modules = ["example_method"]
"""
