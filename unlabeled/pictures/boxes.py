"""Detections: precision over recall of every class, and the best- and worst-served images with their boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from unlabeled.benchmarks.metrics import voc
from unlabeled.contracts import BoxedImage
from unlabeled.datasets import voc2007
from unlabeled.datasets.decode.boxes import read_detections
from unlabeled.pictures.sheet import Judged, Plate, file_name, percent, photo, sample, save

Corners = Sequence[float]
COLUMNS = 5
RIGHT, WRONG, MISSED = "#00c853", "#ff1744", "#ffea00"
WIDTH = 9.0
"""Inches of an image."""


@dataclass
class Seen:
    """What was found in one image: `(class, score, corners)` of detections, `(class, corners)` of missed objects."""

    right: list[tuple[str, float, Corners]] = field(default_factory=list)
    wrong: list[tuple[str, float, Corners]] = field(default_factory=list)
    missed: list[tuple[str, Corners]] = field(default_factory=list)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall in this image."""
        return 2 * len(self.right) / (2 * len(self.right) + len(self.wrong) + len(self.missed))


def draw(run: Judged, out: Path) -> list[Plate]:
    """The curves of all classes, then up to six images that are at hand."""
    curves = save(_curves(run.record.breakdown), out / file_name(0, "classes", "precision-recall.png"))
    threshold = run.recipe.thresholds[0]
    plates = [Plate(curves, "Precision over recall", f"Every class at IoU {threshold}, with its AP in percent.")]
    images = {image.id: image for image in run.data.items if voc2007.TEST in image.lists}
    found = seen(run, tuple(images.values()))
    # Among images of equal F1 those with more in them say more.
    shown = {
        name: (one.f1, len(one.right) - len(one.wrong) - len(one.missed))
        for name, one in found.items()
        if images[name].path is not None
    }
    chosen = f"chosen by F1 from the {len(shown)} of {len(images)} test images that have a JPEG and something to show"
    for number, (name, standing) in enumerate(sample(shown, ends=3, middle=0), 1):
        one = found[name]
        counts = f"{len(one.right)} right, {len(one.wrong)} wrong, {len(one.missed)} missed"
        title = f"{name}: {counts}; F1 {percent(one.f1)}, {standing}"
        file = save(_image(images[name], one, title), out / file_name(number, name, "boxes.png"))
        caption = (
            f"Green: right at IoU {threshold}. Red: wrong. Yellow, dashed: an object that was missed. Shown are the "
            f"detections above the score at which F1 of their class is highest; {chosen}."
        )
        plates.append(Plate(file, title, caption))
    return plates


def seen(run: Judged, images: Sequence[BoxedImage]) -> dict[str, Seen]:
    """What was right, wrong and missed in each image that has any of it, classes at their best F1."""
    found = {image.id: Seen() for image in images}
    for name in run.data.classes:
        file = run.recipe.detections(run.role, name)
        if file is not None:
            _add_class(found, name, _read(file, images, run.recipe), images, run.recipe.thresholds[0])
    return {name: one for name, one in found.items() if one.right or one.wrong or one.missed}


def _read(file: Path, images: Sequence[BoxedImage], recipe: Any) -> voc.Detected:
    """The detections in these images; with a limit a file has others too."""
    read = read_detections(file)
    place = {image.id: k for k, image in enumerate(images)}
    image = np.array([place.get(name, -1) for name in read.images], dtype=np.int64)[read.image]
    scores, corners = read.scores, read.boxes
    if recipe.rounded:
        scores, corners = voc.rounded_text(scores, corners)
    return voc.Detected(image[image >= 0], scores[image >= 0], corners[image >= 0])


