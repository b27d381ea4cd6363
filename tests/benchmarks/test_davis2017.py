"""DAVIS from result folders: stored scores of the released evaluator, breakdowns, and every bad folder."""

import json
import shutil

import numpy as np
import pytest
from masksets import HEIGHT, WIDTH, index_map, write_results, write_set
from PIL import Image

from unlabeled import compare, run
from unlabeled.benchmarks.metrics import davis
from unlabeled.datasets.decode import masks
from unlabeled.errors import BadData
from unlabeled.given import GivenResults

SET = {"cow": (6, 2), "dog": (5, 1), "hen": (4, 3)}


def score(root, results, store, name="row", **asked):
    return run.evaluate(GivenResults(results, name), "davis2017", data=root, store=store, **asked)


@pytest.fixture
def world(tmp_path):
    """A data root and a folder of results that are two pixels off."""
    write_set(tmp_path, SET)
    return tmp_path, write_results(tmp_path / "results", SET)


def test_numbers_by_hand(world, store):
    root, results = world
    record = score(root, results, store)
    objects = []
    for name, (frames, n) in SET.items():
        for k in range(n):
            pairs = [(index_map(t, n, 2) == k + 1, index_map(t, n) == k + 1) for t in range(1, frames - 1)]
            j = [davis.jaccard(*pair) for pair in pairs]
            f = [davis.boundary_f(*pair) for pair in pairs]
            objects.append((np.mean(j), np.mean(f)))
            assert record.breakdown["objects"][f"{name}_{k + 1}"][0] == pytest.approx(np.mean(j), abs=1e-12)
    j, f = np.mean(objects, axis=0)
    held = {name: value["value"] for name, value in record.scores.items()}
    assert held["j_mean"] == pytest.approx(j, abs=1e-12) and held["f_mean"] == pytest.approx(f, abs=1e-12)
    assert held["jf_mean"] == pytest.approx((j + f) / 2, abs=1e-12)
    assert next(iter(record.scores)) == "jf_mean" and record.scores["jf_mean"]["n"] == 6
    assert record.status == "complete" and record.spec["preset"] == "given" and record.spec["method"] == "row"
    low, high = record.scores["jf_mean"]["interval"]
    assert record.scores["jf_mean"]["interval_kind"] == "bootstrap 95 %, 3 sequences", "of which n counts the objects"
    assert low <= held["jf_mean"] <= high


def test_perfect_results_are_one(tmp_path, store):
    write_set(tmp_path, SET)
    record = score(tmp_path, write_results(tmp_path / "results", SET, shift=0), store)
    assert record.scores["jf_mean"]["value"] == 1 and record.scores["j_decay"]["value"] == 0


def test_the_truth_itself_is_no_result(tmp_path, store):
    folder = write_set(tmp_path, SET)
    with pytest.raises(BadData, match="holds the truth itself"):
        score(tmp_path, folder / "Annotations/480p", store)


def test_first_and_last_results_are_never_opened(world, store):
    root, results = world
    before = score(root, results, store)
    for name, (frames, _) in SET.items():
        (results / name / "00000.png").unlink()
        (results / name / f"{frames - 1:05d}.png").write_text("no picture")
    assert score(root, results, store).scores == before.scores


def test_the_record_is_told_by_the_content_of_the_folder(world, store, tmp_path):
    root, results = world
    one = score(root, results, store)
    moved = tmp_path / "moved"
    shutil.copytree(results, moved)
    assert score(root, moved, store).id == one.id, "the same files elsewhere are the same results"
    masks.write(moved / "cow/00001.png", index_map(1, 2, 5))
    assert score(root, moved, store).id != one.id


def test_attributes_have_their_own_means(world, store):
    root, results = world
    (root / "DAVIS/attributes.csv").write_text("seq,objects,OCC,FM\ncow,2,1,0\ndog,1,1,1\nhen,3,0,0\n")
    found = score(root, results, store).breakdown
    assert {name: (row["sequences"], row["objects"]) for name, row in found["attributes"].items()} == {
        "OCC": (2, 3), "FM": (1, 1),
    }  # fmt: skip
    dog = found["objects"]["dog_1"]
    assert found["attributes"]["FM"]["jf_mean"] == pytest.approx((dog[0] + dog[3]) / 2)


def test_an_object_that_vanished_from_the_result_is_empty(tmp_path, store):
    write_set(tmp_path, {"cow": (5, 2)})
    results = write_results(tmp_path / "results", {"cow": (5, 1)}, shift=0)
    record = score(tmp_path, results, store)
    first, second = (record.breakdown["objects"][f"cow_{k}"] for k in (1, 2))
    assert first[0] > 0.95, "where the second disc lay, the first one shows"
    assert second[:2] == [0, 0] and second[3:5] == [0, 0]


