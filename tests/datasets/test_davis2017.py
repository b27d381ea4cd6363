"""The DAVIS reader: both years, the official counts, and every way in which a folder can lie."""

import shutil

import numpy as np
import pytest
from masksets import index_map, write_masks, write_set
from PIL import Image

from unlabeled import registry
from unlabeled.contracts import MaskSequence
from unlabeled.datasets import davis2017
from unlabeled.datasets.decode import masks
from unlabeled.errors import BadData

READER = registry.load("datasets", "davis2017")
SET = {"cow": (5, 2), "dog": (4, 1)}


def write_lists(folder, lists):
    """Lists beside those of a set; the folder."""
    for name, sequences in lists.items():
        file = folder / "ImageSets" / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{sequence}\n" for sequence in sequences))
    return folder


def kinds(survey):
    return {problem.kind for problem in survey.problems}


def test_a_small_set_is_read_whole(tmp_path):
    folder = write_set(tmp_path, SET)
    assert READER.find(tmp_path) == folder == READER.find(folder)
    survey = READER.survey(folder)
    assert [(item.id, item.objects, len(item.names)) for item in survey.items] == [("cow", 2, 5), ("dog", 1, 4)]
    cow = survey.items[0]
    assert isinstance(cow, MaskSequence) and cow.names[0] == "00000" and not cow.merged
    assert cow.lists == ("2017 val",) and cow.masks[1].name == "00001.png" and cow.images[1].name == "00001.jpg"
    assert not survey.problems
    assert survey.label.kinds == ("altered",) and "a 2017 val list of 2 sequences, not 30" in survey.label.text


def test_masks_without_pictures_are_sequences(tmp_path):
    folder = write_set(tmp_path, SET, pictures=False)
    assert [item.images for item in READER.survey(folder).items] == [(), ()]


def test_the_number_of_objects_is_the_highest_index_of_the_first_mask(tmp_path):
    folder = write_set(tmp_path, SET)
    first = folder / "Annotations/480p/cow/00000.png"
    odd = index_map(0, 2)
    odd[odd == 2] = 4
    odd[0, 0] = davis2017.VOID
    masks.write(first, odd)
    later = index_map(2, 2)
    later[0, :3] = 9
    masks.write(folder / "Annotations/480p/cow/00002.png", later)
    assert READER.survey(folder).items[0].objects == 4


def test_the_form_of_2016_is_told_by_its_first_mask(tmp_path):
    folder = write_set(tmp_path, SET, lists="2016")
    for file in (folder / "Annotations").rglob("*.png"):
        Image.fromarray((masks.read(file) > 0).astype(np.uint8) * 255).save(file)
    survey = READER.survey(folder)
    assert [(item.merged, item.objects, item.lists) for item in survey.items] == [(True, 1, ("2016 val",))] * 2
    assert survey.layout.startswith("2016 lists")


def test_lists_of_pairs_of_paths(tmp_path):
    folder = write_set(tmp_path, SET)
    shutil.rmtree(folder / "ImageSets")
    file = folder / "ImageSets/480p/val.txt"
    file.parent.mkdir(parents=True)
    file.write_text(
        "".join(f"/JPEGImages/480p/dog/{k:05d}.jpg /Annotations/480p/dog/{k:05d}.png \r\n" for k in range(4))
    )
    assert [item.lists for item in READER.survey(folder).items] == [(), ("2016 val",)]


def test_counts_make_it_official(tmp_path):
    names = {f"s{k:02d}": (3, 1) for k in range(30)}
    folder = write_set(tmp_path, names, pictures=False)
    survey = READER.survey(folder)
    assert survey.label.kinds == ("altered",) and "90 frames, not 1999" in survey.label.text
    # 1,999 frames and 61 objects, without writing so many files: counts are what the items hold.
    items = [MaskSequence(f"s{k}", ("0",) * (66 if k else 85), (), (), ("2017 val",), 2 if k else 3) for k in range(30)]
    listed = davis2017._Listed({"2017 val": tuple(f"s{k}" for k in range(30))}, ())
    found = davis2017._found(items)
    assert davis2017._label(items, found, listed, "2017", "480p").kinds == ("official",)
    assert davis2017._label(items, found, listed, "2017", "Full-Resolution").kinds == ("altered",)
    assert davis2017._label(items[1:], found, listed, "2017", "480p").text == "subset: 29 of 30 2017 val sequences"


