"""Nearest neighbours: those of a planted space, never of the query's own recording, with the pixels of the films."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from films import frame_folder
from PIL import Image
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from unlabeled.contracts import ClipSpec, Info, Label, Point, Survey, VideoItem
from unlabeled.errors import BadData, UnlabeledError
from unlabeled.pictures import neighbours
from unlabeled.pictures.neighbours import nearest
from unlabeled.streams import Rng


def videos(count, group=""):
    return [VideoItem(f"v{k}", None, group=group and f"{group}{k}") for k in range(count)]


def test_the_cosine_of_scaled_features():
    draw = np.random.default_rng(0)
    queries, searched = draw.normal(size=(5, 7)), draw.normal(3, 2, size=(40, 7))
    scaler = StandardScaler().fit(searched)
    known = NearestNeighbors(n_neighbors=neighbours.NEAREST, metric="cosine").fit(scaler.transform(searched))
    found = nearest(queries, searched, [VideoItem(f"q{k}", None) for k in range(5)], videos(40))
    assert found == known.kneighbors(scaler.transform(queries), return_distance=False).tolist()


def test_one_row_a_video_none_of_the_same_recording():
    searched = np.array([[1.0, 0.1 * k] for k in range(4)] + [[-1.0, 0.0], [-1.0, 0.5]])
    owners = [
        VideoItem("own", None),
        VideoItem("sister", None, group="g1"),
        VideoItem("a", None, group="g2"),
        VideoItem("a", None, group="g2"),
        VideoItem("b", None),
        VideoItem("b", None),
    ]
    (found,) = nearest(np.array([[1.0, 0.3]]), searched, [VideoItem("own", None, group="g1")], owners)
    assert found == [3, 5], "the nearest row of each of the two videos that are left"


def test_features_that_never_change_say_nothing():
    searched = np.array([[5.0, 1.0], [5.0, -1.0]])
    (found,) = nearest(np.array([[900.0, 0.5]]), searched, [VideoItem("q", None)], videos(2))
    assert found == [0, 1]


@pytest.mark.parametrize("frames", [1, 3, 30])
def test_runs_stay_inside_a_video_of_any_length(frames):
    for rule in (neighbours.Runs(4), neighbours.Runs(3, 5, 2)):
        pick = rule(Info(frames, 25.0), Rng(0))
        assert len(pick.frames) == rule.count and all(len(run) == rule.frames for run in pick.frames)
        assert all(0 <= index < frames for run in pick.frames for index in run)
    assert neighbours.Runs(3, 5, 2)(Info(30, 25.0), Rng(0)).frames[-1] == (21, 23, 25, 27, 29)


# ---------------------------------------------------------------- a plate of a planted space


class Red:
    """Features are the amounts of red and of green, and of green alone for the random network."""

    size, points = (24, 32), {"mean": Point("mean", 2)}

    def __init__(self, channels=(0, 0)):
        self.channels = list(channels)

    def encode(self, images, point):
        return images.mean((2, 3))[:, self.channels]


class Clips:
    clip, points = ClipSpec(2, 1, (24, 32)), {"mean": Point("mean", 1)}

    def encode_clip(self, clips, point):
        assert clips.shape[1:] == (3, 2, 24, 32)
        return clips.mean((2, 3, 4))[:, :1]


def plain(folder, name, red, green, side):
    frames = np.zeros((4, 24, 32, 3), np.uint8)
    frames[..., 0], frames[..., 1] = red, green
    item = frame_folder(folder / name, frames)
    return VideoItem(item.id, item.path, target=0, sides=(side,))


@pytest.fixture
def system(tmp_path):
    """A query of middle red and low green among videos that differ in both."""
    reds = {"r0": (0, 10), "r1": (90, 200), "r2": (101, 240), "r3": (255, 30)}
    items = [plain(tmp_path, name, red, green, "train") for name, (red, green) in reds.items()]
    items.append(plain(tmp_path, "query", 100, 0, "test"))
    data = Survey("toy", tmp_path, "", tuple(items), ("Plain",), (), {}, {}, Label(("world",), ""), "")
    made = SimpleNamespace(
        method=SimpleNamespace(roles=frozenset({"image"})), recipe=SimpleNamespace(role="image", point="")
    )
    return SimpleNamespace(
        plan=made, data=data, store=SimpleNamespace(root=tmp_path), name="toy", running=lambda what: nullcontext(),
        record=SimpleNamespace(spec={"method": "toy"}),
    )  # fmt: skip


def colour(sheet, column, row=0):
    """The pixel in the middle of a picture of the sheet: column 0 is the query."""
    width = 96 + neighbours.GAP  # 32 pixels three times
    left = neighbours.EDGE + column * width + (neighbours.APART if column else 0)
    left += neighbours.APART if column > neighbours.NEAREST else 0
    return tuple(sheet[neighbours.HEAD + 36, left + 48])


def test_the_plate_shows_the_planted_neighbours_in_each_space(system, tmp_path, monkeypatch):
    spaces = {"after learning": Red(), "with random weights": Red((1, 1))}
    monkeypatch.setattr(neighbours, "_roles", lambda _: spaces)
    (plate,) = neighbours.draw(system, tmp_path)
    sheet = np.asarray(Image.open(plate.file).convert("RGB"))
    assert colour(sheet, 0) == (100, 0, 0)
    # Red 100 lies between 90 and 101 on the low side of the mean, 111.5; green 0 beside 10 and 30 below 120.
    assert {colour(sheet, 1), colour(sheet, 2), colour(sheet, 3)} == {(0, 10, 0), (90, 200, 0), (101, 240, 0)}
    assert {colour(sheet, 5), colour(sheet, 6)} == {(0, 10, 0), (255, 30, 0)}
    assert "16 frames of 4 training videos" in plate.caption


def test_clips_are_read_as_their_encoder_takes_them(system, tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours, "_roles", lambda _: {"after learning": Clips()})
    assert neighbours.draw(system, tmp_path)


def test_an_untrained_network_takes_its_statistics_from_what_is_searched(system, tmp_path, monkeypatch):
    class Counting(Red):
        seen = 0

        def calibrate(self, batches):
            self.seen = sum(len(batch) for batch in batches)

    role = Counting()
    monkeypatch.setattr(neighbours, "_roles", lambda _: {"with random weights": role})
    neighbours.draw(system, tmp_path)
    assert role.seen == 16


def test_nothing_without_features_and_no_picture_of_what_is_no_number(system, tmp_path, monkeypatch):
    system.plan.method.roles = frozenset({"chance"})
    assert neighbours.draw(system, tmp_path) == []
    system.plan.method.roles = frozenset({"image"})
    monkeypatch.setattr(neighbours, "_roles", lambda _: {"after learning": SimpleNamespace()})
    assert neighbours.draw(system, tmp_path) == []

    class Broken(Red):
        def encode(self, images, point):
            return torch.full((len(images), 2), torch.nan)

    monkeypatch.setattr(neighbours, "_roles", lambda _: {"after learning": Broken()})
    with pytest.raises(BadData, match="no numbers at mean"):
        neighbours.draw(system, tmp_path)


def test_what_labels_taught_inside_a_benchmark_is_not_kept():
    role = SimpleNamespace(fit=None, calibrate=None)
    made = SimpleNamespace(
        untrained=lambda: None, role=lambda net: role, learned=None, record=SimpleNamespace(spec={"method": "toy"})
    )
    with pytest.raises(UnlabeledError, match="that network is not kept"):
        neighbours._roles(made)
