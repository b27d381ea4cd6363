"""VOC average precision: cases on paper, a plain loop over detections, real result files, broken input."""

import json
import tarfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlabeled.benchmarks.metrics import voc
from unlabeled.datasets.decode.boxes import read_annotation, read_detections
from unlabeled.streams import stream

NOTHING = voc.Detected(np.zeros(0, int), np.zeros(0), np.zeros((0, 4)))
NO_TRUTH = voc.Truth(np.zeros(0, int), np.zeros((0, 4)), np.zeros(0, bool))


def truth(*objects):
    """Objects (image, box, difficult)."""
    images, boxes, difficult = zip(*objects, strict=True)
    return voc.Truth(np.array(images), np.array(boxes), np.array(difficult, dtype=bool))


def detected(*found):
    """Detections (image, score, box)."""
    return voc.Detected(*(np.array(part) for part in zip(*found, strict=True)))


# ---------------------------------------------------------------- on paper


def test_a_small_case_on_paper():
    objects = truth((0, [1, 1, 10, 10], 0), (0, [21, 1, 30, 10], 1), (7, [1, 1, 10, 10], 0))
    found = detected(
        (0, 0.9, [1, 1, 10, 10]),  # right
        (0, 0.8, [1, 1, 10, 9]),  # the same object again
        (0, 0.7, [21, 1, 30, 10]),  # a difficult object
        (3, 0.6, [1, 1, 10, 10]),  # an image without objects
        (7, 0.95, [1, 1, 10, 10]),  # right, and first
    )
    matched = voc.match(found, objects)
    assert matched.order.tolist() == [4, 0, 1, 2, 3]
    assert matched.flags.dtype == np.int8 and matched.flags.tolist() == [[1, 1, 0, -1, 0]]
    recall, precision = voc.curve(matched.flags[0], 2)
    assert recall.tolist() == [0.5, 1, 1, 1, 1] and precision.tolist() == [1, 1, 2 / 3, 2 / 3, 0.5]
    assert voc.class_ap(found, objects) == voc.class_ap(found, objects, kind="area") == 1


def test_a_perfect_class_has_ap_one_and_a_blind_one_zero():
    objects = truth((0, [1, 1, 5, 5], 0), (1, [1, 1, 5, 5], 0), (1, [11, 1, 15, 5], 0))
    found = voc.Detected(objects.image, np.ones(3), objects.boxes)
    assert voc.class_aps(found, objects) == [1.0] * 10
    assert voc.class_ap(NOTHING, objects) == voc.class_ap(NOTHING, objects, kind="area") == 0
    assert voc.class_ap(found._replace(image=found.image + 5), objects) == 0


def test_a_class_without_positives_has_no_ap_and_is_left_out_of_the_mean():
    objects = truth((0, [1, 1, 10, 10], 1))
    assert voc.class_ap(detected((0, 0.9, [1, 1, 10, 10])), objects) is None
    assert voc.class_aps(NOTHING, NO_TRUTH) is None
    assert voc.mean_ap([0.5, None, 1.0]) == 0.75
    with pytest.raises(ValueError, match="of 1 APs none"):
        voc.mean_ap([None])


def test_several_thresholds_are_several_matchings():
    objects = truth((0, [1, 1, 10, 20], 0))
    found = detected((0, 0.9, [1, 1, 10, 10]), (0, 0.8, [1, 1, 10, 15]), (0, 0.7, [1, 1, 10, 19]))
    # IoU 0.5, 0.75 and 0.95: equal to a threshold is not above it.
    flags = voc.match(found, objects, (0.49, 0.5, 0.75, 0.95)).flags
    assert flags.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_the_sweep_is_made_of_quotients():
    assert voc.IOU_SWEEP == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


# ---------------------------------------------------------------- a plain loop


