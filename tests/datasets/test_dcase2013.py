"""The DCASE 2013 reader: both layouts, the official counts, and every way in which a folder can lie."""

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from unlabeled import registry
from unlabeled.contracts import SoundItem
from unlabeled.datasets import dcase2013
from unlabeled.datasets.world import make
from unlabeled.errors import BadData

RATE = 8000
DEVELOPMENT, TEST = "scenes_stereo", "scenes_stereo_testset"
NOTE = "no recording metadata"


def write(file: Path, channels=2, rate=RATE, seconds=0.1, seed=0) -> Path:
    """A clip of noise that no other name has."""
    rng = np.random.default_rng([seed, *file.name.encode(), *file.parent.name.encode()])
    samples = rng.uniform(-0.5, 0.5, (round(rate * seconds), channels))
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, samples, rate, subtype="PCM_16")
    return file


def write_set(root: Path, names: dict[str, list[str]], **clip) -> Path:
    for folder, stems in names.items():
        for stem in stems:
            write(root / "DCASE2013" / folder / f"{stem}.wav", **clip)
    return root / "DCASE2013"


def both(*classes, numbers=("02", "07")):
    """These classes and numbers in both sets."""
    stems = [f"{scene}{number}" for scene in classes for number in numbers]
    return {DEVELOPMENT: stems, TEST: stems}


@pytest.fixture
def small(tmp_path):
    return write_set(tmp_path, both("bus", "busystreet"))


NUMBERS = ("01", "02", "03", "05", "08", "09", "10", "11", "12", "20")


@pytest.fixture
def official(tmp_path):
    """The names of a whole release, with gaps in the numbers; short clips that `as_released` makes long."""
    return write_set(tmp_path, both(*dcase2013.CLASSES, numbers=NUMBERS))


def as_released(file, look):
    """The memo of a release: a gigabyte of clips of which every test would write its own."""
    return {**look(file), "rate": 44_100, "channels": 2, "frames": 1_323_000}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make.ensure("dcase2013", "nano", 0, tmp_path_factory.mktemp("world"))


def survey(folder, limit=None):
    return dcase2013.DATASET.survey(folder, limit)


def kinds(found, fatal=True):
    return {problem.kind for problem in found.problems if problem.fatal is fatal}


# ---------------------------------------------------------------- listing


def test_the_registry_knows_it_and_finds_its_folder(small):
    reader = registry.load("datasets", "dcase2013")
    assert reader.find(small.parent) == reader.find(small) == small
    assert reader.find(small / TEST) is None
    assert (reader.modality, reader.world) == ("sound", "dcase2013")


def test_a_class_is_the_name_without_its_number_and_a_set_is_a_fold(tmp_path):
    found = survey(write_set(tmp_path, both("tube", "tubestation", "bus", "busystreet")))
    assert found.classes == ("bus", "busystreet", "tube", "tubestation")
    assert [(item.target, item.fold) for item in found.items] == [(t, f) for t in range(4) for f in (1, 1, 2, 2)]
    assert found.layout == "scenes_stereo + scenes_stereo_testset" and not kinds(found)
    first = found.items[0]
    assert first.id == first.recording == "scenes_stereo/bus02.wav"
    assert len({item.id for item in found.items}) == 16


def test_digits_in_a_class_name_stay_in_it(tmp_path):
    assert survey(write_set(tmp_path, both("scene0", "scene1"))).classes == ("scene0", "scene1")


def test_the_other_name_of_the_test_set(small):
    (small / TEST).rename(small / "scenes_stereo_test")
    found = survey(small)
    assert found.layout == "scenes_stereo + scenes_stereo_test" and found.found["test clips"] == 4
    (small / TEST).mkdir()
    with pytest.raises(BadData, match="scenes_stereo_testset and scenes_stereo_test"):
        survey(small)


def test_limit_keeps_the_first_of_each_class_and_set(small):
    found = survey(small, limit=1)
    assert [item.path.name for item in found.items] == ["bus02.wav"] * 2 + ["busystreet02.wav"] * 2
    assert "subset" in found.label.kinds and "first 1 of each class and fold (4 clips)" in found.label.text


def test_that_places_are_not_named_is_told(small):
    assert NOTE in kinds(survey(small), fatal=False)


