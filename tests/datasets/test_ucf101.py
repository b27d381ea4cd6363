"""The UCF-101 reader: names, lists, groups, official counts, and every way in which a folder can lie."""

import os
import shutil
from itertools import cycle, islice, product

import pytest
from videosets import video_bytes, write_frames, write_video

from unlabeled import registry
from unlabeled.contracts import VideoItem
from unlabeled.datasets import ucf101
from unlabeled.datasets.world import make
from unlabeled.errors import BadData

READER = registry.load("datasets", "ucf101")
CLASSES = ("Archery", "HandstandPushups")
PREFIX = {"Archery": "Archery", "HandstandPushups": "HandStandPushups"}


def clip(action, group, number=1):
    return f"{action}/v_{PREFIX.get(action, action)}_g{group:02d}_c{number:02d}"


def write_lists(folder, sides, classes=CLASSES, end="\r\n"):
    """`sides`: clip to its side in each split, nothing for none."""
    numbers = {action: k for k, action in enumerate(classes, 1)}
    folder.mkdir(parents=True)
    text = "".join(f"{k} {action}{end}" for action, k in numbers.items())
    (folder / "classInd.txt").write_text(text, newline="")
    for split in (1, 2, 3):
        for side, label in (("train", True), ("test", False)):
            lines = [
                f"{name}.avi" + (f" {numbers[name.partition('/')[0]]}" if label else "") + end
                for name, places in sides.items()
                if places[split - 1] == side
            ]
            (folder / f"{side}list0{split}.txt").write_text("".join(lines), newline="")


def official_sides(group):
    """Split n tests groups 7 n - 6 to 7 n."""
    return tuple("test" if 7 * k < group <= 7 * k + 7 else "train" for k in range(3))


@pytest.fixture
def small(tmp_path):
    """Two classes, groups 1, 8, 15 and 22, two clips each."""
    names = [(clip(action, group, k), group) for action in CLASSES for group in (1, 8, 15, 22) for k in (1, 2)]
    write_lists(tmp_path / "ucfTrainTestlist", {name: official_sides(group) for name, group in names})
    for name, _ in names:
        write_video(tmp_path / "UCF-101" / f"{name}.avi")
    return tmp_path


def survey(folder, limit=None, **more):
    return READER.survey(folder, limit, **more)


def problems(found, fatal=True):
    return {problem.kind: problem.what for problem in found.problems if problem.fatal is fatal}


# ---------------------------------------------------------------- what is read


def test_a_small_set_is_read_whole(small):
    found = survey(small)
    assert not found.problems and found.classes == CLASSES
    assert found.layout == "UCF-101 + ucfTrainTestlist" and found.decoder["av"]
    first = found.items[0]
    assert first == VideoItem(
        "Archery/v_Archery_g01_c01",
        small / "UCF-101/Archery/v_Archery_g01_c01.avi",
        0,
        "Archery/g01",
        ("test", "train", "train"),
    )
    assert [item.target for item in found.items] == [0] * 8 + [1] * 8
    assert found.found == {
        "clips": 16, "classes": 2, "groups": 8, "split 1 train": 12, "split 1 test": 4, "split 2 train": 12,
        "split 2 test": 4, "split 3 train": 12, "split 3 test": 4,
    }  # fmt: skip
    assert found.label.kinds == ("altered", "subset")
    assert "2 classes, not 101, a list of split 1 train with 12 clips, not 9537" in found.label.text
    assert "16 of 13320 clips, 2 of 101 classes (split 1: 12 of 9537 train, 4 of 3783 test; " in found.label.text


def test_files_spelt_otherwise_than_their_class_are_of_it(small):
    """The released lists say HandstandPushups/v_HandStandPushups_g01_c01.avi."""
    ids = [item.id for item in survey(small).items if item.target == 1]
    assert ids[0] == "HandstandPushups/v_HandStandPushups_g01_c01" and len(ids) == 8
    (small / "UCF-101/HandstandPushups").rename(small / "UCF-101/HandStandPushups")
    respelt = survey(small)
    assert [item.id for item in respelt.items if item.target == 1] == ids and not respelt.problems


def test_line_ends_do_not_matter(small):
    before = survey(small)
    for file in (small / "ucfTrainTestlist").iterdir():
        assert file.read_bytes().endswith(b"\r\n")
        file.write_bytes(file.read_bytes().replace(b"\r\n", b"\n"))
    assert survey(small).items == before.items


