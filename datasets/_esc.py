"""The two on-disk layouts of the ESC sets, read into one survey.

*table*: `audio/{fold}-{recording}-{take}-{target}.wav` with `meta/esc50.csv` (the release since 2017).
*folders*: `001 - Dog bark/{fold}-{recording}-{take}.ogg` (the first releases); class = folder.

Source: K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unlabeled.contracts import Label, Memo, Problem, SoundItem, Survey
from unlabeled.datasets import _folders, _labels, _sounds
from unlabeled.datasets.decode import sound
from unlabeled.datasets.world import manifest
from unlabeled.errors import BadData

COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
NAME = re.compile(r"(?P<fold>\d+)-(?P<recording>\w+)-(?P<take>[A-Z])(-(?P<target>\d{1,4}))?\.(wav|ogg)", re.ASCII)
CLASS_FOLDER = re.compile(r"[0-9]{3} - .+", re.DOTALL)
TABLE = "meta/esc50.csv"
FOLDS = (1, 2, 3, 4, 5)
RATE = 44_100
SAMPLES = 220_500

LENGTHS = {"table": (SAMPLES, SAMPLES), "folders": (SAMPLES // 2, 2 * SAMPLES)}
"""Fewest and most samples of a released clip, by layout. The Ogg files vary: ESC-10's have 160,704 to 319,296
samples. Those of ESC-50 are not known, so that between half and twice the nominal 5 s anything is possible."""

CROSS_CLASS = frozenset({"131943", "209698", "134049", "234879"})
"""Recordings of the official ESC-50 table that stand in two folds, each time with two classes."""


@dataclass(frozen=True)
class Official:
    """What the released set holds. `content` hashes its bytes, where they are known; `table` its list.

    `folders` hashes the list of the folder layout: a line `{class folder, from 0}/{fold}-{recording}-{take}.ogg`
    a clip. It is no part of the representation, which the blank survey hashes: that one has no files.
    """

    id: str
    clips: int
    classes: int
    per_class_and_fold: int = 8
    table: str = ""
    content: str = ""
    folders: str = field(default="", repr=False)

    def counts(self) -> dict[str, int]:
        """The official counts, named as they are printed."""
        return {
            "clips": self.clips,
            "classes": self.classes,
            "folds": len(FOLDS),
            "fewest clips of a class in a fold": self.per_class_and_fold,
        }


@dataclass(frozen=True)
class _Listing:
    """Clips as a layout lists them, before any file is opened. `digest` hashes what is listed."""

    layout: str
    items: tuple[SoundItem, ...]
    classes: tuple[str, ...]
    problems: tuple[Problem, ...]
    lists: tuple[bytes, ...]
    digest: str


def has_table(folder: Path) -> bool:
    """Whether the folder has the table layout."""
    return (folder / TABLE).is_file()


def has_class_folders(folder: Path, classes: int, names: Collection[str]) -> bool:
    """Whether the folder has the folder layout with this number of classes; any number if it has the set's name.

    A set that lost a class is still the set, and has to be refused by its own name.
    """
    there = len(_class_folders(folder))
    return there == classes or (there > 0 and not {folder.name, folder.resolve().name}.isdisjoint(names))


def _class_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and CLASS_FOLDER.fullmatch(path.name))


def survey(official: Official, folder: Path, only_esc10: bool, limit: int | None, memo: Memo) -> Survey:
    """Read one ESC folder and look into every clip; nothing is raised for a bad file, it is a problem."""
    listing = _read_table(folder, only_esc10) if has_table(folder) else _read_folders(folder, official.classes)
    _folders.refuse_leaving(folder, (item.path for item in listing.items))
    world = manifest.read(folder)
    present, no_files = _sounds.regular(listing.items)
    found = _counts(present)
    facts, bad_files = _sounds.examine(present, memo)
    rate = _sounds.working_rate(facts, RATE, generated=world is not None)
    problems = [
        *listing.problems,
        *no_files,
        *bad_files,
        *_leaks(listing.items),
        *_sounds.odd_clips(present, facts, rate, channels=1),
    ]
    hashes = [(item.id, str(facts[item.id]["sha256"])) for item in present if item.id in facts]
    content = _folders.content_root(hashes)
    if world is None:
        expected = official.counts()
        label = _label(official, listing, found, content, facts)
    else:
        expected = {**found, "clips": len(listing.items)}
        changes = _labels.changes(folder, world, [item.path for item in present if item.id in facts], memo)
        # The table names them too: what it lists is told already.
        problems += [change for change in changes if change.kind != "missing file"]
        label = _labels.of_world(world)
    told = _folders.printable(problems)
    kept = _sounds.first_of_each(present, limit)
    sizes = [f"{item.id} {item.path.stat().st_size}" for item in present]
    return Survey(
        dataset=official.id,
        folder=folder,
        layout=listing.layout,
        items=kept,
        classes=listing.classes,
        problems=told,
        expected=expected,
        found=found,
        label=_sounds.settle(label, told, limit, len(kept)),
        fingerprint=_folders.fingerprint(sizes, told, listing.lists, content),
        rate=rate,
        decoder=sound.backend(),
    )


def blank(official: Official) -> Survey:
    """Classes and counts of the released set, with no file behind them."""
    return Survey(
        dataset=official.id,
        folder=Path(),
        layout="none",
        items=(),
        classes=tuple(f"class {k}" for k in range(official.classes)),
        problems=(),
        expected=official.counts(),
        found=official.counts(),
        label=Label(("official",), "official (counts; no file is read)"),
        fingerprint=hashlib.sha256(repr(official).encode()).hexdigest(),
    )


# ---------------------------------------------------------------- listing


def _read_table(folder: Path, only_esc10: bool) -> _Listing:
    table, audio = folder / TABLE, folder / "audio"
    _folders.refuse_leaving(folder, (table, audio))
    text = table.read_bytes()
    rows, problems = _rows(text, table)
    if problems:
        return _Listing("table", (), (), tuple(problems), (text,), "")
    listed = Counter(row["filename"] for row in rows)
    problems += [Problem("listed twice", name, f"{n} rows of {table}") for name, n in listed.items() if n > 1]
    on_disk = {path.name for path in audio.glob("*") if path.suffix in (".wav", ".ogg")}
    problems += [Problem("missing file", name, f"no file in {audio}") for name in sorted(set(listed) - on_disk)]
    problems += [Problem("file without a row", name, f"not in {table}") for name in sorted(on_disk - set(listed))]
    rows = [row for row in rows if row["esc10"] == "True" or not only_esc10]
    if not rows:
        problems.append(Problem("no clips", TABLE, "it lists no clip of this set"))
    names = {int(row["target"]): row["category"] for row in rows}
    order = {target: k for k, target in enumerate(sorted(names))}
    items = {
        SoundItem(name, audio / name, order[int(row["target"])], int(row["fold"]), row["src_file"])
        for row in rows
        for name in [row["filename"]]
    }
    lines = (",".join(row[column] for column in COLUMNS) for row in rows)
    return _Listing(
        "table",
        tuple(sorted(items, key=_order)),
        tuple(names[target] for target in sorted(names)),
        tuple(problems),
        (text,),
        _digest(lines),
    )


def _rows(text: bytes, table: Path) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Rows of a table and everything that is wrong with them.

    Raises
    ------
    BadData : no table at all: other columns, a quote that is never closed.
    """
    reader = csv.DictReader(io.StringIO(text.decode("utf-8-sig", errors="replace"), newline=""), strict=True)
    rows, problems, line = [], [], 0
    try:
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise BadData(f"{table}: columns {reader.fieldnames}", f"the official table has {','.join(COLUMNS)}")
        line = reader.line_num
        for row in reader:
            rows.append(row)
            problems += _row_faults(row, f"{TABLE}:{line + 1}")
            line = reader.line_num
    except csv.Error as fault:
        todo = "look for a quote that is not closed, or download the table again"
        raise BadData(f"{table}, line {line + 1}: {fault}", todo) from fault
    return rows, problems


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _row_faults(row: Mapping[str, Any], where: str) -> list[Problem]:
    """Columns that contradict the file name, or are no ESC row at all."""
    name = NAME.fullmatch(row["filename"] or "")
    if not name or name["target"] is None or None in row.values() or None in row:
        return [Problem("bad row", where, f"{row['filename']!r} is no `fold-recording-take-target.wav` row")]
    faults = []
    if row["fold"] not in {str(fold) for fold in FOLDS}:
        faults.append(Problem("wrong fold", where, f"fold {row['fold']!r} of {row['filename']}; folds are 1 to 5"))
    pairs = (("fold", "fold"), ("recording", "src_file"), ("take", "take"), ("target", "target"))
    faults += [
        Problem("name and row differ", where, f"{row['filename']} says {part} {name[part]}, {column} is {row[column]}")
        for part, column in pairs
        if name[part] != row[column]
    ]
    if row["esc10"] not in ("True", "False"):
        faults.append(Problem("bad row", where, f"esc10 is {row['esc10']!r}, not True or False"))
    return faults


