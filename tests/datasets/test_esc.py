"""The ESC readers: both layouts, the official counts, and every way in which a folder can lie."""

import csv
import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from unlabeled import registry
from unlabeled.datasets import _esc, _folders
from unlabeled.errors import BadData

RATE = 8000
HEAD = list(_esc.COLUMNS)


def rows(classes=2, per_class=5):
    """One clip of each class and fold, recordings all different."""
    made = []
    for target in range(classes):
        for fold in range(1, per_class + 1):
            recording = str(1000 + 10 * target + fold)
            name = f"{fold}-{recording}-A-{target}.wav"
            made.append([name, str(fold), str(target), f"class{target}", "True", recording, "A"])
    return made


def write_table(root: Path, table, clips=None, head=HEAD) -> Path:
    folder = root / "ESC-50"
    (folder / "audio").mkdir(parents=True)
    (folder / "meta").mkdir()
    with (folder / "meta" / "esc50.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([head, *table])
    rng = np.random.default_rng(0)
    for row in table if clips is None else clips:
        soundfile.write(folder / "audio" / Path(row[0]).name, rng.uniform(-0.5, 0.5, RATE), RATE, subtype="PCM_16")
    return folder


def survey(folder, limit=None, name="esc50"):
    return registry.load("datasets", name).survey(folder, limit)


def kinds(found, fatal=True):
    return {problem.kind for problem in found.problems if problem.fatal is fatal}


def test_items_stand_by_class_then_file_name(tmp_path):
    found = survey(write_table(tmp_path, rows()[::-1]))
    assert [(item.target, item.fold) for item in found.items] == [(t, f) for t in range(2) for f in range(1, 6)]
    assert found.classes == ("class0", "class1") and not kinds(found)
    assert found.items[0].recording == "1001"


def test_a_small_set_at_another_rate_is_altered_and_a_subset(tmp_path):
    found = survey(write_table(tmp_path, rows()))
    assert found.label.kinds == ("altered", "subset")
    assert "another rate" in found.label.text and "10 of 2,000 clips" in found.label.text
    assert kinds(found, fatal=False) == {"another rate"} and found.rate == 44_100


def test_limit_keeps_the_first_of_each_class_and_fold(tmp_path):
    table = [*rows(), ["1-2001-B-0.wav", "1", "0", "class0", "True", "2001", "B"]]
    folder = write_table(tmp_path, table)
    assert len(survey(folder).items) == 11 and len(survey(folder, limit=1).items) == 10
    assert "subset" in survey(folder, limit=1).label.kinds


@pytest.mark.parametrize(
    "change, kind",
    [
        (lambda t: t[0].__setitem__(1, "2"), "name and row differ"),
        (lambda t: t[0].__setitem__(1, "7"), "wrong fold"),
        (lambda t: t[0].__setitem__(2, "1"), "name and row differ"),
        (lambda t: t[0].__setitem__(5, "99"), "name and row differ"),
        (lambda t: t[0].__setitem__(6, "B"), "name and row differ"),
        (lambda t: t[0].__setitem__(4, "yes"), "bad row"),
        (lambda t: t[0].__setitem__(0, "dog.wav"), "bad row"),
        (lambda t: t[0].__setitem__(0, "../../x/1-1001-A-0.wav"), "bad row"),
        (lambda t: t[0].pop(), "bad row"),
        (lambda t: t.append(t[0]), "listed twice"),
    ],
)
def test_rows_that_lie(tmp_path, change, kind):
    table = rows()
    clips = [list(row) for row in table]
    change(table)
    found = survey(write_table(tmp_path, table, clips))
    assert kind in kinds(found) and found.label.kinds == ("broken",)


def test_missing_columns(tmp_path):
    with pytest.raises(BadData, match="columns"):
        survey(write_table(tmp_path, rows(), head=[*HEAD[:-1], "tape"]))


@pytest.mark.parametrize("field", ['"', '"' + "x" * 200_000, "y" * 200_000])
def test_a_table_that_is_no_csv_names_the_line(tmp_path, field):
    folder = write_table(tmp_path, rows())
    table = folder / "meta" / "esc50.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:3], field + lines[3], *lines[4:]]))
    with pytest.raises(BadData, match=r"meta/esc50\.csv, line 4: "):
        survey(folder)


@pytest.mark.parametrize(
    "name, change", [("esc50", lambda t: t.clear()), ("esc10", lambda t: [r.insert(4, "False") or r.pop(5) for r in t])]
)
def test_a_table_without_clips_of_the_set_is_broken(tmp_path, name, change):
    table = rows()
    change(table)
    found = survey(write_table(tmp_path, table), name=name)
    assert kinds(found) == {"no clips"} and found.label.kinds == ("broken",) and not found.items


def test_files_without_rows_and_rows_without_files(tmp_path):
    table = rows()
    found = survey(write_table(tmp_path / "a", table, table[1:]))
    assert kinds(found) == {"missing file"} and found.problems[0].where == "1-1001-A-0.wav"
    assert "subset" in found.label.kinds and found.found["clips"] == 9
    found = survey(write_table(tmp_path / "b", table[1:], table))
    assert kinds(found) == {"file without a row"} and found.label.kinds == ("broken",)


def test_a_recording_in_two_folds_is_an_error(tmp_path):
    table = [*rows(), ["2-1001-B-0.wav", "2", "0", "class0", "True", "1001", "B"]]
    found = survey(write_table(tmp_path, table))
    assert kinds(found) == {"recording in two folds"}


def test_the_known_cross_class_recordings_are_told_not_refused(tmp_path):
    two = [["2-131943-A-0.wav", "2", "0", "class0", "True", "131943", "A"]]
    two += [["3-131943-B-1.wav", "3", "1", "class1", "True", "131943", "B"]]
    found = survey(write_table(tmp_path / "a", rows() + two))
    assert not kinds(found) and "recording in two folds" in kinds(found, fatal=False)
    same_class = [two[0], ["3-131943-B-0.wav", "3", "0", "class0", "True", "131943", "B"]]
    found = survey(write_table(tmp_path / "b", rows() + same_class))
    assert "recording in two folds" in kinds(found)


def test_bad_files_are_named_together(tmp_path):
    folder = write_table(tmp_path, rows())
    clips = sorted((folder / "audio").iterdir())
    clips[0].write_bytes(b"")
    clips[1].write_bytes(clips[1].read_bytes()[:-100])
    clips[2].write_text("no sound")
    found = survey(folder)
    bad = [problem for problem in found.problems if problem.kind == "unreadable file"]
    assert {problem.where for problem in bad} == {clip.name for clip in clips[:3]}
    assert found.label.kinds == ("broken",)


def test_silent_and_stereo_clips_are_told(tmp_path):
    folder = write_table(tmp_path, rows())
    clips = sorted((folder / "audio").iterdir())
    soundfile.write(clips[0], np.zeros(RATE), RATE, subtype="PCM_16")
    soundfile.write(clips[1], np.full((RATE, 2), 0.1), RATE, subtype="PCM_16")
    found = survey(folder)
    assert not kinds(found) and {"silent clip", "several channels"} <= kinds(found, fatal=False)
    assert "several channels" in found.label.text


def test_samples_beyond_full_scale_are_told(tmp_path):
    folder = write_table(tmp_path, rows())
    clips = sorted((folder / "audio").iterdir())
    soundfile.write(clips[0], np.full(RATE, 1.5, np.float32), RATE, subtype="FLOAT")
    soundfile.write(clips[1], np.full(RATE, -1.0, np.float32), RATE, subtype="FLOAT")
    found = survey(folder)
    told = [problem for problem in found.problems if problem.kind == "beyond full scale"]
    assert not kinds(found) and [problem.where for problem in told] == [clips[0].name]
    assert "1.5" in told[0].what


# ---------------------------------------------------------------- the folder layout


def write_folders(root: Path, classes=10, per_fold=1, seconds=3.0, name="ESC-10") -> Path:
    """Class folders with copies of one clip under names of their own."""
    root.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, round(44_100 * seconds))
    soundfile.write(root / "clip.ogg", samples, 44_100)
    for k in range(classes):
        directory = root / name / f"{k + 1:03d} - Class {k}"
        directory.mkdir(parents=True)
        for fold in range(1, 6):
            for n in range(per_fold):
                shutil.copy(root / "clip.ogg", directory / f"{fold}-{10_000 * n + 100 * k + fold}-A.ogg")
    return root / name


