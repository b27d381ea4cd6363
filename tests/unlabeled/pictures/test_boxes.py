"""Pictures of detections: right, wrong and missed by hand, and in their colours in the file."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from unlabeled import registry
from unlabeled.given import GivenResults
from unlabeled.pictures import boxes
from unlabeled.pictures import draw as drawing
from unlabeled.pictures.sheet import Judged
from unlabeled.run import evaluate

TRUTH = {
    "000001": [("cat", (20, 20, 90, 90), 0), ("cat", (120, 20, 180, 90), 1)],
    "000002": [("cat", (20, 20, 90, 90), 0), ("dog", (110, 20, 190, 130), 0)],
    "000003": [("dog", (10, 10, 60, 60), 0)],
    "000004": [],
}
CAT = """\
000001 0.9 20 20 90 92
000004 0.8 5 5 60 60
000001 0.75 120 20 180 90
000002 0.7 22 20 90 90
000003 0.1 1 1 30 30
"""
DOG = "000002 0.5 110 20 190 120\n"


@pytest.fixture
def run(store, tmp_path):
    """Four test images, a picture for three of them, results of two classes."""
    folder, results = tmp_path / "data" / "VOC2007", tmp_path / "results"
    for name in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (folder / name).mkdir(parents=True)
    for image, objects in TRUTH.items():
        text = "<annotation><size><width>200</width><height>150</height></size>"
        for name, corners, difficult in objects:
            frame = "".join(f"<{c}>{v}</{c}>" for c, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
            flags = f"<truncated>0</truncated><difficult>{difficult}</difficult>"
            text += f"<object><name>{name}</name>{flags}<bndbox>{frame}</bndbox></object>"
        (folder / "Annotations" / f"{image}.xml").write_text(text + "</annotation>")
        if image != "000003":
            Image.new("RGB", (200, 150), (60, 60, 60)).save(folder / "JPEGImages" / f"{image}.jpg")
    (folder / "ImageSets" / "Main" / "test.txt").write_text("\n".join(TRUTH))
    (folder / "ImageSets" / "Main" / "trainval.txt").write_text("")
    results.mkdir()
    for name, text in (("cat", CAT), ("dog", DOG)):
        (results / f"comp4_det_test_{name}.txt").write_text(text)
    record = evaluate(GivenResults(results), "voc2007", data=tmp_path / "data", store=store)
    benchmark = registry.load("benchmarks", "voc2007")
    data = registry.load("datasets", "voc2007").survey(folder)
    return record, Judged(record, data, benchmark.recipes["voc2007"], results, {})


def test_right_wrong_and_missed_by_hand(run):
    _, judged = run
    found = boxes.seen(judged, judged.data.items)
    told = {
        image: ([n for n, _, _ in one.right], [n for n, _, _ in one.wrong], [n for n, _ in one.missed])
        for image, one in found.items()
    }
    # What found the difficult cat counts neither way; the cat at 0.1 comes after the best F1 of its class.
    assert told == {
        "000001": (["cat"], [], []),
        "000002": (["cat", "dog"], [], []),
        "000003": ([], [], ["dog"]),
        "000004": ([], ["cat"], []),
    }
    assert found["000002"].f1 == 1 and found["000004"].f1 == 0


def test_files_and_their_colours(run, store, tmp_path):
    record, _ = run
    page, curves, *images = drawing.draw(record, store.records, store, tmp_path / "out")
    # Image 3 has no picture; the best comes last.
    assert [file.name for file in images] == [
        "01-000004-boxes.png", "02-000001-boxes.png", "03-000002-boxes.png"
    ]  # fmt: skip
    assert "000004: 0 right, 1 wrong, 0 missed; F1 0.0, rank 3 of 3 (worst)" in page.read_text()
    assert "from the 3 of 4 test images that have a JPEG and something to show." in page.read_text()
    seen = [np.asarray(Image.open(file).convert("RGB")) for file in images]
    for picture, colour, other in zip(
        seen, (boxes.WRONG, boxes.RIGHT, boxes.RIGHT), (boxes.RIGHT, boxes.WRONG, boxes.WRONG), strict=True
    ):
        assert max(picture.shape) <= 2000
        rgb = [np.round(255 * np.array(to_rgb(name))).astype(np.uint8) for name in (colour, other)]
        assert (picture == rgb[0]).all(-1).any() and not (picture == rgb[1]).all(-1).any()
    assert np.asarray(Image.open(curves)).std() > 5


def test_a_curve_of_every_class_with_its_ap(run):
    record, _ = run
    figure = boxes._curves(record.breakdown)
    titles = {axes.get_title().split(":")[0]: axes for axes in figure.axes}
    assert len(titles) == 20
    ap = 100 * record.breakdown["per_class"]["dog"]["ap"]
    assert titles["dog"].get_title() == f"dog: AP {ap:.1f}, n = 2"
    assert titles["cow"].get_title() == "cow: no objects, n = 0"
    assert titles["cat"].lines and not titles["cow"].lines
