"""The reader of unlabelled videos: three wrappings, sounds beside videos, and every way in which a folder can lie."""

import os
import sys

import numpy as np
import pytest
import soundfile
from videosets import video_bytes, write_frames, write_video

from unlabeled import registry
from unlabeled.contracts import VideoItem
from unlabeled.datasets.world import make
from unlabeled.errors import BadData

READER = registry.load("datasets", "pool")


def write_sound(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, np.zeros(800), 8000)
    return file


@pytest.fixture
def small(tmp_path):
    """All wrappings, two videos each."""
    pool = tmp_path / "pool"
    for name in ("kinetics/abseiling/abc_000000_000010", "kinetics/abseiling/abc_000010_000020"):
        write_video(pool / f"{name}.mp4", container="mp4")
    for name in ("audioset/-x1", "audioset/_y2", "flickr/10", "flickr/9"):
        write_video(pool / f"{name}.mp4", container="mp4")
    rows = '-x1, 0.000, 10.000, "/m/01,/m/02"\n_y2, 30.000, 40.000, "/m/03"\n'
    (pool / "audioset/segments.csv").write_text(f"# YTID, start_seconds, end_seconds, positive_labels\n{rows}")
    return pool


def survey(folder, limit=None, **more):
    return READER.survey(folder, limit, **more)


def problems(found, fatal=True):
    return {problem.kind: problem.what for problem in found.problems if problem.fatal is fatal}


# ---------------------------------------------------------------- what is read


def test_all_wrappings_are_read_without_labels(small):
    found = survey(small)
    assert [item.id for item in found.items] == [
        "audioset/-x1", "audioset/_y2", "flickr/10", "flickr/9", "kinetics/abseiling/abc_000000_000010",
        "kinetics/abseiling/abc_000010_000020",
    ]  # fmt: skip
    assert {(item.target, item.sides, item.sound) for item in found.items} == {(-1, (), None)} and not found.classes
    assert [item.group for item in found.items] == ["-x1", "_y2", "10", "9", "abc", "abc"]
    assert found.layout == "audioset + flickr + kinetics" and not found.problems
    assert found.label.kinds == ("altered",) and found.label.text == "altered: pool of 6 videos"
    assert found.found == {"videos": 6, "sound files": 0} and not READER.blank().items


def test_labels_of_segments_change_nothing(small):
    before = survey(small)
    table = small / "audioset/segments.csv"
    table.write_text(table.read_text().replace("/m/", "/t/"))
    after = survey(small)
    assert (after.items, after.fingerprint) == (before.items, before.fingerprint)


def test_videos_that_segments_name_and_nobody_has(small):
    with (small / "audioset/segments.csv").open("a") as file:
        file.write('gone1, 0.000, 10.000, ""\ngone2, 0.000, 10.000, ""\n')
    found = survey(small)
    assert problems(found, fatal=False) == {"missing videos": "no video of 2 of 4 listed: gone1, gone2"}
    assert found.label.text == "altered: pool of 6 videos; subset: 2 missing or unreadable"


def test_folders_of_frames_and_sounds_beside(tmp_path):
    frames = write_frames(tmp_path / "pool/film")
    sound = write_sound(tmp_path / "pool/film.wav")
    video = write_video(tmp_path / "pool/b.avi")
    write_sound(tmp_path / "pool/alone.wav")
    found = survey(tmp_path / "pool")
    assert found.items == (
        VideoItem("b", video, group="b"),
        VideoItem("film", frames, group="film", sound=sound),
    )
    assert found.layout == "videos" and found.found == {"videos": 2, "sound files": 1}
    assert problems(found, fatal=False) == {"sound without a video": "1 left alone: alone"}


def test_where_it_is_found(small):
    assert READER.find(small.parent) == READER.find(small) == small
    assert READER.find(small / "flickr") == small / "flickr"
    assert READER.find(small / "kinetics") == small / "kinetics"
    assert READER.find(small / "audioset/nothing") is None
    assert survey(small / "flickr").layout == "videos"


def test_a_data_root_with_other_sets_is_no_pool(tmp_path):
    write_video(tmp_path / "film.mp4", container="mp4")
    assert READER.find(tmp_path) == tmp_path
    write_video(tmp_path / "UCF-101/Punch/v_Punch_g01_c01.avi")
    assert READER.find(tmp_path) is None


def test_odd_names(tmp_path):
    names = ["a b", "#1 [x] & (y)", "Zoë", "100%d", "a.b", os.fsdecode(b"raw\xff")]
    for name in names:
        write_video(tmp_path / f"pool/{name}.avi")
    found = survey(tmp_path / "pool")
    assert not found.problems and {item.path.stem for item in found.items} == {*names}
    assert r"raw\udcff" in {item.id for item in found.items}


def test_a_limit_keeps_the_first(small):
    found = survey(small, limit=2)
    assert [item.id for item in found.items] == ["audioset/-x1", "audioset/_y2"]
    assert found.label.text == "altered: pool of 6 videos; subset: first 2 videos"


