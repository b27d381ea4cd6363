"""MANIFEST.json of a synthetic set: what it is, what made it, and every file with two hashes.

A folder without such a file is never a synthetic set, and a folder with one is never official data. Of the
two hashes of a file, `content` is the identity (PCM samples, frames, label arrays) and must be equal on every
machine of one architecture; `sha256` is that of the bytes, which a newer codec may change. The check reads
content back from lossless files; of JPEG and video it can compare the bytes alone.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Literal

import av
import numpy
import PIL
import scipy
import soundfile

from unlabeled.datasets.world.files import content_of
from unlabeled.errors import BadData
from unlabeled.source import normalised

NAME = "MANIFEST.json"

Medium = Literal["sound", "picture", "video"]
"""What a set's files hold."""


@dataclass(frozen=True)
class Entry:
    """One file: `path` relative to the set's folder, size in bytes, SHA-256 of bytes and of content."""

    path: str
    bytes: int
    sha256: str
    content: str


@dataclass(frozen=True)
class Manifest:
    """The facts of one set. `world` is set and version (`esc50@w1`), `root` hashes all entries."""

    world: str
    preset: str
    seed: int
    generator: str
    libraries: Mapping[str, str]
    files: tuple[Entry, ...]
    root: str

    @property
    def content_root(self) -> str:
        """Hash of paths and contents alone: equal wherever the same set was made."""
        return content_root(self.files)

    def paths(self) -> set[str]:
        """Paths of all files."""
        return {file.path for file in self.files}


def content_root(files: Iterable[Entry]) -> str:
    """SHA-256 over the sorted lines `path content`."""
    return _hash_lines(f"{file.path} {file.content}" for file in files)


def file_root(files: Iterable[Entry]) -> str:
    """SHA-256 over the sorted lines `path bytes sha256 content`."""
    return _hash_lines(f"{file.path} {file.bytes} {file.sha256} {file.content}" for file in files)


def _hash_lines(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in sorted(lines)).encode()).hexdigest()


def libraries(media: Iterable[Medium]) -> dict[str, str]:
    """Versions that the bytes of a set with files of these media may hang on."""
    versions = {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
    }
    for medium in media:
        match medium:
            case "sound":
                versions |= {"soundfile": soundfile.__version__, "libsndfile": soundfile.__libsndfile_version__}
            case "picture":
                versions |= {"pillow": PIL.__version__}
            case "video":
                # Frames are drawn with Pillow, too.
                versions |= {"pillow": PIL.__version__, "pyav": av.__version__, "ffmpeg": av.ffmpeg_version_info}
    return versions


def generator_hash(modules: Iterable[ModuleType], knobs: object) -> str:
    """SHA-256 of the syntax trees of modules, without comments, layout and docstrings, and of the knobs.

    Knobs count by their values, so that a knob of another set changes nothing here.
    """
    digest = hashlib.sha256()
    for module in modules:
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        digest.update(f"{module.__name__}\n{normalised(source)}\n".encode())
    digest.update(repr(knobs).encode())
    return digest.hexdigest()


# ---------------------------------------------------------------- the file


def to_json(manifest: Manifest) -> str:
    """Text of MANIFEST.json, one line a file."""
    head = {key: value for key, value in asdict(manifest).items() if key != "files"}
    lines = ",\n  ".join(json.dumps(asdict(file)) for file in manifest.files)
    return json.dumps(head, indent=1)[:-2] + f',\n "files": [\n  {lines}\n ]\n}}\n'


def read(folder: Path) -> Manifest | None:
    """The manifest of a synthetic set; None where the folder has none, or one of another project.

    Raises
    ------
    BadData : it says that it is of a synthetic set and cannot be read.
    """
    file = folder / NAME
    if not file.is_file():
        return None
    text = file.read_text(encoding="utf-8", errors="replace")
    try:
        values = json.loads(text)
    except ValueError as fault:
        if '"world"' not in text:
            return None
        raise _malformed(file, str(fault)) from fault
    if not isinstance(values, dict) or "world" not in values:
        return None
    try:
        return _parse(values)
    except (KeyError, TypeError, ValueError) as fault:
        raise _malformed(file, f"{type(fault).__name__}: {fault}") from fault


def _malformed(file: Path, why: str) -> BadData:
    return BadData(f"{file}: torn or altered manifest of a synthetic set ({why})", "make the set anew")


def _parse(values: dict) -> Manifest:
    files = tuple(Entry(**entry) for entry in values["files"])
    manifest = Manifest(**{**values, "files": files})
    texts = (manifest.world, manifest.preset, manifest.generator, manifest.root)
    if not all(isinstance(text, str) for text in texts) or type(manifest.seed) is not int:
        raise TypeError("world, preset, generator and root are texts, seed is an integer")
    for file in files:
        if not all(isinstance(text, str) for text in (file.path, file.sha256, file.content)):
            raise TypeError("path, sha256 and content of a file are texts")
        path = PurePosixPath(file.path)
        if type(file.bytes) is not int or path.is_absolute() or ".." in path.parts:
            raise ValueError(f"file {file.path!r} has no size or leaves the folder")
    return manifest


# ---------------------------------------------------------------- the check


def check(folder: Path) -> list[str]:
    """Differences between a set and its manifest, one sentence each; empty if there are none.

    Raises
    ------
    BadData : no set of the synthetic world, or a torn manifest.
    """
    manifest = read(folder)
    if manifest is None:
        raise BadData(f"{folder}: no {NAME} of a synthetic set", "name the folder that holds it")
    differences = [words for file in manifest.files if (words := _compare(folder, file))]
    listed = manifest.paths() | {NAME}
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    differences += [f"{path}: not in the manifest" for path in sorted(present - listed)]
    if file_root(manifest.files) != manifest.root:
        differences.append(f"{NAME}: root does not belong to the files listed")
    return differences


def _compare(folder: Path, entry: Entry) -> str:
    file = folder / entry.path
    if not file.is_file():
        return f"{entry.path}: missing"
    if not file.resolve().is_relative_to(folder.resolve()):
        return f"{entry.path}: a link that leaves the folder"
    try:
        if hashlib.sha256(file.read_bytes()).hexdigest() == entry.sha256:
            return ""
        content = content_of(file)
    except (OSError, soundfile.SoundFileError) as fault:
        return f"{entry.path}: content cannot be read ({fault})"
    if content is None:
        return f"{entry.path}: other bytes; lossy, so its content cannot be compared"
    return f"{entry.path}: other bytes, same content" if content == entry.content else f"{entry.path}: content differs"
