"""Separated sounds made elsewhere: a case on paper, stored scores of real pairs, and every kind of bad file."""

import gzip
import json
import shutil

import numpy as np
import pytest
import soundfile

from unlabeled import registry
from unlabeled.benchmarks.music_separation import METRICS
from unlabeled.compare import compare, load_items
from unlabeled.datasets import music
from unlabeled.errors import BadData
from unlabeled.given import GivenResults
from unlabeled.run import evaluate

RATE = 8000
N = 4000


def noise(seed, n=N):
    return np.random.default_rng(seed).uniform(-0.25, 0.25, n)


def write(file, wave, rate=RATE, subtype="FLOAT"):
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, wave, rate, subtype=subtype)
    return file


def write_mixture(data, results, name, leak=0.1, sources=2):
    """Sources of noise; each estimate is its source and `leak` times the sum of the others."""
    waves = np.stack([noise([len(name), *name.encode(), k]) for k in range(sources)])
    for k, wave in enumerate(waves):
        write(data / name / f"ref{k}.wav", wave)
        write(results / name / f"est{k}.wav", wave + leak * (waves.sum(0) - wave))
    return waves


@pytest.fixture
def places(tmp_path):
    """Three mixtures and their estimates."""
    data, results = tmp_path / "mixtures", tmp_path / "results"
    for k, name in enumerate("abc"):
        write_mixture(data, results, name, leak=0.1 * (k + 1))
    return data, results


def score(places, store, recipe=None, name="row", **asked):
    data, results = places
    given = GivenResults(results, name)
    return evaluate(given, "music_separation", data=data, recipe=recipe, store=store, **asked)


def items(record, store):
    return {item["id"]: item for (_, _), item in load_items(record, store.records).items()}


def refused(places, store, recipe=None):
    with pytest.raises(BadData) as caught:
        score(places, store, recipe)
    return caught.value.what


def means(record):
    return {name: held["value"] for name, held in record.scores.items()}


# ---------------------------------------------------------------- on paper


def test_the_registry_knows_it():
    benchmark = registry.load("benchmarks", "music_separation")
    assert [(metric.name, metric.unit) for metric in benchmark.metrics] == [(name, "dB") for name in METRICS]
    assert METRICS == ("nsdr", "sdr", "sir", "sar", "si_sdr")
    assert (benchmark.dataset, benchmark.pictures, benchmark.chance) == ("music", "sounds", None)
    assert list(benchmark.recipes) == ["in-order", "best-permutation"]


def write_halves(data, results, name, leak):
    """Two clicks a long way apart, so that every ratio of a leak can be worked out on paper."""
    waves = np.zeros((2, N))
    waves[0, 100], waves[1, 2000] = 0.5, 0.5
    for k in range(2):
        write(data / name / f"ref{k}.wav", waves[k])
        write(results / name / f"est{k}.wav", waves[k] + leak * waves[1 - k])


def test_leaks_on_paper(tmp_path, store):
    """A tenth of the other click leaks: 20 dB, nothing but interference; the mixture itself has 0 dB."""
    places = tmp_path / "mixtures", tmp_path / "results"
    write_halves(*places, "a", leak=0.1)
    write_halves(*places, "b", leak=0.01)
    record = score(places, store)
    assert means(record) == pytest.approx({"nsdr": 30, "sdr": 30, "sir": 30, "sar": 80, "si_sdr": 30}, abs=1e-5)
    units = {unit["unit"]: unit for unit in record.units}
    assert units["a"]["nsdr"] == pytest.approx(20, abs=1e-5) and units["b"]["sdr"] == pytest.approx(40, abs=1e-5)
    assert record.status == "complete" and record.scores["nsdr"]["n"] == 2
    assert record.scores["nsdr"]["interval"] == pytest.approx([20, 40], abs=1e-5)
    assert record.scores["nsdr"]["interval_kind"] == "bootstrap 95 %, 2 mixtures"
    assert record.breakdown["capped"] == {"nsdr": 0, "sdr": 0, "sir": 0, "sar": 4, "si_sdr": 0}
    assert any(note.startswith("cut to 80 dB, of 4 sources: sar 4") for note in record.notes)