def test_where_it_is_found(small, tmp_path_factory):
    assert READER.find(small) == small
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(small, root / "UCF-101")
    assert READER.find(root) == READER.find(root / "UCF-101") == root / "UCF-101"
    inside = tmp_path_factory.mktemp("inside") / "UCF-101"
    shutil.copytree(small / "UCF-101", inside)
    shutil.copytree(small / "ucfTrainTestlist", inside / "ucfTrainTestlist")
    found = survey(READER.find(inside.parent))
    assert found.folder == inside and found.layout == "class folders + ucfTrainTestlist"
    assert len(found.items) == 16 and not found.problems
    assert READER.find(tmp_path_factory.mktemp("empty")) is None


def test_folders_of_frames_in_place_of_files(small):
    for file in (small / "UCF-101").rglob("*.avi"):
        file.unlink()
        write_frames(file.with_suffix(""))
    found = survey(small)
    assert len(found.items) == 16 and found.items[0].path.is_dir() and not found.problems
    assert "folders of frames, not videos" in found.label.text and found.layout.endswith("folders of frames")
    assert problems(survey(small)) == {}
    (found.items[0].path / "00002.jpg").unlink()
    (found.items[1].path / "00001.jpg").write_bytes(b"\xff\xd8\xff")
    (small / "UCF-101/Archery/v_Archery_g08_c01/00001.jpg").write_bytes(b"")
    after = survey(small)
    named = {problem.where for problem in after.problems}
    assert named == {f"UCF-101/Archery/v_Archery_{name}" for name in ("g01_c01", "g01_c02", "g08_c01")}
    assert "frames are missing: 2" in after.problems[0].what


def test_a_limit_keeps_the_first_clips_of_a_class_and_side(small):
    found = survey(small, limit=1)
    assert [item.id.rpartition("_g")[2] for item in found.items if item.target == 0] == ["01_c01", "08_c01", "15_c01"]
    assert "first 1 clips of a class and side (6 clips)" in found.label.text


def test_every_file_is_looked_into_once_through_the_memo(small):
    seen = []

    def memo(file, look):
        seen.append(file)
        return look(file)

    items = survey(small, memo=memo).items
    assert sorted(seen) == sorted(item.path for item in items)


def test_the_fingerprint_moves_with_bytes_lists_and_what_is_missing(small):
    before = survey(small).fingerprint
    assert survey(small).fingerprint == before
    file = small / "UCF-101" / f"{clip('Archery', 1)}.avi"
    file.write_bytes(video_bytes(height=32))
    changed = survey(small).fingerprint
    file.unlink()
    missing = survey(small).fingerprint
    (small / "ucfTrainTestlist/testlist03.txt").unlink()
    assert len({before, changed, missing, survey(small).fingerprint}) == 4


# ---------------------------------------------------------------- official counts