def plain_flags(found, objects, threshold):
    """The rules of the devkit, one detection after the other, without arrays."""
    taken, flags = set(), []
    order = sorted(range(len(found.score)), key=lambda d: -found.score[d])
    for d in order:
        a = [float(v) for v in found.boxes[d]]
        best, largest = None, float("-inf")
        for g in range(len(objects.image)):
            if objects.image[g] != found.image[d]:
                continue
            b = [float(v) for v in objects.boxes[g]]
            width, height = min(a[2], b[2]) - max(a[0], b[0]) + 1, min(a[3], b[3]) - max(a[1], b[1]) + 1
            both = max(width, 0) * max(height, 0)
            union = (a[2] - a[0] + 1) * (a[3] - a[1] + 1) + (b[2] - b[0] + 1) * (b[3] - b[1] + 1) - both
            if both / union > largest:
                best, largest = g, both / union
        if largest <= threshold:
            flags.append(0)
        elif objects.difficult[best]:
            flags.append(-1)
        else:
            flags.append(0 if best in taken else 1)
            taken.add(best)
    return order, flags


def plain_ap(flags, positives, kind):
    """Both kinds of AP from their definitions."""
    points, right, wrong = [], 0, 0
    for flag in flags:
        right, wrong = right + (flag == 1), wrong + (flag == 0)
        points.append((right / positives, right / max(right + wrong, 1)))
    if kind == "11-point":
        return sum(max([p for r, p in points if r >= t], default=0) for t in np.arange(0, 1.1, 0.1)) / 11
    area, before = 0.0, 0.0
    for k, (recall, _) in enumerate(points):
        area += (recall - before) * max(p for _, p in points[k:])
        before = recall
    return area


def random_case(rng):
    """A few small boxes with whole corners: ties of score and of IoU, IoUs of exactly 1/2, duplicates."""
    images = int(rng.integers(1, 5))

    def boxes(n):
        corner = rng.integers(1, 7, (n, 2))
        return np.hstack([corner, corner + rng.integers(0, 5, (n, 2))]).astype(float)

    n_truth, n_found = int(rng.integers(0, 9)), int(rng.integers(0, 30))
    objects = voc.Truth(rng.integers(images, size=n_truth), boxes(n_truth), rng.random(n_truth) < 0.3)
    places, corners = rng.integers(images + 1, size=n_found), boxes(n_found)
    if n_truth:
        copied = rng.random(n_found) < 0.5
        chosen = rng.integers(n_truth, size=n_found)
        places = np.where(copied, objects.image[chosen], places)
        corners = np.where(copied[:, None], objects.boxes[chosen], corners)
        corners[:, 2] += copied * rng.integers(0, 3, n_found)
    return voc.Detected(places, rng.integers(0, 6, n_found) / 5, corners), objects


def test_random_cases_equal_the_plain_loop():
    thresholds = (0.5, 1 / 3, 0.75)
    seen = {"exact": 0, "neither": 0, "none": 0, "empty": 0}
    for k in range(400):
        found, objects = random_case(stream(0, "tests", "voc", k))
        order, flags = voc.match(found, objects, thresholds)
        positives = int((~objects.difficult).sum())
        for row, threshold in zip(flags, thresholds, strict=True):
            plain_order, plain = plain_flags(found, objects, threshold)
            assert (order.tolist(), row.tolist()) == (plain_order, plain)
            for kind in ("11-point", "area"):
                ap = voc.class_ap(found, objects, threshold, kind)
                assert ap == (pytest.approx(plain_ap(plain, positives, kind), abs=1e-12) if positives else None)
        at_least = voc.match(found, objects, (np.nextafter(0.5, 0),)).flags[0]
        seen["exact"] += bool((at_least != flags[0]).any())
        seen["neither"] += bool((flags == -1).any())
        seen["none"] += not positives
        seen["empty"] += not len(order)
    assert min(seen.values()) >= 10, seen