def _read_folders(folder: Path, expected: int) -> _Listing:
    classes = _class_folders(folder)
    _folders.refuse_leaving(folder, classes)
    names = tuple(_folders.shown(directory.name).partition(" - ")[2] for directory in classes)
    items, problems = [], []
    if len(classes) != expected:
        text = "the set has one for each class, as `001 - Dog bark`"
        problems.append(Problem("class folders", f"{len(classes)} of {expected} class folders", text))
    for k, directory in enumerate(classes):
        shown = _folders.shown(directory.name)
        if shown != directory.name:
            problems.append(Problem("odd name", shown, "no UTF-8, or with control characters; rename the folder"))
        for path in sorted(directory.iterdir()):
            name, where = NAME.fullmatch(path.name), f"{shown}/{path.name}"
            if not name:
                problems.append(Problem("odd file", where, "no `fold-recording-take.ogg` name"))
            elif int(name["fold"]) not in FOLDS:
                problems.append(Problem("wrong fold", where, f"fold {name['fold']}; folds are 1 to 5"))
            else:
                items.append(SoundItem(where, path, k, int(name["fold"]), name["recording"]))
    if not items:
        problems.append(Problem("no clips", "class folders", "they hold no `fold-recording-take.ogg`"))
    listed = _digest(f"{item.target}/{item.path.name}" for item in items)
    return _Listing("folders", tuple(sorted(items, key=_order)), names, tuple(problems), (), listed)


