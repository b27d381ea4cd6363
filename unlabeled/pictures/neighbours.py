"""Nearest neighbours of frames: what lies near in the features that a benchmark read, before and after learning.

Queries are frames of test videos, and training videos are searched, so that no neighbour is of the query's recording.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlabeled import weights
from unlabeled.benchmarks.probes.frames import find_point
from unlabeled.contracts import ImageItem, Info, Pick, Request, Survey
from unlabeled.errors import BadData, UnlabeledError
from unlabeled.pictures.sheet import Canvas, Plate, cut, resized, save, shown_size, spread
from unlabeled.pictures.system import System
from unlabeled.streams import Rng
from unlabeled.training import pretraining
from unlabeled.training.loading import Loader

QUERIES, NEAREST = 6, 4
SEARCHED, RUNS = 100, 4
"""Videos that are searched, and frames of each, at equal steps."""
BATCH = 25
SIDE, GAP, EDGE, HEAD, LABEL, APART = 120, 6, 20, 92, 44, 26


@dataclass(frozen=True)
class Runs:
    """A rule for the loader: `count` runs at equal steps of a video, each of `frames` pictures `step` apart.

    A shorter video starts again at its first frame; a picture is one run.
    """

    count: int
    frames: int = 1
    step: int = 1

    def __call__(self, info: Info, rng: Rng) -> Pick:
        """The same for every draw."""
        last = max(0, info.frames - 1 - (self.frames - 1) * self.step)
        starts = np.linspace(0, last, self.count).round().astype(int).tolist()
        return Pick(tuple(tuple((start + k * self.step) % info.frames for k in range(self.frames)) for start in starts))


@dataclass(frozen=True)
class Frames:
    """Runs of frames of several items: inputs of an encoder `(n, 3, T, H, W)`, of each its item and first frame."""

    inputs: Tensor
    items: Sequence[Any]
    starts: Sequence[int]

    def picture(self, k: int) -> np.ndarray:
        """The middle frame of run k, `(H, W, 3)` uint8."""
        run = self.inputs[k]
        return (run[:, run.shape[1] // 2].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()


def draw(system: System, out: Path) -> list[Plate]:
    """One plate: query frames with their neighbours, after learning and before; nothing without features."""
    if "chance" in system.plan.method.roles:
        return []
    roles, recipe = _roles(system), system.plan.recipe
    some = next(iter(roles.values()))
    video = hasattr(some, "encode_clip") and (recipe.role == "video" or not hasattr(some, "encode"))
    if not video and not hasattr(some, "encode"):
        return []
    point = find_point(some, recipe.point)
    train, test = pretraining.parts(system.data)
    queries = _read(system, spread(test, QUERIES), some, video, middle=True)
    searched = _read(system, spread(train, SEARCHED), some, video, middle=False)
    found = {}
    for words, role in roles.items():
        if hasattr(role, "calibrate"):
            role.calibrate(_inputs(searched, video))
        asked, known = (_features(system, role, frames, point, video) for frames in (queries, searched))
        found[words] = nearest(asked, known, queries.items, searched.items)
    title = f"{system.name}: nearest neighbours in {point} ({some.points[point].dim} numbers)"
    file = save(_sheet(queries, searched, found, system.data, title).figure, out / "neighbours.png")
    caption = (
        f"Of {len(searched.items)} frames of {len({item.id for item in searched.items})} training videos the nearest, "
        "one of a video, by the cosine of features that are scaled to mean 0 and deviation 1, as probes do. Below each "
        "its class, which nothing here was told, and the number of its frame. Random weights: the same network before "
        "its first step, normalised on the frames that are searched."
    )
    return [Plate(file, "Nearest neighbours", caption)]


def nearest(queries: np.ndarray, searched: np.ndarray, asking: Sequence[Any], owners: Sequence[Any]) -> list[list[int]]:
    """The rows of `searched` `(n, dim)` nearest to each of the `queries` `(q, dim)`, the nearest first.

    Features are scaled to mean 0 and deviation 1 of what is searched and compared by their cosine; of each item (a row
    of `owners`) one row counts, and none of the item or the group that asks. At most NEAREST, fewer of fewer items.
    """
    mean, deviation = searched.mean(axis=0), searched.std(axis=0)
    # What never changes says nothing: it becomes 0.
    scaled = [(rows - mean) / np.where(deviation > 0, deviation, np.inf) for rows in (queries, searched)]
    near, far = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12) for rows in scaled)
    found = []
    for item, order in zip(asking, np.argsort(-(near @ far.T), axis=1, kind="stable").tolist(), strict=True):
        rows: dict[str, int] = {}
        for row in order:
            if not _same(item, owners[row]):
                rows.setdefault(owners[row].id, row)
        found.append(list(rows.values())[:NEAREST])
    return found


def _same(one: Any, other: Any) -> bool:
    """Whether two items are one, or cut from one recording."""
    group = getattr(one, "group", "")
    return bool(one.id == other.id or (group and group == getattr(other, "group", "")))


# ---------------------------------------------------------------- encoders and frames


def _roles(system: System) -> dict[str, Any]:
    """The encoder that the benchmark read, where something was learned, and that of the random network.

    Raises
    ------
    UnlabeledError : what was learned is not kept.
    """
    net = system.untrained()
    before, spec = system.role(net), system.record.spec
    random = {"with random weights": weights.untrained(before, net)}
    if system.learned is not None or (spec.get("weights") and not spec.get("random_weights")):
        return {"after learning": system.role(system.trained()), **random}
    if hasattr(before, "fit"):
        raise UnlabeledError(f"{spec['method']} learns inside of the benchmark, and that network is not kept")
    return random


def _read(system: System, items: Sequence[Any], role: Any, video: bool, middle: bool) -> Frames:
    """Runs of the items as an encoder takes them: some at equal steps, or the one in the middle."""
    size, length, step = (role.clip.size, role.clip.frames, role.clip.step) if video else (role.size, 1, 1)
    still = all(isinstance(item, ImageItem) for item in items)
    rule = Runs(1 if still else 3 if middle else RUNS, length, step)
    folder = system.store.root / "frames"
    loader = Loader(items, Request("clips", size, rule), BATCH, Rng(0), cache=folder, cache_bytes=0)
    inputs = torch.cat([batch.frames for batch in loader.once() if batch.frames is not None])
    chosen = slice(1, 2) if middle and not still else slice(None)
    starts = [[run[0] for run in rule(info, Rng(0)).frames[chosen]] for info in loader.infos]
    told = [(item, start) for item, own in zip(items, starts, strict=True) for start in own]
    return Frames(inputs[:, chosen].flatten(0, 1), [item for item, _ in told], [start for _, start in told])


def _inputs(frames: Frames, video: bool) -> Iterator[Tensor]:
    """Batches of clips `(n, 3, T, H, W)`, or of pictures `(n, 3, H, W)`."""
    return (part if video else part[:, :, 0] for part in frames.inputs.split(BATCH * RUNS))


def _features(system: System, role: Any, frames: Frames, point: str, video: bool) -> np.ndarray:
    """Features `(n, dim)` of all runs."""
    with system.running("the encoder"), torch.no_grad():
        encode = role.encode_clip if video else role.encode
        parts = [encode(part, point).double().cpu() for part in _inputs(frames, video)]
        found: np.ndarray = torch.cat(parts).numpy()
    if not np.isfinite(found).all():
        raise BadData(f"{system.record.spec['method']} gives features that are no numbers at {point}")
    return found


# ---------------------------------------------------------------- the sheet


def _sheet(
    queries: Frames, searched: Frames, found: Mapping[str, Sequence[Sequence[int]]], data: Survey, title: str
) -> Canvas:
    """A row for each query: the query, then its neighbours in each space."""
    height, width = shown_size(queries.inputs.shape[-2], queries.inputs.shape[-1], SIDE)
    column, line = width + GAP, height + LABEL
    group = NEAREST * column + APART
    sheet = Canvas(EDGE + column + APART + len(found) * group, HEAD + len(queries.items) * line)
    sheet.text(EDGE, 24, title, 15)

    def put(frames: Frames, k: int, x: int, y: int) -> None:
        item = frames.items[k]
        sheet.picture(x, y, resized(frames.picture(k), height, width))
        sheet.text(x, y + height + 11, cut(data.classes[item.target] if item.target >= 0 else "", width, 10), 10)
        if not isinstance(item, ImageItem):
            sheet.text(x, y + height + 27, f"frame {frames.starts[k]}", 9, color="dimgrey")

    sheet.text(EDGE, 68, "query", 13, weight="bold")
    for row in range(len(queries.items)):
        put(queries, row, EDGE, HEAD + row * line)
    for place, (words, rows) in enumerate(found.items()):
        left = EDGE + column + APART + place * group
        sheet.text(left, 68, f"nearest {words}", 13, weight="bold")
        for row, chosen in enumerate(rows):
            for k, neighbour in enumerate(chosen):
                put(searched, neighbour, left + k * column, HEAD + row * line)
    return sheet
