"""J and F of masks: cases on paper, a plain transcription of the definition, properties, real masks, broken input."""

import json
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from unlabeled.benchmarks.metrics import davis
from unlabeled.datasets.decode import masks
from unlabeled.streams import stream

# ---------------------------------------------------------------- the definition, word by word


def plain_boundary(mask):
    height, width = mask.shape
    boundary = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            neighbours = []
            if x + 1 < width:
                neighbours.append(mask[y, x + 1])
            if y + 1 < height:
                neighbours.append(mask[y + 1, x])
            if x + 1 < width and y + 1 < height:
                neighbours.append(mask[y + 1, x + 1])
            boundary[y, x] = any(mask[y, x] != other for other in neighbours)
    return boundary


def plain_f(predicted, truth, radius, void=None):
    if void is not None:
        predicted, truth = predicted & ~void, truth & ~void
    ours, true = plain_boundary(predicted), plain_boundary(truth)
    if not ours.any() or not true.any():
        return float(ours.any() == true.any())
    dy, dx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = dy**2 + dx**2 <= radius**2
    precision = (ours & ndimage.binary_dilation(true, disc)).sum() / ours.sum()
    recall = (true & ndimage.binary_dilation(ours, disc)).sum() / true.sum()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def plain_j(predicted, truth, void=None):
    counted = np.ones_like(truth) if void is None else ~void
    union = ((predicted | truth) & counted).sum()
    return (predicted & truth & counted).sum() / union if union else 1.0


