"""Random initialisation: each role has its own network; SoundNet's comes out as ever."""

from dataclasses import replace

import pytest
import torch

from unlabeled.methods.random import METHOD
from unlabeled.streams import Rng
from unlabeled.training.nets import dense_trunks, soundnet


def image(name, **changed):
    preset = replace(METHOD.presets[name], role="image", **changed)
    return METHOD.adapt(METHOD.build(preset, Rng(0)), preset)


def test_sound_is_what_a_preset_gives_unasked():
    preset = METHOD.presets["mini"]
    net = METHOD.build(preset, Rng(0))
    assert isinstance(METHOD.adapt(net, preset), soundnet.UntrainedEncoder)
    bare = soundnet.initialise(soundnet.Trunk(), Rng(0)).state_dict()
    assert all(torch.equal(value, bare[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("name, point, dim", [("nano", "fc", 128), ("mini", "fc", 128), ("small", "pool", 512)])
def test_pictures_have_the_trunk_of_the_preset(name, point, dim):
    encoder = image(name)
    height, width = encoder.size if isinstance(encoder.size, tuple) else (encoder.size, encoder.size)
    pictures = torch.rand(4, 3, height, width, generator=torch.Generator().manual_seed(0))
    encoder.calibrate([pictures])
    features = encoder.encode(pictures, point)
    assert features.shape == (4, dim)
    again = image(name)
    again.calibrate([pictures])
    assert torch.equal(again.encode(pictures, point), features)


def test_the_network_can_be_named():
    assert image("mini", network="resnet18", size=32).points["pool"].dim == 512
    assert METHOD.presets["paper"].network == "caffenet"


def test_small_presets_bring_a_schedule_for_fine_tuning():
    clips = METHOD.variants["stack-of-differences"]["mini"]
    encoders = (image("mini"), METHOD.adapt(METHOD.build(clips, Rng(0)), clips))
    assert all(encoder.finetune == METHOD.presets["mini"].finetune is not None for encoder in encoders)
    assert METHOD.presets["paper"].finetune is None


def test_cells_have_the_trunk_of_video_colorization():
    preset = replace(METHOD.presets["mini"], role="dense")
    net, same = METHOD.build(preset, Rng(0)), METHOD.build(preset, Rng(0))
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), same.state_dict().values(), strict=True))
    encoder = METHOD.adapt(net, preset)
    clips = torch.rand(2, 3, 2, 33, 40, generator=torch.Generator().manual_seed(0))
    before = encoder.dense(clips)
    encoder.calibrate([clips])
    features = encoder.dense(clips)
    assert features.shape == (2, 64, 2, 9, 10) and (encoder.stride, encoder.reach) == (4, 0)
    assert not torch.allclose(before, features), "statistics come from the clips"
    assert dense_trunks.make("colour_resnet").stride == 8 and METHOD.presets["paper"].cells == "colour_resnet"
