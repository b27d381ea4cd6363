"""The synthetic esc50: layout, folds, sizes, and clips as they should be."""

from __future__ import annotations

import csv
import platform
from collections import Counter, defaultdict

import numpy as np
import pytest
import soundfile

from unlabeled.datasets.world import esc50, manifest
from unlabeled.datasets.world.knobs import ESC50, PRESETS
from unlabeled.datasets.world.make import make

NANO_0 = "48528882a5256dd2375e97dcb9c386f49323165f099863063bfc41ca964ad76e"
"""Content root of nano, seed 0, made on x86_64. It changes with any knob or generator, and then the
version has to."""

SIZES = {"nano": (10, 2, 2.0, 8000), "mini": (20, 4, 5.0, 8000), "small": (50, 8, 5.0, 22050)}


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    return make(["esc50"], "nano", 0, tmp_path_factory.mktemp("world")) / "ESC-50"


@pytest.fixture(scope="module")
def rows(nano):
    with (nano / "meta" / "esc50.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("preset", PRESETS)
def test_counts_of_each_preset(preset):
    kinds, clips, seconds, rate = SIZES[preset]
    size = ESC50.sizes[preset]
    assert (size.kinds, size.clips, size.seconds, size.rate) == SIZES[preset]
    items = esc50.items(preset, 3)
    assert len(items) == kinds * 5 * clips
    assert set(Counter((item.fold, item.target) for item in items).values()) == {clips}
    assert {item.target for item in items} == set(range(kinds))
    assert len(size.esc10) == 10 and set(size.esc10) <= set(range(kinds))
    assert len({item.name for item in items}) == len(items)
    assert [item.name for item in items] == sorted(item.name for item in items)
    sound = esc50.render(items[0])
    assert sound.samples.shape == (round(seconds * rate),) and sound.samples.dtype == np.int16


@pytest.mark.parametrize("preset", PRESETS)
def test_a_source_lies_in_one_fold_and_is_one_individual(preset):
    takes, places = defaultdict(list), defaultdict(set)
    for item in esc50.items(preset, 3):
        takes[item.source].append(item.take)
        places[item.source].add((item.fold, item.target, item.member))
    assert all(len(place) == 1 for place in places.values())
    assert len(set.union(*places.values())) == len(places)
    assert {tuple(sorted(letters)) for letters in takes.values()} == (
        {("A", "B")} if preset == "nano" else {("A",), ("A", "B")}
    )


def test_source_numbers_do_not_follow_the_kinds():
    items = esc50.items("mini", 3)
    pairs = np.array([(item.source, item.target, item.fold) for item in items], float)
    assert np.abs(np.corrcoef(pairs.T)[0, 1:]).max() < 0.15


def test_table_agrees_with_the_files(nano, rows):
    assert list(rows[0]) == ["filename", "fold", "target", "category", "esc10", "src_file", "take"]
    assert [row["filename"] for row in rows] == sorted(file.name for file in (nano / "audio").iterdir())
    for row in rows:
        assert row["filename"] == "{fold}-{src_file}-{take}-{target}.wav".format(**row)
        assert row["category"] == f"kind{int(row['target']):02d}"
        assert row["esc10"] == "True"


def test_esc10_of_mini_is_ten_kinds_that_keep_their_numbers():
    (table,) = esc50.tables("mini", esc50.items("mini", 0))
    listed = list(csv.DictReader(table.data.decode().splitlines()))
    targets = {int(row["target"]) for row in listed if row["esc10"] == "True"}
    assert targets == {0, 1, 2, 4, 5, 9, 12, 13, 15, 17}
    assert {row["esc10"] for row in listed} == {"True", "False"}


def test_wav_round_trip(nano):
    for clip in esc50.items("nano", 0)[::9]:
        made = esc50.render(clip).samples
        read, rate = soundfile.read(nano / "audio" / clip.name, dtype="int16")
        facts = soundfile.info(nano / "audio" / clip.name)
        assert (facts.subtype, facts.channels, rate) == ("PCM_16", 1, 8000)
        assert np.array_equal(read, made)


def test_no_clip_is_silent_or_out_of_level(nano):
    for file in (nano / "audio").iterdir():
        samples, rate = soundfile.read(file)
        level = 20 * np.log10(np.sqrt(np.mean(samples**2)))
        assert len(samples) == 2 * rate
        assert -26.01 < level < -17.99
        assert np.abs(samples).max() < 1.0
        assert np.count_nonzero(samples) > 0.9 * len(samples)


def test_takes_share_the_individual_and_nothing_else():
    first, second = (clip for clip in esc50.items("nano", 0) if clip.target == 4 and clip.fold == 2)
    assert first.source == second.source
    a, b = (clip.individual_stream("individual").random(4) for clip in (first, second))
    assert np.array_equal(a, b)
    assert esc50.render(first).active != esc50.render(second).active


def test_loudness_of_voice_and_ambience_is_as_drawn():
    for clip in esc50.items("nano", 5)[:40]:
        sound = esc50.render(clip)
        start, stop = sound.active
        power = np.sum(sound.voice**2) / ((stop - start) * 8000)
        snr = 10 * np.log10(power / np.mean(sound.ambience**2))
        assert ESC50.snr_db[0] - 0.01 <= snr <= ESC50.snr_db[1] + 0.01
        assert 0.3 <= (stop - start) / 2.0 <= 1.0 and start >= 0.0 and stop <= 2.0


def test_master_seeds_differ(nano):
    clip = esc50.items("nano", 0)[0]
    other = esc50.items("nano", 1)[0]
    assert not np.array_equal(esc50.render(clip).samples, esc50.render(other).samples)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the stored root is of the x86_64 family")
def test_content_is_what_it_was(nano):
    made = manifest.read(nano)
    assert made is not None and made.world == "esc50@w1"
    assert made.content_root == NANO_0


@pytest.mark.slow
def test_mini_keeps_to_its_size(tmp_path):
    folder = make(["esc50"], "mini", 0, tmp_path) / "ESC-50"
    assert len(list((folder / "audio").iterdir())) == 400
    assert sum(file.stat().st_size for file in folder.rglob("*.*")) < 33e6
    assert manifest.check(folder) == []
