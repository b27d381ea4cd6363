"""What every reader does with a folder: find it, hold it to its root, work out its fingerprint."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unlabeled.contracts import Problem
from unlabeled.errors import BadData, name_several

_UNPRINTABLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
"""Control characters, and the surrogates that stand for the bytes of a name that is no UTF-8."""

_ARCHIVE = re.compile(r"\.(zip|rar|7z|tgz|tar(\.\w+)?)$", re.IGNORECASE)


def look(file: Path, examine: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """The memo that remembers nothing."""
    return examine(file)


def sha256(file: Path) -> str:
    """Hex digest of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def find(root: Path, names: Sequence[str], is_it: Callable[[Path], bool]) -> Path | None:
    """The first of `root` itself and `root/<name>` that looks like the set."""
    candidates = [root, *(root / name for name in names)]
    return next((folder for folder in candidates if folder.is_dir() and is_it(folder)), None)


def is_archive(name: str) -> bool:
    """Whether a file is called as packed ones are."""
    return _ARCHIVE.search(name) is not None


def archives(folder: Path, start: str = "") -> list[str]:
    """Names of packed files in a folder that begin with `start`, in any case."""
    names = [file.name for file in folder.iterdir() if is_archive(file.name) and file.is_file()]
    return sorted(name for name in names if name.lower().startswith(start.lower()))


def to_unpack(*archives: str) -> str:
    """The end of a sentence about something missing: what to do where packed files lie beside."""
    return f"; unpack {name_several(list(archives), 4)}" if archives else ""


def shown(name: str) -> str:
    """A name from disk with everything escaped that cannot be printed or encoded."""
    return _UNPRINTABLE.sub(lambda odd: repr(odd[0])[1:-1], name)


def printable(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The same problems, all names in them as `shown`."""
    return tuple(replace(problem, where=shown(problem.where), what=shown(problem.what)) for problem in problems)


def refuse_leaving(folder: Path, files: Iterable[Path]) -> None:
    """Files inside a data root must stay inside it, links of any folder on the way included.

    Raises
    ------
    BadData : some lead elsewhere; they are named.
    """
    home = Path(os.path.realpath(folder))  # Path.resolve raises for links that run in a circle.
    outside = [shown(str(file)) for file in files if not Path(os.path.realpath(file)).is_relative_to(home)]
    if outside:
        raise BadData(
            f"links that leave the data root: {name_several(outside)}",
            "copy the files, or give the folder they lie in as --data",
        )


def fingerprint(parts: Iterable[str], problems: Iterable[Problem], lists: Iterable[bytes], content: str) -> str:
    """Hash of the sorted `path size` lines, fatal problems, bytes of lists and annotations, media content root.

    A file that is wrong counts by its problem: it may be in no list and have no content.
    """
    digest = hashlib.sha256()
    wrong = [f"{problem.kind}: {problem.where}" for problem in problems if problem.fatal]
    for part in sorted([*parts, *wrong]):
        digest.update(part.encode() + b"\n")
    for text in lists:
        digest.update(hashlib.sha256(text).digest())
    digest.update(content.encode())
    return digest.hexdigest()


def content_root(hashes: Iterable[tuple[str, str]]) -> str:
    """Hash of the sorted `path sha256` lines of all media files."""
    text = "\n".join(f"{path} {digest}" for path, digest in sorted(hashes))
    return hashlib.sha256(text.encode()).hexdigest()
