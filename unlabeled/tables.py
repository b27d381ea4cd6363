"""The tables of the lectures with our records beside the published numbers, in three formats."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from unlabeled.errors import WrongCall
from unlabeled.published import Cell, Published, TableCell
from unlabeled.published_checks import BENCHMARKS
from unlabeled.records import Record
from unlabeled.verdict import NO_RECORD, PER_UNIT, Built, Judgement, belongs, command, judge, label, missing_reason

Format = Literal["md", "csv", "latex"]
DECIMALS = {"percent": 1, "dB": 2, "fraction": 3}
MARKS = {"reproduced": "✓", "not reproduced": "✗", "none": ""}
_LEFT = frozenset({"System", "Variant", "Column", "Result", "Missing", "Record", "Method", "Seeds", "Table", "Status"})
"""Columns of words; all others hold numbers and stand to the right."""


@dataclass(frozen=True)
class Table:
    """Text in rows and columns. `Record` cells hold paths, separated by spaces."""

    id: str
    title: str
    about: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


# ---------------------------------------------------------------- numbers as text


def number(value: float, unit: str) -> str:
    """`67.5`, `8.56` (dB), `0.604` (fraction): the decimals the literature gives each unit."""
    return f"{value:.{DECIMALS[unit]}f}"


def published_text(cell: TableCell) -> str:
    """The published number with its marks: `†` slide and paper differ, `?` unverified, `–` not readable."""
    if not cell.value:
        return "–"
    return cell.value + " †" * cell.differs + " ?" * (cell.value_status == "unverified")


def ours_text(found: Judgement, cell: Cell) -> str:
    """`67.5 [62.8, 72.0]` of one run, `67.5 ± 0.4` of several seeds."""
    if found.value is None:
        return ""
    text = number(found.value, cell.unit)
    if found.spread is not None:
        return f"{text} ± {number(found.spread, cell.unit)}"
    interval = found.records[0].scores[cell.metric].get("interval")
    if not interval:
        return text
    low, high = (number(end * PER_UNIT[cell.unit], cell.unit) for end in interval)
    return f"{text} [{low}, {high}]"


def count_text(found: Judgement, cell: Cell) -> str:
    """Test items behind a number, and runs where there are several: `400`, `400 x 3 seeds`."""
    if found.value is None:
        return ""
    n = str(found.records[0].scores[cell.metric].get("n", ""))
    return f"{n} x {len(found.records)} seeds" if len(found.records) > 1 else n


def result_text(found: Judgement, cell: Cell, built: Built) -> str:
    """The verdict with the difference, or why there is none."""
    if not found.records:
        return missing_reason(cell, built) or "not run yet"
    return judgement_text(found, cell)


def judgement_text(found: Judgement, cell: Cell) -> str:
    """`✓ reproduced (+0.05)`, or why there is no verdict. A difference has one decimal more than its numbers."""
    if found.kind == "none":
        return found.reason
    decimals = DECIMALS[cell.unit] + 1
    # Adding zero turns the -0.0 of a rounded difference into 0.0.
    off = round(found.difference or 0.0, decimals) + 0.0
    text = f"{MARKS[found.kind]} {found.kind} ({off:+.{decimals}f})"
    data = label(found.records[0])[1]
    return text if data == "official" else f"{text}; {data}"


# ---------------------------------------------------------------- the tables


def judged(published: Published, row: TableCell, records: Sequence[Record]) -> Judgement:
    """The judgement of one cell, from all records."""
    cell = published.cells[row.cell_id]
    return judge(cell, row, [record for record in records if belongs(cell, record)])


def measured(published: Published, table_id: str, records: Sequence[Record]) -> bool:
    """Whether any cell of a table has a record."""
    return any(belongs(published.cells[row.cell_id], record) for row in published.table(table_id) for record in records)


def lecture_table(
    published: Published,
    table_id: str,
    records: Sequence[Record],
    built: Built,
    links: Mapping[str, str] | None = None,
) -> Table:
    """One line a published number, in the order of the slide, with ours beside it.

    `links` gives the path of each record file by record id.
    """
    rows = []
    for row in published.table(table_id):
        cell, found = published.cells[row.cell_id], judged(published, row, records)
        paths = [(links or {}).get(record.id, "") for record in found.records]
        rows.append(
            (
                row.row_label,
                row.variant,
                row.column_label,
                published_text(row),
                ours_text(found, cell),
                count_text(found, cell),
                result_text(found, cell, built),
                " ".join(filter(None, paths)),
            )
        )
    columns = ("System", "Variant", "Column", "Published", "Ours", "n", "Result", "Record")
    return _table(published, table_id, columns, rows, records, built)


def slide_grid(published: Published, table_id: str, records: Sequence[Record], built: Built) -> Table:
    """The table as on the slide, published numbers only: one line a row, and what is missing."""
    cells = published.table(table_id)
    labels = tuple(dict.fromkeys(cell.column_label for cell in cells))
    rows = []
    for _, group in groupby(cells, key=lambda cell: (cell.row, cell.row_label)):
        line = list(group)
        shown = {cell.column_label: published_text(cell) for cell in line}
        variants = {cell.variant for cell in line}
        missing = dict.fromkeys(
            result_text(judged(published, cell, records), published.cells[cell.cell_id], built) for cell in line
        )
        variant = variants.pop() if len(variants) == 1 else ""
        rows.append((line[0].row_label, variant, *(shown.get(name, "") for name in labels), "; ".join(missing)))
    return _table(published, table_id, ("System", "Variant", *labels, "Missing"), rows, records, built)


def _table(
    published: Published,
    table_id: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, ...]],
    records: Sequence[Record],
    built: Built,
) -> Table:
    cells = published.table(table_id)
    return Table(
        table_id,
        cells[0].table_title.removesuffix(" (beyond the slides)"),
        _about(cells),
        tuple(columns),
        tuple(rows),
        tuple(_notes(cells)),
        tuple(_commands(published, cells, records, built)),
    )


def _about(cells: Sequence[TableCell]) -> str:
    """Source, lecture document, how the numbers were shown, what they measure."""
    first = cells[0]
    lecture = f"lecture {first.seed.replace(';', ' and ')}" if first.seed else ""
    shown = {
        "text": "",
        "picture": "shown as a picture: numbers from the paper",
        "not on a slide": "not on a slide",
    }[first.shown]
    benchmarks = dict.fromkeys(BENCHMARKS[cell.benchmark].title for cell in cells)
    units = dict.fromkeys({"percent": "percent", "dB": "dB", "fraction": "fractions"}[cell.unit] for cell in cells)
    what = f"{', '.join(benchmarks)}, in {' and '.join(units)}"
    return " · ".join(filter(None, (first.table_source, lecture, shown, what)))


def _notes(cells: Sequence[TableCell]) -> list[str]:
    """The paper's numbers where the slide has others, then the remarks of the file, each said once."""
    several = len({cell.column_label for cell in cells}) > 1
    names = {cell.cell_id: f"{cell.row_label}, {cell.column_label}" if several else cell.row_label for cell in cells}
    differing = [f"{names[cell.cell_id]} {cell.value_paper}" for cell in cells if cell.differs]
    remarks: dict[str, dict[str, None]] = {}
    for cell in cells:
        if cell.note:
            remarks.setdefault(cell.note, {})[cell.row_label] = None
    everyone = len({cell.row_label for cell in cells})
    return [
        *([f"† in the paper: {'; '.join(differing)}"] if differing else []),
        *(
            f"{'; '.join(rows) if len(rows) < max(everyone, 2) else 'all rows'}: {note}"
            for note, rows in remarks.items()
        ),
    ]


