"""The released evaluator of a benchmark beside ours, where it is installed; nothing of it reaches a record."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled import registry
from unlabeled.errors import BadData, UnlabeledError, WrongCall
from unlabeled.given import GivenResults
from unlabeled.records import Record

TASK = "semi-supervised"
"""The recipe of davis2017 that the package scores from the same masks."""


def refuse_without(benchmark: str) -> None:
    """See that a released evaluator is there, before anything is scored.

    Raises
    ------
    WrongCall : no such evaluator is known, or it is not installed.
    """
    if benchmark != "davis2017":
        raise WrongCall(f"--official: no released evaluator of {benchmark} is known here", "leave --official out")
    try:
        importlib.import_module("davis2017.evaluation")
    except ImportError as fault:
        raise WrongCall(
            f"--official needs the package davis2017 ({fault})",
            "it is on no registry: pip install the repository davisvideochallenge/davis2017-evaluation",
        ) from fault


def compare(record: Record, data: Path, given: Any) -> list[str]:
    """Lines of both scores on the sequences that the package can read: it lists frames from the pictures.

    Raises
    ------
    WrongCall : the run is of another recipe, or of no folder of results.
    BadData : the package stopped; its own words are told.
    """
    if not isinstance(given, GivenResults) or record.spec["recipe"] != TASK:
        raise WrongCall(f"--official scores --results in the recipe {TASK}")
    reader = registry.load("datasets", "davis2017")
    folder = reader.find(data)
    if folder is None:
        raise WrongCall("--official reads a data root on disk", "name it with --data")
    items = [item for item in reader.survey(folder).items if "2017 val" in item.lists]
    readable = [item.id for item in items if item.images]
    if not readable:
        return ["official: the package lists frames from JPEGImages, and no sequence has pictures"]
    theirs = _run(folder, given.folder, readable)
    ours = {name: row for name, row in record.breakdown["objects"].items() if name.rpartition("_")[0] in readable}
    lines = [f"official (davis2017 package), {len(readable)} of {len(items)} sequences, {len(ours)} objects:"]
    for place, (measure, kind) in enumerate((m, k) for m in "JF" for k in "MRD"):
        mine, official = float(np.mean([row[place] for row in ours.values()])), float(np.mean(theirs[measure][kind]))
        name = {"M": "Mean", "R": "Recall", "D": "Decay"}[kind]
        lines.append(f"  {measure}-{name:<6}  ours {mine:.6f}  official {official:.6f}  {mine - official:+.1e}")
    return lines


def _run(folder: Path, results: Path, sequences: list[str]) -> Mapping[str, Mapping[str, Any]]:
    """The package's own evaluation. It ends the process with status 0 where it finds a fault."""
    evaluation = importlib.import_module("davis2017.evaluation").DAVISEvaluation
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
            found: Mapping[str, Mapping[str, Any]] = evaluation(
                davis_root=str(folder), task=TASK, gt_set="val", sequences=sequences
            ).evaluate(str(results))
    except SystemExit as fault:
        raise BadData(f"the davis2017 package stopped: {said.getvalue().strip()}") from fault
    except Exception as fault:
        raise UnlabeledError(f"the davis2017 package failed: {type(fault).__name__}: {fault}") from fault
    return found
