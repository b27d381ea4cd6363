"""The speed comparison of mask scoring: both sides agree, whichever peer is at hand."""

import numpy as np
import pytest
from scipy import ndimage

from unlabeled import bench
from unlabeled.benches import masks
from unlabeled.streams import stream


def test_both_sides_of_the_davis_bench_agree(monkeypatch):
    monkeypatch.setattr(masks, "FRAMES", 6)
    (row,) = bench.run("davis", 0)
    assert row.unit == "object-frames/s" and row.n == bench.FEWEST_ROUNDS
    assert row.ours > row.peer > 0 and row.difference <= 1e-12
    assert "davis2017" in row.peer_version and "peak memory" in row.what


@pytest.mark.parametrize("radius", [1, 3, 8])
def test_dilation_of_the_stand_in(radius):
    edges = stream(0, "test", "bench", "davis").random((40, 50)) < 0.01
    dy, dx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    wanted = ndimage.binary_dilation(edges, dy**2 + dx**2 <= radius**2)
    np.testing.assert_array_equal(masks._shifted(edges, radius), wanted)
