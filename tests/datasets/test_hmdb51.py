"""The HMDB-51 reader: odd names, codes, films, official counts, and every way in which a folder can lie."""

import os
import re
import shutil

import pytest
from videosets import video_bytes, write_frames, write_video

from unlabeled import registry
from unlabeled.datasets import hmdb51
from unlabeled.datasets.world import make
from unlabeled.errors import BadData

READER = registry.load("datasets", "hmdb51")
ODD = ("#1 [best]_wave_f_cm_np1_fr_med_0", "It's!_(a)&b_wave_u_nm_np2_ba_bad_3", "Zoë_wave_f_nm_np1_le_goo_1")
PLAIN = ("film_run_f_cm_np1_fr_med_0", "film_run_f_cm_np1_fr_med_1", "other_run_u_cm_np1_fr_med_0")


def write_lists(folder, codes, end=" \n"):
    """`codes`: class and name to the code in each split."""
    folder.mkdir(parents=True, exist_ok=True)
    for action in {action for action, _ in codes}:
        for split in (1, 2, 3):
            lines = [f"{name}.avi {places[split - 1]}{end}" for (a, name), places in codes.items() if a == action]
            (folder / f"{action}_test_split{split}.txt").write_text("".join(lines))


@pytest.fixture
def small(tmp_path):
    codes = {("wave", name): code for name, code in zip(ODD, ("110", "201", "002"), strict=True)}
    codes |= {("run", name): code for name, code in zip(PLAIN, ("112", "112", "021"), strict=True)}
    write_lists(tmp_path / "testTrainMulti_7030_splits", codes)
    for action, name in codes:
        write_video(tmp_path / "hmdb51_org" / action / f"{name}.avi")
    return tmp_path


def survey(folder, limit=None, **more):
    return READER.survey(folder, limit, **more)


def problems(found, fatal=True):
    return {problem.kind: problem.what for problem in found.problems if problem.fatal is fatal}


# ---------------------------------------------------------------- what is read


def test_codes_sides_and_odd_names(small):
    found = survey(small)
    assert not found.problems and found.classes == ("run", "wave")
    assert found.layout == "hmdb51_org + testTrainMulti_7030_splits"
    sides = {item.id: item.sides for item in found.items}
    assert sides == {
        "run/film_run_f_cm_np1_fr_med_0": ("train", "train", "test"),
        "run/film_run_f_cm_np1_fr_med_1": ("train", "train", "test"),
        "run/other_run_u_cm_np1_fr_med_0": ("", "test", "train"),
        "wave/#1 [best]_wave_f_cm_np1_fr_med_0": ("train", "train", ""),
        "wave/It's!_(a)&b_wave_u_nm_np2_ba_bad_3": ("test", "", "train"),
        "wave/Zoë_wave_f_nm_np1_le_goo_1": ("", "", "test"),
    }
    assert found.found["split 1 train"] == 3 and found.found["split 1 test"] == 1
    assert [item.group for item in found.items] == [
        "run/film", "run/film", "run/other", "wave/#1 [best]", "wave/It's!_(a)&b", "wave/Zoë",
    ]  # fmt: skip


def test_the_source_ends_at_the_last_name_of_the_class(tmp_path):
    name = "boom_clap_(challenge)_clap_u_nm_np1_fr_bad_0"
    write_lists(tmp_path / "testTrainMulti_7030_splits", {("clap", name): "121", ("clap", "nameless"): "111"})
    write_video(tmp_path / f"videos/clap/{name}.avi")
    write_video(tmp_path / "videos/clap/nameless.avi")
    found = survey(tmp_path)
    assert [item.group for item in found.items] == ["clap/boom_clap_(challenge)", "clap/nameless"]
    assert found.layout == "videos + testTrainMulti_7030_splits"


def test_where_it_is_found(small, tmp_path_factory):
    assert READER.find(small) == small
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(small, root / "HMDB51")
    assert READER.find(root) == root / "HMDB51"
    assert READER.find(tmp_path_factory.mktemp("empty")) is None


def test_a_limit_keeps_the_first_clips_of_a_class_and_side(small):
    found = survey(small, limit=1)
    assert [item.id for item in found.items if item.target == 0] == [f"run/{PLAIN[0]}", f"run/{PLAIN[2]}"]
    assert "subset" in found.label.kinds


# ---------------------------------------------------------------- official counts


def released(file, look):
    """The memo of a release whose files a test leaves empty."""
    return {"width": 320, "height": 240}


def write_release(root, train="1", test="2"):
    """Names and lists in the official numbers: 70, 30 and 32 or 33 clips a class."""
    codes = {}
    for k, action in enumerate(hmdb51.CLASSES):
        for n in range(132 + (k < 34)):
            code = train if n < 70 else test if n < 100 else "0"
            codes[action, f"film{n}_{action}_f_cm_np1_fr_med_0"] = code * 3
    write_lists(root / "testTrainMulti_7030_splits", codes)
    for action, name in codes:
        file = root / "hmdb51_org" / action / f"{name}.avi"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return root


