"""The published numbers of `results/published/`: read once, every row and every join checked.

Numbers stay text, because the decimals of a published number are part of it (`66.7` is not `66.70`).
"""

from __future__ import annotations

import csv
import importlib.resources
import io
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from unlabeled import registry
from unlabeled.errors import BadData
from unlabeled.published_checks import QUOTE_VARIANTS, RELEASED, all_faults

Row = TypeVar("Row")
_MOST = 20
"""So many faults are printed; the rest is counted."""


# ---------------------------------------------------------------- one row each


@dataclass(frozen=True)
class System:
    """A row of `systems.csv`: a system, paper or baseline that the lectures name."""

    method_id: str
    name: str
    authors: str
    venue_year: str
    title: str
    seeds: str
    named_as: str
    kind: str
    modality: str
    learns_from: str
    benchmarks: str
    tier: str
    build: str
    bib: str
    works_means: str


@dataclass(frozen=True)
class TableCell:
    """A row of `tables.csv`: one published number, or the place of one that is not readable."""

    cell_id: str
    table_id: str
    table_title: str
    seed: str
    shown: str
    table_source: str
    row: str
    row_label: str
    method_id: str
    variant: str
    column_label: str
    benchmark: str
    metric: str
    unit: str
    direction: str
    split: str
    dataset: str
    value: str
    value_source: str
    value_status: str
    value_slide: str
    value_paper: str
    paper_status: str
    paper_citation: str
    paper_location: str
    paper_source: str
    note: str

    @property
    def differs(self) -> bool:
        """Whether slide and paper give different numbers (`2` and `2.0` are one)."""
        both = self.value_slide and self.value_paper
        return bool(both) and float(self.value_slide) != float(self.value_paper)


@dataclass(frozen=True)
class Cell:
    """A row of `cells.csv`: the same cell, joined to what would measure it."""

    cell_id: str
    table_id: str
    method_id: str
    variant: str
    benchmark: str
    recipe: str
    preset: str
    metric: str
    split: str
    dataset: str
    published_value: str
    unit: str
    seeds: str
    tolerance: str
    measurable: str
    missing: str
    needs_data: str
    needs_weights: str
    cost: str
    measure_id: str

    @property
    def run_variant(self) -> str:
        """What `--variant` gets: quote variants share the plain run, weights are no variant."""
        return "" if self.variant in QUOTE_VARIANTS else self.variant.removesuffix(RELEASED)

    @property
    def released(self) -> bool:
        """Whether the cell is a run with the authors' weights."""
        return self.variant.endswith(RELEASED)

    @property
    def recipe_name(self) -> str:
        """The second part of `benchmark/recipe`, which records hold alone."""
        return self.recipe.partition("/")[2]


@dataclass(frozen=True)
class Reference:
    """An entry of `references.bib`; `venue` is the journal, book, school or publisher it names."""

    key: str
    author: str
    title: str
    venue: str
    year: str

    def text(self) -> str:
        """`Authors: Title. Venue, year.`"""
        people = self.author.split(" and ")
        names = people[:3] + ["et al."] * (len(people) > 3)
        shown = ", ".join(name.partition(",")[0] if name != "others" else "et al." for name in names)
        return f"{shown}: {self.title}. " + ", ".join(filter(None, (self.venue, self.year))) + "."


@dataclass(frozen=True)
class Published:
    """All published files: `table_cells` in the order of the file, the rest by id."""

    table_cells: tuple[TableCell, ...]
    cells: Mapping[str, Cell]
    systems: Mapping[str, System]
    references: Mapping[str, Reference]

    def table_ids(self) -> list[str]:
        """Every table in the order of the file."""
        return list(dict.fromkeys(cell.table_id for cell in self.table_cells))

    def table(self, table_id: str) -> list[TableCell]:
        """The cells of one table by row of the slide, then by order in the file.

        Raises
        ------
        WrongCall : no table has this id; near names are listed.
        """
        found = [cell for cell in self.table_cells if cell.table_id == table_id]
        if not found:
            raise registry.unknown("table", table_id, self.table_ids())
        return sorted(found, key=lambda cell: int(cell.row))


