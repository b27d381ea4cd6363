"""The synthetic hmdb51: layout, splits, a shift of domain against ucf101, sizes."""

from __future__ import annotations

import platform
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from unlabeled.datasets.world import actions, hmdb51, manifest
from unlabeled.datasets.world.knobs import HMDB51, PRESETS, UCF101, FilmSize
from unlabeled.datasets.world.make import ensure, make

NANO_0 = "bfb2eb89fcd10190b77efa0ea76cf0b539b1ddfadd2195c21ab03376bfdd82d1"
"""Content root of nano, seed 0, made on x86_64. It changes with any knob or generator, and then the
version has to."""

SIZES = {
    "nano": (8, (4, 2, 1), FilmSize(24, 40, 32)),
    "mini": (8, (56, 24, 4), FilmSize(48, 60, 48)),
    "small": (16, (70, 30, 2), FilmSize(64, 160, 128)),
}
EIGHT = ["glow_fast", "glow_slow", "grow_fast", "grow_slow", "rise_fast", "rise_slow", "shake", "still"]


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    return make(["hmdb51"], "nano", 0, tmp_path_factory.mktemp("world")) / "HMDB51"


@pytest.mark.parametrize("preset", PRESETS)
def test_counts_and_splits_of_each_preset(preset):
    labels, (train, test, unused), film = SIZES[preset]
    items = hmdb51.items(preset, 3)
    assert len(items) == labels * (train + test + unused)
    assert len({item.name for item in items}) == len(items)
    assert {item.take.size for item in items} == {film}
    for split in range(3):
        by_class = Counter((item.label, item.roles[split]) for item in items)
        assert set(by_class.values()) == {train, test, unused}
        assert {count for (_, role), count in by_class.items() if role == 1} == {train}
        assert {count for (_, role), count in by_class.items() if role == 2} == {test}
    assert len({tuple(item.roles[split] for item in items) for split in range(3)}) == 3


def test_files_and_lists_follow_the_official_grammar(nano):
    assert {path.name for path in nano.iterdir()} == {"hmdb51_org", "testTrainMulti_7030_splits", "MANIFEST.json"}
    lists = sorted(path.name for path in (nano / "testTrainMulti_7030_splits").iterdir())
    assert lists == [f"{label}_test_split{split}.txt" for label in EIGHT for split in (1, 2, 3)]
    for name in lists:
        label = name.partition("_test_split")[0]
        files = sorted(path.name for path in (nano / "hmdb51_org" / label).iterdir())
        text = (nano / "testTrainMulti_7030_splits" / name).read_text()
        rows = re.findall(r"^(\S+\.avi) ([012]) \n", text, flags=re.MULTILINE)
        assert len(rows) == text.count("\n") == 7
        assert sorted(file for file, _ in rows) == files
        assert all(re.fullmatch(rf"source\d+_{label}_u_cm_np1_fr_med_0\.avi", file) for file in files)
        assert Counter(role for _, role in rows) == {"1": 4, "2": 2, "0": 1}


@pytest.mark.parametrize("seed", range(6))
def test_a_source_is_one_kind_scene_and_role_for_all_classes(seed):
    cast = {}
    for clip in hmdb51.items("mini", seed):
        cast.setdefault(clip.source, set()).add((clip.kind, clip.scene, clip.roles))
    assert len(cast) == 84 and all(len(found) == 1 for found in cast.values())
    sources = [found.pop() for found in cast.values()]
    assert set(Counter(kind for kind, _, _ in sources).values()) == {7}
    assert set(Counter(scene for _, scene, _ in sources).values()) == {8, 9}
    for split in range(3):
        assert {kind for kind, _, roles in sources if roles[split] == 1} == set(range(25, 37))


def test_the_domain_is_another_than_that_of_ucf101():
    assert not set(HMDB51.kinds) & set(UCF101.kinds)
    assert HMDB51.film.pan == pytest.approx(3 * UCF101.film.pan)
    assert HMDB51.film.shake == pytest.approx(3 * UCF101.film.shake)
    assert (UCF101.film.distractors, HMDB51.film.distractors) == (0, 1)
    assert replace(HMDB51.film, pan=UCF101.film.pan, shake=UCF101.film.shake, distractors=0) == UCF101.film


def test_another_object_of_another_kind_belongs_to_the_ground():
    clip = next(item for item in hmdb51.items("mini", 1) if item.label == "still").take
    quiet = replace(clip.knobs, contrast=0.0, pan=0.0, shake=0.0, light=0.0, noise=0.0)
    alone, both = (replace(clip, knobs=replace(quiet, distractors=count)) for count in (0, 1))
    a, b = (actions.film(take)[0].astype(int) for take in (alone, both))
    assert not np.array_equal(a, b)
    # Where the object that acts is seen alone, it is seen in front of the other, too.
    ground = a[0, 0]
    acting = np.abs(a - ground).max(axis=2) > 60
    assert acting.any() and np.abs(a - b)[acting].max() < 80
    moving = replace(both, knobs=replace(quiet, pan=0.9))
    frames = actions.film(moving).astype(int)
    assert np.abs(frames[0] - frames[-1])[acting].mean() < np.abs(frames[0] - frames[-1])[~acting].max()


def test_the_content_does_not_hang_on_processes(nano, tmp_path):
    again = make(["hmdb51"], "nano", 0, tmp_path, jobs=2) / "HMDB51"
    assert manifest.read(again) == manifest.read(nano)
    assert manifest.check(nano) == []


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the stored root is of the x86_64 family")
def test_content_is_what_it_was(nano):
    made = manifest.read(nano)
    assert made is not None and made.world == "hmdb51@w1"
    assert made.content_root == NANO_0


def test_nano_keeps_to_its_size(nano):
    assert sum(file.stat().st_size for file in nano.rglob("*.*")) < 0.9e6


@pytest.mark.slow
def test_mini_keeps_to_its_size(worlds):
    folder = ensure("hmdb51", "mini", 1, worlds) / "HMDB51"
    assert len(list((folder / "hmdb51_org").rglob("*.avi"))) == 8 * 84
    assert sum(file.stat().st_size for file in folder.rglob("*.*")) < 18.5e6
