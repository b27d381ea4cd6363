"""What the published files may say, and the check of every row and join against it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlabeled.published import Cell, Reference, System, TableCell


@dataclass(frozen=True)
class Bench:
    """How the tables call a benchmark, and the unit of each metric."""

    title: str
    metrics: Mapping[str, str]


def _percent(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "percent")


BENCHMARKS: Mapping[str, Bench] = {
    "ucf101": Bench("UCF-101", _percent("accuracy")),
    "hmdb51": Bench("HMDB-51", _percent("accuracy")),
    "voc2007": Bench("VOC 2007", _percent("map", "map_classification")),
    "imagenet_linear": Bench("ImageNet linear", _percent("accuracy_top1", "accuracy_top5")),
    "esc50": Bench("ESC-50", _percent("accuracy")),
    "esc10": Bench("ESC-10", _percent("accuracy")),
    "dcase2013": Bench("DCASE 2013", _percent("accuracy")),
    "davis2017": Bench("DAVIS 2017", _percent("jf_mean", "j_mean", "f_mean", "j_recall", "f_recall")),
    "jhmdb": Bench("JHMDB", _percent("pck@0.1", "pck@0.2", "pck@0.3", "pck@0.4", "pck@0.5")),
    "music_separation": Bench("MUSIC separation", dict.fromkeys(("nsdr", "sdr", "sir", "sar"), "dB")),
    "av_correspondence": Bench("AV correspondence", _percent("accuracy")),
    "cross_modal_retrieval": Bench(
        "Cross-modal retrieval",
        dict.fromkeys([f"ndcg@30:{pair}" for pair in ("im-aud", "aud-im", "im-im", "aud-aud")], "fraction"),
    ),
    "coco_detection": Bench("COCO detection", _percent("ap_box")),
    "imagenet_finetune": Bench("ImageNet fine-tuning", _percent("accuracy_top1")),
    "pose": Bench(
        "Pose (FLIC, MPII)",
        _percent("pck_mean", "pck_auc", "pckh_mean_upper", "pckh_mean_full", "pckh_auc"),
    ),
    "av_synchronisation": Bench("AV synchronisation", _percent("accuracy", "accuracy_paired")),
    "sound_localisation": Bench("Sound localisation", _percent("success@0.5", "auc", "mean_ciou", "pointing")),
    "video_retrieval": Bench("Video retrieval", _percent("recall@1", "recall@5", "recall@10", "recall@20")),
    "moving_mnist": Bench("Moving MNIST", {}),
}
"""Every benchmark id of the published files; those without a table stand for systems that name them."""

RELEASED = ";released checkpoint"
"""End of a variant that is the plain one with the authors' weights."""

QUOTE_VARIANTS = frozenset({"as quoted by DeepPermNet", "released code"})
"""Variants that only say who quotes the number: they share the plain run."""

RUN_VARIANTS = frozenset(
    {
        "alexnet",
        "alexnet;init=data_dependent_init",
        "amdim-large",
        "batch-epochs",
        "binary_mask;linear",
        "binary_mask;log",
        "coarse_to_fine",
        "dynamic-image",
        "flow",
        "flownet2",
        "l3_audio",
        "l3_net features",
        "l3_vision",
        "no rescaling",
        "objects-that-sound training",
        "ratio_mask;linear",
        "ratio_mask;log",
        "rel_pos+colour+exemplar;resnet101",
        "rel_pos+colour;resnet101",
        "rel_pos+exemplar;resnet101",
        "resnet101",
        "resnet161",
        "resnet50",
        "resnet50-2x",
        "resnet50-2x;released checkpoint",
        "resnet50-4x",
        "resnet50-4x;released checkpoint",
        "resnet50-c2x",
        "resnet50;released checkpoint",
        "revnet50-4x",
        "rgb",
        "soundnet5;trained on ESC labels",
        "soundnet8;trained on ESC labels",
        "stack-of-differences",
        "sum-of-differences",
        "vit_base",
        "vit_base;jft300m",
        "vit_huge",
        "vit_huge;448",
        "vit_huge;jft300m",
        "vit_large",
        "vit_large;jft300m",
    }
)
"""Variants that select a run. One that stands in neither list is a fault: somebody must decide."""