def test_the_fingerprint_moves_with_names_and_bytes(small):
    before = survey(small).fingerprint
    assert survey(small).fingerprint == before
    clip = small / TEST / "bus02.wav"
    write(clip, seed=1)
    after = survey(small).fingerprint
    clip.rename(clip.with_name("bus03.wav"))
    renamed = survey(small).fingerprint
    (small / TEST / "bus4.wav").write_bytes(b"")
    assert len({before, after, renamed, survey(small).fingerprint}) == 4


# ---------------------------------------------------------------- five folds of the development set


def folds(found):
    return {item.path.stem: item.fold for item in found.items}


def test_numbers_one_to_ten_give_the_folds_of_the_recipe(tmp_path):
    stems = [f"{scene}{n:02d}" for scene in ("bus", "park") for n in range(1, 11)]
    found = survey(write_set(tmp_path, {DEVELOPMENT: stems}))
    assert found.layout == dcase2013.ALONE and not kinds(found)
    expected = {1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3, 7: 4, 8: 4, 9: 5, 10: 5}
    assert folds(found) == {f"{scene}{n:02d}": fold for scene in ("bus", "park") for n, fold in expected.items()}


def test_gaps_below_ten_leave_the_folds_where_they_are(tmp_path):
    found = survey(write_set(tmp_path, {DEVELOPMENT: ["bus01", "bus05", "bus10"]}))
    assert folds(found) == {"bus01": 1, "bus05": 3, "bus10": 5}


def test_other_numbers_count_by_their_rank_in_the_class(tmp_path):
    numbers = [3, 11, 17, 20, 21, 40, 55, 56, 90, 99]
    stems = [f"bus{n:02d}" for n in numbers] + ["park01", "park04"]
    found = survey(write_set(tmp_path, {DEVELOPMENT: stems}))
    assert [folds(found)[f"bus{n:02d}"] for n in numbers] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert (folds(found)["park01"], folds(found)["park04"]) == (1, 2)


@pytest.mark.parametrize("clips, sizes", [(5, [1] * 5), (7, [2, 1, 2, 1, 1]), (12, [3, 2, 3, 2, 2])])
def test_any_number_of_clips_is_dealt_to_five_folds(clips, sizes):
    items = [SoundItem(f"bus{90 - n}", Path(f"bus{90 - n}.wav"), 0, 1, "") for n in range(clips)]
    dealt = dcase2013.five_folds(items)
    assert [item.fold for item in dealt] == sorted(item.fold for item in dealt)
    assert list(Counter(item.fold for item in dealt).values()) == sizes


# ---------------------------------------------------------------- bad folders


def test_a_misspelt_class_is_an_error(small):
    clip = small / DEVELOPMENT / "bus02.wav"
    clip.rename(clip.with_name("buss02.wav"))
    found = survey(small)
    assert kinds(found) == {"class on one side"} and found.label.kinds == ("broken",)
    assert [problem.where for problem in found.problems if problem.fatal] == ["buss"]
    shutil.rmtree(small / TEST)
    assert {problem.where for problem in survey(small).problems if problem.fatal} == {"bus", "buss"}


@pytest.mark.parametrize("name", ["bus2.wav", "02.wav", "bus02.flac", "bus02.WAV", "a bus02.wav", "._bus03.wav"])
def test_sounds_with_odd_names_are_an_error(small, name):
    (small / TEST / name).write_bytes(b"")
    found = survey(small)
    assert kinds(found) == {"odd file"} and found.label.kinds == ("broken",)
    assert found.problems[0].where == f"{TEST}/{name}"


def test_other_things_may_lie_beside_and_are_told(small):
    (small / "README").write_text("")
    (small / DEVELOPMENT / "README.txt").write_text("")
    found = survey(small)
    assert not kinds(found) and kinds(found, fatal=False) == {NOTE, "other file", "another rate"}


@pytest.mark.parametrize("name", [DEVELOPMENT, TEST])
def test_an_empty_set_is_broken(small, name):
    shutil.rmtree(small / name)
    (small / name).mkdir()
    found = survey(small)
    assert [(p.kind, p.where) for p in found.problems if p.fatal] == [("no clips", name)]
    assert found.label.kinds == ("broken",)


