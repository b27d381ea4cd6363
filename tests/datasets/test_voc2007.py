"""The VOC 2007 reader: the layout of the development kit, the official counts, and every way in which it can lie."""

import json
import shutil
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from unlabeled import registry
from unlabeled.contracts import Box
from unlabeled.datasets import voc2007
from unlabeled.errors import BadData
from unlabeled.store import Store

CAT = ("cat", (2, 3, 40, 30), 0, 0)
PART = "<part><name>head</name><bndbox><xmin>1.5</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>"


def xml(name, objects=(CAT,), size=(50, 40), extra=""):
    text = f"<annotation><filename>{name}.jpg</filename><size><width>{size[0]}</width><height>{size[1]}</height></size>"
    for kind, corners, difficult, truncated in objects:
        frame = "".join(f"<{c}>{v}</{c}>" for c, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
        text += f"<object><name>{kind}</name><truncated>{truncated}</truncated><difficult>{difficult}</difficult>"
        text += f"<bndbox>{frame}</bndbox>{extra}</object>"
    return text + "</annotation>"


def write_list(folder, name, ids, form="{}\n"):
    file = folder / "ImageSets" / "Main" / f"{name}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(form.format(image) for image in ids))


def annotate(folder, image, *objects, **more):
    file = folder / "Annotations" / f"{image}.xml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(xml(image, objects or (CAT,), **more))
    return file


@pytest.fixture
def small(tmp_path):
    """Two images to train with, three to test."""
    folder = tmp_path / "data" / "VOCdevkit" / "VOC2007"
    write_list(folder, "trainval", ["000005", "000007"])
    write_list(folder, "train", ["000005"])
    write_list(folder, "val", ["000007"])
    write_list(folder, "test", ["000001", "000002", "000003"])
    for image in ("000001", "000002", "000003", "000005", "000007"):
        annotate(folder, image)
    return folder


def survey(folder, limit=None):
    return voc2007.DATASET.survey(folder, limit)


def kinds(found, fatal=True):
    return {problem.kind for problem in found.problems if problem.fatal is fatal}


def what(found):
    return "\n".join(f"{problem.where}: {problem.what}" for problem in found.problems)


# ---------------------------------------------------------------- listing


def test_the_registry_knows_it_and_finds_its_folder(small, tmp_path):
    reader = registry.load("datasets", "voc2007")
    assert reader.find(tmp_path / "data") == reader.find(small.parent) == reader.find(small) == small
    assert (reader.modality, reader.world) == ("image", "")
    assert reader.find(small / "ImageSets") is None
    small.rename(small.with_name("VOC2012"))
    assert reader.find(small.parent) is reader.find(small.with_name("VOC2012")) is None


def test_davis_has_folders_of_the_same_names(tmp_path):
    for name in ("Annotations/480p/bear", "ImageSets/2017"):
        (tmp_path / name).mkdir(parents=True)
    assert voc2007.DATASET.find(tmp_path) is None


def test_items_are_the_listed_images_with_their_objects(small):
    annotate(small, "000002", ("dog", (1, 1, 50, 40), 1, 1), CAT, extra=PART)
    annotate(small, "000009")
    found = survey(small)
    assert [item.id for item in found.items] == ["000001", "000002", "000003", "000005", "000007"]
    assert [item.lists for item in found.items[1:4]] == [("test",), ("test",), ("trainval", "train")]
    item = found.items[1]
    assert (item.width, item.height, item.path) == (50, 40, None)
    assert item.boxes == (Box("dog", (1, 1, 50, 40), True, True), Box("cat", (2, 3, 40, 30)))
    assert found.classes == voc2007.CLASSES and len(found.classes) == 20 and not found.problems
    assert found.found["test objects"] == 4 and found.found["test objects not difficult"] == 3
    assert found.expected["test images"] == 4952 and found.expected["trainval objects"] == 15_662


@pytest.mark.parametrize("form", ["{} -1\n", "{}  1\n", "{}\t0\r\n", "\n{}\n"])
def test_lists_are_split_on_any_white_space(small, form):
    write_list(small, "test", ["000001", "000002", "000003"], form)
    assert [item.id for item in survey(small).items if "test" in item.lists] == ["000001", "000002", "000003"]


def test_facts_survive_the_store(small, tmp_path):
    (tmp_path / "store").mkdir()
    first, again = (voc2007.DATASET.survey(small, memo=Store(tmp_path / "store").memo) for _ in range(2))
    assert first == again == survey(small)
    facts = voc2007.look_at(small / "Annotations" / "000001.xml")
    assert json.loads(json.dumps(facts)) == facts


def test_limit_keeps_the_first_test_images(small):
    found = survey(small, limit=2)
    assert [item.id for item in found.items] == ["000001", "000002", "000005", "000007"]
    assert found.label.text == "altered: a test list of 3 images, not 4952; subset: 3 of 4952 test images; " + (
        "subset: first 2 test images"
    )
    assert found.fingerprint == survey(small).fingerprint


def test_pictures_are_found_measured_and_do_not_count(small):
    before = survey(small)
    (small / "JPEGImages").mkdir()
    for image, size in (("000001", (50, 40)), ("000002", (25, 20))):
        Image.new("RGB", size).save(small / "JPEGImages" / f"{image}.jpg")
    (small / "JPEGImages" / "000003.jpg").write_bytes(b"no picture")
    found = survey(small)
    assert [item.path and item.path.name for item in found.items[:3]] == ["000001.jpg", "000002.jpg", None]
    assert kinds(found, fatal=False) == {voc2007.RESIZED, "unreadable picture"} and not kinds(found)
    assert "000002.jpg: 25 x 20, its annotation says 50 x 40" in what(found)
    assert "pictures of another size than their annotations" in found.label.text
    assert found.layout == "Main lists, 2 pictures" and found.fingerprint == before.fingerprint


# ---------------------------------------------------------------- what is wrong with a folder


def test_bad_annotations_are_told_of_together(small):
    (small / "Annotations" / "000001.xml").write_text("<annotation><size>")
    annotate(small, "000002", ("wombat", (1, 1, 5, 5), 0, 0))
    annotate(small, "000003", ("dog", (0, 1, 5, 5), 0, 0), ("cat", (1, 1, 51, 40), 0, 0))
    annotate(small, "000005", ("dog", (9, 1, 5, 5), 0, 0))
    (small / "Annotations" / "000007.xml").write_text(xml("000008"))
    found = survey(small)
    assert kinds(found) == {"unreadable annotation", "unknown class", "box outside the image"}
    assert kinds(found, fatal=False) == {"file name of another image"}
    text = what(found)
    for part in (
        "000001.xml: is no XML",
        "000002.xml: wombat",
        "000003.xml: dog 0 1 5 5, cat 1 1 51 40 in 50 x 40",
        "000005.xml: is no annotation: object dog: xmax < xmin",
        "000007.xml: it says that it is of 000008.jpg",
    ):
        assert part in text
    assert str(small) not in text and found.label.kinds == ("broken",)


def test_missing_annotations_are_one_problem_with_a_count(small):
    for image in ("000002", "000003", "000005"):
        (small / "Annotations" / f"{image}.xml").unlink()
    (problem,) = survey(small).problems
    assert not problem.fatal
    assert problem.what == (
        "no XML file of 3 listed images (1 of 2 trainval, 1 of 1 train, 2 of 3 test): 000002, 000003, 000005"
    )


@pytest.mark.parametrize("name", ["Annotations.tar.xz", "Annotations.ZIP", "Annotations.tar"])
def test_packed_annotations_are_to_be_unpacked(small, name):
    (small / name).write_bytes(b"")
    hint = f"; unpack {name}"
    assert not survey(small).problems
    (small / "Annotations" / "000001.xml").unlink()
    found = survey(small)
    assert kinds(found, fatal=False) == {"missing annotations"} and hint in what(found)
    shutil.rmtree(small / "Annotations")
    found = survey(small)
    assert kinds(found) == {"no annotations"} and hint in what(found)
    shutil.rmtree(small / "ImageSets")
    (small / "ImageSets_Main.tar.xz").write_bytes(b"")
    assert voc2007.DATASET.find(small.parent) == small
    found = survey(small)
    assert kinds(found) == {"no lists"} and "; unpack ImageSets_Main.tar.xz" in what(found)


def test_odd_lists(small):
    write_list(small, "test", ["000001", "000002", "000002", "000003", "000005"])
    found = survey(small)
    assert kinds(found, fatal=False) == {"duplicates", "training images in the test list"} and not kinds(found)
    assert "test.txt: 1 images stand there twice and count once: 000002" in what(found)
    assert found.found["test images"] == 4
    (small / "ImageSets" / "Main" / "test.txt").write_bytes(b"\xff\xfe\n")
    assert kinds(survey(small)) == {"unreadable list"}


def test_links_that_leave_the_root_are_refused(small, tmp_path):
    inside = small / "Annotations" / "000001.xml"
    outside = shutil.move(inside, tmp_path / "elsewhere.xml")
    inside.symlink_to(outside)
    with pytest.raises(BadData, match=r"links that leave the data root.*000001"):
        survey(small)
    inside.unlink()
    shutil.move(small / "ImageSets", tmp_path / "lists")
    (small / "ImageSets").symlink_to(tmp_path / "lists")
    with pytest.raises(BadData, match="links that leave the data root"):
        survey(small)


def test_names_in_a_list_lead_nowhere(small):
    write_list(small, "test", ["../../../secret", "000001"])
    found = survey(small)
    assert [item.id for item in found.items if "test" in item.lists] == ["000001"]


# ---------------------------------------------------------------- labels


@pytest.fixture(scope="module")
def official(real_data, tmp_path_factory) -> Path:
    """The annotations and lists of the release."""
    folder = tmp_path_factory.mktemp("voc") / "VOC2007"
    for name in ("Annotations", "ImageSets_Main"):
        with tarfile.open(real_data / "VOCdevkit" / "VOC2007" / f"{name}.tar.xz") as archive:
            archive.extractall(folder, filter="data")
    return folder


def test_the_release_and_what_makes_it_another(official):
    """One test, since looking through 9,963 files takes seconds."""
    known: dict[Path, dict] = {}

    def memo(file, look):
        if file not in known:
            known[file] = look(file)
        return known[file]

    found = voc2007.DATASET.survey(official, memo=memo)
    assert found.label.kinds == ("official",) and found.label.text == "official (lists and counts)"
    assert found.found == found.expected and not found.problems and len(found.items) == 9963
    first = next(item for item in found.items if "test" in item.lists and any(box.difficult for box in item.boxes))
    plain = known[official / "Annotations" / f"{first.id}.xml"]
    known[official / "Annotations" / f"{first.id}.xml"] = {
        **plain,
        "objects": [[name, corners, [False, cut]] for name, corners, (_, cut) in plain["objects"]],
    }
    altered = voc2007.DATASET.survey(official, memo=memo)
    assert altered.label.kinds == ("altered",)
    assert "objects not difficult, not 12032" in altered.label.text
    short = voc2007.DATASET.survey(official, limit=15, memo=memo)
    assert short.label.kinds == ("altered", "subset") and len(short.items) == 5011 + 15


def test_a_part_of_the_release_is_a_subset(real_data):
    found = survey(voc2007.DATASET.find(real_data / "VOCdevkit"))
    assert found.label.kinds == ("subset",) and found.label.text == "subset: 15 of 4952 test images"
    assert kinds(found, fatal=False) == {"missing annotations"} and not kinds(found)
    assert "; unpack Annotations.tar.xz" in what(found)
    assert len(found.items) == 31 and all(item.path for item in found.items)