def test_truth_in_another_order_of_images_changes_nothing():
    for k in range(50):
        rng = stream(0, "tests", "voc", "order", k)
        found, objects = random_case(rng)
        by_image = np.argsort(objects.image, kind="stable")
        sorted_objects = voc.Truth(*(part[by_image] for part in objects))
        np.testing.assert_array_equal(voc.match(found, objects).flags, voc.match(found, sorted_objects).flags)
        shifted = voc.match(found._replace(image=found.image - 9), objects._replace(image=objects.image - 9))
        np.testing.assert_array_equal(voc.match(found, objects).flags, shifted.flags)


curves = st.lists(st.sampled_from([1, 0, -1]), max_size=40).map(lambda flags: np.array(flags, dtype=np.int8))


@given(curves, st.integers(1, 50))
def test_ap_is_a_share_and_never_rises_with_a_worse_list(flags, more):
    positives = int((flags == 1).sum()) + more
    for kind in ("11-point", "area"):
        ap = voc.average_precision(*voc.curve(flags, positives), kind)
        assert 0 <= ap <= 1
        assert ap == pytest.approx(plain_ap(flags.tolist(), positives, kind), abs=1e-12)
        # Detections of difficult objects count for nothing; a false one ahead of all never helps.
        counted = flags[flags != -1]
        assert voc.average_precision(*voc.curve(counted, positives), kind) == pytest.approx(ap, abs=1e-12)
        behind = np.concatenate([[0], flags]).astype(np.int8)
        assert voc.average_precision(*voc.curve(behind, positives), kind) <= ap + 1e-12
        ahead = np.concatenate([flags, [0]]).astype(np.int8)
        assert voc.average_precision(*voc.curve(ahead, positives), kind) == pytest.approx(ap, abs=1e-12)


# ---------------------------------------------------------------- rounded text


@given(st.floats(-1e6, 1e6), st.sampled_from([0, 0.5, 1e-9]))
def test_rounding_is_that_of_printing(value, nudge):
    for values in (np.array([value]), np.array([np.trunc(value) / 2000 + nudge * 1e-3])):
        scores, boxes = voc.rounded_text(values, np.tile(values[:, None], (1, 4)))
        assert scores.tolist() == [float(f"{v:.3f}") for v in values]
        assert boxes[0].tolist() == [float(f"{values[0]:.1f}")] * 4


def test_both_writers_of_zero_based_boxes():
    scores, boxes = np.array([0.0005, 0.12345]), np.array([[9, 9, 28.04, 29], [0.26, 0, 5, 5]])
    for convention, wanted in {
        "1-based": [[9, 9, 28, 29], [0.3, 0, 5, 5]],
        "py-faster-rcnn": [[10, 10, 29, 30], [1.3, 1, 6, 6]],
        "detectron2": [[10, 10, 28, 29], [1.3, 1, 5, 5]],
    }.items():
        rounded, corners = voc.rounded_text(scores, boxes, convention)
        assert rounded.tolist() == [0.001, 0.123] and corners.tolist() == wanted
    with pytest.raises(ValueError, match="'coco'"):
        voc.rounded_text(scores, boxes, "coco")
    with pytest.raises(ValueError, match="must be"):
        voc.rounded_text(scores[:1], boxes)
    with pytest.raises(ValueError, match="finite"):
        voc.rounded_text(scores, boxes * np.nan)


# ---------------------------------------------------------------- image bootstrap


def draw(images, resamples, rng):
    """How often each image is drawn when as many are drawn with replacement."""
    return rng.multinomial(images, np.full(images, 1 / images), size=resamples)


def test_weights_are_repeated_images():
    nothing_drawn = 0
    for k in range(120):
        rng = stream(0, "tests", "voc", "bootstrap", k)
        found, objects = random_case(rng)
        images = int(max(found.image.max(initial=0), objects.image.max(initial=0))) + 1
        weights = draw(images, 4, rng)
        order, flags = voc.match(found, objects)
        positives = np.bincount(objects.image[~objects.difficult], minlength=images)
        for kind in ("11-point", "area"):
            aps = voc.resampled_ap(flags[0], found.image[order], positives, weights, kind)
            for ap, weight in zip(aps, weights, strict=True):
                copies, things = repeated(found, objects, weight)
                count = int((~things.difficult).sum())
                nothing_drawn += not count
                wanted = plain_ap(plain_flags(copies, things, 0.5)[1], count, kind) if count else np.nan
                np.testing.assert_allclose(ap, wanted, atol=1e-12)
    assert nothing_drawn > 10