def test_sequences_that_are_listed_and_not_there_make_a_subset(tmp_path):
    folder = write_set(tmp_path, {f"s{k:02d}": (3, 1) for k in range(30)}, pictures=False)
    for k in range(28):
        shutil.rmtree(folder / f"Annotations/480p/s{k:02d}")
    survey = READER.survey(folder)
    assert survey.label.kinds == ("subset",) and survey.label.text == "subset: 2 of 30 2017 val sequences"
    (problem,) = survey.problems
    assert not problem.fatal and "no masks of 28 listed sequences (28 of 30 2017 val): s00, s01" in problem.what


def test_all_lists_that_lack_sequences_are_told_together(tmp_path):
    folder = write_lists(write_set(tmp_path, SET), {"2017/train": ["ant", "bee"], "2016/val": ["ant", "dog"]})
    (problem,) = READER.survey(folder).problems
    assert (problem.kind, problem.where, problem.fatal) == ("missing sequences", "Annotations/480p", False)
    assert problem.what == "no masks of 2 listed sequences (2 of 2 2017 train, 1 of 2 2016 val): ant, bee"


def test_a_limit_keeps_the_first_sequences(tmp_path):
    survey = READER.survey(write_set(tmp_path, SET), limit=1)
    assert [item.id for item in survey.items] == ["cow"] and "subset" in survey.label.kinds


def test_a_limit_keeps_the_first_sequences_of_every_list(tmp_path):
    """The first of one list may stand far down another: 2016 and 2017 are scored from one folder."""
    names = {"ape": (3, 1), "bat": (3, 1), "cow": (3, 1), "dog": (3, 1), "elk": (3, 1), "fox": (3, 1)}
    folder = write_lists(
        write_set(tmp_path, names),
        {"2017/val": ["ape", "bat", "dog"], "2017/train": ["cow", "elk"], "2016/val": ["bat", "dog"]},
    )
    assert [item.id for item in READER.survey(folder, limit=1).items] == ["ape", "bat", "cow", "fox"]
    assert len(READER.survey(folder, limit=2).items) == 6


def test_the_label_is_of_the_year_whose_validation_list_is_there(tmp_path):
    folder = write_lists(write_set(tmp_path, SET), {"2016/val": ["cow"]})
    assert "2017 val list of 2" in READER.survey(folder).label.text
    (folder / "ImageSets/2017/val.txt").rename(folder / "ImageSets/2017/train.txt")
    survey = READER.survey(folder)
    assert survey.layout.startswith("2016") and "2016 val list of 1" in survey.label.text
    shutil.rmtree(folder / "ImageSets/2016")
    assert "2017 val list of 0" in READER.survey(folder).label.text


def test_attributes_beside_the_data(tmp_path):
    folder = write_set(tmp_path, SET)
    (folder / "attributes.csv").write_text("seq,objects,OCC,FM\ncow,2,1,0\ndog,1,1,1\n")
    assert [item.attributes for item in READER.survey(folder).items] == [("OCC",), ("OCC", "FM")]


def test_a_changed_table_of_attributes_changes_the_fingerprint(tmp_path):
    folder = write_set(tmp_path, SET)
    found = [READER.survey(folder).fingerprint]
    for value in "10":
        (folder / "attributes.csv").write_text(f"seq,OCC\ncow,{value}\n")
        found.append(READER.survey(folder).fingerprint)
    assert len(set(found)) == 3, "a record with other means by attribute is another record"