def _add_class(
    found: Mapping[str, Seen], name: str, detected: voc.Detected, images: Sequence[BoxedImage], threshold: float
) -> None:
    rows = [(k, box) for k, image in enumerate(images) for box in image.boxes if box.name == name]
    difficult = np.array([box.difficult for _, box in rows], dtype=bool)
    positives = int((~difficult).sum())
    if not positives:
        return
    place = np.array([k for k, _ in rows], dtype=np.int64)
    corners = np.array([box.corners for _, box in rows], dtype=np.float64)
    order, (flags,) = voc.match(detected, voc.Truth(place, corners, difficult), (threshold,))
    recall, precision = voc.curve(flags, positives)
    f1 = 2 * recall * precision / np.maximum(recall + precision, 1e-12)
    kept = int(f1.argmax()) + 1 if f1.size and f1.max() > 0 else 0
    lost = ~difficult
    for d, flag in zip(order[:kept], flags[:kept], strict=True):
        one, box = found[images[detected.image[d]].id], detected.boxes[d].tolist()
        if flag == voc.RIGHT:
            one.right.append((name, float(detected.score[d]), box))
            here = np.flatnonzero(place == detected.image[d])
            lost[here[_overlaps(detected.boxes[d], corners[here]).argmax()]] = False
        elif flag == voc.WRONG:
            one.wrong.append((name, float(detected.score[d]), box))
    for k in np.flatnonzero(lost):
        found[images[place[k]].id].missed.append((name, corners[k].tolist()))


def _overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU of one box with others `(N, 4)`, corners inside."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]) + 1
    both = np.maximum(sides, 0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2] + 1).prod(axis=1) + (box[2:] - box[:2] + 1).prod()
    overlaps: np.ndarray = both / (areas - both)
    return overlaps


def _curves(breakdown: Mapping[str, Any]) -> Figure:
    """Small multiples, a class each; a class without a curve says why."""
    classes = breakdown["classes"]
    rows = ceil(len(classes) / COLUMNS)
    figure = Figure(figsize=(13, 2.5 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False)
    for axes, name in zip(grid.flat, classes, strict=False):
        facts, (recall, precision) = breakdown["per_class"][name], breakdown["curves"].get(name, ([], []))
        if recall:
            # A point says with what precision a recall is first reached: up to it that precision holds.
            curve = [0, *recall], [precision[0], *precision]
            axes.plot(*curve, color="tab:blue", drawstyle="steps-pre")
            axes.fill_between(*curve, color="tab:blue", alpha=0.15, step="pre")
        axes.set(xlim=(0, 1.02), ylim=(0, 1.04), xticks=[0, 0.5, 1])
        axes.grid(alpha=0.3)
        why = "no objects" if not facts["positives"] else "no file" if facts["detections"] is None else "no detection"
        ap = f"AP {percent(facts['ap'])}" if facts["ap"] is not None else why
        axes.set_title(f"{name}: {ap}, n = {facts['positives']}", fontsize=10)
        if not recall:
            axes.text(0.5, 0.5, why, ha="center", va="center", color="grey")
    for axes in grid.flat[len(classes) :]:
        axes.set_axis_off()
    figure.supxlabel("recall", fontsize=10)
    figure.supylabel("precision", fontsize=10)
    return figure


def _image(image: BoxedImage, one: Seen, title: str) -> Figure:
    picture = photo(image.path, (image.width, image.height))
    figure = Figure(figsize=(WIDTH, min(14, WIDTH * image.height / image.width + 0.5)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(picture)
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()
    boxes = [(box, name, MISSED, True) for name, box in one.missed]
    boxes += [(box, f"{name} {score:.3g}", WRONG, False) for name, score, box in one.wrong]
    boxes += [(box, f"{name} {score:.3g}", RIGHT, False) for name, score, box in one.right]
    for corners, words, colour, missed in boxes:
        # Pixel 1 reaches from -0.5 to 0.5 on these axes. Boxes may reach beyond the image; what is drawn may not.
        left, right = np.clip([corners[0] - 1.5, corners[2] - 0.5], -0.5, image.width - 0.5).tolist()
        top, bottom = np.clip([corners[1] - 1.5, corners[3] - 0.5], -0.5, image.height - 0.5).tolist()
        frame = Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=2.2)
        frame.set_linestyle("--" if missed else "-")
        axes.add_patch(frame)
        # A missed object is named at its foot, where no detection writes.
        far = left > 0.7 * image.width
        x, y = right if far else left, bottom if missed else top
        places: dict[str, Any] = {"ha": "right" if far else "left", "va": "bottom" if missed else "top"}
        plate = {"facecolor": colour, "edgecolor": "none", "pad": 1.2, "alpha": 0.85}
        axes.text(x, y, words, fontsize=8, color="black", bbox=plate, **places)
    return figure
