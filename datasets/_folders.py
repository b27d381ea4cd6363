"""What every reader does with a folder: find it, hold it to its root, work out its fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from unlabeled.errors import BadData, name_several


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


def refuse_leaving(folder: Path, files: Iterable[Path]) -> None:
    """Links inside a data root must stay inside it.

    Raises
    ------
    BadData : some lead elsewhere; they are named.
    """
    home = folder.resolve()
    outside = [str(file) for file in files if file.is_symlink() and not file.resolve().is_relative_to(home)]
    if outside:
        raise BadData(
            f"links that leave the data root: {name_several(outside)}",
            "copy the files, or give the folder they lie in as --data",
        )


def fingerprint(parts: Iterable[str], lists: Iterable[bytes], content: str) -> str:
    """Hash of the sorted `path size` lines, the bytes of lists and annotations, and the media content root."""
    digest = hashlib.sha256()
    for part in sorted(parts):
        digest.update(part.encode() + b"\n")
    for text in lists:
        digest.update(hashlib.sha256(text).digest())
    digest.update(content.encode())
    return digest.hexdigest()


def content_root(hashes: Iterable[tuple[str, str]]) -> str:
    """Hash of the sorted `path sha256` lines of all media files."""
    text = "\n".join(f"{path} {digest}" for path, digest in sorted(hashes))
    return hashlib.sha256(text.encode()).hexdigest()
