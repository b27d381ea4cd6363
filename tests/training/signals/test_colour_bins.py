"""Colours as classes: the grid of the released code, shares, weights and the way back."""

import numpy as np
import pytest
import torch
from skimage import color

from unlabeled.training.signals.colour_bins import SIGMA, annealed_mean, gamut_bins, rebalanced, shares


def test_a_grid_of_ten_has_the_313_points_of_the_released_code():
    bins = gamut_bins(10)
    assert bins.shape == (313, 2) and bins.dtype == np.float32
    # First and last of the released list, as others print it.
    assert bins[:7].tolist() == [[-90, 50], [-90, 60], [-90, 70], [-90, 80], [-90, 90], [-80, 20], [-80, 30]]
    assert bins[-6:].tolist() == [[100, -50], [100, -40], [100, -30], [100, -20], [100, -10], [100, 0]]
    assert len(np.unique(bins, axis=0)) == 313


@pytest.mark.parametrize("grid", [10, 20])
def test_every_colour_of_srgb_lies_between_four_bins(grid):
    rgb = np.random.default_rng(0).random((4000, 1, 3))
    rgb[:8, 0] = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T
    corners = np.floor(color.rgb2lab(rgb)[:, 0, 1:] / grid)
    known = set(map(tuple, gamut_bins(grid) / grid))
    assert all((a + x, b + y) in known for a, b in corners for x in (0, 1) for y in (0, 1))


def test_shares_are_a_gaussian_of_the_nearest_bins():
    bins = torch.from_numpy(gamut_bins(10))
    colours = torch.tensor([[12.0, -7.0], [0.0, 0.0]])
    numbers, parts = shares(colours, bins, 5)
    away = (bins - colours[0]).norm(dim=1)
    nearest = away.argsort()[:5]
    assert set(numbers[0].tolist()) == set(nearest.tolist())
    weights = torch.exp(-(away[numbers[0]] ** 2) / (2 * SIGMA**2))
    assert torch.allclose(parts[0], weights / weights.sum(), atol=1e-6)
    assert bins[numbers[1, 0]].tolist() == [0, 0]
    alone = shares(colours, bins, 1)
    assert torch.equal(alone[1], torch.ones(2, 1)) and torch.equal(alone[0][:, 0], numbers[:, 0])


def test_weights_by_hand():
    # Half and half of (0.9, 0.1) and (0.5, 0.5): 0.7 and 0.3; their inverses have the mean 1.619 under the prior.
    weights = rebalanced(torch.tensor([0.9, 0.1, 0.0]), 0.5)
    raw = np.array([1 / 0.7, 1 / 0.3, 1 / 0.3])
    np.testing.assert_allclose(weights.numpy(), raw / (0.9 / 0.7 + 0.1 / 0.3), rtol=1e-5)
    assert float((weights * torch.tensor([0.9, 0.1, 0.0])).sum()) == pytest.approx(1)


def test_the_annealed_mean_lies_between_mean_and_mode():
    bins = torch.tensor([[-60.0, 0.0], [60.0, 20.0]])
    logits = torch.tensor([0.2, 0.8]).log().view(1, 2, 1, 1)
    assert annealed_mean(logits, bins, 1.0).flatten().tolist() == pytest.approx([36, 16])
    assert annealed_mean(logits, bins, 0.01).flatten().tolist() == pytest.approx([60, 20])
    half = annealed_mean(logits, bins)
    assert 36 < float(half[0, 0]) < 60
