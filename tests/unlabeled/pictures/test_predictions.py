"""Predictions: the pixels of the sheet are those that the pretext gave, and the errors are those of all items."""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from films import video_items
from PIL import Image
from torch import nn

from unlabeled.contracts import Label, Losses, Pick, Pretext, Request, Sanity, Survey, Train
from unlabeled.datasets.decode import video
from unlabeled.pictures import predictions, reels
from unlabeled.pictures.sheet import save
from unlabeled.training import pretraining
from unlabeled.training.signals.lab import rgb_to_lab

SIZE = (24, 32)
ROWS = {"shown": 10, "true": 60, "copied": 110, "copied in place": 160}


def two_runs(info, rng):
    return Pick(((0, 2, 4), (5, 7, 9)))


def half_way(net, batch, rng):
    """Says what lies half-way between the last frame and the true one."""
    shown, true = batch.frames[:, 0], batch.frames[:, 1]
    last = shown[:, :, -1:].expand_as(true)
    return {"shown": shown, "true": true, "predicted": (true + last) / 2, "last frame": last}


PRETEXT = Pretext(
    Request("clips", SIZE, two_runs, colour="grey"),
    Train(steps=1, batch=4, lr=0.1),
    Sanity("nothing", 0.5, lambda net, batch, rng: (torch.zeros(4), None), {}),
    lambda net, batch, rng, progress: Losses({"main": net(batch.frames.flatten(1)).sum()}),
    pictures=half_way,
)


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """A run with all that pictures ask of it."""
    place = tmp_path_factory.mktemp("store")
    items = video_items(place, 20)
    return SimpleNamespace(
        name="toy, preset mini", pretext=PRETEXT, running=lambda what: nullcontext(), trained=lambda: nn.Linear(1, 1),
        record=SimpleNamespace(spec={"seed": 3}), store=SimpleNamespace(root=place),
        unlabelled=Survey("toy", place, "", tuple(items), (), (), {}, {}, Label(("world",), ""), ""),
    )  # fmt: skip


def true_frames(system, name):
    """Grey frames 5, 7 and 9 of a video."""
    (item,) = (one for one in system.unlabelled.items if one.id == name)
    return video.read_frames(item.path)[:10] @ np.array([0.299, 0.587, 0.114]) / 255


def test_sheet_film_and_errors(system, tmp_path):
    (plate,) = predictions.draw(system, tmp_path)
    _, held = pretraining.parts(system.unlabelled)
    assert [name for name, _ in plate.films] == [item.id for item in held]
    errors = []
    for item in held:
        frames = true_frames(system, item.id)
        errors.append(((frames[[5, 7, 9]] - frames[4]) ** 2).mean())
    for words in (f"last frame {np.mean(errors):.5f}", f"predicted {np.mean(errors) / 4:.5f}"):
        assert words in plate.caption
    sheet = np.asarray(Image.open(plate.file).convert("RGB")).astype(int)
    frames = (true_frames(system, held[0].id) * 255).round().astype(int)
    top = predictions.HEAD + predictions.ABOVE
    for row, wanted in enumerate((frames[[0, 2, 4]], frames[[5, 7, 9]])):
        for k, frame in enumerate(wanted):
            left = predictions.EDGE + predictions.NAMES + k * (96 + predictions.GAP)
            y = top + row * (72 + predictions.GAP)
            found = sheet[y : y + 72, left : left + 96]
            assert np.abs(found - frame.repeat(3, 0).repeat(3, 1)[..., None]).max() <= 1
    film = video.read_frames(plate.films[0][1])
    assert film.shape[0] == 6, "three frames shown and three said"


def test_a_film_shows_what_was_shown_before_each_answer():
    rows = {name: np.full((2, 4, 6, 3), k * 40, np.uint8) for k, name in enumerate(("shown", "true", "a", "b"))}
    shots = list(predictions.shots(rows))
    told = ["shown, 1 of 2", "shown, 2 of 2", "answered, 1 of 2", "answered, 2 of 2"]
    assert [shot.words for shot in shots] == told and list(shots[0].pictures) == ["true", "a", "b"]
    assert [[int(p[0, 0, 0]) for p in shot.pictures.values()] for shot in shots[1:3]] == [[0, 0, 0], [40, 80, 120]]


def test_panels_stand_below_their_names():
    colours = {"one": 10, "other": 90, "third": 170}
    shot = reels.Shot({name: np.full((30, 50, 3), k, np.uint8) for name, k in colours.items()}, "words")
    page = reels.panels(shot)
    assert page.shape == (2 * (30 + reels.BAR) + reels.BAR, 2 * 50 + reels.GAP, 3)
    for left, top, value in ((0, 0, 10), (50 + reels.GAP, 0, 90), (0, 30 + reels.BAR, 170)):
        part = page[top + reels.BAR : top + reels.BAR + 30, left : left + 50]
        assert (part == value).all() and page[top : top + reels.BAR, left : left + 50].min() < 100, "its name"
    assert page[-reels.BAR :, :100].min() < 100, "the words"


def test_single_answers_lie_beside_each_other(tmp_path):
    rows = {name: np.full((1 + 2 * (name == "shown"), 64, 64, 3), k, np.uint8) for name, k in ROWS.items()}
    file = save(predictions.sheet({"clip": rows, "another": rows}, "title").figure, tmp_path / "sheet.png")
    pixels = np.asarray(Image.open(file).convert("RGB"))
    side = predictions.ALONE
    for line in range(2):
        y = predictions.HEAD + line * (2 * predictions.ABOVE + side) + 2 * predictions.ABOVE + side // 2
        places = [predictions.EDGE + k * (side + predictions.GAP) for k in range(3)]
        places += [places[2] + k * (side + predictions.GAP + predictions.EDGE) for k in (1, 2, 3)]
        assert [int(pixels[y, x + 9, 0]) for x in places] == [10, 10, 10, 60, 110, 160]


def test_of_a_coloured_frame_the_grey_one_is_shown_too():
    lab = replace(PRETEXT, data=Request("frames", SIZE, two_runs, colour="lab"))
    true = torch.rand(2, 3, 1, 4, 5)
    rows = predictions.with_grey({"shown": true, "true": true, "copied": true}, lab)
    assert list(rows) == ["shown", "in grey", "true", "copied"]
    grey = rows["in grey"]
    assert torch.allclose(grey[:, :1].expand(-1, 3, -1, -1, -1), grey, atol=2e-3), "no colour"
    light = [rgb_to_lab(part.transpose(1, 2))[:, :, 0] for part in (grey, true)]
    assert torch.allclose(*light, atol=0.1), "and all of the lightness"
    assert list(predictions.with_grey({"true": true, "copied": true}, PRETEXT)) == ["true", "copied"]


def test_a_pretext_without_pictures_has_none(system, tmp_path):
    bare = SimpleNamespace(**{**vars(system), "pretext": replace(PRETEXT, pictures=None)})
    assert predictions.draw(bare, tmp_path) == []
