"""Horn and Schunck's flow on films whose motion is known, its parts against scipy, the whole beside scikit-image."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.registration import optical_flow_tvl1

from unlabeled.errors import BadData
from unlabeled.training.signals import horn_schunck as hs


def texture(seed=0, side=96):
    """A smooth surface `(3, side, side)` in [0, 1]."""
    noise = np.random.default_rng(seed).random((3, side, side))
    smooth = ndimage.gaussian_filter(noise, (0, 2, 2), mode="wrap")
    return (smooth - smooth.min()) / np.ptp(smooth)


def view(surface, x, y, rows=48, columns=64):
    """What is seen of a surface from (x, y) on: `(1, 3, rows, columns)`, cubic between its pixels."""
    places = np.meshgrid(np.arange(rows) + y, np.arange(columns) + x, indexing="ij")
    seen = [ndimage.map_coordinates(channel, places, order=3) for channel in surface]
    return torch.tensor(np.clip(seen, 0, 1), dtype=torch.float32)[None]


def end_point_error(flow, true):
    inner = (flow - torch.tensor(true).view(1, 2, 1, 1))[..., 6:-6, 6:-6]
    return float(inner.norm(dim=1).mean())


@pytest.mark.parametrize("shift", [(1.5, -0.75), (-5.0, 3.0), (3.0, 4.0)])
def test_a_view_that_moves_has_the_flow_it_moved_by(shift):
    # The view goes by `shift`, so what is seen goes the other way.
    one, other = view(texture(), 14, 12), view(texture(), 14 + shift[0], 12 + shift[1])
    flow = hs.horn_schunck(one, other)
    assert flow.shape == (1, 2, 48, 64)
    true = (-shift[0], -shift[1])
    assert end_point_error(flow, true) < 0.25
    assert end_point_error(torch.zeros_like(flow), true) > 1, "no flow at all would be as good"
    v, u = optical_flow_tvl1(*(frames[0].mean(0).numpy() for frames in (one, other)))
    reference = end_point_error(torch.tensor(np.stack([u, v]))[None], true)
    assert end_point_error(flow, true) < reference + 0.1


def test_exposure_is_no_motion():
    one = view(texture(), 14, 12)
    assert float(hs.horn_schunck(one, one * 0.8).norm(dim=1).mean()) < 0.1


def test_two_equal_frames_have_no_flow_and_pairs_do_not_meet():
    still, moved = view(texture(), 14, 12), view(texture(), 16, 12)
    flow = hs.horn_schunck(torch.cat([still, still]), torch.cat([still, moved]))
    assert float(flow[0].abs().max()) < 1e-4
    assert torch.allclose(flow[1:], hs.horn_schunck(still, moved), atol=1e-4)


@pytest.mark.parametrize("height, width", [(1, 1), (5, 3), (12, 200), (25, 24)])
def test_frames_of_any_size(height, width):
    frames = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    flow = hs.horn_schunck(frames, frames.flip(0))
    assert flow.shape == (2, 2, height, width) and bool(flow.isfinite().all())


def test_frames_without_anything_on_them():
    black = torch.zeros(1, 3, 20, 20)
    assert float(hs.horn_schunck(black, black).abs().max()) == 0


def test_frames_of_two_sizes_are_refused():
    with pytest.raises(BadData, match="no flow between them"):
        hs.horn_schunck(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9))


# ---------------------------------------------------------------- parts


def field(channels=2, rows=13, columns=17):
    return torch.randn(1, channels, rows, columns, generator=torch.Generator().manual_seed(1))


def test_the_median_is_scipys():
    found = hs.median(field(), 5)[0].numpy()
    wanted = [ndimage.median_filter(one.numpy(), 5, mode="nearest") for one in field()[0]]
    np.testing.assert_array_equal(found, wanted)


def test_the_blur_is_scipys():
    wanted = ndimage.gaussian_filter(field()[0].numpy(), (0, 1.5, 1.5), mode="nearest", truncate=2.5)
    np.testing.assert_allclose(hs.blurred(field(), 1.5)[0].numpy(), wanted, atol=1e-5)


def test_a_warp_reads_where_the_flow_points():
    images, flow = field(3), 4 * field(2)
    rows, columns = np.mgrid[:13, :17]
    places = (rows + flow[0, 1].numpy(), columns + flow[0, 0].numpy())
    wanted = [ndimage.map_coordinates(one.numpy(), places, order=1, mode="nearest") for one in images[0]]
    np.testing.assert_allclose(hs.warp(images, flow)[0].numpy(), wanted, atol=1e-5)


def test_slopes_of_a_plane():
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(11.0), indexing="ij")
    right, down = hs.slopes((2 * columns - 3 * rows)[None, None])
    assert torch.allclose(right[..., 2:-2], torch.tensor(2.0)) and torch.allclose(
        down[..., 2:-2, :], torch.tensor(-3.0)
    )
