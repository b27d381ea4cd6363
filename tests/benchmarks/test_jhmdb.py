"""JHMDB: a case on paper, the reference code's scores of a real clip, and every way in which results can be bad."""

import json
import re
import shutil

import numpy as np
import pytest
from scipy.io import savemat

from unlabeled import compare, registry, run
from unlabeled.benchmarks import jhmdb
from unlabeled.benchmarks._sums import interval
from unlabeled.benchmarks.metrics import pck
from unlabeled.datasets import jhmdb as reader
from unlabeled.datasets.decode import joints
from unlabeled.errors import BadData
from unlabeled.given import GivenResults
from unlabeled.intervals import ratio_of_sums
from unlabeled.streams import stream

J = len(pck.JOINTS)
REAL = "Goal_Keeping_Tips_catch_f_cm_np1_fr_med_2"
ODD = "Save!_(2)+f@0_catch_1"
SIDES = {
    ("catch", "catch_0"): "test train train",
    ("catch", ODD): "test test train",
    ("catch", "catch_2"): "train train test",
    ("walk", "walk_0"): "test train train",
    ("walk", "walk_1"): "train test test",
}


def body(frames: int) -> np.ndarray:
    """A truth `(2, 15, frames)` that stands still: every second joint at (100, 100), the others at (130, 140).

    The diagonal of its box is 50 pixels, the normaliser 30.
    """
    truth = np.full((2, J, frames), 100.0)
    truth[:, 1::2] += np.array([30, 40])[:, None, None]
    return truth


@pytest.fixture
def data(tmp_path):
    """Five clips of two classes, four frames each, in the lists of three splits."""
    root = tmp_path / "data"
    for action, clip in SIDES:
        write_truth(root, action, clip, body(4))
    splits = root / "JHMDB" / "splits"
    splits.mkdir()
    for action in ("catch", "walk"):
        for k in range(3):
            lines = [
                f"{clip}.avi {1 + (sides.split()[k] == 'test')}" for (a, clip), sides in SIDES.items() if a == action
            ]
            (splits / f"{action}_test_split{k + 1}.txt").write_text("\n".join(lines))
    return root


def write_truth(root, action, clip, truth):
    file = root / "JHMDB" / "joint_positions" / action / clip / "joint_positions.mat"
    file.parent.mkdir(parents=True, exist_ok=True)
    savemat(file, {"pos_img": truth + 1})


@pytest.fixture
def results(tmp_path):
    """The truth of every clip as a result."""
    for action, clip in SIDES:
        give(tmp_path / "results", f"{action}/{clip}", body(4))
    return tmp_path / "results"


def give(folder, name, positions):
    file = folder / f"{name}.npy"
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, positions)
    return file


@pytest.fixture
def score(data, store):
    """A run of a folder."""

    def scored(folder, recipe=None, name="row", data=data):
        return run.evaluate(GivenResults(folder, name), "jhmdb", data=data, recipe=recipe, store=store)

    return scored


def values(record):
    return [record.scores[name]["value"] for name in jhmdb.NAMES]


def refusal(score, folder, recipe=None) -> str:
    with pytest.raises(BadData) as fault:
        score(folder, recipe)
    return str(fault.value)


# ---------------------------------------------------------------- on paper


def test_a_case_on_paper(score, results):
    """Split 1 tests three clips. In the one of walk, joint 0 is 3 pixels off (0.1 of 30), joint 1 is 10 (0.33)."""
    moved = body(4)
    moved[0, 0] -= 3
    moved[1, 1] -= 10
    give(results, "walk/walk_0", moved)
    record = score(results)
    assert record.status == "complete" and [unit["unit"] for unit in record.units] == ["catch", "walk"]
    # At 0.1 and 0.2 joint 1 is right in 6 of 9 frames, all others always.
    below, above = (14 + 6 / 9) / 15, 1.0
    assert values(record) == pytest.approx([below, below, below, above, above])
    assert list(record.scores) == list(jhmdb.NAMES) and record.scores["pck@0.1"]["n"] == 3
    assert record.scores["pck@0.1"]["unit"] == "percent"
    assert [unit["pck@0.1"] for unit in record.units] == pytest.approx([1, 14 / 15])
    assert record.breakdown["actions"]["walk"]["pck@0.4"] == 1 and record.breakdown["actions"]["catch"]["clips"] == 2
    assert record.breakdown["joints"]["belly"]["pck@0.2"] == pytest.approx(6 / 9)
    assert record.breakdown["joints"]["neck"]["pck@0.1"] == 1 and record.breakdown["lost"] == 0
    assert record.breakdown["pck_strict"]["pck@0.1"] == pytest.approx(below) and not record.notes


