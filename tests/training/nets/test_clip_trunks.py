"""Weights over time against their definitions, and trunks for clips made of trunks for pictures."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlabeled.contracts import ClipSpec, Train
from unlabeled.errors import BadData, WrongCall
from unlabeled.streams import Rng
from unlabeled.training.nets import clip_trunks, trunks
from unlabeled.training.nets.clip_trunks import ClipEncoder, ClipTrunk, Grey, OverTime
from unlabeled.training.nets.encoders import seeded

LENGTHS = st.integers(2, 20)

# ---------------------------------------------------------------- weights over time


@given(LENGTHS, st.integers(0, 99))
def test_weights_are_the_sums_that_define_them(n, seed):
    frames = np.random.default_rng(seed).normal(size=n)

    def weighed(make):
        return make(n).double().numpy() @ frames

    np.testing.assert_allclose(weighed(clip_trunks.stack_of_differences), np.diff(frames), atol=1e-5)
    pairs = sum(frames[j] - frames[i] for j in range(n) for i in range(j))
    np.testing.assert_allclose(weighed(clip_trunks.sum_of_differences), [pairs], atol=1e-4)
    means = np.cumsum(frames) / np.arange(1, n + 1)
    ranked = sum(means[j] - means[i] for j in range(n) for i in range(j))
    np.testing.assert_allclose(weighed(clip_trunks.dynamic_image), [ranked], atol=1e-4)
    both = np.concatenate([frames, np.diff(frames)])
    np.testing.assert_allclose(weighed(clip_trunks.frames_and_differences), both, atol=1e-5)


@given(LENGTHS)
def test_dynamic_image_has_the_published_coefficients(n):
    """Bilen et al. 2016, equation 3: 2 (T - t + 1) - (T + 1) (H_T - H_{t-1})."""
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1))])
    t = np.arange(1, n + 1)
    expected = 2 * (n - t + 1) - (n + 1) * (harmonic[n] - harmonic[t - 1])
    np.testing.assert_allclose(clip_trunks.dynamic_image(n)[0].numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("make", clip_trunks.DIFFERENCES.values())
def test_differences_of_a_still_are_nothing_and_order_matters(make):
    weights = make(5)
    torch.testing.assert_close(weights.sum(1), torch.zeros(len(weights)), atol=1e-5, rtol=0)
    clips = torch.rand(2, 3, 5, 4, 6)
    front = OverTime(weights, torch.nn.Identity())
    assert front(clips).shape == (2, 3 * len(weights), 4, 6)
    assert not torch.allclose(front(clips), front(clips[:, :, [0, 2, 1, 3, 4]]))


def test_channels_are_frame_by_frame_and_clips_of_another_length_are_refused():
    clips = torch.rand(1, 3, 4, 2, 2)
    front = OverTime(torch.eye(4), torch.nn.Identity())
    torch.testing.assert_close(front(clips)[0, 3:6], clips[0, :, 1])
    with pytest.raises(BadData, match="clips of 3 frames for a network that takes 4"):
        front(clips[:, :, :3])


# ---------------------------------------------------------------- trunks


@pytest.mark.parametrize("network, size", [("frame_trunk", (32, 40)), ("caffenet", 67), ("resnet18", 32)])
def test_a_trunk_for_pictures_takes_clips(network, size):
    net = seeded(lambda: ClipTrunk(clip_trunks.stack_of_differences(4), trunks.make(network, size), step=2), Rng(0))
    assert net.clip == ClipSpec(4, 2, size)
    encoder = ClipEncoder("toy", net, Train(1, 1, 0.1))
    height, width = size if isinstance(size, tuple) else (size, size)
    clips = torch.rand(2, 3, 4, height, width)
    for name, point in encoder.points.items():
        assert encoder.encode_clip(clips, name).shape == (2, point.dim) and point.stride == 0
    with pytest.raises(WrongCall, match="no point 'head'"):
        net(clips, "head")
    assert encoder.finetune is not None


def test_the_first_layer_keeps_stride_and_spread_and_nothing_else_changes():
    plain = seeded(lambda: trunks.make("caffenet", 67), Rng(0))
    wide = seeded(lambda: ClipTrunk(clip_trunks.stack_of_differences(6), trunks.make("caffenet", 67)), Rng(0))
    old, new = plain.blocks["conv1"][0], wide.blocks["conv1"][0]
    assert new.weight.shape == (96, 15, 11, 11) and new.stride == old.stride
    assert float(new.weight.detach().std()) == pytest.approx(0.01, rel=0.02) and torch.equal(new.bias, old.bias)
    rest = {name: value for name, value in plain.blocks.state_dict().items() if not name.startswith("conv1.")}
    assert all(torch.equal(value, wide.blocks.state_dict()[name]) for name, value in rest.items())


def test_grey_is_luma():
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None]
    assert float(Grey()(red)) == pytest.approx((0.299 - 0.5) * 4)
