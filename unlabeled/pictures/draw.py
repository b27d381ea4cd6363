"""Pictures of a run: which kind its benchmark has, what they are drawn from, the page that shows them.

A record holds numbers and no media: the data and the results are read again, and refused where they are no longer
those that were scored.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from unlabeled import compare, registry
from unlabeled.benchmarks.propagation.recipes import Propagation
from unlabeled.errors import AbsentData, UnlabeledError
from unlabeled.files import writing
from unlabeled.given import PRESET, GivenResults
from unlabeled.pictures import (
    boxes,
    colour_failures,
    confusion,
    curves,
    embedding,
    gallery,
    joints,
    mask_tracks,
    masks,
    neighbours,
    pose_tracks,
    predictions,
    sounds,
    tuples,
)
from unlabeled.pictures.sheet import Gap, Judged, Plate
from unlabeled.pictures.system import System, survey
from unlabeled.pictures.tracks import Tracks
from unlabeled.records import Record
from unlabeled.resolve import Watch
from unlabeled.store import Store

LEARNED = {
    "What the network saw": tuples.seen,
    "What it answered": tuples.answered,
    "Predictions": predictions.draw,
    "Learning curves": curves.draw,
}
"""What draws the learning of a method that had a pretext, by the title of its place."""
READ = {"Nearest neighbours": neighbours.draw}
"""What draws the features that a benchmark of the roles image or video read."""
TRACKED = {
    "masks": {
        "By attribute": mask_tracks.by_attribute,
        "Mask tracks": mask_tracks.draw,
        "The embedding": embedding.draw,
        "Failures beside colour failures": colour_failures.draw,
    },
    "joints": {"By joint": pose_tracks.by_joint, "Pose tracks": pose_tracks.draw, "The embedding": embedding.draw},
}
"""What draws the labels that a method moved, by the `pictures` of the benchmark."""
KINDS = {"masks": masks.draw, "joints": joints.draw, "boxes": boxes.draw, "sounds": sounds.draw}
"""What draws the results of a benchmark, by its `pictures`."""

Part = Callable[[], list[Plate]]


def draw(
    record: Record,
    folder: Path,
    store: Store,
    out: Path,
    data: Path | None = None,
    results: Path | None = None,
    watch: Watch | None = None,
) -> list[Path]:
    """Draw what there is to draw of a run; the files, the page first, none for a run without pictures.

    What cannot be drawn leaves a word in its place, which `watch` is told too.

    Parameters
    ----------
    folder : the one that the record lies in, with its items.
    out : folder for the pictures, made where it is absent.
    data, results : where the data root and the folder of results are now; None for where they were.

    Raises
    ------
    UnlabeledError : the run failed, or nothing can be drawn: its data, weights or results are gone or no longer those
        of the run.
    """
    import matplotlib

    parts, watch = _parts(record, folder, store, out, data, results), watch or Watch()
    if not parts:
        return []
    if record.status == "failed":
        raise UnlabeledError(f"{record.id} failed: there is nothing to draw", "run it again")
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    plates: list[Plate | Gap] = []
    faults = []
    # Names of sequences and methods are no formulas, and a letter that the font lacks is no reason to warn.
    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        for done, (title, part) in enumerate(parts.items()):
            watch.step("drawing", done, len(parts))
            try:
                plates += part()
            except UnlabeledError as fault:
                plates.append(Gap(title, fault.what))
                faults.append(fault)
    drawn = [plate.file for plate in plates if isinstance(plate, Plate)]
    if faults and not drawn:
        raise faults[0]
    for gap in plates:
        if isinstance(gap, Gap):
            watch.say(f"not drawn: {gap.title} ({gap.why})")
    return [gallery.write(out, record, plates), *drawn] if plates else []


def _parts(
    record: Record, folder: Path, store: Store, out: Path, data: Path | None, results: Path | None
) -> dict[str, Part]:
    """What is drawn of a run, in the order of the page: how it learned, what it learned, how it was scored."""
    benchmark = registry.load("benchmarks", record.spec["benchmark"])
    recipe = benchmark.recipes.get(record.spec["recipe"])
    parts: dict[str, Part] = {}
    if record.spec["preset"] != PRESET:
        system = System(record, store, data)
        kinds = LEARNED if system.learned is not None else {}
        kinds = kinds | (READ if recipe is not None and recipe.role in ("image", "video") else {})
        parts = {title: partial(kind, system, out) for title, kind in kinds.items()}
        if isinstance(recipe, Propagation):
            tracks = Tracks(system, folder)
            tracked = TRACKED[benchmark.pictures].items()
            return parts | {title: partial(kind, tracks, out) for title, kind in tracked}
    if benchmark.pictures == "confusion":
        parts["Confusion table"] = partial(confusion.draw, record, out)
    elif benchmark.pictures:
        judged = partial(_judged, record, folder, store, benchmark, data, results)
        parts["Results"] = lambda: KINDS[benchmark.pictures](judged(), out)
    return parts


def _judged(
    record: Record, folder: Path, store: Store, benchmark: Any, data: Path | None, results: Path | None
) -> Judged:
    """A run over given results with all that it read."""
    if record.spec["preset"] != PRESET:
        raise UnlabeledError(
            f"{record.id}: what {record.spec['method']} answered was not kept",
            "pictures of this benchmark are drawn of runs with --results",
        )
    items = {} if record.items is None else compare.load_items(record, folder)
    places = store.read_places(record.id)
    given = _results(record, results or places.get("results"))
    reader = registry.load("datasets", benchmark.dataset)
    read = survey(record, store, reader, data or places.get("data"))
    recipe = benchmark.recipes[record.spec["recipe"]]
    return Judged(
        record,
        read,
        recipe,
        benchmark.prepare(given, read, recipe),
        {name: item for (_, name), item in items.items()},
    )


def _results(record: Record, folder: Path | None) -> GivenResults:
    if folder is None or not folder.is_dir():
        raise AbsentData(
            f"{record.id}: its results are not there" + (f" any more ({folder})" if folder else ""),
            "name the folder that was scored with --results",
        )
    given = GivenResults(folder, record.spec["method"])
    if given.content.sha256 != record.method["values"].get("sha256"):
        raise UnlabeledError(
            f"{folder} changed since {record.id} was scored, or is another folder: its files have another hash",
            "name the folder that was scored with --results, or score this one",
        )
    return given