def _order(item: SoundItem) -> tuple[int, str]:
    """Class, then file name: the row order that the published forest depends on."""
    return item.target, item.path.name


# ---------------------------------------------------------------- checks


def _counts(items: tuple[SoundItem, ...]) -> dict[str, int]:
    cells = Counter((item.target, item.fold) for item in items)
    targets, folds = {item.target for item in items}, {item.fold for item in items}
    return {
        "clips": len(items),
        "classes": len(targets),
        "folds": len(folds),
        "fewest clips of a class in a fold": min((cells[t, f] for t in targets for f in folds), default=0),
    }


def _leaks(items: tuple[SoundItem, ...]) -> list[Problem]:
    """One recording and class, one fold; the four cross-class cases of the official table are only told."""
    folds: dict[str, set[int]] = defaultdict(set)
    by_class: dict[tuple[str, int], set[int]] = defaultdict(set)
    for item in items:
        folds[item.recording].add(item.fold)
        by_class[item.recording, item.target].add(item.fold)
    split_class = {recording for (recording, _), where in by_class.items() if len(where) > 1}
    problems = []
    for recording in sorted(r for r, where in folds.items() if len(where) > 1):
        known = recording in CROSS_CLASS and recording not in split_class
        text = f"clips of it stand in folds {sorted(folds[recording])}" + (
            ", as in the official table (two classes)" if known else "; test clips would be heard in training"
        )
        problems.append(Problem("recording in two folds", recording, text, fatal=not known))
    return problems


def _label(
    official: Official,
    listing: _Listing,
    found: Mapping[str, int],
    content: str,
    facts: _sounds.Facts,
) -> Label:
    """Official, altered or subset, by counts, lists and content."""
    if official.content and content == official.content:
        return Label(("official",), "official")
    altered = []
    if len({Path(name).suffix for name in facts}) > 1:
        altered.append("WAV and OGG mixed")
    if any(fact["rate"] != RATE for fact in facts.values()):
        altered.append("clips at another rate, resampled")
    if any(fact["channels"] != 1 for fact in facts.values()):
        altered.append("clips with several channels")
    fewest, most = LENGTHS[listing.layout]
    if any(not fewest <= fact["frames"] <= most and fact["rate"] == RATE for fact in facts.values()):
        altered.append("clips that are not 5 s long")
    complete = found == official.counts()
    table = listing.layout == "table"
    if complete and listing.digest != (official.table if table else official.folders):
        altered.append("another file list")
    elif complete and not table and official.content:
        altered.append("other bytes than the released files")
    short = "" if complete else f"{found['clips']:,} of {official.clips:,} clips, {found['folds']} of 5 folds"
    return _labels.of_files(altered, short)
