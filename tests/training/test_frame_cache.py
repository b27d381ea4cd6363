"""The frame cache: the bytes that decoding gives, made once by whoever comes first, or not at all."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from films import frame_folder, number_frames, picture_items, sound_items, video_items

from unlabeled.contracts import Info, Pick, Request
from unlabeled.datasets.decode import video
from unlabeled.errors import BadData, UnlabeledError
from unlabeled.streams import Rng
from unlabeled.training import facts, frame_cache
from unlabeled.training.loading import Loader

RNG = Rng(0)


def ends(info: Info, rng: Rng) -> Pick:
    """A random frame and the last one."""
    return Pick(((int(rng.numpy("k").integers(info.frames)), info.frames - 1),))


REQUEST = Request("clips", 14, ends, augment=("crop", "jitter"))


def frames_of(loader: Loader, count: int = 4) -> list[torch.Tensor]:
    found = loader.from_step(0)
    return [next(found).frames for _ in range(count)]


def equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture
def decoded(monkeypatch) -> list:
    """Files that are decoded from here on."""
    seen = []

    def counting(read):
        return lambda path, *rest: seen.append(path) or read(path, *rest)

    for name in ("some_frames", "all_frames"):
        monkeypatch.setattr(facts, name, counting(getattr(facts, name)))
    monkeypatch.setattr(video, "facts", counting(video.facts))
    return seen


def test_batches_are_the_same_and_nothing_is_decoded_again(tmp_path, decoded):
    items = [*video_items(tmp_path, 3), *picture_items(tmp_path, 2), frame_folder(tmp_path / "f", number_frames(4))]
    plain = frames_of(Loader(items, REQUEST, 3, RNG))
    told = []
    first = frames_of(Loader(items, REQUEST, 3, RNG, cache=tmp_path / "cache", tell=told.append))
    decoded.clear()
    second = frames_of(Loader(items, REQUEST, 3, RNG, cache=tmp_path / "cache", tell=told.append))
    assert equal(plain, first) and equal(plain, second) and decoded == []
    # Read at 16: 3 videos of 10 and a folder of 4 frames at 16 x 21, two pictures at 16 x 21.
    (made,) = (tmp_path / "cache").glob("*.u8")
    assert made.stat().st_size == (30 + 4 + 2) * 16 * 21 * 3
    assert told == ["decoding all frames once into a cache of 0.04 MB"]


def test_it_holds_the_bytes_of_the_frames(tmp_path):
    items = video_items(tmp_path, 2)
    known = facts.examine(items, False, False, None, 1)
    cache = frame_cache.ensure(items, known, 12, tmp_path / "cache", None, 2, print)
    wanted = np.stack([facts.resize(frame, 12) for frame in video.read_frames(items[1].path)])
    assert np.array_equal(cache.read(1, range(10)), wanted)
    assert np.array_equal(cache.read(1, [9, 0, 9]), wanted[[9, 0, 9]])


def test_another_size_or_a_changed_file_is_another_cache(tmp_path, decoded):
    items = video_items(tmp_path, 2)
    for request in (REQUEST, replace(REQUEST, size=7)):
        Loader(items, request, 2, RNG, cache=tmp_path / "cache")
    assert len(list((tmp_path / "cache").glob("*.u8"))) == 2
    items[0].path.write_bytes(video_items(tmp_path / ".." / tmp_path.name, 2, frames=5)[0].path.read_bytes())
    decoded.clear()
    loader = Loader(items, REQUEST, 2, RNG, cache=tmp_path / "cache")
    assert [info.frames for info in loader.infos] == [5, 5] and decoded
    assert len(list((tmp_path / "cache").glob("*.u8"))) == 3
    assert equal(frames_of(loader), frames_of(Loader(items, REQUEST, 2, RNG)))


def test_above_the_limit_frames_are_decoded_and_a_word_is_said(tmp_path):
    items = video_items(tmp_path, 2)
    told = []
    need = 20 * 16 * 21 * 3
    loader = Loader(items, REQUEST, 2, RNG, cache=tmp_path / "cache", cache_bytes=need - 1, tell=told.append)
    assert told == ["frames are decoded in every epoch: a cache would take 0.02 MB, at most 0.02 MB is allowed"]
    assert not list((tmp_path / "cache").glob("frames-*"))
    assert equal(frames_of(loader), frames_of(Loader(items, REQUEST, 2, RNG)))
    Loader(items, REQUEST, 2, RNG, cache=tmp_path / "cache", cache_bytes=need)
    assert len(list((tmp_path / "cache").glob("*.u8"))) == 1


def test_a_share_of_the_free_disk_is_the_limit(tmp_path, monkeypatch):
    class Usage:
        free = 1000

    monkeypatch.setattr(frame_cache.shutil, "disk_usage", lambda folder: Usage)
    told = []
    Loader(video_items(tmp_path, 2), REQUEST, 2, RNG, cache=tmp_path / "cache", tell=told.append)
    assert "at most 0.00 MB is allowed" in told[0]


def test_sounds_need_no_cache(tmp_path):
    pick = lambda info, rng: Pick(sound=((0.0, 0.1),))  # noqa: E731
    loader = Loader(sound_items(tmp_path, 2), Request("av", 14, pick, rate=8000), 2, RNG, cache=tmp_path / "cache")
    assert next(iter(loader)).frames is None and not list((tmp_path / "cache").glob("*.u8"))


MAKER = """
import sys, time
from pathlib import Path
from unlabeled.contracts import VideoItem
from unlabeled.training import facts, frame_cache
folder = Path(sys.argv[1])
items = [VideoItem(f"clip{k}", folder / f"clip{k}.mkv") for k in range(3)]
whole = facts.all_frames
def slowly(path):
    for frame in whole(path):
        print("frame", flush=True)
        time.sleep(float(sys.argv[2]))
        yield frame
