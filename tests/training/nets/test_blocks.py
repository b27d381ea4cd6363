"""Classifiers of blocks: the same head and schedule on nothing, an LSTM, or features; which frames count; bad clips."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unlabeled.contracts import Batch, Progress, Train
from unlabeled.errors import BadData, UnlabeledError
from unlabeled.streams import Rng
from unlabeled.training.nets.blocks import BLOCKS, GIVEN, BlockClassifier, BlockNet, loss
from unlabeled.training.nets.encoders import seeded

TOY = replace(
    BLOCKS["mini"], size=8, frames=4, stride=2, hop=3, units=16, augment=(),
    finetune=Train(steps=150, batch=16, lr=1e-2, opt="adam"),
)  # fmt: skip
LABELS = np.arange(24) % 2


class Clips:
    """Clips of 9 to 12 frames that grow brighter (class 1) or darker (class 0): one frame alone tells nothing."""

    rate = 0

    def __init__(self, labels, seed=0):
        draw = np.random.default_rng(seed)
        self.ids, self.clips = [f"{seed} {k}" for k in range(len(labels))], []
        for label in labels:
            levels = np.linspace(40, 210, int(draw.integers(9, 13)))[:: 1 if label else -1]
            noise = draw.integers(-10, 10, (len(levels), 9, 9, 3))
            self.clips.append((levels[:, None, None, None] + noise).astype(np.uint8))

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, index):
        return self.clips[index]


def fitted(body, preset=TOY, labels=LABELS, clips=None):
    role = BlockClassifier(body, preset)
    role.fit(Clips(labels) if clips is None else clips, labels, Rng(0))
    return role


@pytest.fixture(scope="module")
def role():
    return fitted(seeded(TOY.lstm, Rng(0)))


def right(role):
    truth = np.arange(20) % 2
    return (role.scores(Clips(truth, seed=1)).argmax(1) == truth).mean()


def test_an_lstm_sees_order_and_single_frames_do_not(role):
    assert right(role) > 0.9
    assert 0.25 < right(fitted(None)) < 0.75


def test_a_clip_has_the_mean_of_all_frames_of_all_blocks(role):
    (clip,) = Clips([1], seed=2).clips
    clip = clip[:9]  # blocks of 4 frames 2 apart span 7: first frames 0 and, 3 further, none
    one = Clips([])
    one.ids, one.clips = ["a", "b"], [clip, np.concatenate([clip, clip[:1]])]  # of 10 frames also first frame 3
    grey = [c[:, :8, :8] @ np.array([0.299, 0.587, 0.114]) / 255 for c in one.clips]
    shown = [torch.from_numpy(TOY.gain * (g.reshape(len(g), -1) - 0.5)).float() for g in grey]
    with torch.no_grad():
        blocks = [role.fitted(seen[None, start : start + 7 : 2]).softmax(2)[0] for seen, start in
                  ((shown[0], 0), (shown[1], 0), (shown[1], 3))]  # fmt: skip
    found = role.scores(one)
    np.testing.assert_allclose(found[0], blocks[0].mean(0), atol=1e-5)
    np.testing.assert_allclose(found[1], torch.cat(blocks[1:]).mean(0), atol=1e-5)


def test_a_clip_that_is_too_short_starts_again(role):
    short = Clips([1], seed=3)
    short.clips = [short.clips[0][:5], short.clips[0][:5][[0, 2, 4, 1, 3, 0, 2]]]
    short.ids = ["short", "looped"]
    looped = replace(TOY, stride=1, hop=100)
    one = BlockClassifier(role.body, TOY)
    one.fitted = role.fitted
    other = BlockClassifier(role.body, looped)
    other.fitted = role.fitted
    np.testing.assert_allclose(one.scores(short)[0], other.scores(short)[1], atol=1e-6)


def test_a_fit_begins_anew_and_leaves_its_start_as_it_is():
    body = seeded(TOY.lstm, Rng(0))
    before = {name: weight.clone() for name, weight in body.state_dict().items()}
    short = replace(TOY, finetune=replace(TOY.finetune, steps=5))
    role, test = BlockClassifier(body, short), Clips(LABELS[:6], seed=1)
    with pytest.raises(UnlabeledError, match="fit"):
        role.scores(test)
    role.fit(Clips(1 - LABELS, 7), 1 - LABELS, Rng(3))
    role.fit(Clips(LABELS), LABELS, Rng(0))
    np.testing.assert_array_equal(role.scores(test), fitted(body, short).scores(test))
    assert all(torch.equal(before[name], weight) for name, weight in body.state_dict().items())


def test_the_loss_is_that_of_every_frame():
    net, blocks, labels = BlockNet(None, 3, 2), torch.randn(4, 5, 3), torch.tensor([0, 1, 1, 0])
    found = loss(net, Batch(tuple("abcd"), blocks, labels=labels), Rng(0), Progress(0, 1)).players["main"]
    chances = net(blocks).softmax(2).detach()
    expected = -np.mean([float(chances[b, t, labels[b]].log()) for b in range(4) for t in range(5)])
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_features_that_are_given():
    preset = replace(TOY, features=3)
    draw, clips = np.random.default_rng(0), Clips([])
    clips.ids = [str(k) for k in range(24)]
    clips.clips = [draw.normal((label, 0, 1), 0.1, (10, 3)).astype(np.float32) for label in LABELS]
    role = fitted(None, preset, clips=clips)
    assert (role.scores(clips).argmax(1) == LABELS).all()
    assert role.features == 3


@pytest.mark.parametrize(
    ("preset", "clip"),
    [
        (TOY, np.zeros((4, 8, 8, 3), np.float32)),
        (TOY, np.zeros((0, 8, 8, 3), np.uint8)),
        (TOY, np.zeros((4, 64), np.float32)),
        (replace(TOY, features=3), np.zeros((4, 8, 8, 3), np.uint8)),
        (replace(TOY, features=3), np.zeros((4, 5), np.float32)),
    ],
)
def test_items_of_another_kind_are_refused(preset, clip):
    clips = Clips([])
    clips.ids, clips.clips = ["odd one"], [clip]
    with pytest.raises(BadData, match="odd one"):
        BlockClassifier(None, preset).fit(clips, np.zeros(1, int), Rng(0))


def test_heads_start_alike_on_any_lstm():
    short = replace(TOY, finetune=replace(TOY.finetune, steps=1, lr=1e-12))
    heads = [fitted(seeded(TOY.lstm, Rng(seed)), short).fitted.head.weight for seed in (0, 1)]
    torch.testing.assert_close(*heads)


def test_constants_of_the_paper():
    paper = BLOCKS["paper"]
    assert (paper.units, paper.peepholes, paper.start, paper.dim) == (2048, True, 0.01, 3 * 32 * 32)
    assert (GIVEN.dim, GIVEN.frames, GIVEN.finetune.batch) == (4096, 16, 128)