def test_a_mixture_counts_once_whatever_its_number_of_sources(tmp_path, store):
    places = tmp_path / "mixtures", tmp_path / "results"
    write_mixture(*places, "a", leak=0.1)
    write_mixture(*places, "b", leak=0.5, sources=3)
    record = score(places, store)
    held = items(record, store)
    expected = np.mean([np.mean(held[name]["nsdr"]) for name in "ab"])
    assert record.scores["nsdr"]["value"] == pytest.approx(expected, abs=1e-12)
    assert [len(held[name]["sar"]) for name in "ab"] == [2, 3]
    assert held["a"]["sums"] == [pytest.approx(np.mean(held["a"]["nsdr"]))] and held["a"]["counts"] == [1]


def test_perfect_estimates_count_eighty_decibels(tmp_path, store):
    """NSDR is then 80 dB less the SDR of the mixture, not the difference of two kinds of rounding noise."""
    places = tmp_path / "mixtures", tmp_path / "results"
    write_halves(*places, "a", leak=0)
    record = score(places, store)
    assert means(record) == pytest.approx({"nsdr": 80, "sdr": 80, "sir": 80, "sar": 80, "si_sdr": 80}, abs=1e-5)
    assert record.scores["nsdr"]["interval"] is None
    assert set(record.breakdown["capped"].values()) == {2}


def test_estimates_that_share_nothing_with_their_source_have_a_floor(tmp_path, store):
    """Swapped clicks: SI-SDR is minus infinity on paper, which no record can hold."""
    places = tmp_path / "mixtures", tmp_path / "results"
    write_halves(*places, "a", leak=0)
    for k in range(2):
        shutil.copy(places[0] / "a" / f"ref{k}.wav", places[1] / "a" / f"est{1 - k}.wav")
    record = score(places, store)
    assert record.scores["si_sdr"]["value"] == -80 and record.scores["nsdr"]["value"] < -70
    swapped = score(places, store, "best-permutation")
    assert swapped.scores["sdr"]["value"] == 80 and items(swapped, store)["a"]["order"] == [1, 0]


def test_a_single_source_has_no_interference(tmp_path, store):
    places = tmp_path / "mixtures", tmp_path / "results"
    (wave,) = write_mixture(*places, "a", sources=1)
    write(places[1] / "a" / "est0.wav", wave + 0.1 * noise(5))
    record = score(places, store)
    assert record.scores["sir"]["value"] == 80 and record.breakdown["capped"]["sir"] == 1
    assert any("one source" in note for note in record.data["notes"])
    assert items(record, store)["a"]["sir"] == [80]


def test_a_single_source_has_no_nsdr(tmp_path, store):
    """What is its own mixture would have the SDR of the estimate minus 80 dB."""
    places = tmp_path / "mixtures", tmp_path / "results"
    (wave,) = write_mixture(*places, "single", sources=1)
    write(places[1] / "single" / "est0.wav", wave + 0.1 * noise(5))
    alone = score(places, store)
    assert set(alone.scores) == {"sdr", "sir", "sar", "si_sdr"} and alone.status == "complete"
    (item,) = items(alone, store).values()
    assert item["nsdr"] == [] and (item["sums"], item["counts"]) == ([0], [0])
    assert alone.units[0]["nsdr"] is None and alone.breakdown["capped"]["nsdr"] == 0
    assert "mixtures of one source, which have no NSDR: single" in alone.notes
    write_mixture(*places, "a")
    write_mixture(*places, "b", leak=0.3)
    record = score(places, store)
    held = items(record, store)
    assert record.scores["nsdr"]["value"] == pytest.approx(np.mean([np.mean(held[name]["nsdr"]) for name in "ab"]))
    assert record.scores["nsdr"]["n"] == 2 and record.scores["sdr"]["n"] == 3


# ---------------------------------------------------------------- lengths, levels, channels