facts.all_frames = slowly
known = facts.examine(items, False, False, None, 1)
frame_cache.ensure(items, known, 16, folder / "cache", None, 1, print)
"""


def maker(folder, pause: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MAKER, str(folder), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_maker_that_is_killed_leaves_nothing_that_counts(tmp_path):
    items = video_items(tmp_path, 3)
    process = maker(tmp_path, 0.2)
    told = [process.stdout.readline() for _ in range(5)]
    assert told[-1] == "frame\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert list((tmp_path / "cache").glob("*.partial")) and not list((tmp_path / "cache").glob("*.u8"))
    loader = Loader(items, REQUEST, 3, RNG, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.partial"))
    assert equal(frames_of(loader), frames_of(Loader(items, REQUEST, 3, RNG)))


def test_two_makers_at_once_make_one(tmp_path):
    items = video_items(tmp_path, 3)
    process = maker(tmp_path, 0.02)
    while "frame" not in process.stdout.readline():
        assert process.poll() is None
    told = []
    begin = time.monotonic()
    Loader(items, REQUEST, 3, RNG, cache=tmp_path / "cache", tell=told.append)
    process.communicate()
    assert process.returncode == 0 and told == [] and time.monotonic() - begin > 0.2


def test_a_torn_line_of_facts_is_looked_at_again(tmp_path, decoded):
    items = video_items(tmp_path, 3)
    for _ in range(2):
        Loader(items, REQUEST, 3, RNG, cache=tmp_path / "cache")
    known = tmp_path / "cache" / "facts.jsonl"
    known.write_bytes(known.read_bytes().rstrip(b"\n")[:-20])
    decoded.clear()
    for _ in range(2):
        Loader(items, REQUEST, 3, RNG, cache=tmp_path / "cache")
    assert len(decoded) == 1


def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch):
    items = video_items(tmp_path, 2)
    known = facts.examine(items, False, False, None, 1)
    for frames in (9, 11):
        wrong = [replace(known[0], frames=frames), known[1]]
        with pytest.raises(BadData, match=r"clip0.mkv has changed while its frames were read"):
            frame_cache.ensure(items, wrong, 12, tmp_path / "cache", None, 1, print)
    assert not list((tmp_path / "cache").glob("*.u8"))


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(frame_cache.os, "posix_fallocate", full)
    with pytest.raises(UnlabeledError, match=r"partial cannot be written: No space left"):
        Loader(video_items(tmp_path, 2), REQUEST, 2, RNG, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.partial"))
