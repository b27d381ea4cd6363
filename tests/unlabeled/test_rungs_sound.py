"""Rungs of the sound sets: what stands for labels, how a trunk is told, and the two ends of the ladder."""

import csv
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from unlabeled import rungs_sound
from unlabeled.contracts import Batch, Train
from unlabeled.datasets.world import dcase2013, make, pool
from unlabeled.datasets.world.cast import KINDS
from unlabeled.methods import random as untrained
from unlabeled.rungs_sound import SETS
from unlabeled.streams import Rng, stream

NANO = untrained.PRESETS["nano"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    out = tmp_path_factory.mktemp("sounds")
    return {name: make.ensure(name, "nano", 1, out) / make.SETS[name].folder for name in SETS}


@pytest.mark.parametrize("name", SETS)
def test_the_truth_reaches_the_top(folders, name):
    assert rungs_sound.truth(name, folders[name], "nano", 1) == 1.0


def test_a_truth_that_belongs_to_other_clips_says_nothing(folders, monkeypatch):
    known = SETS["esc50"].truth("nano", 1)
    mixed = dict(zip(known, stream(0, "mixed").permutation(list(known.values())), strict=True))
    monkeypatch.setitem(SETS, "esc50", replace(SETS["esc50"], truth=lambda preset, seed: mixed))
    assert rungs_sound.truth("esc50", folders["esc50"], "nano", 1) < 0.3


def test_the_spectrum_alone_says_something_and_not_all(folders):
    # The set itself is judged at mini (tests/datasets/world): here, with two clips of a scene, that it can be told.
    assert 0.15 < rungs_sound.spectrum("dcase2013", folders["dcase2013"], "nano", 1) < 1.0


def test_kinds_that_are_told_are_those_of_the_hidden_truth():
    clips = pool.items("nano", 1)
    table = next(file for file in pool.tables("nano", clips) if file.path == pool.TRUTH)
    heard = {row["clip"]: row for row in csv.DictReader(table.data.decode().splitlines()) if row["sounds"] == "1"}
    sounds, labels = SETS["esc50"].labelled("nano", 1)
    assert [KINDS[label].name for label in labels] == [heard[clip.name]["kind"] for clip in clips]
    assert sounds.shape == (24, 20000) and sounds.dtype == np.int16


def test_scenes_that_are_told_are_no_clips_of_the_set():
    sounds, labels = SETS["dcase2013"].labelled("nano", 1)
    assert Counter(labels.tolist()) == dict.fromkeys(range(10), 2) and len(np.unique(sounds, axis=0)) == 20
    scored = [dcase2013.render(clip).samples[:, 0] for clip in dcase2013.items("nano", 1)]
    assert not any(np.array_equal(told, one) for told in sounds for one in scored)


def test_a_told_trunk_is_scored_by_the_recipe_of_the_random_one(folders):
    first, again = (rungs_sound.told("dcase2013", folders["dcase2013"], "nano", 1) for _ in range(2))
    assert first == again and 0.0 <= first <= 1.0 and round(20 * first) == pytest.approx(20 * first)


def tones(each, seed):
    """Two classes of noise, below and above 800 Hz, of very unlike loudness."""
    rng, hertz = stream(seed, "tones"), np.fft.rfftfreq(12000, 1 / 8000)
    labels = np.tile([0, 1], each)
    spectra = [(hertz < 800) == (label == 0) for label in labels]
    waves = [np.fft.irfft(np.fft.rfft(rng.standard_normal(12000)) * spectrum) for spectrum in spectra]
    return (np.stack(waves) * rng.uniform(0.02, 0.2, (2 * each, 1))).astype(np.float32), labels


def test_a_trunk_learns_what_it_is_told():
    def batches(first, stride=1):
        while True:
            waves, labels = tones(6, first)
            yield Batch((), waves=torch.from_numpy(waves)[:, None], labels=torch.from_numpy(labels))
            first += stride

    plan = Train(steps=12, batch=12, lr=2e-3, opt="adam", schedule="linear")
    role = rungs_sound.learn(batches, 2, NANO, "pool5", plan, Rng(1))
    assert not role.net.training
    others, truth = tones(10, 1000)
    features = role.encode_wave(torch.from_numpy(others), "pool5").mean(2).numpy()
    centres = np.stack([features[:10][truth[:10] == label].mean(axis=0) for label in (0, 1)])
    nearest = np.linalg.norm(features[10:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == truth[10:]).mean() >= 0.9


def test_a_stretch_that_is_shown_is_changed_by_the_known_nuisances():
    wave = tones(1, 3)[0][0]

    def shown(number, bend=0.3):
        return rungs_sound.changed(wave, stream(0, "shown", number), 8000, (6.0, 9.0), bend)

    many = [shown(k) for k in range(60)]
    assert {one.shape for one in many} == {(16384,)} and {one.dtype for one in many} == {np.dtype(np.float32)}
    assert np.array_equal(many[0], shown(0)) and not np.array_equal(many[0], shown(0, bend=0.0))
    silent = [int((one == 0).sum()) for one in many]
    assert max(silent) <= 0.4 * 8000 and len(Counter(silent)) > 40
    levels = np.array([20 * np.log10(np.sqrt(np.mean(one[one != 0] ** 2))) for one in many])
    # Noise adds up to 1.2 dB, and the rest of a stretch may be louder than what was silenced.
    assert -28.5 < levels.min() < -24.0 and -21.0 < levels.max() < -16.0