def test_folder_layout(tmp_path):
    folder = write_folders(tmp_path)
    (folder / "README.md").write_text("other things may lie beside")
    reader = registry.load("datasets", "esc10")
    found = reader.survey(reader.find(tmp_path))
    assert found.layout == "folders" and found.classes[3] == "Class 3" and not kinds(found)
    assert found.label.text == "subset: 50 of 400 clips, 5 of 5 folds"
    (folder / "001 - Class 0" / "9-1-A.ogg").write_bytes(b"")
    (folder / "001 - Class 0" / "notes.txt").write_text("")
    assert kinds(reader.survey(reader.find(tmp_path))) == {"wrong fold", "odd file"}


LIST = [f"{k}/{fold}-{100 * k + fold}-A.ogg" for k in range(10) for fold in range(1, 6)]
SMALL = _esc.Official("esc10", clips=50, classes=10, per_class_and_fold=1, folders=_esc._digest(LIST))
"""The set that `write_folders` makes, as if it were a released one."""


def small(folder, limit=None, **known):
    return _esc.survey(dataclasses.replace(SMALL, **known), folder, only_esc10=True, limit=limit, memo=_folders.look)


def test_the_folder_layout_is_official_by_its_list_or_its_bytes(tmp_path):
    folder = write_folders(tmp_path)
    assert small(folder).label.text == "official (lists and counts)"
    hashes = [(item.id, _folders.sha256(item.path)) for item in small(folder).items]
    content = _folders.content_root(hashes)
    assert small(folder, content=content).label.text == "official"
    assert small(folder, content="0").label.text == "altered: other bytes than the released files"
    clip = folder / "001 - Class 0" / "1-1-A.ogg"
    clip.rename(clip.with_name("1-1-B.ogg"))
    assert small(folder).label.text == "altered: another file list"
    assert small(folder, content=content).label.kinds == ("altered",)