def test_counts_make_it_official(tmp_path):
    root = write_release(tmp_path)
    found = survey(root, memo=released)
    assert found.found == found.expected == hmdb51.OFFICIAL == READER.blank().found
    assert found.label.kinds == ("official",) and not found.problems
    shutil.rmtree(root / "hmdb51_org/wave")
    assert survey(root, memo=released).label.text == (
        "subset: 6634 of 6766 clips, 50 of 51 classes (split 1: 3500 of 3570 train, 1500 of 1530 test; "
        "split 2: 3500 of 3570 train, 1500 of 1530 test; split 3: 3500 of 3570 train, 1500 of 1530 test)"
    )


def test_other_numbers_of_clips_are_altered(tmp_path):
    root = write_release(tmp_path)
    codes = {
        ("wave", f"film{n}_wave_f_cm_np1_fr_med_0"): ("1" if n < 60 else "2" if n < 100 else "0") * 3
        for n in range(132)
    }
    write_lists(root / "testTrainMulti_7030_splits", codes)
    found = survey(root, memo=released)
    assert not problems(found) and found.label.kinds == ("altered", "subset")
    assert "3 lists with 60 training and 40 test clips, not 70 and 30" in found.label.text


def test_mixed_up_codes_are_refused(tmp_path):
    found = survey(write_release(tmp_path, train="2", test="1"), memo=released)
    assert found.label.kinds == ("broken",) and set(problems(found)) == {"codes mixed up"}
    assert problems(found)["codes mixed up"] == (
        "153 lists, such as brush_hair_test_split1.txt: 33 clips of code 0, 30 of 1, 70 of 2. "
        "1 is training (70 clips of a class), 2 test (30), 0 neither: unpack the lists again"
    )


@pytest.mark.parametrize("codes", ["201", "120", "021", "210", "102", "000", "011", "022", "002", "010"])
def test_one_list_with_other_codes_is_seen(tmp_path, codes):
    """Codes 0, 1 and 2 of one list written as these."""
    numbers = [f"{name}_f_cm_np1_fr_med_0" for name in map("film{}".format, range(133))]
    written = {(action, f"{n}_{action}"): ("1" if k < 70 else "2" if k < 100 else "0") * 3
               for action in ("wave", "run") for k, n in enumerate(numbers)}  # fmt: skip
    write_lists(tmp_path / hmdb51.LISTS, written)
    assert not hmdb51._read_lists(tmp_path).problems
    file = tmp_path / hmdb51.LISTS / "wave_test_split2.txt"
    file.write_text(re.sub(r" ([012]) ", lambda found: f" {codes[int(found[1])]} ", file.read_text()))
    (problem,) = hmdb51._read_lists(tmp_path).problems
    assert (
        problem.fatal
        and problem.kind == "codes mixed up"
        and problem.what.startswith("1 lists, such as wave_test_split2.txt: ")
    )


@pytest.mark.parametrize("code", "012")
def test_lists_of_one_code_are_refused(small, code):
    lists = small / "testTrainMulti_7030_splits"
    for file in lists.glob("*_test_split2.txt"):
        file.write_text(re.sub(r" [012] ", f" {code} ", file.read_text()))
    found = survey(small)
    assert [problem.where for problem in found.problems if problem.kind == "codes mixed up"] == ["split 2"]
    lacking = {"0": "train or test", "1": "test", "2": "train"}[code]
    assert f"of 6 clips none has a code for {lacking} (1 is training" in problems(found)["codes mixed up"]


# ---------------------------------------------------------------- folders that lie


def test_a_film_on_both_sides_is_told_and_alters(small):
    lists = small / "testTrainMulti_7030_splits"
    write_lists(lists, {("run", name): code for name, code in zip(PLAIN, ("112", "212", "021"), strict=True)})
    found = survey(small)
    assert (
        "1 films have clips of one class in train and in test: run/film"
        in (problems(found, fatal=False)["group on both sides"])
    )
    assert not problems(found) and "lists with one film on both sides of a split" in found.label.text


def test_lists_that_contradict_themselves(small):
    lists = small / "testTrainMulti_7030_splits"
    with (lists / "run_test_split1.txt").open("a") as file:
        file.write(f"{PLAIN[0]}.avi 1 \n{PLAIN[2]}.avi 2 \n{PLAIN[1]}.avi 3 \n{PLAIN[1]}.avi\n")
    found = survey(small)
    assert set(problems(found)) == {"bad lines", "clip on both sides"}
    assert problems(found)["bad lines"].startswith("2 lines are no `NAME.avi CODE, code 0, 1 or 2`")
    assert "listed twice" in problems(found, fatal=False)
    (lists / "run_test_split1.txt").write_bytes(b"\xff\xfe")
    assert "unreadable list" in problems(survey(small))