_STATUS = frozenset({"verified", "unverified", "not-readable"})
_ALLOWED: Mapping[str, Mapping[str, frozenset[str]]] = {
    "tables.csv": {
        "shown": frozenset({"text", "picture", "not on a slide"}),
        "unit": frozenset({"percent", "dB", "fraction"}),
        "direction": frozenset({"higher"}),
        "value_source": frozenset({"slide", "paper", "none"}),
        "value_status": _STATUS | {"seed-text"},
        "paper_status": _STATUS | {""},
    },
    "cells.csv": {
        "preset": frozenset({"paper"}),
        "measurable": frozenset({"yes", "no"}),
        "missing": frozenset({"", "data", "weights", "not built"}),
        "cost": frozenset({"", "none", "cpu-minutes", "cpu-hours", "gpu-hours", "gpu-days", "cluster"}),
    },
    "systems.csv": {
        "kind": frozenset(
            {"image pretext", "video pretext", "predictive", "audio-visual", "cross-modal retrieval"}
            | {"translation", "separation", "localisation", "tracking", "supervised baseline"}
            | {"classical baseline", "theory only"}
        ),
        "tier": frozenset("ABC"),
        "build": frozenset({"core", "extra", "row-only", "none"}),
    },
}
_SHARED = ("table_id", "method_id", "variant", "benchmark", "metric", "unit", "split", "dataset")
"""Columns that a cell has in both files."""
_SAME_IN_TABLE = ("table_title", "seed", "shown", "table_source")
"""Columns that describe the table, not the cell."""


def all_faults(
    tables: Sequence[TableCell],
    cells: Sequence[Cell],
    systems: Sequence[System],
    references: Sequence[Reference],
) -> list[str]:
    """Every fault of the published files, one line each; empty where all is well."""
    methods = frozenset(system.method_id for system in systems)
    keys = frozenset(reference.key for reference in references)
    measured = {cell.cell_id: cell for cell in cells}
    return [
        *_twice("tables.csv", "cell_id", (cell.cell_id for cell in tables)),
        *_twice("cells.csv", "cell_id", (cell.cell_id for cell in cells)),
        *_twice("systems.csv", "method_id", (system.method_id for system in systems)),
        *_twice("references.bib", "key", (reference.key for reference in references)),
        *_unpaired(tables, cells),
        *(fault for cell in tables for fault in _table_cell(cell, methods, keys)),
        *(fault for cell in cells for fault in _cell(cell, methods)),
        *(fault for row in tables if row.cell_id in measured for fault in _join(row, measured[row.cell_id])),
        *(fault for system in systems for fault in _system(system, keys)),
        *_same_place(tables),
        *_same_heading(tables),
    ]


def _fault(file: str, row: str, column: str, value: str, why: str) -> str:
    return f"{file}, {row}, {column}: {value!r} {why}"


def _twice(file: str, column: str, values: Iterable[str]) -> list[str]:
    return [
        _fault(file, value, column, value, f"stands {count} times")
        for value, count in Counter(values).items()
        if count > 1
    ]


def _unpaired(tables: Sequence[TableCell], cells: Sequence[Cell]) -> list[str]:
    left, right = {cell.cell_id for cell in tables}, {cell.cell_id for cell in cells}
    return [
        *(_fault("tables.csv", name, "cell_id", name, "is not in cells.csv") for name in sorted(left - right)),
        *(_fault("cells.csv", name, "cell_id", name, "is not in tables.csv") for name in sorted(right - left)),
    ]


def _fields(file: str, row: str, values: Any) -> list[str]:
    """Fields with a sign that no table can show, such as a line end, and those that must be one of a few words."""
    texts = {field.name: getattr(values, field.name) for field in fields(values)}
    return [
        *(
            _fault(file, row, column, text, "holds a sign that cannot be printed")
            for column, text in texts.items()
            if not text.isprintable()
        ),
        *(
            _fault(file, row, column, texts[column], f"is not one of {sorted(allowed)}")
            for column, allowed in _ALLOWED[file].items()
            if texts[column] not in allowed
        ),
    ]


def _number(text: str) -> bool:
    """Digits of ASCII, no more than a table has room for: `float` takes digits of any script."""
    return re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", text) is not None


def _measure(file: str, cell: TableCell | Cell, methods: frozenset[str]) -> list[str]:
    """What both files say of a cell: method, variant, benchmark, metric, unit."""
    faults = []
    if cell.method_id not in methods:
        faults.append(_fault(file, cell.cell_id, "method_id", cell.method_id, "is not in systems.csv"))
    if cell.variant and cell.variant not in RUN_VARIANTS | QUOTE_VARIANTS:
        why = "is listed neither as a run variant nor as a quote variant"
        faults.append(_fault(file, cell.cell_id, "variant", cell.variant, why))
    bench = BENCHMARKS.get(cell.benchmark)
    if bench is None:
        faults.append(_fault(file, cell.cell_id, "benchmark", cell.benchmark, "is no known benchmark"))
    elif cell.metric not in bench.metrics:
        why = f"is no metric of {cell.benchmark}: {', '.join(bench.metrics)}"
        faults.append(_fault(file, cell.cell_id, "metric", cell.metric, why))
    elif cell.unit != bench.metrics[cell.metric]:
        why = f"is not the unit of {cell.metric}: {bench.metrics[cell.metric]}"
        faults.append(_fault(file, cell.cell_id, "unit", cell.unit, why))
    return faults


