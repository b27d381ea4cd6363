"""What is made from records and published numbers alone: leaderboard.md, one table, the page of one name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from unlabeled import keys, leaderboard, published, registry, tables, verdict
from unlabeled.errors import BadData, UnlabeledError, WrongCall
from unlabeled.published import Published
from unlabeled.records import Record
from unlabeled.store import Found, Store, read_folder, reference, write_atomic


def _all_records(store: Path) -> tuple[list[tuple[Record, Path]], list[str]]:
    """Own records first, the newest before older ones, then the project's; and what could not be read.

    A record that both hold is taken from the project's folder, so that the same numbers are the same page.
    """
    project = read_folder(reference())
    own = Store(store).read() if Store(store).records.is_dir() else Found((), ())
    shared = {record.id: record for record, _ in project.records}
    mine = [(r, f) for r, f in own.records if r.id not in shared or r.without_run() != shared[r.id].without_run()]
    mine.sort(key=lambda pair: str(pair[0].run.get("started")), reverse=True)
    return [*mine, *project.records], [*own.set_aside, *project.set_aside]


def _links(found: Iterable[tuple[Record, Path]], store: Path) -> dict[str, str]:
    """Paths of records as seen from the folder of leaderboard.md."""
    links: dict[str, str] = {}
    for record, file in found:
        own = file.parent == Store(store).records
        links.setdefault(record.id, f"{store.as_posix()}/records/{file.name}" if own else f"results/runs/{file.name}")
    return links


def _built() -> tables.Built:
    return tables.Built(frozenset(registry.names("methods")), frozenset(registry.names("benchmarks")))


def _page(store: Path) -> tuple[str, list[str]]:
    found, unread = _all_records(store)
    records = [record for record, _ in found]
    return leaderboard.leaderboard(published.load(), records, _built(), _links(found, store)), unread


def write(file: Path, store: Path) -> Path:
    """Write leaderboard.md."""
    text, _ = _page(store)
    write_atomic(file, text.encode())
    return file


def check(file: Path, store: Path) -> tuple[list[str], list[str]]:
    """Differences between the file and the page made now, and the records whose code has changed since."""
    if not file.is_file():
        raise BadData(f"{file}: no such file", "run `unlabeled leaderboard` to write it")
    text, unread = _page(store)
    found, _ = _all_records(store)
    differences = leaderboard.check(file.read_text(encoding="utf-8"), text)
    stale = [f"{record.id}: {why}" for record, _ in found if (why := stale_because(record))]
    return [*differences, *unread], stale


def stale_because(record: Record) -> str:
    """Why a record would not be made the same way today, empty if it would."""
    try:
        plugins = [
            registry.find("methods", record.spec["method"]),
            registry.find("benchmarks", record.spec["benchmark"]),
            registry.find("datasets", record.data["dataset"]),
        ]
        now = keys.code_key([module for plugin in plugins for module in plugin.modules])
    except UnlabeledError as fault:
        return fault.what
    if not str(record.method.get("source", "")).startswith(f"{plugins[0].module} "):
        return f"was made by {record.method.get('source')}"
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


def scoreboard(store: Path) -> str:
    """The scoreboards of leaderboard.md."""
    found, _ = _all_records(store)
    return leaderboard.scoreboard(published.load(), [record for record, _ in found]).rstrip()


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


def table(table_id: str, format: tables.Format, store: Path) -> str:
    """One table in a format."""
    numbers = published.load()
    if table_id not in numbers.table_ids():
        raise registry.unknown("table", table_id, numbers.table_ids())
    found, _ = _all_records(store)
    records = [record for record, _ in found]
    made = tables.lecture_table(numbers, table_id, records, _built(), _links(found, store))
    return tables.render(made, format)


def find_run(name: str, store: Path) -> tuple[Record, Path] | None:
    """The record whose id begins with `name`, None if there is none.

    Raises
    ------
    WrongCall : several do.
    """
    found, _ = _all_records(store)
    hits = {record.id: (record, file) for record, file in found if record.id.startswith(name)}
    if len(hits) > 1 and name not in hits:
        raise WrongCall(f"{name!r} begins the names of {len(hits)} runs", f"one of: {', '.join(sorted(hits)[:8])}")
    return hits.get(name) or next(iter(hits.values()), None)


def is_name(name: str) -> bool:
    """Whether a system, method, benchmark or data set is called so."""
    return name in published.load().systems or any(name in registry.names(kind) for kind in registry.KINDS)


def show(name: str, numbers: Published | None = None) -> str:
    """What is known of a system, benchmark or data set.

    Raises
    ------
    WrongCall : nothing is called so; near names are listed.
    """
    numbers = numbers or published.load()
    parts = []
    if name in registry.names("benchmarks"):
        benchmark = registry.load("benchmarks", name)
        recipes = [f"  {name}/{key} (asks for {recipe.role})" for key, recipe in benchmark.recipes.items()]
        parts.append("\n".join([f"benchmark {name}: {benchmark.title}", "recipes:", *recipes]))
    if name in registry.names("datasets"):
        parts.append(f"data set {name}:\n{registry.load('datasets', name).where}")
    if name in numbers.systems:
        parts.append(leaderboard.describe_system(numbers, name, _built()))
    elif name in registry.names("methods"):
        plugin = registry.find("methods", name)
        parts.append(f"method {name} (from {plugin.distribution}): {plugin.summary()}")
    if not parts:
        known = {*numbers.systems, *numbers.table_ids(), *(n for kind in registry.KINDS for n in registry.names(kind))}
        raise registry.unknown("system, benchmark, data set, table or run", name, known)
    return "\n\n".join(parts)
