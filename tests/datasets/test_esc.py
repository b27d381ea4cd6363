"""The ESC readers: both layouts, the official counts, and every way in which a folder can lie."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from unlabeled import registry
from unlabeled.datasets import _esc
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


def test_folder_layout(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(10):
        directory = tmp_path / "ESC-10" / f"{k + 1:03d} - Class {k}"
        directory.mkdir(parents=True)
        for fold in range(1, 6):
            soundfile.write(directory / f"{fold}-{100 * k + fold}-A.ogg", rng.uniform(-0.5, 0.5, 44_100), 44_100)
    (tmp_path / "ESC-10" / "README.md").write_text("other things may lie beside")
    reader = registry.load("datasets", "esc10")
    found = reader.survey(reader.find(tmp_path))
    assert found.layout == "folders" and found.classes[3] == "Class 3" and not kinds(found)
    assert found.label.text == "subset: 50 of 400 clips, 5 of 5 folds"
    (tmp_path / "ESC-10" / "001 - Class 0" / "9-1-A.ogg").write_bytes(b"")
    (tmp_path / "ESC-10" / "001 - Class 0" / "notes.txt").write_text("")
    assert kinds(reader.survey(reader.find(tmp_path))) == {"wrong fold", "odd file"}


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
    assert listing.table == official.table and len(listing.items) == official.clips
