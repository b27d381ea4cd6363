"""JHMDB: 928 short clips of 21 actions with 15 joints in every frame, and three splits (Jhuang et al. 2013).

    joint_positions/CLASS/CLIP/joint_positions.mat    15 joints in every frame
    Rename_Images/CLASS/CLIP/00001.png ...            the frames; joints can be scored without them
    splits/CLASS_test_splitK.txt                      a line `CLIP.avi 1` (train) or `CLIP.avi 2` (test)
    splitlists/JHMDB_{train,test}K.txt                the same as released with P-CNN: a line `CLIP CLASSNUMBER`

Clips have as many frames as are annotated: headers of the compressed videos count more than can be decoded. Names of
clips hold `!`, `(`, `)`, `+` and `@`: folders are listed, never matched by a pattern.

Source: H. Jhuang, J. Gall, S. Zuffi, C. Schmid, M. J. Black, Towards Understanding Action Recognition, ICCV 2013;
numbers of clips counted in the lists of P-CNN (G. Chéron, I. Laptev, C. Schmid, ICCV 2015).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from unlabeled.contracts import Label, Memo, PoseClip, Problem, Survey
from unlabeled.datasets import _folders, _labels
from unlabeled.datasets._jhmdb_lists import CLASSES, SIDES, SPLITS, Lists, list_files, read_lists
from unlabeled.datasets.decode import joints
from unlabeled.datasets.world import manifest
from unlabeled.errors import BadData, name_several

JOINTS = "joint_positions"
IMAGES = "Rename_Images"
FOLDERS = ("JHMDB", "jhmdb")
OFFICIAL = {
    "clips": 928,
    "classes": 21,
    "split 1 train": 660,
    "split 1 test": 268,
    "split 2 train": 658,
    "split 2 test": 270,
    "split 3 train": 663,
    "split 3 test": 265,
}
PUBLISHED = "split 1 test"
"""The clips that published numbers are of."""
SIZE = (320, 240)


class Jhmdb:
    """Reader of the official layout, pictures and videos not needed."""

    id = "jhmdb"
    modality = "video"
    world = "jhmdb"
    where = (
        "JHMDB: joint_positions.zip, splits.zip and, where pictures are wanted, Rename_Images.tar.gz of\n"
        "jhmdb.is.tue.mpg.de. Accepted below --data as `JHMDB`, or as --data itself:\n"
        "`joint_positions/CLASS/CLIP/joint_positions.mat`, `splits/CLASS_test_split1.txt` (or the lists of P-CNN,\n"
        "`splitlists/JHMDB_test1.txt`), `Rename_Images/CLASS/CLIP/00001.png`."
    )

    def find(self, root: Path) -> Path | None:
        """The folder that holds `joint_positions`, or it packed, at or below a data root."""
        found = _folders.find(root, FOLDERS, lambda folder: (folder / JOINTS).is_dir())
        return found or _folders.find(root, FOLDERS, lambda folder: bool(_folders.archives(folder, JOINTS)))

    def survey(self, folder: Path, limit: int | None = None, memo: Memo = _folders.look) -> Survey:
        """All clips that have joints; every joint file is decoded once, of the pictures the first of a clip is opened.

        Raises
        ------
        BadData : links that leave the folder, or a list that is no text. All else that is wrong is a problem.
        """
        world = manifest.read(folder)
        lists = read_lists(folder)
        items: list[PoseClip] = []
        problems, parts = list(lists.problems), []
        clips = _clips(folder)
        for action, name in clips:
            item, wrong, sizes = _examine(folder, action, name, lists.of(name), memo)
            problems += wrong
            parts += sizes
            if item is not None:
                items.append(item)
        problems += [*_misplaced(clips, lists), *_missing(folder, items, lists)]
        if world is not None:
            used = [file for item in items for file in (item.joints, *item.images)]
            problems += _labels.changes(folder, world, [*(folder / name for name in list_files(folder)), *used], memo)
        told = _folders.printable(problems)
        found = _found(items)
        label = _label(items, found, lists) if world is None else _labels.of_world(world)
        kept = items if limit is None else _first(items, limit)
        cut = "" if limit is None else f"first {limit} clips of a class and side ({len(kept)} clips)"
        return Survey(
            dataset=self.id,
            folder=folder,
            layout=" + ".join(lists.forms) or "no lists",
            items=tuple(kept),
            classes=tuple(sorted({item.action for item in items})),
            problems=told,
            expected=OFFICIAL if world is None else {},
            found=found,
            label=_labels.settle(label, told, cut),
            fingerprint=_folders.fingerprint(map(_folders.shown, parts), told, lists.files, ""),
        )

    def blank(self) -> Survey:
        """The official classes and counts with no clip behind them."""
        return Survey(self.id, Path(), "none", (), CLASSES, (), OFFICIAL, OFFICIAL, Label(("subset",), "no data"), "")


# ---------------------------------------------------------------- clips


def look_at(file: Path) -> dict[str, Any]:
    """Number of annotated frames and hash of a joint file."""
    return {"frames": joints.read(file).shape[2], "sha256": _folders.sha256(file)}


def size_of(file: Path) -> dict[str, Any]:
    """Width and height of a picture in pixels; only its header is read.

    Raises
    ------
    BadData : it is no picture.
    """
    try:
        with Image.open(file) as image:
            return {"width": image.width, "height": image.height}
    except (OSError, SyntaxError, ValueError) as fault:
        raise BadData("it is no picture that can be read", "copy the file again") from fault


def _clips(folder: Path) -> list[tuple[str, str]]:
    """Class and name of every clip that has a folder of joints or of pictures."""
    found = set()
    for tree in (folder / JOINTS, folder / IMAGES):
        actions = _inside(tree)
        _folders.refuse_leaving(folder, [tree, *actions])
        found |= {(action.name, clip.name) for action in actions for clip in _inside(action)}
    return sorted(found)


def _inside(place: Path) -> list[Path]:
    """The folders in a folder, hidden ones left out."""
    paths = place.iterdir() if place.is_dir() else ()
    return [path for path in paths if path.is_dir() and not path.name.startswith(".")]


def _examine(
    folder: Path, action: str, name: str, sides: tuple[str, ...], memo: Memo
) -> tuple[PoseClip | None, list[Problem], list[str]]:
    """A clip, or nothing where it cannot be used; what is wrong with it; its lines of the fingerprint."""
    clip = f"{action}/{name}"
    file = folder / JOINTS / action / name / "joint_positions.mat"
    _folders.refuse_leaving(folder, [file])
    if not file.is_file():
        return None, [Problem("no joints", clip, f"{JOINTS} has no file of it: it is not scored", fatal=False)], []
    try:
        facts = memo(file, look_at)
    except BadData as fault:
        return None, [Problem("unreadable joints", clip, fault.what.removeprefix(f"{file} "))], []
    pictures, problems = _pictures(folder, clip, facts["frames"])
    size = {"width": SIZE[0], "height": SIZE[1]}
    if pictures:
        try:
            size = memo(pictures[0], size_of)
        except BadData as fault:
            problems.append(Problem("unreadable picture", f"{clip}/{pictures[0].name}", fault.what))
    parts = [f"{clip} {facts['sha256']}", *(f"{clip}/{path.name} {path.stat().st_size}" for path in pictures)]
    return PoseClip(name, action, file, pictures, size["width"], size["height"], sides), problems, parts


def _pictures(folder: Path, clip: str, frames: int) -> tuple[tuple[Path, ...], list[Problem]]:
    """A picture for every annotated frame, none unless all are there."""
    place = folder / IMAGES / clip
    if not place.is_dir():
        return (), [Problem("no pictures", clip, "joints can be scored without", fatal=False)]
    there = {path.name for path in place.iterdir() if path.suffix == ".png"}
    wanted = [f"{k:05d}.png" for k in range(1, frames + 1)]
    files = tuple(place / name for name in wanted)
    _folders.refuse_leaving(folder, (file for file in files if file.name in there))
    lacking = [file.name for file in files if not file.is_file()]
    if lacking:
        text = f"no picture of {len(lacking)} of {frames} annotated frames ({name_several(lacking, 3)}): none is used"
        return (), [Problem("missing pictures", clip, text, fatal=False)]
    more = sorted(there - {*wanted})
    text = f"{len(more)} pictures beside the {frames} annotated frames: they are left alone"
    return files, [Problem("more pictures", clip, text, fatal=False)] if more else []


def _misplaced(clips: Sequence[tuple[str, str]], lists: Lists) -> list[Problem]:
    """Names that two classes have, clips in another class than the lists say, clips that no list names."""
    places = defaultdict(list)
    for action, name in clips:
        places[name].append(action)
    problems = [
        Problem("clip of two classes", name, f"there are folders of it in {' and '.join(actions)}")
        for name, actions in places.items()
        if len(actions) > 1
    ]
    for action, name in clips:
        listed = lists.actions.get(name, "")
        if not listed and lists.actions:
            problems.append(Problem("in no list", f"{action}/{name}", "it is not scored", fatal=False))
        elif listed not in ("", *places[name]):
            problems.append(Problem("another class", f"{action}/{name}", f"the lists have it in {listed}"))
    return problems


def _missing(folder: Path, items: Iterable[PoseClip], lists: Lists) -> list[Problem]:
    """One problem for all clips that are listed and not there, with the packed files that may hold them."""
    hint = _folders.to_unpack(*_folders.archives(folder, JOINTS))
    if not (folder / JOINTS).is_dir():
        return [Problem("no joints", JOINTS, f"there is no such folder{hint}")]
    there = {item.id for item in items}
    lacking = [clip for clip in lists.sides if clip not in there]
    if not lacking:
        return []
    cells = Counter(cell for clip in lacking for cell in _cells(lists.of(clip)))
    short = ", ".join(f"{cells[name]} of {name}" for name in OFFICIAL if cells[name])
    text = f"no joints of {len(lacking)} of {len(lists.sides)} listed clips ({short}): {name_several(lacking, 2)}{hint}"
    return [Problem("missing clips", JOINTS, text, fatal=False)]


# ---------------------------------------------------------------- label


def _cells(sides: Sequence[str]) -> list[str]:
    """The official counts that a clip is part of, as `split 1 test`."""
    return [f"split {k} {side}" for k, side in enumerate(sides, 1) if side]


def _found(items: Iterable[PoseClip]) -> dict[str, int]:
    """The counts of what is there and listed, named as the official ones."""
    listed = [item for item in items if any(item.sides)]
    cells = Counter(cell for item in listed for cell in _cells(item.sides))
    counts = {"clips": len(listed), "classes": len({item.action for item in listed})}
    return {name: counts.get(name, cells[name]) for name in OFFICIAL}


def _label(items: Sequence[PoseClip], found: Mapping[str, int], lists: Lists) -> Label:
    """Official are all test clips of split 1, in frames of the official size; what else is missing is a problem."""
    altered = []
    if set(lists.actions.values()) - set(CLASSES):
        altered.append("other classes")
    for split in SPLITS:
        for side in SIDES.values():
            n, official = len(lists.clips(split, side)), OFFICIAL[f"split {split} {side}"]
            if n and n != official:
                altered.append(f"a {side} list of split {split} with {n} clips, not {official}")
    sizes = sorted({(item.width, item.height) for item in items} - {SIZE})
    if sizes:
        altered.append(f"frames of {name_several([f'{w} x {h}' for w, h in sizes], 3)}, not {SIZE[0]} x {SIZE[1]}")
    if all(found[name] >= official for name, official in OFFICIAL.items()):
        return _labels.of_files(altered, "")
    if not altered and found[PUBLISHED] >= OFFICIAL[PUBLISHED]:
        return _labels.of_files(altered, "", "official (test clips of split 1)")
    tests = ", ".join(f"{found[f'split {k} test']} of {OFFICIAL[f'split {k} test']} of split {k}" for k in SPLITS)
    return _labels.of_files(altered, f"{found['clips']} of {OFFICIAL['clips']} clips (test clips: {tests})")


def _first(items: Sequence[PoseClip], limit: int) -> list[PoseClip]:
    """Clips that are among the first of their class on their side of any split."""
    seen: Counter[tuple[str, int, str]] = Counter()
    kept = []
    for item in items:
        places = [(item.action, split, side) for split, side in enumerate(item.sides, 1)]
        if any(seen[place] < limit for place in places):
            kept.append(item)
        seen.update(places)
    return kept


DATASET = Jhmdb()
