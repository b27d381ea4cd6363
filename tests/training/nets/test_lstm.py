"""The LSTM layer: torch's own where there are no peepholes, a plain loop in NumPy where there are."""

import numpy as np
import pytest
import torch
from torch import nn

from unlabeled.training.nets.lstm import LSTM, vectors


def layer(**how):
    torch.manual_seed(0)
    return LSTM(5, 7, start=0.5, **how)


def test_without_peepholes_it_is_that_of_torch():
    ours, theirs = layer(peepholes=False), nn.LSTM(5, 7, batch_first=True)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(ours.seen.weight)
        theirs.weight_hh_l0.copy_(ours.kept.weight)
        theirs.bias_ih_l0.copy_(ours.seen.bias.uniform_(-1, 1))
        theirs.bias_hh_l0.zero_()
    inputs = torch.randn(3, 6, 5)
    outputs, (output, cell) = ours(inputs)
    expected, (last, memory) = theirs(inputs)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close((output, cell), (last[0], memory[0]))


def plain(layer, inputs):
    """Graves 2013, equations 7 to 11, one number after the other."""
    seen, bias, kept, eyes = (w.detach().numpy() for w in (layer.seen.weight, layer.seen.bias, layer.kept.weight,
                                                           layer.peepholes))  # fmt: skip

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    output, cell, said = np.zeros(7), np.zeros(7), []
    for x in inputs:
        into, forget, new, out = np.split(seen @ x + bias + kept @ output, 4)
        into, forget = sigmoid(into + eyes[0] * cell), sigmoid(forget + eyes[1] * cell)
        cell = forget * cell + into * np.tanh(new)
        output = sigmoid(out + eyes[2] * cell) * np.tanh(cell)
        said.append(output)
    return np.stack(said), cell


def test_with_peepholes_it_is_a_plain_loop():
    ours, inputs = layer(peepholes=True), torch.randn(2, 6, 5)
    with torch.no_grad():
        ours.peepholes.uniform_(-2, 2)
        ours.seen.bias.uniform_(-1, 1)
    outputs, (_, cell) = ours(inputs)
    for k in range(2):
        said, memory = plain(ours, inputs[k].numpy())
        np.testing.assert_allclose(outputs[k].detach(), said, atol=1e-5)
        np.testing.assert_allclose(cell[k].detach(), memory, atol=1e-5)
    blind = layer(peepholes=True)
    with torch.no_grad():
        blind.peepholes.zero_()
    torch.testing.assert_close(blind(inputs)[0], layer(peepholes=False)(inputs)[0])


@pytest.mark.parametrize("peepholes", [False, True])
def test_steps_are_the_sequence_and_no_input_is_zeros(peepholes):
    ours, inputs = layer(peepholes=peepholes), torch.randn(3, 4, 5)
    inputs[:, 2] = 0
    state = (torch.zeros(3, 7), torch.zeros(3, 7))
    for k in range(4):
        state = ours.step(state, None if k == 2 else inputs[:, k])
    torch.testing.assert_close(state, ours(inputs)[1])


def test_weights_at_the_start():
    net = LSTM(50, 40, peepholes=True, start=0.01)
    for weight, most in ((net.seen.weight, 0.01), (net.kept.weight, 0.01), (net.peepholes, 0.1)):
        assert 0.95 * most < weight.abs().max() <= most and abs(weight.mean()) < most / 5
    assert not net.seen.bias.any()


def test_vectors_of_frames():
    clips = torch.rand(2, 3, 4, 5, 6)
    found = vectors(clips, 4.0)
    assert found.shape == (2, 4, 90)
    torch.testing.assert_close(found[1, 2].reshape(3, 5, 6), 4 * (clips[1, :, 2] - 0.5))
