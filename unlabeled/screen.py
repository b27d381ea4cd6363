"""What a person sees in the terminal: progress with time left, the result of a run, problems of a data set."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from unlabeled import outlook, reference, run, tables, verdict, workers
from unlabeled.contracts import Problem
from unlabeled.errors import AbsentData, UnlabeledError
from unlabeled.records import Record
from unlabeled.store import Store

BREAKDOWNS = {"attributes": "attribute", "joints": "joint"}
"""Parts of a record's breakdown that are shown as tables, and the head of their first column."""

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Terminal(run.Watch):
    """Progress on standard error: a bar in a terminal, now and then a line elsewhere."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), console=err, transient=True,
        )  # fmt: skip
        self._task: tuple[str, int] | None = None

    def __enter__(self) -> Terminal:
        if err.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        err.print(text, style="dim", markup=False)

    def step(self, what: str, done: int, total: int) -> None:
        if not err.is_terminal:
            now = time.monotonic()
            if now - self._last > 10:
                self._last = now
                self.say(f"{what}: {done}" + (f" of {total}" if total else ""))
            return
        if self._task is None or self._task[0] != what:
            if self._task:
                self._bars.remove_task(self._task[1])  # type: ignore[arg-type]
            self._task = (what, int(self._bars.add_task(what, total=total or None)))
        self._bars.update(self._task[1], completed=done)  # type: ignore[arg-type]


def remark(text: str) -> None:
    """Something beside the answer, such as a record that could not be read."""
    err.print(text, style="yellow", markup=False)


def fault(error: UnlabeledError) -> None:
    """An error, in the words it carries."""
    err.print(f"[bold red]error:[/] {_plain(str(error))}")


def _plain(text: str) -> str:
    """Data may hold square brackets; they are no markup."""
    return text.replace("[", "\\[")


def number(value: float, unit: str) -> str:
    """Percent with one decimal, dB with two: the form of every table."""
    return tables.number(value * verdict.PER_UNIT[unit], unit)


def headline(record: Record) -> str:
    """One line: what was run, the number with its interval, the label."""
    spec = record.spec
    name = f"{spec['benchmark']} {spec['method']}" + (f" ({spec['variant']})" if spec["variant"] else "")
    numbers = [_score(metric, score) for metric, score in record.scores.items()]
    return f"{name}: {numbers[0] if numbers else 'no number'} ({record.data['label']['text']})"


def _score(metric: str, score: Mapping[str, Any]) -> str:
    """`j_mean 74.8 [71.0, 78.3], n = 61`."""
    text = f"{metric} {number(score['value'], score['unit'])}"
    if score["interval"]:
        text += f" [{', '.join(number(end, score['unit']) for end in score['interval'])}]"
    return f"{text}{' dB' if score['unit'] == 'dB' else ''}, n = {score['n']}"


def show_record(record: Record, verdicts: list[str], where: str) -> None:
    """The result of one run."""
    out.print(headline(record), style="bold", markup=False)
    table = Table(show_header=True, header_style="dim", box=None, pad_edge=False)
    columns = [name for name in record.units[0] if name not in ("unit", "n")] if record.units else []
    for name in ("unit", "n", *columns):
        table.add_column(name, justify="left" if name == "unit" else "right")
    for unit in record.units:
        cells = [_unit_cell(record, name, unit.get(name)) for name in columns]
        table.add_row(_plain(unit["unit"]), str(unit["n"]), *cells)
    if record.units:
        out.print(table)
    for name, head in BREAKDOWNS.items():
        if rows := record.breakdown.get(name):
            out.print(_breakdown(record, name, rows))
        elif name in record.breakdown:
            out.print(f"no numbers by {head}: beside the data lies no table of {name}", markup=False)
    lines = [
        *_learned(record),
        *(_score(metric, score) for metric, score in list(record.scores.items())[1:]),
        *(
            f"standard deviation of {metric} over units {number(score['spread'], score['unit'])}"
            for metric, score in record.scores.items()
            if score["spread"] is not None
        ),
        *(f"not run: {unit}" for unit in record.missing_units),
        *(f"deviation: {text}" for text in record.deviations),
        *(f"note: {text}" for text in (*record.data["notes"], *record.notes)),
        *verdicts,
        f"record: {where}",
    ]
    for line in lines:
        out.print(line, markup=False)


def _learned(record: Record) -> Iterator[str]:
    """How a pretext did at its own task, on items that it never learned from."""
    sanity = record.method.get("pretrain", {}).get("sanity")
    if not sanity:
        return
    controls = "".join(f"; {name} {control['value']:.3f}" for name, control in sanity["controls"].items())
    chance = f"chance {sanity['chance']:.3g}{controls}"
    yield f"pretext: {sanity['name']} {sanity['value']:.3f}, n = {sanity['n']} ({chance})"
    if errors := sanity.get("errors"):
        # A record sorts names: the network's own answer, of which nothing is less, comes first.
        of = sorted(errors["of"].items(), key=lambda row: row[1]["less"] != 0)
        rows = ", ".join(f"{name} {error['value']:.4g}" for name, error in of)
        yield f"squared error of what it said of {errors['n']} held-out items: {rows}"


def _breakdown(record: Record, name: str, rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """A part of the breakdown, a line an entry."""
    table = Table(show_header=True, header_style="dim", box=None, pad_edge=False)
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    for column in (BREAKDOWNS[name], *columns):
        table.add_column(column, justify="left" if column == BREAKDOWNS[name] else "right")
    for entry, row in rows.items():
        table.add_row(_plain(entry), *(_unit_cell(record, column, row.get(column)) for column in columns))
    return table


def _unit_cell(record: Record, name: str, value: Any) -> str:
    """A number of one unit: in the unit of the metric of its name, a fraction in percent."""
    if not isinstance(value, float):
        return "" if value is None else str(value)
    return number(value, record.scores[name]["unit"] if name in record.scores else "percent")


def show_grid(runs: Iterable[workers.Done], adopt_from: Store | None) -> workers.Tally:
    """One line a run as it ends. `adopt_from` makes official results the project's own records."""
    tally = workers.Tally()
    absent: dict[str, str] = {}
    for done in runs:
        tally.add(done)
        if isinstance(done.fault, AbsentData):
            absent.setdefault(done.task.benchmark, done.fault.what)
        elif done.record is None:
            err.print(f"{done.task.benchmark} {done.task.method}: {done.fault}", style="red", markup=False)
        else:
            ends = [headline(done.record), reference.distance(done.record), "cached" if done.cached else ""]
            out.print(" · ".join(filter(None, ends)), markup=False)
            if adopt_from and reference.adoptable(done.record):
                target = reference.adopt(done.record, adopt_from, with_items=done.task.benchmark == "esc10")
                err.print(f"reference record {target.name if target else 'kept'}", style="dim", markup=False)
        flush()
    for benchmark, what in absent.items():
        out.print(f"without data: {benchmark} ({what}; see `unlabeled show {benchmark}`)", markup=False)
    return tally