def test_bad_files_are_named_together(small):
    clips = sorted((small / DEVELOPMENT).iterdir())
    clips[0].write_bytes(b"")
    clips[1].write_bytes(clips[1].read_bytes()[:-100])
    clips[2].write_text("no sound at all")
    clips[3].unlink()
    clips[3].mkdir()
    found = survey(small)
    bad = {problem.where for problem in found.problems if problem.kind in ("unreadable file", "not a file")}
    assert bad == {f"{DEVELOPMENT}/{clip.name}" for clip in clips}
    assert found.label.kinds == ("broken",)


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("nothing.wav")])
@pytest.mark.parametrize("alone", [True, False])
def test_a_clip_that_is_no_file_is_named_and_never_opened(small, make, alone):
    clip = small / DEVELOPMENT / "bus02.wav"
    clip.unlink()
    make(clip)
    if alone:
        shutil.rmtree(small / TEST)

    def memo(file, look):
        assert file != clip
        return look(file)

    found = dcase2013.DATASET.survey(small, memo=memo)
    assert [(p.kind, p.where) for p in found.problems if p.fatal] == [("not a file", f"{DEVELOPMENT}/bus02.wav")]
    assert found.label.kinds == ("broken",) and all(item.path != clip for item in found.items)


def test_samples_beyond_full_scale_are_told(small):
    clip = small / TEST / "bus02.wav"
    soundfile.write(clip, np.full((RATE, 2), -2.5, np.float32), RATE, subtype="FLOAT")
    found = survey(small)
    told = [(p.where, "2.5" in p.what) for p in found.problems if p.kind == "beyond full scale"]
    assert told == [(f"{TEST}/bus02.wav", True)] and not kinds(found)


def test_names_that_are_no_utf8_are_named_in_print(small):
    for name in (b"n\xf6.txt", b"b\xfcs02.wav"):
        (small / TEST / os.fsdecode(name)).write_text("")
    found = survey(small)
    wheres = [problem.where for problem in found.problems]
    assert f"{TEST}/n\\udcf6.txt" in wheres and f"{TEST}/b\\udcfcs02.wav" in wheres
    assert kinds(found) == {"odd file"} and len(found.fingerprint) == 64


def test_silent_mono_and_surround_clips_and_other_rates_are_told(small):
    clips = sorted((small / DEVELOPMENT).iterdir())
    for clip in clips[:2]:
        soundfile.write(clip, np.zeros((RATE, 2)), RATE, subtype="PCM_16")
    write(clips[2], channels=1)
    write(clips[3], channels=4, rate=44_100)
    found = survey(small)
    assert not kinds(found)
    told = {"silent clip", "one channel", "several channels", "another rate", NOTE}
    assert kinds(found, fatal=False) == told and found.rate == 44_100
    rates = [problem.where for problem in found.problems if problem.kind == "another rate"]
    assert len(rates) == 7 and f"{DEVELOPMENT}/{clips[3].name}" not in rates
    assert {"altered", "subset"} == set(found.label.kinds)
    for words in ("at another rate", "not stereo", "not 30 s long"):
        assert words in found.label.text


def test_a_copy_in_the_test_set_is_an_error(small):
    shutil.copy(small / DEVELOPMENT / "bus02.wav", small / TEST / "bus31.wav")
    found = survey(small)
    assert kinds(found) == {"same clip twice"} and found.label.kinds == ("broken",)


def test_links_that_leave_the_root_are_refused(small, tmp_path):
    clip = small / TEST / "bus02.wav"
    clip.rename(tmp_path / "outside.wav")
    clip.symlink_to(tmp_path / "outside.wav")
    with pytest.raises(BadData, match="leave the data root"):
        survey(small)
    clip.unlink()
    (small / TEST).rename(tmp_path / "outside")
    (small / TEST).symlink_to(tmp_path / "outside")
    with pytest.raises(BadData, match="leave the data root"):
        survey(small)


# ---------------------------------------------------------------- labels


def test_the_blank_survey_has_the_official_classes_and_counts():
    blank = dcase2013.DATASET.blank()
    assert blank.classes == dcase2013.CLASSES and len(blank.classes) == 10 and not blank.items
    assert blank.found == blank.expected and blank.found["test clips"] == 100
    assert blank.label.kinds == ("official",)


def released(folder):
    return dcase2013.DATASET.survey(folder, memo=as_released)


def test_the_official_counts_earn_the_label(official):
    found = released(official)
    assert found.label.text == "official (lists and counts)" and kinds(found, fatal=False) == {NOTE}
    assert found.found == found.expected and found.classes == dcase2013.CLASSES
    assert found.rate == 44_100 and not kinds(found)