def test_all_bad_files_are_named_and_make_a_subset(small):
    place = small / "hmdb51_org/wave"
    (place / f"{ODD[0]}.avi").write_bytes(b"")
    (place / f"{ODD[1]}.avi").write_bytes(video_bytes()[:2000])
    (place / f"{ODD[2]}.avi").unlink()
    os.mkfifo(place / f"{ODD[2]}.avi")
    found = survey(small)
    named = {p.where: p.what for p in found.problems if p.kind == "unreadable video"}
    assert [*named] == [f"hmdb51_org/wave/{name}.avi" for name in ODD]
    assert "no regular file" in named[f"hmdb51_org/wave/{ODD[2]}.avi"]
    assert len(found.items) == 3 and not problems(found)


def test_a_clip_in_the_folder_of_another_class(small):
    shutil.move(small / f"hmdb51_org/run/{PLAIN[0]}.avi", small / "hmdb51_org/wave")
    assert "run" in problems(survey(small))["another class"]


def test_folders_of_frames_and_names_with_dots(tmp_path):
    name = "Mr._X_wave_f_cm_np1_fr_med_0"
    write_lists(tmp_path / "testTrainMulti_7030_splits", {("wave", name): "111"})
    write_frames(tmp_path / "hmdb51_org/wave" / name)
    found = survey(tmp_path)
    assert [item.group for item in found.items] == ["wave/Mr._X"] and found.items[0].path.is_dir()


def test_archives_in_place_of_folders(small, tmp_path_factory):
    shutil.rmtree(small / "hmdb51_org/run")
    (small / "hmdb51_org/run.rar").write_bytes(b"Rar!")
    assert "unpack run.rar" in problems(survey(small), fatal=False)["missing clips"]
    packed = tmp_path_factory.mktemp("packed")
    (packed / "hmdb51_org.rar").write_bytes(b"Rar!")
    (packed / "test_train_splits.rar").write_bytes(b"Rar!")
    assert READER.find(packed) == packed
    assert "unpack test_train_splits.rar" in problems(survey(packed))["no lists"]


def test_links_that_leave_the_root_are_refused(small, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.move(small / "hmdb51_org/run", elsewhere)
    (small / "hmdb51_org/run").symlink_to(elsewhere / "run")
    with pytest.raises(BadData, match="leave the data root"):
        survey(small)


# ---------------------------------------------------------------- generated and real


def test_the_world_is_read_and_a_changed_file_is_told(tmp_path):
    folder = READER.find(make.ensure("hmdb51", "nano", 0, tmp_path))
    found = survey(folder)
    assert found.label.kinds == ("world",) and not found.problems and found.found["clips"] == len(found.items) > 0
    file = found.items[0].path
    file.write_bytes(file.read_bytes() + b"\0")
    assert set(problems(survey(folder))) == {"changed file"}


def test_the_slice_is_what_it_says(real_data):
    folder = READER.find(real_data)
    if folder is None:
        pytest.skip("no HMDB-51 below UNLABELED_DATA")
    found = survey(folder)
    if found.found["clips"] != 4:
        pytest.skip("another part of HMDB-51")
    assert [problem.kind for problem in found.problems] == ["missing clips"]
    assert found.problems[0].what.startswith("no video of 6762 of 6766 listed clips")
    sides = {item.group: item.sides for item in found.items}
    assert sides == {
        "cartwheel/Turnk_r_Pippi_Michel": ("train", "train", "test"),
        "wave/RATRACE": ("train", "test", "train"),
        "wave/SchoolRulesHowTheyHelpUs": ("", "", "train"),
        "wave/TrumanShow": ("test", "train", "train"),
    }
    assert found.label.kinds == ("subset",) and "4 of 6766 clips, 2 of 51 classes" in found.label.text


def test_the_released_lists_are_official(real_data):
    folder = READER.find(real_data)
    if folder is None:
        pytest.skip("no HMDB-51 below UNLABELED_DATA")
    lists = hmdb51._read_lists(folder)
    assert not lists.problems and not lists.altered and lists.classes == hmdb51.CLASSES
    entries = list(lists.entries.values())
    assert len(entries) == hmdb51.OFFICIAL["clips"]
    odd = [entry for entry in entries if re.search(r"[^A-Za-z0-9_.-]", entry.name)]
    assert len(odd) == 536 and any(entry.name.startswith("#") for entry in entries)
    for split, (films, clips) in enumerate(((133, 457), (149, 527), (144, 529))):
        assert sum(entry.sides[split] == "" for entry in entries) == 1666
        # Of one class no film is on both sides; of all classes together many are, as the module says.
        seen = {
            side: {e.group.partition("/")[2] for e in entries if e.sides[split] == side} for side in ("train", "test")
        }
        both = seen["train"] & seen["test"]
        tested = [e for e in entries if e.sides[split] == "test" and e.group.partition("/")[2] in both]
        assert (len(both), len(tested)) == (films, clips)
