"""Pictures in a folder for each class, as ImageNet (ILSVRC 2012) is kept: 1,281,167 for training and 50,000 to test.

    train/n01440764/n01440764_10026.JPEG                class = folder, numbered from 0 in alphabetical order
    val/n01440764/ILSVRC2012_val_00000293.JPEG          the released archive has no class folders here

Any names of classes and files will do; pictures are JPEG or PNG, whatever their ending says. Sizes differ, and some
pictures are grey or CMYK.

Of every picture the size of its file is taken: empty ones are named. Headers are read of 50 pictures of each class and
side, at equal steps of their names: all of the official `val`, one in 26 of the official `train`. `Survey.layout` says
how many that were. All other damage is met when a picture is decoded.

Source: O. Russakovsky and others, ImageNet Large Scale Visual Recognition Challenge, IJCV 2015.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from unlabeled.contracts import ImageItem, Label, Memo, Problem, Survey
from unlabeled.datasets import _folders, _labels
from unlabeled.datasets.decode import frames
from unlabeled.datasets.decode.masks import MOST_PIXELS
from unlabeled.datasets.world import manifest
from unlabeled.errors import BadData, name_several

SIDES = ("train", "val")
OFFICIAL = {"train": 1_281_167, "val": 50_000, "classes": 1000}
VAL_PER_CLASS = 50
HEADERS = 50
"""How many pictures of a class and side are opened."""

ENDINGS = tuple(frames.SUFFIXES)

_CLASS = re.compile(r"n\d{8}", re.ASCII)
_VAL = re.compile(r"ILSVRC2012_val_\d{8}\.JPEG", re.ASCII)


class Picture(NamedTuple):
    """A file of a class folder; there may be a million, so that paths are made for those alone that are used."""

    side: str
    label: str
    name: str
    bytes: int

    @property
    def id(self) -> str:
        """Path below the folder of the set."""
        return f"{self.side}/{self.label}/{self.name}"


@dataclass(frozen=True)
class _Listing:
    """What the folders hold before anything is opened; labels by side."""

    pictures: tuple[Picture, ...]
    labels: Mapping[str, tuple[str, ...]]
    problems: tuple[Problem, ...]


class ImagenetFolder:
    """Reader of class folders."""

    id = "imagenet_folder"
    modality = "image"
    world = "imagenet_folder"
    where = (
        "ImageNet is given out for research: ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar of image-net.org,\n"
        "after registration. Unpack the archive of each class into a folder of its name, and sort the pictures of val\n"
        "into such folders by the list of the development kit.\n"
        "Accepted below --data as `imagenet`, or as --data itself: `train/CLASS/*.JPEG` and `val/CLASS/*.JPEG`, with\n"
        "any names of classes; JPEG or PNG."
    )

    def find(self, root: Path) -> Path | None:
        """The folder with `train` and `val`, or with their archives, at or below a data root."""
        names = ("imagenet", "ImageNet", "ILSVRC2012", "imagenet_folder", "ImageFolder", "ILSVRC/Data/CLS-LOC")
        return _folders.find(root, names, _is_it)

    def survey(self, folder: Path, limit: int | None = None, memo: Memo = _folders.look) -> Survey:
        """All pictures by class and name. Which of them are opened is said above; the others are only listed.

        Pictures that are empty or cannot be read are left out and make a subset.

        Raises
        ------
        BadData : links that leave the folder.
        """
        world = manifest.read(folder)
        listing = _list(folder)
        classes = listing.labels["train"]
        bad = _empty(listing.pictures)
        looked_at = _to_open(picture for picture in listing.pictures if picture.bytes)
        bad |= _unreadable(folder, looked_at, memo)
        numbers = {label: k for k, label in enumerate(classes)}
        pictures = [picture for picture in listing.pictures if picture not in bad and picture.label in numbers]
        problems = [*listing.problems, *_told(bad), *_val_twice(pictures)]
        found = {side: sum(picture.side == side for picture in pictures) for side in SIDES}
        found["classes"] = len({picture.label for picture in pictures})
        if world is None:
            label = _label(pictures, found, len(bad))
        else:
            problems += _labels.changes(folder, world, (folder / picture.id for picture in listing.pictures), memo)
            label = _labels.of_world(world)
        told = _folders.printable(problems)
        kept = pictures if limit is None else _first(pictures, limit)
        cut = "" if limit is None else f"first {limit} pictures of a class and side ({len(kept)} pictures)"
        return Survey(
            dataset=self.id,
            folder=folder,
            layout=f"class folders, {len(looked_at)} of {len(listing.pictures)} headers read",
            items=tuple(ImageItem(_folders.shown(p.id), folder / p.id, numbers[p.label], p.side) for p in kept),
            classes=tuple(map(_folders.shown, classes)),
            problems=told,
            expected=OFFICIAL if world is None and all(map(_CLASS.fullmatch, classes)) else {},
            found=found,
            label=_labels.settle(label, told, cut),
            fingerprint=_folders.fingerprint((f"{_folders.shown(p.id)} {p.bytes}" for p in pictures), told, (), ""),
        )

    def blank(self) -> Survey:
        """The official counts with no picture behind them; classes are called what their folders are called."""
        return Survey(
            dataset=self.id,
            folder=Path(),
            layout="none",
            items=(),
            classes=tuple(f"class {k}" for k in range(OFFICIAL["classes"])),
            problems=(),
            expected=OFFICIAL,
            found=OFFICIAL,
            label=Label(("official",), "official (counts; no file is read)"),
            fingerprint=hashlib.sha256(repr((self.id, OFFICIAL)).encode()).hexdigest(),
        )


# ---------------------------------------------------------------- listing


def _is_it(folder: Path) -> bool:
    sides = [side for side in SIDES if (folder / side).is_dir()]
    return len(sides) == 2 or bool(_folders.archives(folder, "ILSVRC2012_img"))


def _list(folder: Path) -> _Listing:
    pictures: list[Picture] = []
    labels: dict[str, tuple[str, ...]] = {}
    problems: list[Problem] = []
    others: list[str] = []
    for side in SIDES:
        place = folder / side
        _folders.refuse_leaving(folder, [place])
        entries = sorted(os.scandir(place), key=lambda entry: entry.name) if place.is_dir() else []
        inside = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
        _folders.refuse_leaving(folder, (place / entry.name for entry in inside))
        labels[side] = tuple(entry.name for entry in inside)
        for entry in inside:
            listed, rest = _in_class(folder, side, entry.name)
            pictures += listed
            others += rest
            if not listed:
                problems.append(Problem("no pictures", f"{side}/{entry.name}", "an empty class", fatal=side == "train"))
        loose = [entry.name for entry in entries if entry.is_file()]
        problems += _loose(folder, side, loose, bool(inside))
    strange = sorted(set(labels["val"]) - set(labels["train"]))
    if strange and labels["train"]:
        text = f"{len(strange)} classes that train has not: {name_several(strange, 4)}"
        problems.append(Problem("class without training", "val", text))
    if others:
        text = f"{len(others)} left alone: {name_several(others, 3)}"
        problems.append(Problem("other file", folder.name, text, fatal=False))
    return _Listing(tuple(pictures), labels, tuple(problems))


def _in_class(folder: Path, side: str, label: str) -> tuple[list[Picture], list[str]]:
    """The pictures of a class by name, and the names of other things; links must stay inside."""
    pictures, others, links = [], [], []
    place = folder / side / label
    for entry in os.scandir(place):
        if entry.name.startswith("."):
            continue
        if not entry.name.lower().endswith(ENDINGS):
            others.append(f"{side}/{label}/{entry.name}")
            continue
        if entry.is_symlink():
            links.append(place / entry.name)
        # A folder or a pipe of that name is as good as an empty file.
        size = entry.stat().st_size if entry.is_file() else 0
        pictures.append(Picture(side, label, entry.name, size))
    # To follow the whole path of a million files would take minutes.
    _folders.refuse_leaving(folder, links)
    return sorted(pictures), sorted(others)


def _loose(folder: Path, side: str, names: Sequence[str], has_classes: bool) -> list[Problem]:
    """What lies in a side itself: pictures, or the archives of its classes."""
    pictures = [name for name in names if name.lower().endswith(ENDINGS)]
    packed = [name for name in names if _folders.is_archive(name)]
    if has_classes:
        text = f"{len(pictures)} pictures and {len(packed)} archives lie beside the class folders: they are left alone"
        return [Problem("outside of classes", side, text, fatal=False)] if pictures or packed else []
    if pictures:
        text = (
            f"{len(pictures)} pictures lie in {side} itself, as in the released archive: move each into the folder of "
            f"its class, as {side}/CLASS/{pictures[0]} (ILSVRC2012_validation_ground_truth.txt has the classes)"
        )
        return [Problem("no class folders", side, text)]
    hint = _folders.to_unpack(*packed, *_folders.archives(folder, "ILSVRC2012_img"))
    return [Problem("no class folders", side, f"there is no {side}/CLASS{hint}")]


# ---------------------------------------------------------------- what is there


def look_at(file: Path) -> dict[str, Any]:
    """Width and height of a JPEG or PNG picture; only its header is read.

    Raises
    ------
    BadData : it is neither, or claims more pixels than are decoded.
    """
    try:
        with Image.open(file, formats=("JPEG", "PNG")) as picture:
            width, height = picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as fault:
        raise BadData(f"{file} is no JPEG or PNG picture ({type(fault).__name__})") from fault
    if width * height > MOST_PIXELS:
        raise BadData(f"{file} claims {width} x {height} pixels, at most {MOST_PIXELS} are read")
    return {"width": width, "height": height}


def _empty(pictures: Iterable[Picture]) -> dict[Picture, str]:
    return {picture: "is empty or no file" for picture in pictures if picture.bytes == 0}


def _to_open(pictures: Iterable[Picture]) -> list[Picture]:
    """Of each class and side all or `HEADERS` pictures, at equal steps."""
    cells: dict[tuple[str, str], list[Picture]] = {}
    for picture in pictures:
        cells.setdefault((picture.side, picture.label), []).append(picture)
    return [cell[k * len(cell) // n] for cell in cells.values() for n in [min(HEADERS, len(cell))] for k in range(n)]


def _unreadable(folder: Path, pictures: Iterable[Picture], memo: Memo) -> dict[Picture, str]:
    bad = {}
    for picture in pictures:
        file = folder / picture.id
        try:
            memo(file, look_at)
        except BadData as fault:
            bad[picture] = fault.what.removeprefix(f"{file} ")
    return bad


def _told(bad: Mapping[Picture, str]) -> list[Problem]:
    return [Problem("unreadable picture", p.id, f"{what}: left out", fatal=False) for p, what in bad.items()]


def _val_twice(pictures: Iterable[Picture]) -> list[Problem]:
    """Official validation pictures are numbered: none has two classes."""
    places = Counter(picture.name for picture in pictures if picture.side == "val" and _VAL.fullmatch(picture.name))
    twice = [name for name, n in places.items() if n > 1]
    text = f"{len(twice)} pictures stand in several classes: {name_several(twice, 3)}"
    return [Problem("picture of two classes", "val", text)] if twice else []


# ---------------------------------------------------------------- label


def _label(pictures: Sequence[Picture], found: Mapping[str, int], bad: int) -> Label:
    """Official by counts, a subset by the names that the release gave to classes and files; all else is altered."""
    classes = {picture.label for picture in pictures}
    words = f"folder of {found['classes']} classes, {found['train']} train and {found['val']} val pictures"
    if not all(map(_CLASS.fullmatch, classes)) or not all(map(_as_released, pictures)):
        return _labels.of_files([words], f"{bad} unreadable pictures left out" if bad else "")
    more = [f"{found[name]} {name}, not {n}" for name, n in OFFICIAL.items() if found[name] > n]
    per_class = Counter(picture.label for picture in pictures if picture.side == "val")
    if found["val"] == OFFICIAL["val"] and set(per_class.values()) != {VAL_PER_CLASS}:
        more.append(f"val classes of {min(per_class.values())} to {max(per_class.values())} pictures, not 50")
    full = ", ".join(f"{found[name]} of {n} {name}" for name, n in OFFICIAL.items())
    short = full if any(found[name] < n for name, n in OFFICIAL.items()) else ""
    return _labels.of_files(more, short, "official (counts)")


def _as_released(picture: Picture) -> bool:
    if picture.side == "val":
        return _VAL.fullmatch(picture.name) is not None
    return picture.name.startswith(f"{picture.label}_")


def _first(pictures: Iterable[Picture], limit: int) -> list[Picture]:
    """The first pictures of each class and side."""
    seen: Counter[tuple[str, str]] = Counter()
    kept = []
    for picture in pictures:
        seen[picture.side, picture.label] += 1
        if seen[picture.side, picture.label] <= limit:
            kept.append(picture)
    return kept


DATASET = ImagenetFolder()
