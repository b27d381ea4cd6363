"""VOC 2007 detection: a case on paper, stored reference APs, the bootstrap over images, broken result files."""

import gzip
import json
import shutil
import tarfile

import numpy as np
import pytest

from unlabeled import registry, run
from unlabeled.benchmarks import voc2007 as protocol
from unlabeled.benchmarks.metrics import voc
from unlabeled.contracts import Box, BoxedImage
from unlabeled.datasets import voc2007 as reader
from unlabeled.errors import BadData
from unlabeled.given import GivenResults
from unlabeled.streams import Rng, stream

BENCHMARK = protocol.BENCHMARK
DEFAULT = BENCHMARK.recipes["voc2007"]


def annotation(boxes, size=(500, 400)):
    text = f"<annotation><size><width>{size[0]}</width><height>{size[1]}</height></size>"
    for box in boxes:
        frame = "".join(f"<{c}>{v}</{c}>" for c, v in zip(("xmin", "ymin", "xmax", "ymax"), box.corners, strict=True))
        flags = f"<truncated>0</truncated><difficult>{int(box.difficult)}</difficult>"
        text += f"<object><name>{box.name}</name>{flags}<bndbox>{frame}</bndbox></object>"
    return text + "</annotation>"


TRUTH = {
    "000001": (Box("cat", (1, 1, 10, 10)), Box("cat", (21, 1, 30, 10), difficult=True)),
    "000002": (Box("cat", (1, 1, 10, 10)), Box("dog", (1, 1, 10, 20))),
    "000003": (Box("cow", (1, 1, 10, 10), difficult=True),),
    "000004": (),
}
CAT = """\
000001 0.9 1 1 10 10
000001 0.8 1 1 10 9
000001 0.7 21 1 30 10
000004 0.95 1 1 10 10
000002 0.6 1 1 10 10
"""
DOG = "000002 0.5 1 1 10 16\n"


@pytest.fixture
def small(tmp_path):
    """A data root with four test images and one to train with, and a folder of results."""
    folder = tmp_path / "data" / "VOC2007"
    (folder / "Annotations").mkdir(parents=True)
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    for image, boxes in (*TRUTH.items(), ("000005", ())):
        (folder / "Annotations" / f"{image}.xml").write_text(annotation(boxes))
    (folder / "ImageSets" / "Main" / "test.txt").write_text("\n".join(TRUTH))
    (folder / "ImageSets" / "Main" / "trainval.txt").write_text("000005")
    give(tmp_path / "results", cat=CAT, dog=DOG)
    return tmp_path


def give(folder, form="comp4_det_test_{}.txt", **texts):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / form.format(name)).write_text(text)


def give_all(folder, **texts):
    give(folder, **{**dict.fromkeys(reader.CLASSES, ""), **texts})


def score(small, recipe=None, limit=None):
    return run.evaluate(
        GivenResults(small / "results", "row"), "voc2007", data=small / "data", store=small / "store", recipe=recipe,
        limit=limit,
    )  # fmt: skip


def fault(small, **more):
    with pytest.raises(BadData) as caught:
        score(small, **more)
    return str(caught.value)


# ---------------------------------------------------------------- on paper


def test_a_small_case_on_paper(small):
    """Cats: wrong, right, the same again, difficult, right: precision 1/2 up to recall 1/2, then 2/4."""
    record = score(small)
    units = {unit["unit"]: unit for unit in record.units}
    assert tuple(units) == reader.CLASSES
    assert units["cat"] == {"unit": "cat", "n": 2, "ap": 0.5, "positives": 2, "detections": 5}
    assert units["dog"]["ap"] == pytest.approx(1) and units["bus"]["ap"] is units["cow"]["ap"] is None
    assert list(record.scores) == ["map"] and record.scores["map"]["value"] == pytest.approx(0.75)
    assert record.scores["map"]["n"] == 4
    assert record.breakdown["classes"] == list(reader.CLASSES)
    assert record.breakdown["curves"]["cat"] == [[0.0, 0.5, 1.0], [0.0, 0.5, 0.5]]
    assert record.breakdown["per_class"]["cow"] == {"ap": None, "positives": 0, "detections": None}


def test_classes_without_a_file_or_without_objects_make_it_partial(small):
    record = score(small)
    assert record.status == "partial" and not record.missing_units
    no_file, no_object = (note for note in record.notes if note.startswith("partial"))
    assert "no result file of aeroplane, bicycle" in no_file and " cat" not in no_file
    assert "no object that is not difficult of aeroplane" in no_object and ", cow, " in no_object
    assert no_file.endswith("the score is the mean over 2 of 20 classes")
    give_all(small / "results", cat=CAT, dog=DOG)
    (note,) = (note for note in score(small).notes if note.startswith("partial"))
    assert "no object that is not difficult" in note


