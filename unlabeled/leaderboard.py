"""`leaderboard.md` and the page of one system: written for people, made from records and published files."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev

from unlabeled.published import Published, System
from unlabeled.published_checks import BENCHMARKS
from unlabeled.records import Record
from unlabeled.tables import (
    MARKS,
    filled,
    judged,
    lecture_table,
    markdown,
    measured,
    number,
    published_text,
    render,
    result_text,
    slide_grid,
)
from unlabeled.verdict import PER_UNIT, Built, is_world, label, preferred

HEAD = """# Leaderboard

Published numbers of the field beside our own, table by table as the lectures show them. Every number of ours
comes from a record, linked beside it; `unlabeled leaderboard` remakes this page from the records and
`results/published/` alone, and `unlabeled leaderboard --check` says whether it is up to date.

Numbers are in percent and higher is better, unless a table says otherwise. *Lecture 000* to *004* are the five
lecture documents that name the systems. The signs:

- **39 †** slide and paper differ: the slide's number stands in the table, the paper's below it
- **4.7 ?** known from the literature, not checked in a public source: never a verdict against it
- **–** the number exists, but cannot be read
- **67.5 [62.8, 72.0]** ours with its 95 % interval; *n* counts the test items
- **67.5 ± 0.4** ours, mean and sample standard deviation over several seeds
- **✓ reproduced (+0.25)**, **✗ not reproduced (-3.10)** the verdict, and ours minus the paper's number (the slide's
  where the paper's is not known). It needs official data, preset `paper`, the recipe and variant of the cell,
  every unit, as many seeds as the cell asks, and nothing changed; tolerances: `results/published/cells.csv`
- **any other result** no verdict, and the reason: other data (*altered*, *subset*), another preset, a changed setting
- **data** can be run here once the official data are on disk, by the command below the table
- **weights** needs the authors' network; **data unobtainable** the data were never published or are no longer whole
- **not built** no protocol or adapter here; **method**, **benchmark**, **recipe** or **variant not built** that part is
  still to come