@pytest.mark.parametrize(
    "seconds, text", [(2.4, "altered: clips that are not 5 s long"), (7.3, "official (lists and counts)")]
)
def test_lengths_that_no_released_ogg_can_have_are_altered(tmp_path, seconds, text):
    assert small(write_folders(tmp_path, seconds=seconds)).label.text == text


def test_fifty_folders_of_noise_are_not_official(tmp_path):
    reader = registry.load("datasets", "esc50")
    write_folders(tmp_path, classes=50, per_fold=8, seconds=0.05, name="ESC-50")
    found = reader.survey(reader.find(tmp_path))
    assert found.found == found.expected and not kinds(found)
    assert found.label.text == "altered: clips that are not 5 s long, another file list"


def test_a_limit_makes_a_subset_of_whatever_the_whole_set_is(tmp_path):
    folder = write_folders(tmp_path)
    extra = folder / "001 - Class 0" / "1-9-A.ogg"
    shutil.copy(tmp_path / "clip.ogg", extra)
    whole = {"clips": 51, "folders": _esc._digest([*LIST, "0/1-9-A.ogg"])}
    full, found = small(folder, **whole), small(folder, 1, **whole)
    assert found.label.kinds == ("subset",)
    assert found.label.text == "subset of official (lists and counts): first 1 of each class and fold (50 clips)"
    assert len(found.items) == 50 and found.found["clips"] == 51 and found.fingerprint == full.fingerprint
    found = small(folder, 1)
    assert found.label.text == "subset: 51 of 50 clips, 5 of 5 folds; first 1 of each class and fold (50 clips)"
    soundfile.write(extra, np.zeros((132_300, 2)), 44_100)
    found = small(folder, 1, **whole)
    assert found.label.kinds == ("altered", "subset") and len(found.items) == 50
    text = "altered: clips with several channels; subset: first 1 of each class and fold (50 clips)"
    assert found.label.text == text
    extra.write_bytes(b"")
    assert kinds(small(folder, 1)) == {"unreadable file"}


@pytest.mark.parametrize("there", [9, 11])
@pytest.mark.parametrize("root", [".", "ESC-10"])
def test_a_set_with_a_class_too_few_or_too_many_is_found_and_broken(tmp_path, there, root):
    write_table(tmp_path, rows())
    folder = write_folders(tmp_path, classes=there)
    reader = registry.load("datasets", "esc10")
    assert reader.find(tmp_path / root) == folder
    found = reader.survey(folder)
    assert kinds(found) == {"class folders"} and found.label.kinds == ("broken",)
    assert found.problems[0].where == f"{there} of 10 class folders"


def test_an_esc50_with_a_class_too_few_is_found_and_broken(tmp_path):
    write_folders(tmp_path, classes=49, name="ESC-50")
    reader = registry.load("datasets", "esc50")
    found = reader.survey(reader.find(tmp_path))
    assert [problem.where for problem in found.problems] == ["49 of 50 class folders"]


def test_class_folders_of_another_number_are_no_set_without_its_name(tmp_path):
    folder = write_folders(tmp_path, classes=9, name="noise")
    reader = registry.load("datasets", "esc10")
    assert reader.find(folder) is None
    write_table(folder, rows())
    assert reader.find(folder) == folder / "ESC-50"


