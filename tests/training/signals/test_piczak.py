"""Piczak's segments: scaling, cutting, silence, two channels. Reference values: tests/test_spot_checks.py."""

import librosa
import numpy as np
import pytest
import torch

from unlabeled.errors import BadData, WrongCall
from unlabeled.training.signals import piczak

CLIP = 5 * piczak.RATE


def noise(n: int = CLIP, clips: int = 2) -> torch.Tensor:
    return torch.randn(clips, n, generator=torch.Generator().manual_seed(11)) * 0.1


def test_a_clip_is_divided_by_its_largest_sample():
    waves = torch.tensor([[0.25, -0.5, 0.0], [0.0, 0.0, 0.0]])
    loud, silent = piczak.normalised(waves)
    expected = (torch.tensor([8192, -16384, 0]) + 0.5) / 16383.5
    torch.testing.assert_close(loud, expected)
    torch.testing.assert_close(silent, torch.full((3,), 0.5 / 32767.5))


@pytest.mark.parametrize(("length", "count", "frames"), [(piczak.SHORT, 9, 41), (piczak.LONG, 3, 101)])
def test_segments_of_five_seconds(length, count, frames):
    waves = piczak.normalised(noise())
    pieces = piczak.segments(waves, length)
    bands, kept = piczak.log_mels(pieces)
    assert pieces.shape == (2, count, length) and bands.shape == (2, count, 60, frames)
    assert bands.dtype == torch.float32 and kept.all()
    np.testing.assert_array_equal(pieces[1, 2], waves[1, length : 2 * length])
    power = librosa.feature.melspectrogram(
        y=pieces[1, 1].double().numpy(), sr=22_050, n_fft=1024, hop_length=512, n_mels=60, pad_mode="reflect"
    )
    # The last frame: librosa 0.11 reflects one sample of it wrongly where the hop divides the length.
    np.testing.assert_allclose(bands[1, 1, :, :-1], librosa.power_to_db(power)[:, :-1], atol=1e-2)
    alone, _ = piczak.log_mels(pieces[1, 1])
    assert torch.equal(alone, bands[1, 1]), "each segment has a floor of its own"


def test_silent_segments_are_marked_one_by_one():
    waves = noise(clips=1)
    waves[:, : piczak.SHORT] = 0
    _, kept = piczak.log_mels(piczak.segments(waves))
    assert kept.tolist() == [[False, *[True] * 8]]
    _, kept = piczak.log_mels(piczak.segments(piczak.normalised(torch.zeros(1, CLIP))))
    assert not kept.any(), "a silent clip has no segment left"


def test_the_second_channel_is_the_delta_of_the_first():
    ramp = torch.arange(41.0).expand(3, 60, 41)
    channels = piczak.two_channels(ramp, 20.0, 4.0)
    assert channels.shape == (3, 2, 60, 41)
    torch.testing.assert_close(channels[:, 0], (ramp - 20) / 4)
    torch.testing.assert_close(channels[:, 1], torch.full((3, 60, 41), 0.25))


def test_bad_input_is_refused():
    with pytest.raises(BadData, match="window of 20480 samples does not fit into a clip of 20479"):
        piczak.segments(noise(20_479))
    broken = noise()
    broken[1, 5] = float("nan")
    with pytest.raises(BadData, match="row 1 of 2"):
        piczak.normalised(broken)
    with pytest.raises(BadData, match="row 9 of 18"):
        piczak.log_mels(piczak.segments(broken))
    with pytest.raises(BadData, match="9 frames"):
        piczak.two_channels(torch.zeros(1, 60, 8), 0.0, 1.0)
    for deviation in (0.0, float("nan")):
        with pytest.raises(WrongCall, match="deviation"):
            piczak.two_channels(torch.zeros(1, 60, 41), 0.0, deviation)
    with pytest.raises(WrongCall, match="float32"):
        piczak.normalised(torch.zeros(CLIP))


def test_a_gpu_gives_the_same(device):
    waves = noise().double().to(device)
    bands, kept = piczak.log_mels(piczak.segments(piczak.normalised(waves)))
    channels = piczak.two_channels(bands.flatten(0, 1), -20.0, 15.0)
    here, _ = piczak.log_mels(piczak.segments(piczak.normalised(waves.cpu())))
    assert channels.device == kept.device == waves.device and channels.shape == (18, 2, 60, 41)
    torch.testing.assert_close(bands.cpu(), here, atol=1e-6, rtol=0)
