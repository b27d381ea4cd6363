"""The lists of JHMDB in both forms: a file a class, as the authors give them, or a file a side, as P-CNN does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from unlabeled.contracts import Problem
from unlabeled.datasets import _folders
from unlabeled.errors import BadData, name_several

SPLITS = (1, 2, 3)
LIST = re.compile(r"splits/.+_test_split[123]\.txt|splitlists/JHMDB_(train|test)[123]\.txt")
SIDES = {"1": "train", "2": "test"}
"""What the numbers in the lists of a class mean."""

CLASSES = (
    "brush_hair", "catch", "clap", "climb_stairs", "golf", "jump", "kick_ball", "pick", "pour", "pullup", "push",
    "run", "shoot_ball", "shoot_bow", "shoot_gun", "sit", "stand", "swing_baseball", "throw", "walk", "wave",
)  # fmt: skip
"""Class number 1 is the first."""


class _Entry(NamedTuple):
    """A line of a list."""

    clip: str
    action: str
    side: str


@dataclass(frozen=True)
class Lists:
    """What all lists say: the action of each clip, its side in each split, and the bytes of the files."""

    actions: Mapping[str, str]
    sides: Mapping[str, tuple[str, ...]]
    forms: tuple[str, ...]
    files: tuple[bytes, ...]
    problems: tuple[Problem, ...]

    def of(self, clip: str) -> tuple[str, ...]:
        """The side of a clip in each split, nothing where no list names it."""
        return self.sides.get(clip, ("",) * len(SPLITS))

    def clips(self, split: int, side: str) -> list[str]:
        """The clips on one side of a split."""
        return [clip for clip, sides in self.sides.items() if sides[split - 1] == side]


def read_lists(folder: Path) -> Lists:
    """The lists of all splits, of either form."""
    files = list_files(folder)
    actions: dict[str, str] = {}
    sides: dict[str, list[str]] = {}
    problems: list[Problem] = []
    for split in SPLITS:
        entries, wrong = _split(files, split)
        problems += wrong
        for clip, action, side in entries:
            place = sides.setdefault(clip, [""] * len(SPLITS))
            if actions.setdefault(clip, action) != action:
                problems.append(Problem("clip of two classes", clip, f"listed in {actions[clip]} and in {action}"))
            elif place[split - 1] == side:
                problems.append(Problem("listed twice", clip, f"in {side} of split {split}", fatal=False))
            elif place[split - 1]:
                problems.append(Problem("clip on both sides", clip, f"in train and in test of split {split}"))
            place[split - 1] = side
    if not actions:
        hint = _folders.to_unpack(*_folders.archives(folder, "split"))
        problems.append(Problem("no lists", folder.name, f"splits and splitlists name no clip{hint}"))
    forms = tuple(dict.fromkeys(name.partition("/")[0] for name in files))
    settled = {clip: tuple(place) for clip, place in sides.items()}
    return Lists(actions, settled, forms, tuple(files.values()), tuple(problems))


def list_files(folder: Path) -> dict[str, bytes]:
    """The content of every list by its name below the folder."""
    found = {}
    for place in (folder / "splits", folder / "splitlists"):
        for file in sorted(place.iterdir()) if place.is_dir() else ():
            name = f"{place.name}/{file.name}"
            _folders.refuse_leaving(folder, [file])
            if LIST.fullmatch(name) and file.is_file():
                found[name] = file.read_bytes()
    return found


def _split(files: Mapping[str, bytes], split: int) -> tuple[list[_Entry], list[Problem]]:
    """The lists of the classes, and those of P-CNN for classes without one; where both are there they must agree."""
    ours, wrong = _class_lists(files, split)
    pcnn, wrong_pcnn = _pcnn_lists(files, split)
    problems = [*wrong, *wrong_pcnn]
    if not ours and not pcnn:
        problems.append(Problem("no list", f"split {split}", "neither splits nor splitlists has it", fatal=False))
    named = {entry.action for entry in ours}
    differ = sorted({entry.clip for entry in {*ours} ^ {entry for entry in pcnn if entry.action in named}})
    if pcnn and differ:
        text = f"splits and splitlists differ in {len(differ)} clips: {name_several(differ, 4)}"
        problems.append(Problem("lists disagree", f"split {split}", text))
    return [*ours, *(entry for entry in pcnn if entry.action not in named)], problems


def _class_lists(files: Mapping[str, bytes], split: int) -> tuple[list[_Entry], list[Problem]]:
    """The official form: a file a class."""
    entries, problems, ending = [], [], f"_test_split{split}.txt"
    for name in files:
        if name.startswith("splits/") and name.endswith(ending):
            action = name.removeprefix("splits/").removesuffix(ending)
            for number, clip, last in _rows(name, files[name]):
                if last in SIDES:
                    entries.append(_Entry(clip.removesuffix(".avi"), action, SIDES[last]))
                else:
                    problems.append(Problem("odd line", f"{name}:{number}", "not a clip and 1 or 2"))
    return entries, problems


def _pcnn_lists(files: Mapping[str, bytes], split: int) -> tuple[list[_Entry], list[Problem]]:
    """The form of P-CNN: a file a side."""
    entries, problems = [], []
    numbers = {str(k): action for k, action in enumerate(CLASSES, 1)}
    for side in SIDES.values():
        name = f"splitlists/JHMDB_{side}{split}.txt"
        for number, clip, last in _rows(name, files.get(name, b"")):
            if last in numbers:
                entries.append(_Entry(clip, numbers[last], side))
            else:
                text = f"not a clip and the number of a class, 1 to {len(CLASSES)}"
                problems.append(Problem("odd line", f"{name}:{number}", text))
    return entries, problems


def _rows(name: str, content: bytes) -> list[tuple[int, str, str]]:
    """Line number, clip and last word of each line that is not empty."""
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError as fault:
        raise BadData(f"{name} is no text", "get the list of the release") from fault
    parts = [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
    return [(number, " ".join(words[:-1]), words[-1]) for number, words in parts]
