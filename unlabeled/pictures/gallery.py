"""Pages with pictures, films and sounds, to be opened from disk: no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from unlabeled import tables, verdict
from unlabeled.files import write_atomic
from unlabeled.pictures.sheet import Gap, Plate
from unlabeled.records import Record

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1240px; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin: 0 0 .4rem }
section { margin: 2.2rem 0; border-top: 1px solid #ccc; padding-top: 1rem }
img { max-width: 100%; height: auto } p { margin: .3rem 0 }
table { border-collapse: collapse } td, th { text-align: left; padding: .1rem 1.2rem .1rem 0 }
ul { list-style: none; padding: 0; display: grid; gap: .6rem }
ul { grid-template-columns: repeat(auto-fit, minmax(330px, 1fr)) }
audio, video { display: block; max-width: 100% } audio { width: 360px }
"""


def write(out: Path, record: Record, plates: Sequence[Plate | Gap]) -> Path:
    """Write `index.html` beside the pictures; links are relative, every name is escaped."""
    spec = record.spec
    about = [
        f"<p>{escape(record.data['label']['text'])}; recipe {escape(spec['recipe'])}; run {escape(record.id)}</p>",
        *_scores(record),
    ]
    return page(out, f"{spec['method']} on {spec['benchmark']}", about, plates)


def page(out: Path, title: str, about: Sequence[str], plates: Sequence[Plate | Gap]) -> Path:
    """Write `index.html` from a title, lines of HTML about the whole, and plates whose files lie below `out`.

    A gap has a word in place of its picture.
    """
    lines = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
        f"<h1>{escape(title)}</h1>",
        *about,
        *(line for plate in plates for line in _section(out, plate)),
        "</body>\n</html>\n",
    ]
    file = out / "index.html"
    write_atomic(file, "\n".join(lines).encode())
    return file


def _scores(record: Record) -> list[str]:
    """The numbers of the run as a table."""
    rows = []
    for metric, score in record.scores.items():
        scale, unit = verdict.PER_UNIT[score["unit"]], score["unit"]
        cells = [metric, tables.number(score["value"] * scale, unit), ""]
        if score["interval"]:
            ends = ", ".join(tables.number(end * scale, unit) for end in score["interval"])
            cells[2] = f"[{ends}]"
        cells += ["" if unit == "fraction" else unit, f"n = {score['n']}"]
        rows.append(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    return ["<table>", *rows, "</table>"] if rows else []


def _section(out: Path, plate: Plate | Gap) -> list[str]:
    if isinstance(plate, Gap):
        return [f"<section>\n<h2>{escape(plate.title)}</h2>\n<p>Not drawn: {escape(plate.why)}.</p></section>"]
    link = _link(out, plate.file)
    lines = [
        f"<section>\n<h2>{escape(plate.title)}</h2>",
        f'<a href="{link}"><img src="{link}" alt="{escape(plate.title)}"></a>',
        f"<p>{escape(plate.caption)}</p>",
    ]
    if plate.films:
        players = [
            f'<li>{escape(name)}<video controls loop preload="metadata" src="{_link(out, file)}"></video></li>'
            for name, file in plate.films
        ]
        lines += ["<ul>", *players, "</ul>"]
    if plate.sounds:
        players = [
            f'<li>{escape(name)}<audio controls preload="metadata" src="{_link(out, file)}"></audio></li>'
            for name, file in plate.sounds
        ]
        lines += ["<ul>", *players, "</ul>"]
    return [*lines, "</section>"]


def _link(out: Path, file: Path) -> str:
    return escape(quote(file.relative_to(out).as_posix()))
