"""UCF-101: 13,320 clips of 101 actions in 25 groups each, and three splits (Soomro et al. 2012).

    UCF-101/CLASS/v_CLASS_gGG_cCC.avi             or a folder of frames in place of the file
    ucfTrainTestlist/classInd.txt                 a line `1 CLASS`: the classes and their numbers
    ucfTrainTestlist/trainlist0K.txt              a line `CLASS/v_CLASS_gGG_cCC.avi 1`
    ucfTrainTestlist/testlist0K.txt               the same without a number

All clips of a group are cut from one recording and stand on one side of every split: lists that part them are refused.
The class of a clip is its folder, compared without case: files of HandstandPushups are called `v_HandStandPushups_...`.
Numbers of classes count from 1 in the lists and from 0 here. Most videos have 25 frames a second, not all, and some
have sound.

Source: K. Soomro, A. R. Zamir, M. Shah, UCF101: A Dataset of 101 Human Actions Classes From Videos in The Wild,
CRCV-TR-12-01, 2012; the numbers of clips were counted in the released lists.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from unlabeled.contracts import Label, Memo, Problem, Survey
from unlabeled.datasets import _folders, _videos
from unlabeled.datasets._videos import SIDES, SPLITS, Entry, Key, Line, Lists
from unlabeled.errors import name_several

VIDEOS = "UCF-101"
LISTS = "ucfTrainTestlist"
CLASSES = "classInd.txt"

OFFICIAL = {
    "clips": 13_320,
    "classes": 101,
    "groups": 101 * 25,
    "split 1 train": 9537,
    "split 1 test": 3783,
    "split 2 train": 9586,
    "split 2 test": 3734,
    "split 3 train": 9624,
    "split 3 test": 3696,
}

_LINE = re.compile(r"(?P<action>[^/]+)/(?P<name>v_(?P<called>.+)_g\d+_c\d+)\.avi(\s+(?P<number>\d+))?\s*")
_GROUP = re.compile(r".+_(g\d+)_c\d+")


class Ucf101:
    """Reader of the official layout; classes are those of the set's own classInd.txt."""

    id = "ucf101"
    modality = "video"
    world = "ucf101"
    where = (
        "UCF-101: UCF101.rar and UCF101TrainTestSplits-RecognitionTask.zip of the Center for Research in Computer\n"
        "Vision, www.crcv.ucf.edu/data/UCF101.php. Unpack both in the data root.\n"
        "Accepted below --data as `UCF-101`, or as --data itself: `UCF-101/CLASS/v_CLASS_g01_c01.avi` (or the class\n"
        "folders alone; or a folder of frames, `v_CLASS_g01_c01/00001.jpg`) with `ucfTrainTestlist/trainlist01.txt`,\n"
        "`testlist01.txt`, ... and `classInd.txt` beside or inside."
    )

    def find(self, root: Path) -> Path | None:
        """The folder that holds the lists, or the packed set, at or below a data root."""
        names = (VIDEOS, "UCF101", "ucf101")
        found = _folders.find(root, names, lambda folder: (folder / LISTS).is_dir())
        return found or _folders.find(root, names, _looks_like_it)

    def survey(self, folder: Path, limit: int | None = None, memo: Memo = _folders.look) -> Survey:
        """All listed clips that are there. Of each the first frame is decoded, once: 13,320 clips take half a minute.

        Clips that are missing or cannot be read make a subset. Frame rates are not compared with the released ones.

        Raises
        ------
        BadData : links that leave the folder. All else that is wrong is a problem.
        """
        place = folder / VIDEOS if (folder / VIDEOS).is_dir() else folder
        return _videos.survey(self.id, OFFICIAL, folder, place, _read_lists(folder), limit, memo)

    def blank(self) -> Survey:
        """The official counts with no clip behind them; the names of classes are in the lists alone."""
        return Survey(
            dataset=self.id,
            folder=Path(),
            layout="none",
            items=(),
            classes=tuple(f"class {k}" for k in range(1, OFFICIAL["classes"] + 1)),
            problems=(),
            expected=OFFICIAL,
            found=OFFICIAL,
            label=Label(("official",), "official (counts; no file is read)"),
            fingerprint=hashlib.sha256(repr((self.id, OFFICIAL)).encode()).hexdigest(),
        )


def _looks_like_it(folder: Path) -> bool:
    """A set that lacks its lists: packed files, or class folders."""
    return bool(_folders.archives(folder, "UCF101")) or any(folder.glob("*/v_*_g*_c*"))


# ---------------------------------------------------------------- lists