def test_short_estimates_cut_the_sources_and_long_ones_are_cut(places, store):
    data, results = places
    waves = [soundfile.read(data / "a" / f"ref{k}.wav")[0] for k in range(2)]
    estimates = [soundfile.read(results / "a" / f"est{k}.wav")[0] for k in range(2)]
    write(results / "a" / "est0.wav", estimates[0][:-255])
    write(results / "a" / "est1.wav", np.concatenate([estimates[1], np.ones(99)]))
    record = score(places, store)
    for k in range(2):
        write(data / "a" / f"ref{k}.wav", waves[k][:-255])
        write(results / "a" / f"est{k}.wav", estimates[k][:-255])
    assert score(places, store).units[0] == record.units[0]
    assert any(note.endswith("by samples: a (255)") for note in record.notes)
    write(data / "a" / "ref0.wav", waves[0]), write(data / "a" / "ref1.wav", waves[1])
    write(results / "a" / "est0.wav", estimates[0][:-256])
    assert "3744 samples, the sources 4000: short by more than 255: a/est0.wav" in refused(places, store)


def test_a_gain_changes_nothing_and_full_scale_is_told(places, store):
    before = score(places, store)
    wave = soundfile.read(places[1] / "b" / "est0.wav")[0]
    write(places[1] / "b" / "est0.wav", 3.5 * wave / np.abs(wave).max())
    after = score(places, store)
    for name, value in means(before).items():
        assert after.scores[name]["value"] == pytest.approx(value, abs=1e-4)
    count = int((np.abs(3.5 * wave / np.abs(wave).max()) >= 1 - 2**-15).sum())
    assert any("full scale" in note and note.endswith(f"b 0 ({count})") for note in after.notes)
    assert not any("full scale" in note for note in before.notes)


def test_an_estimate_with_two_channels_is_their_mean(places, store):
    wave = soundfile.read(places[1] / "b" / "est1.wav")[0]
    write(places[1] / "b" / "est1.wav", np.stack([0.5 * wave, 1.5 * wave], 1))
    record = score(places, store)
    shutil.copytree(places[1], places[1].with_name("one"))
    write(places[1].with_name("one") / "b" / "est1.wav", wave)
    alone = score((places[0], places[1].with_name("one")), store)
    assert record.units[1]["sdr"] == pytest.approx(alone.units[1]["sdr"], abs=1e-4)
    assert any("several channels" in note and note.endswith("b 1") for note in record.notes)


# ---------------------------------------------------------------- undefined mixtures


def test_undefined_mixtures_are_left_out_and_make_the_result_partial(places, store):
    results = places[1]
    whole = score(places, store)
    write(results / "a" / "est1.wav", np.zeros(N))
    record = score(places, store)
    assert record.status == "partial" and record.scores["nsdr"]["n"] == 2
    kept = [unit["nsdr"] for unit in whole.units if unit["unit"] != "a"]
    assert record.scores["nsdr"]["value"] == pytest.approx(np.mean(kept), abs=1e-12)
    first = record.units[0]
    assert first["unit"] == "a" and first["n"] == 0 and all(first[name] is None for name in METRICS)
    held = items(record, store)["a"]
    assert held["undefined"] == "an estimate is silent" and held["sums"] == [0] and held["counts"] == [0]
    assert held["sdr"] == [] and record.breakdown["undefined"] == {"a": "an estimate is silent"}
    assert "partial: 1 of 3 mixtures undefined and left out, more than 10 %" in record.notes
    assert "1 of 3 mixtures undefined and left out: a (an estimate is silent)" in record.notes


def test_up_to_a_tenth_may_be_undefined(tmp_path, store):
    places = tmp_path / "mixtures", tmp_path / "results"
    for name in "abcdefghij":
        write_mixture(*places, name)
    write(places[0] / "c" / "ref1.wav", np.zeros(N))
    record = score(places, store)
    assert record.status == "complete" and record.scores["nsdr"]["n"] == 9
    assert record.breakdown["undefined"] == {"c": "reference 1 is silent"}
    shutil.copy(places[0] / "d" / "ref0.wav", places[0] / "d" / "ref1.wav")
    record = score(places, store)
    assert record.status == "partial"
    assert record.breakdown["undefined"]["d"] == "references 0 and 1 are the same signal"


def test_sources_that_cancel_leave_no_mixture(tmp_path, store):
    places = tmp_path / "mixtures", tmp_path / "results"
    write_mixture(*places, "a")
    waves = np.round(write_mixture(*places, "b", sources=3) * 2**15) / 2**15
    waves[2] = -waves[0] - waves[1]
    for k, wave in enumerate(waves):
        write(places[0] / "b" / f"ref{k}.wav", wave)
    assert score(places, store).breakdown["undefined"] == {"b": "the sum of the references is silent"}


