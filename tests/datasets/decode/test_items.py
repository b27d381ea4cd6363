"""Lazy items: which channel, which rate, which length."""

import numpy as np
import pytest
import soundfile

from unlabeled.contracts import SoundItem
from unlabeled.datasets.decode.items import SoundItems

RATE = 8000


def item(file, samples):
    soundfile.write(file, samples, RATE, subtype="FLOAT")
    return SoundItem(file.name, file, 0, 1, file.name)


@pytest.fixture
def waves():
    return np.random.default_rng(0).uniform(-0.5, 0.5, (400, 2)).astype(np.float32)


def test_a_mono_file_is_the_same_by_either_channel_and_a_stereo_file_is_not(tmp_path, waves):
    clips = [item(tmp_path / "mono.wav", waves[:, 0]), item(tmp_path / "stereo.wav", waves)]
    first, mean = (SoundItems(clips, RATE, None, channel) for channel in ("first", "mean"))
    assert list(first.ids) == ["mono.wav", "stereo.wav"] and len(first) == 2
    np.testing.assert_array_equal(first[0], waves[:, 0])
    np.testing.assert_array_equal(mean[0], first[0])
    np.testing.assert_array_equal(first[1], waves[:, 0])
    np.testing.assert_allclose(mean[1], waves.mean(axis=1), atol=1e-7)


def test_clips_are_resampled_and_brought_to_one_length(tmp_path, waves):
    clips = [item(tmp_path / "short.wav", waves[:, 0])]
    assert [
        len(SoundItems(clips, rate, seconds)[0]) for rate, seconds in ((16_000, None), (16_000, 0.1), (RATE, 0.01))
    ] == [
        800,
        1600,
        80,
    ]
