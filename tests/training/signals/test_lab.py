"""Lab against scikit-image, and colours whose Lab is known."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from unlabeled.streams import stream
from unlabeled.training.signals import lab


def colours() -> np.ndarray:
    """Every ninth colour of the cube, and random ones: `(n, 3, H, W)` in [0, 1]."""
    steps = np.arange(0, 256, 15) / 255
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"))
    return np.concatenate([cube.transpose(1, 0, 2, 3), stream(0, "lab").random((4, 3, 18, 18))])


@pytest.mark.parametrize("kind", [np.float64, np.float32, torch.float64, torch.float32])
def test_as_scikit_image(kind):
    rgb = colours()
    given = rgb.astype(kind) if isinstance(kind, type) else torch.from_numpy(rgb).to(kind)
    ours = lab.rgb_to_lab(given)
    assert ours.dtype == given.dtype and ours.shape == given.shape
    assert np.abs(np.asarray(ours) - rgb2lab(rgb, channel_axis=1)).max() < 1e-3


def test_white_black_and_red():
    rgb = np.array([[1, 1, 1], [0, 0, 0], [1, 0, 0]], dtype=float)[:, :, None, None]
    known = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20]]
    np.testing.assert_allclose(lab.rgb_to_lab(rgb)[..., 0, 0], known, atol=0.01)


def test_unit_range_and_back():
    for given in (colours(), torch.from_numpy(colours()).float()):
        units = lab.to_unit(lab.rgb_to_lab(given))
        assert units.min() >= 0 and units.max() <= 1.0001
        assert abs(lab.from_unit(units) - lab.rgb_to_lab(given)).max() < 1e-4
    grey = lab.to_unit(lab.rgb_to_lab(np.full((3, 1, 1), 0.5)))
    np.testing.assert_allclose(grey[1:], 0.5, atol=1e-4)