def test_no_mixture_at_all_is_an_error(places, store):
    for name in "abc":
        write(places[1] / name / "est0.wav", np.zeros(N))
    assert "no mixture can be scored: a (an estimate is silent), b" in refused(places, store)


# ---------------------------------------------------------------- bad files


def test_bad_files_of_all_mixtures_are_told_together(places, store):
    results = places[1]
    write(results / "a" / "est0.wav", noise(0), rate=16_000)
    write(results / "a" / "est1.wav", noise(0, n=100))
    write(results / "b" / "est0.wav", np.full(N, np.nan))
    (results / "b" / "est1.wav").unlink()
    write(results / "c" / "est2.wav", noise(0))
    (results / "c" / "est0.wav").write_bytes(b"")
    (results / "c" / "est1.ogg").write_bytes(b"")
    told = refused(places, store).splitlines()
    assert told == [
        "a: results that cannot be scored",
        "  16000 Hz, the sources 8000 Hz (nothing is resampled): a/est0.wav",
        "  100 samples, the sources 4000: short by more than 255: a/est1.wav",
        "b: results that cannot be scored",
        "  holds NaN or infinite samples: b/est0.wav",
        "  is missing: b/est1.wav",
        "c: results that cannot be scored",
        "  is empty: c/est0.wav, c/est1.ogg (2 files)",
        "  a second file for one source: c/est1.wav",
        "  more than the 2 estimates est0, est1: c/est2.wav",
    ]


def test_a_folder_for_another_data_set_is_refused(places, store, tmp_path):
    write(tmp_path / "other" / "x" / "est0.wav", noise(0))
    with pytest.raises(BadData, match=r"holds no folder named like a mixture \(a, b, c\)"):
        score((places[0], tmp_path / "other"), store)


def test_results_one_folder_too_deep_are_named(places, store, tmp_path):
    (tmp_path / "all").mkdir()
    inner = places[1].rename(tmp_path / "all" / "ours")
    with pytest.raises(BadData) as caught:
        score((places[0], inner.parent), store)
    assert caught.value.todo.endswith(f"est0.wav est1.wav, as in {inner}: name that folder with --results")


def test_what_lies_there_instead_of_a_missing_file_is_told(places, store):
    for name in ("est0", "est1"):
        (places[1] / "a" / f"{name}.wav").rename(places[1] / "a" / f"{name}.mp3")
    (places[1] / "b" / "est0.wav").unlink()
    told = refused(places, store)
    assert "  is missing, .mp3 of that name lies there: a/est0.wav, a/est1.wav (2 files)\n" in told
    assert told.endswith("  is missing: b/est0.wav")


def test_a_mixture_without_results_is_told_with_its_files(places, store):
    shutil.rmtree(places[1] / "b")
    assert "b: results that cannot be scored\n  is missing: b/est0.wav, b/est1.wav (2 files)" in refused(places, store)


# ---------------------------------------------------------------- where estimates lie


def test_estimates_of_numbered_folders_bear_the_names_of_their_sources(tmp_path, store):
    data, results = tmp_path / "mixtures", tmp_path / "results"
    for k, name in enumerate(("drums", "voice")):
        write(data / "ref01" / f"{name}.wav", noise(k))
        write(results / "est01" / f"{name}.wav", noise(k) + 0.1 * noise(7))
    record = score((data, results), store)
    mixture = music.DATASET.survey(data).items[0]
    recipe = registry.load("benchmarks", "music_separation").recipes["in-order"]
    assert recipe.estimates(results, mixture) == [results / "est01" / f"{name}.wav" for name in ("drums", "voice")]
    assert record.scores["sdr"]["value"] > 10
    (results / "est01" / "voice.wav").rename(results / "est01" / "vocals.wav")
    told = refused((data, results), store)
    assert "is missing: est01/voice.wav" in told and "est01/vocals.wav" in told
    shutil.rmtree(results / "est01")
    for k in range(2):
        write(results / "ref01" / f"est{k}.wav", noise(k) + 0.1 * noise(7))
    assert score((data, results), store).scores == record.scores


def test_estimates_may_be_ogg_and_lie_beside_the_sources(places, store):
    data, results = places
    for name in "abc":
        for k in range(2):
            file = results / name / f"est{k}.wav"
            write(data / name / f"est{k}.ogg", soundfile.read(file)[0], subtype="VORBIS")
    record = score((data, data), store)
    assert record.status == "complete" and record.scores["sir"]["value"] > 5


