"""Features of frames made elsewhere: told by their content, looked at before anything is learned from them."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner
from videosets import write_video

from unlabeled import contracts, grid, plan, registry, run
from unlabeled.cli import app
from unlabeled.errors import AbsentData, BadData, WrongCall

CLASSES = ("Archery", "HandstandPushups")
DIM = 3
SMALL = {
    "features": DIM, "units": 12, "start": 0.3, "peepholes": False, "finetune.batch": 12,
    "finetune.opt": "adam", "finetune.lr": 0.03,
}  # fmt: skip


def clips():
    return [f"{action}/v_{action}_g{group:02d}_c0{k}" for action in CLASSES for group in (1, 8, 15, 22) for k in (1, 2)]


@pytest.fixture
def data(tmp_path):
    """Two classes in the official layout, groups 1, 8, 15 and 22: each split tests one group."""
    lists = tmp_path / "data" / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text("".join(f"{k} {action}\n" for k, action in enumerate(CLASSES, 1)))
    for split, group in ((1, 1), (2, 8), (3, 15)):
        test = [name for name in clips() if f"_g{group:02d}_" in name]
        train = [f"{name}.avi {1 + CLASSES.index(name.split('/')[0])}\n" for name in clips() if name not in test]
        (lists / f"trainlist0{split}.txt").write_text("".join(train))
        (lists / f"testlist0{split}.txt").write_text("".join(f"{name}.avi\n" for name in test))
    for name in clips():
        write_video(tmp_path / "data" / "UCF-101" / f"{name}.avi")
    return tmp_path / "data"


@pytest.fixture
def features(tmp_path):
    """Numbers that rise in one class and fall in the other: a frame alone tells nothing."""
    draw = np.random.default_rng(0)
    for name in clips():
        slope = np.linspace(-1, 1, int(draw.integers(16, 20)))[:, None]
        found = (slope if name.startswith("Archery") else -slope) + draw.normal(0, 0.02, (len(slope), DIM))
        file = tmp_path / "features" / f"{name}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, found.astype(np.float32))
    return tmp_path / "features"


def scored(method, data, features, store, steps=40, **more):
    asked = {
        "settings": SMALL | {"finetune.steps": steps},
        "variant": "rgb",
        "recipe": "srivastava-rgb",
        "preset": "paper",
        "device": "cpu",
    } | more
    return run.evaluate(method, "ucf101", data=data, features=features, store=store, **asked)


def test_an_lstm_reads_the_order_of_given_frames_and_a_single_frame_does_not(data, features, store):
    found = scored("lstm_classifier", data, features, store)
    assert found.scores["accuracy"]["value"] == 1 and found.scores["accuracy"]["n"] == 12
    assert [unit["unit"] for unit in found.units] == ["split 1", "split 2", "split 3"]
    assert {"constant not checked in the paper: splits"} < set(found.deviations)
    assert found.spec["features"] == plan.make(
        "lstm_classifier", "ucf101", data=data, preset="paper", variant="flow", recipe="srivastava-flow",
        features=features,
    ).spec.features  # fmt: skip
    alone = scored("single_frame_classifier", data, features, store)
    assert alone.scores["accuracy"]["value"] < 0.9


def test_a_composite_starts_from_the_weights_it_is_given(data, features, store, tmp_path):
    with pytest.raises(WrongCall, match="--weights FILE"):
        scored("lstm_autoencoder", data, features, store)
    method = registry.load("methods", "lstm_autoencoder")
    made = plan.make(
        "lstm_autoencoder", "ucf101", data=data, preset="paper", variant="rgb", settings=SMALL, features=features,
        weights=__file__,
    )  # fmt: skip
    torch.manual_seed(0)
    save_file(method.build(made.values, run.Rng(0)).state_dict(), tmp_path / "w.safetensors")
    found = scored("lstm_autoencoder", data, features, store, weights=tmp_path / "w.safetensors")
    assert found.scores["accuracy"]["value"] == 1 and found.spec["weights"]


def test_other_features_are_another_run_and_their_place_is_none(data, features, store, tmp_path):
    first = scored("single_frame_classifier", data, features, store, steps=1)
    moved = shutil.move(features, tmp_path / "elsewhere")
    assert scored("single_frame_classifier", data, moved, store, steps=1) == first
    assert str(tmp_path) not in first.to_json().replace(first.run["command"], "")
    file = moved / f"{clips()[0]}.npy"
    np.save(file, np.load(file) + 1)
    other = scored("single_frame_classifier", data, moved, store, steps=1)
    assert other.id != first.id and other.spec["features"] != first.spec["features"]


def test_all_that_is_wrong_with_files_is_told_at_once(data, features, store):
    missing, torn, wide, double, empty, odd, objects = (features / f"{name}.npy" for name in clips()[:7])
    missing.unlink()
    torn.write_bytes(torn.read_bytes()[:150])
    np.save(wide, np.zeros((16, 5), np.float32))
    np.save(double, np.zeros((16, DIM)))
    np.save(empty, np.zeros((0, DIM), np.float32))
    np.save(odd, np.full((16, DIM), np.nan, np.float32))
    np.save(objects, np.array([{}], object), allow_pickle=True)
    with pytest.raises(BadData) as told:
        scored("single_frame_classifier", data, features, store)
    text = str(told.value)
    assert "features of 7 of 16 videos cannot be used" in text and "float32 (frames, 3)" in text
    for what, *files in (
        ("1 missing", missing), ("2 no readable .npy file", torn, objects), ("1 float32 (frames, 5)", wide),
        ("1 float64 (frames, 3)", double), ("1 float32 (no frame)", empty), ("1 with values that are no numbers", odd),
    ):  # fmt: skip
        (line,) = (line for line in text.splitlines() if what in line)
        assert all(f"{file.parent.name}/{file.name}" in line for file in files)


def test_who_needs_features_says_so_and_who_does_not_refuses_them(data, features, tmp_path):
    def made(method="lstm_classifier", benchmark="ucf101", **more):
        return plan.make(method, benchmark, data=data, **({"preset": "paper"} | more))

    with pytest.raises(AbsentData, match=r"srivastava-rgb of ucf101 reads features.*--features DIR[\s\S]*VIDEO.npy"):
        made(variant="rgb")
    with pytest.raises(WrongCall, match=r"recipe own-head of ucf101 reads no given features[\s\S]*srivastava-rgb"):
        made(features=features)
    with pytest.raises(WrongCall, match=r"esc50 reads no given features\n  -> leave it out$"):
        made("svm_mfcc", "esc50", preset="nano", features=features)
    with pytest.raises(WrongCall, match="--variant rgb or flow"):
        made(recipe="srivastava-rgb", features=features)
    with pytest.raises(WrongCall, match="cannot use that in recipe own-head"):
        made(variant="rgb", recipe="own-head", features=features)
    with pytest.raises(AbsentData, match="no such folder of features"):
        made(variant="rgb", features=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(AbsentData, match="holds no files\n  -> name the folder that holds the files of features"):
        made(variant="rgb", features=tmp_path / "empty")


def test_the_command_line_takes_them(data, features, store):
    words = ["ucf101", "-m", "lstm_classifier", "--variant", "flow", "--recipe", "srivastava-flow", "--preset", "paper"]
    words += ["--data", str(data), "--store", str(store.root), "--dry-run", "--set", f"features={DIM}"]
    without = CliRunner().invoke(app, words)
    assert without.exit_code == 0 and "missing: recipe srivastava-flow of ucf101 reads features" in without.output
    ready = CliRunner().invoke(app, [*words, "--features", str(features)])
    assert ready.exit_code == 0 and ", features " in ready.output and "would run 3 units" in ready.output


def test_no_grid_offers_what_needs_files_of_somebody():
    reading = {"srivastava-rgb", "srivastava-flow"}
    for name in grid.GRIDS:
        pairs, broken = grid.pairs(name)
        assert not broken
        assert not [pair for pair in pairs if pair.recipe in reading or pair.variant in ("rgb", "flow")]
    assert {"feature_classifier"} == {registry.load("benchmarks", "ucf101").recipes[name].role for name in reading}
    assert "feature_classifier" in contracts.ROLES
