"""Probes of single frames: shapes, standardising, groups, crops, what an encoder is shown before."""

import numpy as np
import pytest
import torch
from PIL import Image

from unlabeled.benchmarks.probes import finetune, frames, ordered
from unlabeled.contracts import Point, Request, VideoItem
from unlabeled.streams import Rng


def clip(tmp_path, name, target=0, length=5):
    folder = tmp_path / name
    folder.mkdir()
    for k in range(length):
        Image.new("RGB", (16, 12), (50 * k, 0, 0)).save(folder / f"{k}.png")
    return VideoItem(name, folder, target, name)


class Red:
    size = 8
    points = {"red": Point("red", 1)}

    def __init__(self):
        self.batches, self.shown = [], []

    def encode(self, images, point):
        self.shown.append(len(images))
        return images[:, :1].mean((2, 3))


def test_features_of_all_frames_and_of_some(tmp_path):
    item, role = clip(tmp_path, "a"), Red()
    (every,) = frames.FrameFeatures(role, "", {"a": 5}, None).of([item])
    np.testing.assert_allclose(every[:, 0] * 255, [0, 50, 100, 150, 200], atol=1e-4)
    some = frames.FrameFeatures(role, "red", {"a": 5}, lambda n: np.array([0, 0, 3]))
    np.testing.assert_allclose(some.of([item])[0][:, 0] * 255, [0, 0, 150], atol=1e-4)
    assert role.shown == [5, 2], "a frame that is wanted twice is read once"
    some.of([item])
    assert role.shown == [5, 2], "features are remembered"


def test_long_clips_are_encoded_in_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "CHUNK", 2)
    role = Red()
    (found,) = frames.FrameFeatures(role, "", {}, None).of([clip(tmp_path, "a")])
    assert found.shape == (5, 1) and role.shown == [2, 2, 1]


def test_features_that_would_fill_the_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "MOST_BYTES", 10)
    with pytest.raises(Exception, match="--point"):
        frames.FrameFeatures(Red(), "", {}, None).of([clip(tmp_path, "a")])


def test_untrained_encoders_are_calibrated_and_classifiers_learn(tmp_path):
    items = [clip(tmp_path, name, target) for target, name in enumerate("abc")]

    class Untrained(Red):
        def calibrate(self, batches):
            self.batches = [tuple(batch.shape) for batch in batches]

    class Classifier(Red):
        def fit(self, items, labels, rng):
            self.seen = [items[k].shape for k in range(len(items))], labels.tolist(), list(items.ids)

    untrained, classifier = Untrained(), Classifier()
    for role in (untrained, classifier):
        frames.FrameFeatures(role, "", {}, None).learn(items, np.arange(3), Rng(0))
    assert untrained.batches == [(12, 3, 8, 8)], "four frames of each of three clips"
    assert classifier.seen == ([(5, 9, 12, 3)] * 3, [0, 1, 2], ["a", "b", "c"])


def test_clips_are_decoded_once_while_they_fit(tmp_path, monkeypatch):
    items = [clip(tmp_path, name) for name in "ab"]
    decoded = []
    read = frames.resized
    monkeypatch.setattr(frames, "resized", lambda item, cover: decoded.append(item.id) or read(item, cover))
    monkeypatch.setattr(frames, "MOST_CLIP_BYTES", 5 * 3 * 9 * 12 + 1)
    pictures = frames.Pictures((9, 12))
    for item in items * 2:
        assert pictures.some(item, [4, 0, 0])[:, 0, 0, 0].tolist() == [200, 0, 0]
    assert decoded == ["a", "b"], "there is room for one; of others only the frames that are wanted are read"
    assert frames.ClipItems(items, 8, pictures)[0].shape == (5, 9, 12, 3)


def test_fine_tuning_draws_one_frame_of_each_clip_with_its_class(tmp_path):
    items = [clip(tmp_path, name) for name in "abc"]
    role = finetune.FineTuning().prepare(Red(), {item.id: 5 for item in items})
    request = Request("images", 8, augment=("crop",))
    drawn = finetune.TrainingFrames(role, items, np.array([7, 8, 9]), request)
    stream = drawn.parts(4, Rng(0), 0)
    first, second = next(stream), next(stream)
    assert first.frames.shape == (4, 3, 8, 8) and len(set(first.ids[:3])) == 3
    assert [{"a": 7, "b": 8, "c": 9}[name] for name in first.ids] == first.labels.tolist()
    shades = {round(float(batch.frames[k, 0].mean()) * 255) for batch in (first, second) for k in range(4)}
    assert shades <= {0, 50, 100, 150, 200} and len(shades) > 1
    assert torch.equal(next(drawn.parts(4, Rng(0), 1)).frames, second.frames)


def test_training_statistics_and_features_that_never_change():
    scale = ordered.Standardised([np.array([[0.0, 7.0], [2.0, 7.0]], np.float32), np.array([[4.0, 7.0]], np.float32)])
    assert scale.first.tolist() == [0, 2] and scale.lengths.tolist() == [2, 1]
    np.testing.assert_allclose(scale.rows.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(scale.rows[:, 0].std(correction=0), 1, atol=1e-6)
    assert scale.scaled(np.array([[2.0, 7.0]], np.float32)).tolist() == [[0, 0]]


def test_windows_stay_inside_their_clip_and_views_are_spread():
    recipe = ordered.OrderedProbe()
    clips = [np.full((length, 1), k, np.float32) for k, length in enumerate((12, 4, 30))]
    scale = ordered.Standardised(clips)
    scale.rows = torch.from_numpy(np.concatenate(clips))
    batch = recipe._windows(scale, np.array([5, 6, 7]), Rng(0).numpy("windows"))
    assert batch.frames.shape == (256, 4) and set(batch.labels.tolist()) == {5, 6, 7}
    assert (batch.frames == batch.labels[:, None] - 5).all()
    views = recipe._views(torch.arange(24.0)[:, None])
    assert views.shape == (8, 4) and views[0].tolist() == [0, 3, 6, 9] and views[-1].tolist() == [14, 17, 20, 23]


def test_whole_groups_until_there_are_enough_clips():
    items = [
        VideoItem(f"{c}{g}{k}", None, c, f"{c}/g{g}") for c in range(2) for g in (3, 1, 2) for k in range(g)
    ]  # fmt: skip
    assert {item.group for item in ordered.first_groups(items, 2)} == {"0/g1", "1/g1"}
    assert len(ordered.first_groups(items, 3)) == 6 and len(ordered.first_groups(items, 99)) == 12


def test_ten_crops():
    picture = torch.arange(5 * 7, dtype=torch.uint8).reshape(1, 1, 5, 7).expand(1, 3, 5, 7)
    crops = finetune.ten_crops(picture, 3, 3)
    assert len(crops) == 10 and all(crop.shape == (1, 3, 3, 3) for crop in crops)
    corners = [round(float(crop[0, 0, 0, 0]) * 255) for crop in crops[::2]]
    assert corners == [0, 4, 14, 18, 9], "the corners, then the middle"
    assert torch.equal(crops[1], crops[0].flip(3))