def test_an_object_that_appears_later_is_never_scored(tmp_path, store):
    folder = write_set(tmp_path, {"cow": (5, 1)})
    later = index_map(2, 1)
    later[30:35, 5:9] = 2
    masks.write(folder / "Annotations/480p/cow/00002.png", later)
    record = score(tmp_path, write_results(tmp_path / "results", {"cow": (5, 1)}, shift=0), store)
    assert list(record.breakdown["objects"]) == ["cow_1"] and record.scores["jf_mean"]["value"] == 1


def test_two_folders_are_compared_in_pairs(world, store, tmp_path):
    root, results = world
    worse = write_results(tmp_path / "worse", SET, shift=4)
    a, b = score(root, results, store, "near"), score(root, worse, store, "far")
    found = compare.compare(a, store.records, b, store.records)
    assert found.kind == "sums" and found.n == 3 and found.interval[0] > 0
    assert found.difference == pytest.approx(a.scores["jf_mean"]["value"] - b.scores["jf_mean"]["value"])


def test_2016_masks_are_scored_as_one_object(tmp_path, store):
    write_set(tmp_path, SET, lists="2016")
    results = write_results(tmp_path / "results", SET)
    for folder in (tmp_path / "DAVIS/Annotations", results):
        for file in folder.rglob("*.png"):
            Image.fromarray((masks.read(file) > 0).astype(np.uint8) * 255).save(file)
    record = score(tmp_path, results, store, recipe="davis2016")
    assert list(record.breakdown["objects"]) == ["cow_1", "dog_1", "hen_1"]
    assert not record.notes
    expected = np.mean([davis.jaccard(index_map(t, 2, 2) > 0, index_map(t, 2) > 0) for t in range(1, 5)])
    assert record.breakdown["objects"]["cow_1"][0] == pytest.approx(expected, abs=1e-12)


def test_masks_of_2017_under_lists_of_2016_are_told(tmp_path, store):
    write_set(tmp_path, SET, lists="2016")
    record = score(tmp_path, write_results(tmp_path / "results", SET), store, recipe="davis2016")
    assert record.notes == ("truth of 3 sequences: masks of 2017, merged, not those of 2016: cow, dog, hen",)


def test_one_folder_is_scored_by_either_year_under_a_limit(world, store):
    """The first sequence of 2016 is none of the first of 2017."""
    root, results = world
    (root / "DAVIS/ImageSets/2016").mkdir()
    (root / "DAVIS/ImageSets/2016/val.txt").write_text("hen\n")
    assert [unit["unit"] for unit in score(root, results, store, limit=1, recipe="davis2016").units] == ["hen"]


def test_unsupervised_results_may_have_any_index(tmp_path, store):
    write_set(tmp_path, {"cow": (5, 2)})
    results = write_results(tmp_path / "results", {"cow": (5, 2)}, shift=0)
    for file in results.rglob("*.png"):
        masks.write(file, np.array([0, 7, 3], np.uint8)[masks.read(file)])
    record = score(tmp_path, results, store, recipe="unsupervised")
    assert record.scores["jf_mean"]["value"] == 1
    assert any("Annotations_unsupervised" in told for told in record.deviations), "it is not the released task"


# ---------------------------------------------------------------- bad folders


def refused(root, results, store, **asked) -> str:
    with pytest.raises(BadData) as told:
        score(root, results, store, **asked)
    return str(told.value)


def test_all_bad_files_are_told_together(world, store):
    root, results = world
    (results / "cow/00002.png").unlink()
    masks.write(results / "cow/00003.png", np.zeros((HEIGHT, WIDTH + 1), np.uint8))
    masks.write(results / "dog/00001.png", np.full((HEIGHT, WIDTH), 2, np.uint8))
    (results / "hen/00001.png").write_bytes((results / "hen/00001.png").read_bytes()[:50])
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(results / "hen/00002.png")
    text = refused(root, results, store)
    for part in (
        "missing: cow/00002.png", "61 x 40, the truth is 60 x 40: cow/00003.png",
        "holds index 2, the truth has indices up to 1: dog/00001.png", "hen/00001.png", "hen/00002.png",
    ):  # fmt: skip
        assert part in text
    assert str(results) not in text.replace(f"{results} ", "")


def test_a_stray_255_is_an_index(world, store):
    root, results = world
    stray = index_map(2, 2, 2)
    stray[0, 0] = 255
    masks.write(results / "cow/00002.png", stray)
    assert "holds index 255, the truth has indices up to 2: cow/00002.png" in refused(root, results, store)