def test_the_first_frame_is_not_scored(score, results):
    moved = body(4)
    moved[:, :, 0] = 0
    give(results, "walk/walk_0", moved)
    assert values(score(results)) == [1] * 5


def test_lost_joints_leave_the_count_and_are_told(score, results):
    moved = body(4)
    moved[:, 2, 2:] = -1
    give(results, f"catch/{ODD}", moved)
    record = score(results)
    assert values(record) == [1] * 5 and record.breakdown["lost"] == pytest.approx(2 / (3 * 3 * 15))
    strict = (14 + 7 / 9) / 15
    assert record.breakdown["pck_strict"]["pck@0.5"] == pytest.approx(strict)
    (note,) = record.notes
    assert note.startswith("1.5 % of all pairs have a lost joint and are left out; with them wrong: pck@0.1 98.5, ")
    record = score(results, "split1-strict")
    assert values(record) == pytest.approx([strict] * 5)
    assert record.notes == ("1.5 % of all pairs have a lost joint and are wrong",)


def test_the_other_normaliser(score, results):
    moved = body(4)
    moved[0] += 3.5
    give(results, "walk/walk_0", moved)
    assert values(score(results))[0] == pytest.approx(6 / 9), "3.5 pixels are more than 0.1 of 30"
    assert values(score(results, "split1-longest-side"))[0] == 1, "and less than 0.1 of 40"


def test_three_splits_are_their_plain_mean(score, results):
    draw = stream(20133, "splits")
    for action, clip in SIDES:
        give(results, f"{action}/{clip}", body(4) + draw.normal(0, 5, size=(2, J, 4)))
    parts = [values(score(results, f"split{k}")) for k in (1, 2, 3)]
    record = score(results, "splits123")
    assert values(record) == pytest.approx(np.mean(parts, axis=0))
    assert record.breakdown["splits"]["split 2"]["pck@0.1"] == parts[1][0]
    assert record.scores["pck@0.1"]["n"] == 5, f"{ODD} is tested in two splits, and is one clip"
    assert [unit["n"] for unit in record.units] == [3, 2]


@pytest.mark.parametrize("recipe", ["split1", "splits123", "split1-strict", "split1-longest-side"])
def test_scores_can_be_worked_out_from_the_items(score, results, store, recipe):
    draw = stream(20134, "items")
    for action, clip in SIDES:
        moved = body(4) + draw.normal(0, 4, size=(2, J, 4))
        moved[:, draw.uniform(size=(J, 4)) < 0.2] = -1
        give(results, f"{action}/{clip}", moved)
    record = score(results, recipe)
    items = list(compare.load_items(record, store.records).values())
    sums, counts = (np.array([item[name] for item in items]) for name in ("sums", "counts"))
    assert ratio_of_sums(sums, counts, np.ones((1, len(items))))[0] == pytest.approx(values(record)[0])
    ends, kind = interval(sums, counts, "clips")
    assert (tuple(record.scores["pck@0.1"]["interval"]), record.scores["pck@0.1"]["interval_kind"]) == (ends, kind)
    assert kind == f"bootstrap 95 %, {len(items)} clips"
    low, high = record.scores["pck@0.1"]["interval"]
    assert low < values(record)[0] < high


def test_two_results_are_compared_clip_by_clip(score, results, store, tmp_path):
    other = shutil.copytree(results, tmp_path / "other")
    moved = body(4)
    moved[0, 0] -= 4
    give(other, "walk/walk_0", moved)
    single = body(4)
    single[:, :, 1:] = -1
    for folder in (results, other):
        give(folder, "catch/catch_0", single)  # A clip without any pair.
    a, b = score(results, name="a"), score(other, name="b")
    found = compare.compare(a, store.records, b, store.records)
    assert (found.n, found.mean_a, found.mean_b) == (2, values(a)[0], values(b)[0])
    assert any("left out: catch catch_0" in note for note in found.notes)
    assert found.difference == pytest.approx(0.5 / 15)
    assert [(item.unit, item.id, item.better) for item in found.differing] == [("walk", "walk_0", "A")]


# ---------------------------------------------------------------- the reference code


