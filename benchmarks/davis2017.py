"""DAVIS 2017: video object segmentation, region similarity J and boundary accuracy F over all objects.

The first mask of a sequence is given, the first and the last frame are not scored. J&F is the mean of J and F, each
the plain mean over all objects of all sequences. Sources: J. Pont-Tuset et al., The 2017 DAVIS Challenge on Video
Object Segmentation; F. Perazzi et al., CVPR 2016 (all objects merged); the released davis2017-evaluation.

Masks of the first frame are moved on by a method, or by its features and one of the recipes of `propagation.masks`.
Results made elsewhere lie in `RESULTS/SEQUENCE/00000.png`, a mask for every scored frame: palette or grey PNG, the
value of a pixel is the index of its object.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, tee
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unlabeled.benchmarks._faults import Faults, inside
from unlabeled.benchmarks._sums import interval
from unlabeled.benchmarks.metrics import davis
from unlabeled.benchmarks.propagation.masks import RECIPES, MaskPropagation, PreparedMasks, encoded
from unlabeled.contracts import GivenResults, MaskSequence, Metric, Outcome, Score, Scores, Survey
from unlabeled.datasets.decode import masks
from unlabeled.errors import BadData, name_several
from unlabeled.streams import Rng

STATISTICS = ("j_mean", "j_recall", "j_decay", "f_mean", "f_recall", "f_decay")
"""Of each object, in this order in the record's `breakdown.objects`."""

FEWEST_FRAMES = 3


@dataclass(frozen=True)
class GivenMasks:
    """Masks made elsewhere.

    part    : the list whose sequences are scored
    task    : semi-supervised, or unsupervised: every frame counts, void does not, results are assigned to objects
    merged  : all objects are one, as in 2016
    """

    part: str = "2017 val"
    task: Literal["semi-supervised", "unsupervised"] = "semi-supervised"
    merged: bool = False
    role: str = "given"
    cite: str = "ponttuset2017davis"
    point: str = ""
    sets: Mapping[str, Any] = field(default_factory=dict)
    unverified: tuple[str, ...] = ()

    def usable(self, sequence: MaskSequence) -> bool:
        """Pictures are not looked at."""
        return True

    def prepare(self, role: GivenResults, data: Survey) -> Path:
        """The folder, if it holds any of the sequences, and not as the truth.

        Raises
        ------
        BadData : it holds none, or is the folder of the annotations.
        """
        sequences = _sequences(data, self)

        def holds(folder: Path) -> bool:
            return any((folder / sequence.id).is_dir() for sequence in sequences)

        if not holds(role.folder):
            raise BadData(
                f"{role.folder} holds no folder named like a sequence "
                f"({name_several([sequence.id for sequence in sequences], 4)})",
                f"masks are expected as RESULTS/SEQUENCE/00000.png{inside(role.folder, holds)}",
            )
        if any(os.path.realpath(role.folder) == os.path.realpath(s.masks[0].parent.parent) for s in sequences):
            raise BadData(f"{role.folder} holds the truth itself", "name the folder of results with --results")
        return role.folder

    def masks(self, role: Path, sequence: MaskSequence) -> list[Path]:
        """The file of every frame."""
        return [role / sequence.id / f"{name}.png" for name in sequence.names]


Recipe = GivenMasks | MaskPropagation


