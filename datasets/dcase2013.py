"""DCASE 2013 scenes: 10 classes of places, a development and a test set of 100 stereo clips of 30 s each.

    DCASE2013/scenes_stereo/{class}{NN}.wav             development (training) set, fold 1
    DCASE2013/scenes_stereo_testset/{class}{NN}.wav     test set, fold 2 (official folder name not verified)

The class is the file name without its last two digits, which are not consecutive. Where only the development
set is there, its clips are dealt to five folds (`five_folds`): the label is altered then, since no published
number is of that kind. The set names no places or recordings: each clip counts as a recording of its own,
and whether one place is heard on both sides of a split cannot be checked; every survey says so.

Source: D. Stowell, D. Giannoulis, E. Benetos, M. Lagrange, M. D. Plumbley, Detection and Classification of
Acoustic Scenes and Events, IEEE Transactions on Multimedia 17(10), 2015; README of the public archive.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unlabeled.contracts import Label, Memo, Problem, SoundItem, Survey
from unlabeled.datasets import _folders, _labels, _sounds
from unlabeled.datasets.decode import sound
from unlabeled.datasets.world import manifest
from unlabeled.errors import BadData

DEVELOPMENT = "scenes_stereo"
TEST_NAMES = ("scenes_stereo_testset", "scenes_stereo_test")
ALONE = f"{DEVELOPMENT} alone"
"""`Survey.layout` where there is no test set and the folds are those of `five_folds`."""

NAME = re.compile(r"(?P<scene>[^\W\d_]\w*?)(?P<number>\d\d)\.wav", re.ASCII)
SOUNDS = frozenset({".wav", ".ogg", ".flac", ".aif", ".aiff", ".mp3"})

CLASSES = (
    "bus",
    "busystreet",
    "office",
    "openairmarket",
    "park",
    "quietstreet",
    "restaurant",
    "supermarket",
    "tube",
    "tubestation",
)
"""The official classes, for the official check and the blank survey; all else takes them from the files."""

PER_CLASS = 10
RATE = 44_100
CHANNELS = 2
SECONDS = 30.0
TOLERANCE_S = 0.1
"""The exact number of samples of the released clips is not known here."""

COUNTS = {
    "clips": 2 * PER_CLASS * len(CLASSES),
    "development clips": PER_CLASS * len(CLASSES),
    "test clips": PER_CLASS * len(CLASSES),
    "classes": len(CLASSES),
    "fewest clips of a class in a set": PER_CLASS,
}


@dataclass(frozen=True)
class _Listing:
    """Clips as the folders list them, before any file is opened; fold 1 is development, 2 is test."""

    layout: str
    items: tuple[SoundItem, ...]
    classes: tuple[str, ...]
    problems: tuple[Problem, ...]


class Dcase2013:
    """Reader of the two folders of the scene task, or of the public development set alone."""

    id = "dcase2013"
    modality = "sound"
    world = "dcase2013"
    where = (
        "DCASE 2013, scene classification: get `scenes_stereo.zip` (public development set) and the later\n"
        "released test set from the challenge's organisers (Queen Mary University of London, C4DM).\n"
        "Accepted below --data, or as --data itself: `DCASE2013/scenes_stereo/bus01.wav` ... and\n"
        "`DCASE2013/scenes_stereo_testset/bus01.wav` ... (or `scenes_stereo_test`). Without the test set the\n"
        "development set is dealt to five folds, which no published number is about."
    )

    def find(self, root: Path) -> Path | None:
        """The folder that holds `scenes_stereo`, at or below a data root."""
        return _folders.find(root, ("DCASE2013", "dcase2013"), lambda folder: (folder / DEVELOPMENT).is_dir())

    def survey(self, folder: Path, limit: int | None = None, memo: Memo = _folders.look) -> Survey:
        """List both sets and look into every clip; nothing is raised for a bad file, it is a problem."""
        listing = _list(folder)
        world = manifest.read(folder)
        facts, bad_files = _sounds.examine(listing.items, memo)
        rate = _sounds.working_rate(facts, RATE, generated=world is not None)
        problems = [*listing.problems, *bad_files, *_heard_twice(listing.items, facts)]
        problems += _sounds.odd_clips(listing.items, facts, rate, CHANNELS)
        hashes = [(item.id, str(facts[item.id]["sha256"])) for item in listing.items if item.id in facts]
        found = _counts(listing)
        if world is None:
            expected, label = COUNTS, _label(listing, found, facts)
        else:
            problems += _labels.changes(folder, world, [item.path for item in listing.items], memo)
            expected, label = {**found, "clips": len(world.files)}, _labels.of_world(world)
        told = _folders.printable(problems)
        kept = _sounds.first_of_each(listing.items, limit)
        sizes = [f"{item.id} {item.path.stat().st_size}" for item in listing.items]
        return Survey(
            dataset=self.id,
            folder=folder,
            layout=listing.layout,
            items=kept,
            classes=listing.classes,
            problems=told,
            expected=expected,
            found=found,
            label=_sounds.settle(label, told, limit, len(kept)),
            fingerprint=_folders.fingerprint(sizes, told, (), _folders.content_root(hashes)),
            rate=rate,
            decoder=sound.backend(),
        )

    def blank(self) -> Survey:
        """The official classes and counts, with no file behind them."""
        return Survey(
            dataset=self.id,
            folder=Path(),
            layout="none",
            items=(),
            classes=CLASSES,
            problems=(),
            expected=COUNTS,
            found=COUNTS,
            label=Label(("official",), "official (counts; no file is read)"),
            fingerprint=hashlib.sha256(repr((self.id, CLASSES, COUNTS)).encode()).hexdigest(),
        )


# ---------------------------------------------------------------- listing


def _list(folder: Path) -> _Listing:
    """The clips of both sets that are files.

    Raises
    ------
    BadData : two test sets, or links that leave the folder.
    """
    tests = [name for name in TEST_NAMES if (folder / name).is_dir()]
    if len(tests) > 1:
        raise BadData(f"{folder} holds {' and '.join(tests)}", "keep one test set")
    folders = [folder / name for name in (DEVELOPMENT, *tests)]
    _folders.refuse_leaving(folder, folders)
    found: list[tuple[int, str, Path]] = []
    problems, empty = [], []
    for fold, directory in enumerate(folders, 1):
        clips, odd = _read_names(directory)
        if not clips:
            empty.append(
                Problem("no clips", directory.name, "no file is called `class` and two digits, as `bus01.wav`")
            )
        found += [(fold, scene, path) for scene, path in clips]
        problems += odd
    _folders.refuse_leaving(folder, (path for _, _, path in found))
    classes = tuple(sorted({scene for _, scene, _ in found}))
    items = []
    for fold, scene, path in found:
        name = f"{path.parent.name}/{path.name}"
        items.append(SoundItem(name, path, classes.index(scene), fold, recording=name))
    files, no_files = _sounds.regular(items)
    listed = tuple(sorted(files if tests else five_folds(files), key=_order))
    # Beside an empty set every class is on one side; beside a clip that is no file some may be.
    problems += empty or no_files or _one_sided(listed, classes)
    text = "places and recordings are not named: a place may be heard in training and in test"
    problems.append(Problem("no recording metadata", folder.name, text, fatal=False))
    return _Listing(f"{DEVELOPMENT} + {tests[0]}" if tests else ALONE, listed, classes, tuple(problems))


def _read_names(folder: Path) -> tuple[list[tuple[str, Path]], list[Problem]]:
    """`(class, file)` of every clip in a folder; other sounds are refused, other files told."""
    clips, problems = [], []
    for path in sorted(folder.iterdir()):
        name, where = NAME.fullmatch(path.name), f"{folder.name}/{path.name}"
        if name:
            clips.append((name["scene"], path))
        elif path.suffix.lower() in SOUNDS:
            problems.append(Problem("odd file", where, "no `class` and two digits, as `bus01.wav`"))
        else:
            problems.append(Problem("other file", where, "no sound; it is left alone", fatal=False))
    return clips, problems


def _order(item: SoundItem) -> tuple[int, int, str]:
    """Class, then set or fold, then file name."""
    return item.target, item.fold, item.path.name


def five_folds(development: Iterable[SoundItem]) -> tuple[SoundItem, ...]:
    """The clips of the development set with folds 1 to 5: `(number - 1) // 2 + 1`, the number being 1 to 10.

    Numbers need not run from 1 to 10. In a class that has another number the clips are taken by the rank of
    their numbers, in five parts as equal as can be (ten clips: two a fold, as above).
    """
    classes: dict[int, list[SoundItem]] = defaultdict(list)
    for item in sorted(development, key=lambda item: item.path.name):
        classes[item.target].append(item)
    dealt = []
    for items in classes.values():
        numbers = [_number(item) for item in items]
        usual = all(1 <= number <= 2 * 5 for number in numbers)
        for rank, (item, number) in enumerate(zip(items, numbers, strict=True)):
            fold = (number - 1) // 2 + 1 if usual else rank * 5 // len(items) + 1
            dealt.append(replace(item, fold=fold))
    return tuple(dealt)


def _number(item: SoundItem) -> int:
    return int(item.path.stem[-2:])


# ---------------------------------------------------------------- checks


def _one_sided(items: Sequence[SoundItem], classes: Sequence[str]) -> list[Problem]:
    """Classes whose clips are all on one side of every split, as a misspelt name makes one."""
    folds: dict[int, set[int]] = defaultdict(set)
    for item in items:
        folds[item.target].add(item.fold)
    text = "its clips stand in one set or fold alone: they are never trained on, or never tested; a misspelt name?"
    return [Problem("class on one side", classes[k], text) for k in sorted(folds) if len(folds[k]) == 1]


def _heard_twice(items: Sequence[SoundItem], facts: _sounds.Facts) -> list[Problem]:
    """Clips of the same bytes, of which one may be trained on and the other tested. Silent ones are told anyway."""
    same: dict[str, list[SoundItem]] = defaultdict(list)
    for item in items:
        if item.id in facts and not facts[item.id]["silent"]:
            same[str(facts[item.id]["sha256"])].append(item)
    return [
        Problem("same clip twice", twins[0].id, f"the same bytes as {', '.join(twin.id for twin in twins[1:])}")
        for twins in same.values()
        if len(twins) > 1
    ]


def _counts(listing: _Listing) -> dict[str, int]:
    """The counts of what is there, named as the official ones; the fewest over sets that are there."""
    cells = Counter((item.target, listing.layout != ALONE and item.fold == 2) for item in listing.items)
    tested = sum(n for (_, test), n in cells.items() if test)
    targets, sides = {target for target, _ in cells}, {test for _, test in cells}
    return {
        "clips": len(listing.items),
        "development clips": len(listing.items) - tested,
        "test clips": tested,
        "classes": len(listing.classes),
        "fewest clips of a class in a set": min(
            (cells[target, test] for target in targets for test in sides), default=0
        ),
    }


def _label(listing: _Listing, found: Mapping[str, int], facts: _sounds.Facts) -> Label:
    """Official, altered or subset, by counts, class names and what the files are.

    No fingerprint of the released files is known, so that no folder is official by its content.
    """
    altered = []
    alone = listing.layout == ALONE
    if alone:
        altered.append("public development set alone, five folds by number")
    if set(listing.classes) - set(CLASSES):
        altered.append("other classes")
    if found["development clips"] > COUNTS["development clips"] or found["test clips"] > COUNTS["test clips"]:
        altered.append("more clips than the released sets")
    if any(fact["rate"] != RATE for fact in facts.values()):
        altered.append("clips at another rate, resampled")
    if any(fact["channels"] != CHANNELS for fact in facts.values()):
        altered.append("clips that are not stereo")
    if any(abs(fact["frames"] / fact["rate"] - SECONDS) > TOLERANCE_S for fact in facts.values()):
        altered.append("clips that are not 30 s long")
    short = ""
    asked = {name: n for name, n in COUNTS.items() if not (alone and name in ("clips", "test clips"))}
    if any(found[name] < n for name, n in asked.items()):
        whole = COUNTS["development clips"] if alone else COUNTS["clips"]
        few = found["fewest clips of a class in a set"]
        fewest = f", a class with {few} of {PER_CLASS}" if few < PER_CLASS else ""
        short = f"{found['clips']} of {whole} clips, {found['classes']} of {len(CLASSES)} classes{fewest}"
    return _labels.of_files(altered, short)


DATASET = Dcase2013()
