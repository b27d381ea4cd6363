"""Evaluation of a folder of masks beside the released DAVIS evaluation."""

from __future__ import annotations

import importlib
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unlabeled.bench import Row, interleaved, one_thread, row
from unlabeled.benchmarks.metrics import davis as metrics
from unlabeled.datasets.decode import masks
from unlabeled.streams import stream

HEIGHT, WIDTH, OBJECTS, FRAMES = 480, 854, 3, 20
SEQUENCE, RESULT = "blobs", "result"

Numbers = np.ndarray
"""What both sides give: mean, recall and decay of J, then of F, for each object `(objects, 6)`."""


# ---------------------------------------------------------------- the set


def generated(folder: Path) -> None:
    """A DAVIS folder of one sequence, ragged blobs that drift over each other, and a result that follows them."""
    truth, result = folder / f"Annotations/480p/{SEQUENCE}", folder / RESULT / SEQUENCE
    frames, lists = folder / f"JPEGImages/480p/{SEQUENCE}", folder / "ImageSets/2017"
    for path in (truth, result, frames, lists):
        path.mkdir(parents=True)
    (lists / "val.txt").write_text(f"{SEQUENCE}\n")
    rng = stream(0, "bench", "davis")
    starts, ways = rng.uniform([120, 200], [360, 650], (OBJECTS, 2)), rng.uniform(-6, 6, (OBJECTS, 2))
    for t in range(FRAMES):
        (frames / f"{t:05d}.jpg").touch()  # the released code lists the frames and opens none
        centres = starts + ways * t
        masks.write(truth / f"{t:05d}.png", _painted(centres, rng))
        masks.write(result / f"{t:05d}.png", _painted(centres + rng.normal(0, 0.4 * t, centres.shape), rng))


