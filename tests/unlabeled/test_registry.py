"""Names to plug-ins: ours are files, others are entry points; a broken one breaks nothing else."""

import subprocess
import sys
import textwrap

import pytest

from unlabeled import registry
from unlabeled.errors import WrongCall


@pytest.mark.parametrize("kind", ["methods", "benchmarks", "datasets"])
def test_every_plug_in_of_ours_loads_under_its_file_name(kind):
    assert registry.names(kind)
    for name in registry.names(kind):
        assert registry.load(kind, name).id == name
        assert len(registry.find(kind, name).summary()) > 10


def test_every_recipe_and_preset_can_be_planned():
    from unlabeled import plan

    for name in registry.names("methods"):
        method = registry.load("methods", name)
        assert set(method.presets) == set(plan.PRESETS)
        for benchmark in set(method.home) & set(registry.names("benchmarks")):
            for preset in plan.WORLD_PRESETS:
                assert plan.make(name, benchmark, preset=preset).spec.recipe


def test_unknown_names_list_the_near_ones():
    with pytest.raises(WrongCall, match="did you mean svm_mfcc"):
        registry.find("methods", "smv_mfcc")
    with pytest.raises(WrongCall, match=r"known: .*esc10"):
        registry.find("benchmarks", "zzz")


@pytest.fixture
def third_party(tmp_path):
    """A distribution with a method that works, one that cannot be imported, and one of a taken name."""
    info = tmp_path / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[unlabeled.methods]\nthirds = third_party:Thirds\nbroken = third_broken:METHOD\n"
        "svm_mfcc = third_party:Thirds\nliar = third_party:Thirds\n"
    )
    (tmp_path / "third_broken.py").write_text("import no_such_module\n")
    (tmp_path / "third_party.py").write_text(
        textwrap.dedent(
            '''
            """Thirds: always the third class."""
            import numpy as np
            from unlabeled import contracts
            from dataclasses import dataclass

            @dataclass(frozen=True)
            class P:
                pass

            class Thirds(contracts.Method):
                id, cite, home, roles, presets = "thirds", "", ("esc10",), frozenset({"classifier"}), {"nano": P()}
                def adapt(self, net, preset):
                    class Role:
                        def fit(self, items, labels, rng):
                            self.n = labels.max() + 1
                        def scores(self, items):
                            return np.tile(np.arange(self.n) == 2, (len(items), 1)).astype(float)
                    return Role()
            '''
        )
    )
    return tmp_path


def call(third_party, *arguments):
    from os import environ

    env = {**environ, "PYTHONPATH": str(third_party)}
    command = [sys.executable, "-m", "unlabeled", *map(str, arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)


def test_a_third_party_method_runs_by_name(third_party, nano, tmp_path):
    done = call(third_party, "esc10", "-m", "thirds", "--preset", "nano", "--data", nano, "--store", tmp_path / "s")
    assert done.returncode == 0, done.stderr
    assert "accuracy 10.0" in done.stdout


def test_broken_and_taken_names_are_told_and_break_nothing(third_party, nano, tmp_path):
    listed = call(third_party, "list", "methods")
    assert listed.returncode == 0 and "thirds" in listed.stdout and "Thirds: always the third class." in listed.stdout
    assert "'svm_mfcc' of third-party: the name is taken by unlabeled" in listed.stderr
    broken = call(third_party, "esc10", "-m", "broken", "--store", tmp_path / "s")
    assert broken.returncode == 1 and "third_broken" in broken.stderr and "Traceback" not in broken.stderr
    liar = call(third_party, "esc10", "-m", "liar", "--store", tmp_path / "s")
    assert liar.returncode == 1 and "calls itself 'thirds'" in liar.stderr
    doctor = call(third_party, "doctor")
    assert doctor.returncode == 0 and "cannot be loaded" in doctor.stdout
