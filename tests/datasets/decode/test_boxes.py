"""Detection files and VOC annotations: what is read to the last bit, and what is refused with which words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlabeled.datasets.decode import boxes
from unlabeled.errors import BadData
from unlabeled.streams import stream

GOOD = "000007 0.9 1 2 30.5 40\n000005 -3e-2 -5.25 2 30 40\n000007 0.1 1 1 1 1\n"


@pytest.fixture
def read(tmp_path):
    def from_text(text):
        path = tmp_path / "comp4_det_test_cat.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return boxes.read_detections(path)

    return from_text


# ---------------------------------------------------------------- result files


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.rstrip(),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace(" ", "\t"),
        GOOD.replace(" ", "  "),
        GOOD.replace("\n", "\n\n"),
        GOOD.replace("\n", " \n"),
        "\ufeff" + GOOD,
        "\ufeff" + GOOD.replace(" ", "  "),
    ],
)
def test_lines_are_read_in_file_order_and_ids_stay_text(read, text):
    found = read(text)
    assert found.images == ("000007", "000005") and found.image.tolist() == [0, 1, 0]
    assert found.scores.tolist() == [0.9, -0.03, 0.1]
    assert found.boxes.tolist() == [[1, 2, 30.5, 40], [-5.25, 2, 30, 40], [1, 1, 1, 1]]
    assert found.index(["000001", "000005", "000007"]).tolist() == [2, 1, 2]


@pytest.mark.parametrize("text", ["", "\n", "\n \n"])
def test_an_empty_file_has_no_detections(read, text):
    found = read(text)
    assert found.images == () and found.scores.shape == (0,) and found.boxes.shape == (0, 4)
    assert found.index(["000001"]).shape == (0,)


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(0, 1e9)), min_size=1, max_size=5))
def test_numbers_are_read_to_the_last_bit(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("bits") / "comp4_det_test_dog.txt"
    rows = [[low, low, low, low + size, low + size] for low, size in pairs]
    path.write_text("".join("i " + " ".join(map(repr, row)) + "\n" for row in rows))
    found = boxes.read_detections(path)
    assert found.scores.tolist() == [row[0] for row in rows]
    assert found.boxes.tolist() == [row[1:] for row in rows]


def test_both_ways_of_reading_agree(tmp_path):
    rng = stream(0, "tests", "boxes")
    corner = rng.normal(200, 100, (3000, 2))
    numbers = np.hstack([rng.random((3000, 1)), corner, corner + rng.random((3000, 2)) * 100])
    lines = [f"{k % 71:06d} " + " ".join(f"{v:.{3 + k % 15}f}" for v in row) for k, row in enumerate(numbers)]
    data = "\n".join(lines).encode()
    quick, slow = boxes._quickly(tmp_path, data), boxes._line_by_line(tmp_path, data)
    assert quick is not None and quick.images == slow.images
    for name in ("image", "scores", "boxes"):
        np.testing.assert_array_equal(getattr(quick, name), getattr(slow, name))
        assert getattr(quick, name).dtype == getattr(slow, name).dtype


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("000007 0.9 1 2 30", "5 columns, not 6"),
        ("000007 0.9 1 2 30 40 50", "7 columns, not 6"),
        ("000007 0.9 1 2 30 40 50 60", "8 columns, not 6"),
        ("x", "1 columns"),
        ("000007 high 1 2 30 40", "'high' is no finite number"),
        ("000007 nan 1 2 30 40", "'nan'"),
        ("000007 0.9 1 2 inf 40", "'inf'"),
        ("000007 1e400 1 2 30 40", "'1e400'"),
        ("000007 True 1 2 30 40", "'True'"),
        ("000007 0.9 1_0 2 30 40", "'1_0'"),
        ("000007 0.9 \u0661 2 30 40", "no finite number"),
        ('000007 "0.9" 1 2 30 40', "no finite number"),
        ("000007 0.9 1 2 0.5 40", "xmax < xmin or ymax < ymin: 1 2 0.5 40"),
        ("000007 0.9 1 2 30 1", "xmax < xmin or ymax < ymin"),
        ("000007 0.9\0 1 2 30 40", "no finite number"),
        (b"\xff\xfe 0.9 1 2 30 40", "no UTF-8 text"),
        ("000007 0.9 1 2 30 40\r000007 0.9 1 2 30 40", "12 columns"),
    ],
)
@pytest.mark.parametrize("around", [b"", GOOD.encode()])
def test_a_bad_line_is_named(read, line, message, around):
    data = line if isinstance(line, bytes) else line.encode()
    with pytest.raises(BadData) as caught:
        read(around + data + b"\n" + around)
    number = 1 + around.count(b"\n")
    assert f"comp4_det_test_cat.txt line {number}: " in str(caught.value) and message in str(caught.value)


def test_text_that_cannot_be_decoded_is_told_once(read):
    with pytest.raises(BadData) as caught:
        read(GOOD.encode() + b"\xff 0.9 1 2 30 40\n" * 6 + b"x\n")
    first = 1 + GOOD.count("\n")
    lines = ", ".join(str(first + k) for k in range(4))
    assert caught.value.what.endswith(
        f"has 7 bad lines: line {first + 6}: 1 columns, not 6, lines {lines} and 2 more: no UTF-8 text"
    )


def test_all_bad_lines_are_told_of_together(read):
    with pytest.raises(BadData) as caught:
        read(GOOD + "a b\n" + GOOD + "i nan 1 1 1 1\n" + "i 1 1 1 1 1 1\n")
    text = str(caught.value)
    assert "has 3 bad lines" in text
    assert all(part in text for part in ("line 4: 2 columns", "line 8: 'nan'", "line 9: 7 columns", "image score xmin"))
    with pytest.raises(BadData, match=r"100 bad lines.*and 92 more"):
        read("a b\n" * 100)


def test_lines_too_long_and_too_short_do_not_make_up_for_each_other(read):
    with pytest.raises(BadData, match=r"line 1: 7 columns.*line 2: 5 columns"):
        read("a 1 1 1 1 1 1\na 1 1 1 1\n")


def test_unknown_images_and_missing_files_are_refused(read, tmp_path):
    with pytest.raises(BadData, match=r"cat.txt has detections in images .* list: 000005\n"):
        read(GOOD).index(["000007"])
    with pytest.raises(BadData, match="is missing"):
        boxes.read_detections(tmp_path / "none.txt")
    with pytest.raises(BadData, match="cannot be read"):
        boxes.read_detections(tmp_path)


# ---------------------------------------------------------------- annotations

BOX = "<bndbox><xmin>3</xmin><ymin>4.9</ymin><xmax>{xmax}</xmax><ymax>60</ymax></bndbox>"
PART = "<part><name>head</name><bndbox><xmin>1.5</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
SIZE = "<size><width>353</width><height>500</height><depth>3</depth></size>"


def thing(xmax="50", flags="<truncated>0</truncated><difficult>1</difficult>", before=""):
    return f"<object>{before}<name> dog\n</name><pose>Left</pose>{flags}{BOX.format(xmax=xmax)}</object>"


@pytest.fixture
def annotation(tmp_path):
    def from_text(text):
        path = tmp_path / "000001.xml"
        path.write_text(text)
        return boxes.read_annotation(path)

    return from_text


def test_parts_of_objects_are_no_objects(annotation):
    found = annotation(f"<annotation>{SIZE}{thing(before=PART)}{thing('353')}</annotation>")
    assert (found.width, found.height) == (353, 500)
    assert found.objects == (
        boxes.Thing("dog", True, False, (3, 4, 50, 60)),
        boxes.Thing("dog", True, False, (3, 4, 353, 60)),
    )
    assert annotation(f"<annotation>{SIZE}</annotation>").objects == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no XML: no element found"),
        ("<annotation><size>", "is no XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "declares entities"),
        ("<annotation></annotation>", "<annotation> has no <size>"),
        ("<annotation><size><width>5</width></size></annotation>", "<size> has no <height>"),
        (f"<annotation>{SIZE}<object></object></annotation>", "<object> has no <name>"),
        (f"<annotation>{SIZE}<object><name>cat</name></object></annotation>", "object cat: <object> has no <bndbox>"),
        (f"<annotation>{SIZE}{thing('')}</annotation>", "object dog: <xmax> of <bndbox> is ''"),
        (f"<annotation>{SIZE}{thing('wide')}</annotation>", "<xmax> of <bndbox> is 'wide'"),
        (f"<annotation>{SIZE}{thing('nan')}</annotation>", "<xmax> of <bndbox> is 'nan'"),
        (f"<annotation>{SIZE}{thing('inf')}</annotation>", "<xmax> of <bndbox> is 'inf'"),
        (f"<annotation>{SIZE}{thing('2')}</annotation>", "xmax < xmin or ymax < ymin: 3 4 2 60"),
        (f"<annotation>{SIZE}{thing(flags='<truncated>0</truncated>')}</annotation>", "has no <difficult>"),
        (f"<annotation>{SIZE}{thing(flags='<difficult>2</difficult>')}</annotation>", "<difficult> of <object> is '2'"),
    ],
)
def test_a_broken_annotation_is_named(annotation, text, message):
    with pytest.raises(BadData) as caught:
        annotation(text)
    assert "000001.xml" in caught.value.what and message in caught.value.what


def test_a_missing_annotation_is_named(tmp_path):
    with pytest.raises(BadData, match=r"000009\.xml is missing"):
        boxes.read_annotation(tmp_path / "000009.xml")