def test_a_limit_makes_a_subset_of_whatever_the_whole_set_is(official):
    found = dcase2013.DATASET.survey(official, limit=1, memo=as_released)
    assert found.label.kinds == ("subset",) and len(found.items) == 20
    assert found.label.text == "subset of official (lists and counts): first 1 of each class and fold (20 clips)"
    assert found.found == found.expected and found.fingerprint == released(official).fingerprint

    def memo(file, look):
        return {**as_released(file, look), **({"channels": 1} if file.name == "park09.wav" else {})}

    found = dcase2013.DATASET.survey(official, limit=1, memo=memo)
    assert found.label.kinds == ("altered", "subset")
    expected = "altered: clips that are not stereo; subset: first 1 of each class and fold (20 clips)"
    assert found.label.text == expected


@pytest.mark.parametrize(
    "fact, words",
    [
        ({"rate": 22_050, "frames": 661_500}, "altered: clips at another rate, resampled"),
        ({"channels": 1}, "altered: clips that are not stereo"),
        ({"frames": 1_300_000}, "altered: clips that are not 30 s long"),
        ({"frames": 1_323_001}, "official (lists and counts)"),
    ],
)
def test_one_clip_of_another_make_is_altered(official, fact, words):
    def memo(file, look):
        return {**as_released(file, look), **(fact if file.name == "park09.wav" else {})}

    found = dcase2013.DATASET.survey(official, memo=memo)
    assert found.label.text == words and not kinds(found)


def test_the_public_set_alone_is_altered(official):
    shutil.rmtree(official / TEST)
    found = released(official)
    assert found.label.kinds == ("altered",) and "public development set alone" in found.label.text
    assert set(Counter((item.target, item.fold) for item in found.items).values()) == {2}
    assert found.found["development clips"] == 100 and found.found["test clips"] == 0
    for number in ("01", "02"):
        (official / DEVELOPMENT / f"bus{number}.wav").unlink()
    found = released(official)
    assert found.label.kinds == ("altered", "subset")
    assert found.label.text.endswith("subset: 98 of 100 clips, 10 of 10 classes, a class with 8 of 10")


def test_missing_clips_and_classes_are_a_subset(official):
    for file in official.rglob("tubestation??.wav"):
        file.unlink()
    assert released(official).label.text == "subset: 180 of 200 clips, 9 of 10 classes"
    (official / TEST / "bus11.wav").unlink()
    found = released(official)
    assert found.label.kinds == ("subset",) and not kinds(found)
    assert found.label.text == "subset: 179 of 200 clips, 9 of 10 classes, a class with 9 of 10"


def test_more_clips_and_other_classes_are_altered(official):
    extra = write(official / TEST / "bus77.wav")
    found = released(official)
    assert found.label.kinds == ("altered",) and "more clips" in found.label.text
    extra.unlink()
    for file in sorted(official.rglob("park??.wav")):
        file.rename(file.with_name(file.name.replace("park", "parc")))
    assert released(official).label.text == "altered: other classes"


# ---------------------------------------------------------------- the generated set


def test_the_generated_set_is_read_as_it_was_made(world):
    from unlabeled.datasets.world import dcase2013 as generator

    reader = dcase2013.DATASET
    found = reader.survey(reader.find(world))
    assert found.label.kinds == ("world",) and found.label.text.startswith("world dcase2013@w1 · nano · seed 0")
    assert (found.rate, len(found.items)) == (8000, 40) and found.expected == found.found
    assert not kinds(found) and kinds(found, fatal=False) == {NOTE}
    made = {clip.name: (clip.scene, 1 + generator.SETS.index(clip.part)) for clip in generator.items("nano", 0)}
    assert {item.id: (item.target, item.fold) for item in found.items} == made
    assert found.classes == tuple(f"scene{k}" for k in range(10))


def test_a_generated_set_that_was_touched_is_broken_or_incomplete(world, tmp_path):
    shutil.copytree(world, tmp_path / "world")
    folder = dcase2013.DATASET.find(tmp_path / "world")
    clips = sorted(folder.rglob("*.wav"))
    clips[0].unlink()
    found = survey(folder)
    assert kinds(found) == {"missing file"} and found.label.kinds == ("world",)
    assert (found.found["clips"], found.expected["clips"]) == (39, 40)
    write(clips[1], seconds=3.0)
    found = survey(folder)
    assert kinds(found) == {"missing file", "changed file"} and found.label.kinds == ("broken",)
    clips[2].rename(clips[2].with_name("scene599.wav"))
    assert "changed file" in kinds(survey(folder))