def forms(folder, form, positions):
    """A real clip's result in each accepted form."""
    folder.mkdir()
    if form == "json":
        content = {"joints": positions.transpose(2, 1, 0).tolist()}
        (folder / f"{REAL}.json").write_text(json.dumps(content))
    elif form == "mat":
        (folder / "catch").mkdir()
        savemat(folder / "catch" / f"{REAL}.mat", {"pos_img": positions + 1})
    else:
        give(folder, f"catch/{REAL}" if form == "npy in its class" else REAL, positions)
    return folder


@pytest.mark.parametrize("form", ["npy", "npy in its class", "json", "mat"])
def test_the_stored_scores_of_a_real_clip(real_data, score, tmp_path, form):
    folder = real_data / "JHMDB"
    stored = json.loads((folder / "reference_pck.json").read_text())["reference_scores"]
    given = forms(tmp_path / "given", form, np.load(folder / "pck_case_predictions.npy"))
    record = score(given, "split3", data=real_data)
    assert record.status == "complete" and record.data["label"]["kinds"] == ["subset"]
    for name in jhmdb.NAMES:
        reference = stored[name.upper()]
        assert 100 * record.scores[name]["value"] == pytest.approx(reference["mean"], abs=1e-9)
        ours = [100 * record.breakdown["joints"][joint][name] for joint in pck.JOINTS]
        assert ours == pytest.approx(reference["per_joint"], abs=1e-9)
        assert record.units[0][name] == record.scores[name]["value"]
    assert 100 * record.scores["pck@0.1"]["value"] == pytest.approx(23.431407, abs=1e-6)
    lost = 15 * 39 - sum(stored["pairs_counted"])
    assert record.breakdown["lost"] == pytest.approx(lost / (15 * 39))
    assert record.scores["pck@0.1"]["interval"] is None, "one clip says nothing of their spread"


def test_the_strict_score_of_a_real_clip(real_data, score, tmp_path):
    folder = real_data / "JHMDB"
    predicted = np.load(folder / "pck_case_predictions.npy")
    truth = joints.read(folder / "joint_positions" / "catch" / REAL / "joint_positions.mat")
    strict = pck.pck([pck.clip_counts(predicted, truth, lost="wrong")])
    record = score(forms(tmp_path / "given", "npy", predicted), "split3", data=real_data)
    assert list(record.breakdown["pck_strict"].values()) == pytest.approx(strict.mean)
    assert strict.mean[0] < values(record)[0]


def test_a_split_without_clips_names_those_that_have_some(real_data, score, tmp_path):
    given = forms(tmp_path / "given", "npy", np.load(real_data / "JHMDB" / "pck_case_predictions.npy"))
    for recipe, splits in ((None, "split 1"), ("split2", "split 2"), ("splits123", "split 1 and 2")):
        expected = f"has no test clip of {splits}; test clips at hand: split 3 (1)\n  -> name another split"
        with pytest.raises(BadData, match=re.escape(expected)):
            score(given, recipe, data=real_data)


# ---------------------------------------------------------------- partial results


def test_a_joint_that_is_never_there_makes_the_result_partial(score, results):
    moved = body(4)
    moved[:, [3, 14], 1:] = -1
    for action, clip in SIDES:
        give(results, f"{action}/{clip}", moved)
    record = score(results)
    assert record.status == "partial" and values(record) == [1] * 5
    assert record.notes[0] == (
        "partial: split 1: right shoulder, left ankle lost in every scored frame, left out of the mean"
    )
    assert record.breakdown["joints"]["left ankle"]["pck@0.1"] is None
    assert record.breakdown["pck_strict"]["pck@0.1"] == pytest.approx(13 / 15)
    assert score(results, "split1-strict").status == "complete"


def test_official_by_split_1_is_partial_for_splits_that_are_not_whole(score, data, results, monkeypatch):
    """Some test clips of split 2 are test clips of split 1, so that they are there too."""
    monkeypatch.setattr(reader, "OFFICIAL", reader.DATASET.survey(data / "JHMDB").found)
    shutil.rmtree(data / "JHMDB" / "joint_positions" / "walk" / "walk_1")
    record = score(results)
    assert record.data["label"]["text"] == "official (test clips of split 1)" and record.status == "complete"
    for recipe in ("split2", "splits123"):
        record = score(results, recipe)
        assert record.status == "partial" and record.notes[0] == "partial: split 2: 1 of 2 test clips"


def test_a_clip_of_one_frame_gives_no_pairs_and_is_told(score, results, data):
    write_truth(data, "walk", "walk_0", body(1)[..., 0])
    record = score(results)
    assert record.status == "complete" and values(record) == [1] * 5
    assert record.units[1] == {"unit": "walk", "n": 1, **dict.fromkeys(jhmdb.NAMES)}
    assert "1 clips of one frame give no pairs: walk_0" in record.notes


