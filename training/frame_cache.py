"""All frames of a set of items at the size at which they are read, in one memory-mapped file of bytes.

`frames-KEY.u8` holds the frames of the items one after the other, `(frames, 3, h, w)` uint8 each. KEY stands for the
items with the states of their files, the size, and the versions of the decoders: another KEY is another file. The file
is written beside its place under a lock (flock, which the system frees when its holder dies) and renamed when it is
whole. It holds the very bytes that decoding gives, so batches are the same with it and without it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np

from unlabeled.errors import BadData, UnlabeledError
from unlabeled.training import facts
from unlabeled.training.facts import Facts, Item
from unlabeled.training.sizes import Size, height_width

MOST_BYTES = 4 * 1024**3
MOST_OF_DISK = 1 / 4
"""Without a limit of its own a cache takes at most 4 GiB and at most this share of what is free."""


@dataclass(frozen=True)
class FrameCache:
    """A finished file. `places` holds offset, frames, height and width of each item."""

    path: Path
    places: tuple[tuple[int, int, int, int], ...]

    def read(self, item: int, indices: Sequence[int]) -> np.ndarray:
        """Frames `(n, 3, h, w)` uint8 of an item in the order of `indices`."""
        offset, _, height, width = self.places[item]
        found = np.empty((len(indices), 3, height, width), np.uint8)
        # Read, not mapped: mapping costs more than the few frames that a batch wants of an item.
        with self.path.open("rb", buffering=0) as file:
            for frame, index in zip(found, indices, strict=True):
                if os.preadv(file.fileno(), [frame.data], offset + index * frame.nbytes) != frame.nbytes:
                    raise BadData(f"{self.path} ends too early", "delete it: it is made again")
        return found


def ensure(
    items: Sequence[Item],
    known: Sequence[Facts],
    cover: Size,
    folder: Path,
    limit: int | None,
    threads: int,
    tell: Callable[[str], None],
) -> FrameCache | None:
    """The cache of these items, each of a size that just covers `cover`; made now if it is not there.

    None where there are no frames, and, told through `tell`, where it would need more bytes than `limit` (without one:
    MOST_BYTES and MOST_OF_DISK).

    Raises
    ------
    BadData : whatever the decoders refuse.
    UnlabeledError : the disk is full, or the file cannot be written.
    """
    shapes = [
        (one.frames, *facts.resized_to(cover, one.height, one.width)) if one.frames else (0, 0, 0) for one in known
    ]
    ends = list(accumulate(n * height * width * 3 for n, height, width in shapes))
    places = tuple((start, *shape) for start, shape in zip([0, *ends], shapes, strict=False))
    if ends[-1] == 0:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    cache = FrameCache(folder / f"frames-{_key(items, cover)}.u8", places)
    if _finished(cache, ends[-1]):
        return cache
    most = min(MOST_BYTES, int(shutil.disk_usage(folder).free * MOST_OF_DISK)) if limit is None else limit
    if ends[-1] > most:
        tell(
            f"frames are decoded in every epoch: a cache would take {_size(ends[-1])}, at most {_size(most)} is allowed"
        )
        return None
    with cache.path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _finished(cache, ends[-1]):
            tell(f"decoding all frames once into a cache of {_size(ends[-1])}")
            _make(cache, items, cover, ends[-1], threads)
    return cache


def _key(items: Sequence[Item], cover: Size) -> str:
    files = [[str(item.path.absolute()), *facts.state(item.path)] for item in items]
    text = json.dumps([files, height_width(cover), facts.decoders()], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _finished(cache: FrameCache, size: int) -> bool:
    return cache.path.is_file() and cache.path.stat().st_size == size


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e7 else f"{count / 1e6:.2f} MB"


def _make(cache: FrameCache, items: Sequence[Item], cover: Size, size: int, threads: int) -> None:
    """Write the file from the beginning; what a killed process left half done is overwritten."""
    half = cache.path.with_suffix(".partial")
    try:
        with half.open("wb") as file, ThreadPoolExecutor(max(1, threads)) as pool:
            # All room at once: a full disk is found here, not after an hour.
            os.posix_fallocate(file.fileno(), 0, size)
            try:
                list(pool.map(partial(_write, file.fileno(), cover), items, cache.places))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
            os.fsync(file.fileno())
        half.replace(cache.path)
    except OSError as fault:
        half.unlink(missing_ok=True)
        raise UnlabeledError(
            f"{half} cannot be written: {fault.strerror}", "make room, or go without a cache"
        ) from fault


def _write(file: int, cover: Size, item: Item, place: tuple[int, int, int, int]) -> None:
    """Put the frames of one item in their place in an open file."""
    at, count, *shape = place
    if count == 0:
        return
    done = 0
    for frame in facts.all_frames(item.path):
        small = facts.resize(frame, cover)
        if done == count or small.shape[1:] != tuple(shape):
            done = -1
            break
        if os.pwrite(file, small.tobytes(), at) != small.nbytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        at, done = at + small.nbytes, done + 1
    if done != count:
        raise BadData(f"{item.path} has changed while its frames were read", "run again")