def blobs(rng, height, width, objects):
    """An index map of ellipses, boxes, single pixels and speckle, some across the border, some objects absent."""
    y, x = np.mgrid[:height, :width]
    index = np.zeros((height, width), dtype=np.uint8)
    for k in rng.permutation(np.arange(1, objects + 1)):
        cy, cx = rng.uniform(0, height), rng.uniform(0, width)
        ry, rx = rng.uniform(0.5, height / 2), rng.uniform(0.5, width / 2)
        match rng.integers(7):
            case 0 | 1 | 2:
                index[((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1] = k
            case 3:
                index[max(0, int(cy - ry)) : int(cy + ry), max(0, int(cx - rx)) : int(cx + rx)] = k
            case 4:
                index[int(cy), int(cx)] = k
            case 5:
                index[rng.random(index.shape) < 0.1] = k
            case 6:
                index[:] = k if rng.random() < 0.3 else 0
    return index


def altered(rng, index):
    """What a method might have made of it: moved, ragged, with two objects exchanged, or something else entirely."""
    match rng.integers(5):
        case 0:
            return index.copy()
        case 1:
            return np.roll(index, rng.integers(-4, 5, 2), (0, 1))
        case 2:
            return np.where(rng.random(index.shape) < 0.02, rng.permutation(index.ravel()).reshape(index.shape), index)
        case 3:
            return np.where(index == 1, index.max(), np.where(index == index.max(), 1, index)).astype(np.uint8)
        case _:
            return np.roll(index[::-1], 2, 1)


@pytest.mark.parametrize("trial", range(25))
def test_random_frames_agree_with_the_definition(trial):
    """Ten frames a trial, each with up to five objects."""
    rng = stream(0, "test", "davis", trial)
    for _ in range(10):
        height, width, objects = (int(n) for n in rng.integers([1, 1, 1], [25, 30, 6]))
        truth = blobs(rng, height, width, objects)
        predicted = altered(rng, truth)
        void = rng.random(truth.shape) < 0.1 if rng.random() < 0.3 else None
        bound = (davis.BOUND, 2, 3, 5, 9)[rng.integers(5)]
        radius = davis.tolerance(height, width, bound)
        j, f = davis.frame_scores(predicted, truth, objects, void, bound)
        assert j.dtype == f.dtype == np.float64 and j.shape == f.shape == (objects,)
        for k in range(1, objects + 1):
            assert j[k - 1] == pytest.approx(plain_j(predicted == k, truth == k, void), abs=1e-12)
            assert f[k - 1] == pytest.approx(plain_f(predicted == k, truth == k, radius, void), abs=1e-12)
            assert davis.jaccard(predicted == k, truth == k, void) == j[k - 1]
            assert davis.boundary_f(predicted == k, truth == k, void, bound) == f[k - 1]
            np.testing.assert_array_equal(davis.boundary_map(truth == k), plain_boundary(truth == k))


def f_by_distance(predicted, truth, radius):
    """F of masks too large for the loops above; both boundaries have pixels, and some match."""
    ours, true = davis.boundary_map(predicted), davis.boundary_map(truth)
    precision = (ndimage.distance_transform_edt(~true)[ours] <= radius).mean()
    recall = (ndimage.distance_transform_edt(~ours)[true] <= radius).mean()
    return 2 * precision * recall / (precision + recall)


def test_a_large_frame_with_speckle_and_many_objects():
    rng = stream(0, "test", "davis", "large")
    truth = rng.integers(0, 41, (480, 854), dtype=np.uint8)
    predicted = np.where(rng.random(truth.shape) < 0.5, truth, 0)
    j, _ = davis.frame_scores(predicted, truth, 40)
    assert j == pytest.approx([plain_j(predicted == k, truth == k) for k in range(1, 41)], abs=1e-12)
    sparse = np.where(rng.random(truth.shape) < 0.001, truth, 0)
    _, f = davis.frame_scores(np.roll(sparse, 6, 1), sparse, 40)
    for k in (1, 17, 40):
        assert f[k - 1] == pytest.approx(f_by_distance(np.roll(sparse, 6, 1) == k, sparse == k, 8), abs=1e-12)


# ---------------------------------------------------------------- on paper

EMPTY, FULL = np.zeros((20, 30), dtype=bool), np.ones((20, 30), dtype=bool)
BOX = EMPTY.copy()
BOX[5:10, 5:17] = True
LEFT, RIGHT = EMPTY.copy(), EMPTY.copy()
LEFT[4, 6] = RIGHT[4, 7] = True


@pytest.mark.parametrize(
    ("predicted", "truth", "j", "f"),
    [
        (EMPTY, EMPTY, 1, 1),
        (BOX, EMPTY, 0, 0),
        (EMPTY, BOX, 0, 0),
        (FULL, FULL, 1, 1),
        (EMPTY, FULL, 0, 1),
        (FULL, EMPTY, 0, 1),
        (FULL, BOX, 60 / 600, 0),
        (BOX, FULL, 60 / 600, 0),
        (LEFT, RIGHT, 0, 1),
        (BOX, BOX, 1, 1),
    ],
)
def test_empty_full_and_tiny_masks(predicted, truth, j, f):
    assert davis.tolerance(20, 30) == 1
    assert davis.jaccard(predicted, truth) == j
    assert davis.boundary_f(predicted, truth) == f


def test_boundary_of_one_pixel_lies_to_the_top_left():
    assert np.argwhere(davis.boundary_map(LEFT)).tolist() == [[3, 5], [3, 6], [4, 5], [4, 6]]
    corner = np.zeros((4, 5), dtype=bool)
    corner[3, 4] = True
    assert np.argwhere(davis.boundary_map(corner)).tolist() == [[2, 3], [2, 4], [3, 3]]


def test_tolerance():
    assert davis.tolerance(480, 854) == 8
    assert davis.tolerance(480, 1152) == 10
    assert davis.tolerance(480, 854, 3) == 3
    assert davis.tolerance(480, 854, 0) == 0
    for bound in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="bound"):
            davis.tolerance(480, 854, bound)


def test_objects_are_counted_in_the_first_frame():
    first = np.array([[0, 1], [3, 255]], dtype=np.uint8)
    assert davis.count_objects(first) == 3
    assert davis.count_objects(first * 0) == 0
    later = np.array([[9, 1], [3, 0]], dtype=np.uint8)
    j, f = davis.sequence_scores([later - later // 9 * 9, first // 255], [later, first], 3)
    # Object 2 never occurs: right wherever the prediction leaves it out. Index 9 appears too late to count.
    assert j.tolist() == [[1, 0], [1, 1], [1, 0]]
    assert f.shape == (3, 2)


def test_statistics():
    assert davis.statistics(np.array([0.5, 0.6])) == (0.55, 0.5, pytest.approx(0.5 - 0.6))
    assert davis.statistics(np.array([0.9, np.nan, 0.4, 0.7])) == (pytest.approx(2 / 3), 0.5, pytest.approx(0.9 - 0.55))
    # The last bin is all NaN.
    mean, recall, decay = davis.statistics(np.array([0.9, 0.5, np.nan]))
    assert (mean, recall) == (0.7, pytest.approx(1 / 3)) and np.isnan(decay)
    assert np.isnan(davis.statistics(np.array([np.nan])).mean)


def test_statistics_beyond_256_frames():
    falling = np.linspace(1, 0, 1001)
    assert davis.statistics(falling).decay == pytest.approx(falling[:251].mean() - falling[750:].mean())


# ---------------------------------------------------------------- properties

index_maps = arrays.array_shapes(min_dims=2, max_dims=2, max_side=12).flatmap(
    lambda shape: st.tuples(*[arrays.arrays(np.uint8, shape, elements=st.integers(0, 3))] * 2)
)


@given(index_maps, st.sampled_from([davis.BOUND, 2, 4]))
def test_properties(maps, bound):
    a, b = maps
    j, f = davis.frame_scores(a, b, 3, None, bound)
    swapped_j, swapped_f = davis.frame_scores(b, a, 3, None, bound)
    np.testing.assert_array_equal(j, swapped_j)
    np.testing.assert_allclose(f, swapped_f, rtol=0, atol=1e-15)
    assert ((j >= 0) & (j <= 1) & (f >= 0) & (f <= 1)).all()
    for scores in davis.frame_scores(a, a, 3, None, bound):
        np.testing.assert_array_equal(scores, 1)
    # A wider tolerance never loses a match.
    assert (davis.frame_scores(a, b, 3, None, 20)[1] >= f - 1e-15).all()
    wholly_void = np.ones(a.shape, dtype=bool)
    for scores in davis.frame_scores(a, b, 3, wholly_void, bound):
        np.testing.assert_array_equal(scores, 1)


@given(index_maps)
def test_the_order_of_objects_does_not_matter(maps):
    order = np.array([0, 3, 1, 2], dtype=np.uint8)
    j, f = davis.frame_scores(*maps, 3)
    moved_j, moved_f = davis.frame_scores(order[maps[0]], order[maps[1]], 3)
    np.testing.assert_array_equal(j, moved_j[[2, 0, 1]])
    np.testing.assert_array_equal(f, moved_f[[2, 0, 1]])


# ---------------------------------------------------------------- the unsupervised task


def test_results_are_assigned_to_the_objects_that_they_fit():
    rng = stream(0, "test", "davis", "proposals")
    truth = [blobs(rng, 24, 32, 3) for _ in range(6)]
    names = np.array([0, 7, 2, 4], dtype=np.uint8)
    for scores in davis.unsupervised_scores([names[frame] for frame in truth], truth, 3):
        np.testing.assert_array_equal(scores, np.ones((3, 6)))


@pytest.mark.parametrize("trial", range(12))
def test_the_assignment_is_the_best_of_all(trial):
    rng = stream(1, "test", "davis", "proposals", trial)
    objects, results = (int(n) for n in rng.integers(1, 5, 2))
    truth = [blobs(rng, 20, 25, objects) for _ in range(4)]
    predicted = [blobs(rng, 20, 25, results) for _ in range(4)]
    for frame in truth:
        frame[rng.random(frame.shape) < 0.05] = 255
    rows = max(max(int(frame.max()) for frame in predicted), objects)
    j, f = np.zeros((2, rows, objects, 4))
    for p, k, t in np.ndindex(j.shape):
        pair = predicted[t] == p + 1, truth[t] == k + 1
        j[p, k, t] = plain_j(*pair, truth[t] == 255)
        f[p, k, t] = plain_f(*pair, 1, truth[t] == 255)
    means = (j.mean(2) + f.mean(2)) / 2
    best = max(sum(means[p, k] for k, p in enumerate(chosen)) for chosen in permutations(range(rows), objects))
    ours = davis.unsupervised_scores(predicted, truth, objects)
    assert (ours[0].mean(1) + ours[1].mean(1)).sum() / 2 == pytest.approx(best, abs=1e-12)


def test_more_results_than_are_allowed():
    frame = np.full((4, 5), 20, dtype=np.uint8)
    assert davis.unsupervised_scores([frame], [frame // 20], 1)[0] == 1
    with pytest.raises(ValueError, match=r"frame 1 .* index 21, at most 20"):
        davis.unsupervised_scores([frame, frame + 1], [frame // 20] * 2, 1)
    with pytest.raises(ValueError, match="proposals >= objects"):
        davis.assign_proposals(np.ones((1, 2, 3)), np.ones((1, 2, 3)))


# ---------------------------------------------------------------- broken input

SMALL = np.array([[0, 1], [2, 2]], dtype=np.uint8)


@pytest.mark.parametrize(
    ("predicted", "truth", "objects", "message"),
    [
        (SMALL + 1, SMALL, 2, "prediction holds index 3, the highest allowed is 2"),
        (np.full_like(SMALL, 255), SMALL, 2, "prediction holds index 255"),
        (SMALL[:, :1], SMALL, 2, "prediction is 2 x 1, the truth 2 x 2 pixels"),
        (SMALL.astype(int), SMALL, 2, "the prediction is .* int64, an index map"),
        (SMALL, SMALL.astype(float), 2, "the truth is .* float64, an index map"),
        (SMALL[None], SMALL[None], 2, r"\(H, W\)"),
        (SMALL[:0], SMALL[:0], 2, r"\(H, W\)"),
        (SMALL * 0, SMALL * 255, 0, "0 objects.*2016"),
        (SMALL, SMALL, 255, "255 objects"),
    ],
)
def test_bad_frames_never_give_a_number(predicted, truth, objects, message):
    with pytest.raises(ValueError, match=message):
        davis.frame_scores(predicted, truth, objects)
    with pytest.raises(ValueError, match=message):
        davis.sequence_scores([predicted], [truth], objects)


def test_bad_masks_and_void():
    with pytest.raises(ValueError, match="void must be bool"):
        davis.frame_scores(SMALL, SMALL, 2, SMALL)
    with pytest.raises(ValueError, match=r"a mask is .*uint8"):
        davis.jaccard(SMALL, SMALL)
    with pytest.raises(ValueError, match="a mask is"):
        davis.boundary_map(BOX[0])
    with pytest.raises(ValueError, match="20 x 30"):
        davis.boundary_f(BOX[1:], BOX)


def test_bad_sequences():
    with pytest.raises(ValueError, match="no frames"):
        davis.sequence_scores([], [], 2)
    with pytest.raises(ValueError, match="no frames"):
        davis.unsupervised_scores([], [], 2)
    with pytest.raises(ValueError, match=r"frame 1 .* missing in the prediction"):
        davis.sequence_scores([SMALL], [SMALL, SMALL], 2)
    with pytest.raises(ValueError, match=r"frame 1 .* missing in the truth"):
        davis.sequence_scores([SMALL, SMALL], iter([SMALL]), 2)
    with pytest.raises(ValueError, match=r"frame 1 .* index 4"):
        davis.sequence_scores([SMALL, SMALL * 2], [SMALL, SMALL], 2)
    for values in ([], [[0.5]]):
        with pytest.raises(ValueError, match="one list"):
            davis.statistics(np.array(values))


# ---------------------------------------------------------------- real masks, scores of the released code


def frames(folder):
    return [masks.read(path) for path in sorted(folder.glob("*.png"))]


@pytest.mark.parametrize(("name", "result"), [("DAVIS", "osvos"), ("DAVIS_pseudo", "perturbed")])
def test_reference_scores_of_several_objects(real_data, name, result):
    root = real_data / name
    reference = json.loads((root / "reference_scores.json").read_text())["reference_scores"]
    table = []
    for sequence in sorted({key.rsplit("_", 1)[0] for key in reference["per_frame"]}):
        truth = frames(root / "Annotations/480p" / sequence)
        predicted = frames(root / "Results/semi-supervised" / result / sequence)
        objects = davis.count_objects(truth[0])
        j, f = davis.sequence_scores(predicted[1:-1], truth[1:-1], objects)
        for k in range(objects):
            per_frame, per_object = (reference[part][f"{sequence}_{k + 1}"] for part in ("per_frame", "per_object"))
            # Stored to six decimals.
            np.testing.assert_allclose(j[k], per_frame["J"], rtol=0, atol=5.01e-7)
            np.testing.assert_allclose(f[k], per_frame["F"], rtol=0, atol=5.01e-7)
            table.append([*davis.statistics(j[k]), *davis.statistics(f[k])])
            wanted = [per_object[f"{letter}-{what}"] for letter in "JF" for what in ("Mean", "Recall", "Decay")]
            assert table[-1] == pytest.approx(wanted, abs=1e-12)
    assert len(table) == len(reference["per_object"])
    means = np.mean(table, axis=0)
    wanted = [reference["global"][f"{letter}-{what}"] for letter in "JF" for what in ("Mean", "Recall", "Decay")]
    assert means == pytest.approx(wanted, abs=1e-12)
    assert (means[0] + means[3]) / 2 == pytest.approx(reference["global"]["J&F-Mean"], abs=1e-12)


def test_reference_scores_with_void(real_data):
    root = real_data / "DAVIS"
    reference = json.loads((root / "reference_scores_tennis_void.json").read_text())["reference_scores"]
    assert len(reference) == 4
    for name, wanted in reference.items():
        _, frame, _, k = name.split()
        truth = masks.read(root / f"Annotations/480p/tennis/{frame}.png")
        mask, void = truth == int(k), truth == 255
        predicted = np.roll(mask | void, (2, 3), (0, 1))
        assert (mask.sum(), void.sum()) == (wanted["truth_pixels"], wanted["void_pixels"])
        for given_void, end in ((None, "without_void"), (void, "with_void")):
            assert davis.jaccard(predicted, mask, given_void) == pytest.approx(wanted[f"J_{end}"], abs=1e-12)
            assert davis.boundary_f(predicted, mask, given_void) == pytest.approx(wanted[f"F_{end}"], abs=1e-12)


def test_reference_scores_of_merged_objects(real_data):
    root = real_data / "DAVIS_2016"
    reference = json.loads((root / "reference_scores.json").read_text())["reference_scores"]
    for sequence, wanted in reference.items():
        truth = [(frame > 0).astype(np.uint8) for frame in frames(root / "Annotations/480p" / sequence)]
        predicted = [(frame > 0).astype(np.uint8) for frame in frames(root / "Results/480p/osvos" / sequence)]
        scores = davis.sequence_scores(predicted, truth, 1)
        for letter, (values,) in zip("JF", scores, strict=True):
            np.testing.assert_allclose(values, wanted[letter], rtol=0, atol=5.01e-7)
            assert values.mean() == pytest.approx(wanted[f"{letter}-Mean all frames"], abs=1e-12)
            inner = wanted[f"{letter}-Mean without first and last"]
            assert davis.statistics(values[1:-1]).mean == pytest.approx(inner, abs=1e-12)


def test_first_frames_of_several_objects_against_the_definition(real_data):
    for path in sorted((real_data / "DAVIS_first_frames/Annotations/480p").glob("*/*.png")):
        truth = masks.read(path)
        objects = davis.count_objects(truth)
        moved = np.roll(truth, (5, -7), (0, 1))
        moved[moved == 255] = 0
        j, f = davis.frame_scores(moved, truth, objects)
        for k in range(1, objects + 1):
            assert j[k - 1] == pytest.approx(plain_j(moved == k, truth == k), abs=1e-12)
            assert f[k - 1] == pytest.approx(f_by_distance(moved == k, truth == k, 8), abs=1e-12)
