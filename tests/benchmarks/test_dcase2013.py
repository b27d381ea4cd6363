"""DCASE 2013 scenes: the split, the published window counts, the public set alone."""

import dataclasses

import numpy as np
import pytest

from unlabeled import registry, run
from unlabeled.benchmarks.probes.sound import Features
from unlabeled.contracts import Point
from unlabeled.datasets.world import make


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return make.ensure("dcase2013", "nano", 0, tmp_path_factory.mktemp("world"))


def test_development_trains_and_test_set_tests(scenes):
    reader, benchmark = registry.load("datasets", "dcase2013"), registry.load("benchmarks", "dcase2013")
    data = reader.survey(reader.find(scenes))
    assert benchmark.units(data, None) == benchmark.all_units(data, None) == ("test set",)
    train, test = benchmark.split("test set", data)
    assert len(train) == len(test) == 20
    assert all("testset" in item.id for item in test) and not any("testset" in item.id for item in train)


def test_the_windows_of_the_released_script():
    """30 s at 22,050 Hz: 81 steps of pool5, windows of 14, 68 of them, 3,584 numbers each."""
    recipe = registry.load("benchmarks", "dcase2013").recipes["soundnet-svm"]
    assert recipe._windows(np.zeros((1, 256, 81), np.float32)).shape == (1, 68, 3584)
    recipe = registry.load("benchmarks", "esc50").recipes["soundnet-svm"]
    assert recipe._windows(np.zeros((1, 256, 27), np.float32)).shape == (1, 25, 768)


def test_the_first_channel_is_heard(scenes):
    """SoundNet reads channel one of a stereo file, other recipes the mean."""
    import soundfile
    import torch

    reader = registry.load("datasets", "dcase2013")
    item = reader.survey(reader.find(scenes)).items[0]

    class Echo:
        rate, points = 8000, {"all": Point("all", 24_000)}

        def encode_wave(self, waves, point):
            return waves[:, :24_000]

    stereo = soundfile.read(item.path, dtype="float32")[0]
    first = Features(Echo(), "all", "first").of([item], lambda waves: waves)[0]
    mean = Features(Echo(), "all", "mean").of([item], lambda waves: waves)[0]
    np.testing.assert_array_equal(first, stereo[:, 0])
    np.testing.assert_allclose(mean, torch.from_numpy(stereo).mean(1), atol=1e-7)
    assert not np.allclose(first, mean)


def test_without_the_test_set_five_folds_are_dealt(scenes, store, tmp_path):
    import shutil

    reader, benchmark = registry.load("datasets", "dcase2013"), registry.load("benchmarks", "dcase2013")
    folder = tmp_path / "DCASE2013"
    shutil.copytree(reader.find(scenes), folder)
    shutil.rmtree(folder / "scenes_stereo_testset")
    (folder / "MANIFEST.json").unlink()
    data = reader.survey(folder)
    assert "altered" in data.label.kinds
    folds = {item.fold for item in data.items}
    assert benchmark.units(data, None) == tuple(f"fold {fold}" for fold in sorted(folds))


def test_an_untrained_network_on_the_generated_scenes(scenes, store):
    record = run.evaluate("random", "dcase2013", data=scenes, preset="nano", store=store)
    assert record.status == "complete" and record.scores["accuracy"]["n"] == 20
    again = run.evaluate("random", "dcase2013", data=scenes, preset="nano", store=store, overwrite="always")
    assert again.without_run() == record.without_run()
    other = run.evaluate("random", "dcase2013", data=scenes, preset="nano", store=store, seed=1)
    assert dataclasses.asdict(other)["keys"]["run"] != record.keys["run"]