def test_empty_class_folders_are_broken(tmp_path):
    folder = write_folders(tmp_path)
    for clip in folder.rglob("*.ogg"):
        clip.unlink()
    found = survey(folder, name="esc10")
    assert kinds(found) == {"no clips"} and found.label.kinds == ("broken",) and not found.items


@pytest.mark.parametrize("odd", [b"001 - Caf\xe9", b"001 - Dog\nbark"])
def test_a_class_folder_with_an_odd_name_is_named_in_print(tmp_path, odd):
    folder = write_folders(tmp_path)
    (folder / "001 - Class 0").rename(folder / os.fsdecode(odd))
    (folder / os.fsdecode(odd) / os.fsdecode(b"n\xf6.txt")).write_text("")
    found = survey(folder, name="esc10")
    assert kinds(found) == {"odd name", "odd file"} and len(found.items) == 50
    names = [*found.classes, *(item.id for item in found.items)]
    names += [text for problem in found.problems for text in (problem.where, problem.what)]
    assert all(name.isprintable() and name.encode() for name in names)
    assert len(found.fingerprint) == 64


# ---------------------------------------------------------------- what is no file, and links


def a_folder(path):
    path.mkdir()


def a_link_to_nothing(path):
    path.symlink_to("nothing.ogg")


def a_link_to_itself(path):
    path.symlink_to(path.name)


@pytest.mark.parametrize("make", [a_folder, a_link_to_nothing, a_link_to_itself, os.mkfifo])
@pytest.mark.parametrize("layout", ["table", "folders"])
def test_a_clip_that_is_no_file_is_named_and_never_opened(tmp_path, layout, make):
    folder = write_table(tmp_path, rows()) if layout == "table" else write_folders(tmp_path)
    reader = registry.load("datasets", "esc50" if layout == "table" else "esc10")
    item = reader.survey(folder).items[3]
    item.path.unlink()
    make(item.path)

    def memo(file, look):
        assert file != item.path
        return look(file)

    found = reader.survey(folder, memo=memo)
    assert [p.where for p in found.problems if p.fatal] == [item.id] and kinds(found) == {"not a file"}
    assert found.label.kinds == ("broken",) and item not in found.items


@pytest.mark.parametrize("linked", ["audio", "meta", "meta/esc50.csv"])
def test_folders_and_lists_that_leave_the_root_are_refused(tmp_path, linked):
    folder = write_table(tmp_path, rows())
    (folder / linked).rename(tmp_path / "outside")
    (folder / linked).symlink_to(tmp_path / "outside")
    with pytest.raises(BadData, match="leave the data root"):
        survey(folder)


def test_class_folders_that_leave_the_root_are_refused(tmp_path):
    folder = write_folders(tmp_path)
    (folder / "001 - Class 0").rename(tmp_path / "outside")
    (folder / "001 - Class 0").symlink_to(tmp_path / "outside")
    with pytest.raises(BadData, match="leave the data root"):
        survey(folder, name="esc10")
    (folder / "001 - Class 0").unlink()
    (tmp_path / "outside").rename(folder / "inside")
    (folder / "001 - Class 0").symlink_to("inside")
    assert not kinds(survey(folder, name="esc10"))


def test_a_root_that_is_a_link_itself_is_accepted(tmp_path):
    write_folders(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "ESC-10").symlink_to(tmp_path / "a" / "ESC-10")
    reader = registry.load("datasets", "esc10")
    assert len(reader.survey(reader.find(tmp_path / "b")).items) == 50


def test_links_that_leave_the_root_are_refused(tmp_path):
    folder = write_table(tmp_path, rows())
    clip = sorted((folder / "audio").iterdir())[0]
    clip.rename(tmp_path / "outside.wav")
    clip.symlink_to(tmp_path / "outside.wav")
    with pytest.raises(BadData, match="leave the data root"):
        survey(folder)


def test_the_fingerprint_moves_with_lists_sizes_and_bytes(tmp_path):
    folder = write_table(tmp_path, rows())
    before = survey(folder).fingerprint
    assert survey(folder).fingerprint == before
    clip = sorted((folder / "audio").iterdir())[0]
    samples, rate = soundfile.read(clip)
    soundfile.write(clip, -samples, rate, subtype="PCM_16")
    assert survey(folder).fingerprint != before