def _table_cell(cell: TableCell, methods: frozenset[str], keys: frozenset[str]) -> list[str]:
    file, row = "tables.csv", cell.cell_id
    faults = [*_fields(file, row, cell), *_measure(file, cell, methods)]
    for column in ("value", "value_slide", "value_paper"):
        text = getattr(cell, column)
        if text and not _number(text):
            faults.append(_fault(file, row, column, text, "is no number"))
    if not re.fullmatch(r"[0-9]{1,4}", cell.row):
        faults.append(_fault(file, row, "row", cell.row, "is no whole number"))
    if cell.value != (cell.value_slide or cell.value_paper):
        stands = cell.value_slide or cell.value_paper
        faults.append(_fault(file, row, "value", cell.value, f"is not the slide's, else the paper's: {stands!r}"))
    if (cell.value_status == "not-readable") != (not cell.value):
        faults.append(_fault(file, row, "value_status", cell.value_status, f"with the value {cell.value!r}"))
    if cell.paper_citation and cell.paper_citation not in keys:
        faults.append(_fault(file, row, "paper_citation", cell.paper_citation, "is not in references.bib"))
    if cell.value and not (cell.paper_citation or cell.paper_source):
        faults.append(_fault(file, row, "paper_citation", "", "although the cell has a number"))
    return faults


def _cell(cell: Cell, methods: frozenset[str]) -> list[str]:
    file, row = "cells.csv", cell.cell_id
    faults = [*_fields(file, row, cell), *_measure(file, cell, methods)]
    if not re.fullmatch(r"[1-9][0-9]?", cell.seeds):
        faults.append(_fault(file, row, "seeds", cell.seeds, "is no number of runs from 1 to 99"))
    if not _number(cell.tolerance) or not 0 <= float(cell.tolerance) <= 10:
        faults.append(_fault(file, row, "tolerance", cell.tolerance, "is no distance from 0 to 10"))
    if cell.recipe.partition("/")[0] != cell.benchmark or not cell.recipe_name:
        faults.append(_fault(file, row, "recipe", cell.recipe, f"is not {cell.benchmark}/NAME"))
    variant = "" if cell.variant in QUOTE_VARIANTS else cell.variant
    parts = (cell.method_id, variant, cell.recipe, cell.preset, cell.metric, cell.split, cell.dataset)
    if cell.measure_id != "|".join(parts):
        faults.append(_fault(file, row, "measure_id", cell.measure_id, f"is not {'|'.join(parts)!r}"))
    return faults


def _join(row: TableCell, cell: Cell) -> list[str]:
    """A cell must say the same in both files."""
    faults = [
        _fault(
            "cells.csv",
            cell.cell_id,
            column,
            getattr(cell, column),
            f"is {getattr(row, column)!r} in tables.csv",
        )
        for column in _SHARED
        if getattr(row, column) != getattr(cell, column)
    ]
    if cell.published_value != row.value:
        why = f"is {row.value!r} in tables.csv"
        faults.append(_fault("cells.csv", cell.cell_id, "published_value", cell.published_value, why))
    return faults


def _system(system: System, keys: frozenset[str]) -> list[str]:
    file, row = "systems.csv", system.method_id
    faults = _fields(file, row, system)
    for key in filter(None, system.bib.split(";")):
        if key not in keys:
            faults.append(_fault(file, row, "bib", key, "is not in references.bib"))
    for name in filter(None, system.benchmarks.split(";")):
        if name not in BENCHMARKS:
            faults.append(_fault(file, row, "benchmarks", name, "is no known benchmark"))
    return faults


def _same_place(tables: Sequence[TableCell]) -> list[str]:
    """Two numbers cannot stand in one place of a table."""
    first: dict[tuple[str, ...], str] = {}
    faults = []
    for cell in tables:
        place = (cell.table_id, cell.row, cell.column_label, cell.variant, cell.metric, cell.split)
        other = first.setdefault(place, cell.cell_id)
        if other != cell.cell_id:
            why = f"stands in the place of {other} (row {cell.row}, {cell.column_label})"
            faults.append(_fault("tables.csv", cell.cell_id, "row", cell.row, why))
    return faults


def _same_heading(tables: Sequence[TableCell]) -> list[str]:
    first: dict[str, TableCell] = {}
    return [
        _fault("tables.csv", cell.cell_id, column, getattr(cell, column), f"is {getattr(head, column)!r} above")
        for cell in tables
        for head in [first.setdefault(cell.table_id, cell)]
        for column in _SAME_IN_TABLE
        if getattr(cell, column) != getattr(head, column)
    ]
