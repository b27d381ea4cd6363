"""VOC 2007 detection: mean average precision over 20 classes on the 4,952 test images.

Detections of a class, best first, are right if they overlap a free object by more than the IoU threshold; objects
marked difficult count neither way. Sources: M. Everingham et al., The PASCAL Visual Object Classes (VOC) Challenge,
2010; the development kit of 2007.

Results made elsewhere are `comp4_det_test_CLASS.txt` (or comp3) in RESULTS, RESULTS/VOC2007/Main or
RESULTS/results/VOC2007/Main; a line is `image score xmin ymin xmax ymax`, pixels from 1, both corners inside.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from unlabeled.benchmarks._faults import inside
from unlabeled.benchmarks._sums import bootstrap_of
from unlabeled.benchmarks.metrics import voc
from unlabeled.contracts import BoxedImage, GivenResults, Metric, Outcome, Score, Scores, Survey
from unlabeled.datasets import voc2007
from unlabeled.datasets.decode.boxes import COLUMNS, read_detections
from unlabeled.errors import BadData, name_several
from unlabeled.intervals import bootstrap_weights, percentile_interval
from unlabeled.streams import Rng

PLACES = ("", "VOC2007/Main", "results/VOC2007/Main")
RESULT = re.compile(r"comp[34]_det_test_(?P<name>.*)\.txt")
EXPECTED = "detections are expected as RESULTS/comp4_det_test_CLASS.txt or in RESULTS/VOC2007/Main"

RESAMPLES = 10_000
ROWS = 512
"""Resamples worked on at once; a class with many objects takes 0.1 GB for them."""

CURVE = np.linspace(0, 1, 101)
"""Recalls at which a precision-recall curve is kept."""

SIGNS = "-+0"
"""Of the flags wrong (0), right (1), neither (-1, the last sign) in an item."""


@dataclass(frozen=True)
class GivenDetections:
    """Detections made elsewhere.

    kind       : 11-point AP as in 2007, or the area under the curve as from 2010 on
    thresholds : an IoU must be larger; the score is the mean over them
    rounded    : scores to 3 decimals and corners to 1, as py-faster-rcnn and detectron2 write them, which makes
                 ties; the two differ only in what they add to boxes that count from 0, never in files
    """

    kind: voc.Kind = "11-point"
    thresholds: tuple[float, ...] = (0.5,)
    rounded: bool = False
    role: str = "given"
    cite: str = "everingham2010pascal"
    point: str = ""
    sets: Mapping[str, Any] = field(default_factory=dict)
    unverified: tuple[str, ...] = ()

    def prepare(self, role: GivenResults) -> Path:
        """The folder that holds the files.

        Raises
        ------
        BadData : no such file, files in several of the places, of unknown classes, or two of a class.
        """

        def held_in(folder: Path) -> dict[str, dict[str, str]]:
            return {place: files for place in PLACES if (files := _result_files(folder / place))}

        held = held_in(role.folder)
        if not held:
            todo = f"{EXPECTED}{inside(role.folder, lambda folder: bool(held_in(folder)))}"
            raise BadData(f"{role.folder} holds no result file of VOC 2007", todo)
        if len(held) > 1:
            several = [f"RESULTS/{place}".rstrip("/") for place in held]
            raise BadData(f"{role.folder} holds result files in {' and '.join(several)}", "keep one of them")
        ((place, files),) = held.items()
        names = Counter(files.values())
        faults = [f"{file} is of no class of VOC" for file, name in files.items() if name not in voc2007.CLASSES]
        faults += [f"{name} has a comp3 and a comp4 file" for name, n in names.items() if n > 1]
        if faults:
            raise BadData(f"{role.folder / place}: {name_several(faults, 4)}", "keep one file for each class")
        return role.folder / place

    def detections(self, role: Path, name: str) -> Path | None:
        """The file of a class, None where there is none."""
        return next((role / file for file, of in _result_files(role).items() if of == name), None)


class Voc2007:
    """One unit a class; a class without a file or without objects has no value and is left out of the mean."""

    id = "voc2007"
    title = "VOC 2007"
    dataset = "voc2007"
    metrics = (Metric("map"), Metric("ap50"), Metric("ap75"))
    pictures = "boxes"
    recipes = {
        "voc2007": GivenDetections(),
        "voc2010": GivenDetections(kind="area"),
        "iou-sweep": GivenDetections(thresholds=voc.IOU_SWEEP, cite="he2020momentum"),
        "voc-text": GivenDetections(rounded=True, cite="ren2015faster"),
    }
    chance = None

    def units(self, data: Survey, recipe: GivenDetections) -> tuple[str, ...]:
        """The classes."""
        return data.classes

    def all_units(self, data: Survey, recipe: GivenDetections) -> tuple[str, ...]:
        """The same: what is missing of the images is the label's matter."""
        return data.classes

    def prepare(self, role: GivenResults, data: Survey, recipe: GivenDetections) -> Path:
        """Where the files of this run are."""
        if not _test_images(data):
            raise BadData(
                f"{data.folder} has annotations of no test image", voc2007.missing_annotation_hint(data.folder)
            )
        return recipe.prepare(role)

    def run_unit(self, unit: str, data: Survey, role: Path, recipe: GivenDetections, rng: Rng, keep: str) -> Outcome:
        """AP of one class: `ap` over all thresholds, `aps` at each; None without a file or without positives."""
        images = _test_images(data)
        ids = [image.id for image in images]
        truth = _truth(images, unit)
        positives = np.bincount(truth.image[~truth.difficult], minlength=len(images))
        values: dict[str, Any] = {"ap": None, "positives": int(positives.sum()), "detections": None}
        # The images of the whole test set are named once; all else counts them from 0 in this order.
        items: tuple[dict[str, Any], ...] = ({"id": "images", "images": ids},) if unit == data.classes[0] else ()
        file = recipe.detections(role, unit)
        if file is not None:
            found = _read(file, ids, data)
            values["detections"] = len(found.score)
            if recipe.rounded:
                found = voc.Detected(found.image, *voc.rounded_text(found.score, found.boxes))
            order, flags = voc.match(found, truth, recipe.thresholds)
            if values["positives"]:
                curves = [voc.curve(row, values["positives"]) for row in flags]
                aps = [voc.average_precision(*curve, recipe.kind) for curve in curves]
                values |= {"ap": voc.mean_ap(aps), "aps": aps, "curve": _thinned(*curves[0])}
                items = (*items, _item(unit, flags, found.image[order], positives, recipe.kind))
        return Outcome(values["positives"], values, items)

    def aggregate(self, outcomes: Mapping[str, Outcome], data: Survey, recipe: GivenDetections) -> Scores:
        """Means over the classes that have a value; intervals from a bootstrap over images."""
        values = {unit: outcome.values for unit, outcome in outcomes.items()}
        scored = {unit: value for unit, value in values.items() if value["ap"] is not None}
        if not scored:
            raise BadData("no class has both a file and objects that are not difficult", "check data and results")
        sweep = len(recipe.thresholds) > 1
        at = {"map": list(range(len(recipe.thresholds)))}
        if sweep:
            at |= {"ap50": [recipe.thresholds.index(0.5)], "ap75": [recipe.thresholds.index(0.75)]}
        items = [item for outcome in outcomes.values() for item in outcome.items]
        images = len(_test_images(data))
        drawn = np.concatenate([_resampled(items, rows) for rows in _draws(images)], axis=1) if images > 1 else None
        metrics, notes = {}, []
        for name, columns in at.items():
            mean = voc.mean_ap([voc.mean_ap([value["aps"][k] for k in columns]) for value in scored.values()])
            ends = None if drawn is None else _ends(drawn[columns].mean(0), mean)
            if ends is None:
                notes.append(f"{name}: {images} images are too few for an interval")
            metrics[name] = Score(mean, images, ends, bootstrap_of(images, "images") if ends else "")
        breakdown = {
            "classes": list(values),
            "per_class": {
                unit: {name: value.get(name) for name in ("ap", "positives", "detections", *(["aps"] if sweep else []))}
                for unit, value in values.items()
            },
            "thresholds": list(recipe.thresholds),
            "per_threshold": np.mean([value["aps"] for value in scored.values()], axis=0).tolist(),
            "curves": {unit: value["curve"] for unit, value in scored.items()},
        }
        return Scores(metrics, breakdown, tuple(notes), _partial(values, len(scored)))

    def resampling_units(self, items: Sequence[Mapping[str, Any]]) -> list[str]:
        """Ids of the images that a bootstrap draws, those without objects and detections too."""
        return list(next(item["images"] for item in items if item["id"] == "images"))

    def resampled(self, items: Sequence[Mapping[str, Any]], units: Sequence[str], weights: np.ndarray) -> np.ndarray:
        """mAP `(B,)` float64 over B draws of the images; NaN where a draw holds no positive of any class.

        Parameters
        ----------
        items : all items of a run.
        units : its images, from `resampling_units`.
        weights : `(B, images)` how often each image is drawn; a few hundred rows at a time cost least.
        """
        return _resampled(items, weights).mean(0)