def repeated(found, objects, weight):
    """A set in which image i is there weight[i] times, each copy under a number of its own."""
    copy = 1000
    d = [(image + copy * j, k) for k, image in enumerate(found.image) for j in range(weight[image])]
    g = [(image + copy * j, k) for k, image in enumerate(objects.image) for j in range(weight[image])]
    d, g = np.array(d, dtype=int).reshape(-1, 2), np.array(g, dtype=int).reshape(-1, 2)
    return (
        voc.Detected(d[:, 0], found.score[d[:, 1]], found.boxes[d[:, 1]]),
        voc.Truth(g[:, 0], objects.boxes[g[:, 1]], objects.difficult[g[:, 1]]),
    )


def test_each_image_once_is_the_plain_ap_and_chunks_do_not_show():
    found, objects = random_case(stream(0, "tests", "voc", "once"))
    order, flags = voc.match(found, objects)
    positives = np.bincount(objects.image[~objects.difficult], minlength=6)
    once = np.ones((voc.CHUNK * 2 + 3, 6), dtype=np.uint8)
    aps = voc.resampled_ap(flags[0], found.image[order], positives, once)
    np.testing.assert_allclose(aps, voc.class_ap(found, objects), atol=1e-12)
    draws = draw(6, voc.CHUNK * 2 + 3, stream(0, "tests", "voc", "draws"))
    whole = voc.resampled_ap(flags[0], found.image[order], positives, draws)
    single = [voc.resampled_ap(flags[0], found.image[order], positives, draw[None])[0] for draw in draws]
    np.testing.assert_array_equal(whole, single)


def test_resampling_refuses_what_does_not_fit():
    flags, image, positives, weights = np.array([1, 0]), np.array([0, 1]), np.array([1, 0]), np.ones((3, 2), int)
    assert voc.resampled_ap(flags, image, positives, weights).tolist() == [1, 1, 1]
    for bad, message in (
        ((flags, image[:1], positives, weights), "must be lists"),
        ((flags, image, positives, weights[:, :1]), r"\(resamples, 2\)"),
        ((flags, image + 1, positives, weights), "from 1 to 2"),
        ((flags, image, positives, weights - 2), "negative"),
    ):
        with pytest.raises(ValueError, match=message):
            voc.resampled_ap(*bad)


# ---------------------------------------------------------------- broken input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.array([0.0])}, "integers"),
        ({"image": np.array([0, 1])}, r"boxes \(N, 4\)"),
        ({"score": np.array([np.nan])}, "score of detection 0"),
        ({"score": np.array([0.5, 0.4])}, "scores"),
        ({"boxes": np.array([[1, 1, np.inf, 5]])}, "box 0 of the detections"),
        ({"boxes": np.array([[5, 1, 4, 5]])}, "box 0 of the detections"),
        ({"boxes": np.array([[1, 5, 4, 4]])}, "box 0 of the detections"),
        ({"boxes": np.array([[1, 1, 4]])}, r"boxes \(N, 4\)"),
    ],
)
def test_broken_detections_are_refused(change, message):
    found, objects = detected((0, 0.5, [1, 1, 5, 5])), truth((0, [1, 1, 5, 5], 0))
    with pytest.raises(ValueError, match=message):
        voc.match(found._replace(**change), objects)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"difficult": np.array([0])}, "int64"),
        ({"difficult": np.array([True, False])}, r"\(2,\) difficult"),
        ({"boxes": np.array([[5, 1, 4, 5]])}, "box 0 of the objects"),
        ({"image": np.array([], dtype=int)}, "objects need"),
    ],
)
def test_broken_truth_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        voc.class_ap(NOTHING, truth((0, [1, 1, 5, 5], 0))._replace(**change))


