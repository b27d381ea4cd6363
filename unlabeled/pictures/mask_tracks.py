"""Masks that a method moved through a clip, drawn over its frames beside the true ones; J&F by attribute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from unlabeled.benchmarks.metrics import davis
from unlabeled.contracts import MaskSequence
from unlabeled.datasets.decode import masks
from unlabeled.pictures import reels
from unlabeled.pictures.masks import overlay
from unlabeled.pictures.sheet import Plate, file_name, percent, save
from unlabeled.pictures.tracks import Shown, Tracks, picture, since

ATTRIBUTES = {
    "AC": "appearance change", "BC": "background clutter", "CS": "camera shake", "DB": "dynamic background",
    "DEF": "deformation", "EA": "edge ambiguity", "FM": "fast motion", "HO": "heterogeneous object",
    "IO": "interacting objects", "IV": "light changes", "LR": "low resolution", "MB": "motion blur",
    "OCC": "occlusion", "OV": "out of view", "SC": "shape complexity", "SV": "scale variation",
    "TWIN": "two look alike",
}  # fmt: skip
"""What the short names mean: those of DAVIS (F. Perazzi et al., CVPR 2016, table 1), and those of the generated set."""


def draw(tracks: Tracks, out: Path) -> list[Plate]:
    """Strip and film of the worst, median and best sequence."""
    plates = []
    for number, shown in enumerate(tracks.shown, 1):
        title = f"{shown.clip.id}: {told_scores(shown)}, {shown.standing}"
        count, file = 1 + len(tracks.masks(shown)), (out, number, shown.clip.id, "masks")
        plates.append(reels.plate(_shots(tracks, shown), count, title, _caption(shown, tracks.masks(shown)), file))
    return plates


def by_attribute(tracks: Tracks, out: Path) -> list[Plate]:
    """J&F of each attribute; nothing where no table of them lies beside the data."""
    record = tracks.system.record
    rows = record.breakdown.get("attributes")
    if not rows:
        return []
    chart = save(_bars(rows, record.scores["jf_mean"]["value"]), out / file_name(0, "attributes", "jf.png"))
    told = "Means over all objects of the sequences that have an attribute; a sequence may have several."
    return [Plate(chart, "By attribute", told)]


def _caption(shown: Shown, moved: np.ndarray) -> str:
    told = "Masks in the colours of DAVIS. Given is the first frame alone; the last one is not scored."
    return told + since(_j(shown, moved), float(np.mean(shown.item["j"])), "J")


def told_scores(shown: Shown) -> str:
    """`J&F 43.0 (J 38.5, F 47.4)`, means over frames and objects."""
    j, f = float(np.mean(shown.item["j"])), float(np.mean(shown.item["f"]))
    return f"J&F {percent((j + f) / 2)} (J {percent(j)}, F {percent(f)})"


def words(shown: Shown, frame: str) -> str:
    """What the record says of one frame."""
    if frame not in shown.item["frames"]:
        return f"frame {frame}: " + ("given" if frame == shown.clip.names[0] else "not scored")
    k = shown.item["frames"].index(frame)
    j, f = (float(np.mean([values[k] for values in shown.item[name]])) for name in ("j", "f"))
    return f"frame {frame}: J {percent(j)}, F {percent(f)}"


def both(sequence: MaskSequence, frame: int, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True and moved index map `(H, W)` uint8 of a frame; of the first, both are the one that was given."""
    truth = truth_of(sequence, frame)
    return truth, truth if frame == 0 else moved[frame - 1]


def truth_of(sequence: MaskSequence, frame: int) -> np.ndarray:
    """The true index map `(H, W)` uint8 of a frame, void as background."""
    index = masks.read(sequence.masks[frame])
    return np.where(index == davis.VOID, 0, index).astype(np.uint8)


def enlarged(index: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An index map, or colours of cells, in the size (height, width) in which the frame is shown: the nearest ones."""
    rows, columns = ((np.arange(n) + 0.5) * m / n for n, m in zip(size, index.shape[:2], strict=True))
    found: np.ndarray = index[rows.astype(int)][:, columns.astype(int)]
    return found


def _shots(tracks: Tracks, shown: Shown) -> Iterator[reels.Shot]:
    sequence, moved = shown.clip, tracks.masks(shown)
    for frame in range(1 + len(moved)):
        pair = both(sequence, frame, moved)
        size = reels.size(*pair[0].shape)
        below = picture(sequence.images[frame], pair[0].shape, size)
        true, ours = (overlay(below, enlarged(index, size)) for index in pair)
        yield reels.Shot({"true masks": true, "predicted masks": ours}, words(shown, sequence.names[frame]))


def _j(shown: Shown, moved: np.ndarray) -> float:
    """J of labels moved today, over the scored frames and the objects."""
    frames = [shown.clip.names.index(name) for name in shown.item["frames"]]
    return float(
        np.mean([
            davis.jaccard(moved[frame - 1] == k, truth_of(shown.clip, frame) == k)
            for frame in frames for k in range(1, shown.clip.objects + 1)
        ])
    )  # fmt: skip


def _bars(rows: Mapping[str, Mapping[str, Any]], mean: float) -> Figure:
    """A bar for each attribute, the hardest below, beside the mean of all."""
    order = sorted(rows, key=lambda name: -rows[name]["jf_mean"])
    figure = Figure(figsize=(9, 0.42 * len(order) + 1.2), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(range(len(order)), [100 * rows[name]["jf_mean"] for name in order], color="tab:blue")
    counts = [f"{percent(rows[n]['jf_mean'])}  (n = {rows[n]['objects']})" for n in order]
    plain = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    axes.bar_label(bars, counts, padding=4, fontsize=9, bbox=plain, zorder=3)
    axes.set_yticks(range(len(order)), [f"{ATTRIBUTES.get(name, '')} {name}".strip() for name in order])
    axes.axvline(100 * mean, color="black", linestyle="--", linewidth=1, label=f"all sequences {percent(mean)}")
    axes.set(xlabel="J&F, percent (n: objects)", xlim=(0, 112), ylim=(len(order) - 0.4, -0.6))
    axes.legend(loc="lower right", fontsize=9)
    return figure
