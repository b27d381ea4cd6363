"""SoundNet's trunk: sizes of the paper, named points, calibration, seeds."""

import numpy as np
import pytest
import torch

from unlabeled.errors import BadData
from unlabeled.streams import Rng
from unlabeled.training.nets.soundnet import Trunk, TrunkEncoder, UntrainedEncoder, initialise
from unlabeled.training.signals.soundnet import layer_lengths


@pytest.fixture(scope="module")
def net():
    return initialise(Trunk(), Rng(0))


def waves(n, samples, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).uniform(-0.5, 0.5, (n, samples)).astype(np.float32))


def test_parameters_of_the_paper(net):
    assert sum(p.numel() for p in net.parameters()) == 2_874_320


def test_lengths_and_channels(net):
    encoder = TrunkEncoder(net, 22_050, 256.0, 10.0)
    lengths = layer_lengths(66_150)
    for name, point in encoder.points.items():
        assert encoder.encode_wave(waves(1, 66_150), name).shape == (1, point.dim, lengths[name])
    assert encoder.points["pool5"].dim == 256 and encoder.points["pool5"].step_s == pytest.approx(8192 / 22_050)


def test_shortest_waves(net):
    encoder = TrunkEncoder(net, 22_050, 256.0, 10.0)
    fewest = encoder.points["pool5"].min_samples
    assert encoder.encode_wave(waves(1, fewest), "pool5").shape[2] == 1
    with pytest.raises(BadData, match="too few"):
        encoder.encode_wave(waves(1, fewest - 1), "pool5")


def test_the_seed_makes_the_weights():
    one, same, other = (initialise(Trunk(), Rng(seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert not torch.equal(one["blocks.conv1.0.weight"], other["blocks.conv1.0.weight"])
    assert one["blocks.conv2.0.weight"].std().item() == pytest.approx(0.01, rel=0.05)


def test_calibration_sets_the_statistics_of_the_clips():
    net = initialise(Trunk(), Rng(0))
    encoder = UntrainedEncoder(net, 22_050, 256.0, 10.0)
    clips = waves(8, 66_150)
    encoder.calibrate([clips[:4], clips[4:]])
    norm = net.blocks["conv1"][1]
    hidden = net.blocks["conv1"][0](clips[:, None] * 256.0)
    torch.testing.assert_close(norm.running_mean, hidden.mean((0, 2)), rtol=1e-3, atol=1e-3)
    assert not net.training
    again = encoder.encode_wave(clips[:1], "pool5")
    encoder.calibrate([clips[:4], clips[4:]])
    torch.testing.assert_close(encoder.encode_wave(clips[:1], "pool5"), again)
