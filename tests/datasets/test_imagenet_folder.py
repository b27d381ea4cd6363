"""The reader of class folders: classes, official counts, what is opened, and every way in which a folder can lie."""

import os
import shutil
import zlib

import pytest
from PIL import Image

from unlabeled import registry
from unlabeled.contracts import ImageItem
from unlabeled.datasets import imagenet_folder
from unlabeled.datasets.world import make
from unlabeled.errors import BadData

READER = registry.load("datasets", "imagenet_folder")


def write_picture(file, size=(12, 8), mode="RGB", form="JPEG"):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size).save(file, format=form)
    return file


@pytest.fixture
def small(tmp_path):
    """Three classes of three training and two validation pictures."""
    for label in ("cat", "Zebra", "a [b] #1"):
        for k in range(3):
            write_picture(tmp_path / "train" / label / f"{k}.jpg")
        for k in range(2):
            write_picture(tmp_path / "val" / label / f"ä {k}.PNG", form="PNG")
    return tmp_path


def survey(folder, limit=None, **more):
    return READER.survey(folder, limit, **more)


def problems(found, fatal=True):
    return {problem.kind: problem.what for problem in found.problems if problem.fatal is fatal}


# ---------------------------------------------------------------- what is read


def test_a_small_set_is_read_whole(small):
    found = survey(small)
    assert found.classes == ("Zebra", "a [b] #1", "cat") and not found.problems
    assert found.items[0] == ImageItem("train/Zebra/0.jpg", small / "train/Zebra/0.jpg", 0, "train")
    assert [(item.target, item.side) for item in found.items] == [
        (target, side) for side, n in (("train", 3), ("val", 2)) for target in range(3) for _ in range(n)
    ]
    assert found.found == {"train": 9, "val": 6, "classes": 3} and found.expected == {}
    assert found.label.kinds == ("altered",)
    assert found.label.text == "altered: folder of 3 classes, 9 train and 6 val pictures"
    assert found.layout == "class folders, 15 of 15 headers read"


def test_where_it_is_found(small, tmp_path_factory):
    assert READER.find(small) == small and READER.find(small / "train") is None
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(small, root / "ILSVRC/Data/CLS-LOC")
    assert READER.find(root) == root / "ILSVRC/Data/CLS-LOC"
    assert READER.find(tmp_path_factory.mktemp("empty")) is None


def test_grey_cmyk_and_wrongly_named_pictures_are_pictures(small):
    """ImageNet has all of them."""
    write_picture(small / "train/cat/grey.JPEG", mode="L")
    write_picture(small / "train/cat/cmyk.JPEG", mode="CMYK")
    write_picture(small / "train/cat/png.JPEG", form="PNG")
    found = survey(small)
    assert found.found["train"] == 12 and not found.problems


def test_a_limit_keeps_the_first_of_each_class_and_side(small):
    found = survey(small, limit=1)
    assert len(found.items) == 6 and len({(item.target, item.side) for item in found.items}) == 6
    assert found.label.kinds == ("altered", "subset")
    assert "first 1 pictures of a class and side (6 pictures)" in found.label.text


def test_headers_are_read_at_equal_steps(tmp_path):
    for k in range(200):
        write_picture(tmp_path / f"train/cat/{k:03d}.jpg")
    write_picture(tmp_path / "val/cat/0.jpg")
    seen = []

    def memo(file, look):
        seen.append(file.name)
        return look(file)

    found = survey(tmp_path, memo=memo)
    assert seen == [*(f"{k:03d}.jpg" for k in range(0, 200, 4)), "0.jpg"]
    assert found.layout == "class folders, 51 of 201 headers read" and len(found.items) == 201


def test_the_fingerprint_moves_with_names_and_sizes(small):
    before = survey(small).fingerprint
    assert survey(small).fingerprint == before
    file = write_picture(small / "train/cat/0.jpg", size=(40, 40))
    changed = survey(small).fingerprint
    file.rename(file.with_name("3.jpg"))
    assert len({before, changed, survey(small).fingerprint}) == 3


# ---------------------------------------------------------------- official counts


def write_ilsvrc(root, classes=2, train=3, val=2):
    for c in range(classes):
        label = f"n{c:08d}"
        for k in range(train):
            write_picture(root / f"train/{label}/{label}_{k}.JPEG")
        for k in range(val):
            write_picture(root / f"val/{label}/ILSVRC2012_val_{c * val + k + 1:08d}.JPEG")
    return root


def test_counts_and_names_make_it_official(tmp_path, monkeypatch):
    """The counts of a small set in place of 1.3 million files."""
    folder = write_ilsvrc(tmp_path)
    found = survey(folder)
    assert found.label.kinds == ("subset",)
    assert found.label.text == "subset: 6 of 1281167 train, 4 of 50000 val, 2 of 1000 classes"
    assert found.expected == imagenet_folder.OFFICIAL == READER.blank().found
    monkeypatch.setattr(imagenet_folder, "OFFICIAL", {"train": 6, "val": 4, "classes": 2})
    monkeypatch.setattr(imagenet_folder, "VAL_PER_CLASS", 2)
    assert survey(folder).label.text == "official (counts)"
    write_picture(folder / "train/n00000001/n00000001_9.JPEG")
    assert survey(folder).label.text == "altered: 7 train, not 6"
    (folder / "train/n00000001/n00000001_9.JPEG").unlink()
    (folder / "val/n00000001/ILSVRC2012_val_00000003.JPEG").rename(
        folder / "val/n00000000/ILSVRC2012_val_00000003.JPEG"
    )
    assert survey(folder).label.text == "altered: val classes of 1 to 3 pictures, not 50"


