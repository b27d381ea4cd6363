"""Video retrieval: films by how they move, both recipes, encoders of pictures, chance, films that break."""

import dataclasses

import numpy as np
import pytest
import torch
from clip_encoders import StepEncoder, rising_and_falling

from unlabeled import contracts, registry, run
from unlabeled.contracts import Point
from unlabeled.errors import BadData, UnlabeledError
from unlabeled.streams import Rng

BENCHMARK = registry.load("benchmarks", "video_retrieval")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return rising_and_falling(tmp_path_factory.mktemp("films"))


def scored(data, recipe, role, keep="none"):
    recipe = BENCHMARK.recipes[recipe]
    (unit,) = BENCHMARK.units(data, recipe)
    outcome = BENCHMARK.run_unit(unit, data, BENCHMARK.prepare(role, data, recipe), recipe, Rng(0), keep)
    return outcome, BENCHMARK.aggregate({unit: outcome}, data, recipe)


class Colours:
    """Role image."""

    size = 8
    points = {"mean": Point("mean", 3)}

    def encode(self, images, point):
        return images.mean((2, 3))


@pytest.mark.parametrize("recipe", ["vcop", "coclr"])
def test_films_that_move_alike_are_near(films, recipe):
    outcome, scores = scored(films, recipe, StepEncoder(), keep="predictions")
    assert (
        [metric.name for metric in BENCHMARK.metrics] == list(scores.metrics) == ["r@1", "r@5", "r@10", "r@20", "r@50"]
    )
    assert scores.metrics["r@1"].value == 1 and scores.metrics["r@1"].n == 4
    assert scores.breakdown["recall"] == {"1": 1.0, "5": 1.0, "10": 1.0, "20": 1.0, "50": 1.0}
    item = outcome.items[0]
    assert set(item) == {"id", "truth", "place", "right", "group", "nearest"} and item["right"] is True
    assert len(item["nearest"]) == 10 and item["nearest"][0].startswith(item["id"].partition("/")[0])
    assert any("takes 4 frames 1 apart at 8 x 8" in note for note in scores.notes), "another clip is a deviation"


def test_pictures_alone_cannot_tell_a_film_from_its_reverse(films):
    _, scores = scored(films, "frame-mean", Colours())
    assert scores.metrics["r@1"].value < 1 and scores.metrics["r@10"].value == 1
    assert not any("deviation" in note for note in scores.notes)


def test_the_two_recipes_differ_as_they_say(films):
    """A feature that all films share dominates plain cosines; centring takes it away."""

    class Lifted(StepEncoder):
        def encode_clip(self, clips, point):
            return super().encode_clip(clips, point) + torch.tensor([100.0, 0, 0, 0])

    plain, centred = (scored(films, name, Lifted())[0].values for name in ("vcop", "coclr"))
    recipe, data = BENCHMARK.recipes["coclr"], np.array([[3.0, 4.0], [0.0, 2.0]])
    assert centred["hits"]["1"] >= plain["hits"]["1"]
    one, two = BENCHMARK._vectors([data, data * 5], recipe)
    np.testing.assert_allclose(one, -two, atol=1e-12), "each clip counts by its direction, each side has mean 0"
    np.testing.assert_allclose(BENCHMARK._vectors([data], BENCHMARK.recipes["vcop"])[0], [1.5, 3.0])


def test_chance_is_exact(films):
    recipe = BENCHMARK.recipes["vcop"]
    outcome = BENCHMARK.chance("split 1", films, recipe)
    assert outcome.n == 4 and outcome.values["r@1"] == 0.5 and outcome.values["r@10"] == 1
    assert outcome.values["r@5"] == pytest.approx(1 - 6 / 792), "of 12 films 6 are of the class: C(6, 5) / C(12, 5)"
    assert BENCHMARK.aggregate({"split 1": outcome}, films, recipe).metrics["r@1"].value == 0.5
    with pytest.raises(UnlabeledError, match="--data"):
        run.evaluate("chance", "video_retrieval", preset="paper")


def test_films_that_break_make_the_result_partial(tmp_path):
    data = rising_and_falling(tmp_path, groups=3, tested=1)
    for item in data.items[:2]:
        next(iter(item.path.iterdir())).write_bytes(b"nothing")
    _, scores = scored(data, "vcop", StepEncoder())
    assert scores.metrics["r@1"].n == 1 and "2 videos cannot be decoded" in scores.partial[0]
    for item in data.items:
        if item.sides[0] == "test":
            next(iter(item.path.iterdir())).write_bytes(b"nothing")
    with pytest.raises(BadData, match="no video on one side"):
        scored(data, "vcop", StepEncoder())


def test_compare_pairs_the_items(films):
    outcome, _ = scored(films, "vcop", StepEncoder())
    assert all(isinstance(item["right"], bool) and item["place"] >= 1 for item in outcome.items)


def test_the_default_recipe_goes_by_the_role(tmp_path, films):
    from unlabeled import plan

    @dataclasses.dataclass(frozen=True)
    class Preset:
        pass

    class Either(contracts.Method):
        id, cite, home = "either", "", ()
        presets = {"nano": Preset()}

        def __init__(self, role):
            self.roles = frozenset({role})

        def adapt(self, net, preset):
            return None

    named = {role: plan.make(Either(role), "video_retrieval", preset="nano").spec.recipe for role in ("video", "image")}
    assert named == {"video": "vcop", "image": "frame-mean"}