def test_recipes(small):
    """The cats fit exactly; the dog's box has an IoU of 0.75, which is above 0.7 and not above 0.75."""
    give(small / "results", dog="000002 0.5 1 1 10 15\n")
    sweep = score(small, "iou-sweep")
    assert list(sweep.scores) == ["map", "ap50", "ap75"]
    assert sweep.scores["ap50"]["value"] == pytest.approx((0.5 + 1) / 2)
    assert sweep.scores["ap75"]["value"] == pytest.approx((0.5 + 0) / 2)
    assert sweep.scores["map"]["value"] == pytest.approx((0.5 + 0.5) / 2)
    assert sweep.breakdown["per_class"]["dog"]["aps"] == pytest.approx([1] * 5 + [0] * 5)
    assert sweep.breakdown["per_threshold"] == pytest.approx([0.75] * 5 + [0.25] * 5)
    assert sweep.breakdown["thresholds"] == list(voc.IOU_SWEEP)


def test_area_and_eleven_points_differ(small):
    """Cats without the last line: precision 1/2 at recall 1/2 and none beyond."""
    give(small / "results", cat=CAT.replace("000002", "000004"))
    eleven, area = (score(small, recipe).breakdown["per_class"]["cat"]["ap"] for recipe in ("voc2007", "voc2010"))
    assert (eleven, area) == (pytest.approx(6 / 11 / 2), pytest.approx(1 / 4))


def test_rounded_text_makes_ties(small):
    """Unrounded, the right cat is ahead; with three decimals the order in the file decides."""
    give(small / "results", cat="000004 0.80001 1 1 10 10\n000001 0.80002 1 1 10 10\n")
    plain, rounded = (score(small, recipe).breakdown["per_class"]["cat"]["ap"] for recipe in ("voc2007", "voc-text"))
    assert (plain, rounded) == (pytest.approx(6 / 11), pytest.approx(3 / 11))


def test_units_do_not_need_each_other(small):
    data = reader.DATASET.survey(small / "data" / "VOC2007")
    role = BENCHMARK.prepare(GivenResults(small / "results", "row"), data, DEFAULT)
    outcome = BENCHMARK.run_unit("dog", data, role, DEFAULT, Rng(0), "none")
    (item,) = outcome.items
    assert item == {"id": "dog", "kind": "11-point", "image": [1], "flags": ["+"], "objects": [[1, 1]]}
    assert json.loads(json.dumps(outcome.values)) == outcome.values
    first = BENCHMARK.run_unit("aeroplane", data, role, DEFAULT, Rng(0), "none")
    assert first.items == ({"id": "images", "images": list(TRUTH)},)


def test_limit_leaves_out_the_detections_in_other_test_images(small):
    record = score(small, limit=1)
    assert record.breakdown["per_class"]["cat"] == {"ap": pytest.approx(1), "positives": 1, "detections": 3}
    assert record.scores["map"]["interval"] is None and "too few" in record.notes[-1]


# ---------------------------------------------------------------- where files may lie


@pytest.mark.parametrize("place", ["", "VOC2007/Main", "results/VOC2007/Main"])
@pytest.mark.parametrize("form", ["comp4_det_test_{}.txt", "comp3_det_test_{}.txt"])
def test_places_and_names_of_files(tmp_path, place, form):
    give(tmp_path / place, form, cat=CAT)
    role = DEFAULT.prepare(GivenResults(tmp_path, "row"))
    assert DEFAULT.detections(role, "cat") == tmp_path / place / form.format("cat")
    assert DEFAULT.detections(role, "dog") is None


def test_folders_that_cannot_be_meant(small):
    results = small / "results"
    give(results, "comp3_det_test_{}.txt", cat=CAT)
    give(results, wombat=CAT)
    text = fault(small)
    assert "comp4_det_test_wombat.txt is of no class of VOC, cat has a comp3 and a comp4 file" in text
    give(results / "VOC2007" / "Main", cat=CAT)
    assert "result files in RESULTS and RESULTS/VOC2007/Main" in fault(small)
    shutil.rmtree(results)
    give(results, "comp4_det_val_{}.txt", cat=CAT)
    assert "holds no result file of VOC 2007" in fault(small) and "comp4_det_test_CLASS.txt" in fault(small)
    give(results / "ours" / "VOC2007" / "Main", cat=CAT)
    assert f"RESULTS/VOC2007/Main, as in {results / 'ours'}: name that folder with --results" in fault(small)


# ---------------------------------------------------------------- broken input


