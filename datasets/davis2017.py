"""DAVIS 2017 and 2016: videos with a mask of every object in every frame (Pont-Tuset et al. 2017, Perazzi et al. 2016).

A mask is a PNG whose pixel values are object indices, 255 void. Masks of the 2016 form are grey, 255 on 0, all
objects merged: they are told apart by their first mask. Frames are listed from the masks, so that masks without
pictures can be scored.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled.contracts import Label, MaskSequence, Memo, Problem, Survey
from unlabeled.datasets import _folders, _labels
from unlabeled.datasets.decode import masks
from unlabeled.datasets.world import manifest
from unlabeled.errors import BadData, name_several

VOID = 255
RESOLUTIONS = ("480p", "Full-Resolution")
PARTS = {"2017": ("train", "val", "test-dev"), "2016": ("train", "val")}
PAIRS = "ImageSets/480p"
"""Lists of the 2016 release: a line `/JPEGImages/480p/SEQ/00000.jpg /Annotations/480p/SEQ/00000.png` a frame."""

ATTRIBUTES = ("attributes.csv", "world_attributes.csv")
"""A table `seq,ATTRIBUTE,...` of 0 and 1 beside the data."""

OFFICIAL = {
    "2017 train": {"sequences": 60, "frames": 4209},
    "2017 val": {"sequences": 30, "frames": 1999, "objects": 61},
    "2016 train": {"sequences": 30, "frames": 2079},
    "2016 val": {"sequences": 20, "frames": 1376, "objects": 20},
}
"""Counts of davis-2017 `data/db_info.yaml`; the objects are those of the first masks."""

FOLDERS = ("DAVIS", "DAVIS-2017", "DAVIS2017", "DAVIS-2016", "DAVIS_2016")
"""What the folder of the set is called below a data root."""


@dataclass(frozen=True)
class _Listed:
    """What the lists name: sequences of each list, in its order, and the bytes of the list files."""

    lists: Mapping[str, tuple[str, ...]]
    files: tuple[bytes, ...]

    def of(self, sequence: str) -> tuple[str, ...]:
        return tuple(name for name, sequences in self.lists.items() if sequence in sequences)


class Davis2017:
    """Reader of the official layout, of either year."""

    id = "davis2017"
    modality = "video"
    world = "davis2017"
    where = (
        "DAVIS is free (CC BY 4.0 unless a video says otherwise): DAVIS-2017-trainval-480p.zip of davischallenge.org.\n"
        "Accepted below --data as `DAVIS`, or as --data itself: `Annotations/480p/SEQ/00000.png` (pixel = object),\n"
        "`ImageSets/2017/val.txt` (or the lists of 2016), `JPEGImages/480p/SEQ/00000.jpg` where pictures are wanted."
    )

    def find(self, root: Path) -> Path | None:
        """The DAVIS folder, or the packed set, at or below a data root."""
        found = _folders.find(root, FOLDERS, lambda folder: _resolution(folder) is not None)
        return found or _folders.find(root, FOLDERS, _is_packed)

    def survey(self, folder: Path, limit: int | None = None, memo: Memo = _folders.look) -> Survey:
        """All sequences that have masks; every mask is decoded once."""
        resolution = _resolution(folder) or RESOLUTIONS[0]
        world = manifest.read(folder)
        listed = _read_lists(folder)
        table, table_file = _attributes(folder)
        items, problems, parts = [], [], []
        for place in _sequences(folder, resolution):
            files = tuple(sorted(file for file in place.iterdir() if file.suffix == ".png" and file.is_file()))
            _folders.refuse_leaving(folder, files)
            facts, wrong = _examine(place.name, files, memo)
            problems += [*wrong, *_odd_frames(place.name, files)]
            there = [file for file in files if file in facts]
            parts += [_folders.shown(f"{place.name}/{file.name} {facts[file]['sha256']}") for file in there]
            if not files or files[0] not in facts:
                continue
            first = facts[files[0]]
            if len({(fact["width"], fact["height"]) for fact in facts.values()}) > 1:
                problems.append(Problem("frames of several sizes", place.name, "its masks differ in size"))
            names = tuple(file.stem for file in files)
            merged = first["top"] == 0 and first["void"]
            items.append(
                MaskSequence(
                    place.name, names, files, _images(folder, resolution, place.name, names), listed.of(place.name),
                    1 if merged else first["top"], merged, table.get(place.name, ()),
                )
            )  # fmt: skip
        if world is not None:
            problems += _labels.changes(folder, world, _used(folder, items), memo)
        if table:
            parts.append(f"{table_file.name} {_folders.sha256(table_file)}")
        return self._survey(folder, resolution, items, problems, parts, listed, world, limit)

    def _survey(
        self,
        folder: Path,
        resolution: str,
        items: Sequence[MaskSequence],
        problems: Sequence[Problem],
        parts: Sequence[str],
        listed: _Listed,
        world: manifest.Manifest | None,
        limit: int | None,
    ) -> Survey:
        problems = [*problems, *_missing(folder, resolution, items, listed)]
        told = _folders.printable(problems)
        year = _year(listed)
        expected = _expected(listed, year) if world is None else {}
        found = {key: value for key, value in _found(items).items() if not expected or key in expected}
        label = _label(items, found, listed, year, resolution) if world is None else _labels.of_world(world)
        kept = items if limit is None else _first(items, limit)
        cut = "" if limit is None else f"first {limit} sequences of a list"
        return Survey(
            dataset=self.id,
            folder=folder,
            layout=f"{year} lists, {resolution}",
            items=tuple(kept),
            classes=(),
            problems=told,
            expected=expected,
            found=found,
            label=_labels.settle(label, told, cut),
            fingerprint=_folders.fingerprint(parts, told, listed.files, ""),
        )

    def blank(self) -> Survey:
        """The official counts with no sequence behind them."""
        return Survey(self.id, Path(), "none", (), (), (), {}, {}, Label(("subset",), "no data"), "")


# ---------------------------------------------------------------- folders and lists


def _resolution(folder: Path) -> str | None:
    return next((name for name in RESOLUTIONS if (folder / "Annotations" / name).is_dir()), None)


def _is_packed(folder: Path) -> bool:
    """A set that is still packed; `Annotations.tgz` alone may be of another set."""
    return bool(_folders.archives(folder, "" if folder.name in FOLDERS else "DAVIS"))


def _sequences(folder: Path, resolution: str) -> list[Path]:
    place = folder / "Annotations" / resolution
    return sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []


def _images(folder: Path, resolution: str, sequence: str, names: Sequence[str]) -> tuple[Path, ...]:
    """The pictures of a sequence, none unless there is one for every mask."""
    files = tuple(folder / "JPEGImages" / resolution / sequence / f"{name}.jpg" for name in names)
    return files if all(file.is_file() for file in files) else ()


def _used(folder: Path, items: Sequence[MaskSequence]) -> list[Path]:
    """Lists, masks and pictures."""
    lists = [folder / "ImageSets" / year / f"{part}.txt" for year, parts in PARTS.items() for part in parts]
    media = [file for item in items for file in (*item.masks, *item.images)]
    return [*(file for file in lists if file.is_file()), *media]


def _read_lists(folder: Path) -> _Listed:
    lists: dict[str, tuple[str, ...]] = {}
    files: list[bytes] = []
    for year, parts in PARTS.items():
        for part in parts:
            file = folder / "ImageSets" / year / f"{part}.txt"
            if not file.is_file() and year == "2016":
                file = folder / PAIRS / f"{part}.txt"
            if file.is_file():
                content = file.read_bytes()
                files.append(content)
                lists[f"{year} {part}"] = _names(file, content)
    return _Listed(lists, tuple(files))


def _year(listed: _Listed) -> str:
    """The year whose validation list is there, the later one of both; any list where none is."""
    names = [name for name in listed.lists if name.endswith(" val")] or [*listed.lists]
    return "2017" if any(name.startswith("2017") for name in names) else "2016"


def _names(file: Path, content: bytes) -> tuple[str, ...]:
    """Sequences of a list in its order: a name a line, or a pair of paths a frame."""
    try:
        lines = [line.split()[0] for line in content.decode().splitlines() if line.strip()]
    except UnicodeDecodeError as fault:
        raise BadData(f"{file} is no text", "get the list of the release") from fault
    return tuple(dict.fromkeys(Path(line).parent.name if "/" in line else line for line in lines))


def _attributes(folder: Path) -> tuple[dict[str, tuple[str, ...]], Path]:
    """The attributes of each sequence, from a table beside the data, and the file of that table."""
    file = next((folder / name for name in ATTRIBUTES if (folder / name).is_file()), folder / ATTRIBUTES[0])
    if not file.is_file():
        return {}, file
    _folders.refuse_leaving(folder, [file])
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8", errors="replace"))))
    found = {
        row["seq"]: tuple(name for name, value in row.items() if name not in ("seq", "objects") and value == "1")
        for row in rows
        if row.get("seq")
    }
    return found, file


# ---------------------------------------------------------------- what is there


def look_at(file: Path) -> dict[str, Any]:
    """Size and hash of a mask, its highest index, whether it holds void."""
    index = masks.read(file)
    return {
        "width": index.shape[1],
        "height": index.shape[0],
        "sha256": _folders.sha256(file),
        "top": int(np.where(index == VOID, 0, index).max()),
        "void": bool((index == VOID).any()),
    }


def _examine(sequence: str, files: Sequence[Path], memo: Memo) -> tuple[dict[Path, dict[str, Any]], list[Problem]]:
    facts, problems = {}, []
    for file in files:
        try:
            facts[file] = memo(file, look_at)
        except BadData as fault:
            problems.append(Problem("unreadable mask", f"{sequence}/{file.name}", fault.what))
    return facts, problems


def _odd_frames(sequence: str, files: Sequence[Path]) -> list[Problem]:
    """A gap in the numbers of frames."""
    numbers = [int(file.stem) for file in files if file.stem.isascii() and file.stem.isdecimal()]
    if len(numbers) == len(files) and numbers and numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        lacking = sorted(set(range(numbers[0], numbers[-1])) - set(numbers))
        return [Problem("missing file", sequence, f"no mask of frame {', '.join(map(str, lacking[:5]))}", fatal=False)]
    return []


def _missing(folder: Path, resolution: str, items: Sequence[MaskSequence], listed: _Listed) -> list[Problem]:
    """One problem for all sequences that are listed and not there; of test-dev nobody has the masks."""
    place, hint = f"Annotations/{resolution}", _folders.to_unpack(*_folders.archives(folder))
    if not (folder / place).is_dir():
        return [Problem("no masks", place, f"there is no such folder{hint}")]
    there = {item.id for item in items}
    lacking = {
        name: [sequence for sequence in sequences if sequence not in there]
        for name, sequences in listed.lists.items()
        if not name.endswith("test-dev")
    }
    names = sorted({sequence for sequences in lacking.values() for sequence in sequences})
    if not names:
        return []
    short = ", ".join(f"{len(part)} of {len(listed.lists[name])} {name}" for name, part in lacking.items() if part)
    text = f"no masks of {len(names)} listed sequences ({short}): {name_several(names, 4)}{hint}"
    return [Problem("missing sequences", place, text, fatal=False)]


def _found(items: Sequence[MaskSequence]) -> dict[str, int]:
    found = {}
    for name in OFFICIAL:
        mine = [item for item in items if name in item.lists]
        found[f"{name} sequences"] = len(mine)
        found[f"{name} frames"] = sum(len(item.names) for item in mine)
        found[f"{name} objects"] = sum(item.objects for item in mine)
    return found


def _expected(listed: _Listed, year: str) -> dict[str, int]:
    """The official counts of the lists of one year."""
    return {
        f"{name} {what}": count
        for name, counts in OFFICIAL.items()
        if name.startswith(year) and name in listed.lists
        for what, count in counts.items()
    }


def _label(
    items: Sequence[MaskSequence], found: Mapping[str, int], listed: _Listed, year: str, resolution: str
) -> Label:
    """Official are the sequences of the val list with its counts, at 480p."""
    name = f"{year} val"
    counts = OFFICIAL[name]
    sequences = listed.lists.get(name, ())
    altered = []
    if len(sequences) != counts["sequences"]:
        altered.append(f"a {name} list of {len(sequences)} sequences, not {counts['sequences']}")
    if resolution != RESOLUTIONS[0]:
        altered.append(f"masks of {resolution}, not {RESOLUTIONS[0]}")
    there = [item for item in items if name in item.lists]
    if len(there) < len(sequences) and there:
        short = f"{len(there)} of {len(sequences)} {name} sequences"
    elif not there:
        short = f"none of the {name} sequences"
    else:
        short = ""
        altered += [
            f"{found[f'{name} {what}']} {what}, not {count}"
            for what, count in counts.items()
            if not altered and found[f"{name} {what}"] != count
        ]
    return _labels.of_files(altered, short)


def _first(items: Sequence[MaskSequence], limit: int) -> list[MaskSequence]:
    """Sequences that are among the first of any of their lists, or of those in none."""
    seen: Counter[str] = Counter()
    kept = []
    for item in items:
        places = item.lists or ("",)
        if any(seen[place] < limit for place in places):
            kept.append(item)
        seen.update(places)
    return kept


DATASET = Davis2017()
