"""SoundNet's input and lengths: a torch network of the same layers, the windows of the released script."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unlabeled.errors import BadData, WrongCall
from unlabeled.training.signals import cutting, soundnet


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 400_000))
def test_lengths_are_those_of_torch_layers(samples):
    x = torch.zeros(1, 1, samples)
    for layer, length in zip(soundnet.EIGHT_LAYERS, soundnet.layer_lengths(samples).values(), strict=True):
        if x.shape[2] + 2 * layer.padding < layer.kernel:
            assert length == 0
            return
        # One output channel: only the length counts here.
        if layer.channels:
            x = torch.nn.functional.conv1d(x, torch.zeros(1, 1, layer.kernel), None, layer.stride, layer.padding)
        else:
            x = torch.nn.functional.max_pool1d(x, layer.kernel, layer.stride, layer.padding)
        assert x.shape[2] == length


def test_a_training_clip_of_twenty_seconds_has_four_answers():
    lengths = soundnet.layer_lengths(441_000)
    assert list(lengths.values()) == [220_501, 27_562, 13_782, 1722, 862, 432, 217, 54, 28, 15, 4]
    assert set(soundnet.layer_lengths(0).values()) == {0}


def test_an_esc_clip_gives_25_windows_of_768_numbers():
    looped = cutting.loop(torch.zeros(1, 5 * soundnet.RATE), 10 * soundnet.RATE)
    steps = soundnet.layer_lengths(looped.shape[1])["pool5"]
    window = soundnet.window_steps(1, 10, steps)
    assert (steps, window) == (27, 3)
    assert soundnet.step_windows(torch.zeros(1, 256, steps), window).shape == (1, 25, 768)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 400))
def test_window_steps_are_the_exact_ceiling(window, sound, steps):
    window = min(window, sound)
    expected = next(k for k in range(1, steps + 1) if k * sound >= window * steps)
    assert soundnet.window_steps(window, sound, steps) == expected
    assert abs(expected - math.ceil(window / sound * steps)) <= 1


def test_windows_run_channel_by_channel():
    features = torch.tensor([[[1, 2, 3], [10, 20, 30]]])
    assert soundnet.step_windows(features, 2).tolist() == [[[1, 2, 10, 20], [2, 3, 20, 30]]]


def test_gain():
    wave = torch.tensor([[0.5, -1.0]], dtype=torch.float64)
    assert soundnet.network_input(wave).tolist() == [[[128, -256]]]
    scored = soundnet.network_input(wave, soundnet.SCORING_GAIN)
    assert scored.tolist() == [[[256, -512]]] and scored.dtype == wave.dtype


def test_bad_calls_name_both_lengths():
    with pytest.raises(BadData, match="window of 4 steps does not fit into a sound of 3"):
        soundnet.step_windows(torch.zeros(1, 2, 3), 4)
    with pytest.raises(WrongCall, match="window of 6 does not fit into a sound of 5"):
        soundnet.window_steps(6, 5, 13)
    with pytest.raises(WrongCall, match="0 steps"):
        soundnet.step_windows(torch.zeros(1, 2, 3), 0)
    with pytest.raises(BadData, match="row 0 of 1"):
        soundnet.network_input(torch.tensor([[float("inf")]]))
    with pytest.raises(WrongCall, match="int32"):
        soundnet.network_input(torch.zeros(1, 4, dtype=torch.int32))
