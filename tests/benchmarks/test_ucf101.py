"""UCF-101: order that only an ordered reading sees, classes without training, broken videos, generated and real set."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from unlabeled import contracts, registry, run
from unlabeled.benchmarks import _videos
from unlabeled.benchmarks.probes import frames
from unlabeled.contracts import Label, Point, Problem, Survey, Train, VideoItem
from unlabeled.datasets.world import actions, make
from unlabeled.errors import BadData, WrongCall
from unlabeled.streams import Rng

CLASSES = ("GrowFast", "GrowSlow", "Still")
SHORT = Train(steps=3, batch=8, lr=1e-3)


class Colour:
    """An image encoder: the mean of some colours of a picture. Red is the state, green the look of the clip."""

    size = 8

    def __init__(self, channels=(0,)):
        self.channels = list(channels)
        self.points = {"map": Point("map", 3, stride=8), "mean": Point("mean", len(self.channels))}

    def encode(self, images, point):
        return images.mean((2, 3))[:, self.channels]

    def trunk(self, point):
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, len(self.channels)))


def tuned():
    """An encoder that brings a short schedule."""
    encoder = Colour((0, 1, 2))
    encoder.finetune = SHORT
    return encoder


@dataclass(frozen=True)
class Preset:
    pass


class Colours(contracts.Method):
    id = "colours"
    cite = ""
    roles = frozenset({"image"})
    home = ()
    presets = {"nano": Preset(), "mini": Preset(), "paper": Preset()}

    def adapt(self, net, preset):
        return tuned()


def film(folder, action, draw, length=24):
    """Frames of one colour: a saw that rises slowly, or the same reversed, or nothing that moves."""
    time = (draw.uniform() + np.arange(length) / draw.uniform(12, 17)) % 1.0
    state = np.where(time < 0.8, time / 0.8, (1 - time) / 0.2) if action != "Still" else np.full(length, 0.5)
    folder.mkdir(parents=True)
    green = int(draw.integers(256))
    for k, red in enumerate(state[::-1] if action == "GrowFast" else state):
        Image.new("RGB", (10, 8), (int(255 * red), green, 90)).save(folder / f"{k:05d}.png")
    return folder


def films(root, groups=10, lengths=24, classes=CLASSES, tested=3, clips=2):
    """Folders of frames; the first groups are tested."""
    draw, items = np.random.default_rng(0), []
    for target, action in enumerate(classes):
        for group in range(1, groups + 1):
            for clip in range(clips):
                name = f"{action}/v_g{group:02d}_c{clip}"
                side = "test" if group <= tested else "train"
                path = film(root / name, action, draw, lengths)
                items.append(VideoItem(name, path, target, f"{action}/g{group:02d}", (side, side, side)))
    counts = {"clips": len(items)}
    return Survey("ucf101", root, "", tuple(items), tuple(classes), (), counts, counts, Label(("world",), ""), "")


def scored(data, recipe, role, keep="none"):
    """All units of a recipe without a store: outcomes and scores."""
    benchmark = registry.load("benchmarks", "ucf101")
    recipe = benchmark.recipes[recipe] if isinstance(recipe, str) else recipe
    prepared = benchmark.prepare(role, data, recipe)
    units = benchmark.units(data, recipe)
    outcomes = {unit: benchmark.run_unit(unit, data, prepared, recipe, Rng(0).under(unit), keep) for unit in units}
    return outcomes, benchmark.aggregate(outcomes, data, recipe)


@pytest.fixture(scope="module")
def saws(tmp_path_factory):
    return films(tmp_path_factory.mktemp("films"))


# ---------------------------------------------------------------- what is measured


def test_order_is_read_from_the_state_and_from_nothing_else(saws):
    _, state = scored(saws, "ordered-probe", Colour((0,)))
    _, look = scored(saws, "ordered-probe", Colour((1,)))
    _, mean = scored(saws, "frozen", Colour((0,)))
    assert state.metrics["within_pair"].value > 0.9 and state.metrics["accuracy"].value > 0.9
    assert 0.1 <= look.metrics["within_pair"].value <= 0.9
    assert mean.metrics["within_pair"].value <= 0.8, "a mean over frames has no order"
    assert state.breakdown["probes"]["main"]["pairs"].keys() == {"GrowSlow/GrowFast"}
    assert state.metrics["accuracy_linear"].value < state.metrics["accuracy"].value
    assert "accuracy_108" not in state.metrics, "there are 42 training clips"
    assert state.breakdown["splits"] == {
        "split 1": {"train": {"classes": 3, "clips": 42}, "test": {"classes": 3, "clips": 18}}
    }


def test_within_a_pair_only_its_two_classes_are_compared():
    answer = frames.Answer(np.array([[0.1, 0.2, 0.7], [0.2, 0.2, 0.6], [0.3, 0.2, 0.5]]), 5)
    tally = _videos._tally(answer, np.array([1, 1, 2]), {"a/b": (1, 0)})
    assert tally == {"labels": 5, "correct": 1, "n": 3, "pairs": {"a/b": [1, 2]}}, "a tie goes to the lowest class"


def test_the_pairs_are_those_of_the_generated_set():
    assert {frozenset(pair) for pair in _videos.PAIRS} == {
        frozenset(action.name for action in pair) for pair in actions.PAIRS
    }


def test_items_and_predictions(saws):
    outcomes, scores = scored(saws, "frozen", Colour((0, 1, 2)), keep="predictions")
    item = outcomes["split 2"].items[0]
    assert set(item) == {"id", "truth", "predicted", "right", "group", "scores"} and item["group"] == "GrowFast/g01"
    assert len(outcomes) == 3 and sum(item["scores"]) == pytest.approx(1)
    assert scores.metrics["accuracy"].n == 54 and np.sum(scores.breakdown["confusion"]) == 54


def test_a_class_without_training_clips_counts_as_wrong(tmp_path):
    data = films(tmp_path, groups=4, tested=2)
    items = tuple(item for item in data.items if item.target != 1 or item.sides[0] == "test")
    outcomes, scores = scored(dataclasses.replace(data, items=items), "ordered-probe", Colour((0,)))
    assert not any(item["right"] for item in outcomes["split 1"].items if item["truth"] == 1)
    assert any("4 of 12 test clips count as wrong" in note and "GrowSlow" in note for note in scores.notes)
    assert "within_pair" not in scores.metrics, "one class of the pair was never learned"
    assert scores.breakdown["splits"]["split 1"]["train"] == {"classes": 2, "clips": 8}


def test_videos_shorter_than_a_window_start_again(tmp_path):
    for length in (1, 4):
        data = films(tmp_path / str(length), groups=3, lengths=length, tested=1)
        for recipe in ("ordered-probe", "frozen"):
            assert scored(data, recipe, Colour((0, 1)))[1].metrics["accuracy"].n


def test_videos_that_break_make_the_result_partial(tmp_path):
    data = films(tmp_path, groups=4, tested=2)
    broken = next(item for item in data.items if item.sides[0] == "test")
    next(iter(broken.path.iterdir())).write_bytes(b"nothing")
    problem = Problem("unreadable video", "Still/v_x.avi", "no frames: left out", fatal=False)
    outcomes, scores = scored(dataclasses.replace(data, problems=(problem,)), "frozen", Colour((0,)))
    assert outcomes["split 1"].n == 11 and broken.id not in {item["id"] for item in outcomes["split 1"].items}
    assert scored(data, "shuffle-learn", tuned())[1].metrics["accuracy"].n == 3 * 11
    (told,) = scores.partial
    assert told.startswith("2 videos cannot be decoded") and broken.id in told and "Still/v_x.avi" in told
    assert str(tmp_path) not in told


def test_chance_is_exact(saws):
    benchmark = registry.load("benchmarks", "ucf101")
    recipe = benchmark.recipes["ordered-probe"]
    outcome = benchmark.chance("split 1", saws, recipe)
    assert (outcome.n, outcome.values) == (18, {"accuracy": 1 / 3, "within_pair": 0.5})
    assert benchmark.aggregate({"split 1": outcome}, saws, recipe).metrics["accuracy"].value == 1 / 3
    record = run.evaluate("chance", "ucf101", preset="paper")
    assert record.scores["accuracy"]["value"] == pytest.approx(1 / 101) and record.scores["accuracy"]["n"] == 3783


# ---------------------------------------------------------------- what is refused


def test_one_class_and_unknown_points_are_refused(tmp_path, saws):
    with pytest.raises(BadData, match="fewer than two classes"):
        scored(films(tmp_path, groups=2, tested=1, classes=("Still",)), "frozen", Colour())
    recipe = registry.load("benchmarks", "ucf101").recipes["frozen"]
    for point in ("map", "fc9"):
        with pytest.raises(WrongCall, match=f"{point}.*\n.*mean"):
            scored(saws, dataclasses.replace(recipe, point=point), Colour())


def test_features_must_be_numbers_of_the_promised_shape(saws):
    class Bad(Colour):
        def encode(self, images, point):
            return super().encode(images, point) * self.factor

    for factor, told in ((torch.nan, "no numbers"), (torch.ones(1, 2), "shape")):
        role = Bad()
        role.factor = factor
        with pytest.raises(BadData, match=told):
            scored(saws, "frozen", role)


# ---------------------------------------------------------------- whole runs


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make.ensure("ucf101", "nano", 0, tmp_path_factory.mktemp("world"))


def test_the_generated_set_twice(world, tmp_path):
    first, second = (
        run.evaluate(Colours(), "ucf101", data=world, preset="nano", store=tmp_path / name) for name in ("a", "b")
    )
    assert first.status == "complete" and first.spec["recipe"] == "ordered-probe"
    assert list(first.scores) == ["accuracy", "within_pair", "accuracy_108", "within_pair_108", "accuracy_linear"]
    assert first.scores == second.scores and first.breakdown == second.breakdown
    assert first.breakdown["probes"]["108"]["labels"] == [108], "nine groups of twelve classes, a clip of each"
    assert first.scores["accuracy"]["n"] == 84 and first.scores["within_pair"]["n"] == 70


@pytest.mark.slow
def test_fine_tuning_on_the_generated_set(world, tmp_path):
    record = run.evaluate(
        Colours(), "ucf101", recipe="shuffle-learn", data=world, preset="nano", store=tmp_path, limit=2
    )
    assert record.status == "complete" and len(record.units) == 3
    assert any("3 steps of 8 frames, not 20000 of 256" in text for text in record.deviations)
    assert any("not checked in the paper" in text for text in record.deviations)


def test_a_slice_of_the_real_set(real_data, tmp_path):
    record = run.evaluate(Colours(), "ucf101", data=real_data / "UCF-101", preset="paper", store=tmp_path)
    assert record.status == "complete" and "subset" in record.data["label"]["kinds"]
    assert record.breakdown["splits"]["split 1"] == {
        "train": {"classes": 4, "clips": 17},
        "test": {"classes": 5, "clips": 14},
    }
    assert any("2 of 14 test clips count as wrong" in note for note in record.notes)
    assert len(record.breakdown["classes"]) == 101 and record.scores["accuracy"]["n"] == 14
