"""Make synthetic sets: which sets there are, and the two calls by which others get them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from unlabeled import streams
from unlabeled.datasets.world import (
    actions,
    cast,
    davis2017,
    dcase2013,
    esc50,
    files,
    hmdb51,
    imagenet_folder,
    jhmdb,
    knobs,
    pool,
    render,
    ucf101,
    voices,
)
from unlabeled.datasets.world.build import Order, build, finished
from unlabeled.datasets.world.files import WorldFile
from unlabeled.datasets.world.manifest import Medium, generator_hash
from unlabeled.errors import UnlabeledError, WrongCall


@dataclass(frozen=True)
class WorldSet:
    """One set: its official folder name, its knobs, and its generator.

    modules : the code that its files depend on
    items   : (preset, seed) -> all items, in the order of the lists
    files   : item -> its files
    tables  : (preset, items) -> the files that list them
    media   : what the files hold
    """

    folder: str
    knobs: Any
    modules: tuple[ModuleType, ...]
    items: Callable[[str, int], Sequence[Any]]
    files: Callable[[Any], Iterable[WorldFile]]
    tables: Callable[[str, Sequence[Any]], Iterable[WorldFile]]
    media: tuple[Medium, ...]


SETS: dict[str, WorldSet] = {
    "esc50": WorldSet(
        folder="ESC-50",
        knobs=knobs.ESC50,
        modules=(streams, cast, voices, files, esc50),
        items=esc50.items,
        files=esc50.files,
        tables=esc50.tables,
        media=("sound",),
    ),
    "dcase2013": WorldSet(
        folder="DCASE2013",
        knobs=knobs.DCASE2013,
        modules=(streams, cast, voices, files, dcase2013),
        items=dcase2013.items,
        files=dcase2013.files,
        tables=dcase2013.tables,
        media=("sound",),
    ),
    "ucf101": WorldSet(
        folder="UCF101",
        knobs=knobs.UCF101,
        modules=(streams, cast, render, files, actions, ucf101),
        items=ucf101.items,
        files=ucf101.files,
        tables=ucf101.tables,
        media=("video",),
    ),
    "hmdb51": WorldSet(
        folder="HMDB51",
        knobs=knobs.HMDB51,
        modules=(streams, cast, render, files, actions, hmdb51),
        items=hmdb51.items,
        files=hmdb51.files,
        tables=hmdb51.tables,
        media=("video",),
    ),
    "davis2017": WorldSet(
        folder="DAVIS",
        knobs=knobs.DAVIS2017,
        modules=(streams, cast, render, files, davis2017),
        items=davis2017.items,
        files=davis2017.files,
        tables=davis2017.tables,
        media=("picture",),
    ),
    "jhmdb": WorldSet(
        folder="JHMDB",
        knobs=knobs.JHMDB,
        modules=(streams, cast, render, files, jhmdb),
        items=jhmdb.items,
        files=jhmdb.files,
        tables=jhmdb.tables,
        media=("picture", "video"),
    ),
    "imagenet_folder": WorldSet(
        folder="imagenet_folder",
        knobs=knobs.IMAGENET_FOLDER,
        modules=(streams, cast, render, files, imagenet_folder),
        items=imagenet_folder.items,
        files=imagenet_folder.files,
        tables=imagenet_folder.tables,
        media=("picture",),
    ),
    "pool": WorldSet(
        folder="pool",
        knobs=knobs.POOL,
        modules=(streams, cast, voices, render, files, pool),
        items=pool.items,
        files=pool.files,
        tables=pool.tables,
        media=("video",),
    ),
}


def make(
    sets: Iterable[str],
    preset: str,
    seed: int,
    out: Path,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Make sets in `out`, each in its official folder, and give `out`.

    A finished set of the same version, preset, seed and generator is left as it is; a killed call is gone
    on with. What is made is the same for any number of `jobs` (processes). `progress` hears finished and
    all items of the call.

    Raises
    ------
    WrongCall : unknown set or preset, no process.
    UnlabeledError : a folder holds something else, or cannot be written.
    """
    orders = [_order(set_id, preset, seed) for set_id in dict.fromkeys(sets)]
    if jobs < 1:
        raise WrongCall(f"{jobs} processes", "ask for 1 or more")
    total, before = sum(len(order.items) for order in orders), 0
    try:
        for order in orders:
            finished(order, out)  # refuse before anything is made
        for order in orders:
            build(order, out, jobs, partial(_report, progress, before, total))
            before += len(order.items)
    except OSError as fault:
        raise UnlabeledError(
            f"synthetic sets cannot be written to {out} ({fault.strerror or fault})",
            "make room or choose another folder; the next call goes on from the finished items",
        ) from fault
    except BrokenProcessPool as fault:
        raise UnlabeledError(
            f"a process that made synthetic sets in {out} was killed (out of memory?)",
            "call again with fewer processes; it goes on from the finished items",
        ) from fault
    return out


def ensure(
    set_id: str,
    preset: str,
    seed: int,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """The data root that holds this set, made on first use below the cache folder `out`.

    Each version, preset, seed and state of the generator has a root of its own there, so that a cache never
    stands in the way of a changed generator.
    """
    return make((set_id,), preset, seed, _root(_order(set_id, preset, seed), out), progress=progress)


def ready(set_id: str, preset: str, seed: int, out: Path) -> bool:
    """Whether `ensure` would find this set finished; nothing is made."""
    order = _order(set_id, preset, seed)
    return finished(order, _root(order, out))


def _root(order: Order, out: Path) -> Path:
    return out / f"{order.world.replace('@', '-')}-{order.preset}-{order.seed}-{order.generator[:12]}"


def _report(progress: Callable[[int, int], None] | None, before: int, total: int, done: int) -> None:
    if progress is not None:
        progress(before + done, total)


def _order(set_id: str, preset: str, seed: int) -> Order:
    if set_id not in SETS:
        raise WrongCall(f"no synthetic set {set_id!r}", f"known sets: {', '.join(SETS)}")
    if preset not in knobs.PRESETS:
        raise WrongCall(f"no preset {preset!r} of synthetic sets", f"known: {', '.join(knobs.PRESETS)}")
    made = SETS[set_id]
    items = made.items(preset, seed)
    return Order(
        folder=made.folder,
        world=made.knobs.version,
        preset=preset,
        seed=seed,
        generator=_generator(set_id),
        items=items,
        files=made.files,
        tables=partial(made.tables, preset, items),
        media=made.media,
    )


@cache
def _generator(set_id: str) -> str:
    return generator_hash(SETS[set_id].modules, SETS[set_id].knobs)