def released(file, look):
    """The memo of a release whose files a test leaves empty."""
    return {"width": 320, "height": 240}


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """Official numbers: 3,783, 3,734, 3,696 and 2,107 clips of groups 1 to 7, 8 to 14, 15 to 21, 22 to 25."""
    root = tmp_path_factory.mktemp("official")
    classes = [f"Class{k:03d}" for k in range(1, 102)]
    sides = {}
    for groups, total in ((range(1, 8), 3783), (range(8, 15), 3734), (range(15, 22), 3696), (range(22, 26), 2107)):
        cells = list(product(classes, groups))
        for n, (action, group) in enumerate(islice(cycle(cells), total)):
            sides[clip(action, group, n // len(cells) + 1)] = official_sides(group)
    write_lists(root / "ucfTrainTestlist", sides, classes)
    for action in classes:
        (root / "UCF-101" / action).mkdir(parents=True)
    for name in sides:
        (root / "UCF-101" / f"{name}.avi").touch()
    return root


def test_counts_make_it_official(official):
    found = survey(official, memo=released)
    assert found.found == found.expected == ucf101.OFFICIAL == READER.blank().found
    assert found.label.kinds == ("official",) and not found.problems
    file = official / "UCF-101" / f"{clip('Class001', 1)}.avi"
    file.rename(file.with_suffix(".mp4"))
    smaller = survey(official, memo=lambda file, look: {"width": 340, "height": 256})
    assert smaller.label.text == "altered: .mp4 files, not .avi, videos 256 pixels high, not 240"
    file.with_suffix(".mp4").unlink()
    assert survey(official, memo=released).label.text == (
        "subset: 13319 of 13320 clips, 101 of 101 classes (split 1: 9537 of 9537 train, 3782 of 3783 test; "
        "split 2: 9585 of 9586 train, 3734 of 3734 test; split 3: 9623 of 9624 train, 3696 of 3696 test)"
    )


# ---------------------------------------------------------------- folders that lie


def test_all_bad_files_are_named_and_make_a_subset(small):
    place = small / "UCF-101"
    (place / f"{clip('Archery', 1)}.avi").write_bytes(b"")
    whole = video_bytes()
    (place / f"{clip('Archery', 8)}.avi").write_bytes(whole[: len(whole) // 2])
    (place / f"{clip('Archery', 15)}.avi").write_bytes(b"<html>not found</html>" * 30)
    (place / f"{clip('Archery', 22)}.avi").unlink()
    found = survey(small)
    named = [(p.where.rpartition("_g")[2], p.what) for p in found.problems if p.kind == "unreadable video"]
    assert [where for where, _ in named] == ["01_c01.avi", "08_c01.avi", "15_c01.avi"]
    assert "is empty" in named[0][1] and "is cut off" in named[1][1] and "cannot be decoded" in named[2][1]
    missing = problems(found, fatal=False)["missing clips"]
    assert missing.startswith("no video of 1 of 16 listed clips (1 of split 1 train, 1 of split 2 train, 1 of split 3")
    assert len(found.items) == 12 and "subset" in found.label.kinds


def test_a_group_on_both_sides_is_refused(small):
    file = small / "ucfTrainTestlist/trainlist02.txt"
    line = f"{clip('Archery', 8)}.avi 1\n"
    test = small / "ucfTrainTestlist/testlist02.txt"
    test.write_text(test.read_text().replace(line.replace(" 1", ""), ""))
    file.write_text(file.read_text() + line)
    found = survey(small)
    assert "1 groups of one recording are in train and in test: Archery/g08" in problems(found)["group on both sides"]
    assert found.label.kinds == ("broken",)


def test_lists_that_contradict_themselves(small):
    lists = small / "ucfTrainTestlist"
    line = f"{clip('Archery', 1)}.avi"
    with (lists / "trainlist01.txt").open("a") as file:
        file.write(f"{line} 1\nArchery/v_HandStandPushups_g22_c01.avi 1\nYoYo/v_YoYo_g22_c01.avi 9\nnonsense\n")
        file.write(f"{clip('HandstandPushups', 22)}.avi 2\n")
    text = (lists / "trainlist03.txt").read_text().replace("g22_c01.avi 2", "g22_c01.avi 1")
    (lists / "trainlist03.txt").write_text(text)
    found = survey(small)
    assert set(problems(found)) == {
        "clip on both sides", "clip of another class", "unknown class", "bad lines", "numbers of classes differ",
    }  # fmt: skip
    assert "nonsense" in problems(found)["bad lines"] and "YoYo" in problems(found)["unknown class"]
    assert "listed twice" in problems(found, fatal=False)


def test_a_list_of_classes_that_is_no_such_list(small):
    classes = small / "ucfTrainTestlist/classInd.txt"
    classes.write_text("1 Archery\n3 HandstandPushups\n")
    assert "3 HandstandPushups" in problems(survey(small))["bad lines"]
    classes.write_text("1 Archery\n2 archery\n")
    assert "class twice" in problems(survey(small))
    classes.write_bytes(b"\xff\xfe1\x00")
    assert "unreadable list" in problems(survey(small))
    classes.unlink()
    assert "no list of classes" in problems(survey(small))


def test_a_split_without_lists_is_a_subset(small):
    for side in ("train", "test"):
        (small / f"ucfTrainTestlist/{side}list02.txt").unlink()
    found = survey(small)
    assert problems(found, fatal=False) == {"no list": "no clip is listed"} and not problems(found)
    assert {item.sides[1] for item in found.items} == {""}


def test_clips_twice_in_another_class_or_in_no_list(small):
    place = small / "UCF-101"
    write_frames(place / clip("Archery", 1))
    write_video(place / "HandstandPushups/v_Archery_g22_c01.avi")
    write_video(place / "Archery/v_Archery_g99_c01.avi")
    write_video(place / "YoYo/v_YoYo_g01_c01.avi")
    (place / "Archery/read me.txt").write_text("")
    found = survey(small)
    assert set(problems(found)) == {"clip twice", "another class"}
    assert "Archery" in problems(found)["another class"]
    assert set(problems(found, fatal=False)) == {"in no list", "other folder", "other file"}


def test_archives_in_place_of_folders(small, tmp_path_factory):
    shutil.rmtree(small / "UCF-101")
    (small / "UCF101.rar").write_bytes(b"Rar!")
    found = survey(small)
    assert "unpack UCF101.rar" in problems(found)["no videos"] and found.label.kinds == ("broken",)
    packed = tmp_path_factory.mktemp("packed")
    (packed / "UCF101TrainTestSplits-RecognitionTask.zip").write_bytes(b"PK")
    assert READER.find(packed) == packed
    assert "unpack UCF101TrainTestSplits-RecognitionTask.zip" in problems(survey(packed))["no lists"]


def test_links_that_leave_the_root_are_refused(small, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    file = small / "UCF-101" / f"{clip('Archery', 1)}.avi"
    shutil.move(file, elsewhere / "a.avi")
    file.symlink_to(elsewhere / "a.avi")
    with pytest.raises(BadData, match="leave the data root"):
        survey(small)
    file.unlink()
    frames = write_frames(file.with_suffix(""))
    write_frames(elsewhere / "b")
    (frames / "00005.jpg").symlink_to(elsewhere / "b/00001.jpg")
    with pytest.raises(BadData, match="leave the data root"):
        survey(small)


# ---------------------------------------------------------------- generated and real


def test_the_world_is_read_and_a_changed_file_is_told(tmp_path):
    folder = READER.find(make.ensure("ucf101", "nano", 0, tmp_path))
    found = survey(folder)
    assert found.label.kinds == ("world",) and not found.problems and found.found["clips"] == len(found.items) > 0
    assert {item.target for item in found.items} == set(range(len(found.classes)))
    file = found.items[0].path
    file.write_bytes(file.read_bytes() + b"\0")
    for item in found.items[1:3]:
        item.path.unlink()
    os.mkfifo(found.items[2].path)
    after = survey(folder)
    assert set(problems(after)) == {"changed file", "missing file"} and after.label.kinds == ("broken",)


def test_the_slice_is_what_it_says(real_data):
    folder = READER.find(real_data)
    if folder is None:
        pytest.skip("no UCF-101 below UNLABELED_DATA")
    found = survey(folder)
    if found.found["clips"] != 31:
        pytest.skip("another part of UCF-101")
    assert [problem.kind for problem in found.problems] == ["missing clips"]
    assert found.problems[0].what.startswith("no video of 13289 of 13320 listed clips")
    sides = [(item.id.partition("/")[0], item.sides[0]) for item in found.items]
    assert {cell: sides.count(cell) for cell in sides} == {
        ("ApplyEyeMakeup", "test"): 1, ("Archery", "test"): 1, ("BabyCrawling", "test"): 4,
        ("BabyCrawling", "train"): 6, ("Punch", "test"): 4, ("Punch", "train"): 4, ("PushUps", "test"): 4,
        ("PushUps", "train"): 6, ("SoccerJuggling", "train"): 1,
    }  # fmt: skip
    assert found.label.kinds == ("subset",) and "split 1: 17 of 9537 train, 14 of 3783 test" in found.label.text


def test_the_released_lists_are_official_and_keep_groups_whole(real_data):
    folder = READER.find(real_data)
    if folder is None:
        pytest.skip("no UCF-101 below UNLABELED_DATA")
    lists = ucf101._read_lists(folder)
    assert not lists.problems and not lists.altered
    assert len(lists.classes) == 101 and len(lists.entries) == ucf101.OFFICIAL["clips"]
    assert len({entry.group for entry in lists.entries.values()}) == ucf101.OFFICIAL["groups"]
    odd = [entry for entry in lists.entries.values() if entry.action == "HandstandPushups"]
    assert odd and all(entry.name.startswith("v_HandStandPushups_g") for entry in odd)
    for entry in lists.entries.values():
        assert entry.sides == official_sides(int(entry.group.rpartition("/g")[2]))