# ---------------------------------------------------------------- reading


def load(folder: Path | None = None) -> Published:
    """Read and check the published files; without a folder, those that the package carries.

    Raises
    ------
    BadData : every fault of every row and join, each with file, cell or row, column and bad value.
    """
    root: Traversable = folder or importlib.resources.files("unlabeled._results") / "published"
    faults: list[str] = []
    tables = _rows(root, "tables.csv", TableCell, faults)
    cells = _rows(root, "cells.csv", Cell, faults)
    systems = _rows(root, "systems.csv", System, faults)
    references = _references(_text(root, "references.bib", faults), faults)
    if not faults:
        faults = all_faults(tables, cells, systems, references)
    if faults:
        shown = faults[:_MOST] + [f"and {len(faults) - _MOST} more"] * (len(faults) > _MOST)
        raise BadData(f"published files: {len(faults)} fault(s)\n  " + "\n  ".join(shown))
    return Published(
        tuple(tables),
        {cell.cell_id: cell for cell in cells},
        {system.method_id: system for system in systems},
        {reference.key: reference for reference in references},
    )


def _text(root: Traversable, name: str, faults: list[str]) -> str:
    try:
        return (root / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        faults.append(f"{name}: cannot be read ({fault})")
        return ""


def _rows(root: Traversable, name: str, kind: type[Row], faults: list[str]) -> list[Row]:
    """Every line of a CSV file; wrong columns and torn lines become faults."""
    before = len(faults)
    try:
        lines = list(csv.reader(io.StringIO(_text(root, name, faults), newline=""), strict=True))
    except csv.Error as fault:
        faults.append(f"{name}: cannot be read as CSV ({fault})")
    if len(faults) > before:
        return []
    expected = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    header = lines[0] if lines else []
    faults += [f"{name}: unknown column {column!r}" for column in header if column not in expected]
    faults += [f"{name}: column {column!r} is missing" for column in expected if column not in header]
    if len(faults) == before and header != expected:
        faults.append(f"{name}: the columns stand in another order or twice: {header}")
    if len(faults) > before:
        return []
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(expected):
            faults.append(f"{name}, row {number} ({line[0] if line else 'empty'}): {len(line)} fields")
    return [kind(*line) for line in lines[1:] if len(line) == len(expected)]


_ENTRY = re.compile(r"^@(\w+)\{([^,\s]+),\s*$(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\s*(\w+)\s*=\s*\{(.*)\},?\s*$", re.MULTILINE)
_ACCENT = re.compile(r"\{?\\([\"'`^~])\{?(\\?\w)\}?\}?")
_COMBINING = {'"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303"}
_VENUES = ("journal", "booktitle", "school", "institution", "publisher", "howpublished", "archiveprefix")


def _references(text: str, faults: list[str]) -> list[Reference]:
    """The entries of this bib file: one field a line, an entry closed by a brace of its own."""
    found = []
    for _, key, body in _ENTRY.findall(text):
        values = {name.lower(): _plain(value) for name, value in _FIELD.findall(body)}
        faults += [f"references.bib, {key}: no {name}" for name in ("author", "title", "year") if not values.get(name)]
        venue = next((values[name] for name in _VENUES if values.get(name)), "")
        plain = {name: values.get(name, "") for name in ("author", "title", "year")}
        found.append(Reference(key, venue=venue, **plain))
    if len(found) != len(re.findall(r"^@", text, re.MULTILINE)):
        faults.append("references.bib: an entry is not closed or has no key")
    return found


def _plain(value: str) -> str:
    """LaTeX accents as letters, braces away."""
    spelled = _ACCENT.sub(lambda hit: hit[2].lstrip("\\") + _COMBINING[hit[1]], value)
    return unicodedata.normalize("NFC", re.sub(r"[{}]", "", spelled)).strip()