# ---------------------------------------------------------------- truth and files


def _test_images(data: Survey) -> list[BoxedImage]:
    return [image for image in data.items if voc2007.TEST in image.lists]


def _truth(images: Sequence[BoxedImage], name: str) -> voc.Truth:
    rows = [
        (k, *box.corners, box.difficult) for k, image in enumerate(images) for box in image.boxes if box.name == name
    ]
    table = np.array(rows, dtype=np.int64).reshape(-1, 6)
    return voc.Truth(table[:, 0], table[:, 1:5], table[:, 5].astype(bool))


def _result_files(folder: Path) -> dict[str, str]:
    """File name -> class of the result files in a folder."""
    names = sorted(file.name for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []
    return {name: match["name"] for name in names if (match := RESULT.fullmatch(name))}


def _read(file: Path, ids: Sequence[str], data: Survey) -> voc.Detected:
    """The detections of a class in the scored images.

    Raises
    ------
    BadData : lines that are no detections, images that are not in the list or have no annotation; all together.
    """
    faults: list[str] = []
    todo, found = "", None
    try:
        found = read_detections(file)
    except BadData as fault:
        faults, todo = [fault.what], fault.todo
    named = _named(file) if found is None else found.images
    strange = set(named) - set(ids)
    if strange:
        # With --limit, annotations of other test images are there; detections in them are left out.
        listed = set(voc2007.read_list(data.folder, voc2007.TEST))
        unlisted = sorted(strange - listed)
        bare = sorted(name for name in strange & listed if not voc2007.annotation(data.folder, name).is_file())
        if bare:
            faults.append(f"{len(bare)} test images have no annotation at hand ({name_several(bare, 3)})")
            todo = voc2007.missing_annotation_hint(data.folder)
        if unlisted:
            faults.append(f"{len(unlisted)} images are not in the test list ({name_several(unlisted, 3)})")
            todo = todo or "give detections in the images of the test list, and in no others"
    if found is None or faults:
        raise BadData(f"{file}: " + "; ".join(part.removeprefix(f"{file} ") for part in faults), todo)
    known = np.array([name not in strange for name in found.images], dtype=bool)[found.image]
    place = {name: k for k, name in enumerate(ids)}
    image = np.array([place.get(name, -1) for name in found.images], dtype=np.int64)[found.image]
    return voc.Detected(image[known], found.scores[known], found.boxes[known])


def _named(file: Path) -> list[str]:
    """The images in a file that has bad lines, from those with the right number of columns."""
    rows = [line.split() for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
    return list(dict.fromkeys(row[0] for row in rows if len(row) == COLUMNS))


# ---------------------------------------------------------------- what is kept of a class


def _thinned(recall: np.ndarray, precision: np.ndarray) -> list[list[float]]:
    """Recall and precision where recall first reaches 0, 0.01 ... 1: at most 101 points."""
    if not recall.size:
        return [[], []]
    at = np.unique(np.searchsorted(recall, CURVE[recall[-1] >= CURVE]))
    return [recall[at].round(4).tolist(), precision[at].round(4).tolist()]


def _item(name: str, flags: np.ndarray, image: np.ndarray, positives: np.ndarray, kind: voc.Kind) -> dict[str, Any]:
    """What a bootstrap needs of a class: the detections best first, until the last one that is right.

    `image` is the place of each detection in the list of images, `flags` a text a threshold with a sign a detection,
    `objects` pairs of place and number of objects that are not difficult.
    """
    right = np.flatnonzero((flags == voc.RIGHT).any(0))
    end = int(right[-1]) + 1 if right.size else 0
    places = np.flatnonzero(positives)
    return {
        "id": name,
        "kind": kind,
        "image": image[:end].tolist(),
        "flags": ["".join(SIGNS[flag] for flag in row[:end].tolist()) for row in flags],
        "objects": np.column_stack([places, positives[places]]).tolist(),
    }


def _partial(values: Mapping[str, Mapping[str, Any]], scored: int) -> tuple[str, ...]:
    no_file = [unit for unit, value in values.items() if value["detections"] is None]
    no_objects = [unit for unit, value in values.items() if not value["positives"]]
    of = f"; the score is the mean over {scored} of {len(values)} classes"
    texts = [f"no result file of {', '.join(no_file)}{of}"] if no_file else []
    return (*texts, *([f"no object that is not difficult of {', '.join(no_objects)}{of}"] if no_objects else []))


# ---------------------------------------------------------------- bootstrap over images


def _draws(images: int) -> Iterator[np.ndarray]:
    """Counts of each image `(rows, images)`, `RESAMPLES` rows in all."""
    held: list[np.ndarray] = []
    for part in bootstrap_weights(images, RESAMPLES, Rng(0).numpy("interval")):
        held.append(part.astype(np.uint16))
        if sum(map(len, held)) >= ROWS:
            yield np.concatenate(held)
            held = []
    if held:
        yield np.concatenate(held)


def _resampled(items: Sequence[Mapping[str, Any]], weights: np.ndarray) -> np.ndarray:
    """Mean AP `(thresholds, B)` over the classes that have positives in a draw."""
    classes = [item for item in items if "flags" in item]
    drawn = np.ascontiguousarray(weights.T, dtype=np.float64)
    total = np.zeros((len(classes[0]["flags"]), len(weights)))
    counted = np.zeros(len(weights))
    for item in classes:
        aps = _resampled_class(item, drawn)
        there = ~np.isnan(aps[0])
        total += np.where(there, aps, 0)
        counted += there
    return np.divide(total, counted, out=np.full_like(total, np.nan), where=counted > 0)


def _resampled_class(item: Mapping[str, Any], drawn: np.ndarray) -> np.ndarray:
    """AP `(thresholds, B)` of a class; `drawn` `(images, B)` says how often each image is drawn.

    Detections that are wrong at every threshold and stand in a row act through the sum of their weights alone: each
    row of them becomes one column of its own, worked out once for all thresholds, and few images are left.
    """
    image = np.array(item["image"], dtype=np.int64)
    flags = np.array([_flags(row) for row in item["flags"]])
    places, numbers = np.array(item["objects"], dtype=np.int64).T
    wrong = (flags == voc.WRONG).all(0)
    first = wrong & ~np.concatenate([[False], wrong[:-1]])
    row = np.cumsum(first) - 1
    sums = csr_array((np.ones(wrong.sum()), (row[wrong], image[wrong])), shape=(first.sum(), len(drawn)))
    used = np.union1d(image[~wrong], places)
    column = np.where(wrong, len(used) + row, np.searchsorted(used, image))
    positives = np.zeros(len(used) + sums.shape[0])
    positives[np.searchsorted(used, places)] = numbers
    weights = np.vstack([drawn[used], sums @ drawn]).T
    kept = first | ~wrong
    return np.array([voc.resampled_ap(one[kept], column[kept], positives, weights, item["kind"]) for one in flags])


def _flags(signs: str) -> np.ndarray:
    """The flags `(D,)` int8 of a text of `SIGNS`."""
    letters = np.frombuffer(signs.encode(), dtype=np.uint8)
    flags = np.zeros(len(letters), dtype=np.int8)
    for flag in (voc.RIGHT, voc.NEITHER):
        flags[letters == ord(SIGNS[flag])] = flag
    return flags


def _ends(values: np.ndarray, mean: float) -> tuple[float, float] | None:
    """The interval, None where it would not hold the score, as with very few images."""
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    low, high = percentile_interval(values)
    return (low, high) if low <= mean <= high else None


BENCHMARK = Voc2007()
