"""Supervised: learns single frames of easy clips, begins anew at every fit, and gives its trunk away only then."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from unlabeled.contracts import Batch, Progress, Train
from unlabeled.errors import BadData, UnlabeledError
from unlabeled.methods.supervised import METHOD, follow_loss
from unlabeled.streams import Rng
from unlabeled.training.nets.dense_trunks import lightness

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
    assert METHOD.roles == {"video_classifier", "image", "mask_classifier"} and METHOD.supervision == "labels"
    assert METHOD.presets["paper"].train.batch == 256 and METHOD.presets["paper"].network == "caffenet"
    assert METHOD.presets["mini"].size == (32, 40)
    assert METHOD.presets["paper"].finetune is None
    assert fitted(preset=replace(TOY, train=replace(TOY.train, steps=1))).finetune == METHOD.presets["mini"].finetune


# ---------------------------------------------------------------- masks


class Films:
    """Clips of a bright square that moves over plain ground, or their index maps."""

    rate = 0

    def __init__(self, masks, sizes=((40, 48), (44, 40), (40, 48))):
        self.masks, self.sizes = masks, sizes
        self.ids = [f"film {k}" for k in range(len(sizes))]

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        draw, (height, width) = np.random.default_rng(index), self.sizes[index]
        clip = np.full((10, height, width, 3), draw.integers(40, 90), dtype=np.uint8)
        clip += draw.integers(0, 20, clip.shape[1:], dtype=np.uint8)
        numbers, grain = np.zeros(clip.shape[:3], dtype=np.uint8), draw.integers(150, 255, (16, 16, 1), dtype=np.uint8)
        for t in range(10):
            y, x = 4 + t, 3 + 2 * t
            clip[t, y : y + 16, x : x + 16], numbers[t, y : y + 16, x : x + 16] = grain, 1
        return numbers if self.masks else clip


def pointer(seed=0, steps=20):
    nano = METHOD.presets["nano"]
    preset = replace(nano, role="mask_classifier", follow=replace(nano.follow, steps=steps, batch=4), window=32)
    return METHOD.adapt(METHOD.build(preset, Rng(seed)), preset)


def test_cells_learn_which_of_them_are_one_object():
    role = pointer()
    clip = torch.from_numpy(Films(False)[1]).permute(3, 0, 1, 2)[None].float() / 255
    with pytest.raises(UnlabeledError, match="nothing was learned"):
        role.dense(clip)
    role.fit(Films(False), Films(True), Rng(0))
    features = role.dense(clip)
    assert features.shape == (1, role.dim, 10, 11, 10)
    cells = functional.normalize(features, dim=1)[0]
    numbers = torch.from_numpy(Films(True)[1][:, 2::4, 2::4].astype(np.int64))
    alike = cells[:, 2].flatten(1).T @ cells[:, 5].flatten(1)
    found = numbers[2].flatten()[alike.argmax(0)].view_as(numbers[5])
    assert float((found == numbers[5]).float().mean()) > 0.9


def test_masks_are_learned_alike_from_one_seed():
    clip, found = torch.rand(1, 3, 1, 32, 32, generator=torch.Generator().manual_seed(0)), []
    for seed in (0, 0, 1):
        role = pointer(steps=2)
        role.fit(Films(False), Films(True), Rng(seed))
        found.append(role.dense(clip))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_the_loss_over_masks_cell_by_cell():
    """Frames 1 to 3, each pointing at all before it; every object that was seen weighs the same."""
    net, draw = pointer().start.eval(), np.random.default_rng(0)
    frames = torch.from_numpy(draw.random((1, 4, 3, 16, 16), dtype=np.float32))
    numbers = draw.integers(0, 3, (4, 4, 4))
    numbers[0][numbers[0] == 2] = 0  # object 2 enters with frame 1
    target = torch.from_numpy(numbers.repeat(4, 1).repeat(4, 2))[None]
    found = follow_loss(net, Batch(("x",), frames, target=target), Rng(0), Progress(0, 1), temperature=0.1, unit=True)
    with torch.no_grad():
        cells = functional.normalize(net(lightness(frames.transpose(1, 2))), dim=1)[0].flatten(2).double().numpy()
    flat, expected = numbers.reshape(4, 16), []
    for t in (1, 2, 3):
        costs = {number: [] for number in set(flat[:t].ravel())}
        for cell in range(16):
            weights = np.exp(np.concatenate([cells[:, r].T @ cells[:, t, cell] for r in range(t)]) / 0.1)
            share = weights[flat[:t].ravel() == flat[t, cell]].sum() / weights.sum()
            if flat[t, cell] in costs:
                costs[flat[t, cell]].append(-np.log(share + 1e-6))
        expected.append(np.mean([np.mean(cost) for cost in costs.values() if cost]))
    assert float(found.players["main"].detach()) == pytest.approx(np.mean(expected), rel=1e-4)


def test_an_object_that_no_reference_shows_counts_nothing():
    net = pointer().start
    frames = torch.rand(1, 4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(1, 4, 16, 16, dtype=torch.long)
    masks[:, :, :8] = 1

    def loss_of(target):
        found = follow_loss(net.eval(), Batch(("x",), frames, target=target), Rng(0), Progress(0, 1))
        return float(found.players["main"].detach())

    new = masks.clone()
    new[:, 3, 12:, 12:] = 2
    assert np.isfinite(loss_of(new)) and loss_of(new) < 10, "a share of nothing would cost 13.8"
    assert loss_of(masks) != loss_of(new)
    for frame in (1, 3):
        none = torch.zeros_like(masks)
        none[:, frame] = 1
        assert np.isfinite(loss_of(none)), "a frame of which nothing was there before"
    apart = torch.arange(4)[None, :, None, None].expand_as(masks)
    assert loss_of(apart) == 0


def test_a_film_that_is_too_short_says_so():
    class Short(Films):
        def __getitem__(self, index):
            return super().__getitem__(index)[:3]

    with pytest.raises(BadData, match="3 frames where 4 are needed"):
        pointer().fit(Short(False), Short(True), Rng(0))