@pytest.mark.parametrize(
    ("recall", "precision", "message"),
    [
        ([0.5], [1, 1], "one length"),
        ([[0.5]], [[1]], "one length"),
        ([0.5, 0.4], [1, 1], "never falls"),
        ([np.nan], [1], r"\[0, 1\]"),
        ([0.5], [1.1], r"\[0, 1\]"),
    ],
)
def test_broken_curves_are_refused(recall, precision, message):
    with pytest.raises(ValueError, match=message):
        voc.average_precision(recall, precision)


def test_impossible_counts_and_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="0 right detections of 0"):
        voc.curve(np.zeros(0, np.int8), 0)
    with pytest.raises(ValueError, match="2 right detections of 1"):
        voc.curve(np.array([1, 1], np.int8), 1)
    with pytest.raises(ValueError, match="not 'mean'"):
        voc.average_precision([1], [1], "mean")


# ---------------------------------------------------------------- real result files


@pytest.fixture(scope="module")
def voc2007(real_data, tmp_path_factory):
    """The devkit with its archives unpacked: annotations, lists and a full set of result files."""
    source, unpacked = real_data / "VOCdevkit", tmp_path_factory.mktemp("voc")
    for name in ("VOC2007/Annotations.tar.xz", "VOC2007/ImageSets_Main.tar.xz", "VOC2007_detections.tar.xz"):
        with tarfile.open(source / name) as archive:
            archive.extractall(unpacked, filter="data")
    return source, unpacked


def scored(voc2007, ids, results, stored):
    """Check every AP of a reference file; the number of objects and of difficult ones."""
    source, unpacked = voc2007
    reference = json.loads((source / stored).read_text())["reference_scores"]
    annotations = [read_annotation(unpacked / "Annotations" / f"{image}.xml") for image in ids]
    aps = {"11point": [], "area": []}
    for name, wanted in reference["per_class"].items():
        objects = [(k, o.box, o.difficult) for k, a in enumerate(annotations) for o in a.objects if o.name == name]
        things = truth(*objects) if objects else NO_TRUTH
        file = read_detections(results / f"comp4_det_test_{name}.txt")
        found = voc.Detected(file.index(ids), file.scores, file.boxes)
        assert len(found.score) == wanted["detections"]
        for kind, values in aps.items():
            ap = voc.class_ap(found, things, kind="11-point" if kind == "11point" else "area")
            values.append(ap)
            if wanted[f"AP_{kind}"] is None:
                assert ap is None
            else:
                assert ap == pytest.approx(wanted[f"AP_{kind}_stable_sort"], abs=1e-9)
                assert ap == pytest.approx(wanted[f"AP_{kind}"], abs=1e-5)
    for kind, values in aps.items():
        assert voc.mean_ap(values) == pytest.approx(reference["mean"][f"mAP_{kind}_stable_sort"], abs=1e-9)
        assert voc.mean_ap(values) == pytest.approx(reference["mean"][f"mAP_{kind}"], abs=1e-5)
    found = [thing for annotation in annotations for thing in annotation.objects]
    return len(found), sum(thing.difficult for thing in found)


def test_the_stored_aps_of_the_whole_test_set(voc2007):
    ids = (voc2007[1] / "ImageSets" / "Main" / "test.txt").read_text().split()
    results = voc2007[1] / "results" / "VOC2007" / "Main"
    assert len(ids) == 4952
    assert scored(voc2007, ids, results, "reference_aps.json") == (14_976, 2_944)


def test_the_stored_aps_of_the_slice(voc2007):
    ids = (voc2007[0] / "VOC2007" / "slice" / "test.txt").read_text().split()
    results = voc2007[0] / "results_slice" / "VOC2007" / "Main"
    assert len(ids) == 15
    scored(voc2007, ids, results, "reference_aps_slice.json")