# ---------------------------------------------------------------- runs


def test_two_runs_give_the_same_bytes(places, store):
    one, two = (score(places, store, overwrite="always") for _ in range(2))
    assert (one.units, one.scores, one.breakdown, one.notes) == (two.units, two.scores, two.breakdown, two.notes)
    assert one.items["sha256"] == two.items["sha256"]
    content = gzip.decompress((store.records / one.items["file"]).read_bytes())
    assert b"NaN" not in content and b"Infinity" not in content


def test_two_rows_can_be_compared(places, store):
    a = score(places, store)
    for name in "bc":
        wave = soundfile.read(places[1] / name / "est0.wav")[0]
        write(places[1] / name / "est0.wav", wave + noise(3))
    b = score(places, store, name="noisier")
    found = compare(a, store.records, b, store.records)
    assert found.kind == "sums" and found.n == 3
    assert found.difference == pytest.approx(a.scores["nsdr"]["value"] - b.scores["nsdr"]["value"])
    assert found.difference > 0


# ---------------------------------------------------------------- real files


@pytest.mark.parametrize("recipe, swap", [("in-order", False), ("best-permutation", False), ("best-permutation", True)])
def test_stored_scores_of_the_real_pairs(real_data, store, tmp_path, recipe, swap):
    """Every value of the evaluation library on the two real pairs; swapped files are put in order again."""
    folder = real_data / "separation"
    pairs = ("pair_sax_cello", "pair_speech")
    for pair in pairs:
        for k in range(2):
            target = tmp_path / "results" / pair / f"est{1 - k if swap else k}.wav"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / pair / f"est{k}.wav", target)
    record = score((folder, tmp_path / "results"), store, recipe)
    held, stored = items(record, store), {}
    for pair in pairs:
        stored[pair] = json.loads((folder / pair / "scores.json").read_text())
        stored[pair]["si_sdr"] = stored[pair]["si_sdr_no_mean_removal"]
        for name in METRICS:
            np.testing.assert_allclose(held[pair][name], stored[pair][name], rtol=0, atol=1e-6)
        mixture = np.subtract(held[pair]["sdr"], held[pair]["nsdr"])
        np.testing.assert_allclose(mixture, stored[pair]["mixture_as_estimate"]["sdr"], rtol=0, atol=1e-6)
        assert held[pair]["order"] == ([1, 0] if swap else [0, 1])
    for name in METRICS:
        expected = np.mean([np.mean(stored[pair][name]) for pair in pairs])
        assert record.scores[name]["value"] == pytest.approx(expected, abs=1e-6)
    assert record.status == "complete" and record.data["label"]["text"] == "altered: mixtures given as files (2)"


def test_swapped_estimates_are_clearly_negative_in_order(real_data, store, tmp_path):
    folder = real_data / "separation" / "pair_speech"
    shutil.copytree(folder, tmp_path / "mixtures" / "pair_speech")
    for k in range(2):
        target = tmp_path / "results" / "pair_speech" / f"est{1 - k}.wav"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / f"est{k}.wav", target)
    assert score((tmp_path / "mixtures", tmp_path / "results"), store).scores["nsdr"]["value"] < -5


def test_stored_scores_of_the_evaluation_librarys_signals(real_data, store):
    """One to four sources, one set with two channels, one whose best order is 2 0 1, one with infinite SIR."""
    folder = real_data / "separation" / "mir_eval"
    held = items(score((folder, folder), store, "best-permutation"), store)
    assert len(held) == 8
    for name, item in held.items():
        stored = json.loads((folder / f"output{name.removeprefix('ref')}.json").read_text())["Sources"]
        for key, metric in (("Distortion", "sdr"), ("Interference", "sir"), ("Artifact", "sar")):
            expected = np.minimum(stored[f"Source to {key}"], 80)
            np.testing.assert_allclose(item[metric], expected, rtol=0, atol=1e-6, err_msg=f"{name} {metric}")
        assert item["order"] == stored["Source permutation"]
    assert held["ref02"]["order"] == [2, 0, 1] and held["ref06"]["channels"] == [2, 2]
