"""Every published cell with the command that would measure it, or the one thing that is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from unlabeled import published, registry, verdict
from unlabeled.published import Cell
from unlabeled.store import Store


def lines(data: Path | None, store: Store) -> Iterator[str]:
    """One line a cell, by table, and a last line that counts. `store` remembers what files were looked into."""
    numbers = published.load()
    methods, benchmarks = registry.names("methods"), registry.names("benchmarks")
    found = {name: _whole(name, data, store) for name in registry.names("datasets")}
    counts: Counter[str] = Counter()
    for table in numbers.table_ids():
        yield table
        for row in numbers.table(table):
            cell = numbers.cells[row.cell_id]
            missing = _missing(cell, methods, benchmarks, found)
            counts[missing] += 1
            text = f"missing: {missing}" if missing else verdict.command(cell).replace("ROOT", str(data or "ROOT"))
            yield f"  {row.cell_id.partition('/')[2]}: {text}"
    ready = counts.pop("", 0)
    rest = ", ".join(f"{n} {missing}" for missing, n in counts.most_common())
    yield f"{sum(counts.values()) + ready} published cells: {ready} can be measured now; missing: {rest}"


def _missing(cell: Cell, methods: list[str], benchmarks: list[str], found: dict[str, bool]) -> str:
    """The one thing that keeps a cell from being measured here, empty where nothing does."""
    reason = verdict.missing_reason(cell, methods, benchmarks, have_record=False)
    if cell.measurable == "no":
        return "data (cannot be obtained)" if reason == "data" else reason
    if reason == "data" and found.get(cell.dataset):
        reason = ""
    if reason:
        return reason
    recipes = registry.load("benchmarks", cell.benchmark).recipes
    variants = registry.load("methods", cell.method_id).variants
    if cell.recipe_name not in recipes:
        return f"recipe {cell.recipe_name} not built"
    return f"variant {cell.run_variant} not built" if cell.run_variant and cell.run_variant not in variants else ""


def _whole(name: str, data: Path | None, store: Store) -> bool:
    """Whether a data set lies below a data root, all of it and in order."""
    reader = registry.load("datasets", name)
    folder = reader.find(data) if data and data.is_dir() else None
    if folder is None:
        return False
    survey = reader.survey(folder, None, lambda file, look: store.memo(file, look, remember=False))
    return "subset" not in survey.label.kinds and not any(problem.fatal for problem in survey.problems)