def _painted(centres: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Discs whose edge swings with the angle, differently each time, and is rough pixel by pixel."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    index = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    for k, (cy, cx) in enumerate(centres):
        angle, distance = np.arctan2(y - cy, x - cx), np.hypot(y - cy, x - cx)
        edge = (110, 70, 40)[k] * (1 + 0.1 * np.sin(5 * angle) + 0.06 * np.sin(13 * angle + rng.uniform(0, 6)))
        index[distance + rng.normal(0, 0.5, index.shape) < edge] = k + 1
    return index


# ---------------------------------------------------------------- both sides


def ours(folder: Path) -> Numbers:
    """From files to statistics, one frame in memory at a time."""
    truth, result = (
        sorted((folder / part / SEQUENCE).glob("*.png")) for part in (Path("Annotations/480p"), Path(RESULT))
    )
    objects = metrics.count_objects(masks.read(truth[0]))
    j, f = metrics.sequence_scores(map(masks.read, result[1:-1]), map(masks.read, truth[1:-1]), objects)
    return np.array([[*metrics.statistics(j[k]), *metrics.statistics(f[k])] for k in range(objects)])


def released(folder: Path) -> Numbers:
    """The package `davis2017` itself."""
    package = importlib.import_module("davis2017.evaluation")
    scores = package.DAVISEvaluation(str(folder), "semi-supervised", "val").evaluate(str(folder / RESULT))
    return np.array([scores[letter][what] for letter in "JF" for what in "MRD"]).T


def stand_in(folder: Path) -> Numbers:
    """The steps of the released evaluation: the whole sequence in memory, one float map an object and frame."""
    names = sorted(path.name for path in (folder / f"Annotations/480p/{SEQUENCE}").iterdir())

    def whole(part: str, chosen: list[str]) -> np.ndarray:
        maps = np.stack([np.array(Image.open(folder / part / SEQUENCE / name), dtype=float) for name in chosen])
        return np.arange(1, OBJECTS + 1, dtype=float)[:, None, None, None] * np.ones((OBJECTS, *maps.shape)) == maps

    truth, result = whole("Annotations/480p", names)[:, 1:-1], whole(RESULT, names[1:-1])
    both, either = ((operation(truth, result)).sum((-2, -1)) for operation in (np.logical_and, np.logical_or))
    j = np.where(either > 0, both / np.maximum(either, 1), 1.0)
    dilate, radius = _dilation(), int(np.ceil(0.008 * np.hypot(HEIGHT, WIDTH)))
    f = np.zeros_like(j)
    for k, t in np.ndindex(f.shape):
        edges = [_edges(side[k, t]) for side in (result, truth)]
        wide = [dilate(edge, radius) for edge in edges]
        counts = [edge.sum() for edge in edges]
        if 0 in counts:
            f[k, t] = counts[0] == counts[1]
            continue
        precision, recall = (edges[0] * wide[1]).sum() / counts[0], (edges[1] * wide[0]).sum() / counts[1]
        f[k, t] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return np.array([[*metrics.statistics(j[k]), *metrics.statistics(f[k])] for k in range(OBJECTS)])


def _edges(mask: np.ndarray) -> np.ndarray:
    right, below, across = (np.zeros_like(mask) for _ in range(3))
    right[:, :-1], below[:-1], across[:-1, :-1] = mask[:, 1:], mask[1:], mask[1:, 1:]
    edges: np.ndarray = (mask ^ right) | (mask ^ below) | (mask ^ across)
    edges[-1], edges[:, -1] = mask[-1] ^ right[-1], mask[:, -1] ^ below[:, -1]
    edges[-1, -1] = False
    return edges


def _dilation() -> Callable[[np.ndarray, int], np.ndarray]:
    cv2 = _installed("cv2")
    if cv2 is None:
        return _shifted

    def dilate(edges: np.ndarray, radius: int) -> np.ndarray:
        dy, dx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
        found: np.ndarray = cv2.dilate(edges.astype(np.uint8), (dy**2 + dx**2 <= radius**2).astype(np.uint8))
        return found

    return dilate


def _shifted(edges: np.ndarray, radius: int) -> np.ndarray:
    """Dilation by a disc, a row of it at a time: without OpenCV nothing general is about as fast as OpenCV."""
    height, width = edges.shape
    padded = np.pad(edges, radius)
    rows, wide = [padded.copy()], padded.copy()
    for dx in range(1, radius + 1):
        wide[:, dx:] |= padded[:, :-dx]
        wide[:, :-dx] |= padded[:, dx:]
        rows.append(wide.copy())
    dilated = np.zeros_like(edges)
    for dy in range(-radius, radius + 1):
        row_of_disc = rows[int(np.sqrt(radius**2 - dy**2))]
        dilated |= row_of_disc[radius + dy : radius + dy + height, radius : radius + width]
    return dilated


# ---------------------------------------------------------------- the bench


def davis(seconds_budget: float) -> list[Row]:
    """J and F with their statistics, from the PNGs of 20 frames with three objects, against the released evaluation.

    Where the package `davis2017` is not installed a stand-in goes through the same steps.
    """
    cv2 = _installed("cv2")
    if cv2:
        cv2.setNumThreads(1)  # a pool of its own, which one_thread does not know
    if _installed("davis2017.evaluation"):
        peer, version = released, f"davis2017 {importlib.import_module('davis2017').__version__}"
    else:
        dilation = f"OpenCV {cv2.__version__}" if cv2 else "NumPy"
        peer, version = stand_in, f"the steps of davis2017-evaluation, dilation by {dilation}"
    with one_thread(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generated(folder)
        us, them = interleaved([lambda: ours(folder), lambda: peer(folder)], seconds_budget)
        difference = float(np.abs(ours(folder) - peer(folder)).max())
        memory = [_peak(side, folder) / 2**20 for side in (ours, peer)]
    what = (
        f"DAVIS J and F from PNGs, {OBJECTS} objects, {HEIGHT} x {WIDTH} "
        f"(peak memory {memory[0]:.0f} MB, peer {memory[1]:.0f} MB)"
    )
    return [row(what, us, them, OBJECTS * (FRAMES - 2), version, difference, "object-frames/s")]


def _peak(side: Callable[[Path], Numbers], folder: Path) -> int:
    """Bytes of arrays and other Python memory at the worst moment; that of OpenCV and Pillow is not seen."""
    tracemalloc.start()
    try:
        side(folder)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _installed(name: str) -> Any:
    """The module, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
