"""Lab back to sRGB: the inverse of the way there, and scikit-image's."""

import numpy as np
import torch
from skimage import color

from unlabeled.training.signals.lab import rgb_to_lab, to_unit
from unlabeled.training.signals.rgb import coloured, lab_to_rgb, unit_to_rgb

PICTURES = torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(0))


def test_there_and_back():
    dark = PICTURES * 0.02
    for rgb in (PICTURES, dark, torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)):
        assert torch.allclose(lab_to_rgb(rgb_to_lab(rgb)), rgb, atol=1e-4)
    assert torch.allclose(unit_to_rgb(to_unit(rgb_to_lab(PICTURES))), PICTURES, atol=1e-4)


def test_colours_that_do_not_exist_are_clipped_as_elsewhere():
    draw = np.random.default_rng(0)
    lab = np.stack([draw.uniform(10, 90, (20, 20)), *draw.uniform(-60, 60, (2, 20, 20))])
    wanted = color.lab2rgb(lab.transpose(1, 2, 0)).transpose(2, 0, 1)
    found = lab_to_rgb(torch.from_numpy(lab).float()).numpy()
    inside = (wanted > 0).all(0)
    np.testing.assert_allclose(found[:, inside], wanted[:, inside], atol=2e-3)
    assert found.min() >= 0 and found.max() <= 1


def test_grey_has_no_colour_and_cells_are_blended():
    light = torch.full((1, 1, 8, 8), 0.6)
    grey = coloured(light, torch.zeros(1, 2, 2, 2))
    assert float(grey.std(1).max()) < 1e-3
    half = coloured(light, torch.tensor([0.0, 40.0]).view(1, 1, 1, 2).repeat(1, 2, 1, 1))
    assert bool((half[0, 0, 0, 1:] - half[0, 0, 0, :-1] >= -1e-5).all()), "redder from left to right"
