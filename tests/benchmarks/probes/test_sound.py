"""The window recipes on cases that can be worked out, and the probe against scikit-learn used directly."""

import tracemalloc

import numpy as np
import pytest
import soundfile
import torch
from sklearn.svm import LinearSVC

from unlabeled.benchmarks.probes import linear_svm
from unlabeled.benchmarks.probes.sound import Features, SecondWindows, StepWindows
from unlabeled.contracts import Label, Point, SoundItem, Survey
from unlabeled.errors import BadData, WrongCall
from unlabeled.streams import Rng

RATE = 1000


class Means:
    """Point `steps`: mean and loudness of every 100 samples; point `one`: of the whole wave."""

    rate, window_s = RATE, 1.0
    points = {"steps": Point("steps", 2, 0.1, 100), "one": Point("one", 2)}

    def __init__(self):
        self.heard = []

    def encode_wave(self, waves, point):
        self.heard.append(tuple(waves.shape))
        if point == "one":
            return torch.stack([waves.mean(1), waves.abs().mean(1)], 1)
        frames = waves.unfold(1, 100, 100)
        return torch.stack([frames.mean(2), frames.abs().mean(2)], 1)


@pytest.fixture
def clips(tmp_path):
    """Eight clips of two seconds; class 1 is louder. The second channel is something else."""
    rng = np.random.default_rng(0)
    items = []
    for k in range(8):
        wave = rng.uniform(-1, 1, (2 * RATE, 2)) * [0.1 + 0.6 * (k % 2), 1.0]
        path = tmp_path / f"{k}.wav"
        soundfile.write(path, wave, RATE, subtype="FLOAT")
        items.append(SoundItem(path.name, path, k % 2, 1 + k // 4, f"r{k}"))
    return items


def survey(items):
    return Survey("x", items[0].path.parent, "", tuple(items), ("a", "b"), (), {}, {}, Label(("world",), ""), "", RATE)


def test_soundnet_windows_by_hand(clips):
    """Ten seconds looped from two, 100 steps, windows of ten steps: 91 windows of 20 numbers."""
    recipe, encoder = StepWindows(sound_s=10.0, window_s=1.0, point="steps"), Means()
    role = recipe.prepare(encoder)
    scores = recipe.scores(role, clips[:4], clips[4:], survey(clips), Rng(0))
    assert scores.shape == (4, 2) and list(scores.argmax(1)) == [0, 1, 0, 1]
    assert encoder.heard == [(1, 10 * RATE)] * 8, "each clip is encoded once, alone, looped to ten seconds"
    rows = recipe._windows(role.of(clips, None))
    assert rows.shape == (8, 91, 20)
    first = soundfile.read(clips[0].path, dtype="float32")[0][:, 0]
    np.testing.assert_allclose(rows[0, 0, :10], first[:1000].reshape(10, 100).mean(1), atol=1e-6)
    np.testing.assert_allclose(rows[0, 20], rows[0, 0], atol=1e-6, err_msg="the clip comes round again after 2 s")
    recipe.scores(role, clips[4:], clips[:4], survey(clips), Rng(0))
    assert len(encoder.heard) == 8, "features are remembered between units"


def test_soundnet_scores_are_the_mean_decision(clips):
    recipe = StepWindows(sound_s=2.0, window_s=0.5, point="steps")
    role = recipe.prepare(Means())
    scores = recipe.scores(role, clips[:4], clips[4:], survey(clips), Rng(0))
    rows, labels = recipe._windows(role.of(clips[:4], None)), np.array([0, 1, 0, 1])
    seed = int(Rng(0).numpy("svm").integers(2**31))
    machine = LinearSVC(C=0.01, loss="squared_hinge", dual=True, random_state=seed, max_iter=1000)
    machine.fit(rows.reshape(-1, rows.shape[2]), labels.repeat(rows.shape[1]))
    test = recipe._windows(role.of(clips[4:], None))
    expected = np.array([machine.decision_function(clip).mean() for clip in test])
    np.testing.assert_allclose(scores[:, 1], expected, atol=1e-9)
    np.testing.assert_allclose(scores[:, 0], -expected, atol=1e-9)


def test_second_windows(clips):
    encoder = Means()
    recipe = SecondWindows(seconds=2.0, windows=5, point="one", choices=(1e-3, 1e-1), inner_folds=2)
    scores = recipe.scores(recipe.prepare(encoder), clips[:4], clips[4:], survey(clips), Rng(0))
    assert list(scores.argmax(1)) == [0, 1, 0, 1]
    assert encoder.heard == [(5, RATE)] * 8, "the windows of a clip are one call"


def test_a_window_longer_than_the_clip(clips):
    recipe = SecondWindows(seconds=2.0, windows=5, window_s=3.0, point="one")
    with pytest.raises(BadData, match="does not fit"):
        recipe.scores(recipe.prepare(Means()), clips[:4], clips[4:], survey(clips), Rng(0))
    recipe = StepWindows(sound_s=2.0, window_s=3.0, point="steps")
    with pytest.raises(WrongCall, match="does not fit"):
        recipe.scores(recipe.prepare(Means()), clips[:4], clips[4:], survey(clips), Rng(0))


def test_points_and_shapes_that_do_not_go_together(clips):
    with pytest.raises(WrongCall, match=r"no point 'pool5'[\s\S]*steps \(2\), one \(2\)"):
        StepWindows(sound_s=2.0, window_s=0.5).prepare(Means())
    recipe = StepWindows(sound_s=2.0, window_s=0.5, point="one")
    with pytest.raises(WrongCall, match="one vector a sound"):
        recipe.scores(recipe.prepare(Means()), clips[:4], clips[4:], survey(clips), Rng(0))


class Odd(Means):
    def __init__(self, change):
        super().__init__()
        self.change = change

    def encode_wave(self, waves, point):
        return self.change(super().encode_wave(waves, point))


@pytest.mark.parametrize(
    "change, words",
    [(lambda f: f * torch.nan, "no numbers"), (lambda f: torch.cat([f, f]), "2 rows of features for 1")],
)
def test_features_that_cannot_be_used(clips, change, words):
    role = Features(Odd(change), "steps", "first")
    with pytest.raises(BadData, match=words):
        role.of(clips, lambda waves: waves)


class Calibrated(Means):
    def __init__(self):
        super().__init__()
        self.batches = []

    def calibrate(self, batches):
        self.batches.append([tuple(waves.shape) for waves in batches])


def test_untrained_networks_are_calibrated_on_training_clips_of_each_unit(clips):
    encoder = Calibrated()
    recipe = StepWindows(sound_s=2.0, window_s=0.5, point="steps")
    role = recipe.prepare(encoder)
    for train, test in ((clips[:4], clips[4:]), (clips[4:], clips[:4])):
        recipe.scores(role, train, test, survey(clips), Rng(0))
    assert encoder.batches == [[(4, 2 * RATE)]] * 2
    assert len(encoder.heard) == 16, "features from before a calibration are not used after it"


def test_a_class_that_was_never_seen_is_never_the_answer():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(30, 3))
    machine = linear_svm.fit(features, np.repeat([0, 2, 3], 10), 1.0, 0)
    values = linear_svm.decision(machine, features, 5)
    assert values.shape == (30, 5) and np.isfinite(values).all()
    assert not np.isin(values.argmax(1), [1, 4]).any()
    with pytest.raises(BadData, match="two classes"):
        linear_svm.fit(features, np.zeros(30), 1.0, 0)
    with pytest.raises(BadData, match="1 rows"):
        linear_svm.fit(np.where(np.arange(30)[:, None] == 3, np.nan, features), np.repeat([0, 1], 15), 1.0, 0)


def test_remembered_features_take_what_they_must_and_no_more(clips):
    """One clip of 27 steps and 256 channels is 27 kB; the rows of windows are made when they are needed."""

    class Wide(Means):
        points = {"pool5": Point("pool5", 256, 0.37)}

        def encode_wave(self, waves, point):
            return waves[:, :27].repeat(1, 256).reshape(1, 256, 27)

    role = Features(Wide(), "pool5", "first")
    tracemalloc.start()
    for k in range(40):
        role.of([SoundItem(f"{k}", clips[0].path, 0, 1, "")], lambda waves: waves)
    assert tracemalloc.get_traced_memory()[0] < 40 * 256 * 27 * 4 * 1.5
    tracemalloc.stop()