def _commands(published: Published, cells: Sequence[TableCell], records: Sequence[Record], built: Built) -> list[str]:
    """What would fill the empty cells that this installation can fill: each command once."""
    lines = []
    for row in cells:
        cell = published.cells[row.cell_id]
        empty = judged(published, row, records).reason == NO_RECORD
        if empty and cell.measurable == "yes" and missing_reason(cell, built) == cell.missing:
            lines.append(command(cell))
    return list(dict.fromkeys(lines))


# ---------------------------------------------------------------- formats


def render(table: Table, format: Format = "md") -> str:
    """A table as text that ends with a newline.

    Markdown comes with heading, footnotes and commands, LaTeX with the footnotes as comments; both leave out
    columns in which nothing stands. CSV is every column and nothing else.
    """
    if format == "csv":
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([table.columns, *table.rows])
        return out.getvalue()
    if format == "md":
        return _section(table)
    if format == "latex":
        return _latex(*filled(table.columns, table.rows)) + "".join(f"% {note}\n" for note in table.notes)
    raise WrongCall(f"no table format {format!r}", "give md, csv or latex")


def _section(table: Table) -> str:
    parts = [
        f"### {table.title}\n\n`{table.id}` · {table.about}\n",
        markdown(*filled(table.columns, table.rows)),
    ]
    if table.notes:
        parts.append("".join(f"- {escape(note)}\n" for note in table.notes))
    if table.commands:
        parts.append("```\n" + "".join(f"{line}\n" for line in table.commands) + "```\n")
    return "\n".join(parts)


def filled(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Columns that say something: not empty in all rows, and no column label that never changes."""
    keep = []
    for place, name in enumerate(columns):
        values = {row[place] for row in rows}
        if values != {""} and not (name == "Column" and len(values) == 1):
            keep.append(place)
    return [columns[place] for place in keep], [[row[place] for place in keep] for row in rows]


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An aligned table; the paths of a `Record` column become links."""
    from tabulate import tabulate

    lines = [
        [_links(text) if name == "Record" else escape(text) for name, text in zip(columns, row, strict=True)]
        for row in rows
    ]
    align = ["left" if name in _LEFT else "right" for name in columns]
    heads = [escape(name) for name in columns]
    return tabulate(lines, heads, tablefmt="pipe", colalign=align, disable_numparse=True) + "\n"


def escape(text: str) -> str:
    """Text that stays text in a Markdown table: error messages and names come from outside."""
    return re.sub(r"([|<*`\\]|\](?=\())", r"\\\1", " ".join(text.split()))


def _links(paths: str) -> str:
    found = paths.split()
    names = ["record"] if len(found) == 1 else [str(place) for place in range(1, len(found) + 1)]
    return " ".join(f"[{name}]({path})" for name, path in zip(names, found, strict=True))


_LATEX = {
    **{sign: f"\\{sign}" for sign in "_%&#${}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "–": "--", "·": r"$\cdot$"},
    **{"†": r"$^\dagger$", "±": r"$\pm$", "✓": r"$\checkmark$", "✗": r"$\times$"},
}


def _latex(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A `tabular`; links mean nothing on paper."""
    from tabulate import tabulate

    kept = [place for place, name in enumerate(columns) if name != "Record"]
    lines = [["".join(_LATEX.get(sign, sign) for sign in row[place]) for place in kept] for row in rows]
    heads = ["".join(_LATEX.get(sign, sign) for sign in columns[place]) for place in kept]
    align = ["left" if columns[place] in _LEFT else "right" for place in kept]
    return tabulate(lines, heads, tablefmt="latex_raw", colalign=align, disable_numparse=True) + "\n"
