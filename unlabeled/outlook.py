"""What this installation has built, and every published cell with its command or the one thing that is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

from unlabeled import published, registry, verdict
from unlabeled.errors import UnlabeledError
from unlabeled.store import Store
from unlabeled.verdict import Built


@cache
def _recipes(benchmark: str) -> Collection[str] | None:
    return _part("benchmarks", benchmark, "recipes")


@cache
def _variants(method: str) -> Collection[str] | None:
    return _part("methods", method, "variants")


def _part(kind: registry.Kind, name: str, part: str) -> Collection[str] | None:
    """An attribute of a plug-in; None where there is no such plug-in, or one that cannot be loaded."""
    try:
        return frozenset(getattr(registry.load(kind, name), part)) if name in registry.names(kind) else None
    except UnlabeledError:
        return None


BUILT = Built(_recipes, _variants)
"""What is installed here; a plug-in is imported when a table asks for it."""


def lines(data: Path | None, store: Store) -> Iterator[str]:
    """One line a cell, by table, and a last line that counts. `store` remembers what files were looked into."""
    numbers = published.load()
    at_hand = [name for name in registry.names("datasets") if _whole(name, data, store)]
    counts: Counter[str] = Counter()
    for table in numbers.table_ids():
        yield table
        for row in numbers.table(table):
            cell = numbers.cells[row.cell_id]
            missing = verdict.missing_reason(cell, BUILT, at_hand)
            counts[missing] += 1
            text = f"missing: {missing}" if missing else verdict.command(cell).replace("ROOT", str(data or "ROOT"))
            yield f"  {row.cell_id.partition('/')[2]}: {text}"
    ready = counts.pop("", 0)
    rest = ", ".join(f"{n} {missing}" for missing, n in counts.most_common())
    yield f"{sum(counts.values()) + ready} published cells: {ready} can be measured now; missing: {rest}"


def _whole(name: str, data: Path | None, store: Store) -> bool:
    """Whether a data set lies below a data root, all of it and in order."""
    reader = registry.load("datasets", name)
    folder = reader.find(data) if data and data.is_dir() else None
    if folder is None:
        return False
    survey = reader.survey(folder, None, lambda file, look: store.memo(file, look, remember=False))
    return "subset" not in survey.label.kinds and not any(problem.fatal for problem in survey.problems)
