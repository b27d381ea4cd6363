"""Tuples: what is drawn is what the training saw and the sanity measure asked, for every kind of request."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from films import RATE, picture_items, video_items
from PIL import Image
from torch import nn

from unlabeled.contracts import Label, Losses, Pick, Pretext, Request, Sanity, Survey, Train
from unlabeled.datasets.decode import video
from unlabeled.pictures import tuples
from unlabeled.pictures.sheet import save
from unlabeled.streams import Rng
from unlabeled.training import pretraining
from unlabeled.training.loading import Loader

SIZE = (24, 32)


def pair(info, rng):
    """Two frames, the second later or earlier."""
    start = int(rng.numpy("start").integers(info.frames - 3))
    forward = int(rng.numpy("way").integers(2))
    return Pick(((start, start + 3) if forward else (start + 3, start),), target=forward)


def runs(info, rng):
    """Two runs of ten frames, one backwards."""
    return Pick((tuple(range(10)), tuple(reversed(range(10)))), target=[0, 1])


def heard(info, rng):
    return Pick(((0, 2),), ((0.25, 0.5),), target=0.5)


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    return video_items(tmp_path_factory.mktemp("films"), 12, sound=True)


# ---------------------------------------------------------------- what the training saw


class Watching:
    """A pretext that keeps what it is shown."""

    def __init__(self):
        self.seen, self.asked = [], {}
        self.data = Request("frames", SIZE, pair, augment=("shift", "flip", "gain"))
        sanity = Sanity("accuracy", 0.5, self.measure, {})
        self.pretext = Pretext(self.data, Train(steps=2, batch=4, lr=1e-4), sanity, self.loss)

    def loss(self, net, batch, rng, progress):
        self.seen.append(batch)
        return Losses({"main": net(batch.frames.flatten(1)).square().mean()})

    def measure(self, net, batch, rng):
        for k, name in enumerate(batch.ids):
            self.asked.setdefault(name, (batch.frames[k], int(batch.target[k])))
        return batch.target.float(), None


class Fake:
    """A system whose network is at hand."""

    def __init__(self, net):
        self.trained = lambda: net

    def running(self, what):
        return nullcontext()


@pytest.fixture(scope="module")
def learned(items, tmp_path_factory):
    place = tmp_path_factory.mktemp("store")
    watching, net = Watching(), nn.Linear(2 * 3 * 24 * 32, 1)
    survey = Survey("toy", place, "", tuple(items), (), (), {}, {}, Label(("world",), ""), "")
    pretraining.learn(net, watching.pretext, survey, Rng(5), place / "checkpoint", cache=place / "frames")
    pretraining.measure(net, watching.pretext, survey, Rng(5), place / "frames")
    return watching, net, pretraining.parts(survey), place


@pytest.mark.parametrize("cached", [True, False])
def test_the_first_batch_of_the_training(learned, cached, tmp_path):
    watching, _, (learn, _), place = learned
    shown = tuples._trained_on(learn, watching.pretext, Rng(5), place / "frames" if cached else tmp_path)
    batch = watching.seen[0]
    assert [one.name for one in shown] == list(batch.ids)
    assert [one.head for one in shown] == [f"target {target}" for target in batch.target.tolist()]
    for one, frames in zip(shown, batch.frames, strict=True):
        ((first, second),) = one.rows
        expected = (frames.permute(0, 2, 3, 1).numpy() * 255).round()
        assert (np.stack([first.pixels, second.pixels]) == expected).all()
    assert not list(tmp_path.glob("*.u8")), "no cache is made for one batch"


def test_held_out_items_as_they_were_asked_with_the_answer(learned):
    watching, net, (_, held), place = learned
    asked = dict(watching.asked)
    shown = tuples._asked(Fake(net), held, watching.pretext, Rng(5), place / "frames")
    assert {one.name for one in shown} <= set(asked) and len(shown) == len(held)
    for one in shown:
        frames, target = asked[one.name]
        ((first, _),) = one.rows
        assert (first.pixels == (frames[0].permute(1, 2, 0).numpy() * 255).round()).all()
        assert one.head == f"target {target}, answered {'right' if target else 'wrong'}"
        assert one.colour == (tuples.RIGHT if target else tuples.WRONG)


def test_scores_that_are_no_answers_are_numbers():
    assert tuples._score_words(np.array([0.5, 0.251]), "IoU") == [("IoU 0.5", "black"), ("IoU 0.251", "black")]


def test_the_file_holds_the_pixels_of_the_batch(learned, tmp_path):
    watching, _, (learn, _), place = learned
    shown = tuples._trained_on(learn, watching.pretext, Rng(5), place / "frames")
    sheet = np.asarray(Image.open(save(tuples._sheet(shown, "toy").figure, tmp_path / "a.png")).convert("RGB"))
    large = shown[0].rows[0][0].pixels.repeat(3, axis=0).repeat(3, axis=1)  # 24 x 32 below 120
    top, left = tuples.HEAD + tuples.NAME, tuples.EDGE
    assert (sheet[top : top + 72, left : left + 96] == large).all()


# ---------------------------------------------------------------- every kind of request


def rows_of(items, request, batch=2):
    loader = Loader(items, request, batch, Rng(0))
    found = next(loader.once())
    return found, tuples.rows_of(found, request, tuples._picks(loader, found, tuples.ONCE))


def test_pictures(tmp_path):
    items = picture_items(tmp_path, 2)
    _, rows = rows_of(items, Request("images", (30, 40)))
    assert [[[len(row) for row in item] for item in rows]] == [[[1], [1]]]
    for item, ((cell,),) in zip(items, rows, strict=True):
        assert (cell.pixels == np.asarray(Image.open(item.path))).all()


def test_clips_are_rows_and_long_ones_are_thinned(items):
    batch, rows = rows_of(items, Request("clips", SIZE, runs))
    forwards, backwards = rows[0]
    frames = video.read_frames(items[0].path)
    numbers = [int(cell.words.removeprefix("frame ")) for cell in forwards]
    assert len(numbers) == tuples.MOST and numbers[0] == 0 and numbers[-1] == 9 and numbers == sorted(numbers)
    assert [int(cell.words.removeprefix("frame ")) for cell in backwards] == [9 - n for n in numbers]
    for cell, number in zip(forwards, numbers, strict=True):
        assert (cell.pixels == frames[number]).all()
    assert tuples._target(batch, 0) == "target (0, 1)"


def test_sound_with_frames(items):
    _, rows = rows_of(items, Request("av", SIZE, heard, rate=RATE))
    frames, (sound,) = rows[0]
    assert [cell.words for cell in frames] == ["frame 0", "frame 2"]
    assert sound.words == "0.25 to 0.75 s, 0 to 4 kHz" and sound.pixels.shape == (*tuples.SOUND, 3)


def test_low_sounds_lie_at_the_bottom():
    tone = torch.sin(2 * torch.pi * 500 * torch.arange(RATE) / RATE)
    bright = tuples._heard(tone, RATE, 0.0, "").pixels.sum(axis=(1, 2)).argmax()
    assert bright == pytest.approx(tuples.SOUND[0] * (1 - 500 / (RATE / 2)), abs=4)


def test_mixtures_have_a_row_for_each_source_and_one_for_the_sum(items):
    request = Request("mixtures", SIZE, heard, rate=RATE, sources=2)
    batch, rows = rows_of(items, request)
    assert [len(row) for row in rows[1]] == [3, 3, 1] and rows[1][2][0].words == "their sum"
    assert tuples._name(batch, request, 1) == f"{batch.ids[2]} + {batch.ids[3]}"


@pytest.mark.parametrize("colour", ["grey", "lab"])
def test_other_colours_are_shown_as_a_screen_needs_them(items, colour):
    batch, rows = rows_of(items, Request("frames", SIZE, pair, colour=colour))
    _, plain = rows_of(items, Request("frames", SIZE, pair))
    shown, original = (np.stack([cell.pixels for cell in found[0][0]]).astype(int) for found in (rows, plain))
    if colour == "grey":
        assert batch.frames.shape[2] == 1
        original = (original @ [0.299, 0.587, 0.114])[..., None].repeat(3, axis=-1)
    assert np.abs(shown - original).max() <= 1


def test_targets_in_words(items):
    batch, _ = rows_of(items, Request("frames", SIZE, pair))
    assert tuples._target(replace(batch, target=None), 0) == ""
    assert tuples._target(replace(batch, target=torch.zeros(2, 16, 16)), 0) == "target: 16 x 16 numbers"
    assert tuples._target(replace(batch, target=torch.tensor([0.25, 1.0])), 0) == "target 0.25"


def test_many_frames_fit_beside_each_other(items):
    _, rows = rows_of(items, Request("clips", SIZE, runs))
    shown = [tuples.Shown("target", "black", "clip", item) for item in rows]
    assert tuples._sheet(shown, "toy").width <= tuples.WIDTH + tuples.EDGE