def test_a_validation_picture_has_one_class(tmp_path):
    folder = write_ilsvrc(tmp_path)
    shutil.copy(folder / "val/n00000001/ILSVRC2012_val_00000003.JPEG", folder / "val/n00000000")
    assert "ILSVRC2012_val_00000003.JPEG" in problems(survey(folder))["picture of two classes"]


# ---------------------------------------------------------------- folders that lie


def bomb(width, height):
    """The header of a PNG that claims a size."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    check = zlib.crc32(b"IHDR" + header).to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + header + check + b"\0\0\0\0IDAT" + bytes(20)


def test_all_bad_pictures_are_named_and_left_out(small):
    place = small / "train/cat"
    (place / "0.jpg").write_bytes(b"")
    (place / "bomb.png").write_bytes(bomb(8500, 8500))
    (place / "more.png").write_bytes(bomb(60_000, 60_000))
    (place / "page.jpeg").write_text("<html>")
    os.mkfifo(place / "pipe.jpg")
    (place / "nowhere.jpg").symlink_to(place / "missing.jpg")
    Image.new("RGB", (4, 4)).save(place / "gif.jpg", format="GIF")
    found = survey(small)
    named = {problem.where.removeprefix("train/cat/"): problem.what for problem in found.problems}
    assert {*named} == {"0.jpg", "bomb.png", "more.png", "page.jpeg", "pipe.jpg", "nowhere.jpg", "gif.jpg"}
    assert "empty" in named["0.jpg"] and "8500 x 8500" in named["bomb.png"] and "no JPEG or PNG" in named["gif.jpg"]
    assert found.found["train"] == 8 and not problems(found)
    assert found.label.kinds == ("altered", "subset") and "7 unreadable pictures left out" in found.label.text


def test_a_flat_val_is_refused_with_what_to_do(small):
    shutil.rmtree(small / "val")
    for k in (1, 2):
        write_picture(small / f"val/ILSVRC2012_val_{k:08d}.JPEG")
    found = survey(small)
    what = problems(found)["no class folders"]
    assert what.startswith("2 pictures lie in val itself") and "val/CLASS/ILSVRC2012_val_0000" in what
    assert found.label.kinds == ("broken",)


def test_archives_in_place_of_folders(small, tmp_path_factory):
    shutil.rmtree(small / "train")
    (small / "train").mkdir()
    (small / "train/n01440764.tar").write_bytes(b"")
    assert "unpack n01440764.tar" in problems(survey(small))["no class folders"]
    packed = tmp_path_factory.mktemp("packed")
    (packed / "ILSVRC2012_img_val.tar").write_bytes(b"")
    assert READER.find(packed) == packed
    assert "unpack ILSVRC2012_img_val.tar" in problems(survey(packed))["no class folders"]


def test_classes_of_one_side(small):
    write_picture(small / "val/Cat/1.jpg")
    (small / "train/empty").mkdir()
    (small / "val/none").mkdir()
    found = survey(small)
    assert problems(found) == {
        "class without training": "2 classes that train has not: Cat, none", "no pictures": "an empty class",
    }  # fmt: skip
    assert problems(found, fatal=False) == {"no pictures": "an empty class"}


def test_other_files_are_told(small):
    (small / "train/cat/read me.txt").write_text("")
    (small / "train/cat/.DS_Store").write_text("")
    write_picture(small / "train/stray.jpg")
    told = problems(survey(small), fatal=False)
    assert told["other file"] == "1 left alone: train/cat/read me.txt"
    assert told["outside of classes"].startswith("1 pictures and 0 archives")


@pytest.mark.parametrize("link", ["train", "train/cat", "train/cat/0.jpg"])
def test_links_that_leave_the_root_are_refused(small, tmp_path_factory, link):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "there"
    shutil.move(small / link, elsewhere)
    (small / link).symlink_to(elsewhere)
    with pytest.raises(BadData, match="leave the data root"):
        survey(small)


# ---------------------------------------------------------------- generated and real


def test_the_world_is_read_and_a_changed_file_is_told(tmp_path):
    folder = READER.find(make.ensure("imagenet_folder", "nano", 0, tmp_path))
    found = survey(folder)
    assert found.label.kinds == ("world",) and not found.problems and found.items
    found.items[0].path.write_bytes(b"")
    assert "changed file" in problems(survey(folder))


def test_the_crops_are_what_they_say(real_data):
    folder = real_data / "ImageFolder_voc_crops"
    if not folder.is_dir():
        pytest.skip("no ImageFolder_voc_crops below UNLABELED_DATA")
    found = survey(READER.find(folder))
    assert found.classes == ("bird", "bus", "car", "cat", "dog", "horse") and not found.problems
    cells = [(item.target, item.side) for item in found.items]
    assert {cell: cells.count(cell) for cell in cells} == {
        (target, side): n for target in range(6) for side, n in (("train", 8), ("val", 3))
    }
    assert found.label.text == "altered: folder of 6 classes, 48 train and 18 val pictures"
