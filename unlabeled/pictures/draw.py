"""Pictures of a run: which kind its benchmark has, what they are drawn from, the page that shows them.

A record holds numbers and no media: the data and the results are read again, and refused where they are no longer
those that were scored.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from unlabeled import compare, registry
from unlabeled.contracts import Survey
from unlabeled.datasets.world import make
from unlabeled.errors import AbsentData, UnlabeledError
from unlabeled.files import writing
from unlabeled.given import PRESET, GivenResults
from unlabeled.pictures import boxes, confusion, gallery, joints, masks, sounds
from unlabeled.pictures.sheet import Judged
from unlabeled.records import Record
from unlabeled.store import Store

KINDS = {"masks": masks.draw, "joints": joints.draw, "boxes": boxes.draw, "sounds": sounds.draw}
"""What draws the results of a benchmark, by its `pictures`."""


def draw(
    record: Record, folder: Path, store: Store, out: Path, data: Path | None = None, results: Path | None = None
) -> list[Path]:
    """Draw what there is to draw of a run; the files, the page first, none for a run without pictures.

    Parameters
    ----------
    folder : the one that the record lies in, with its items.
    out : folder for the pictures, made where it is absent.
    data, results : where the data root and the folder of results are now; None for where they were.

    Raises
    ------
    UnlabeledError : the run failed, or its data or results are gone or no longer those that were scored.
    """
    import matplotlib

    benchmark = registry.load("benchmarks", record.spec["benchmark"])
    if not benchmark.pictures:
        return []
    if record.status == "failed":
        raise UnlabeledError(f"{record.id} failed: there is nothing to draw", "run it again")
    judged = None
    if benchmark.pictures != "confusion":
        judged = _judged(record, folder, store, benchmark, data, results)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    # Names of sequences and methods are no formulas, and a letter that the font lacks is no reason to warn.
    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        plates = confusion.draw(record, out) if judged is None else KINDS[benchmark.pictures](judged, out)
    return [gallery.write(out, record, plates), *(plate.file for plate in plates)] if plates else []


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
    survey = _survey(record, store, benchmark, data or places.get("data"))
    recipe = benchmark.recipes[record.spec["recipe"]]
    return Judged(
        record,
        survey,
        recipe,
        benchmark.prepare(given, survey, recipe),
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


def _survey(record: Record, store: Store, benchmark: Any, root: Path | None) -> Survey:
    """The data of the run, looked through again."""
    reader, spec = registry.load("datasets", benchmark.dataset), record.spec
    if root is None and spec["world"]:
        root = make.ensure(
            reader.world, spec["world"], spec["world_seed"], store.world(f"{spec['world']}:{spec['world_seed']}")
        )
    place = reader.find(root) if root is not None and root.is_dir() else None
    if place is None:
        raise AbsentData(
            f"{record.id}: its {benchmark.dataset} is not there" + (f" any more ({root})" if root else ""),
            "name the data root that was scored with --data",
        )
    store.prepare()
    survey: Survey = reader.survey(place, spec["limit"], store.memo)
    if survey.fingerprint != record.data["fingerprint"]:
        raise UnlabeledError(
            f"{place} changed since {record.id} was scored, or is another {benchmark.dataset}: its fingerprint differs",
            "name the data root that was scored with --data, or run it again",
        )
    return survey
