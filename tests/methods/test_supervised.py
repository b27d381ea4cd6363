"""Supervised: learns single frames of easy clips, begins anew at every fit, and gives its trunk away only then."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unlabeled.contracts import Train
from unlabeled.errors import BadData, UnlabeledError
from unlabeled.methods.supervised import METHOD
from unlabeled.streams import Rng

TOY = replace(
    METHOD.presets["mini"], size=24, views=3, frames=1, stride=1, hidden=0,
    train=Train(steps=40, batch=16, lr=3e-3, opt="adam", schedule="linear"),
)  # fmt: skip


class Clips:
    """Clips of 2 to 6 frames in which a bright bar stands up (class 0), lies down (1) or is missing (2)."""

    rate = 0

    def __init__(self, labels, seed=0):
        rng = np.random.default_rng(seed)
        self.ids = [f"seed {seed} clip {k}" for k in range(len(labels))]
        self.clips = []
        for label in labels:
            clip = rng.integers(0, 80, (int(rng.integers(2, 7)), 28, 30, 3), dtype=np.uint8)
            across = rng.integers(8, 18)
            if label < 2:
                bar = np.s_[:, 6:22, across : across + 3] if label == 0 else np.s_[:, across : across + 3, 6:22]
                clip[bar] += 120
            self.clips.append(clip)

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, index):
        return self.clips[index]


LABELS = np.arange(24) % 3


def fitted(labels=LABELS, seed=0, preset=TOY):
    role = METHOD.adapt(METHOD.build(preset, Rng(0)), preset)
    role.fit(Clips(labels), labels, Rng(seed))
    return role


@pytest.fixture(scope="module")
def role():
    return fitted()


def test_it_learns(role):
    test = Clips(np.arange(30) % 3, seed=1)
    before = [clip.copy() for clip in test.clips]
    scores = role.scores(test)
    assert scores.shape == (30, 3)
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)
    assert (scores.argmax(1) == np.arange(30) % 3).mean() > 0.8
    np.testing.assert_array_equal(scores, role.scores(test))
    assert all(np.array_equal(a, b) for a, b in zip(before, test.clips, strict=True))


def test_a_clip_has_the_mean_probability_of_its_windows(role):
    clips = Clips([0], seed=2)
    clips.clips = [clips[0][[0, 1]], clips[0][[0]], clips[0][[1]]]
    clips.ids = ["both", "first", "second"]
    one = METHOD.adapt(METHOD.build(TOY, Rng(0)), replace(TOY, views=2))
    one.fitted = role.fitted
    both, first, second = one.scores(clips)
    np.testing.assert_allclose(both, (first + second) / 2, rtol=1e-4)


def test_seeds_and_a_fit_that_begins_anew():
    labels, test = LABELS[:12], Clips(LABELS[:6], seed=1)
    short = replace(TOY, train=replace(TOY.train, steps=5))
    role = fitted(labels, preset=short)
    scores = role.scores(test)
    role.fit(Clips((labels + 1) % 3, seed=3), (labels + 1) % 3, Rng(1))
    assert not np.array_equal(role.scores(test), scores)
    torch.manual_seed(5)
    role.fit(Clips(labels), labels, Rng(0))
    np.testing.assert_array_equal(role.scores(test), scores)
    np.testing.assert_array_equal(fitted(labels, preset=short).scores(test), scores)
    assert not np.array_equal(fitted(labels, seed=1, preset=short).scores(test), scores)


def test_the_trained_trunk_gives_features(role):
    images = torch.rand(2, 3, 24, 24)
    fresh = METHOD.adapt(METHOD.build(TOY, Rng(0)), TOY)
    for call in (lambda: fresh.encode(images, "fc"), lambda: fresh.trunk("fc"), lambda: fresh.scores(Clips([0]))):
        with pytest.raises(UnlabeledError, match=r"nothing was learned yet[\s\S]*call `fit` first"):
            call()
    assert role.encode(images, "fc").shape == (2, 128)
    torch.testing.assert_close(role.trunk("fc")(images).detach(), role.encode(images, "fc"))
    assert not torch.equal(role.net.blocks["conv1"][0].weight, role.start.blocks["conv1"][0].weight)


def test_items_that_are_no_clips(role):
    clips = Clips([0])
    clips.clips[0] = np.zeros(8000, np.float32)
    with pytest.raises(BadData, match=r"seed 0 clip 0 is float32 of shape \(8000,\), not a clip"):
        role.scores(clips)


def test_a_window_knows_the_order_of_its_frames():
    """Clips that grow brighter and clips that grow darker hold the same frames."""
    rise = np.linspace(20, 230, 8).astype(np.uint8)[:, None, None, None]
    clips = Clips([0] * 24)
    clips.clips = [np.tile(rise[:: 1 if k % 2 else -1], (1, 24, 24, 3)) for k in range(24)]
    labels = np.arange(24) % 2
    preset = replace(TOY, frames=3, stride=2, hidden=16, augment=(), train=replace(TOY.train, steps=60))
    role = METHOD.adapt(METHOD.build(preset, Rng(0)), preset)
    role.fit(clips, labels, Rng(1))
    assert (role.scores(clips).argmax(1) == labels).all()


def test_presets():
    assert METHOD.roles == {"video_classifier", "image"} and METHOD.supervision == "labels"
    assert METHOD.presets["paper"].train.batch == 256 and METHOD.presets["paper"].network == "caffenet"
    assert METHOD.presets["mini"].size == (32, 40)
    assert METHOD.presets["paper"].finetune is None
    assert fitted(preset=replace(TOY, train=replace(TOY.train, steps=1))).finetune == METHOD.presets["mini"].finetune