def show_plan(tasks: Sequence[workers.Task]) -> None:
    """What `run-all` would do; at preset paper also every published cell."""
    for task in tasks:
        asked: dict[str, Any] = {"data": task.data, "recipe": task.recipe, "variant": task.variant}
        asked |= {"preset": task.preset, "seed": task.seed}
        for line in run.preview(task.method, task.benchmark, store=task.store, **asked):
            out.print(line, markup=False)
    if tasks and tasks[0].preset == "paper":
        out.print("\npublished cells:", markup=False)
        for line in outlook.lines(Path(tasks[0].data) if tasks[0].data else None, Store(tasks[0].store)):
            out.print(line, markup=False)


def show_problems(problems: tuple[Problem, ...], most: int) -> None:
    """Problems grouped by kind, fatal kinds first."""
    kinds = Counter((not problem.fatal, problem.kind) for problem in problems)
    for (told, kind), n in sorted(kinds.items()):
        mark = "note" if told else "problem"
        out.print(f"{mark}: {n} x {kind}", style="yellow" if told else "red", markup=False)
        named = [p for p in problems if p.kind == kind and p.fatal != told]
        for problem in named[:most]:
            out.print(f"    {problem.where}: {problem.what}", markup=False)
        if len(named) > most:
            out.print(f"    ... and {len(named) - most} more (--all lists them)", markup=False)


def flush() -> None:
    """Results reach a pipe before the process goes on."""
    sys.stdout.flush()