def test_a_changed_mask_changes_the_fingerprint(tmp_path):
    folder = write_set(tmp_path, SET)
    before = READER.survey(folder).fingerprint
    assert READER.survey(folder).fingerprint == before
    masks.write(folder / "Annotations/480p/dog/00001.png", index_map(3, 1))
    assert READER.survey(folder).fingerprint != before


# ---------------------------------------------------------------- folders that lie


def test_all_unreadable_masks_are_named(tmp_path):
    folder = write_set(tmp_path, SET)
    for name in ("cow/00001", "dog/00002"):
        file = folder / f"Annotations/480p/{name}.png"
        file.write_bytes(file.read_bytes()[:60])
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(folder / "Annotations/480p/dog/00003.png")
    survey = READER.survey(folder)
    wrong = [problem.where for problem in survey.problems if problem.fatal]
    assert wrong == ["cow/00001.png", "dog/00002.png", "dog/00003.png"] and survey.label.kinds == ("broken",)


def test_frames_of_several_sizes_and_gaps_are_told(tmp_path):
    folder = write_set(tmp_path, SET)
    masks.write(folder / "Annotations/480p/cow/00001.png", np.zeros((20, 20), np.uint8))
    (folder / "Annotations/480p/dog/00002.png").unlink()
    assert kinds(READER.survey(folder)) == {"frames of several sizes", "missing file"}


def test_links_that_leave_the_root_are_refused(tmp_path):
    folder = write_set(tmp_path, SET)
    elsewhere = write_masks(tmp_path / "elsewhere", 3, 1)
    (folder / "Annotations/480p/out").symlink_to(elsewhere)
    with pytest.raises(BadData, match="leave the data root"):
        READER.survey(folder)


def test_a_folder_without_masks_is_not_found(tmp_path):
    (tmp_path / "DAVIS/JPEGImages").mkdir(parents=True)
    assert READER.find(tmp_path) is None


@pytest.mark.parametrize("name", ["DAVIS/Annotations.tgz", "DAVIS/DAVIS-2017-trainval-480p.zip", "DAVIS-2017-480p.zip"])
def test_a_packed_set_is_to_be_unpacked(tmp_path, name):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"packed")
    survey = READER.survey(READER.find(tmp_path))
    (problem,) = survey.problems
    assert problem.fatal and problem.what == f"there is no such folder; unpack {file.name}"
    assert survey.label.kinds == ("broken",) and not survey.items
    folder = write_set(tmp_path / "root", SET)
    (tmp_path / "root" / file.name).write_bytes(b"packed")
    assert READER.find(tmp_path / "root") == folder, "what is unpacked goes first"


def test_annotations_packed_in_a_folder_of_another_name_are_none_of_davis(tmp_path):
    (tmp_path / "VOC2007").mkdir()
    (tmp_path / "VOC2007/Annotations.tgz").write_bytes(b"packed")
    assert READER.find(tmp_path / "VOC2007") is None and READER.find(tmp_path) is None


# ---------------------------------------------------------------- real masks


def test_the_slice_is_what_it_says(real_data):
    folder = READER.find(real_data)
    if folder is None:
        pytest.skip("no DAVIS below UNLABELED_DATA")
    survey = READER.survey(folder)
    if survey.found["2017 val sequences"] != 4:
        pytest.skip("another part of DAVIS")
    assert survey.found == {
        "2017 train sequences": 1, "2017 train frames": 2, "2017 val sequences": 4, "2017 val frames": 191,
        "2017 val objects": 4,
    }  # fmt: skip
    tennis = next(item for item in survey.items if item.id == "tennis")
    assert tennis.objects == 2 and len(tennis.images) == 2 and not tennis.merged
    assert survey.label.text == "subset: 4 of 30 2017 val sequences"
    lists = davis2017._read_lists(folder).lists
    assert [len(lists[f"2017 {part}"]) for part in ("train", "val", "test-dev")] == [60, 30, 30]