class Davis2017:
    """One unit a sequence."""

    id = "davis2017"
    title = "DAVIS 2017"
    dataset = "davis2017"
    metrics = tuple(Metric(name) for name in ("jf_mean", *STATISTICS))
    pictures = "masks"
    recipes = {
        "semi-supervised": GivenMasks(),
        "unsupervised": GivenMasks(
            task="unsupervised",
            cite="caelles2019davis",
            # The released evaluation reads Annotations_unsupervised, where more objects are drawn.
            unverified=("truth, Annotations instead of Annotations_unsupervised",),
        ),
        "davis2016": GivenMasks(part="2016 val", merged=True, cite="perazzi2016davis"),
        **RECIPES,
    }
    chance = None

    def units(self, data: Survey, recipe: Recipe) -> tuple[str, ...]:
        """The sequences of the list that have masks, and pictures where these are looked at."""
        return tuple(sequence.id for sequence in _sequences(data, recipe) if recipe.usable(sequence))

    def all_units(self, data: Survey, recipe: Recipe) -> tuple[str, ...]:
        """The sequences of the list that have masks: those that are not there are the label's matter."""
        return tuple(sequence.id for sequence in _sequences(data, recipe))

    def prepare(self, role: Any, data: Survey, recipe: Recipe) -> Path | PreparedMasks:
        """Where the masks of this run are, or what moves them."""
        sequences = _sequences(data, recipe)
        if not sequences:
            lists = sorted({name for sequence in data.items for name in sequence.lists}) or ["none"]
            raise BadData(
                f"{data.folder} has masks of no {recipe.part} sequence; lists with masks: {', '.join(lists)}",
                "name its own --recipe (davis2016 for the lists of 2016)",
            )
        if not any(map(recipe.usable, sequences)):
            raise BadData(
                f"{data.folder} has the pictures of no {recipe.part} sequence, only masks",
                "get JPEGImages too (`unlabeled datasets where davis2017`)",
            )
        return recipe.prepare(role, data)

    def memory(self, role: Any, data: Survey, recipe: MaskPropagation) -> tuple[int, str]:
        """Bytes that the most demanding sequence needs beside the method's network, and what they are for."""
        prepared = self.prepare(role, data, recipe)
        assert isinstance(prepared, PreparedMasks)
        return recipe.memory(prepared, [item for item in _sequences(data, recipe) if recipe.usable(item)])

    def run_unit(self, unit: str, data: Survey, role: Any, recipe: Recipe, rng: Rng, keep: str) -> Outcome:
        """J and F of every object in every scored frame of one sequence."""
        sequence = next(item for item in data.items if item.id == unit)
        _refuse_unusable(sequence, recipe)
        scored = slice(None) if recipe.task == "unsupervised" else slice(1, -1)
        objects = 1 if recipe.merged else sequence.objects
        kept: list[np.ndarray] = []
        if isinstance(recipe, GivenMasks):
            j, f = _given_scores(sequence, role, recipe, scored, objects)
        else:
            moved: Iterator[np.ndarray] = islice(
                recipe.masks(role, sequence, rng), len(sequence.names) - FEWEST_FRAMES + 1
            )
            if keep == "predictions":
                moved = _keeping(moved, kept)
            j, f = davis.sequence_scores(moved, map(masks.read, sequence.masks[scored]), objects)
        rows = [[*davis.statistics(j[k]), *davis.statistics(f[k])] for k in range(objects)]
        item: dict[str, Any] = {
            "id": unit,
            "sums": [float((j.mean(1) + f.mean(1)).sum() / 2)],
            "counts": [objects],
            "frames": list(sequence.names[scored]),
            "j": j.tolist(),
            "f": f.tolist(),
        }
        means = dict(zip(STATISTICS, np.mean(rows, axis=0).tolist(), strict=True))
        values = {"jf_mean": (means["j_mean"] + means["f_mean"]) / 2, **means, "objects": rows}
        if isinstance(recipe, MaskPropagation):
            values |= {"notes": recipe.notes(role.moved_by), "adapters": list(role.moved_by.adapters)}
        if kept:
            item["masks"] = [encoded(index) for index in kept]
        return Outcome(objects, values, (item,))

    def aggregate(self, outcomes: Mapping[str, Outcome], data: Survey, recipe: Recipe) -> Scores:
        """Means over all objects; intervals from bootstraps over whole sequences."""
        rows = {unit: np.array(outcome.values["objects"]) for unit, outcome in outcomes.items()}
        objects = np.concatenate(list(rows.values()))
        jf = {unit: (row[:, 0] + row[:, 3]) / 2 for unit, row in rows.items()}
        columns = {"jf_mean": jf}
        columns |= {name: {unit: row[:, k] for unit, row in rows.items()} for k, name in enumerate(STATISTICS)}
        metrics = {}
        for name, values in columns.items():
            sums, counts = [row.sum() for row in values.values()], [len(row) for row in values.values()]
            mean = float(np.concatenate(list(values.values())).mean())
            metrics[name] = Score(mean, len(objects), *interval(sums, counts, "sequences"))
        breakdown: dict[str, Any] = {
            "columns": list(STATISTICS),
            "objects": {f"{unit}_{k + 1}": row.tolist() for unit, part in rows.items() for k, row in enumerate(part)},
            "attributes": _by_attribute(_sequences(data, recipe), jf, rows),
        }
        told: dict[str, list[str]] = {
            name: list(dict.fromkeys(text for outcome in outcomes.values() for text in outcome.values.get(name, ())))
            for name in ("notes", "adapters")
        }
        if isinstance(recipe, MaskPropagation):
            breakdown["adapters"] = told["adapters"]
        sequences = [item for item in _sequences(data, recipe) if item.id in rows]
        return Scores(metrics, breakdown, (*_notes(sequences, recipe), *told["notes"]))


