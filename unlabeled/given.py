"""Results made elsewhere: a folder that a benchmark scores as it stands, under a name of its own."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unlabeled.contracts import Method
from unlabeled.datasets._folders import archives
from unlabeled.errors import AbsentData, BadData, WrongCall, name_several

PRESET = "given"
"""The one preset of given results: nothing is trained and nothing can be set."""

LONGEST_NAME = 80


@dataclass(frozen=True)
class Folder:
    """What was in the folder: the number of files, and a hash of their names and bytes."""

    files: int
    sha256: str


class GivenResults(Method):
    """A folder of result files as a method; `name` is its row in the tables, the folder's name by default.

    Raises
    ------
    AbsentData : there is no such folder, or nothing is in it.
    BadData : a link leads out of the folder or to another folder, or something in it cannot be read.
    WrongCall : a name that no table can show.
    """

    cite = ""
    roles = frozenset({"given"})
    home = ()

    def __init__(self, folder: Path | str, name: str = "") -> None:
        self.folder = Path(folder).expanduser()
        self.id = name or self.folder.resolve().name
        if not self.id.isprintable() or not self.id.strip() or len(self.id) > LONGEST_NAME:
            raise WrongCall(f"{self.id!r} is no name for a row", f"give --name of at most {LONGEST_NAME} characters")
        self.content = content_of(self.folder, "results")
        self.presets = {PRESET: self.content}

    @property
    def source(self) -> str:
        """Where the results come from, as records and keys name it: by content, not by place."""
        return f"result files {self.content.sha256}"

    def adapt(self, net: None, preset: Folder) -> GivenResults:
        """The folder itself is what a benchmark reads."""
        return self


def content_of(folder: Path, kind: str) -> Folder:
    """What lies in a folder of `results` or `features`, every byte of it.

    Raises
    ------
    AbsentData : there is no such folder, or nothing is in it.
    BadData : a link leads out of the folder or to another folder, or something in it cannot be read.
    """
    try:
        if not folder.is_dir():
            raise AbsentData(f"{folder}: no such folder of {kind}", f"name an existing folder with --{kind}")
        return _content(folder, kind)
    except OSError as fault:
        what = f"{fault.filename or folder}: cannot be read ({fault.strerror or fault})"
        raise BadData(what, f"see that you may read the whole folder of {kind}") from fault


def _content(folder: Path, kind: str) -> Folder:
    digest, files = hashlib.sha256(), 0
    home = Path(os.path.realpath(folder))
    for file in sorted(_files(folder, kind)):
        if not Path(os.path.realpath(file)).is_relative_to(home):
            raise BadData(f"{file} leads out of the folder of {kind}", "copy the file, or name the folder it lies in")
        with file.open("rb") as stream:
            part = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{os.fsencode(file.relative_to(folder)).hex()} {part}\n".encode())
        files += 1
    packed = archives(folder)
    if files and len(packed) == files:
        raise BadData(f"{folder} holds packed files alone ({name_several(packed, 4)})", "unpack them there")
    if not files:
        raise AbsentData(f"{folder} holds no files", f"name the folder that holds the files of {kind}")
    return Folder(files, digest.hexdigest())


def _files(folder: Path, kind: str) -> Iterator[Path]:
    """Every file below, hidden ones left out; nothing is passed over that a benchmark could open."""
    for place, inner, names in os.walk(folder, onerror=_raise):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for path in (Path(place, name) for name in inner):
            if path.is_symlink():
                raise BadData(f"{path} is a link to a folder", "copy the folder there, or name the one it leads to")
        for path in (Path(place, name) for name in names if not name.startswith(".")):
            if path.is_file():
                yield path
            elif path.exists():
                # A pipe or a socket: whoever opens it may wait for ever.
                raise BadData(f"{path} is neither a file nor a folder", f"take it out of the folder of {kind}")


def _raise(fault: OSError) -> None:
    raise fault
