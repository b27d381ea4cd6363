"""Pages from records: what cannot be read is told and left out, links lead somewhere, nobody's own store counts."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from unlabeled import pages
from unlabeled.errors import BadData, WrongCall
from unlabeled.store import reference

ROOT = Path(__file__).parents[2]
SVM = next(reference().glob("esc10-svm_mfcc-paper-*.json"))
WHOLE = json.loads(SVM.read_text(encoding="utf-8"))


def put(folder: Path, id: str, **changes: Any) -> Path:
    """A record in a store: the project's own of the SVM under another name, with fields changed."""
    records = folder / "records"
    records.mkdir(parents=True, exist_ok=True)
    file = records / f"{id}.json"
    file.write_text(json.dumps({**copy.deepcopy(WHOLE), "id": id, "items": None, **changes}))
    return file


def score(value: Any) -> dict[str, Any]:
    return {"accuracy": {**WHOLE["scores"]["accuracy"], "value": value}}


BAD: dict[str, Any] = {
    "units": {"units": 5},
    "items": {"items": 5},
    "spec": {"spec": {}},
    "scores": {"scores": {"accuracy": 5}},
    "nan": {"scores": score(float("nan"))},
    "typed": {"scores": score(0.99)},
    "label": {"data": {**WHOLE["data"], "label": 5}},
    "keys": {"keys": {}},
    "run": {"run": 5},
    "error": {"status": "failed", "error": "torn"},
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A store with one good record and every bad one."""
    for name, changes in BAD.items():
        put(tmp_path / "store", f"bad-{name}", **changes)
    put(tmp_path / "store", "good", spec={**WHOLE["spec"], "variant": "mine"})
    return tmp_path / "store"


def bad_names(told: list[str]) -> set[str]:
    return {line.partition("bad-")[2].partition(".json")[0] for line in told if "bad-" in line}


def test_every_page_names_what_it_cannot_read(home: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in (home / "records").iterdir())
    for make in (
        lambda tell: pages.scoreboard(home, tell),
        lambda tell: pages.table("soundnet_table4", "md", home, tell),
        lambda tell: pages.find_run("good", home, tell),
    ):
        told: list[str] = []
        assert make(told.append)
        assert bad_names(told) == set(BAD) and len(told) == len(BAD)
    assert pages.table("soundnet_table4", "md", home) == pages.table("soundnet_table4", "md", home)
    assert sorted(path.name for path in (home / "records").iterdir()) == before, "reading moves nothing"


def test_writing_sets_aside_and_checking_does_not(home: Path, tmp_path: Path) -> None:
    page = tmp_path / "leaderboard.md"
    page.write_text(pages.write(tmp_path / "first.md", None).read_text())
    differences, _ = pages.check(page, home)
    assert bad_names(differences) == set(BAD) and not (home / "records" / "set-aside").exists()
    told: list[str] = []
    assert pages.write(page, home, told.append) == page
    assert bad_names(told) == set(BAD) and all("(moved to set-aside)" in line for line in told)
    assert len(list((home / "records" / "set-aside").iterdir())) == len(BAD)
    assert pages.check(page, home)[0] == []


def test_what_cannot_be_read_changes_no_page(home: Path, tmp_path: Path) -> None:
    put(tmp_path / "clean" / "store", "good", spec={**WHOLE["spec"], "variant": "mine"})
    clean, full = tmp_path / "clean" / "page.md", tmp_path / "page.md"
    assert pages.write(full, home).read_text() == pages.write(clean, tmp_path / "clean" / "store").read_text()


# ---------------------------------------------------------------- whose records


def test_without_a_store_the_page_is_the_projects_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / ".unlabeled", "mine", spec={**WHOLE["spec"], "method": "my_own", "preset": "mini"})
    monkeypatch.chdir(tmp_path)
    assert "my_own" in pages.scoreboard(Path(".unlabeled"))
    assert "my_own" not in pages.scoreboard(None)
    page = pages.write(Path("leaderboard.md"), None)
    assert "my_own" not in page.read_text() and pages.check(page, None)[0] == []
    assert pages.find_run("mine", None) is None
    assert pages.check(page, Path(".unlabeled"))[0]


def test_records_are_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = pages.write(tmp_path / "leaderboard.md", None)
    read, folders = pages.read_folder, []

    def counted(folder: Path) -> Any:
        folders.append(folder)
        return read(folder)

    monkeypatch.setattr(pages, "read_folder", counted)
    pages.check(page, None)
    assert folders == [reference()]


def test_a_page_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no such file"):
        pages.check(tmp_path / "leaderboard.md", None)


def test_a_run_is_found_by_the_beginning_of_its_name(tmp_path: Path) -> None:
    files = [put(tmp_path, name) for name in ("mine", "mine-2", "mine-3")]
    assert [pages.find_run(name, tmp_path)[1] for name in ("mine", "mine-2")] == files[:2]  # type: ignore[index]
    with pytest.raises(WrongCall, match="begins the names of 2 runs"):
        pages.find_run("mine-", tmp_path)
    assert pages.find_run("nothing", tmp_path) is None
    assert pages.find_run(SVM.stem, tmp_path) == pages.find_run(SVM.stem, None)


def test_an_unknown_name_is_told_with_its_neighbours() -> None:
    with pytest.raises(WrongCall, match="soundnet_table4"):
        pages.table("soundnet_table5", "md", None)
    with pytest.raises(WrongCall, match="did you mean soundnet"):
        pages.show("sondnet")


# ---------------------------------------------------------------- links


def links(page: Path) -> list[str]:
    return [
        line.partition("[record](")[2].partition(")")[0]
        for line in page.read_text().splitlines()
        if "[record](" in line
    ]


def test_links_of_the_checkout_lead_to_its_records(tmp_path: Path) -> None:
    runs = tmp_path / "results" / "runs"
    runs.mkdir(parents=True)
    (runs / SVM.name).write_bytes(SVM.read_bytes())
    assert links(pages.write(tmp_path / "leaderboard.md", None)) == [f"results/runs/{SVM.name}"]
    assert all((ROOT / link).is_file() for link in links(ROOT / "leaderboard.md"))


def test_outside_a_checkout_nothing_is_linked(tmp_path: Path) -> None:
    page = pages.write(tmp_path / "leaderboard.md", None)
    assert "reproduced" in page.read_text() and links(page) == [] and "results/runs" not in page.read_text()


def own(folder: Path) -> Path:
    """A store with a record that fills a cell: a newer run of the SVM."""
    return put(folder, "mine (1)", run={**WHOLE["run"], "started": "2030-01-01T00:00:00+00:00"})


def test_a_store_below_the_page_is_linked_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own(tmp_path / "my store")
    expected = ["my%20store/records/mine%20%281%29.json"]
    monkeypatch.chdir(tmp_path)
    for store in (Path("my store"), tmp_path / "my store", Path("my store/../my store")):
        for page in (Path("leaderboard.md"), tmp_path / "leaderboard.md"):
            assert links(pages.write(page, store)) == expected
    assert f"({expected[0]})" in pages.table("soundnet_table4", "md", Path("my store"))


def test_a_store_elsewhere_is_not_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own(tmp_path / "store")
    (tmp_path / "page").mkdir()
    monkeypatch.chdir(tmp_path / "page")
    for store in (Path("../store"), tmp_path / "store"):
        page = pages.write(Path("leaderboard.md"), store)
        assert links(page) == [] and str(tmp_path) not in page.read_text() and ".." not in page.read_text()
