"""Making sets: the same content however it is made, nothing finished is lost, nothing is mixed."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unlabeled.datasets.world import esc50, manifest
from unlabeled.datasets.world.make import SETS, ensure, make
from unlabeled.errors import UnlabeledError, WrongCall

MAKE = """
import sys
from pathlib import Path
from unlabeled.datasets.world.make import make
if __name__ == "__main__":
    make(["esc50"], "nano", 0, Path(sys.argv[1]), jobs=int(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    return make(["esc50"], "nano", 0, tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def root(nano):
    return content(nano)


def content(out):
    return manifest.read(out / "ESC-50").content_root


def in_another_process(out, jobs):
    return subprocess.Popen([sys.executable, "-c", MAKE, str(out), str(jobs)], stderr=subprocess.PIPE)


class Killed(Exception):
    pass


def stop_at(count):
    """A progress callback that breaks off when this many items are finished."""

    def progress(done, total):
        if done == count:
            raise Killed

    return progress


def test_two_runs_agree_to_the_byte(nano, tmp_path):
    make(["esc50"], "nano", 0, tmp_path)
    for file in sorted(path for path in (nano / "ESC-50").rglob("*") if path.is_file()):
        assert file.read_bytes() == (tmp_path / file.relative_to(nano)).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["ESC-50"]


def test_two_processes_give_the_same_content(root, tmp_path):
    heard = []
    make(["esc50"], "nano", 0, tmp_path, jobs=2, progress=lambda *counts: heard.append(counts))
    assert content(tmp_path) == root
    assert manifest.check(tmp_path / "ESC-50") == []
    assert heard[0] == (0, 100) and heard[-1] == (100, 100) and heard == sorted(heard)


def test_reversed_order_gives_the_same_content(root):
    made = [file for clip in reversed(esc50.items("nano", 0)) for file in esc50.files(clip)]
    made += esc50.tables("nano", esc50.items("nano", 0))
    assert manifest.content_root(manifest.Entry(f.path, 0, "", f.content) for f in made) == root


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_broken_off_call_goes_on(root, tmp_path, jobs):
    with pytest.raises(Killed):
        make(["esc50"], "nano", 0, tmp_path, jobs=jobs, progress=stop_at(40))
    assert not (tmp_path / "ESC-50").exists()
    work = tmp_path / "ESC-50.partial"
    lines = (work / "journal.jsonl").read_text().splitlines()
    kept = [json.loads(line)["files"][0]["path"] for line in lines[1:]]
    assert len(kept) == 40
    stamps = {path: (work / "ESC-50" / path).stat().st_mtime_ns for path in kept}
    heard = []
    make(["esc50"], "nano", 0, tmp_path, progress=lambda done, total: heard.append(done))
    assert heard[0] == 40
    assert all((tmp_path / "ESC-50" / path).stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    assert content(tmp_path) == root and manifest.check(tmp_path / "ESC-50") == []
    assert not work.exists()


def test_torn_journal_and_torn_files_are_made_anew(root, tmp_path):
    with pytest.raises(Killed):
        make(["esc50"], "nano", 0, tmp_path, progress=stop_at(30))
    work = tmp_path / "ESC-50.partial"
    with (work / "journal.jsonl").open("a") as journal:
        journal.write('{"item": "1-1000')
    clips = sorted((work / "ESC-50" / "audio").iterdir())
    clips[3].write_bytes(clips[3].read_bytes()[:100])
    clips[4].unlink()
    (work / "ESC-50" / "audio" / "x.wav.99.tmp").write_bytes(b"half")
    heard = []
    make(["esc50"], "nano", 0, tmp_path, progress=lambda done, total: heard.append(done))
    assert heard[0] == 28
    assert content(tmp_path) == root and manifest.check(tmp_path / "ESC-50") == []


def test_a_partial_folder_of_something_else_is_started_anew(root, tmp_path):
    with pytest.raises(Killed):
        make(["esc50"], "nano", 9, tmp_path, progress=stop_at(10))
    heard = []
    make(["esc50"], "nano", 0, tmp_path, progress=lambda done, total: heard.append(done))
    assert heard[0] == 0
    assert content(tmp_path) == root and manifest.check(tmp_path / "ESC-50") == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_process_leaves_what_the_next_one_goes_on_with(root, tmp_path, jobs):
    journal = tmp_path / "ESC-50.partial" / "journal.jsonl"
    process = in_another_process(tmp_path, jobs)
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_text().count("\n") > 5) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    heard = []
    make(["esc50"], "nano", 0, tmp_path, progress=lambda done, total: heard.append(done))
    assert heard[0] >= 5
    assert content(tmp_path) == root and manifest.check(tmp_path / "ESC-50") == []
    assert [path.name for path in tmp_path.iterdir()] == ["ESC-50"]


def test_three_makers_at_once_end_well(root, tmp_path):
    makers = [in_another_process(tmp_path, jobs=1) for _ in range(3)]
    for process in makers:
        words = process.communicate()[1]
        assert process.returncode == 0, words.decode()
    assert content(tmp_path) == root and manifest.check(tmp_path / "ESC-50") == []
    assert [path.name for path in tmp_path.iterdir()] == ["ESC-50"]


def test_a_finished_set_is_left_untouched(tmp_path, monkeypatch):
    make(["esc50"], "nano", 0, tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    monkeypatch.setattr(esc50, "render", None)
    heard = []
    assert make(["esc50"], "nano", 0, tmp_path, progress=lambda *counts: heard.append(counts)) == tmp_path
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == stamps
    assert heard == [(100, 100)]


def test_a_kill_between_renaming_and_clearing_up_does_no_harm(root, tmp_path):
    make(["esc50"], "nano", 0, tmp_path)
    work = tmp_path / "ESC-50.partial"
    work.mkdir()
    (work / "lock").touch()
    (work / "journal.jsonl").write_text("{}\n")
    make(["esc50"], "nano", 0, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["ESC-50"] and content(tmp_path) == root


@pytest.mark.parametrize(("preset", "seed"), [("mini", 0), ("nano", 1)])
def test_another_set_in_the_place_is_refused(nano, preset, seed):
    with pytest.raises(UnlabeledError, match=rf"preset nano, seed 0; asked for .*preset {preset}, seed {seed}"):
        make(["esc50"], preset, seed, nano)


def test_another_state_of_the_generator_is_refused(tmp_path):
    make(["esc50"], "nano", 0, tmp_path)
    file = tmp_path / "ESC-50" / manifest.NAME
    file.write_text(file.read_text().replace(manifest.read(tmp_path / "ESC-50").generator, "0" * 64))
    with pytest.raises(UnlabeledError, match="another state of the generator"):
        make(["esc50"], "nano", 0, tmp_path)


def test_a_folder_of_real_data_is_refused(tmp_path):
    (tmp_path / "ESC-50" / "audio").mkdir(parents=True)
    with pytest.raises(UnlabeledError, match="no synthetic set"):
        make(["esc50"], "nano", 0, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["ESC-50"]


def test_wrong_calls_name_what_there_is(tmp_path):
    with pytest.raises(WrongCall, match=r"'esc51'(.|\n)*known sets: esc50"):
        make(["esc51"], "nano", 0, tmp_path)
    with pytest.raises(WrongCall, match=r"'huge'(.|\n)*nano, mini, small"):
        make(["esc50"], "huge", 0, tmp_path)
    with pytest.raises(WrongCall, match="0 processes"):
        make(["esc50"], "nano", 0, tmp_path, jobs=0)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_hold_a_folder_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UnlabeledError, match=str(tmp_path / "file")):
        make(["esc50"], "nano", 0, tmp_path / "file")


def test_a_full_disk_keeps_what_is_finished(root, tmp_path, monkeypatch):
    write, left = Path.write_bytes, [25]

    def full(path, data):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UnlabeledError, match=rf"{tmp_path} \(No space left"):
        make(["esc50"], "nano", 0, tmp_path)
    monkeypatch.undo()
    heard = []
    make(["esc50"], "nano", 0, tmp_path, progress=lambda done, total: heard.append(done))
    assert heard[0] == 25 and content(tmp_path) == root


def test_ensure_has_a_root_for_each_request(root, tmp_path):
    first = ensure("esc50", "nano", 0, tmp_path)
    other = ensure("esc50", "nano", 1, tmp_path)
    assert content(first) == root != content(other)
    assert first.parent == other.parent == tmp_path and first != other
    assert ensure("esc50", "nano", 0, tmp_path) == first


def test_sets_are_listed_with_their_official_folder():
    assert {name: made.folder for name, made in SETS.items()} == {
        "esc50": "ESC-50", "dcase2013": "DCASE2013", "ucf101": "UCF101", "hmdb51": "HMDB51", "davis2017": "DAVIS",
        "jhmdb": "JHMDB", "imagenet_folder": "imagenet_folder", "pool": "pool",
    }  # fmt: skip


NOT_BUILT = {"music": 14e6, "voc2007": 4e6}
"""Bytes that are kept for sets to come."""


def test_mini_as_a_whole_keeps_to_its_size():
    def size(made):
        items = made.items("mini", 1)
        some = items[:: len(items) // 8]
        return sum(len(file.data) for item in some for file in made.files(item)) * len(items) / len(some)

    sizes = {name: size(made) for name, made in SETS.items()}
    assert not sizes.keys() & NOT_BUILT.keys()
    assert sum(sizes.values()) + sum(NOT_BUILT.values()) < 140e6, sizes
