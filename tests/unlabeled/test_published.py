"""The published files: the real ones load, and every kind of bad row is named."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from unlabeled import published_checks as checks
from unlabeled.errors import BadData, WrongCall
from unlabeled.published import Published, load

FILES = Path(__file__).parents[2] / "results" / "published"
CELL = "soundnet_table4/svm-mfcc-28/esc-10"


@pytest.fixture(scope="module")
def published() -> Published:
    return load()


@pytest.fixture
def spoil(tmp_path: Path) -> Callable[..., Path]:
    """A copy of the files with one field of one row changed."""

    def change(file: str, column: str, value: str, row: str = CELL) -> Path:
        shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
        with (FILES / file).open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        next(line for line in rows if next(iter(line.values())) == row)[column] = value
        _write(tmp_path / file, rows)
        return tmp_path

    return change


def _write(file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _message(folder: Path) -> str:
    with pytest.raises(BadData) as fault:
        load(folder)
    return str(fault.value)


def test_the_real_files_load_whole(published: Published) -> None:
    assert len(published.table_cells) == len(published.cells) == 247
    assert len(published.table_ids()) == 30
    assert len(published.systems) == 128
    assert {cell.cell_id for cell in published.table_cells} == set(published.cells)


def test_a_folder_gives_what_the_package_gives(published: Published) -> None:
    assert load(FILES) == published


def test_every_cited_key_has_a_reference(published: Published) -> None:
    cited = {cell.paper_citation for cell in published.table_cells} - {""}
    cited |= {key for system in published.systems.values() for key in system.bib.split(";")} - {""}
    assert cited <= set(published.references)


def test_references_are_plain_text(published: Published) -> None:
    assert published.references["aytar2016soundnet"].text() == (
        "Aytar, Vondrick, Torralba: SoundNet: Learning Sound Representations from Unlabeled Video. "
        "Advances in Neural Information Processing Systems, 2016."
    )
    assert published.references["arandjelovic2017look"].text().startswith("Arandjelović, Zisserman: Look")
    texts = [reference.text() for reference in published.references.values()]
    assert not [text for text in texts if "\\" in text or "{" in text or ". ." in text]
    assert all(reference.venue and reference.year for reference in published.references.values())


def test_every_variant_is_listed_once_and_used(published: Published) -> None:
    used = {cell.variant for cell in published.table_cells} - {""}
    assert used == checks.RUN_VARIANTS | checks.QUOTE_VARIANTS
    assert not checks.RUN_VARIANTS & checks.QUOTE_VARIANTS


def test_the_run_that_a_variant_asks_for(published: Published) -> None:
    def variant(cell_id: str) -> tuple[str, bool]:
        cell = published.cells[cell_id]
        return cell.run_variant, cell.released

    assert variant("x_release/deepcontext-released-code/detection-map") == ("", False)
    assert variant("x_release/simclr-released-checkpoint-resnet50-2x/imagenet-top-1") == ("resnet50-2x", True)
    assert variant("simclr_figure1/simclr-2x/imagenet-top-1") == ("resnet50-2x", False)
    assert published.cells[CELL].recipe_name == "piczak2015"


def test_slide_and_paper_that_write_one_number_differently_do_not_differ(published: Published) -> None:
    differing = {cell.cell_id for cell in published.table_cells if cell.differs}
    assert len(differing) == 7
    assert "esc50_list_columbia/chance/accuracy" not in differing  # 2 and 2.0
    assert "avc_accuracy/correspondence-accuracy-on-test-set/accuracy" in differing  # 82 and 81.9


def test_a_table_keeps_the_order_of_the_slide(published: Published) -> None:
    rows = [cell.row for cell in published.table("tracking_davis2017")]
    assert rows == sorted(rows)
    recalls = [cell.column_label for cell in published.table("tracking_davis2017") if cell.row == "1"]
    assert recalls == ["J (segment) mean", "F (boundary) mean", "J&F mean", "J recall", "F recall"]


def test_an_unknown_table_names_its_neighbours(published: Published) -> None:
    with pytest.raises(WrongCall, match="soundnet_table4"):
        published.table("soundnet_table5")


@pytest.mark.parametrize(
    ("file", "column", "value", "says"),
    [
        ("tables.csv", "method_id", "svm_mfc", "'svm_mfc' is not in systems.csv"),
        ("tables.csv", "variant", "resnet51", "listed neither as a run variant nor as a quote variant"),
        ("tables.csv", "benchmark", "esc11", "'esc11' is no known benchmark"),
        ("tables.csv", "metric", "map", "'map' is no metric of esc10: accuracy"),
        ("tables.csv", "unit", "percents", "'percents' is not one of"),
        ("tables.csv", "unit", "dB", "'dB' is not the unit of accuracy: percent"),
        ("tables.csv", "direction", "lower", "'lower' is not one of"),
        ("tables.csv", "shown", "film", "'film' is not one of"),
        ("tables.csv", "value", "67.6", "'67.6' is not the slide's, else the paper's: '67.5'"),
        ("tables.csv", "value_paper", "about 67", "'about 67' is no number"),
        ("tables.csv", "value_status", "seen", "'seen' is not one of"),
        ("tables.csv", "value_status", "not-readable", "'not-readable' with the value '67.5'"),
        ("tables.csv", "paper_status", "checked", "'checked' is not one of"),
        ("tables.csv", "paper_citation", "piczak2016", "'piczak2016' is not in references.bib"),
        ("tables.csv", "row", "first", "'first' is no whole number"),
        ("tables.csv", "row", "²", "'²' is no whole number"),
        ("tables.csv", "row", "٣", "'٣' is no whole number"),
        ("tables.csv", "value_paper", "٣", "'٣' is no number"),
        ("tables.csv", "value_paper", "9" * 400, "is no number"),
        ("tables.csv", "row_label", "SVM\nMFCC", "'SVM\\nMFCC' holds a sign that cannot be printed"),
        ("tables.csv", "table_title", "Another", "'Another' is 'Sound classification on ESC-50"),
        ("tables.csv", "column_label", "ESC-50", "stands in the place of"),
        ("cells.csv", "published_value", "67.50", "'67.50' is '67.5' in tables.csv"),
        ("cells.csv", "table_id", "soundnet_table3", "'soundnet_table3' is 'soundnet_table4' in tables.csv"),
        ("cells.csv", "recipe", "esc50/piczak2015", "'esc50/piczak2015' is not esc10/NAME"),
        ("cells.csv", "preset", "mini", "'mini' is not one of"),
        ("cells.csv", "seeds", "some", "'some' is no number of runs"),
        ("cells.csv", "seeds", "²", "'²' is no number of runs"),
        ("cells.csv", "seeds", "٣", "'٣' is no number of runs"),
        ("cells.csv", "seeds", "0", "'0' is no number of runs"),
        ("cells.csv", "seeds", "999999999999", "'999999999999' is no number of runs"),
        ("cells.csv", "tolerance", "wide", "'wide' is no distance"),
        ("cells.csv", "tolerance", "²", "'²' is no distance"),
        ("cells.csv", "tolerance", "٣", "'٣' is no distance"),
        ("cells.csv", "tolerance", "-0.5", "'-0.5' is no distance"),
        ("cells.csv", "tolerance", "10.1", "'10.1' is no distance from 0 to 10"),
        ("cells.csv", "needs_data", "esc10\x1b[2J", "holds a sign that cannot be printed"),
        ("cells.csv", "measurable", "maybe", "'maybe' is not one of"),
        ("cells.csv", "missing", "time", "'time' is not one of"),
        ("cells.csv", "cost", "much", "'much' is not one of"),
        ("cells.csv", "measure_id", "svm_mfcc|", "'svm_mfcc|' is not 'svm_mfcc||esc10/piczak2015|paper|"),
        ("cells.csv", "cell_id", "soundnet_table4/x", "'soundnet_table4/x' is not in tables.csv"),
    ],
)
def test_a_bad_field_is_named(spoil: Callable[..., Path], file: str, column: str, value: str, says: str) -> None:
    message = _message(spoil(file, column, value))
    named = [line for line in message.splitlines() if says in line]
    assert named, message
    assert named[0].split(", ")[0].strip() == file
    assert CELL in message


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("tier", "D", "svm_mfcc, tier: 'D' is not one of"),
        ("build", "soon", "svm_mfcc, build: 'soon' is not one of"),
        ("kind", "magic", "svm_mfcc, kind: 'magic' is not one of"),
        ("bib", "nobody2020", "svm_mfcc, bib: 'nobody2020' is not in references.bib"),
        ("benchmarks", "esc50;esc12", "svm_mfcc, benchmarks: 'esc12' is no known benchmark"),
        ("method_id", "random", "random, method_id: 'random' stands 2 times"),
    ],
)
def test_a_bad_system_is_named(spoil: Callable[..., Path], column: str, value: str, says: str) -> None:
    assert says in _message(spoil("systems.csv", column, value, row="svm_mfcc"))


def test_several_faults_are_reported_together(spoil: Callable[..., Path]) -> None:
    folder = spoil("tables.csv", "unit", "percents")
    text = (folder / "systems.csv").read_text(encoding="utf-8").replace(",core,", ",heart,", 1)
    (folder / "systems.csv").write_text(text, encoding="utf-8")
    message = _message(folder)
    assert "'percents'" in message and "'heart'" in message


def test_a_cell_without_its_twin_and_a_cell_that_stands_twice(tmp_path: Path) -> None:
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    lines = (FILES / "cells.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "cells.csv").write_text("".join(lines[:-1] + lines[1:2]), encoding="utf-8")
    message = _message(tmp_path)
    assert "is not in cells.csv" in message and "stands 2 times" in message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("cell_id,table_id", "cell_id,table"), ["unknown column 'table'", "column 'table_id' is missing"]),
        (("table_id,method_id", "method_id,table_id"), ["another order"]),
    ],
)
def test_columns_are_exactly_the_known_ones(tmp_path: Path, change: tuple[str, str], says: list[str]) -> None:
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    text = (FILES / "cells.csv").read_text(encoding="utf-8")
    (tmp_path / "cells.csv").write_text(text.replace(*change, 1), encoding="utf-8")
    message = _message(tmp_path)
    assert all(part in message for part in says), message


def test_a_torn_row_is_named(tmp_path: Path) -> None:
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    with (tmp_path / "tables.csv").open("a", encoding="utf-8") as out:
        out.write("torn/cell,torn\n")
    assert "tables.csv, row 249 (torn/cell): 2 fields" in _message(tmp_path)


@pytest.mark.parametrize("end", ['x/y,"never closed\n', f"x/y,{'z' * 200_000}\n", 'x/y,"closed"then\n'])
def test_a_file_that_is_no_csv_is_named(tmp_path: Path, end: str) -> None:
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    with (tmp_path / "cells.csv").open("a", encoding="utf-8") as out:
        out.write(end)
    assert "cells.csv: cannot be read as CSV (" in _message(tmp_path)


def test_a_missing_file_and_a_torn_reference_are_named(tmp_path: Path) -> None:
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    (tmp_path / "cells.csv").unlink()
    with (tmp_path / "references.bib").open("a", encoding="utf-8") as out:
        out.write("\n@article{torn2020,\n  author = {Nobody}\n")
    message = _message(tmp_path)
    assert "cells.csv: cannot be read" in message and "an entry is not closed" in message


def test_the_loader_needs_no_heavy_library() -> None:
    code = (
        "import sys, unlabeled.published, unlabeled.verdict, unlabeled.tables, unlabeled.leaderboard\n"
        "sys.exit(bool({'torch', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
