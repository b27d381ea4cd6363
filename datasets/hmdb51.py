"""HMDB-51: 6,766 clips of 51 actions from films and the web, and three splits (Kuehne et al. 2011).

    hmdb51_org/CLASS/NAME.avi                                   or `videos/CLASS`, or a folder of frames for the file
    testTrainMulti_7030_splits/CLASS_test_splitK.txt            a line `NAME.avi 1`

Code 1 is training (70 clips a class), 2 test (30), 0 neither: a third of the clips. The class stands in the name of the
list, not in its lines. Names hold `#`, `!`, `(`, `[` and `&`: lists are split at their last blank, folders are listed,
nothing is matched by a pattern.

The group of a clip is what its name says before `_CLASS_`: the film. In the released lists no group of a class is on
both sides of a split. Films with several actions are: 133, 149 and 144 of them in splits 1, 2 and 3, with 457, 527 and
529 of the 1,530 test clips. Headers promise a frame more than there are (packed B-frames).

Source: H. Kuehne, H. Jhuang, E. Garrote, T. Poggio, T. Serre, HMDB: A Large Video Database for Human Motion
Recognition, ICCV 2011; all numbers were counted in the released lists.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from unlabeled.contracts import Label, Memo, Problem, Survey
from unlabeled.datasets import _folders, _videos
from unlabeled.datasets._videos import SPLITS, Entry, Key, Line, Lists
from unlabeled.errors import name_several

VIDEOS = ("hmdb51_org", "videos")
LISTS = "testTrainMulti_7030_splits"
CODES = {"0": "", "1": "train", "2": "test"}
"""What the numbers in the lists mean."""

CLASSES = (
    "brush_hair", "cartwheel", "catch", "chew", "clap", "climb", "climb_stairs", "dive", "draw_sword", "dribble",
    "drink", "eat", "fall_floor", "fencing", "flic_flac", "golf", "handstand", "hit", "hug", "jump", "kick",
    "kick_ball", "kiss", "laugh", "pick", "pour", "pullup", "punch", "push", "pushup", "ride_bike", "ride_horse",
    "run", "shake_hands", "shoot_ball", "shoot_bow", "shoot_gun", "sit", "situp", "smile", "smoke", "somersault",
    "stand", "swing_baseball", "sword", "sword_exercise", "talk", "throw", "turn", "walk", "wave",
)  # fmt: skip
"""For the official check and the blank survey; all else takes them from the names of the lists."""

PER_CLASS = {"train": 70, "test": 30}
WHOLE = 100
"""A list of so many clips is that of a whole class: there the codes must leave clips to train on and to test."""
OFFICIAL = {
    "clips": 6766,
    "classes": len(CLASSES),
    **{f"split {k} {side}": n * len(CLASSES) for k in SPLITS for side, n in PER_CLASS.items()},
}

_LIST = re.compile(r"(?P<action>.+)_test_split(?P<split>[123])\.txt", re.DOTALL)
_LINE = re.compile(r"(?P<name>\S.*)\.avi\s+(?P<code>[012])\s*")


class Hmdb51:
    """Reader of the official layout."""

    id = "hmdb51"
    modality = "video"
    world = "hmdb51"
    where = (
        "HMDB-51: hmdb51_org.rar and test_train_splits.rar of the Serre lab, Brown University,\n"
        "serre.lab.brown.edu/hmdb51.html. Unpack both in the data root, and the archive of each class where it lies.\n"
        "Accepted below --data as `HMDB51`, or as --data itself: `hmdb51_org/CLASS/NAME.avi` (or `videos/CLASS`, or a\n"
        "folder of frames, `NAME/00001.jpg`) and `testTrainMulti_7030_splits/CLASS_test_split1.txt`."
    )

    def find(self, root: Path) -> Path | None:
        """The folder that holds the lists, or the packed set, at or below a data root."""
        names = ("HMDB51", "HMDB-51", "hmdb51")
        found = _folders.find(root, names, lambda folder: (folder / LISTS).is_dir())
        return found or _folders.find(root, names, _looks_like_it)

    def survey(self, folder: Path, limit: int | None = None, memo: Memo = _folders.look) -> Survey:
        """All listed clips that are there. Of each the first frame is decoded, once.

        Clips that are missing or cannot be read make a subset. Frame rates are not compared with the released ones.

        Raises
        ------
        BadData : links that leave the folder. All else that is wrong is a problem.
        """
        place = next((folder / name for name in VIDEOS if (folder / name).is_dir()), None)
        return _videos.survey(self.id, OFFICIAL, folder, place, _read_lists(folder), limit, memo)

    def blank(self) -> Survey:
        """The official classes and counts with no clip behind them."""
        return Survey(
            dataset=self.id,
            folder=Path(),
            layout="none",
            items=(),
            classes=CLASSES,
            problems=(),
            expected=OFFICIAL,
            found=OFFICIAL,
            label=Label(("official",), "official (counts; no file is read)"),
            fingerprint=hashlib.sha256(repr((self.id, CLASSES, OFFICIAL)).encode()).hexdigest(),
        )


def _looks_like_it(folder: Path) -> bool:
    """A set that lacks its lists."""
    return (folder / VIDEOS[0]).is_dir() or bool(_folders.archives(folder, "hmdb51"))


# ---------------------------------------------------------------- lists


def _read_lists(folder: Path) -> Lists:
    problems: list[Problem] = []
    place = folder / LISTS
    names = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    listing = [
        (found["action"], int(found["split"]), place / name) for name in names if (found := _LIST.fullmatch(name))
    ]
    _folders.refuse_leaving(folder, (file for _, _, file in listing))
    splits: dict[int, list[Line]] = {split: [] for split in SPLITS}
    files: dict[Path, bytes] = {}
    for action, split, file in listing:
        files[file], texts = _videos.read_text(file, problems)
        lines, wrong = _lines(file, texts, action)
        splits[split] += lines
        problems += wrong
    if not listing:
        packed = [*_folders.archives(folder, "test"), *(_folders.archives(place) if place.is_dir() else [])]
        text = f"no {LISTS} with CLASS_test_split1.txt ..."
        problems.append(Problem("no lists", folder.name, text + _folders.to_unpack(*packed)))
    entries, contradictions = _videos.entries(splits, _group)
    leaks = _leaks(entries)
    problems += [*(contradictions if listing else []), *_mixed_up(splits), *leaks]
    classes = tuple(sorted({action for action, _, _ in listing}))
    altered = _altered(classes, splits)
    if leaks:
        altered.append("lists with one film on both sides of a split")
    return Lists(classes, entries, files, tuple(problems), tuple(altered))


def _lines(file: Path, lines: Iterable[str], action: str) -> tuple[list[Line], list[Problem]]:
    """The clips of a list; names may hold blanks and marks, the code stands behind the last blank."""
    listed, bad = [], []
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None:
            bad.append(line)
        else:
            listed.append(Line(action, found["name"], CODES[found["code"]]))
    return listed, _videos.bad_lines(file, bad, "NAME.avi CODE, code 0, 1 or 2")


def _group(line: Line) -> str:
    source, found, _ = line.name.rpartition(f"_{line.action}_")
    return f"{line.action}/{source if found else line.name}"


def _leaks(entries: Mapping[Key, Entry]) -> list[Problem]:
    """Films that are trained on and tested in one class: told, since nobody promised that there are none."""
    problems = []
    for split in SPLITS:
        both = _videos.shared_groups(entries.values(), split)
        if both:
            text = f"{len(both)} films have clips of one class in train and in test: {name_several(both, 3)}"
            problems.append(Problem("group on both sides", f"split {split}", text, fatal=False))
    return problems


def _mixed_up(splits: Mapping[int, Sequence[Line]]) -> list[Problem]:
    """Lists whose codes cannot mean what they should: one side is empty, or 70 and 30 clips stand under other codes."""
    wrong: dict[str, tuple[int, ...]] = {}
    usual = (*PER_CLASS.values(),)
    for (action, split), codes in _cells(splits).items():
        counts = tuple(codes[side] for side in CODES.values())
        elsewhere = counts[1:] != usual and {*usual} <= {*counts}
        if sum(counts) >= WHOLE and (elsewhere or not all(counts[1:])):
            wrong[f"{action}_test_split{split}.txt"] = counts
    problems = []
    if wrong:
        name, counts = next(iter(wrong.items()))
        text = (
            f"{len(wrong)} lists, such as {name}: {counts[0]} clips of code 0, {counts[1]} of 1, {counts[2]} of 2. "
            f"1 is training ({usual[0]} clips of a class), 2 test ({usual[1]}), 0 neither: unpack the lists again"
        )
        problems.append(Problem("codes mixed up", LISTS, text))
    for split, lines in splits.items():
        lacking = [side for side in PER_CLASS if not any(line.side == side for line in lines)]
        if lines and lacking and not wrong:
            sides = " or ".join(lacking)
            text = f"of {len(lines)} clips none has a code for {sides} (1 is training, 2 test, 0 neither)"
            problems.append(Problem("codes mixed up", f"split {split}", text))
    return problems


def _cells(splits: Mapping[int, Sequence[Line]]) -> dict[tuple[str, int], Counter[str]]:
    """Clips on each side of each list, which is that of a class and split."""
    cells: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for split, lines in splits.items():
        for line in lines:
            cells[line.action, split][line.side] += 1
    return cells


def _altered(classes: Sequence[str], splits: Mapping[int, Sequence[Line]]) -> list[str]:
    """Lists of other classes, or with other numbers of clips than 70 and 30 a class."""
    altered = ["other classes"] if set(classes) - set(CLASSES) else []
    found = Counter((codes["train"], codes["test"]) for codes in _cells(splits).values())
    odd = {pair: n for pair, n in found.most_common() if pair != (*PER_CLASS.values(),)}
    altered += [f"{n} lists with {a} training and {b} test clips, not 70 and 30" for (a, b), n in [*odd.items()][:3]]
    return altered


DATASET = Hmdb51()