def _read_lists(folder: Path) -> Lists:
    problems: list[Problem] = []
    files: dict[Path, bytes] = {}
    place = folder / LISTS
    names = (CLASSES, *(f"{side}list0{split}.txt" for split in SPLITS for side in SIDES))
    there = [place / name for name in names if (place / name).is_file()]
    _folders.refuse_leaving(folder, there)
    texts: dict[str, list[str]] = {}
    for file in there:
        files[file], texts[file.name] = _videos.read_text(file, problems)
    if not there:
        text = f"no {LISTS} with {CLASSES}, trainlist01.txt, testlist01.txt"
        problems.append(
            Problem("no lists", folder.name, text + _folders.to_unpack(*_folders.archives(folder, "UCF101")))
        )
    elif CLASSES not in texts:
        problems.append(Problem("no list of classes", LISTS, f"no {CLASSES}: classes have no numbers"))
    classes, wrong = _classes(place / CLASSES, texts.get(CLASSES, []))
    splits: dict[int, list[Line]] = {}
    for split in SPLITS:
        splits[split] = []
        for side in SIDES:
            name = f"{side}list0{split}.txt"
            lines, odd = _lines(place / name, texts.get(name, []), classes, side)
            splits[split] += lines
            wrong += odd
    entries, contradictions = _videos.entries(splits, _group)
    problems += [*wrong, *(contradictions if there else []), *_leaks(entries)]
    return Lists(classes, entries, files, tuple(problems), tuple(_altered(classes, entries)))


def _classes(file: Path, lines: Sequence[str]) -> tuple[tuple[str, ...], list[Problem]]:
    """Names of the classes; their numbers must be 1, 2, ... in this order."""
    pairs = [line.split(maxsplit=1) for line in lines]
    bad = [
        line for k, (line, pair) in enumerate(zip(lines, pairs, strict=True), 1) if len(pair) < 2 or pair[0] != str(k)
    ]
    names = tuple(pair[1].strip() for pair in pairs if len(pair) == 2)
    problems = _videos.bad_lines(file, bad, "NUMBER CLASS, numbers from 1 on")
    if len({name.casefold() for name in names}) < len(names):
        problems.append(Problem("class twice", file.name, "two lines name one class"))
    return names, problems


def _lines(file: Path, lines: Sequence[str], classes: Sequence[str], side: str) -> tuple[list[Line], list[Problem]]:
    """The clips of a list, and what its lines contradict: their own form, the list of classes, the names of clips."""
    numbers = {name.casefold(): k for k, name in enumerate(classes, 1)}
    listed, bad, unknown, differ, other = [], [], [], [], []
    for line in lines:
        found = _LINE.fullmatch(line)
        number = numbers.get(found["action"].casefold()) if found else None
        if found is None:
            bad.append(line)
        elif number is None:
            unknown.append(found["action"])
        elif found["called"].casefold() != found["action"].casefold():
            other.append(f"{found['action']}/{found['name']}")
        else:
            listed.append(Line(classes[number - 1], found["name"], side))
            if found["number"] and int(found["number"]) != number:
                differ.append(f"{found['name']} {found['number']}")
    problems = _videos.bad_lines(file, bad, "CLASS/v_CLASS_gGG_cCC.avi")
    for kind, names, text in (
        ("unknown class", sorted({*unknown}), f"not in {CLASSES}"),
        ("clip of another class", other, "named after another class than their folder"),
        ("numbers of classes differ", differ, f"{CLASSES} has other numbers"),
    ):
        if names:
            problems.append(Problem(kind, file.name, f"{len(names)} {text}: {name_several(names, 3)}"))
    return listed, problems


def _group(line: Line) -> str:
    found = _GROUP.fullmatch(line.name)
    return f"{line.action}/{found[1]}" if found else f"{line.action}/{line.name}"


def _leaks(entries: Mapping[Key, Entry]) -> list[Problem]:
    """Recordings that are trained on and tested."""
    problems = []
    for split in SPLITS:
        both = _videos.shared_groups(entries.values(), split)
        if both:
            text = f"{len(both)} groups of one recording are in train and in test: {name_several(both, 3)}"
            problems.append(Problem("group on both sides", f"split {split}", text))
    return problems


def _altered(classes: Sequence[str], entries: Mapping[Key, Entry]) -> list[str]:
    """Lists with other numbers of classes or clips than the released ones; a list that is missing makes a subset."""
    altered = [f"{len(classes)} classes, not {OFFICIAL['classes']}"] if len(classes) != OFFICIAL["classes"] else []
    for name, n in _videos.counts(entries.values()).items():
        if n and n != OFFICIAL[name]:
            altered.append(f"a list of {name} with {n} clips, not {OFFICIAL[name]}")
    return altered


DATASET = Ucf101()
