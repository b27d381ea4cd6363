"""What is made from records and published numbers alone: leaderboard.md, one table, the page of one name.

`store` is the folder of the user's own records, which stand before the project's; without one the pages show
the project's records alone. Records that cannot be read are left out, and `tell` hears of each.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

from unlabeled import given, keys, leaderboard, outlook, published, registry, tables, verdict, weights
from unlabeled.errors import BadData, UnlabeledError, WrongCall
from unlabeled.files import write_atomic
from unlabeled.records import Record
from unlabeled.store import Found, Store, Unread, read_folder, reference

Tell = Callable[[str], None]


def _all_records(own: Found) -> Found:
    """Own records first, the newest before older ones, then the project's.

    A record that both hold is taken from the project's folder, so that the same numbers are the same page.
    """
    project = read_folder(reference())
    shared = {record.id: record for record, _ in project.records}
    mine = [(r, f) for r, f in own.records if r.id not in shared or r.without_run() != shared[r.id].without_run()]
    mine.sort(key=lambda pair: str(pair[0].run["started"]), reverse=True)
    return Found((*mine, *project.records), (*own.set_aside, *project.set_aside))


def _found(store: Path | None, tell: Tell | None) -> tuple[tuple[Record, Path], ...]:
    """All records to show; nothing is moved or written."""
    found = _all_records(read_folder(Store(store).records) if store else Found((), ()))
    _tell(found.set_aside, tell)
    return found.records


def _tell(unread: Iterable[Unread], tell: Tell | None) -> None:
    if tell is not None:
        for _, reason in unread:
            tell(reason)


def _links(found: Iterable[tuple[Record, Path]], folder: Path) -> dict[str, str]:
    """Paths of records as seen from the folder of a page; none for a record that does not lie below it."""
    links: dict[str, str] = {}
    for record, file in found:
        if file.parent == reference():
            beside = Path("results", "runs", file.name)
            there = (folder / beside).is_file()
        else:
            beside = Path(os.path.relpath(file, folder))
            there = beside.parts[0] != os.pardir
        links.setdefault(record.id, quote(beside.as_posix()) if there else "")
    return links


def _page(found: tuple[tuple[Record, Path], ...], folder: Path) -> str:
    records = [record for record, _ in found]
    return leaderboard.leaderboard(published.load(), records, outlook.BUILT, _links(found, folder))


def write(file: Path, store: Path | None, tell: Tell | None = None) -> Path:
    """Write leaderboard.md: `run-all` with its store, `unlabeled leaderboard` with the store it is given, if any.

    Records of the store that cannot be read are moved to its `set-aside`.
    """
    found = _all_records(Store(store).read() if store else Found((), ()))
    _tell(found.set_aside, tell)
    write_atomic(file, _page(found.records, file.parent).encode())
    return file


def check(file: Path, store: Path | None) -> tuple[list[str], list[str]]:
    """Differences between the file and the page made now, and the records whose code has changed since.

    Without a store the answer depends on the project's own records alone, so that it is the same for everybody.
    A record that cannot be read is a difference. Nothing is moved or written.
    """
    if not file.is_file():
        raise BadData(f"{file}: no such file", "run `unlabeled leaderboard` to write it")
    unread: list[str] = []
    found = _found(store, unread.append)
    differences = leaderboard.check(file.read_text(encoding="utf-8"), _page(found, file.parent))
    stale = [f"{record.id}: {why}" for record, _ in found if (why := stale_because(record))]
    return [*differences, *unread], stale


def stale_because(record: Record) -> str:
    """Why a record would not be made the same way today, empty if it would."""
    source = record.method["source"]
    try:
        names: list[tuple[registry.Kind, str]] = [
            ("benchmarks", record.spec["benchmark"]), ("datasets", record.data["dataset"])
        ]  # fmt: skip
        if record.spec["preset"] == given.PRESET:
            modules = [given.__name__]
        else:
            modules = list(registry.find("methods", record.spec["method"]).modules)
            if not source.startswith(f"{modules[0]} "):
                return f"was made by {source}"
        if record.spec.get("weights") or record.spec.get("random_weights"):
            modules += weights.NUMERIC
        modules += [module for kind, name in names for module in registry.find(kind, name).modules]
        now = keys.code_key(modules)
    except UnlabeledError as fault:
        return fault.what
    if now.sources != record.keys["sources"]:
        return "the code that it depends on has changed"
    changed = [
        f"{name} {record.keys['versions'].get(name)} -> {version}"
        for name, version in now.versions.items()
        if record.keys["versions"].get(name) != version
    ]
    if now.python != record.keys["python"]:
        changed.append(f"Python {record.keys['python']} -> {now.python}")
    return ", ".join(changed)


def scoreboard(store: Path | None, tell: Tell | None = None) -> str:
    """The scoreboards of leaderboard.md."""
    return leaderboard.scoreboard(published.load(), [record for record, _ in _found(store, tell)]).rstrip()


def verdicts(record: Record) -> list[str]:
    """One line for each published number that this run stands beside."""
    numbers = published.load()
    lines = []
    for row in numbers.table_cells:
        cell = numbers.cells[row.cell_id]
        if verdict.belongs(cell, record) and row.value:
            found = verdict.judge(cell, row, [record])
            text = ("no verdict: " if found.kind == "none" else "") + tables.judgement_text(found, cell)
            lines.append(f"published {row.value} ({row.table_id}): {text}")
    return lines


def table_list() -> list[str]:
    """Every table of the lectures with its title."""
    numbers = published.load()
    ids = numbers.table_ids()
    width = max(map(len, ids))
    return [f"{name:<{width}}  {numbers.table(name)[0].table_title}" for name in ids]


def table(table_id: str, format: tables.Format, store: Path | None, tell: Tell | None = None) -> str:
    """One table in a format; links lead from the current folder."""
    found = _found(store, tell)
    records = [record for record, _ in found]
    made = tables.lecture_table(published.load(), table_id, records, outlook.BUILT, _links(found, Path()))
    return tables.render(made, format)


def find_run(name: str, store: Path | None, tell: Tell | None = None) -> tuple[Record, Path] | None:
    """The record whose id begins with `name`, None if there is none.

    Raises
    ------
    WrongCall : several do.
    """
    hits = {record.id: (record, file) for record, file in _found(store, tell) if record.id.startswith(name)}
    if len(hits) > 1 and name not in hits:
        raise WrongCall(f"{name!r} begins the names of {len(hits)} runs", f"one of: {', '.join(sorted(hits)[:8])}")
    return hits.get(name) or next(iter(hits.values()), None)


def is_name(name: str) -> bool:
    """Whether a system, method, benchmark or data set is called so."""
    return name in published.load().systems or any(name in registry.names(kind) for kind in registry.KINDS)


def show(name: str) -> str:
    """What is known of a system, benchmark or data set.

    Raises
    ------
    WrongCall : nothing is called so; near names are listed.
    """
    numbers = published.load()
    parts = []
    if name in registry.names("benchmarks"):
        benchmark = registry.load("benchmarks", name)
        recipes = [f"  {name}/{key} (asks for {recipe.role})" for key, recipe in benchmark.recipes.items()]
        parts.append("\n".join([f"benchmark {name}: {benchmark.title}", "recipes:", *recipes]))
    if name in registry.names("datasets"):
        parts.append(f"data set {name}:\n{registry.load('datasets', name).where}")
    if name in numbers.systems:
        parts.append(leaderboard.describe_system(numbers, name, outlook.BUILT))
    elif name in registry.names("methods"):
        plugin = registry.find("methods", name)
        parts.append(f"method {name} (from {plugin.distribution}): {plugin.summary()}")
    if not parts:
        known = {*numbers.systems, *numbers.table_ids(), *(n for kind in registry.KINDS for n in registry.names(kind))}
        raise registry.unknown("system, benchmark, data set, table or run", name, known)
    return "\n\n".join(parts)