def test_the_faults_of_all_files_are_told_together(small):
    give(
        small / "results",
        cat=CAT + "000001 0.5 1 1 10\n000001 nan 1 1 10 10\n000002 0.5 10 1 1 10\n000099 0.5 1 1 9 9\n",
        dog=DOG + "000005 0.5 1 1 10 10\n",
    )
    text = fault(small)
    for part in ("5 columns", "no finite number", "xmax < xmin", "1 images are not in the test list (000099)"):
        assert text.count(part) == 1
    assert "dog: " in text and "(000005)" in text


def test_detections_in_test_images_without_annotation(small):
    folder = small / "data" / "VOC2007"
    (folder / "Annotations" / "000002.xml").unlink()
    (folder / "Annotations.tar.xz").write_bytes(b"")
    text = fault(small)
    assert "1 test images have no annotation at hand (000002)" in text
    assert "get all of Annotations; unpack Annotations.tar.xz" in text


def test_no_test_image_at_all(small):
    (small / "data" / "VOC2007" / "ImageSets" / "Main" / "test.txt").unlink()
    assert "annotations of no test image" in fault(small)


def test_no_class_with_a_value(small):
    shutil.rmtree(small / "results")
    give(small / "results", cow=CAT)
    assert "no class has both a file and objects" in fault(small)


# ---------------------------------------------------------------- bootstrap over images


def random_run(k):
    """Random boxes in eight images; the truth of two classes, and detections near it whose scores all differ."""
    rng = stream(0, "tests", "voc2007", k)

    def box():
        corner = rng.integers(1, 9, 2)
        return (*corner.tolist(), *(corner + rng.integers(1, 9, 2)).tolist())

    images = []
    for image in range(8):
        boxes = [Box(str(rng.choice(["cat", "dog"])), box(), bool(rng.random() < 0.2)) for _ in range(rng.integers(4))]
        images.append(BoxedImage(f"{image:06d}", None, 20, 20, tuple(boxes), ("test",)))
    pairs = {}
    for unit in ("cat", "dog"):
        truth = protocol._truth(images, unit)
        near = rng.integers(len(truth.image), size=rng.integers(0, 40)) if len(truth.image) else np.zeros(0, int)
        corners = truth.boxes[near] + np.array([0, 0, 1, 1]) * rng.integers(0, 4, (len(near), 1))
        pairs[unit] = voc.Detected(truth.image[near], rng.permutation(len(near)) / 100, corners), truth
    return [image.id for image in images], pairs


def repeated(found, truth, drawn):
    """The same with each image as often as it was drawn, under a name of its own."""
    parts = [[], []]
    for image, copies in enumerate(drawn):
        for copy in range(int(copies)):
            for part, table in zip(parts, (found, truth), strict=True):
                mine = np.flatnonzero(table.image == image)
                part += [(100 * image + copy, k) for k in mine]
    images, rows = (np.array([row[j] for row in parts[0]], int) for j in (0, 1))
    ours = voc.Detected(images, found.score[rows], found.boxes[rows])
    images, rows = (np.array([row[j] for row in parts[1]], int) for j in (0, 1))
    return ours, voc.Truth(images, truth.boxes[rows], truth.difficult[rows])


@pytest.mark.parametrize("kind", ["11-point", "area"])
def test_weights_are_repeated_images(kind):
    """Scored anew with copies of images."""
    thresholds, seen = (0.5, 0.75), 0
    for k in range(25):
        ids, pairs = random_run(k)
        weights = stream(0, "tests", "voc2007", "draws", k).multinomial(8, [1 / 8] * 8, size=6)
        items = [{"id": "images", "images": ids}]
        for unit, (found, truth) in pairs.items():
            positives = np.bincount(truth.image[~truth.difficult], minlength=8)
            order, flags = voc.match(found, truth, thresholds)
            if positives.any():
                items.append(json.loads(json.dumps(protocol._item(unit, flags, found.image[order], positives, kind))))
        units = BENCHMARK.resampling_units(items)
        assert units == ids and len(items) > 1
        values = BENCHMARK.resampled(items, units, weights.astype(float))
        for drawn, value in zip(weights, values, strict=True):
            aps = [voc.class_aps(*repeated(*pair, drawn), thresholds, kind) for pair in pairs.values()]
            wanted = [np.mean(ap) for ap in aps if ap is not None]
            assert value == pytest.approx(np.mean(wanted) if wanted else np.nan, abs=1e-12, nan_ok=True)
            seen += bool(wanted)
    assert seen > 100


def test_each_image_once_is_the_score_itself(small):
    record = score(small, "iou-sweep")
    lines = gzip.decompress((small / "store" / "records" / record.items["file"]).read_bytes()).decode().splitlines()
    items = [json.loads(line) for line in lines]
    units = BENCHMARK.resampling_units(items)
    assert units == list(TRUTH) and all("unit" in item for item in items)
    assert BENCHMARK.resampled(items, units, np.ones((3, 4))) == pytest.approx([record.scores["map"]["value"]] * 3)


