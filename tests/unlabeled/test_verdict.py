"""A verdict stands only where every condition holds; each one alone takes it away and says why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlabeled.published import Cell, Published, TableCell, load
from unlabeled.records import Record
from unlabeled.verdict import NO_RECORD, Built, belongs, command, is_world, judge, missing_reason, preferred

PUBLISHED: Published = load()
CELL = PUBLISHED.cells["soundnet_table4/svm-mfcc-28/esc-10"]
ROW = next(row for row in PUBLISHED.table_cells if row.cell_id == CELL.cell_id)


def record(cell: Cell = CELL, value: float = 0.675, **changes: Any) -> Record:
    """A complete official run at preset paper; `changes` go to the spec, or to the record itself."""
    spec = {"method": cell.method_id, "variant": cell.run_variant, "benchmark": cell.benchmark}
    spec |= {"recipe": cell.recipe_name, "preset": "paper", "seed": 0, "world": "", "world_seed": None}
    spec |= {"limit": None, "settings": {}}
    spec |= {name: changes.pop(name) for name in list(changes) if name in spec or name == "weights"}
    kinds, text = changes.pop("label", (("official",), "official"))
    data = {"dataset": changes.pop("dataset", cell.dataset), "label": {"kinds": list(kinds), "text": text}}
    scores = {cell.metric: {"value": value, "n": 400, "interval": [value - 0.05, value + 0.05], "unit": cell.unit}}
    known: dict[str, Any] = {"id": "r", "status": "complete", "scores": scores, **changes}
    return Record(spec=spec, method={}, keys={}, data=data, **known)


def row_of(cell_id: str) -> tuple[Cell, TableCell]:
    return PUBLISHED.cells[cell_id], next(row for row in PUBLISHED.table_cells if row.cell_id == cell_id)


def test_a_run_that_keeps_every_rule_is_reproduced() -> None:
    found = judge(CELL, ROW, [record(value=0.6725)])
    assert (found.kind, found.reason) == ("reproduced", "")
    assert found.value == pytest.approx(67.25)
    assert found.difference == pytest.approx(-0.25)
    assert judge(CELL, ROW, [record(value=0.66)]).kind == "not reproduced"


@given(
    hundredths=st.integers(0, 10_000),
    off=st.integers(-200, 200),
    tolerance=st.sampled_from(["0.0", "0.1", "0.5", "1.0", "2.0"]),
)
def test_the_edge_of_the_tolerance_belongs_to_it(hundredths: int, off: int, tolerance: str) -> None:
    """Worked out in whole hundredths of a point, where no float can err."""
    theirs = f"{hundredths / 100:.2f}"
    row = replace(ROW, value=theirs, value_slide="", value_paper=theirs)
    found = judge(replace(CELL, tolerance=tolerance), row, [record(value=(hundredths + off) / 10_000)])
    inside = abs(off) <= round(float(tolerance) * 100)
    assert found.kind == ("reproduced" if inside else "not reproduced")


def test_the_exact_edge_named_in_the_rules() -> None:
    row = replace(ROW, value="67.0", value_paper="67.0")
    assert judge(CELL, row, [record(value=0.675)]).kind == "reproduced"
    assert judge(CELL, row, [record(value=0.67500001)]).kind == "not reproduced"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"label": (("subset",), "subset: 100 of 400 clips")}, "subset: 100 of 400 clips"),
        ({"label": (("altered", "subset"), "altered; subset")}, "altered; subset"),
        (
            {"label": (("official", "subset"), "official, first 2 of each class")},
            "official, first 2 of each class",
        ),
        ({"label": ((), "")}, "data without a label"),
        ({"preset": "mini"}, "preset mini"),
        ({"deviations": ("setting C=1.0 (preset: 0.1)",)}, "setting C=1.0 (preset: 0.1)"),
        ({"settings": {"C": 1.0}}, "setting C=1.0 changed"),
        ({"limit": 3}, "limited to 3 items"),
        ({"recipe": "soundnet-svm"}, "recipe soundnet-svm"),
        ({"variant": "wide"}, "variant wide"),
        ({"method": "knn_mfcc"}, "method knn_mfcc"),
        ({"dataset": "esc50"}, "data set esc50"),
        ({"weights": "abc"}, "weights given by hand"),
        ({"status": "partial", "missing_units": ("fold 5",)}, "partial: without fold 5"),
        ({"scores": {}}, "the record holds no accuracy"),
    ],
)
def test_each_thing_alone_takes_the_verdict_away(changes: dict[str, Any], reason: str) -> None:
    found = judge(CELL, ROW, [record(**changes)])
    assert (found.kind, found.reason) == ("none", reason)
    assert found.difference is None or found.value is not None


def test_what_the_published_side_can_lack() -> None:
    assert judge(CELL, replace(ROW, value_status="unverified"), [record()]).reason == "published value unverified"
    nothing = replace(ROW, value="", value_slide="", value_paper="", value_status="not-readable")
    found = judge(CELL, nothing, [record()])
    assert (found.kind, found.reason, found.value) == ("none", "published value not readable", 67.5)


def test_several_reasons_stand_together() -> None:
    found = judge(CELL, ROW, [record(preset="mini", label=(("subset",), "subset: 9 clips"))])
    assert found.reason == "subset: 9 clips; preset mini"


def test_a_failed_run_has_no_number_and_names_no_folder() -> None:
    error = {"where": "", "what": "/home/me/ESC-10/audio/1.wav: torn\nmore", "todo": "mend it"}
    found = judge(CELL, ROW, [record(status="failed", error=error)])
    assert (found.value, found.reason) == (None, "failed: 1.wav: torn")


def test_a_cell_that_asks_for_three_seeds() -> None:
    cell, row = row_of("l3_esc50_chart/convnet-supervised/accuracy")
    assert cell.seeds == "3"
    runs = [record(cell, value=value, seed=seed) for seed, value in enumerate((0.63, 0.645, 0.66))]
    found = judge(cell, row, runs)
    assert (found.kind, len(found.records)) == ("reproduced", 3)
    assert found.value == pytest.approx(64.5)
    assert found.spread == pytest.approx(1.5)
    assert judge(cell, row, runs[:1]).reason == "seeds 1 of 3"
    assert judge(cell, row, [runs[0]] * 3).reason == "seeds 1 of 3", "one seed three times is one seed"


def test_a_clean_run_is_preferred_to_a_changed_one_whatever_their_order() -> None:
    runs = [record(preset="mini", value=0.1), record(status="failed"), record()]
    assert judge(CELL, ROW, runs).kind == "reproduced"


def test_runs_that_differ_in_more_than_the_seed_are_never_averaged() -> None:
    runs = [record(preset="mini", value=0.4), record(preset="small", seed=1, value=0.6)]
    assert judge(CELL, ROW, runs).value == pytest.approx(40.0)
    assert [run.spec["seed"] for run in preferred([*runs, record(preset="mini", seed=2)])] == [0, 2]


def test_complete_before_partial_before_failed() -> None:
    partial, failed = record(status="partial", id="p"), record(status="failed", id="f")
    assert preferred([failed, partial])[0].id == "p"
    assert preferred([failed, partial, record(id="c")])[0].id == "c"
    assert preferred([]) == ()


@pytest.mark.parametrize(
    "world",
    [
        {"label": (("world",), "world esc10@w1 · mini · seed 0")},
        {"label": (("world", "subset"), "world esc10@w1 · mini · seed 0, first 3")},
        {"world": "mini", "label": ((), "")},
    ],
)
def test_the_world_never_meets_a_cell(world: dict[str, Any]) -> None:
    run = record(**world)
    assert is_world(run) and not belongs(CELL, run)
    found = judge(CELL, ROW, [run])
    assert (found.value, found.reason, found.records) == (None, NO_RECORD, ())
    assert judge(CELL, ROW, [run, record(value=0.67)]).value == pytest.approx(67.0)


def test_rounded_slides_are_compared_with_the_paper() -> None:
    cell, row = row_of("esc50_list_columbia/svm-mfcc/accuracy")  # slide 39, paper 39.6
    assert judge(cell, row, [record(cell, value=0.396)]).difference == pytest.approx(0.0)
    assert judge(cell, row, [record(cell, value=0.39)]).kind == "not reproduced"


def test_chance_is_exact() -> None:
    cell, row = row_of("esc50_list_columbia/chance/accuracy")
    chance = record(cell, value=0.02, label=(("official",), "official (counts; no file is read)"))
    assert judge(cell, row, [chance]).kind == "reproduced"
    assert judge(cell, row, [record(cell, value=0.0201)]).kind == "not reproduced"


def test_decibels_and_fractions_are_compared_as_they_are() -> None:
    cell, row = row_of("x_ots_retrieval/ave-net/ndcg@30-im-aud")
    assert judge(cell, row, [record(cell, value=0.561)]).difference == pytest.approx(0.0)
    cell, row = row_of("sound_of_pixels_separation/nmf/nsdr")
    assert judge(cell, row, [record(cell, value=3.14)]).value == pytest.approx(3.14)


def test_a_number_of_one_split_is_not_compared_with_the_mean_of_all() -> None:
    cell, row = row_of("x_shuffle_learn_authors/shuffle-&-learn/ucf101-split-1")
    found = judge(cell, row, [record(cell, value=0.509)])
    assert (found.kind, found.value) == ("none", None)
    assert "split 1 alone" in found.reason
    cell, row = row_of("srivastava_table1/lstm-classifier/ucf-101-rgb")
    found = judge(cell, row, [record(cell, value=0.745)])
    assert (found.kind, found.reason, found.value) == ("none", "the published split is not known", 74.5)


def test_a_released_checkpoint_is_a_run_with_weights() -> None:
    cell, row = row_of("x_release/simclr-released-checkpoint-resnet50/imagenet-top-1")
    plain, given_weights = record(cell, value=0.691), record(cell, value=0.691, weights="abc")
    assert not belongs(cell, plain) and belongs(cell, given_weights)
    assert judge(cell, row, [plain]).reason == "not the released checkpoint"
    assert judge(cell, row, [given_weights]).kind == "reproduced"


def test_quoted_cells_share_the_plain_run() -> None:
    cell, row = row_of("x_release/deepcontext-released-code/detection-map")
    assert judge(cell, row, [record(cell, value=0.514)]).kind == "reproduced"


def test_two_data_sets_of_one_recipe_are_kept_apart() -> None:
    flickr, _ = row_of("x_l3_avc/l3-net/accuracy-on-flickr-soundnet")
    kinetics, _ = row_of("x_l3_avc/l3-net/accuracy-on-kinetics-sounds")
    run = record(kinetics)
    assert belongs(kinetics, run) and not belongs(flickr, run)


def test_the_one_thing_missing() -> None:
    soundnet, _ = row_of("soundnet_table4/soundnet/esc-50")
    chance, _ = row_of("esc50_list_columbia/chance/accuracy")
    scratch, _ = row_of("x_esc_more/soundnet-5-layers-from-scratch/esc-50")
    gone = next(cell for cell in PUBLISHED.cells.values() if (cell.measurable, cell.missing) == ("no", "data"))
    recipes = {"esc10": ["piczak2015"], "esc50": ["piczak2015", "soundnet-scratch"]}
    built = Built(recipes.get, {"svm_mfcc": [], "chance": [], "random": [scratch.run_variant]}.get)
    assert missing_reason(CELL, built) == "data"
    assert missing_reason(CELL, built, at_hand=["esc50"]) == "data"
    assert missing_reason(CELL, built, at_hand=["esc10"]) == ""
    assert missing_reason(chance, built) == ""
    assert missing_reason(scratch, built) == "data"
    assert missing_reason(CELL, replace(built, recipes={}.get)) == "benchmark not built"
    assert missing_reason(CELL, replace(built, variants={}.get)) == "method not built"
    assert missing_reason(CELL, replace(built, recipes={"esc10": ["other"]}.get)) == "recipe not built"
    assert missing_reason(scratch, replace(built, variants={"random": []}.get)) == "variant not built"
    assert missing_reason(soundnet, built) == "weights", "nothing that could be built helps"
    assert missing_reason(gone, built, at_hand=[gone.dataset]) == "data unobtainable"


@pytest.mark.parametrize(
    ("cell_id", "line"),
    [
        (CELL.cell_id, "unlabeled esc10 --method svm_mfcc --preset paper --data ROOT --recipe piczak2015"),
        (
            "esc50_list_columbia/chance/accuracy",
            "unlabeled esc50 --method chance --preset paper --recipe piczak2015",
        ),
        (
            "l3_esc50_chart/convnet-supervised/accuracy",
            "unlabeled esc50 --method piczak_convnet --preset paper --data ROOT --recipe piczak-convnet --seeds 0,1,2",
        ),
        (
            "x_esc_more/soundnet-5-layers-from-scratch/esc-50",
            "unlabeled esc50 --method random --preset paper --data ROOT "
            "--variant 'soundnet5;trained on ESC labels' --recipe soundnet-scratch --seeds 0,1,2",
        ),
        (
            "x_release/simclr-released-checkpoint-resnet50-2x/imagenet-top-1",
            "unlabeled imagenet_linear --method simclr --preset paper --data ROOT "
            "--variant resnet50-2x --recipe simclr --weights FILE",
        ),
    ],
)
def test_the_command_that_measures_a_cell(cell_id: str, line: str) -> None:
    assert command(PUBLISHED.cells[cell_id]) == line