def test_the_fingerprint_moves_with_videos_and_sounds(small):
    before = survey(small).fingerprint
    assert survey(small).fingerprint == before
    write_video(small / "flickr/9.mp4", container="mp4", height=32)
    changed = survey(small).fingerprint
    write_sound(small / "flickr/9.wav")
    assert len({before, changed, survey(small).fingerprint}) == 3


def test_every_file_is_looked_into_once_through_the_memo(small):
    sound = write_sound(small / "flickr/9.wav")
    seen = []

    def memo(file, look):
        seen.append(file)
        return look(file)

    found = survey(small, memo=memo)
    assert sorted(seen) == sorted([sound, *(item.path for item in found.items)])


# ---------------------------------------------------------------- folders that lie


def test_all_bad_files_are_named_and_left_out(small):
    whole = video_bytes(container="mp4")
    (small / "flickr/9.mp4").write_bytes(whole[: len(whole) // 2])
    (small / "flickr/10.mp4").write_bytes(b"")
    (small / "audioset/-x1.wav").write_bytes(b"RIFF")
    found = survey(small)
    named = {problem.where: problem.what for problem in found.problems}
    assert [*named] == ["flickr/10.mp4", "flickr/9.mp4", "audioset/-x1.wav"]
    assert named["flickr/10.mp4"] == "is empty: left out" and "cut off" in named["flickr/9.mp4"]
    assert len(found.items) == 4 and not problems(found)
    assert found.label.text == "altered: pool of 4 videos; subset: 2 missing or unreadable"


def test_names_that_stand_twice(small):
    write_video(small / "flickr/9.avi")
    write_video(small / "kinetics/10.mp4", container="mp4")
    found = survey(small)
    assert problems(found) == {"two files of one name": "9.avi and 9.mp4: keep one"}
    assert "10" in problems(found, fatal=False)["same name in several folders"]


def test_packed_and_other_files(small, tmp_path):
    (small / "kinetics/part_1.tar.gz").write_bytes(b"")
    (small / "flickr/read me.txt").write_text("")
    told = problems(survey(small), fatal=False)
    assert "unpack" in told["packed file"] and "kinetics/part_1.tar.gz" in told["packed file"]
    assert told["other file"] == "1 left alone: flickr/read me.txt"
    packed = tmp_path / "other/pool"
    packed.mkdir(parents=True)
    (packed / "train.zip").write_bytes(b"PK")
    found = survey(READER.find(tmp_path / "other"))
    assert problems(found) == {"no videos": "there is no video below it; unpack train.zip"}


@pytest.mark.parametrize("what", ["file", "folder", "frame", "table"])
def test_links_that_leave_the_root_are_refused(small, tmp_path, what):
    elsewhere = tmp_path / "elsewhere"
    write_video(elsewhere / "a.avi")
    frames = write_frames(small / "flickr/film")
    link, target = {
        "file": (small / "flickr/a.avi", elsewhere / "a.avi"),
        "folder": (small / "more", elsewhere),
        "frame": (frames / "00005.jpg", write_frames(elsewhere / "b") / "00001.jpg"),
        "table": (small / "flickr/segments.csv", elsewhere / "a.avi"),
    }[what]
    link.symlink_to(target)
    with pytest.raises(BadData, match="leave the data root"):
        survey(small)


def test_links_inside_are_not_followed_in_circles(small):
    (small / "kinetics/again").symlink_to(small)
    found = survey(small)
    assert len(found.items) == 6 and problems(found, fatal=False) == {"other file": "1 left alone: kinetics/again"}


# ---------------------------------------------------------------- generated and real

LISTENERS: list[list[str]] = []


def hear(event, given):
    if event == "open":
        for heard in LISTENERS:
            heard.append(str(given[0]))


sys.addaudithook(hear)


@pytest.fixture
def opened():
    """Names of all files that are opened during a test."""
    LISTENERS.append([])
    yield LISTENERS[-1]
    LISTENERS.pop()


def test_the_hidden_truth_is_never_opened(small, opened):
    hidden = small / ".world"
    hidden.mkdir()
    (hidden / "truth.csv").write_text("id,kind\n")
    write_video(hidden / "secret.avi")
    opened.clear()
    found = survey(small)
    assert len(found.items) == 6 and not found.problems
    assert any(name.endswith("segments.csv") for name in opened)
    assert not any(".world" in name for name in opened)


def test_the_world_is_read_without_its_truth(tmp_path, opened):
    folder = READER.find(make.ensure("pool", "nano", 0, tmp_path))
    opened.clear()
    found = survey(folder)
    assert opened and not any("truth" in name for name in opened)
    assert found.label.kinds == ("world",) and not found.problems and found.items
    found.items[0].path.write_bytes(b"")
    assert "changed file" in problems(survey(folder))


def test_real_videos_with_sound(real_data):
    folder = real_data / "av"
    if not (folder / "nasa_13013.mp4").is_file():
        pytest.skip("no av below UNLABELED_DATA")
    found = survey(READER.find(folder))
    assert [item.id for item in found.items] == [
        "bento", "grid/bbaf2n", "grid/brbk7n", "grid/lwbsza", "grid/swiz3n", "nasa_13013",
    ]  # fmt: skip
    assert found.label.text == "altered: pool of 6 videos" and not problems(found)
    assert READER.find(real_data) is None
