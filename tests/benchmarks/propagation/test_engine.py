"""The engine against full affinities written out plainly, at borders, with ties, and over long clips."""

import math
import resource

import numpy as np
import pytest
import torch

from unlabeled.benchmarks.propagation import near, windows
from unlabeled.benchmarks.propagation.engine import propagate, stretched
from unlabeled.benchmarks.propagation.near import NearestCells
from unlabeled.benchmarks.propagation.whole import AllCells, NearestInEachFrame
from unlabeled.errors import BadData

CASES = 200

# ---------------------------------------------------------------- plain


def softmax(values, axis):
    powers = np.exp(values - values.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def within(grid, radius, shape):
    """`(cells, cells)`: whether one may be copied from the other."""
    y, x = (axis.ravel() for axis in np.mgrid[: grid[0], : grid[1]])
    dy, dx = np.abs(y[:, None] - y), np.abs(x[:, None] - x)
    return np.maximum(dy, dx) <= radius if shape == "square" else np.hypot(dy, dx) < radius


def plain_near(frames, first, rule):
    """Labels `(cells, K)` of every frame from the full affinity with all source frames."""
    grid, soft = first.shape[1:], [first.reshape(len(first), -1).T]
    flat = frames.reshape(*frames.shape[:2], -1)
    reach = within(grid, rule.radius, rule.shape)
    for t in range(1, len(frames)):
        past = range(t - rule.context, t)
        last = [max(0, s) for s in past] if rule.before == "repeated" else [s for s in past if s > 0]
        affinity = [flat[s].T @ flat[t] for s in [0, *last]]  # (sources, targets)
        limited = [rule.first == "near"] + [True] * len(last)
        for one, limit in zip(affinity, limited, strict=True):
            one[~reach & limit] = -np.inf
        affinity, table = np.concatenate(affinity), np.concatenate([soft[s] for s in [0, *last]])
        found = np.empty_like(soft[0])
        for cell, column in enumerate(affinity.T):
            order = np.argsort(-column, kind="stable")
            order = order[np.isfinite(column[order])]
            least = column[order[: rule.topk]][-1]
            chosen = order[column[order] >= least] if rule.ties == "all" else order[: rule.topk]
            found[cell] = softmax(column[chosen] / rule.temperature, 0) @ table[chosen]
        soft.append(found)
    return np.stack(soft[1:]) if len(soft) > 1 else np.empty((0, *soft[0].shape))


def plain_each_frame(frames, first, rule):
    flat = frames.reshape(*frames.shape[:2], -1)
    given = first.reshape(len(first), -1).T
    labels = {}

    def label(s):
        return labels[s] if s >= 0 else given

    for t in range(len(frames)):
        found = 0
        for s in [-1, *range(t - rule.context, t)]:
            shares = softmax(flat[max(0, s)].T @ flat[t] * rule.scale, 0)
            for cell, column in enumerate(shares.T):
                if cell == 0:
                    part = np.zeros_like(given)
                chosen = np.argsort(-column, kind="stable")[: rule.topk]
                part[cell] = column[chosen] @ label(s)[chosen]
            found = found + part
        found = found / (rule.context + 1)
        low, high = found.min(0), found.max(0)
        labels[t] = np.where(high > low, (found - low) / np.where(high > low, high - low, 1), 0)
    return np.stack([labels[t] for t in range(1, len(frames))])


def plain_all(frames, first, rule):
    flat, soft = frames.reshape(*frames.shape[:2], -1), [first.reshape(len(first), -1).T]
    for t in range(1, len(frames)):
        sources = [max(0, s) for s in range(t - rule.context, t)]
        affinity = np.concatenate([flat[s].T @ flat[t] for s in sources]) / rule.temperature
        soft.append(softmax(affinity, 0).T @ np.concatenate([soft[s] for s in sources]))
    return np.stack(soft[1:])


# ---------------------------------------------------------------- random cases


def clip(draw, whole_numbers=False, most=(9, 11), fewest=1):
    """Features `(N, C, h, w)` and first labels; whole numbers make ties that are exact in any order of summing."""
    grid = tuple(int(draw.integers(1, side + 1)) for side in most)
    n, channels, classes = (int(draw.integers(low, high)) for low, high in ((2, 6), (1, 6), (fewest, 4)))
    frames = draw.normal(size=(n, channels, *grid))
    first = np.eye(classes)[draw.integers(classes, size=grid)].transpose(2, 0, 1)
    return (np.round(frames) if whole_numbers else frames), first


def ours(frames, first, rule):
    found = list(propagate(torch.from_numpy(frames), torch.from_numpy(first), rule))
    assert len(found) == len(frames) - 1
    return np.stack([one.flatten(1).T.numpy() for one in found])


def near_rule(draw, ties):
    return NearestCells(
        context=int(draw.integers(0, 5)),
        topk=int(draw.choice([1, 2, 3, 5, 10, 40])),
        temperature=float(draw.choice([0.05, 0.5])),
        radius=float(draw.choice([1.0, 1.5, 2.0, 3.7, 5.0, math.inf])),
        shape=str(draw.choice(["disc", "square"])),
        first=str(draw.choice(["anywhere", "near"])),
        before=str(draw.choice(["repeated", "left out"])),
        ties=ties,
    )


@pytest.mark.parametrize("block", range(10))
def test_nearest_cells_are_those_of_the_full_affinity(block, monkeypatch):
    for case in range(block * CASES // 10, (block + 1) * CASES // 10):
        draw = np.random.default_rng(case)
        monkeypatch.setitem(near.TILES, "cpu", (int(draw.integers(1, 9)), int(draw.integers(1, 9))))
        monkeypatch.setattr(near, "GROUP", int(draw.choice([1, 3, 16])))
        ties = case % 2 == 1
        frames, first = clip(draw, whole_numbers=ties)
        rule = near_rule(draw, "all" if ties else "any")
        np.testing.assert_allclose(
            ours(frames, first, rule), plain_near(frames, first, rule), atol=1e-9, err_msg=f"case {case}: {rule}"
        )


@pytest.mark.parametrize("case", range(20))
def test_whole_frames_are_those_of_the_full_affinity(case):
    draw = np.random.default_rng(case)
    # One class alone is constant but for rounding, which bringing it to [0, 1] would show.
    frames, first = clip(draw, most=(5, 6), fewest=2)
    context = int(draw.integers(1, 5))
    for rule, plain in (
        (NearestInEachFrame(context, int(draw.choice([1, 2, 50])), 2.0), plain_each_frame),
        (AllCells(context, 0.5), plain_all),
    ):
        np.testing.assert_allclose(ours(frames, first, rule), plain(frames, first, rule), atol=1e-9, err_msg=str(rule))


# ---------------------------------------------------------------- edges


def test_ties_of_cells_with_one_label_do_not_matter():
    """Copies of the first frame are as near as it is: whichever is taken, the label is theirs."""
    frames = np.repeat(np.random.default_rng(0).normal(size=(1, 4, 6, 7)), 5, axis=0)
    first = np.eye(3)[np.random.default_rng(1).integers(3, size=(6, 7))].transpose(2, 0, 1)
    normed = frames / np.linalg.norm(frames, axis=1, keepdims=True)
    for context in (1, 4):
        found = ours(normed, first, NearestCells(context, 1, 0.05, 3.0))
        np.testing.assert_allclose(found, np.broadcast_to(first.reshape(3, -1).T, found.shape), atol=1e-12)


def test_one_frame_gives_nothing_and_one_cell_its_label():
    frames, first = np.ones((3, 2, 1, 1)), np.array([0.25, 0.75]).reshape(2, 1, 1)
    rules = [NearestCells(2, 10, 0.05, 1.0), AllCells(3, 1.0)]
    for rule in rules:
        assert list(propagate(torch.from_numpy(frames[:1]), torch.from_numpy(first), rule)) == []
        np.testing.assert_allclose(ours(frames, first, rule).ravel(), [0.25, 0.75, 0.25, 0.75])


def test_cells_out_of_reach_weigh_exactly_nothing():
    frames = np.ones((2, 1, 1, 9))
    frames[0, 0, 0, 8] = 100  # by far the best, and too far away
    first = np.zeros((2, 1, 9))
    first[0, 0, :8], first[1, 0, 8] = 1, 1
    rule = NearestCells(1, 5, 1.0, 2.0, first="near", before="left out")
    assert (ours(frames, first, rule)[0, :7, 1] == 0).all()


def test_a_class_without_mass_stays_so():
    draw = np.random.default_rng(3)
    frames, first = draw.normal(size=(4, 3, 5, 5)), np.zeros((3, 5, 5))
    first[0], first[2, 1:3, 1:3], first[0, 1:3, 1:3] = 1, 1, 0
    for rule in (NearestCells(2, 3, 0.1, 2.0), NearestInEachFrame(2, 3, 4.0), AllCells(2, 1.0)):
        assert (ours(frames, first, rule)[..., 1] == 0).all()


def test_features_that_are_no_numbers_or_change_shape_are_refused():
    frames, first = torch.ones(3, 2, 4, 4), torch.ones(1, 4, 4)
    frames[2, 1, 0, 0] = torch.nan
    with pytest.raises(BadData, match="frame 2: the encoder gives features that are no numbers"):
        list(propagate(frames, first, NearestCells(1, 1, 1.0)))
    with pytest.raises(BadData, match=r"frame 1: features of shape \(2, 4, 5\)"):
        list(propagate([frames[0], torch.ones(2, 4, 5)], first, NearestCells(1, 1, 1.0)))
    with pytest.raises(BadData, match="the first frame has"):
        list(propagate(frames, torch.ones(1, 5, 4), NearestCells(1, 1, 1.0)))


def test_a_constant_map_is_nothing():
    maps = torch.tensor([[[2.0, 2.0]], [[0.0, 4.0]], [[0.0, 0.0]]])
    assert stretched(maps).tolist() == [[[0, 0]], [[0, 1]], [[0, 0]]]


def test_windows_hold_every_cell_within_reach_and_no_row_for_nothing():
    for shape in ("disc", "square"):
        for radius in (1.0, 2.5, 12.0):
            reach = within((9, 14), radius, shape)
            for window in windows.windows(9, 14, radius, shape, (4, 5)):
                inside = np.zeros((9 * 14, len(window.targets)), bool)
                inside[window.cells] = ~window.outside.numpy()
                assert (inside == reach[:, window.targets]).all()
                wide = sum(right - left for _, left, right in window.rows)
                assert wide == len(window.cells) == len(set(window.cells.tolist()))


# ---------------------------------------------------------------- long clips


def test_memory_stays_flat_over_a_thousand_frames():
    generator = torch.Generator().manual_seed(0)
    sizes = []

    def features():
        for _ in range(1000):
            sizes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            yield torch.randn(256, 8, 8, generator=generator)

    rule = NearestCells(20, 10, 0.05, 4.0)
    first = torch.ones(3, 8, 8) / 3
    assert sum(1 for _ in propagate(features(), first, rule)) == 999
    # The features of all frames together are 65 MB.
    assert sizes[-1] - sizes[60] < 8, "MB"


def test_half_precision_features_are_worked_on_in_single():
    frames = torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(0)).half()
    first = torch.ones(1, 5, 5)
    assert all(one.dtype == torch.float32 for one in propagate(frames, first, NearestCells(1, 2, 0.1)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_what_the_cpu_gives():
    draw = np.random.default_rng(0)
    frames, first = draw.normal(size=(6, 8, 40, 70)), np.eye(3)[draw.integers(3, size=(40, 70))].transpose(2, 0, 1)
    for rule in (NearestCells(4, 5, 0.1, 6.0), NearestInEachFrame(3, 5, 2.0), AllCells(3, 0.5)):
        there = propagate(torch.from_numpy(frames).cuda(), torch.from_numpy(first).cuda(), rule)
        found = np.stack([one.flatten(1).T.cpu().numpy() for one in there])
        np.testing.assert_allclose(found, ours(frames, first, rule), atol=1e-9)
