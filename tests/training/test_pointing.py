"""Pointing against a plain loop over cells, and which frames of a clip are shown."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlabeled.contracts import Info
from unlabeled.errors import BadData
from unlabeled.streams import Rng
from unlabeled.training.pointing import LEAST, REFERENCES, SpacedFrames, point, pointing_loss


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def by_loops(references, target, labels, temperature):
    """Equation by equation, with numbers of Python."""
    batch, dim, frames, rows, columns = references.shape
    found = np.zeros((batch, labels.shape[1], rows, columns))
    for b in range(batch):
        for y, x in np.ndindex(rows, columns):
            weights = {}
            for r, i, j in np.ndindex(frames, rows, columns):
                alike = sum(float(references[b, d, r, i, j]) * float(target[b, d, y, x]) for d in range(dim))
                weights[r, i, j] = math.exp(alike / temperature)
            total = sum(weights.values())
            for (r, i, j), weight in weights.items():
                found[b, :, y, x] += weight / total * labels[b, :, r, i, j].numpy()
    return found


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_pointing_is_the_equation(temperature):
    references, target = draw(2, 4, 3, 2, 3), draw(2, 4, 2, 3, seed=1)
    labels = draw(2, 5, 3, 2, 3, seed=2).softmax(1)
    copied = point(references, target, labels, temperature)
    assert copied.shape == (2, 5, 2, 3)
    np.testing.assert_allclose(copied.numpy(), by_loops(references, target, labels, temperature), atol=1e-5)
    assert torch.allclose(copied.sum(1), torch.ones(2, 2, 3), atol=1e-5)


def test_a_target_that_is_its_last_reference_gets_that_ones_labels():
    references = 30 * torch.eye(12).view(1, 12, 3, 2, 2)
    labels = torch.nn.functional.one_hot(torch.arange(12), 12).T.float().view(1, 12, 3, 2, 2)
    copied = point(references, references[:, :, -1], labels)
    assert torch.equal(copied.argmax(1), torch.arange(8, 12).view(1, 2, 2))


def test_the_loss_takes_shares_as_probabilities():
    shares = torch.tensor([0.25, 0.75]).view(1, 2, 1, 1)
    truth = torch.ones(1, 1, 1, dtype=torch.long)
    assert float(pointing_loss(shares, truth)) == pytest.approx(-math.log(0.75 + LEAST))
    nothing = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    assert float(pointing_loss(nothing, truth)) == pytest.approx(-math.log(LEAST))


@given(frames=st.integers(4, 300), fps=st.sampled_from([8.0, 25.0, 29.97, 60.0]), seed=st.integers(0, 2**32))
def test_four_frames_of_any_clip_are_equally_far_apart(frames, fps, seed):
    for rule in (SpacedFrames(0.0, (1, 5)), SpacedFrames(fps, (1, 2))):
        ((*references, target),) = rule(Info(frames, fps), Rng(seed)).frames
        apart = set(np.diff([*references, target]))
        assert len(references) == REFERENCES and len(apart) == 1
        assert rule.gaps[0] <= apart.pop() <= rule.gaps[1]
        assert references[0] >= 0 and target < frames


def test_a_rate_spreads_the_frames():
    ((first, second, *_),) = SpacedFrames(6.0, (1, 1))(Info(100, 30.0), Rng(0)).frames
    assert second - first == 5


def test_every_start_and_gap_comes_up():
    rule, info = SpacedFrames(0.0, (1, 2)), Info(8, 25.0)
    seen = {rule(info, Rng(seed)).frames[0] for seed in range(200)}
    assert seen == {tuple(s + g * k for k in range(4)) for g in (1, 2) for s in range(8 - 3 * g)}


def test_a_clip_that_is_too_short_says_how_long_it_must_be():
    with pytest.raises(BadData, match="3 frames where 4 are needed"):
        SpacedFrames(0.0, (1, 5))(Info(3, 25.0), Rng(0))
    with pytest.raises(BadData, match="15 frames where 16"):
        SpacedFrames(6.0, (1, 1))(Info(15, 30.0), Rng(0))
