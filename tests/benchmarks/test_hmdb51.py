"""HMDB-51: unused clips, three splits, codes that are mixed up, chance, the generated and the real set."""

import re
import shutil
from dataclasses import dataclass

import pytest

from unlabeled import contracts, registry, run
from unlabeled.contracts import Point
from unlabeled.datasets import hmdb51
from unlabeled.datasets.world import make
from unlabeled.errors import BadData
from unlabeled.streams import Rng

BENCHMARK = registry.load("benchmarks", "hmdb51")


class Colour:
    """Role image: the mean colour."""

    size = 8
    points = {"mean": Point("mean", 3)}

    def encode(self, images, point):
        return images.mean((2, 3))


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
        return Colour()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make.ensure("hmdb51", "nano", 0, tmp_path_factory.mktemp("world"))


def test_unused_clips_are_on_neither_side(world):
    data = hmdb51.DATASET.survey(world / "HMDB51")
    recipe = BENCHMARK.recipes["frozen"]
    prepared = BENCHMARK.prepare(Colour(), data, recipe)
    for unit in BENCHMARK.units(data, recipe):
        train, test = prepared.readable(unit, data)
        place = int(unit[-1]) - 1
        unused = {item.id for item in data.items if item.sides[place] == ""}
        assert (len(train), len(test), len(unused)) == (8 * 4, 8 * 2, 8 * 1)
        assert not unused & {item.id for item in train + test}
        outcome = BENCHMARK.run_unit(unit, data, prepared, recipe, Rng(0), "none")
        assert {item["id"] for item in outcome.items} == {item.id for item in test}


def test_a_run_has_three_splits_or_the_first(world, tmp_path):
    frozen = run.evaluate(Colours(), "hmdb51", recipe="frozen", data=world, preset="nano", store=tmp_path)
    assert [unit["unit"] for unit in frozen.units] == ["split 1", "split 2", "split 3"]
    assert frozen.scores["accuracy"]["n"] == 48 and frozen.scores["within_pair"]["n"] == 36
    assert set(frozen.breakdown["probes"]["main"]["pairs"]) == {
        "grow_slow/grow_fast", "rise_slow/rise_fast", "glow_slow/glow_fast",
    }  # fmt: skip
    ordered = run.evaluate(Colours(), "hmdb51", data=world, preset="nano", store=tmp_path)
    assert ordered.spec["recipe"] == "ordered-probe" and len(ordered.units) == 1


def test_chance_is_exact():
    record = run.evaluate("chance", "hmdb51", preset="paper", recipe="frozen")
    assert record.scores["accuracy"]["value"] == pytest.approx(1 / 51) and record.scores["accuracy"]["n"] == 3 * 1530


def test_lists_whose_codes_are_mixed_up_give_no_number(world, tmp_path):
    root = tmp_path / "HMDB51"
    shutil.copytree(world / "HMDB51", root)
    (root / "MANIFEST.json").unlink()
    for file in (root / hmdb51.LISTS).glob("*_split2.txt"):
        file.write_text(re.sub(r" [12] ", " 0 ", file.read_text()))
    with pytest.raises(BadData, match=r"split 2.*none has a code for train or test"):
        run.evaluate(Colours(), "hmdb51", recipe="frozen", data=root, preset="nano", store=tmp_path / "store")


def test_a_slice_of_the_real_set(real_data, tmp_path):
    """Four clips, three of one class: split 1 has two to train on, split 3 none of a second class."""
    root = real_data / "HMDB51"
    record = run.evaluate(Colours(), "hmdb51", data=root, preset="paper", store=tmp_path)
    assert record.status == "complete" and "subset" in record.data["label"]["kinds"]
    assert record.breakdown["splits"] == {
        "split 1": {"train": {"classes": 2, "clips": 2}, "test": {"classes": 1, "clips": 1}}
    }
    with pytest.raises(BadData, match="split 3 leaves fewer than two classes"):
        run.evaluate(Colours(), "hmdb51", recipe="frozen", data=root, preset="paper", store=tmp_path)
