"""Trunks for pictures: known sizes and shapes, what Caffe's colours are, seeds, calibration, copies."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from unlabeled.errors import BadData, WrongCall
from unlabeled.streams import Rng
from unlabeled.training.nets import caffenet, frame_trunk, resnet, trunks
from unlabeled.training.nets.encoders import TrunkEncoder, UntrainedEncoder, seeded


def pictures(n, height, width, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random((n, 3, height, width), dtype=np.float32))


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def small(seed=0, make=frame_trunk.frame_trunk):
    return seeded(make, Rng(seed))


@pytest.fixture(scope="module")
def caffe():
    return seeded(lambda: caffenet.caffenet(batch_norm=True), Rng(0)).eval()


# ---------------------------------------------------------------- CaffeNet


def test_caffenet_has_the_parameters_of_alexnet_without_its_last_layer(caffe):
    assert parameters(caffe) == 60_965_224 - (4096 + 1) * 1000
    # conv1 and conv3, which has no groups, against 2 groups in conv2, conv4 and conv5
    counts = {name: parameters(block) for name, block in caffe.blocks.items() if parameters(block)}
    assert counts == {
        "conv1": 34_944, "conv2": 307_456, "conv3": 885_120, "conv4": 663_936, "conv5": 442_624,
        "fc6": 37_752_832, "fc7": 16_781_312,
    }  # fmt: skip


@pytest.mark.parametrize("size", [227, 224])
def test_caffenets_maps(caffe, size):
    """Caffe rounds pooled maps up, so that 224 pixels give the 6 x 6 map too."""
    sides = {"conv1": {227: 55, 224: 54}[size], "conv2": 27, "conv3": 13, "conv4": 13, "conv5": 13}
    image = pictures(1, size, size)
    for name, point in caffe.points.items():
        map_ = (sides[name], sides[name]) if name in sides else ()
        assert TrunkEncoder(caffe).encode(image, name).shape == (1, point.dim, *map_)
    assert [point.stride for point in caffe.points.values()] == [4, 8, 16, 16, 16, 0, 0, 0]
    assert caffe.points["pool5"].dim == 9216


def test_batch_normalisation_stands_where_the_variant_has_it(caffe):
    normed = [
        name for name, block in caffe.blocks.items() if any("BatchNorm" in type(m).__name__ for m in block.modules())
    ]
    assert normed == ["conv3", "conv4", "conv5", "fc6", "fc7"]
    assert not any(p.ndim == 1 and name.endswith("1.weight") for name, p in caffe.named_parameters()), (
        "no learned scale"
    )


def test_caffenet_starts_as_caffe_starts_it(caffe):
    conv2, fc6 = caffe.blocks["conv2"][0], caffe.blocks["fc6"][0][0]
    assert conv2.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert fc6.weight.std().item() == pytest.approx(0.005, rel=0.02)
    assert caffe.blocks["conv1"][0].bias.eq(0).all() and conv2.bias.eq(1).all() and fc6.bias.eq(1).all()


def test_caffes_colours_are_bgr_with_a_mean():
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None].expand(1, 3, 2, 2)
    inside = caffenet.caffenet(size=67).colours(red)[0, :, 0, 0]
    np.testing.assert_allclose(inside, [-103.939, -116.779, 255 - 123.68], rtol=1e-6)


# ---------------------------------------------------------------- the small trunk, residual networks


def test_the_small_trunk():
    net = small()
    assert parameters(net) == 16 * 75 + 32 * 144 + 48 * 288 + 2 * (16 + 32 + 48) + (960 + 1) * 128 + 2 * 128 == 143_088
    encoder = TrunkEncoder(net)
    shapes = {name: tuple(encoder.encode(pictures(2, 32, 40), name).shape) for name in encoder.points}
    assert shapes == {"conv1": (2, 16, 16, 20), "conv2": (2, 32, 8, 10), "conv3": (2, 48, 4, 5), "fc": (2, 128)}
    assert encoder.size == (32, 40)


@pytest.mark.parametrize("name, count", [("resnet18", 11_689_512 - 513_000), ("resnet50", 25_557_032 - 2_049_000)])
def test_residual_networks_are_torchvisions_without_the_last_layer(name, count):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        whole = getattr(models, name)(weights=None).eval()
        torch.manual_seed(0)
        net = getattr(resnet, name)(64).eval()
    assert parameters(net) == count
    whole.fc = nn.Identity()
    image = pictures(1, 64, 96)
    mean, std = (torch.tensor(v)[:, None, None] for v in (resnet.IMAGENET_MEAN, resnet.IMAGENET_STD))
    encoder = TrunkEncoder(net)
    torch.testing.assert_close(encoder.encode(image, "pool"), whole((image - mean) / std).detach())
    for k in range(1, 5):
        point = encoder.points[f"block{k}"]
        assert encoder.encode(image, point.name).shape == (1, point.dim, 64 // point.stride, 96 // point.stride)


# ---------------------------------------------------------------- encoders


def test_every_name_of_a_preset_has_a_network():
    assert set(trunks.TRUNKS) == set(trunks.Network.__args__)


def test_the_seed_makes_the_weights_and_leaves_torch_alone():
    before = torch.get_rng_state()
    one, same, other = (small(seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert not torch.equal(one["blocks.conv1.0.weight"], other["blocks.conv1.0.weight"])


def test_a_checkpoint_holds_no_colours():
    assert not [name for name in small().state_dict() if name.startswith("colours")]


def test_pictures_of_another_size():
    encoder = TrunkEncoder(small())
    assert encoder.encode(pictures(1, 64, 64), "conv3").shape == (1, 48, 8, 8)
    with pytest.raises(BadData, match=r"pictures of 32 x 40 \(height x width\)"):
        encoder.encode(pictures(1, 64, 64), "fc")
    with pytest.raises(WrongCall, match=r"no point 'fc7'[\s\S]*conv3 \(48\), fc \(128\)"):
        encoder.encode(pictures(1, 32, 40), "fc7")


def test_calibration_sets_the_statistics_of_the_pictures():
    net = small()
    encoder = UntrainedEncoder(net)
    images = pictures(8, 32, 40) * 0.3
    before = encoder.encode(images, "fc")
    encoder.calibrate([images[:4], images[4:]])
    conv, norm = net.blocks["conv1"][0], net.blocks["conv1"][1]
    torch.testing.assert_close(norm.running_mean, conv(net.colours(images)).mean((0, 2, 3)).detach())
    assert not net.training and not any(module.training for module in net.modules())
    assert norm.momentum == 0.1, "what is fine-tuned later averages as usual"
    after = encoder.encode(images, "fc")
    assert not torch.allclose(before, after)
    encoder.calibrate([images[:4], images[4:]])
    torch.testing.assert_close(encoder.encode(images, "fc"), after)


def test_calibration_draws_nothing():
    """Dropout stays off: it would disturb what comes after it, and the global generator."""
    net = seeded(lambda: caffenet.caffenet(size=67, batch_norm=True), Rng(0))
    before = torch.get_rng_state()
    UntrainedEncoder(net).calibrate([pictures(2, 67, 67)])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_copy_can_be_trained_and_the_encoder_stays_as_it_is():
    encoder = TrunkEncoder(small())
    images = pictures(4, 32, 40)
    kept = encoder.encode(images, "conv3")
    tuned = encoder.trunk("conv3")
    torch.testing.assert_close(tuned(images).detach(), kept)
    assert parameters(tuned) == parameters(encoder.net) - parameters(encoder.net.blocks["fc"])
    tuned.train()
    optimiser = torch.optim.SGD(tuned.parameters(), lr=0.1)
    tuned(images).square().mean().backward()
    optimiser.step()
    assert torch.equal(encoder.encode(images, "conv3"), kept)
    assert not torch.allclose(tuned(images).detach(), kept)


def test_features_can_be_learned_from():
    """A linear layer on them must be able to keep them for its gradient."""
    features = TrunkEncoder(small()).encode(pictures(4, 32, 40), "fc")
    nn.Linear(128, 2)(features).sum().backward()
