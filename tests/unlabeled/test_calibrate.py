"""Calibration: what makes a ladder whole, on made-up rungs; the commands on the smallest preset."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from unlabeled import calibrate, rungs
from unlabeled.calibrate import Rung, Step, gaps
from unlabeled.cli import app
from unlabeled.datasets.decode import joints, masks
from unlabeled.datasets.world import make
from unlabeled.errors import BadData, WrongCall
from unlabeled.resolve import Watch

HELD = Path(__file__).parents[2] / "results" / "world"


def ladder(**values):
    names = {"hand": "hand-crafted", "flow": "optical flow", "trunk": "random trunk"}
    return [Step(names.get(name, name), "m", "accuracy", tuple(held), 1.0) for name, held in values.items()]


GOOD = {
    "chance": (0.1, 0.1, 0.1),
    "hand": (0.5, 0.4, 0.45),
    "trunk": (0.4, 0.42, 0.41),
    "supervised": (0.8, 0.75, 0.7),
    "oracle": (1.0, 1.0, 1.0),
}


def test_a_ladder_that_holds_has_no_gaps():
    assert gaps(ladder(**GOOD), 0.1) == []


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"trunk": (0.4, 0.05, 0.41)}, "random trunk is not above chance in every seed"),
        ({"trunk": (0.11, 0.11, 0.12)}, "the random trunk lies at chance"),
        ({"trunk": (0.7, 0.7, 0.65)}, "supervised is less than 15 points above the random trunk"),
        ({"supervised": (0.8, 0.39, 0.9)}, "supervised is not above hand-crafted in every seed"),
        ({"supervised": (0.99, 0.99, 0.985)}, "the top is flat"),
        ({"oracle": (1.0, 0.7, 1.0)}, "oracle is not above supervised in every seed"),
    ],
)
def test_every_condition_is_seen(changed, words):
    assert any(words in gap for gap in gaps(ladder(**(GOOD | changed)), 0.1))


def test_hand_crafted_and_random_may_lead_in_turn():
    assert gaps(ladder(**(GOOD | {"hand": (0.3, 0.5, 0.45)})), 0.1) == []


FOLLOWING = {
    "chance": (0.0, 0.01, 0.0),
    "identity": (0.2, 0.15, 0.18),
    "flow": (0.5, 0.45, 0.5),
    "trunk": (0.1, 0.12, 0.2),
    "supervised": (0.6, 0.65, 0.7),
    "oracle": (1.0, 1.0, 1.0),
}


@pytest.mark.parametrize(
    "changed, words",
    [
        ({}, None),
        ({"trunk": (0.55, 0.52, 0.2)}, None),
        ({"identity": (0.2, 0.46, 0.2)}, "optical flow is not above identity in every seed"),
        ({"supervised": (0.6, 0.44, 0.7)}, "supervised is not above optical flow in every seed"),
        ({"identity": (0.0, 0.1, 0.1)}, "identity is not above chance in every seed"),
    ],
)
def test_a_ladder_of_following_has_two_rungs_by_hand(changed, words):
    found = gaps(ladder(**(FOLLOWING | changed)), 0.0)
    assert found == [words] if words else found == []


def test_a_missing_rung_keeps_a_set_from_freezing():
    steps = [*ladder(chance=(0.1,), trunk=(0.4,)), Step("supervised", "", "", (), 0.0, calibrate.NOT_BUILT)]
    assert gaps(steps, 0.1) == ["supervised: not built yet"]


def test_a_small_calibration_end_to_end(monkeypatch, store, tmp_path):
    monkeypatch.setitem(
        calibrate.LADDERS, "esc50",
        calibrate.Ladder("esc50", (Rung("chance", "chance"), Rung("oracle")), calibrate.LADDERS["esc50"].samples),
    )  # fmt: skip
    found = calibrate.calibrate("esc50", store, Watch(), seeds=(1, 2), preset="nano")
    assert found.steps[0].values == (0.1, 0.1) and found.steps[1].why == "not built yet" and not found.complete
    assert {check.nuisance for check in found.checks} >= {"RMS", "duration", "crest factor"}
    text = "\n".join(calibrate.lines(found))
    assert "esc50@w" in text and "open: oracle: not built yet" in text and "not to be frozen yet" in text
    held = json.loads(calibrate.write(found, tmp_path / "world").read_text())
    assert held["complete"] is False and held["seeds"] == [1, 2] and held["knobs"]["snr_db"]
    with pytest.raises(WrongCall, match="calibrated set"):
        calibrate.calibrate("nothing", store, Watch())


@pytest.mark.parametrize("file", sorted(HELD.glob("*.json")), ids=lambda file: file.stem)
def test_what_is_held_of_a_set_is_whole_and_of_its_present_knobs(file):
    """Every gap, no leak, three seeds: a set whose knobs change has to be calibrated anew."""
    held = json.loads(file.read_text())
    assert held["complete"] and not held["gaps"]
    assert (held["seeds"], held["preset"]) == (list(calibrate.SEEDS), calibrate.PRESET)
    knobs = json.loads(json.dumps(asdict(make.SETS[file.stem].knobs)))
    assert held["knobs"] == {name: value for name, value in knobs.items() if name not in ("sizes", "version")}


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    out = tmp_path_factory.mktemp("followed")
    return {name: make.ensure(name, "nano", 1, out) / make.SETS[name].folder for name in rungs.FOLLOWED}


def test_true_masks_and_joints_reach_the_top(followed):
    for name, folder in followed.items():
        assert rungs.all_followed(name, folder, "nano", 1) == 1.0


def test_background_alone_is_right_where_an_object_is_hidden(followed):
    data = rungs.READERS["davis2017"].survey(followed["davis2017"])
    hidden = []
    for item in data.items:
        maps = np.stack([masks.read(file) for file in item.masks])[1:-1]
        if "2017 val" in item.lists:
            hidden += [np.mean([number not in frame for frame in maps]) for number in range(1, item.objects + 1)]
    assert rungs.nothing_followed("davis2017", data.folder, "nano", 1) == pytest.approx(np.mean(hidden), abs=1e-12)


def test_the_middle_of_the_frame_is_right_for_joints_near_it(followed):
    data = rungs.READERS["jhmdb"].survey(followed["jhmdb"])
    near = []
    for item in data.items:
        if item.sides[0] == "test":
            truth = joints.read(item.joints)[..., 1:]
            away = np.hypot(truth[0] - (item.width - 1) / 2, truth[1] - (item.height - 1) / 2)
            near.append(away <= 0.1 * 0.6 * np.hypot(*np.ptp(truth, axis=1)))
    wanted = np.concatenate(near, axis=1).mean(axis=1).mean()
    assert rungs.nothing_followed("jhmdb", data.folder, "nano", 1) == pytest.approx(wanted, abs=1e-12) and wanted > 0


def test_a_ladder_of_following_end_to_end(monkeypatch, store):
    whole = calibrate.LADDERS["jhmdb"]
    some = tuple(rung for rung in whole.rungs if rung.name in ("chance", "identity", "oracle"))
    monkeypatch.setitem(calibrate.LADDERS, "jhmdb", replace(whole, rungs=some))
    found = calibrate.calibrate("jhmdb", store, Watch(), seeds=(1,), preset="nano")
    assert [step.metric for step in found.steps] == ["pck@0.1"] * 3 and found.version.startswith("jhmdb@w")
    (chance,), (identity,), (oracle,) = (step.values for step in found.steps)
    assert chance < identity < oracle == 1.0
    assert any(check.name.startswith("copy over the mean pose") for check in found.checks)


def test_world_make_check_and_show(tmp_path):
    run = CliRunner()
    done = run.invoke(app, ["world", "make", "--preset", "nano", "--sets", "dcase2013", "--out", str(tmp_path / "w")])
    assert done.exit_code == 0 and "dcase2013:" in done.stdout
    assert run.invoke(app, ["world", "check", str(tmp_path / "w")]).exit_code == 0
    file = next((tmp_path / "w").rglob("*.wav"))
    file.write_bytes(file.read_bytes()[:-2] + b"xx")
    damaged = run.invoke(app, ["world", "check", str(tmp_path / "w")])
    assert damaged.exit_code == 4 and "content differs" in damaged.stdout
    none = run.invoke(app, ["world", "check", str(tmp_path / "nothing")])
    assert isinstance(none.exception, BadData)
    shown = run.invoke(app, ["world", "show", "dcase2013", "--preset", "nano", "--store", str(tmp_path / "s")])
    page = (tmp_path / "s/pictures/world/index.html").read_text()
    assert shown.exit_code == 0 and page.count("<audio") == 10 and "world dcase2013@w" in page
    wrong = run.invoke(app, ["world", "calibrate", "esc50", "--seeds", "one"])
    assert isinstance(wrong.exception, WrongCall)