def test_results_without_any_joint_are_no_score(score, results):
    for action, clip in SIDES:
        give(results, f"{action}/{clip}", np.full((2, J, 4), -1.0))
    assert "every joint of every clip is lost in all frames after the first" in refusal(score, results)
    assert values(score(results, "split1-strict")) == [0] * 5


# ---------------------------------------------------------------- bad results


def test_all_bad_files_are_told_together_by_kind(score, results):
    torn = np.full((2, J, 4), np.nan)
    give(results, "catch/catch_0", torn)
    give(results, f"catch/{ODD}", body(3))
    give(results, "walk/walk_0", np.zeros((2, 14, 4)))
    text = refusal(score, results)
    assert text.startswith("catch: results that cannot be scored\n  ") and str(results) not in text
    assert f"{2 * J * 4} coordinates are no finite numbers: catch/catch_0.npy" in text
    assert f"has 1 frame fewer than are annotated: catch/{ODD}.npy" in text
    assert "walk: " in text and "holds positions of shape (2, 14, 4), not (2, 15, frames): walk/walk_0.npy" in text
    assert "-> give (2, 15, frames) for every test clip" in text


def test_missing_clips_are_told_in_one_line(score, results):
    for clip in ("catch_0", ODD):
        (results / "catch" / f"{clip}.npy").unlink()
    text = refusal(score, results)
    assert f"has no file .npy, .json, .mat: catch/{ODD}, catch/catch_0 (2 files)" in text
    shutil.rmtree(results / "walk")
    (results / "catch" / "catch_2.npy").rename(results / "other.npy")
    assert f"holds no file of joints named like a clip ({ODD}, catch_0 and 1 more)" in refusal(score, results)


def test_results_one_folder_too_deep_are_named(score, results, tmp_path):
    (tmp_path / "all").mkdir()
    inner = results.rename(tmp_path / "all" / "ours")
    assert f"or .json or .mat, as in {inner}: name that folder with --results" in refusal(score, inner.parent)


def test_two_files_of_a_clip_are_refused(score, results):
    give(results, "walk_0", body(4))
    assert "has several files (walk/walk_0.npy, walk_0.npy): walk/walk_0" in refusal(score, results)


def test_more_frames_than_annotated_do_no_harm(score, results):
    moved = np.concatenate([body(4), np.zeros((2, J, 3))], axis=2)
    assert "more frames" not in " ".join(score(results).notes)
    give(results, "walk/walk_0", moved)
    record = score(results)
    assert values(record) == [1] * 5
    assert "1 results hold more frames than are annotated, the first ones are scored: walk_0" in record.notes


def test_torn_files_are_named(score, results):
    (results / "walk" / "walk_0.npy").write_bytes(b"torn")
    (results / "catch" / "catch_0.npy").unlink()
    (results / "catch" / "catch_0.json").write_text('{"joints": [[[1, 2]]]}')
    text = refusal(score, results)
    assert "walk/walk_0.npy" in text and "cannot be read" in text
    assert "holds positions of shape (2, 1, 1), not (2, 15, frames): catch/catch_0.json" in text


# ---------------------------------------------------------------- the plug-in


def test_what_the_plug_in_says_of_itself():
    benchmark = registry.load("benchmarks", "jhmdb")
    assert [metric.name for metric in benchmark.metrics] == [f"pck@0.{k}" for k in range(1, 6)]
    assert benchmark.pictures == "joints" and benchmark.chance is None and benchmark.dataset == "jhmdb"
    assert next(iter(benchmark.recipes)) == "split1"
    assert {recipe.role for recipe in benchmark.recipes.values()} == {"given", "propagator"}


def test_the_recipe_finds_the_file_that_a_picture_needs(data, results):
    reader, recipe = registry.load("datasets", "jhmdb"), jhmdb.BENCHMARK.recipes["split1"]
    clips = {clip.id: clip for clip in reader.survey(reader.find(data)).items}
    assert recipe.joints(results, clips[ODD]) == results / "catch" / f"{ODD}.npy"
    (results / "catch" / f"{ODD}.npy").rename(results / f"{ODD}.npy")
    assert recipe.joints(results, clips[ODD]) == results / f"{ODD}.npy"
    (results / f"{ODD}.npy").unlink()
    with pytest.raises(BadData, match=re.escape(f"{ODD} has no file .npy, .json, .mat")):
        recipe.joints(results, clips[ODD])