def test_a_class_where_nothing_is_right_has_ap_zero_in_every_draw():
    item = protocol._item("cat", np.zeros((1, 3), np.int8), np.zeros(3, int), np.array([1, 0]), "11-point")
    assert item["image"] == [] and item["flags"] == [""]
    found = BENCHMARK.resampled([item], [], np.array([[1, 1], [0, 2]]))
    assert found[0] == 0 and np.isnan(found[1])


def test_an_interval_holds_its_score():
    draws = np.linspace(0, 1, 101)
    assert protocol._ends(np.append(draws, np.nan), 0.5) == pytest.approx((0.02, 0.98))
    assert protocol._ends(draws, 0.99) is protocol._ends(np.array([np.nan]), 0.5) is None


def test_curves_are_thinned():
    flags = np.ones(5000, np.int8)
    recall, precision = protocol._thinned(*voc.curve(flags, 10_000))
    assert len(recall) == len(precision) == 51 and recall[-1] == 0.5


# ---------------------------------------------------------------- real result files


def aps_of(record):
    return {name: row["ap"] for name, row in record.breakdown["per_class"].items()}


def stored(file, kind):
    scores = json.loads(file.read_text())["reference_scores"]
    classes = {name: row.get(f"AP_{kind}_stable_sort") for name, row in scores["per_class"].items()}
    return classes, scores["mean"][f"mAP_{kind}_stable_sort"]


@pytest.fixture(scope="module")
def release(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("voc")
    for name in ("VOC2007/Annotations", "VOC2007/ImageSets_Main", "VOC2007_detections"):
        with tarfile.open(real_data / "VOCdevkit" / f"{name}.tar.xz") as archive:
            archive.extractall(folder / name.partition("/")[0], filter="data")
    return folder


def test_the_stored_aps_of_the_whole_test_set(real_data, release, tmp_path, monkeypatch):
    """Every AP of another's code; the second recipe with fewer resamples, which no reference is about."""
    given = GivenResults(release / "VOC2007_detections", "row")
    for recipe, kind, mean in (("voc2007", "11point", 0.539744), ("voc2010", "area", 0.544145)):
        record = run.evaluate(given, "voc2007", data=release, store=tmp_path, recipe=recipe)
        classes, wanted = stored(real_data / "VOCdevkit" / "reference_aps.json", kind)
        assert aps_of(record) == pytest.approx(classes, abs=1e-9)
        assert record.scores["map"]["value"] == pytest.approx(wanted, abs=1e-9) == pytest.approx(mean, abs=1e-6)
        assert record.status == "complete" and record.data["label"]["text"] == "official (lists and counts)"
        assert sum(unit["detections"] for unit in record.units) == 254_590
        assert sum(unit["positives"] for unit in record.units) == 12_032
        low, high = record.scores["map"]["interval"]
        assert record.scores["map"]["interval_kind"] == f"bootstrap 95 %, {record.scores['map']['n']} images"
        assert low < record.scores["map"]["value"] < high < low + 0.03
        assert (tmp_path / "records" / f"{record.id}.json").stat().st_size < 200_000
        monkeypatch.setattr(protocol, "RESAMPLES", 100)


def test_the_stored_aps_of_the_slice(real_data, tmp_path):
    """15 test images, five classes without objects."""
    given = GivenResults(real_data / "VOCdevkit" / "results_slice", "row")
    record = run.evaluate(given, "voc2007", data=real_data / "VOCdevkit", store=tmp_path)
    classes, wanted = stored(real_data / "VOCdevkit" / "reference_aps_slice.json", "11point")
    assert {name: ap for name, ap in aps_of(record).items() if ap is not None} == pytest.approx(
        {name: ap for name, ap in classes.items() if ap is not None}, abs=1e-9
    )
    assert record.scores["map"]["value"] == pytest.approx(wanted, abs=1e-9)
    assert record.status == "partial" and "bird, boat, cow, sheep, train; the score is the mean over 15" in " ".join(
        record.notes
    )
    assert record.data["label"]["text"] == "subset: 15 of 4952 test images"


def test_all_detections_on_unpacked_annotations_only(real_data, tmp_path, release):
    given = GivenResults(release / "VOC2007_detections", "row")
    with pytest.raises(BadData, match="test images have no annotation at hand") as caught:
        run.evaluate(given, "voc2007", data=real_data, store=tmp_path)
    assert "unpack" in str(caught.value) and "Annotations.tar.xz" in str(caught.value)


def test_the_registry_knows_it():
    assert registry.load("benchmarks", "voc2007") is BENCHMARK
