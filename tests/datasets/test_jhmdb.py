"""The JHMDB reader: both list forms, the official counts, and every way in which a folder can lie."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from unlabeled import registry
from unlabeled.datasets import jhmdb
from unlabeled.errors import BadData

TEST, TRAIN = "test", "train"
CLIPS = {
    "catch": {"Ball!_(1)_catch+f@0": (TEST, TRAIN, TRAIN), "plain_catch_1": (TRAIN, TEST, TRAIN)},
    "walk": {"walk_0": (TEST, TEST, TRAIN), "walk_1": (TRAIN, TRAIN, TEST), "walk_2": (TEST, TRAIN, TRAIN)},
}
ODD = "Ball!_(1)_catch+f@0"
MISSING = "missing clips"


def write_joints(folder: Path, action: str, clip: str, frames=3, joints=15) -> Path:
    file = folder / "joint_positions" / action / clip / "joint_positions.mat"
    file.parent.mkdir(parents=True, exist_ok=True)
    savemat(file, {"pos_img": np.arange(2.0 * joints * frames).reshape(2, joints, frames) + 1})
    return file


def write_pictures(folder: Path, action: str, clip: str, frames=3, size=jhmdb.SIZE) -> Path:
    place = folder / "Rename_Images" / action / clip
    place.mkdir(parents=True, exist_ok=True)
    for k in range(1, frames + 1):
        Image.new("L", size).save(place / f"{k:05d}.png")
    return place


def write_splits(folder: Path, clips) -> None:
    """The lists of the official archive."""
    (folder / "splits").mkdir(parents=True, exist_ok=True)
    for action, names in clips.items():
        for split in jhmdb.SPLITS:
            lines = [f"{name}.avi {1 + (sides[split - 1] == TEST)} \n" for name, sides in names.items()]
            (folder / "splits" / f"{action}_test_split{split}.txt").write_text("".join(lines))


def write_pcnn(folder: Path, clips) -> None:
    (folder / "splitlists").mkdir(parents=True, exist_ok=True)
    for split in jhmdb.SPLITS:
        for side in (TRAIN, TEST):
            lines = [
                f"{name} {jhmdb.CLASSES.index(action) + 1}\n"
                for action, names in clips.items()
                for name, sides in names.items()
                if sides[split - 1] == side
            ]
            (folder / "splitlists" / f"JHMDB_{side}{split}.txt").write_text("".join(lines))


@pytest.fixture
def small(tmp_path):
    """Five clips of two classes, pictures of the first class alone."""
    folder = tmp_path / "JHMDB"
    for action, names in CLIPS.items():
        for name in names:
            write_joints(folder, action, name)
    for name in CLIPS["catch"]:
        write_pictures(folder, "catch", name)
    write_splits(folder, CLIPS)
    return folder


def survey(folder, limit=None):
    return jhmdb.DATASET.survey(folder, limit)


def kinds(found, fatal=True):
    return {problem.kind for problem in found.problems if problem.fatal is fatal}


def told(found, kind):
    return [f"{problem.where}: {problem.what}" for problem in found.problems if problem.kind == kind]


# ---------------------------------------------------------------- listing


def test_the_registry_knows_it_and_finds_its_folder(small):
    reader = registry.load("datasets", "jhmdb")
    assert reader.find(small.parent) == reader.find(small) == small
    assert reader.find(small / "splits") is None
    assert (reader.modality, reader.world) == ("video", "jhmdb")


def test_clips_with_their_sides_and_pictures(small):
    found = survey(small)
    assert not kinds(found) and kinds(found, fatal=False) == {"no pictures"}
    assert {(item.action, item.id): item.sides for item in found.items} == {
        (action, name): sides for action, names in CLIPS.items() for name, sides in names.items()
    }
    assert found.classes == ("catch", "walk") and found.layout == "splits"
    first = next(item for item in found.items if item.id == ODD)
    assert [path.name for path in first.images] == ["00001.png", "00002.png", "00003.png"]
    assert (first.width, first.height) == (320, 240) and first.joints.is_file()
    assert all(not item.images for item in found.items if item.action == "walk")
    assert len(told(found, "no pictures")) == 3
    assert (found.found["clips"], found.found["split 1 test"], found.found["split 3 train"]) == (5, 3, 4)


@pytest.mark.parametrize("both", [True, False])
def test_the_lists_of_p_cnn_say_the_same(small, both):
    before = survey(small)
    write_pcnn(small, CLIPS)
    if not both:
        shutil.rmtree(small / "splits")
    found = survey(small)
    assert found.items == before.items and not kinds(found)
    assert found.layout == ("splits + splitlists" if both else "splitlists")
    assert found.fingerprint != before.fingerprint


def test_a_class_without_its_own_list_is_read_from_p_cnn(small):
    before = survey(small)
    write_pcnn(small, CLIPS)
    for file in (small / "splits").glob("walk_*"):
        file.unlink()
    assert survey(small).items == before.items


def test_the_number_of_frames_is_that_of_the_joints(small):
    for name, frames in ((ODD, 5), ("plain_catch_1", 2)):
        write_joints(small, "catch", name, frames)
    (small / "Rename_Images" / "catch" / ODD / "._00001.png").write_bytes(b"")
    found = survey(small)
    images = {item.id: len(item.images) for item in found.items}
    assert images[ODD] == 0 and images["plain_catch_1"] == 2 and not kinds(found)
    (fewer,) = told(found, "missing pictures")
    assert "no picture of 2 of 5 annotated frames (00004.png, 00005.png)" in fewer
    assert told(found, "more pictures") == [
        "catch/plain_catch_1: 1 pictures beside the 2 annotated frames: they are left alone"
    ]


def test_limit_keeps_the_first_of_each_class_and_side(small):
    found = survey(small, limit=1)
    assert [item.id for item in found.items] == [ODD, "plain_catch_1", "walk_0", "walk_1"]
    assert found.label.kinds[-1] == "subset" and "first 1 clips of a class and side (4 clips)" in found.label.text
    assert found.fingerprint == survey(small).fingerprint


def test_the_fingerprint_moves_with_joints_lists_pictures_and_faults(small):
    prints = [survey(small).fingerprint]
    assert survey(small).fingerprint == prints[0]
    file = write_joints(small, "walk", "walk_0", frames=4)
    prints.append(survey(small).fingerprint)
    picture = small / "Rename_Images" / "catch" / ODD / "00002.png"
    Image.new("L", (8, 8)).save(picture)
    prints.append(survey(small).fingerprint)
    write_splits(small, {"walk": {**CLIPS["walk"], "walk_0": (TRAIN, TEST, TRAIN)}})
    prints.append(survey(small).fingerprint)
    file.write_bytes(b"")
    prints.append(survey(small).fingerprint)
    assert len(set(prints)) == 5


def test_file_facts_are_remembered_by_file(small):
    seen = []

    def memo(file, look):
        seen.append((file.name, look.__name__))
        return look(file)

    jhmdb.DATASET.survey(small, memo=memo)
    assert seen.count(("joint_positions.mat", "look_at")) == 5 and seen.count(("00001.png", "size_of")) == 2
    assert len(seen) == 7


# ---------------------------------------------------------------- bad folders


def test_joints_that_cannot_be_read_are_named_together(small):
    joints = small / "joint_positions"
    (joints / "catch" / ODD / "joint_positions.mat").write_bytes(b"torn")
    write_joints(small, "walk", "walk_1", joints=13)
    found = survey(small)
    assert kinds(found) == {"unreadable joints"} and found.label.kinds == ("broken",)
    first, second = told(found, "unreadable joints")
    assert first.startswith(f"catch/{ODD}: cannot be read") and "(2, 13, 3), not (2, 15, frames)" in second
    assert str(small) not in first + second and len(found.items) == 3


@pytest.mark.parametrize("spoil", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nothing.mat"), lambda _: None])
def test_a_clip_without_joints_is_told_and_not_scored(small, spoil):
    file = small / "joint_positions" / "catch" / ODD / "joint_positions.mat"
    file.unlink()
    spoil(file)
    found = survey(small)
    assert not kinds(found) and {"no joints", MISSING} <= kinds(found, fatal=False)
    assert ODD not in {item.id for item in found.items}
    assert told(found, MISSING) == [
        "joint_positions: no joints of 1 of 5 listed clips "
        f"(1 of split 1 test, 1 of split 2 train, 1 of split 3 train): {ODD}"
    ]
    shutil.rmtree(file.parent)
    assert "no joints" in kinds(survey(small), fatal=False), "there are pictures of it"


def test_a_torn_picture_is_an_error(small):
    (small / "Rename_Images" / "catch" / ODD / "00001.png").write_bytes(b"torn")
    found = survey(small)
    assert kinds(found) == {"unreadable picture"} and f"{ODD}/00001.png" in told(found, "unreadable picture")[0]


def test_a_clip_in_train_and_test_of_one_split_is_an_error(small):
    with (small / "splits" / "walk_test_split2.txt").open("a") as file:
        file.write("walk_0.avi 1\n")
    found = survey(small)
    assert told(found, "clip on both sides") == ["walk_0: in train and in test of split 2"]
    assert found.label.kinds == ("broken",)


def test_a_line_twice_is_told(small):
    with (small / "splits" / "walk_test_split2.txt").open("a") as file:
        file.write("\nwalk_0.avi 2\n")
    found = survey(small)
    assert not kinds(found) and told(found, "listed twice") == ["walk_0: in test of split 2"]


def test_lists_that_disagree_are_an_error(small):
    other = {**CLIPS, "walk": {**CLIPS["walk"], "walk_0": (TRAIN, TEST, TRAIN)}}
    write_pcnn(small, other)
    found = survey(small)
    assert told(found, "lists disagree") == ["split 1: splits and splitlists differ in 1 clips: walk_0"]
    write_pcnn(small, CLIPS)
    (small / "splitlists" / "JHMDB_test3.txt").unlink()
    assert told(survey(small), "lists disagree") == ["split 3: splits and splitlists differ in 1 clips: walk_1"]


def test_a_name_in_two_classes_is_an_error(small):
    write_joints(small, "walk", "plain_catch_1")
    found = survey(small)
    assert told(found, "clip of two classes") == ["plain_catch_1: there are folders of it in catch and walk"]
    assert "another class" not in kinds(found)
    shutil.rmtree(small / "joint_positions" / "catch" / "plain_catch_1")
    shutil.rmtree(small / "Rename_Images" / "catch" / "plain_catch_1")
    assert told(survey(small), "another class") == ["walk/plain_catch_1: the lists have it in catch"]
    with (small / "splits" / "walk_test_split1.txt").open("a") as file:
        file.write("plain_catch_1.avi 1\n")
    assert told(survey(small), "clip of two classes") == ["plain_catch_1: listed in catch and in walk"]


def test_odd_lines_are_errors(small):
    (small / "splits" / "walk_test_split1.txt").write_text("walk_0.avi 3\n\nwalk_1.avi\nwalk_2.avi 1\n")
    write_pcnn(small, CLIPS)
    (small / "splitlists" / "JHMDB_test2.txt").write_text("walk_0 22\n")
    lines = told(survey(small), "odd line")
    assert lines == [
        "splits/walk_test_split1.txt:1: not a clip and 1 or 2",
        "splits/walk_test_split1.txt:3: not a clip and 1 or 2",
        "splitlists/JHMDB_test2.txt:1: not a clip and the number of a class, 1 to 21",
    ]
    (small / "splits" / "walk_test_split1.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(BadData, match=r"walk_test_split1\.txt is no text"):
        survey(small)


def test_no_lists_at_all_are_an_error_and_one_split_without_is_told(small):
    for file in (small / "splits").glob("*_split2.txt"):
        file.unlink()
    found = survey(small)
    assert told(found, "no list") == ["split 2: neither splits nor splitlists has it"] and not kinds(found)
    assert next(item for item in found.items if item.id == "walk_0").sides == (TEST, "", TRAIN)
    shutil.rmtree(small / "splits")
    found = survey(small)
    assert kinds(found) == {"no lists"} and all(item.sides == ("",) * 3 for item in found.items)


def test_packed_joints_and_lists_are_to_be_unpacked(small, tmp_path):
    (small / "joint_positions.zip").write_bytes(b"packed")
    (small / "splits.tar.gz").write_bytes(b"packed")
    shutil.rmtree(small / "joint_positions" / "catch")
    (line,) = told(survey(small), MISSING)
    assert line.endswith("plain_catch_1; unpack joint_positions.zip")
    shutil.rmtree(small / "splits")
    assert told(survey(small), "no lists") == ["JHMDB: splits and splitlists name no clip; unpack splits.tar.gz"]
    shutil.rmtree(small / "joint_positions")
    assert jhmdb.DATASET.find(tmp_path) == small
    found = survey(small)
    assert "joint_positions: there is no such folder; unpack joint_positions.zip" in told(found, "no joints")
    assert found.label.kinds == ("broken",)


def test_clips_that_no_list_names_are_told(small):
    write_joints(small, "walk", "walk_9")
    (small / "joint_positions" / "walk" / ".hidden").mkdir()
    (small / "joint_positions" / "README").write_text("")
    found = survey(small)
    assert told(found, "in no list") == ["walk/walk_9: it is not scored"] and not kinds(found)
    assert found.found["clips"] == 5


@pytest.mark.parametrize(
    "inside",
    [
        "joint_positions/walk/walk_0/joint_positions.mat",
        "joint_positions/walk/walk_0",
        "joint_positions/walk",
        f"Rename_Images/catch/{ODD}/00002.png",
        f"Rename_Images/catch/{ODD}",
        "splits/walk_test_split1.txt",
        "splits",
    ],
)
def test_links_that_leave_the_root_are_refused(small, tmp_path, inside):
    (small / inside).rename(tmp_path / "outside")
    (small / inside).symlink_to(tmp_path / "outside")
    with pytest.raises(BadData, match="leave the data root"):
        survey(small)


def test_names_that_cannot_be_printed_are_escaped(small):
    write_joints(small, "walk", os.fsdecode(b"w\xfclk\n"))
    (line,) = told(survey(small), "in no list")
    assert line.startswith("walk/w\\udcfclk\\n")


# ---------------------------------------------------------------- labels


@pytest.fixture
def official(tmp_path):
    """Lists with the official counts and a file of joints for each clip; `as_released` reads none of them."""
    clips = {action: {} for action in jhmdb.CLASSES}
    for k in range(928):
        action = jhmdb.CLASSES[k % 21]
        clips[action][f"{action}_{k}"] = tuple(
            TEST if k < jhmdb.OFFICIAL[f"split {split} test"] else TRAIN for split in jhmdb.SPLITS
        )
    folder = tmp_path / "JHMDB"
    write_splits(folder, clips)
    for action, names in clips.items():
        for name in names:
            file = folder / "joint_positions" / action / name / "joint_positions.mat"
            file.parent.mkdir(parents=True)
            file.write_bytes(b"")
    return folder


def as_released(file, look):
    """The memo of a release."""
    return {"frames": 3, "sha256": file.parent.name} if file.suffix == ".mat" else look(file)


def released(folder, limit=None):
    return jhmdb.DATASET.survey(folder, limit, as_released)


def test_the_official_counts_earn_the_label(official):
    found = released(official)
    assert found.label.kinds == ("official",) and found.label.text == "official (lists and counts)"
    assert found.found == found.expected == jhmdb.OFFICIAL and kinds(found, fatal=False) == {"no pictures"}
    assert found.classes == jhmdb.CLASSES
    limited = released(official, limit=1)
    kept = len(limited.items)
    assert limited.label.kinds == ("subset",) and 42 <= kept < 60
    expected = f"official (lists and counts); subset: first 1 clips of a class and side ({kept} clips)"
    assert limited.label.text == expected


def test_missing_clips_are_a_subset(official):
    shutil.rmtree(official / "joint_positions" / "brush_hair" / "brush_hair_0")
    shutil.rmtree(official / "joint_positions" / "catch" / "catch_904")
    found = released(official)
    assert found.label.kinds == ("subset",) and found.label.text == (
        "subset: 926 of 928 clips (test clips: 267 of 268 of split 1, 269 of 270 of split 2, 264 of 265 of split 3)"
    )


def test_the_test_clips_of_split_1_alone_are_official(official):
    """Published numbers are of these; the pictures and the other clips may be anywhere."""
    for action in (official / "joint_positions").iterdir():
        for clip in action.iterdir():
            if int(clip.name.rpartition("_")[2]) >= 268:
                shutil.rmtree(clip)
    found = released(official)
    assert found.label.kinds == ("official",) and found.label.text == "official (test clips of split 1)"
    (note,) = told(found, MISSING)
    assert "no joints of 660 of 928 listed clips (660 of split 1 train, 658 of split 2 train, 2 of split 2 test" in note
    for name in (*(official / "splits").glob("*_split2.txt"), *(official / "splits").glob("*_split3.txt")):
        name.unlink()
    found = released(official)
    assert found.label.kinds == ("official",) and len(told(found, "no list")) == 2
    write_pictures(official, "walk", "walk_19", size=(160, 120))
    assert released(official).label.kinds == ("altered", "subset")
    shutil.rmtree(official / "Rename_Images")
    shutil.rmtree(official / "joint_positions" / "walk" / "walk_19")
    assert released(official).label.text == (
        "subset: 267 of 928 clips (test clips: 267 of 268 of split 1, 0 of 270 of split 2, 0 of 265 of split 3)"
    )


def test_other_lists_sizes_and_classes_are_altered(official):
    write_pictures(official, "walk", "walk_19", size=(160, 120))
    found = released(official)
    assert found.label.kinds == ("altered",) and found.label.text == "altered: frames of 160 x 120, not 320 x 240"
    item = next(item for item in found.items if item.id == "walk_19")
    assert (item.width, item.height, len(item.images)) == (160, 120, 3)
    listed = official / "splits" / "walk_test_split3.txt"
    listed.write_text(listed.read_text().replace("walk_19.avi 2", "walk_19.avi 1"))
    found = released(official)
    assert found.label.kinds == ("altered", "subset")
    assert "a train list of split 3 with 664 clips, not 663, a test list of split 3 with 264" in found.label.text
    for split in jhmdb.SPLITS:
        (official / "splits" / f"walk_test_split{split}.txt").rename(
            official / "splits" / f"stroll_test_split{split}.txt"
        )
    for tree in ("joint_positions", "Rename_Images"):
        (official / tree / "walk").rename(official / tree / "stroll")
    assert released(official).label.text.startswith("altered: other classes, a train list")


def test_the_blank_survey_has_the_official_classes_and_counts():
    blank = jhmdb.DATASET.blank()
    assert blank.classes == jhmdb.CLASSES and len(blank.classes) == 21 and not blank.items
    assert blank.expected["clips"] == 928 and sum(blank.expected[f"split 1 {side}"] for side in (TRAIN, TEST)) == 928


# ---------------------------------------------------------------- a real clip


def test_a_real_clip_with_both_forms_of_the_real_lists(real_data):
    found = survey(jhmdb.DATASET.find(real_data))
    (item,) = found.items
    assert (item.action, item.sides) == ("catch", (TRAIN, TRAIN, TEST))
    assert len(item.images) == 40, "the header of its .avi says 48"
    assert found.layout == "splits + splitlists" and not kinds(found) and kinds(found, fatal=False) == {MISSING}
    assert found.label.kinds == ("subset",) and found.label.text == (
        "subset: 1 of 928 clips (test clips: 0 of 268 of split 1, 0 of 270 of split 2, 1 of 265 of split 3)"
    )
