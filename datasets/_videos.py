"""What the readers of video sets share: finding clips, a first look into each, lists of splits, the survey of both.

A clip is a file, or a folder of numbered pictures called as the file would be. Of each only the beginning is decoded:
the container must be as long as it says (AVI and MP4 state that) and the first frame must come out. Damage further
inside is met when the clip is decoded.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from unlabeled.contracts import Memo, Problem, Survey, VideoItem
from unlabeled.datasets import _folders, _labels
from unlabeled.datasets.decode import frames, video
from unlabeled.datasets.world import manifest
from unlabeled.errors import BadData, name_several

SUFFIXES = frozenset({".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".3gp", ".flv", ".wmv"})
"""Endings of files that are taken for videos; whether they can be read is seen when they are opened."""

SPLITS = (1, 2, 3)
SIDES = ("train", "test")


class Clip(NamedTuple):
    """A video on disk: its name without an ending, and the file or the folder of its frames."""

    name: str
    path: Path


class Key(NamedTuple):
    """What a list and a file must agree on, both in small letters: class folder and name of the clip."""

    action: str
    name: str


def key(action: str, name: str) -> Key:
    """Sets circulate with names respelt: `v_HandStandPushups_g01_c01` in the folder `HandstandPushups`."""
    return Key(action.casefold(), name.casefold())


# ---------------------------------------------------------------- clips and what is in them


def clips_in(folder: Path) -> tuple[list[Clip], list[str]]:
    """The clips of a class folder by name, and the names of all other files; hidden ones are passed over."""
    clips, others = [], []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.suffix.lower() in SUFFIXES:
            clips.append(Clip(path.name[: -len(path.suffix)], path))
        elif path.is_dir():
            clips.append(Clip(path.name, path))
        else:
            others.append(path.name)
    return clips, others


def first_frame(file: Path) -> dict[str, Any]:
    """Width and height of the first frame of a video."""
    height, width = video.read_frames(file, [0]).shape[1:3]
    return {"width": width, "height": height}


def first_picture(file: Path) -> dict[str, Any]:
    """Width and height of a picture that is decoded."""
    height, width = frames.read_images([file]).shape[1:3]
    return {"width": width, "height": height}


@dataclass(frozen=True)
class Look:
    """What a first look found: size of the first frame, all files of the clip, their bytes together."""

    width: int
    height: int
    files: tuple[Path, ...]
    bytes: int


def look_into(folder: Path, clips: Sequence[Path], memo: Memo) -> tuple[dict[Path, Look], list[Problem]]:
    """A look into every clip below a folder that can be read, and a problem for every one that cannot.

    Raises
    ------
    BadData : links that leave the folder.
    """
    _folders.refuse_leaving(folder, clips)
    looks, problems, links = {}, [], []
    for clip in clips:
        try:
            if clip.is_dir():
                files = frames.list_frames(clip)
                # To follow the whole path of each of millions of frames would take minutes.
                links += [file for file in files if file.is_symlink()]
                size = memo(files[0], first_picture)
            else:
                files = (clip,)
                size = memo(clip, first_frame)
        except BadData as fault:
            where, what = clip.relative_to(folder).as_posix(), fault.what.removeprefix(str(clip)).lstrip(": ")
            problems.append(Problem("unreadable video", where, f"{what}: left out", fatal=False))
            continue
        looks[clip] = Look(size["width"], size["height"], files, sum(file.stat().st_size for file in files))
    _folders.refuse_leaving(folder, links)
    return looks, problems


def files_of(clip: Path, looks: Mapping[Path, Look]) -> tuple[Path, ...]:
    """All files of a clip, readable or not."""
    if clip in looks:
        return looks[clip].files
    return tuple(sorted(file for file in clip.iterdir() if file.is_file())) if clip.is_dir() else (clip,)


# ---------------------------------------------------------------- lists of splits


class Line(NamedTuple):
    """What a list says of a clip: the name without an ending; `side` is empty where it is in neither part."""

    action: str
    name: str
    side: str


@dataclass(frozen=True)
class Entry:
    """What all lists say of a clip: its side in each split, and the group of clips that it comes from."""

    action: str
    name: str
    group: str
    sides: tuple[str, ...]


@dataclass(frozen=True)
class Lists:
    """What the lists of a set say; `altered` is how they differ from the released ones."""

    classes: tuple[str, ...]
    entries: Mapping[Key, Entry]
    files: Mapping[Path, bytes]
    problems: tuple[Problem, ...]
    altered: tuple[str, ...]


def read_text(file: Path, problems: list[Problem]) -> tuple[bytes, list[str]]:
    """Bytes and lines of a list without empty ones; a problem more and no lines where it is no text."""
    content = file.read_bytes()
    try:
        return content, [line for line in content.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        problems.append(Problem("unreadable list", file.name, "it is no text"))
        return content, []


def bad_lines(file: Path, lines: Sequence[str], form: str) -> list[Problem]:
    """One problem for all lines of a list that cannot be understood."""
    text = f"{len(lines)} lines are no `{form}`: {name_several([repr(line) for line in lines], 3)}"
    return [Problem("bad lines", file.name, text)] if lines else []


def entries(
    splits: Mapping[int, Sequence[Line]], group: Callable[[Line], str]
) -> tuple[dict[Key, Entry], list[Problem]]:
    """All listed clips in the order of the lists, and what contradicts itself within a split."""
    listed: dict[Key, Line] = {}
    sides: dict[Key, list[str]] = defaultdict(lambda: [""] * len(SPLITS))
    problems = []
    for split, lines in splits.items():
        seen: dict[Key, str] = {}
        twice: list[str] = []
        both: list[str] = []
        for line in lines:
            clip = key(line.action, line.name)
            listed.setdefault(clip, line)
            if clip in seen:
                (twice if seen[clip] == line.side else both).append(line.name)
            seen[clip] = sides[clip][split - 1] = line.side
        if twice:
            text = f"{len(twice)} clips stand there twice and count once: {name_several(twice, 3)}"
            problems.append(Problem("listed twice", f"split {split}", text, fatal=False))
        if both:
            text = f"{len(both)} clips stand there on two sides: {name_several(both, 3)}"
            problems.append(Problem("clip on both sides", f"split {split}", text))
        if not lines:
            problems.append(Problem("no list", f"split {split}", "no clip is listed", fatal=False))
    return {
        clip: Entry(line.action, line.name, group(line), tuple(sides[clip])) for clip, line in listed.items()
    }, problems


def shared_groups(listed: Iterable[Entry], split: int) -> list[str]:
    """Groups with clips in the training and in the test part of a split."""
    sides: dict[str, set[str]] = defaultdict(set)
    for entry in listed:
        sides[entry.group].add(entry.sides[split - 1])
    return sorted(group for group, found in sides.items() if {*SIDES} <= found)


def counts(things: Iterable[Entry | VideoItem]) -> dict[str, int]:
    """Clips on each side of each split, as `split 1 train`."""
    found = Counter(f"split {k} {side}" for thing in things for k, side in enumerate(thing.sides, 1) if side)
    return {f"split {k} {side}": found[f"split {k} {side}"] for k in SPLITS for side in SIDES}


# ---------------------------------------------------------------- the survey


HEIGHT = 240
"""Pixels of every released video of UCF-101 and HMDB-51; the widths of HMDB-51 vary."""


def survey(
    dataset: str,
    official: Mapping[str, int],
    folder: Path,
    place: Path | None,
    lists: Lists,
    limit: int | None,
    memo: Memo,
) -> Survey:
    """Find the listed clips in the class folders of `place` and look into each of them.

    Raises
    ------
    BadData : links that leave the folder. All else that is wrong is a problem.
    """
    world = manifest.read(folder)
    found, problems = _listed_clips(place, lists)
    looks, unreadable = look_into(folder, list(found.values()), memo)
    items = [
        VideoItem(f"{entry.action}/{entry.name}", path, lists.classes.index(entry.action), entry.group, entry.sides)
        for clip, path in found.items()
        for entry in [lists.entries[clip]]
        if path in looks
    ]
    items.sort(key=lambda item: (item.target, item.id))
    problems += [*lists.problems, *unreadable, *_missing(folder, place, found, lists)]
    there = _found(items)
    if world is None:
        label = _labels.of_files(_altered(items, lists, looks), _short(there, official))
    else:
        media = [file for path in found.values() for file in files_of(path, looks)]
        problems += _labels.changes(folder, world, [*lists.files, *media], memo)
        label = _labels.of_world(world)
    told = _folders.printable(problems)
    kept = items if limit is None else _first(items, limit)
    cut = "" if limit is None else f"first {limit} clips of a class and side ({len(kept)} clips)"
    return Survey(
        dataset=dataset,
        folder=folder,
        layout=_layout(folder, place, lists, items),
        items=tuple(kept),
        classes=lists.classes,
        problems=told,
        expected=official if world is None else {},
        found={name: there[name] for name in official},
        label=_labels.settle(label, told, cut),
        fingerprint=_folders.fingerprint(
            [f"{_folders.shown(item.id)} {len(looks[item.path].files)} {looks[item.path].bytes}" for item in items],
            told,
            lists.files.values(),
            "",
        ),
        decoder=video.backend(),
    )


def _class_folders(place: Path, lists: Lists) -> tuple[list[tuple[str, Path]], list[str]]:
    """Class and folder of every class folder, and the names of other folders."""
    classes = {name.casefold(): name for name in lists.classes}
    own = {file.parent for file in lists.files}
    folders = [path for path in sorted(place.iterdir()) if path.is_dir() and path not in own and path.name[0] != "."]
    known = [(classes[path.name.casefold()], path) for path in folders if path.name.casefold() in classes]
    return known, [path.name for path in folders if path.name.casefold() not in classes]


def _listed_clips(place: Path | None, lists: Lists) -> tuple[dict[Key, Path], list[Problem]]:
    """Where each listed clip is, and what is odd about names; nothing is opened."""
    if place is None:
        return {}, []
    folders, strange = _class_folders(place, lists)
    actions: dict[str, list[str]] = defaultdict(list)
    for entry in lists.entries.values():
        actions[entry.name.casefold()].append(entry.action)
    found: dict[Key, Path] = {}
    problems, unlisted, others = [], [], []
    for action, directory in folders:
        clips, rest = clips_in(directory)
        others += [f"{directory.name}/{name}" for name in rest]
        for clip in clips:
            name, where = key(action, clip.name), f"{directory.name}/{clip.path.name}"
            if name in found:
                problems.append(Problem("clip twice", where, f"{found[name].name} is the same clip: keep one"))
            elif name in lists.entries:
                found[name] = clip.path
            elif listed := actions.get(clip.name.casefold()):
                problems.append(Problem("another class", where, f"the lists have it in {' and '.join(listed)}"))
            else:
                unlisted.append(where)
    for kind, names in (("in no list", unlisted), ("other folder", strange), ("other file", others)):
        if names:
            text = f"{len(names)} left alone: {name_several(names, 3)}"
            problems.append(Problem(kind, place.name, text, fatal=False))
    return found, problems


def _missing(folder: Path, place: Path | None, found: Mapping[Key, Path], lists: Lists) -> list[Problem]:
    """One problem for all clips that are listed and not there, with the packed files that may hold them."""
    lacking = [entry for clip, entry in lists.entries.items() if clip not in found]
    if not lacking:
        return []
    packed = [*_folders.archives(folder), *(_folders.archives(place) if place and place != folder else [])]
    hint = f"{_folders.to_unpack(*packed)}"
    if not found:
        return [Problem("no videos", place.name if place else folder.name, f"there is no listed clip{hint}")]
    short = ", ".join(f"{n} of {name}" for name, n in counts(lacking).items() if n)
    names = name_several([f"{entry.action}/{entry.name}" for entry in lacking], 2)
    text = f"no video of {len(lacking)} of {len(lists.entries)} listed clips ({short}): {names}{hint}"
    return [Problem("missing clips", place.name if place else folder.name, text, fatal=False)]


def _altered(items: Sequence[VideoItem], lists: Lists, looks: Mapping[Path, Look]) -> list[str]:
    """How lists and videos differ from what was released: AVI files of one height.

    The height is that of most videos: a copy made smaller is told, a single odd video is not.
    """
    altered = list(lists.altered)
    if any(item.path.is_dir() for item in items):
        altered.append("folders of frames, not videos")
    endings = {item.path.suffix for item in items if item.path.is_file()} - {".avi"}
    if endings:
        altered.append(f"{name_several(sorted(endings))} files, not .avi")
    usual = Counter(looks[item.path].height for item in items).most_common(1)
    if usual and usual[0][0] != HEIGHT:
        altered.append(f"videos {usual[0][0]} pixels high, not {HEIGHT}")
    return altered


def _found(items: Sequence[VideoItem]) -> dict[str, int]:
    """The counts of what is there, named as the official ones."""
    classes, groups = {item.target for item in items}, {item.group for item in items}
    return {"clips": len(items), "classes": len(classes), "groups": len(groups), **counts(items)}


def _short(found: Mapping[str, int], official: Mapping[str, int]) -> str:
    """What is missing from the official counts, each side of each split named."""
    if all(found[name] >= count for name, count in official.items()):
        return ""
    splits = "; ".join(
        f"split {k}: "
        + ", ".join(f"{found[f'split {k} {side}']} of {official[f'split {k} {side}']} {side}" for side in SIDES)
        for k in SPLITS
    )
    clips, classes = (f"{found[name]} of {official[name]} {name}" for name in ("clips", "classes"))
    return f"{clips}, {classes} ({splits})"


def _first(items: Iterable[VideoItem], limit: int) -> list[VideoItem]:
    """Clips that are among the first of their class on their side of any split."""
    seen: Counter[tuple[int, int, str]] = Counter()
    kept = []
    for item in items:
        places = [(item.target, split, side) for split, side in enumerate(item.sides, 1)]
        if any(seen[place] < limit for place in places):
            kept.append(item)
        seen.update(places)
    return kept


def _layout(folder: Path, place: Path | None, lists: Lists, items: Iterable[VideoItem]) -> str:
    """The names of the folders that were found."""
    of_frames = any(item.path.is_dir() for item in items)
    videos = "no videos" if place is None else "class folders" if place == folder else place.name
    lists_in = next((file.parent.name for file in lists.files), "no lists")
    return f"{videos} + {lists_in}{', folders of frames' if of_frames else ''}"