def _sequences(data: Survey, recipe: Recipe) -> list[MaskSequence]:
    return [sequence for sequence in data.items if recipe.part in sequence.lists]


def _keeping(maps: Iterable[np.ndarray], kept: list[np.ndarray]) -> Iterator[np.ndarray]:
    for index in maps:
        kept.append(index)
        yield index


def _given_scores(
    sequence: MaskSequence, folder: Path, recipe: GivenMasks, scored: slice, objects: int
) -> tuple[np.ndarray, np.ndarray]:
    """J and F `(objects, frames)` of files.

    Raises
    ------
    BadData : all that is wrong with the files of the sequence.
    """
    files = recipe.masks(folder, sequence)[scored]
    faults = Faults(folder)
    ours, true = tee(_pairs(sequence, files, sequence.masks[scored], recipe, faults))
    score = davis.unsupervised_scores if recipe.task == "unsupervised" else davis.sequence_scores
    try:
        j, f = score((pair[0] for pair in ours), (pair[1] for pair in true), objects)
    except ValueError as fault:
        # Where every frame has a fault of its own, that no frame is left is no news.
        if not faults:
            faults.add(folder / sequence.id, str(fault))
    faults.refuse("give a mask of the truth's size and indices for every scored frame")
    return j, f


def _refuse_unusable(sequence: MaskSequence, recipe: Recipe) -> None:
    if sequence.merged and not recipe.merged:
        raise BadData("its masks are of the 2016 form (255 on 0, objects merged)", "score it with --recipe davis2016")
    if sequence.objects == 0:
        raise BadData("its first mask holds no object, so that nothing can be scored", "check the data set")
    if len(sequence.names) < FEWEST_FRAMES and recipe.task == "semi-supervised":
        raise BadData(f"{len(sequence.names)} frames: the first and the last are not scored, so that none is left")


def _pairs(
    sequence: MaskSequence, ours: Sequence[Path], true: Sequence[Path], recipe: GivenMasks, faults: Faults
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Result and truth of each frame; a frame that cannot be scored is left out and told in `faults`."""
    for mine, theirs in zip(ours, true, strict=True):
        truth = masks.read(theirs)
        try:
            index = masks.read(mine)
        except BadData as fault:
            faults.add(mine, fault.what)
            continue
        if index.shape != truth.shape:
            sizes = [f"{shape[1]} x {shape[0]}" for shape in (index.shape, truth.shape)]
            faults.add(mine, f"{sizes[0]}, the truth is {sizes[1]}")
            continue
        if recipe.merged:
            index = (index > 0).astype(np.uint8)
            truth = ((truth > 0) if sequence.merged else (truth > 0) & (truth != davis.VOID)).astype(np.uint8)
        elif recipe.task == "semi-supervised" and index.max() > sequence.objects:
            hint = " (of the 2016 form, 255 on 0?)" if set(np.unique(index).tolist()) == {0, davis.VOID} else ""
            faults.add(mine, f"holds index {index.max()}, the truth has indices up to {sequence.objects}{hint}")
            continue
        elif recipe.task == "unsupervised" and index.max() > davis.MOST_PROPOSALS:
            faults.add(mine, f"holds index {index.max()}, at most {davis.MOST_PROPOSALS} results are allowed")
            continue
        yield index, truth


def _notes(sequences: Sequence[MaskSequence], recipe: Recipe) -> tuple[str, ...]:
    """What the label of the data does not tell: it is of the lists and counts of one year."""
    later = [sequence.id for sequence in sequences if recipe.merged and not sequence.merged]
    if not later:
        return ()
    return (f"truth of {len(later)} sequences: masks of 2017, merged, not those of 2016: {name_several(later, 4)}",)


def _by_attribute(
    sequences: Sequence[MaskSequence], jf: Mapping[str, np.ndarray], rows: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """Means over the objects of the sequences that have an attribute."""
    found = {}
    for name in sorted({attribute for sequence in sequences for attribute in sequence.attributes}):
        mine = [sequence.id for sequence in sequences if name in sequence.attributes and sequence.id in rows]
        if mine:
            table = np.concatenate([rows[unit] for unit in mine])
            mean = np.concatenate([jf[unit] for unit in mine]).mean()
            found[name] = {
                "sequences": len(mine), "objects": len(table), "jf_mean": float(mean),
                "j_mean": float(table[:, 0].mean()), "f_mean": float(table[:, 3].mean()),
            }  # fmt: skip
    return found


BENCHMARK = Davis2017()
