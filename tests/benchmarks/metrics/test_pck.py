"""PCK: cases on paper, a plain loop over random clips, invariances, and the reference code's scores of a real clip."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlabeled.benchmarks.metrics import pck
from unlabeled.datasets.decode import joints
from unlabeled.streams import stream

J = len(pck.JOINTS)


def clip(*frames) -> np.ndarray:
    """Positions `(2, J, T)` from frames that are lists of (x, y)."""
    return np.array(frames, dtype=float).transpose(2, 1, 0)


BOX = [(0, 0), (30, 40)]
"""Two joints 50 pixels apart: the normaliser is 30."""


# ---------------------------------------------------------------- on paper


def test_a_small_case_on_paper():
    truth = clip(BOX, BOX, BOX)
    predicted = clip(BOX, [(3, 0), (30, 49)], [(4, 0), (30, 40)])
    counts = pck.clip_counts(predicted, truth, (0.1, 0.3))
    assert counts.right.tolist() == [[1, 1], [2, 2]], "distances 3 and 9 are 0.1 and 0.3 of 30: at most counts"
    assert counts.pairs.tolist() == [2, 2] and counts.lost.tolist() == [0, 0] and counts.frames == 2
    assert pck.pck([counts]) == ([0.5, 1.0], [[0.5, 0.5], [1.0, 1.0]], 0, 0.0)


@pytest.mark.parametrize("threshold", pck.THRESHOLDS)
@pytest.mark.parametrize("scale", [0.25, 1, 4])
def test_a_distance_of_exactly_the_threshold_is_right(threshold, scale):
    truth = scale * clip(BOX, BOX)
    for distance, right in ((30 * threshold, 1), (30 * threshold + 1e-9, 0)):
        predicted = scale * clip(BOX, [(round(distance, 9), 0), (30, 40)])
        assert pck.clip_counts(predicted, truth, (threshold,)).right.tolist() == [[right, 1]]


def test_the_mean_is_of_joints_and_not_of_pairs():
    truth = clip(BOX, BOX, BOX)
    first_lost_once = clip(BOX, [(-1, -1), (30, 40)], [(29, 0), (30, 40)])
    result = pck.pck([pck.clip_counts(first_lost_once, truth)])
    assert result.per_joint[0] == [0.0, 1.0] and result.mean[0] == 0.5 and result.lost == 1 / 4


def test_the_box_is_drawn_round_the_joints_that_are_predicted():
    frame = [(0, 0), (30, 40), (300, 400)]
    truth, predicted = clip(frame, frame), clip(frame, [(0, 0), (30, 50), (-1, -1)])
    present = predicted[0] >= 0
    assert pck.normalisers(truth, present).tolist() == [300, 30]
    assert pck.normalisers(truth, present, "longest side").tolist() == [400, 40]
    published = pck.clip_counts(predicted, truth, (0.1,))
    assert (published.right.tolist(), published.pairs.tolist()) == ([[1, 0, 0]], [1, 1, 0])
    strict = pck.clip_counts(predicted, truth, (0.1,), lost="wrong")
    assert (strict.right.tolist(), strict.pairs.tolist(), strict.lost.tolist()) == ([[1, 1, 0]], [1, 1, 1], [0, 0, 1])
    assert pck.pck([published]).lost == pck.pck([strict]).lost == 1 / 3
    by_side = pck.clip_counts(predicted, truth, (0.25,), "longest side")
    assert by_side.right.tolist() == [[1, 1, 0]], "10 pixels are 0.25 of the 40, and more than 0.25 of the 30"


def test_a_joint_that_is_never_there_has_no_value_and_the_result_is_partial():
    truth, predicted = clip(BOX, BOX), clip(BOX, [(0, 0), (-1, 7)])
    result = pck.pck([pck.clip_counts(predicted, truth, (0.1,))])
    assert result == ([1.0], [[1.0, None]], 1, 0.5)
    strict = pck.pck([pck.clip_counts(predicted, truth, (0.1,), lost="wrong")])
    assert strict == ([0.5], [[1.0, 0.0]], 0, 0.5)


def test_where_all_joints_are_lost_there_is_no_score():
    truth = clip(BOX, BOX)
    counts = pck.clip_counts(np.full_like(truth, -1), truth, (0.1,))
    assert pck.pck([counts]) == ([None], [[None, None]], 2, 1.0)
    assert np.isnan(pck.normalisers(truth, np.zeros((2, 2), dtype=bool))).all()


def test_one_frame_gives_no_pairs():
    counts = pck.clip_counts(clip(BOX), clip(BOX))
    assert counts.right.shape == (5, 2) and not counts.pairs.any() and counts.frames == 0
    assert pck.pck([counts]) == ([None] * 5, [[None, None]] * 5, 2, None)


def test_a_box_without_extent_allows_distance_zero_alone():
    truth = clip([(5, 5), (5, 5)], [(5, 5), (5, 5)])
    predicted = clip([(5, 5), (5, 5)], [(5, 5), (5, 5.001)])
    assert pck.clip_counts(predicted, truth).right.tolist() == [[1, 0]] * 5


def test_frames_beyond_the_annotated_ones_are_not_read():
    truth, predicted = clip(BOX, BOX), clip(BOX, BOX, [(math.nan, 0), (0, 0)])
    assert pck.clip_counts(predicted, truth).pairs.tolist() == [1, 1]


def test_cells_to_pixels():
    cells = np.array([[[0, 20.5, -1]], [[0, 10, -1]]])
    assert pck.from_cells(cells, 320, 240).tolist() == [[[0, 164, -8]], [[0, 60, -6]]]
    assert pck.from_cells(np.array([1, 1]), 320, 240, grid=20).tolist() == [16, 12]
    with pytest.raises(ValueError, match="first axis"):
        pck.from_cells(np.zeros((3, 4)), 320, 240)


# ---------------------------------------------------------------- a plain loop


def looped(predicted, truth, thresholds, kind, strict):
    """Right, pairs and lost of one clip, joint by joint and frame by frame."""
    _, joints_, frames = truth.shape
    right = [[0] * joints_ for _ in thresholds]
    pairs, lost = [0] * joints_, [0] * joints_
    for t in range(1, frames):
        there = [j for j in range(joints_) if predicted[0, j, t] >= 0]
        box = range(joints_) if strict else there
        if box:
            width = max(truth[0, j, t] for j in box) - min(truth[0, j, t] for j in box)
            height = max(truth[1, j, t] for j in box) - min(truth[1, j, t] for j in box)
            length = 0.6 * math.sqrt(width * width + height * height) if kind == "diagonal" else max(width, height)
        for j in range(joints_):
            lost[j] += j not in there
            pairs[j] += strict or j in there
            if j in there:
                dx, dy = predicted[0, j, t] - truth[0, j, t], predicted[1, j, t] - truth[1, j, t]
                distance = math.sqrt(dx * dx + dy * dy)
                for k, threshold in enumerate(thresholds):
                    right[k][j] += distance == 0 or (length > 0 and distance / length <= threshold)
    return right, pairs, lost


def drawn(k: int) -> tuple[np.ndarray, np.ndarray]:
    """A random clip: every fourth on whole pixels with many ties, some with lost joints, one frame, no extent."""
    draw = stream(20131, "pck", k)
    shape = (2, int(draw.integers(1, J + 1)), int(draw.integers(1, 9)))
    truth = draw.uniform(-20, 320, size=shape)
    predicted = truth + draw.normal(0, draw.choice([1, 20, 60]), size=shape)
    if k % 4 == 0:
        truth = np.array(draw.integers(0, 3, size=shape) * [[[30]], [[40]]], dtype=float)
        predicted = truth + draw.choice([0, 3, 4, 6, 8, 12], size=shape)
    if k % 5 == 0:
        truth[:] = truth[:, :1]
    predicted[:, draw.uniform(size=shape[1:]) < draw.choice([0, 0.1, 0.5, 0.95])] = -1
    if k % 6 == 0:
        predicted[:, draw.integers(shape[1])] = -1
    if k % 17 == 0:
        predicted[:] = -1
    return predicted, truth


@pytest.mark.parametrize("kind", ["diagonal", "longest side"])
@pytest.mark.parametrize("lost", ["leave out", "wrong"])
def test_random_clips_as_a_plain_loop_counts_them(kind, lost):
    for k in range(300):
        predicted, truth = drawn(k)
        counts = pck.clip_counts(predicted, truth, pck.THRESHOLDS, kind, lost)
        found = counts.right.tolist(), counts.pairs.tolist(), counts.lost.tolist()
        assert found == looped(predicted, truth, pck.THRESHOLDS, kind, lost == "wrong"), k
        assert counts.frames == truth.shape[2] - 1


def test_pck_over_clips_as_plain_sums():
    clips = [(p, t) for p, t in map(drawn, range(400)) if t.shape[1] == 5]
    assert len(clips) >= 15
    counts = [pck.clip_counts(p, t) for p, t in clips]
    sums = [looped(p, t, pck.THRESHOLDS, "diagonal", False) for p, t in clips]
    result = pck.pck(counts)
    for k in range(5):
        shares = [sum(s[0][k][j] for s in sums) / sum(s[1][j] for s in sums) for j in range(5)]
        assert result.per_joint[k] == pytest.approx(shares, abs=1e-12)
        assert result.mean[k] == pytest.approx(sum(shares) / 5, abs=1e-12)
    frames = sum(t.shape[2] - 1 for _, t in clips)
    assert result.lost == sum(sum(s[2]) for s in sums) / (5 * frames)


# ---------------------------------------------------------------- properties


@given(st.integers(0, 10_000), st.integers(0, 500), st.integers(-500, 500), st.integers(-4, 4))
@settings(deadline=None)
def test_moving_and_scaling_the_picture_changes_nothing(k, right, down, power):
    # Eighths of a pixel: moves and powers of two are exact. A move to the left would make joints lost.
    predicted, truth = (np.round(positions * 8) / 8 for positions in drawn(k))
    lost = predicted[0] < 0
    move = np.array([right, down])[:, None, None]
    moved = np.where(lost, -1, (predicted + move) * 2.0**power)
    for kind in ("diagonal", "longest side"):
        here = pck.clip_counts(predicted, truth, normaliser=kind)
        there = pck.clip_counts(moved, (truth + move) * 2.0**power, normaliser=kind)
        for one, other in zip(here, there, strict=True):
            np.testing.assert_array_equal(one, other)


@given(st.integers(0, 10_000), st.lists(st.floats(0, 2), min_size=1, max_size=8))
@settings(deadline=None)
def test_a_larger_threshold_never_loses_a_pair(k, thresholds):
    counts = pck.clip_counts(*drawn(k), sorted(thresholds))
    assert (np.diff(counts.right, axis=0) >= 0).all() and (counts.right <= counts.pairs).all()
    assert (counts.pairs + counts.lost == counts.frames).all()


# ---------------------------------------------------------------- broken input


@pytest.mark.parametrize(
    ("predicted", "truth", "message"),
    [
        (np.zeros((2, 15, 3)), np.zeros((2, 15, 4)), "do not cover"),
        (np.zeros((2, 14, 4)), np.zeros((2, 15, 4)), "do not cover"),
        (np.zeros((15, 2, 4)), np.zeros((2, 15, 4)), "do not cover"),
        (np.zeros((2, 15)), np.zeros((2, 15, 4)), "do not cover"),
        (np.zeros((4, 15, 2)), np.zeros((4, 15, 2)), "must be"),
        (np.zeros((2, 15)), np.zeros((2, 15)), "must be"),
        (np.zeros((2, 15, 0)), np.zeros((2, 15, 0)), "must be"),
        (np.full((2, 1, 3), np.nan), np.zeros((2, 1, 3)), "6 predicted coordinates"),
        (np.zeros((2, 1, 3)), np.full((2, 1, 3), np.inf), "6 true coordinates"),
    ],
)
def test_bad_positions_never_give_a_number(predicted, truth, message):
    with pytest.raises(ValueError, match=message):
        pck.clip_counts(predicted, truth)


def test_unknown_conventions_and_clips_that_do_not_fit_are_refused():
    truth = clip(BOX, BOX)
    for thresholds in ((), (-0.1,), (math.nan,), ((0.1,),)):
        with pytest.raises(ValueError, match="thresholds"):
            pck.clip_counts(truth, truth, thresholds)
    with pytest.raises(ValueError, match="'leave out'"):
        pck.clip_counts(truth, truth, lost="skip")
    with pytest.raises(ValueError, match="'longest side'"):
        pck.clip_counts(truth, truth, normaliser="area")
    with pytest.raises(ValueError, match="needs clips"):
        pck.pck([])
    with pytest.raises(ValueError, match=r"\(1, 2\), \(5, 2\)"):
        pck.pck([pck.clip_counts(truth, truth), pck.clip_counts(truth, truth, (0.1,))])


# ---------------------------------------------------------------- a real clip


def test_the_reference_code_on_a_real_clip(real_data):
    folder = real_data / "JHMDB"
    expected = json.loads((folder / "reference_pck.json").read_text())
    truth = joints.read(folder / expected["truth"])
    predicted = joints.read_predictions(folder / "pck_case_predictions.npy")
    counts = pck.clip_counts(predicted, truth)
    result, scores = pck.pck([counts]), expected["reference_scores"]
    for k, threshold in enumerate(pck.THRESHOLDS):
        reference = scores[f"PCK@{threshold}"]
        assert 100 * result.mean[k] == pytest.approx(reference["mean"], abs=1e-6)
        assert 100 * np.array(result.per_joint[k]) == pytest.approx(reference["per_joint"], abs=1e-6)
    assert counts.pairs.tolist() == scores["pairs_counted"]
    assert result.without_value == 0 and result.lost == (15 * 39 - sum(scores["pairs_counted"])) / (15 * 39)
    (lengths,) = scores["normaliser_per_frame"]
    assert pck.normalisers(truth, predicted[0] >= 0) == pytest.approx(lengths, abs=1e-6)
    through_cells = pck.from_cells(
        predicted / np.array([expected["width"], expected["height"]])[:, None, None] * expected["feat_res"],
        expected["width"],
        expected["height"],
    )
    for one, other in zip(pck.clip_counts(through_cells, truth), counts, strict=True):
        np.testing.assert_array_equal(one, other)
