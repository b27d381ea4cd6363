"""Scoring of detections against a routine that walks through them one by one, as the public ones do."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from unlabeled.bench import Row, interleaved, one_thread, row
from unlabeled.benchmarks.metrics.voc import Detected, Truth, class_ap
from unlabeled.datasets.decode.boxes import read_detections
from unlabeled.streams import stream

IMAGES, CLASSES, OBJECTS, DETECTIONS = 4_952, 20, 15_000, 254_590
"""About VOC 2007 test, and the size of a full set of result files for it."""
DIFFICULT, ON_OBJECTS = 0.2, 0.42
"""Shares of the objects, and of the detections that are shifted objects: half of all detections are then in an image
with an object of their class, as in real files."""

PEER = "one detection after the other, as py-faster-rcnn's routine"


def generated() -> list[tuple[Detected, Truth]]:
    """Detections and objects of each class; numbers have as many decimals as in result files."""
    rng = stream(0, "bench", "voc")
    classes = []
    for k in range(CLASSES):
        objects = OBJECTS // CLASSES
        count = DETECTIONS // CLASSES + (k < DETECTIONS % CLASSES)
        image = np.sort(rng.integers(IMAGES, size=objects))
        corner, size = rng.integers(1, 300, (objects, 2)), rng.integers(10, 200, (objects, 2))
        truth = Truth(image, np.hstack([corner, corner + size]).astype(float), rng.random(objects) < DIFFICULT)
        # Some detections are shifted objects, the others lie anywhere.
        near = rng.random(count) < ON_OBJECTS
        chosen = rng.integers(objects, size=count)
        boxes = truth.boxes[chosen] + rng.normal(0, 12, (count, 4)) * near[:, None]
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2])
        places = np.where(near, truth.image[chosen], rng.integers(IMAGES, size=count))
        order = np.argsort(places, kind="stable")
        scores = np.clip(rng.random(count) ** 3 + 0.2 * near, 0, 1)
        classes.append((Detected(places[order], scores[order].round(6), boxes[order].round(6)), truth))
    return classes


def write(detected: Detected, path: Path) -> None:
    """A result file."""
    lines = (
        f"{image + 1:06d} {score:.6f} " + " ".join(f"{corner:.6f}" for corner in box)
        for image, score, box in zip(detected.image, detected.score, detected.boxes, strict=True)
    )
    path.write_text("".join(f"{line}\n" for line in lines))


def read_by_lines(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Image ids, scores and boxes, line by line."""
    with path.open() as file:
        words = [line.split() for line in file]
    return (
        [word[0] for word in words],
        np.array([float(word[1]) for word in words]),
        np.array([[float(part) for part in word[2:]] for word in words]),
    )


def one_by_one(
    images: list[str], scores: np.ndarray, boxes: np.ndarray, truth: dict[str, tuple[np.ndarray, np.ndarray]]
) -> float:
    """11-point AP with a loop over detections; `truth` holds boxes and difficult flags of each image."""
    positives = sum(int((~difficult).sum()) for _, difficult in truth.values())
    taken = {image: [False] * len(difficult) for image, (_, difficult) in truth.items()}
    right, wrong = np.zeros(len(images)), np.zeros(len(images))
    for place, d in enumerate(np.argsort(-scores, kind="stable")):
        objects, difficult = truth[images[d]]
        largest = -1.0
        if len(objects):
            box = boxes[d]
            width = np.minimum(objects[:, 2], box[2]) - np.maximum(objects[:, 0], box[0]) + 1
            height = np.minimum(objects[:, 3], box[3]) - np.maximum(objects[:, 1], box[1]) + 1
            both = np.maximum(width, 0) * np.maximum(height, 0)
            own = (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
            theirs = (objects[:, 2] - objects[:, 0] + 1) * (objects[:, 3] - objects[:, 1] + 1)
            overlaps = both / (own + theirs - both)
            best = int(np.argmax(overlaps))
            largest = overlaps[best]
        if largest <= 0.5:
            wrong[place] = 1
        elif not difficult[best]:
            (wrong if taken[images[d]][best] else right)[place] = 1
            taken[images[d]][best] = True
    right, wrong = np.cumsum(right), np.cumsum(wrong)
    recall, precision = right / positives, right / np.maximum(right + wrong, np.finfo(float).eps)
    points = [precision[recall >= least] for least in np.arange(0, 1.1, 0.1)]
    return float(np.mean([point.max(initial=0) for point in points]))


def voc(seconds_budget: float) -> list[Row]:
    """11-point AP of 20 classes, 254,590 detections in 4,952 images: from result files, and from arrays."""
    classes = generated()
    ids = [f"{image + 1:06d}" for image in range(IMAGES)]
    by_id = [
        {image: (truth.boxes[here], truth.difficult[here]) for image, here in _places(truth, ids).items()}
        for _, truth in classes
    ]
    names = [[ids[image] for image in detected.image] for detected, _ in classes]

    def arrays() -> list[float | None]:
        return [class_ap(detected, truth) for detected, truth in classes]

    def peer_arrays() -> list[float]:
        parts = zip(names, classes, by_id, strict=True)
        return [one_by_one(images, given.score, given.boxes, truth) for images, (given, _), truth in parts]

    with one_thread(), tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"comp4_det_test_{k:02d}.txt" for k in range(CLASSES)]
        for (detected, _), path in zip(classes, paths, strict=True):
            write(detected, path)

        def files() -> list[float | None]:
            found = [read_detections(path) for path in paths]
            parts = [Detected(part.index(ids), part.scores, part.boxes) for part in found]
            return [class_ap(part, truth) for part, (_, truth) in zip(parts, classes, strict=True)]

        def peer_files() -> list[float]:
            return [one_by_one(*read_by_lines(path), truth) for path, truth in zip(paths, by_id, strict=True)]

        from_files, peer_from_files, from_arrays, peer_from_arrays = interleaved(
            [files, peer_files, arrays, peer_arrays], seconds_budget
        )
        differences = [
            float(np.abs(np.array(ours(), dtype=float) - theirs()).max())
            for ours, theirs in ((files, peer_files), (arrays, peer_arrays))
        ]
    unit = "detections/s"
    return [
        row("VOC AP from files", from_files, peer_from_files, DETECTIONS, PEER, differences[0], unit),
        row("VOC AP from arrays", from_arrays, peer_from_arrays, DETECTIONS, PEER, differences[1], unit),
    ]


def _places(truth: Truth, ids: list[str]) -> dict[str, np.ndarray]:
    """Which objects each image has, also images without any."""
    ends = np.searchsorted(truth.image, np.arange(len(ids) + 1))
    return {image: np.arange(ends[k], ends[k + 1]) for k, image in enumerate(ids)}
