"""The reader of mixtures given as files: both layouts, and every way in which a folder can lie."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from unlabeled import registry
from unlabeled.datasets import music
from unlabeled.errors import BadData

RATE = 8000


def noise(seed=0, n=800, top=0.2):
    """A wave that 16 bits hold exactly."""
    return np.round(np.random.default_rng(seed).uniform(-top, top, n) * 32768) / 32768


def write(file: Path, wave, rate=RATE, subtype="PCM_16") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, wave, rate, subtype=subtype)
    return file


def write_mixture(folder: Path, sources=2, seed=0, with_sum=True) -> Path:
    """Sources ref0, ref1, ... and their sum."""
    waves = [noise(100 * seed + k) for k in range(sources)]
    for k, wave in enumerate(waves):
        write(folder / f"ref{k}.wav", wave)
    if with_sum:
        write(folder / "mix.wav", sum(waves))
    return folder


@pytest.fixture
def small(tmp_path):
    """Two mixtures with their sums."""
    for seed, name in enumerate(("a", "b")):
        write_mixture(tmp_path / "mixtures" / name, seed=seed)
    return tmp_path / "mixtures"


def survey(folder, limit=None):
    return music.DATASET.survey(folder, limit)


def kinds(found, fatal=True):
    return {problem.kind for problem in found.problems if problem.fatal is fatal}


def wheres(found, kind):
    return [problem.where for problem in found.problems if problem.kind == kind]


def text(found, kind):
    (problem,) = (problem for problem in found.problems if problem.kind == kind)
    return problem.what


# ---------------------------------------------------------------- listing


def test_the_registry_knows_it_and_finds_its_folder(small, tmp_path):
    reader = registry.load("datasets", "music")
    assert reader.find(tmp_path) == reader.find(small) == small
    assert reader.find(small / "a") is None
    assert (reader.id, reader.modality, reader.world) == ("music", "sound", "")
    assert not reader.blank().items
    write(tmp_path / "elsewhere" / "0.wav", noise())
    assert reader.find(tmp_path / "elsewhere") is None


@pytest.mark.parametrize("name", ["separation", "MUSIC", "mixtures"])
def test_names_that_are_looked_for_below_a_root(tmp_path, name):
    write_mixture(tmp_path / name / "a")
    assert music.DATASET.find(tmp_path) == tmp_path / name


def test_mixtures_are_read_in_order_with_a_label_that_says_altered(small):
    found = survey(small)
    assert not found.problems and (found.rate, found.classes) == (RATE, ())
    assert [item.id for item in found.items] == ["a", "b"]
    assert [file.name for file in found.items[0].sources] == ["ref0.wav", "ref1.wav"]
    assert found.items[0].mixture == small / "a" / "mix.wav"
    assert found.found == {"mixtures": 2, "sources": 4} and found.expected == {}
    assert found.label.kinds == ("altered",) and found.label.text == "altered: mixtures given as files (2)"


def test_a_limit_makes_a_subset(small):
    found = survey(small, limit=1)
    assert [item.id for item in found.items] == ["a"] and found.label.kinds == ("altered", "subset")
    assert found.label.text == "altered: mixtures given as files (2); subset: first 1"
    assert found.fingerprint == survey(small).fingerprint


def test_sources_are_ordered_by_number(tmp_path):
    write_mixture(tmp_path / "many", sources=12, with_sum=False)
    (item,) = survey(tmp_path).items
    assert [file.stem for file in item.sources] == [f"ref{k}" for k in range(12)] and item.mixture is None


def test_numbered_folders_hold_sources_under_any_name(tmp_path):
    for name in ("10.wav", "2.wav"):
        write(tmp_path / "ref01" / name, noise(int(name[:-4])))
    write(tmp_path / "ref02" / "voice.wav", noise(3))
    write(tmp_path / "ref02" / "drums.wav", noise(4))
    write(tmp_path / "est01" / "2.wav", noise(5))
    (tmp_path / "output01.json").write_text("{}")
    found = survey(tmp_path)
    names = {item.id: [file.name for file in item.sources] for item in found.items}
    assert names == {"ref01": ["2.wav", "10.wav"], "ref02": ["drums.wav", "voice.wav"]}
    assert not found.problems and all(item.mixture is None for item in found.items)


def test_estimates_beside_the_sources_are_no_sources(small):
    before = survey(small)
    write(small / "a" / "est0.wav", noise(9))
    (small / "a" / "scores.json").write_text("{}")
    assert survey(small) == before


def test_the_fingerprint_moves_with_names_and_bytes(small):
    before = survey(small).fingerprint
    assert survey(small).fingerprint == before
    write(small / "a" / "ref0.wav", noise(9))
    after = survey(small).fingerprint
    (small / "a").rename(small / "c")
    renamed = survey(small).fingerprint
    (small / "c" / "ref0.wav").write_bytes(b"")
    assert len({before, after, renamed, survey(small).fingerprint}) == 4


# ---------------------------------------------------------------- bad folders


def test_sources_of_several_rates_or_lengths_are_an_error(small):
    write(small / "a" / "ref1.wav", noise(1), rate=11_025)
    write(small / "b" / "ref1.wav", noise(1, n=799))
    found = survey(small)
    assert kinds(found) == {"sources of several rates", "sources of several lengths"}
    assert text(found, "sources of several rates") == "ref0.wav 8000 Hz, ref1.wav 11025 Hz"
    assert text(found, "sources of several lengths") == "ref0.wav 800 samples, ref1.wav 799 samples"
    assert found.label.kinds == ("broken",) and found.rate == 0


def test_mixtures_may_differ_from_each_other(small):
    for k in range(2):
        write(small / "b" / f"ref{k}.wav", noise(k, n=900), rate=16_000)
    (small / "b" / "mix.wav").unlink()
    found = survey(small)
    assert not found.problems and found.rate == 0


def test_bad_files_are_named_together(small):
    (small / "a" / "ref0.wav").write_bytes(b"")
    (small / "a" / "ref1.wav").write_text("no sound at all")
    content = (small / "b" / "ref0.wav").read_bytes()
    (small / "b" / "ref0.wav").write_bytes(content[:-100])
    write(small / "b" / "ref1.wav", np.full(800, np.nan), subtype="FLOAT")
    (small / "b" / "mix.wav").unlink()
    (small / "b" / "mix.wav").mkdir()
    write(small / "c" / "ref0.wav", [])
    found = survey(small)
    bad = ["a/ref0.wav", "a/ref1.wav", "b/ref0.wav", "b/ref1.wav", "c/ref0.wav"]
    assert wheres(found, "unreadable file") == bad and wheres(found, "not a file") == ["b/mix.wav"]
    assert any("NaN" in problem.what for problem in found.problems)
    assert found.label.kinds == ("broken",)


def test_numbers_of_sources_run_from_zero_without_a_gap(small):
    (small / "a" / "ref0.wav").unlink()
    for k in (3, 5):
        write(small / "b" / f"ref{k}.wav", noise(k))
    found = survey(small)
    assert wheres(found, "missing source") == ["a", "b"]
    assert [problem.what for problem in found.problems] == [
        "no ref0: numbers run from 0 without a gap",
        "no ref2, ref4: numbers run from 0 without a gap",
    ]


@pytest.mark.parametrize("name", ["ref00.wav", "Ref2.wav", "ref.wav", "ref 2.wav", "ref2b.wav", "reference.wav"])
def test_sources_with_odd_names_are_an_error(small, name):
    write(small / "a" / name, noise())
    found = survey(small)
    assert kinds(found) == {"odd file"} and wheres(found, "odd file") == [f"a/{name}"]


def test_two_files_for_one_source_are_an_error(small):
    (small / "a" / "ref1.ogg").write_bytes(b"")
    found = survey(small)
    assert kinds(found) == {"same source twice"} and wheres(found, "same source twice") == ["a/ref1"]


def test_a_mixture_without_sources_is_an_error(small):
    for k in range(2):
        (small / "a" / f"ref{k}.wav").unlink()
    (small / "empty").mkdir()
    (small / "ref07").mkdir()
    found = survey(small)
    assert kinds(found) == {"no sources"} and wheres(found, "no sources") == ["a", "empty", "ref07"]


def test_other_folders_are_told_and_hidden_things_passed_over(small):
    write(small / "speech" / "somebody.wav", noise())
    (small / ".git").mkdir()
    (small / "a" / "._ref0.wav").write_bytes(b"")
    (small / "README").write_text("")
    found = survey(small)
    assert not kinds(found) and wheres(found, "other folder") == ["speech"]


def test_a_folder_whose_name_cannot_be_printed(small):
    (small / "a").rename(small / os.fsdecode(b"\xe9"))
    found = survey(small)
    assert kinds(found) == {"odd name"} and wheres(found, "odd name") == ["\\udce9"]


def test_links_that_leave_the_root_are_refused(small, tmp_path):
    source = small / "a" / "ref1.wav"
    source.rename(tmp_path / "outside.wav")
    source.symlink_to(tmp_path / "outside.wav")
    with pytest.raises(BadData, match="leave the data root"):
        survey(small)
    source.unlink()
    (small / "a").rename(tmp_path / "outside")
    (small / "a").symlink_to(tmp_path / "outside")
    write(tmp_path / "outside" / "ref1.wav", noise())
    with pytest.raises(BadData, match="leave the data root"):
        survey(small)


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("nothing.wav")])
def test_a_source_that_is_no_file_is_named_and_never_opened(small, make):
    source = small / "a" / "ref0.wav"
    source.unlink()
    make(source)
    found = survey(small)
    assert [(p.kind, p.where) for p in found.problems] == [("not a file", "a/ref0.wav")]


# ---------------------------------------------------------------- told, not refused


def test_mixtures_that_cannot_be_scored_are_told(small):
    write(small / "a" / "ref0.wav", np.zeros(800))
    (small / "a" / "mix.wav").unlink()
    for k in range(2):
        write(small / "b" / f"ref{k}.wav", noise(5))
    (small / "b" / "mix.wav").unlink()
    write_mixture(small / "c", sources=1)
    found = survey(small)
    assert not kinds(found) and kinds(found, fatal=False) == {"silent source", "identical sources", "one source"}
    assert wheres(found, "silent source") == ["a/ref0.wav"] and wheres(found, "identical sources") == ["b"]
    assert text(found, "identical sources").startswith("ref0.wav and ref1.wav are the same file")


def test_channels_and_samples_beyond_full_scale_are_told(small):
    loud = 12 * noise()
    write(small / "a" / "ref0.wav", np.stack([loud, loud], 1), subtype="FLOAT")
    (small / "a" / "mix.wav").unlink()
    found = survey(small)
    assert not kinds(found) and kinds(found, fatal=False) == {"several channels", "beyond full scale"}
    assert text(found, "several channels") == "2 channels; their mean is used"


@pytest.mark.parametrize("rounding, told", [(0, False), (1, False), (2, True)])
def test_a_sum_may_be_off_by_the_rounding_of_16_bits(small, rounding, told):
    """Two sources and their sum, each rounded by up to half a step: one step and a half."""
    wave = noise(0) + noise(1)
    wave[7] += rounding / 32768
    write(small / "a" / "mix.wav", wave)
    assert bool(survey(small).problems) is told


@pytest.mark.parametrize(
    "wave, rate, words",
    [
        ((noise(0) + noise(1)) / 2, RATE, "off by up to 0.1"),
        ((noise(0) + noise(1))[:-1], RATE, "799 samples, the sources 800"),
        (noise(0) + noise(1), 16_000, "16000 Hz, the sources 8000 Hz"),
    ],
)
def test_a_mix_that_is_not_the_sum_is_told(small, wave, rate, words):
    write(small / "a" / "mix.wav", wave, rate)
    found = survey(small)
    assert not kinds(found) and wheres(found, "mixture is not the sum") == ["a/mix.wav"]
    told = text(found, "mixture is not the sum")
    assert told.startswith(words) and told.endswith("the sum of the sources is used")


# ---------------------------------------------------------------- real files


def test_the_real_pairs(real_data):
    folder = music.DATASET.find(real_data)
    found = survey(folder)
    assert folder == real_data / "separation" and not kinds(found)
    assert [item.id for item in found.items] == ["pair_sax_cello", "pair_speech"]
    assert kinds(found, fatal=False) <= {"other folder"}


def test_the_test_signals_of_the_evaluation_library(real_data):
    found = survey(music.DATASET.find(real_data / "separation" / "mir_eval"))
    sources = [len(item.sources) for item in found.items]
    assert [item.id for item in found.items] == [f"ref0{k}" for k in (1, 2, 3, 5, 6, 7, 8, 9)]
    assert not kinds(found) and min(sources) == 1 and max(sources) == 4
