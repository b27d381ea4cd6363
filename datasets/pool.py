"""Unlabelled videos with sound, as Kinetics, AudioSet and Flickr are kept: what pretexts learn from.

    pool/kinetics/ANY/ID_000000_000010.mp4      any folder of videos below `pool` is one, however deep
    pool/audioset/ID.mp4 + segments.csv         of the table the ids are read, its labels never
    pool/flickr/ID.mp4
    pool/.../ID/00001.jpg ... + ID.wav          a folder of frames, and its sound beside it

An item is called by its path below the folder, without an ending. No item has a class. A sound file with the name of a
video is its sound. Videos of one recording (`ID_000000_000010` and `ID_000010_000020`) share a group. Links to folders
are not followed, and hidden folders never entered: a generated pool keeps the truth about itself in one. Nobody
publishes an official pool; the label says how many videos there are.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlabeled.contracts import Label, Memo, Problem, Survey, VideoItem
from unlabeled.datasets import _folders, _labels, _videos
from unlabeled.datasets.decode import frames, sound, video
from unlabeled.datasets.world import manifest
from unlabeled.errors import BadData, name_several

WRAPPINGS = ("kinetics", "audioset", "flickr")
SEGMENTS = "segments.csv"
"""Lines `YTID, start_seconds, end_seconds, labels`; those that begin with `#` are comments."""

SOUNDS = frozenset({".wav", ".ogg"})

_RECORDING = re.compile(r"(?P<recording>.+)_\d{6}_\d{6}")


@dataclass(frozen=True)
class _Listing:
    """What the folders hold before anything is opened: names below the folder to videos and to sounds."""

    clips: Mapping[str, Path]
    sounds: Mapping[str, Path]
    tables: tuple[Path, ...]
    problems: tuple[Problem, ...]


class Pool:
    """Reader of videos without labels."""

    id = "pool"
    modality = "video"
    world = "pool"
    where = (
        "Videos of your own, with or without sound; they need no labels. Kinetics and AudioSet are lists of YouTube\n"
        "videos, and everybody has another part of them: the label of a run says how many videos yours holds.\n"
        "Accepted below --data as `pool`, or as --data itself: `kinetics/ANY/ID_000000_000010.mp4`, `audioset/ID.mp4`\n"
        "with `segments.csv`, `flickr/ID.mp4`, or any folder of videos. A folder of frames, `ID/00001.jpg`, may stand\n"
        "for a video, and `ID.wav` beside it is its sound."
    )

    def find(self, root: Path) -> Path | None:
        """The folder `pool` below a data root, or the root where it holds videos itself and nothing else."""
        return next((folder for folder in (root / "pool", root) if folder.is_dir() and _is_pool(folder)), None)

    def survey(self, folder: Path, limit: int | None = None, memo: Memo = _folders.look) -> Survey:
        """All videos below a folder. Of each the first frame is decoded, of sound files the container is checked, once.

        What cannot be read is left out and told. `limit` keeps the first N items by name.

        Raises
        ------
        BadData : links that leave the folder.
        """
        world = manifest.read(folder)
        listing = _list(folder)
        looks, unreadable = _videos.look_into(folder, list(listing.clips.values()), memo)
        sounds, unheard = _hear(folder, listing.sounds, memo)
        items = [
            VideoItem(_folders.shown(name), path, group=_recording(path), sound=sounds.get(name))
            for name, path in listing.clips.items()
            if path in looks
        ]
        lacking, missing = _missing(folder, listing)
        problems = [*listing.problems, *unreadable, *unheard, *missing, *_several(items)]
        if world is None:
            label = _label(items, len(unreadable) + lacking)
        else:
            media = [file for path in listing.clips.values() for file in _videos.files_of(path, looks)]
            used = [*media, *listing.sounds.values(), *listing.tables]
            problems += _labels.changes(folder, world, used, memo)
            label = _labels.of_world(world)
        told = _folders.printable(problems)
        kept = items if limit is None else items[:limit]
        return Survey(
            dataset=self.id,
            folder=folder,
            layout=" + ".join(sorted({_wrapping(item) for item in items})) or "no videos",
            items=tuple(kept),
            classes=(),
            problems=told,
            expected={},
            found={"videos": len(items), "sound files": sum(item.sound is not None for item in items)},
            label=_labels.settle(label, told, "" if limit is None else f"first {limit} videos"),
            fingerprint=_folders.fingerprint((_part(item, looks[item.path]) for item in items), told, (), ""),
            decoder={**video.backend(), **sound.backend()},
        )

    def blank(self) -> Survey:
        """No videos: there is no official list of them."""
        return Survey(self.id, Path(), "none", (), (), (), {}, {}, Label(("subset",), "no data"), "")


# ---------------------------------------------------------------- listing


def _folders_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _holds_clips(folder: Path) -> bool:
    """Whether a folder holds videos, or is one: a folder of frames."""
    endings = {path.suffix.lower() for path in folder.iterdir() if not path.name.startswith(".")}
    return bool(endings & (_videos.SUFFIXES | frames.SUFFIXES))


def _is_pool(folder: Path) -> bool:
    """A folder of that name, or one with videos, folders of videos and nothing else.

    A data root with other sets below it is none: what methods are scored on must not become what they learn from.
    """
    inner = _folders_in(folder)
    any_video = bool(inner) or any(path.suffix.lower() in _videos.SUFFIXES for path in folder.iterdir())
    pure = all(place.name in WRAPPINGS or _holds_clips(place) for place in inner)
    return folder.name == "pool" or (any_video and pure)


def _list(folder: Path) -> _Listing:
    """Everything below a folder that has the ending of a video or a sound, and the folders of frames."""
    clips: dict[str, Path] = {}
    sounds: dict[str, Path] = {}
    tables, others, problems = [], [], []
    for top, inner, files in os.walk(folder):
        place, below = Path(top), Path(top).relative_to(folder)
        names = sorted(name for name in files if not name.startswith("."))
        links = [name for name in inner if (place / name).is_symlink()]
        _folders.refuse_leaving(folder, (place / name for name in links))
        others += [(below / name).as_posix() for name in links]
        of_frames = place != folder and _is_of_frames(names)
        inner[:] = [] if of_frames else sorted(name for name in inner if not name.startswith("."))
        if of_frames:
            problems += _add(clips, below.as_posix(), place)
            continue
        for name in names:
            path, ending = place / name, Path(name).suffix
            id = (below / name).as_posix().removesuffix(ending)
            if ending.lower() in _videos.SUFFIXES:
                problems += _add(clips, id, path)
            elif ending.lower() in SOUNDS:
                problems += _add(sounds, id, path)
            elif name == SEGMENTS:
                tables.append(path)
            elif name != manifest.NAME:
                others.append((below / name).as_posix())
    problems += _left_alone(folder, others, sorted(set(sounds) - set(clips)))
    if not clips:
        packed = [name for name in others if _folders.is_archive(name)]
        problems.append(Problem("no videos", folder.name, f"there is no video below it{_folders.to_unpack(*packed)}"))
    heard = {id: path for id, path in sounds.items() if id in clips}
    return _Listing(dict(sorted(clips.items())), heard, tuple(tables), tuple(problems))


def _is_of_frames(names: Iterable[str]) -> bool:
    """Whether a folder is a video: pictures and no video among them (those may be its thumbnails)."""
    endings = {Path(name).suffix.lower() for name in names}
    return bool(endings & frames.SUFFIXES) and not endings & _videos.SUFFIXES


def _add(known: dict[str, Path], id: str, path: Path) -> list[Problem]:
    """Remember a file by its name, unless another one has it."""
    if known.setdefault(id, path) == path:
        return []
    return [Problem("two files of one name", id, f"{known[id].name} and {path.name}: keep one")]


def _left_alone(folder: Path, others: Sequence[str], alone: Sequence[str]) -> list[Problem]:
    """One problem for all packed files, for all other files, for all sounds without a video."""
    packed = [name for name in others if _folders.is_archive(name)]
    rest = [name for name in others if not _folders.is_archive(name)]
    return [
        Problem(kind, folder.name, f"{len(names)} left alone{todo}: {name_several(list(names), 3)}", fatal=False)
        for kind, names, todo in (
            ("packed file", packed, ", unpack what belongs to the pool"),
            ("other file", rest, ""),
            ("sound without a video", alone, ""),
        )
        if names
    ]


def _recording(path: Path) -> str:
    name = path.name if path.is_dir() else path.stem
    found = _RECORDING.fullmatch(name)
    return _folders.shown(found["recording"] if found else name)


def _wrapping(item: VideoItem) -> str:
    first = item.id.partition("/")[0]
    return first if first in WRAPPINGS else "videos"


# ---------------------------------------------------------------- what is there


def is_sound(file: Path) -> dict[str, Any]:
    """Size in bytes of a sound file whose container is whole."""
    sound.check(file)
    return {"bytes": file.stat().st_size}


def _hear(folder: Path, sounds: Mapping[str, Path], memo: Memo) -> tuple[dict[str, Path], list[Problem]]:
    """The sounds that can be read, and a problem for every one that cannot."""
    _folders.refuse_leaving(folder, sounds.values())
    heard, problems = {}, []
    for id, file in sounds.items():
        try:
            memo(file, is_sound)
        except BadData as fault:
            text = f"{fault.what.removeprefix(str(file)).strip()}: its video is taken without it"
            problems.append(Problem("unreadable sound", file.relative_to(folder).as_posix(), text, fatal=False))
            continue
        heard[id] = file
    return heard, problems


def _missing(folder: Path, listing: _Listing) -> tuple[int, list[Problem]]:
    """How many ids of the tables have no video, and a problem for each table with such ids."""
    names: dict[Path, set[str]] = defaultdict(set)
    for path in listing.clips.values():
        names[path.parent].add(path.name if path.is_dir() else path.stem)
    total, problems = 0, []
    _folders.refuse_leaving(folder, listing.tables)
    for table in listing.tables:
        listed = _listed(table)
        lacking = [id for id in listed if id not in names[table.parent]]
        total += len(lacking)
        if lacking:
            text = f"no video of {len(lacking)} of {len(listed)} listed: {name_several(lacking, 3)}"
            problems.append(Problem("missing videos", table.relative_to(folder).as_posix(), text, fatal=False))
    return total, problems


def _listed(table: Path) -> list[str]:
    """The first column of a table; the others are not looked at."""
    lines = table.read_text(encoding="utf-8", errors="replace").splitlines()
    ids = (line.partition(",")[0].strip() for line in lines if not line.startswith("#"))
    return list(dict.fromkeys(id for id in ids if id))


def _several(items: Iterable[VideoItem]) -> list[Problem]:
    """Videos of one name in several folders, which a method would see twice."""
    places = Counter(item.id.rpartition("/")[2] for item in items)
    twice = sorted(name for name, n in places.items() if n > 1)
    text = f"{len(twice)} names stand in several folders: {name_several(twice, 3)}"
    return [Problem("same name in several folders", "pool", text, fatal=False)] if twice else []


def _part(item: VideoItem, look: _videos.Look) -> str:
    """A line of the fingerprint."""
    heard = f" {item.sound.stat().st_size}" if item.sound else ""
    return f"{item.id} {len(look.files)} {look.bytes}{heard}"


def _label(items: Sequence[VideoItem], lacking: int) -> Label:
    short = f"{lacking} missing or unreadable" if lacking else ""
    return _labels.of_files([f"pool of {len(items)} videos"], short)


DATASET = Pool()
