"""Skeletons on frames: truth and result in the worst and the best frame of a clip, and every joint's share right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from unlabeled.benchmarks.metrics import pck
from unlabeled.contracts import PoseClip
from unlabeled.datasets.decode import joints
from unlabeled.pictures.sheet import Judged, Plate, file_name, percent, photo, sample, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from unlabeled.records import Record

THRESHOLD = pck.THRESHOLDS[0]
LIMBS = (
    (0, 1), (0, 2), (0, 3), (0, 4), (3, 7), (7, 11), (4, 8), (8, 12), (1, 5), (1, 6), (5, 9), (9, 13), (6, 10), (10, 14)
)  # fmt: skip
"""Pairs of `pck.JOINTS` that a line joins."""
TRUTH, RESULT = "#00c853", "#ff3df2"


def draw(run: Judged, out: Path) -> list[Plate]:
    """The joints' shares over all clips, then a plate for each of the worst, median and best clips."""
    clips = {clip.id: clip for clip in run.data.items}
    shares = {name: sum(i["hits"][0]) / sum(i["pairs"]) for name, i in run.items.items() if sum(i["pairs"])}
    caption = f"PCK of each joint over {len(run.items)} clips; a joint without a bar is lost in every frame."
    plates = [Plate(save(bars(run.record), out / file_name(0, "joints", "pck.png")), "Joints", caption)]
    for number, (name, standing) in enumerate(sample(shares), 1):
        title = f"{name}: {percent(shares[name])} right at {THRESHOLD}, {standing}"
        plates.append(_clip(run, clips[name], title, number, out))
    return plates


def bars(record: Record) -> Figure:
    """PCK of each joint at two thresholds."""
    shares = record.breakdown["joints"]
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    axes = figure.subplots()
    for k, (threshold, colour) in enumerate(((THRESHOLD, "tab:blue"), (pck.THRESHOLDS[1], "lightsteelblue"))):
        values = [shares[joint][f"pck@{threshold}"] for joint in pck.JOINTS]
        heights = [100 * (value or 0) for value in values]
        drawn = axes.bar(np.arange(len(values)) + 0.4 * k, heights, 0.4, label=f"PCK@{threshold}", color=colour)
        axes.bar_label(drawn, ["" if value is None else f"{100 * value:.0f}" for value in values], fontsize=8)
    axes.set_xticks(np.arange(len(pck.JOINTS)) + 0.2, pck.JOINTS, rotation=40, ha="right")
    axes.set(ylabel="percent right", ylim=(0, 108))
    axes.set_title(f"{record.spec['method']}: share of pairs near their true place", fontsize=10)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _clip(run: Judged, clip: PoseClip, title: str, number: int, out: Path) -> Plate:
    truth = joints.read(clip.joints)
    predicted = joints.read_predictions(run.recipe.joints(run.role, clip))
    frames = frame_shares(predicted, truth, run.recipe)
    order = sorted(frames, key=lambda k: (frames[k], k))
    chosen = (("worst", order[0]), ("best", order[-1]))
    figure = Figure(figsize=(16, 7), layout="constrained")
    figure.suptitle(title)
    told = []
    for axes, (word, k) in zip(figure.subplots(1, 2), chosen, strict=True):
        told.append(f"{word} frame {k + 1}: {percent(frames[k])} % right")
        axes.set_title(told[-1], fontsize=11)
        image = photo(clip.images[k] if k < len(clip.images) else None, (clip.width, clip.height))
        _frame(axes, image, predicted[..., k], truth[..., k], run.recipe)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles))
    without = "" if clip.images else " Grey: the frames themselves are not there."
    caption = f"{'; '.join(told)}. Circles: how near a joint must be at {THRESHOLD}, dashed where it is not.{without}"
    return Plate(save(figure, out / file_name(number, clip.id, "joints.png")), title, caption)


def frame_shares(predicted: np.ndarray, truth: np.ndarray, recipe: Any) -> dict[int, float]:
    """Share of joints right at 0.1 in each frame that is scored; 0 where all are lost."""
    shares = {}
    for k in range(1, truth.shape[2]):
        # The first of the frames given is not scored.
        one = [positions[..., [0, k]] for positions in (predicted, truth)]
        counts = pck.clip_counts(one[0], one[1], (THRESHOLD,), recipe.normaliser, recipe.lost)
        shares[k] = float(counts.right.sum() / max(1, counts.pairs.sum()))
    return shares


def found(predicted: np.ndarray, truth: np.ndarray, recipe: Any) -> tuple[np.ndarray, float]:
    """Which joints of a frame `(2, 15)` are right at 0.1, `(15,)` bool, and how near that is, in pixels."""
    there = predicted[0] >= 0
    counted = there if recipe.lost == "leave out" else np.ones_like(there)
    radius = THRESHOLD * float(pck.normalisers(truth[..., None], counted[:, None], recipe.normaliser)[0])
    return there & (np.linalg.norm(predicted - truth, axis=0) <= radius), radius


def _frame(axes: Axes, image: np.ndarray, predicted: np.ndarray, truth: np.ndarray, recipe: Any) -> None:
    """One frame with both skeletons, joints `(2, 15)`."""
    there = predicted[0] >= 0
    near, radius = found(predicted, truth, recipe)
    axes.imshow(image, alpha=0.75)
    for points, shown, colour, name in (
        (truth, np.ones_like(there), TRUTH, "truth"), (predicted, there, RESULT, "result")
    ):  # fmt: skip
        for a, b in LIMBS:
            if shown[a] and shown[b]:
                axes.plot(points[0, [a, b]], points[1, [a, b]], color=colour, linewidth=2)
        axes.plot(*points[:, shown], "o", color=colour, markersize=5, markeredgecolor="black", label=name)
    for (x, y), right in zip(truth.T, near, strict=True):
        style = "-" if right else "--"
        axes.add_patch(Circle((x, y), radius, fill=False, color="white", linewidth=1.3, linestyle=style))
    # Joints may lie outside the image.
    seen = np.concatenate([truth, predicted[:, there], [[0, image.shape[1]], [0, image.shape[0]]]], axis=1)
    axes.set(xlim=(seen[0].min() - 1, seen[0].max() + 1), ylim=(seen[1].max() + 1, seen[1].min() - 1))
    axes.set_xticks([])
    axes.set_yticks([])
