"""Writing files so that readers see the old file or the new one, and a full disk is told in words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unlabeled.errors import UnlabeledError


@contextmanager
def writing(what: Path) -> Iterator[None]:
    """Turn a full disk or a refused write into an error that says where and that nothing finished is lost."""
    try:
        yield
    except OSError as fault:
        raise UnlabeledError(
            f"cannot write {what}: {fault.strerror or fault}",
            "free space or name another folder with --store; finished units are kept, the same command goes on",
        ) from fault


def write_atomic(file: Path, content: bytes) -> None:
    """Write beside, flush to disk, rename: readers see the old file or the new one, never a part."""
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    with writing(file):
        try:
            with partial.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)