def test_the_fingerprint_moves_with_what_is_wrong_and_not_with_the_place(tmp_path):
    folder = write_table(tmp_path / "a", rows())
    shutil.copytree(folder, tmp_path / "b")
    prints = [survey(folder).fingerprint]
    assert survey(tmp_path / "b").fingerprint == prints[0]
    for orphan in ("1-77-A-0.wav", "1-78-A-0.wav"):
        (folder / "audio" / orphan).write_bytes(b"")
        prints.append(survey(folder).fingerprint)
    folder = write_folders(tmp_path / "c")
    prints.append(survey(folder, name="esc10").fingerprint)
    for stray in ("9-1-A.ogg", "notes.txt"):
        (folder / "001 - Class 0" / stray).write_bytes(b"")
        prints.append(survey(folder, name="esc10").fingerprint)
    assert len(set(prints)) == 6


def test_a_changed_file_breaks_a_generated_set(nano, tmp_path):
    shutil.copytree(nano, tmp_path / "world")
    reader = registry.load("datasets", "esc50")
    folder = reader.find(tmp_path / "world")
    assert reader.survey(folder).label.kinds == ("world",)
    clip = sorted((folder / "audio").iterdir())[0]
    samples, rate = soundfile.read(clip)
    soundfile.write(clip, samples * 0.5, rate, subtype="PCM_16")
    found = reader.survey(folder)
    assert kinds(found) == {"changed file"} and found.label.kinds == ("broken",)


def test_the_generated_set_holds_both(nano):
    esc50, esc10 = (registry.load("datasets", name) for name in ("esc50", "esc10"))
    assert len(esc50.survey(esc50.find(nano)).items) == 100
    found = esc10.survey(esc10.find(nano))
    assert len(found.classes) == 10 and found.label.text.startswith("world esc50@") and found.rate == 8000


# ---------------------------------------------------------------- real data


def test_official_esc10(real_data):
    reader = registry.load("datasets", "esc10")
    found = reader.survey(reader.find(real_data))
    assert found.label.text == "official" and not found.problems
    assert found.found == found.expected and found.classes[0] == "Dog bark"
    part = reader.survey(reader.find(real_data), limit=1)
    assert part.label.kinds == ("subset",) and len(part.items) == 50
    assert part.label.text == "subset of official: first 1 of each class and fold (50 clips)"
    assert part.fingerprint == found.fingerprint and not part.problems


def test_official_esc10_minus_one_clip_is_a_subset(real_data, tmp_path):
    shutil.copytree(real_data / "ESC-10", tmp_path / "ESC-10")
    clip = next((tmp_path / "ESC-10" / "001 - Dog bark").glob("*.ogg"))
    clip.chmod(0o644)
    clip.parent.chmod(0o755)
    clip.unlink()
    reader = registry.load("datasets", "esc10")
    assert reader.survey(tmp_path / "ESC-10").label.text == "subset: 399 of 400 clips, 5 of 5 folds"


def test_official_table_with_a_slice_of_the_clips(real_data):
    reader = registry.load("datasets", "esc50")
    found = reader.survey(reader.find(real_data))
    missing = [problem for problem in found.problems if problem.kind == "missing file"]
    assert len(missing) == 1976 and found.found["clips"] == 24
    assert found.label.text == "subset: 24 of 2,000 clips, 1 of 5 folds"
    told = {problem.where for problem in found.problems if problem.kind == "recording in two folds"}
    assert told == _esc.CROSS_CLASS


@pytest.mark.parametrize("name, only_esc10", [("esc50", False), ("esc10", True)])
def test_the_official_table_is_the_one_we_know(real_data, name, only_esc10):
    from unlabeled.datasets import esc10, esc50

    official = {"esc50": esc50, "esc10": esc10}[name].OFFICIAL
    listing = _esc._read_table(real_data / "ESC-50", only_esc10)
    assert listing.digest == official.table and len(listing.items) == official.clips


OWN_ORDER = (0, 10, 11, 20, 38, 21, 40, 41, 1, 12)
"""ESC-10's class folders as targets of ESC-50 (its SOURCE.md)."""


@pytest.mark.parametrize("name, order", [("esc50", range(50)), ("esc10", OWN_ORDER)])
def test_the_official_list_of_the_folder_layout_follows_from_the_table(real_data, name, order):
    from unlabeled.datasets import esc10, esc50

    with (real_data / "ESC-50" / "meta" / "esc50.csv").open() as stream:
        table = [row for row in csv.DictReader(stream) if int(row["target"]) in order]
    lines = [f"{order.index(int(r['target']))}/{r['fold']}-{r['src_file']}-{r['take']}.ogg" for r in table]
    assert _esc._digest(lines) == {"esc50": esc50, "esc10": esc10}[name].OFFICIAL.folders


def test_the_official_esc10_has_the_list_that_we_know(real_data):
    from unlabeled.datasets import esc10

    assert _esc._read_folders(real_data / "ESC-10", 10).digest == esc10.OFFICIAL.folders
