"""Tables and the leaderboard: every table is there, in the slide's order, and no text can break one."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlabeled.errors import WrongCall
from unlabeled.leaderboard import check, describe_system, leaderboard, scoreboard, world_name
from unlabeled.published import Published, load
from unlabeled.records import Record
from unlabeled.tables import Table, escape, lecture_table, markdown, number, render, slide_grid
from unlabeled.verdict import Built

PUBLISHED: Published = load()
RECIPES = {"esc50": ["piczak2015"], "esc10": ["piczak2015"]}
BUILT = Built(RECIPES.get, dict.fromkeys(("svm_mfcc", "random_forest", "chance"), ()).get)
NOTHING = Built({}.get, {}.get)


def record(id: str, method: str = "svm_mfcc", benchmark: str = "esc10", value: float = 0.67, **changes: Any) -> Record:
    spec = {
        "method": method,
        "variant": "",
        "benchmark": benchmark,
        "recipe": "piczak2015",
        "preset": "paper",
    }
    spec |= {"seed": 0, "world": "", "world_seed": None, "limit": None, "settings": {}}
    spec |= {name: changes.pop(name) for name in list(changes) if name in spec}
    kinds, text = changes.pop("label", (("official",), "official"))
    score = {"value": value, "n": 400, "interval": [value - 0.05, value + 0.045], "unit": "percent"}
    data = {"dataset": benchmark, "label": {"kinds": list(kinds), "text": text}}
    known: dict[str, Any] = {"status": "complete", "scores": {"accuracy": score}, **changes}
    return Record(id=id, spec=spec, method={}, keys={}, data=data, **known)


def world(id: str, seed: int, benchmark: str = "esc10", value: float = 0.4321, **changes: Any) -> Record:
    text = f"world {benchmark}@w1 · mini · seed {seed}"
    spec = {"preset": "mini", "seed": seed, "world": "mini", "world_seed": seed}
    return record(id, benchmark=benchmark, value=value, label=(("world",), text), **spec, **changes)


def tables_of(page: str) -> list[list[str]]:
    """The lines of every Markdown table of a page."""
    blocks = re.split(r"\n\s*\n", page)
    return [block.splitlines() for block in blocks if block.startswith("|")]


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


# ---------------------------------------------------------------- one table


def test_a_record_stands_beside_its_published_number() -> None:
    table = lecture_table(PUBLISHED, "soundnet_table4", [record("a")], BUILT, {"a": "results/runs/a.json"})
    assert table.columns == ("System", "Variant", "Column", "Published", "Ours", "n", "Result", "Record")
    ours = next(row for row in table.rows if row[0] == "SVM-MFCC [28]" and row[2] == "ESC-10")
    assert ours[3:7] == ("67.5", "67.0 [62.0, 71.5]", "400", "✓ reproduced (-0.50)")
    assert "[record](results/runs/a.json)" in render(table, "md")
    assert sum(bool(row[4]) for row in table.rows) == 1


def test_rows_keep_the_order_of_the_slide() -> None:
    for name in PUBLISHED.table_ids():
        labels = [cell.row_label for cell in PUBLISHED.table(name)]
        assert [row[0] for row in lecture_table(PUBLISHED, name, [], NOTHING).rows] == labels
        grid = [row[0] for row in slide_grid(PUBLISHED, name, [], NOTHING).rows]
        assert list(dict.fromkeys(grid)) == list(dict.fromkeys(labels))


def test_a_grid_holds_every_number_of_its_table() -> None:
    for name in PUBLISHED.table_ids():
        shown = " ".join(" ".join(row) for row in slide_grid(PUBLISHED, name, [], NOTHING).rows).split()
        for cell in PUBLISHED.table(name):
            assert (cell.value or "–") in shown


def test_marks_and_footnotes() -> None:
    table = lecture_table(PUBLISHED, "esc50_list_columbia", [], NOTHING)
    assert dict((row[0], row[3]) for row in table.rows) == {
        "Chance": "2", "SVM-MFCC": "39 †", "Random Forest": "44 †", "CNN, Piczak 2015": "64 †",
        "SoundNet": "74 †", "Human Consistency": "81 †",
    }  # fmt: skip
    assert table.notes[0].startswith("† in the paper: SVM-MFCC 39.6; Random Forest 44.3")
    flow = lecture_table(PUBLISHED, "tracking_davis2017", [], NOTHING).rows
    assert ("Single Image Colorization", "4.7 ?") in {(row[0], row[3]) for row in flow}
    heat = lecture_table(PUBLISHED, "simclr_augmentations", [], NOTHING).rows
    assert heat[0][3] == "–"


def test_what_is_missing_and_the_command_for_it() -> None:
    table = lecture_table(PUBLISHED, "soundnet_table4", [record("a")], BUILT)
    results = {(row[0], row[2]): row[6] for row in table.rows}
    assert results["SVM-MFCC [28]", "ESC-50"] == "data"
    assert results["Piczak ConvNet [27]", "ESC-50"] == "method not built"
    assert results["SoundNet", "ESC-50"] == "weights"
    assert results["Convolutional Autoencoder", "ESC-50"] == "data unobtainable"
    assert len(table.commands) == len(set(table.commands)) == 3  # svm on ESC-50, the forest on both
    assert not any("esc10 --method svm_mfcc" in line for line in table.commands)
    assert lecture_table(PUBLISHED, "soundnet_table4", [], NOTHING).commands == ()


def test_several_seeds_are_one_number() -> None:
    runs = [record(str(seed), "shuffle_and_learn", "ucf101", 0.49 + seed / 100, seed=seed) for seed in range(3)]
    runs = [replace(run, spec={**run.spec, "recipe": "shuffle-learn"}) for run in runs]
    links = {run.id: f"{run.id}.json" for run in runs}
    table = lecture_table(PUBLISHED, "shuffle_learn_ucf101", runs, BUILT, links)
    assert table.rows[1][4:] == ("50.0 ± 1.0", "400 x 3 seeds", "✓ reproduced (-0.20)", "0.json 1.json 2.json")
    assert "[1](0.json) [2](1.json) [3](2.json)" in render(table)


def test_a_label_that_is_not_plainly_official_is_said_beside_the_verdict() -> None:
    counted = record("a", label=(("official",), "official (lists and counts)"))
    table = lecture_table(PUBLISHED, "soundnet_table4", [counted], BUILT)
    assert table.rows[1][6] == "✓ reproduced (-0.50); official (lists and counts)"


def test_units_have_the_decimals_of_the_literature() -> None:
    assert (number(67.46, "percent"), number(8.561, "dB"), number(0.6041, "fraction")) == (
        "67.5",
        "8.56",
        "0.604",
    )


# ---------------------------------------------------------------- formats


def test_csv_keeps_every_column_and_reads_back() -> None:
    table = lecture_table(PUBLISHED, "soundnet_table4", [record("a")], BUILT)
    read = list(csv.reader(io.StringIO(render(table, "csv"))))
    assert tuple(read[0]) == table.columns
    assert [tuple(row) for row in read[1:]] == list(table.rows)


def test_latex_escapes_what_latex_reads() -> None:
    table = Table("t", "", "", ("System", "Ours"), (("a_b 5 % & {c} #1 $x$ \\ ~ ^", "67.5 ± 0.4 †"),))
    text = render(table, "latex")
    assert r"a\_b 5 \% \& \{c\} \#1 \$x\$ \textbackslash{} \textasciitilde{} \textasciicircum{}" in text
    assert r"67.5 $\pm$ 0.4 $^\dagger$" in text
    assert text.startswith("\\begin{tabular}") and text.endswith("\\end{tabular}\n")
    assert "% † in the paper: SVM-MFCC 39.6" in render(
        lecture_table(PUBLISHED, "esc50_list_columbia", [], NOTHING), "latex"
    )


def test_markdown_comes_with_heading_footnotes_and_commands() -> None:
    text = render(lecture_table(PUBLISHED, "esc50_list_columbia", [], BUILT))
    assert text.startswith("### Sound recognition: classifying sounds in ESC-50\n\n`esc50_list_columbia` · ")
    assert "- † in the paper: SVM-MFCC 39.6" in text
    assert text.endswith("```\n") and "\nunlabeled esc50 --method svm_mfcc " in text


def test_every_table_renders_in_every_format() -> None:
    for name in PUBLISHED.table_ids():
        table = lecture_table(PUBLISHED, name, [record("a")], BUILT, {"a": "a.json"})
        latex = render(table, "latex").splitlines()
        assert len({len(re.findall(r"(?<!\\)&", line)) for line in latex if line.endswith("\\\\")}) == 1
        assert len({len(cells_of(line)) for line in tables_of(render(table, "md"))[0]}) == 1


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(WrongCall, match="md, csv or latex"):
        render(lecture_table(PUBLISHED, "avc_accuracy", [], NOTHING), "html")  # type: ignore[arg-type]


@given(st.lists(st.text(alphabet="a|\\*<`[](x) \n\r\t_", max_size=12), min_size=2, max_size=2))
def test_no_text_breaks_a_markdown_row(texts: list[str]) -> None:
    lines = markdown(["System", "Result"], [["x" + text for text in texts]]).splitlines()
    assert len(lines) == 3
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", lines[2])) == 3


def test_markdown_escapes() -> None:
    assert escape("a|b <script> [x](http://y) *z*") == r"a\|b \<script> [x\](http://y) \*z\*"


# ---------------------------------------------------------------- the page


def test_the_page_holds_every_table_also_without_records() -> None:
    page = leaderboard(PUBLISHED, [], NOTHING)
    places = [page.index(f"`{name}` · ") for name in PUBLISHED.table_ids() if not name.startswith(("x_", "sound_of"))]
    assert places == sorted(places) and len(places) == 20
    assert all(f"`{name}`" in page for name in PUBLISHED.table_ids())
    assert page.index("## Tables from the papers") < page.index("`x_release`") < page.index("## References")
    assert "No run on real data yet." in page and "synthetic world\n" not in page
    assert page.endswith("\n") and not page.endswith("\n\n")


def test_the_page_is_well_formed_and_aligned() -> None:
    page = leaderboard(PUBLISHED, [record("a"), world("w", 11)], BUILT, {"a": "results/runs/a.json"})
    tables = tables_of(page)
    assert len(tables) == 32
    for lines in tables:
        assert len({len(cells_of(line)) for line in lines}) == 1, lines[0]
        assert len({len(line) for line in lines}) == 1, lines[0]
    assert "/home" not in page and "/work" not in page


def test_the_page_depends_on_its_input_alone() -> None:
    runs = [record("a"), world("w", 11), world("v", 12)]
    assert leaderboard(PUBLISHED, runs, BUILT) == leaderboard(PUBLISHED, list(runs), BUILT)


def test_a_record_appears_in_scoreboard_and_table() -> None:
    page = leaderboard(PUBLISHED, [record("a", value=0.6789)], BUILT, {"a": "results/runs/a.json"})
    real, _, tables = page.partition("## Tables of the lectures")
    assert re.search(r"\| SVM-MFCC +\| +67\.9 ✓ \|", real)
    assert "67.9 [62.9, 72.4]" in tables and "(results/runs/a.json)" in tables


def test_world_numbers_stand_in_no_table_of_the_lectures() -> None:
    runs = [world(str(seed), seed, value=0.4321 + seed / 1000) for seed in (11, 12, 13)]
    page = leaderboard(PUBLISHED, runs, BUILT, {run.id: "w.json" for run in runs})
    boards, _, tables = page.partition("## Tables of the lectures")
    assert tables == leaderboard(PUBLISHED, [], BUILT).partition("## Tables of the lectures")[2]
    assert "**World w1 · mini, preset mini**" in boards
    assert re.search(r"\| SVM-MFCC \| 11, 12, 13 \| +44\.4 ± 0\.1 \|", boards)
    assert "No run on real data yet." in boards


def test_worlds_and_presets_are_never_mixed() -> None:
    nano = replace(world("n", 11), spec={**world("n", 11).spec, "preset": "nano"})
    later = world("v2", 11)
    later = replace(
        later, data={**later.data, "label": {"kinds": ["world"], "text": "world esc10@w2 · mini · seed 11"}}
    )
    boards = scoreboard(PUBLISHED, [world("w", 11), nano, later])
    heads = re.findall(r"\*\*(World.*)\*\*", boards)
    assert heads == [
        "World w1 · mini, preset mini",
        "World w1 · mini, preset nano",
        "World w2 · mini, preset mini",
    ]
    assert world_name(later) == "world w2 · mini"


def test_benchmarks_run_with_other_seeds_have_lines_of_their_own() -> None:
    runs = [world("a", 11), world("b", 12), world("c", 11, "esc50")]
    lines = [cells_of(line) for line in tables_of(scoreboard(PUBLISHED, runs))[0][2:]]
    assert lines == [["SVM-MFCC", "11", "43.2", ""], ["SVM-MFCC", "11, 12", "", "43.2 ± 0.0"]]


def test_labels_of_a_generated_set_are_not_those_of_imagenet() -> None:
    runs = [world("w", 11, method="supervised"), record("a", method="supervised")]
    real, generated = tables_of(scoreboard(PUBLISHED, runs))
    assert cells_of(real[2])[0] == PUBLISHED.systems["supervised"].name == "Supervised pretraining (ImageNet labels)"
    assert cells_of(generated[2])[0] == "Supervised (labels of the set)"


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "67.0 ✓"),
        ({"value": 0.5}, "50.0 ✗"),
        ({"preset": "mini"}, "67.0 (mini)"),
        ({"label": (("subset",), "subset: 9 clips")}, "67.0 (subset)"),
        ({"deviations": ("setting C=1.0 (preset: 0.1)",)}, "67.0 (changed)"),
        ({"status": "partial", "missing_units": ("fold 5",)}, "67.0 (partial)"),
        ({"status": "failed", "error": {"what": "torn"}}, "failed"),
        ({"scores": {}}, "no score"),
    ],
)
def test_a_scoreboard_number_says_what_is_not_as_published(changes: dict[str, Any], shown: str) -> None:
    board = tables_of(scoreboard(PUBLISHED, [record("a", **changes)]))[0]
    assert cells_of(board[2]) == ["SVM-MFCC", shown]


def test_a_scoreboard_prefers_the_run_that_changed_nothing() -> None:
    runs = [record("a", preset="mini", value=0.3), record("b", limit=2, value=0.9), record("c")]
    assert cells_of(tables_of(scoreboard(PUBLISHED, runs))[0][2])[1] == "67.0 ✓"


def test_a_method_and_benchmark_of_somebody_else_are_shown_as_recorded() -> None:
    theirs = record("a", "my_net", "my_set", 0.5)
    assert tables_of(scoreboard(PUBLISHED, [theirs]))[0][0].split("|")[2].strip() == "my_set"
    assert cells_of(tables_of(scoreboard(PUBLISHED, [theirs]))[0][2]) == ["my_net", "50.0"]


# ---------------------------------------------------------------- one system, and the check


def test_a_system_tells_everything_known_of_it() -> None:
    page = describe_system(PUBLISHED, "soundnet", BUILT)
    for part in ("SoundNet (8 layers)", "Aytar, Vondrick, Torralba", "NIPS 2016", "soundnet_table4", "92.2", "weights",
                 "lecture 000, 001, 003, 004", "method:      not built", "dcase2013 (not built)"):  # fmt: skip
        assert part in page, part
    assert "methods/svm_mfcc.py" in describe_system(PUBLISHED, "svm_mfcc", BUILT)


def test_every_system_can_be_shown() -> None:
    for name in PUBLISHED.systems:
        assert describe_system(PUBLISHED, name, BUILT).startswith(PUBLISHED.systems[name].name)


def test_check_names_the_first_lines_that_differ() -> None:
    assert check("a\nb\n", "a\nb\n") == []
    assert check("a\nb\n", "a\nc\n") == ["line 2: - b", "line 2: + c"]
    assert check("a", "a\n") == ["the line ends differ"]
    assert check("", "\n".join("abcdefgh"))[-1] == "and 3 more lines"