"""

WORLD_NAMES = {"supervised": "Supervised (labels of the set)"}
"""The lectures name the labels of ImageNet; in the generated world they are those of the set itself."""


def leaderboard(
    published: Published, records: Sequence[Record], built: Built, links: Mapping[str, str] | None = None
) -> str:
    """The whole page. `links` gives the path of each record file, relative to the page, by record id."""
    slides = [name for name in published.table_ids() if not _beyond(published, name)]
    others = [name for name in published.table_ids() if _beyond(published, name)]
    parts = [HEAD, scoreboard(published, records), "## Tables of the lectures\n"]
    parts += [_section(published, name, records, built, links) for name in slides]
    parts.append("## Tables from the papers, not on a slide\n")
    parts += [_section(published, name, records, built, links) for name in others]
    parts.append(_references(published))
    return "\n".join(parts)


def _beyond(published: Published, table_id: str) -> bool:
    return published.table(table_id)[0].shown == "not on a slide"


def _section(
    published: Published,
    table_id: str,
    records: Sequence[Record],
    built: Built,
    links: Mapping[str, str] | None,
) -> str:
    """A table with ours where any cell has a record; else the table as on the slide, which is shorter."""
    if measured(published, table_id, records):
        return render(lecture_table(published, table_id, records, built, links))
    return render(slide_grid(published, table_id, records, built))


# ---------------------------------------------------------------- scoreboards


def scoreboard(published: Published, records: Sequence[Record]) -> str:
    """Real data first; then one board for each world and preset, for these are never compared."""
    real = [record for record in records if not is_world(record)]
    parts = ["## Scoreboard: real data\n"]
    if real:
        parts.append(
            "The main metric of each benchmark. In brackets: variant, number of seeds, and what is not as published.\n"
        )
    parts.append(_real_board(published, real) if real else "No run on real data yet.\n")
    worlds: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if is_world(record):
            key = (world_name(record), str(record.spec.get("preset")))
            worlds.setdefault(key, []).append(record)
    if worlds:
        parts.append(
            "## Scoreboard: synthetic world\n\nGenerated data show that a method learns and the harness works. "
            "These numbers say nothing\nabout real data and never stand beside a published one. Several seeds: "
            "mean ± sample standard deviation.\n"
        )
    for (name, preset), group in sorted(worlds.items()):
        parts += [f"**{name[:1].upper()}{name[1:]}, preset {preset}**\n", _world_board(published, group)]
    return "\n".join(parts)


def world_name(record: Record) -> str:
    """`world w1 · mini` of `world esc10@w1 · mini · seed 11`: version and size, without set and seed."""
    text = re.sub(r"\S+@", "", label(record)[1].partition(", first ")[0])
    return re.sub(r" · seed \d+", "", text) or "world"


def _real_board(published: Published, records: Sequence[Record]) -> str:
    benchmarks = _benchmarks(records)
    rows = []
    for method in _methods(published, records):
        row = [_name(published, method)]
        for benchmark in benchmarks:
            runs = _shown(_of(records, method, benchmark))
            row.append(f"{_score(runs)} {_marks(published, runs)}{_caveat(runs)}".strip() if runs else "")
        rows.append(row)
    return markdown(["Method", *map(_title, benchmarks)], rows)


def _world_board(published: Published, records: Sequence[Record]) -> str:
    """One line a method (and variant); a second one where benchmarks were run with other seeds."""
    benchmarks = _benchmarks(records)
    rows = []
    for method in _methods(published, records):
        lines: dict[tuple[str, str], dict[str, str]] = {}
        for benchmark in benchmarks:
            mine = _of(records, method, benchmark)
            for variant in dict.fromkeys(str(record.spec.get("variant", "")) for record in mine):
                runs = _shown([record for record in mine if record.spec.get("variant", "") == variant])
                seeds = ", ".join(str(record.spec.get("seed")) for record in runs)
                lines.setdefault((variant, seeds), {})[benchmark] = _score(runs) + _caveat(runs, world=True)
        for (variant, seeds), scores in lines.items():
            name = WORLD_NAMES.get(method, _name(published, method)) + (f" ({variant})" if variant else "")
            rows.append([name, seeds, *(scores.get(benchmark, "") for benchmark in benchmarks)])
    return markdown(["Method", "Seeds", *map(_title, benchmarks)], rows)


def _of(records: Iterable[Record], method: str, benchmark: str) -> list[Record]:
    return [r for r in records if (r.spec.get("method"), r.spec.get("benchmark")) == (method, benchmark)]


def _shown(records: Sequence[Record]) -> tuple[Record, ...]:
    """The runs a scoreboard shows: nothing changed before changed, preset `paper` first, else as given."""

    def rank(record: Record) -> tuple[bool, bool, bool]:
        changed = bool(record.spec.get("limit")) or bool(record.spec.get("settings"))
        unusual = label(record)[0] not in (("official",), ("world",))
        return changed, unusual, record.spec.get("preset") != "paper"

    whole = [record for record in records if record.status == "complete"] or records
    return preferred(sorted(whole, key=rank))


def _score(runs: Sequence[Record]) -> str:
    """The main metric: `67.5`, or mean ± deviation over seeds; `failed` where no run ended."""
    if runs[0].status == "failed":
        return "failed"
    if not runs[0].scores:
        return "no score"
    metric, score = next(iter(runs[0].scores.items()))
    unit = score["unit"]
    values = [float(run.scores[metric]["value"]) * PER_UNIT[unit] for run in runs if metric in run.scores]
    mean = number(fmean(values), unit)
    return f"{mean} ± {number(stdev(values), unit)}" if len(values) > 1 else mean


def _marks(published: Published, runs: Sequence[Record]) -> str:
    """Verdicts of the cells that these very runs fill, each sign once."""
    ids = {run.id for run in runs}
    kinds = set()
    for row in published.table_cells:
        if row.method_id == runs[0].spec["method"] and row.benchmark == runs[0].spec["benchmark"]:
            found = judged(published, row, runs)
            kinds |= {found.kind} if {run.id for run in found.records} & ids else set()
    return " ".join(MARKS[kind] for kind in ("reproduced", "not reproduced") if kind in kinds)


def _setting(runs: Sequence[Record]) -> list[str]:
    """What the heading of a world board and its rows say once, and a real number must say itself."""
    spec = runs[0].spec
    preset = spec.get("preset")
    seeds = f"{len(runs)} seeds" if len(runs) > 1 else ""
    return [word for word in (spec.get("variant"), "" if preset == "paper" else preset, seeds) if word]


def _caveat(runs: Sequence[Record], world: bool = False) -> str:
    """` (mini, subset)`: why a number is not like its neighbours."""
    run = runs[0]
    kinds = label(run)[0]
    words = [] if world else _setting(runs)
    words += [kind for kind in kinds if kind not in ("official", "world")]
    words += ["changed"] * bool(run.deviations or run.spec.get("settings"))
    words += ["partial"] * (run.status == "partial")
    return f" ({', '.join(words)})" if words else ""


def _benchmarks(records: Iterable[Record]) -> list[str]:
    found = {str(record.spec["benchmark"]) for record in records}
    return [name for name in BENCHMARKS if name in found] + sorted(found - set(BENCHMARKS))


def _methods(published: Published, records: Iterable[Record]) -> list[str]:
    """Methods with a record, in the order of `systems.csv`, others after them."""
    found = {str(record.spec["method"]) for record in records}
    return [name for name in published.systems if name in found] + sorted(found - set(published.systems))


def _name(published: Published, method: str) -> str:
    return published.systems[method].name if method in published.systems else method


def _title(benchmark: str) -> str:
    return BENCHMARKS[benchmark].title if benchmark in BENCHMARKS else benchmark


def _references(published: Published) -> str:
    keys = dict.fromkeys(cell.paper_citation for cell in published.table_cells if cell.paper_citation)
    lines = sorted(f"- {published.references[key].text()}" for key in keys)
    return "## References\n\n" + "\n".join(lines) + "\n"


# ---------------------------------------------------------------- one system


def describe_system(published: Published, method_id: str, built: Built) -> str:
    """The part of `unlabeled show METHOD` that the published files know."""
    system = published.systems[method_id]
    parts = [
        _facts(published, system),
        _numbers(published, method_id, built),
        _state(published, system, built),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _facts(published: Published, system: System) -> str:
    lectures = f"lecture {system.seeds.replace(';', ', ')}, as {system.named_as}" if system.seeds else system.named_as
    facts = {
        "paper": ". ".join(filter(None, (system.authors, system.title, system.venue_year))),
        "named in": lectures,
        "kind": ", ".join(filter(None, (system.kind, system.modality))),
        "learns from": system.learns_from,
        "it works if": system.works_means,
    }
    lines = [f"{name + ':':<13}{text}" for name, text in facts.items() if text]
    keys = [key for key in system.bib.split(";") if key]
    lines += [f"{'reference:':<13}{published.references[key].text()}" for key in keys]
    return "\n".join([f"{system.name} ({system.method_id})", "", *lines])


def _numbers(published: Published, method_id: str, built: Built) -> str:
    rows = [row for row in published.table_cells if row.method_id == method_id]
    if not rows:
        return "Published numbers: none in the tables."
    columns = ("Table", "Column", "Variant", "Published", "Status", "Missing")
    lines = [
        (
            row.table_id,
            row.column_label,
            row.variant,
            published_text(row),
            row.value_status,
            result_text(judged(published, row, ()), published.cells[row.cell_id], built),
        )
        for row in rows
    ]
    return "Published numbers:\n\n" + markdown(*filled(columns, lines)).rstrip()


def _state(published: Published, system: System, built: Built) -> str:
    """What exists here, and the one thing each home benchmark lacks."""
    method = f"methods/{system.method_id}.py" if built.variants(system.method_id) is not None else "not built"
    homes = [name for name in system.benchmarks.split(";") if name]
    states = [f"{name} ({'not built' if built.recipes(name) is None else 'built'})" for name in homes]
    return f"method:      {method}\nbenchmarks:  {', '.join(states) or 'none: not scored here'}"


def check(text_now: str, text_made: str, most: int = 5) -> list[str]:
    """The first lines in which a page on disk differs from the one just made; empty where they agree."""
    now, made = text_now.splitlines(), text_made.splitlines()
    if text_now == text_made:
        return []
    found = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, now, made, autojunk=False).get_opcodes():
        if tag != "equal":
            found += [f"line {a + 1}: - {line}" for a, line in enumerate(now[a:b], start=a)]
            found += [f"line {c + 1}: + {line}" for c, line in enumerate(made[c:d], start=c)]
    shown = found or ["the line ends differ"]
    return shown[:most] + ([f"and {len(shown) - most} more lines"] if len(shown) > most else [])