def test_too_many_unsupervised_results_are_named_by_file(world, store):
    root, results = world
    for name in ("cow/00001", "cow/00003", "hen/00000"):
        file = results / f"{name}.png"
        masks.write(file, masks.read(file) + np.uint8(20))
    text = refused(root, results, store, recipe="unsupervised")
    assert "holds index 22, at most 20 results are allowed: cow/00001.png, cow/00003.png (2 files)" in text
    assert "holds index 23, at most 20 results are allowed: hen/00000.png" in text


def test_2016_masks_given_for_2017_are_called_so(world, store):
    root, results = world
    for file in (results / "cow").glob("*.png"):
        Image.fromarray((masks.read(file) > 0).astype(np.uint8) * 255).save(file)
    assert "of the 2016 form, 255 on 0?" in refused(root, results, store)


def test_a_truth_of_2016_asks_for_its_recipe(tmp_path, store):
    folder = write_set(tmp_path, {"cow": (5, 1)})
    for file in (folder / "Annotations").rglob("*.png"):
        Image.fromarray((masks.read(file) > 0).astype(np.uint8) * 255).save(file)
    results = write_results(tmp_path / "results", {"cow": (5, 1)})
    assert "--recipe davis2016" in refused(tmp_path, results, store)


@pytest.mark.parametrize("frames", [1, 2])
def test_a_sequence_without_a_frame_between_has_nothing_to_score(tmp_path, store, frames):
    write_set(tmp_path, {"cow": (frames, 1)})
    results = write_results(tmp_path / "results", {"cow": (frames, 1)})
    assert "so that none is left" in refused(tmp_path, results, store)


def test_an_empty_first_mask_has_nothing_to_score(tmp_path, store):
    folder = write_set(tmp_path, {"cow": (5, 1)})
    masks.write(folder / "Annotations/480p/cow/00000.png", np.zeros((HEIGHT, WIDTH), np.uint8))
    assert "no object" in refused(tmp_path, write_results(tmp_path / "results", {"cow": (5, 1)}), store)


def test_a_folder_of_something_else(world, store, tmp_path):
    root, _ = world
    other = tmp_path / "other"
    other.mkdir()
    (other / "cow.png").write_bytes(b"x")
    assert "no folder named like a sequence (cow, dog, hen)" in refused(root, other, store)


def test_results_one_folder_too_deep_are_named(world, store):
    root, results = world
    (root / "all" / "empty").mkdir(parents=True)
    inner = results.rename(root / "all" / "osvos")
    assert f"RESULTS/SEQUENCE/00000.png, as in {inner}: name that folder with --results" in refused(
        root, inner.parent, store
    )


def test_finished_sequences_are_not_scored_again(world, store, monkeypatch):
    """A folder that is mended is another folder, but a run that was cut goes on."""
    root, results = world
    whole = score(root, results, store)
    real, calls = davis.sequence_scores, []

    def torn(*given):
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(davis, "sequence_scores", torn)
    with pytest.raises(KeyboardInterrupt):
        score(root, results, store, overwrite="always")
    record = score(root, results, store, overwrite="always")
    assert len(calls) == 4 and record.run["resumed_units"] == 2
    assert record.without_run() == whole.without_run()


# ---------------------------------------------------------------- stored scores of the released evaluator


@pytest.mark.parametrize(
    "folder, results", [("DAVIS", "semi-supervised/osvos"), ("DAVIS_pseudo", "semi-supervised/perturbed")]
)
def test_stored_scores(real_data, store, folder, results):
    root = real_data / folder
    if not (root / "Results" / results).is_dir():
        pytest.skip(f"no {folder} with results below UNLABELED_DATA")
    record = score(root, root / "Results" / results, store)
    stored = json.loads((root / "reference_scores.json").read_text())["reference_scores"]
    names = dict(zip(("j_mean", "j_recall", "j_decay", "f_mean", "f_recall", "f_decay"), range(6), strict=True))
    labels = {"J-Mean": "j_mean", "J-Recall": "j_recall", "J-Decay": "j_decay", "F-Mean": "f_mean",
              "F-Recall": "f_recall", "F-Decay": "f_decay", "J&F-Mean": "jf_mean"}  # fmt: skip
    for label, value in stored["global"].items():
        assert record.scores[labels[label]]["value"] == pytest.approx(value, abs=1e-9), label
    for name, row in stored["per_object"].items():
        for label, value in row.items():
            assert record.breakdown["objects"][name][names[labels[label]]] == pytest.approx(value, abs=1e-9)
