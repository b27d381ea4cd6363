"""Skeletons that a method moved through a clip, beside the true ones; wrong joints are marked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from unlabeled.benchmarks.metrics import pck
from unlabeled.datasets.decode import joints
from unlabeled.pictures import reels
from unlabeled.pictures.joints import LIMBS, RESULT, THRESHOLD, TRUTH, bars, found, frame_shares
from unlabeled.pictures.sheet import Plate, file_name, percent, save
from unlabeled.pictures.tracks import Shown, Tracks, picture, since

WRONG = "#ff1744"
FINE = 3
"""Lines are drawn so many times larger, then made small again: they have no steps."""
LINE, DOT, RING = 2.5, 4.0, 7.0
"""Width of a limb, and radius of a joint and of the ring round a wrong one, in pixels of the picture shown."""


def draw(tracks: Tracks, out: Path) -> list[Plate]:
    """Strip and film of the worst, median and best clip."""
    plates = []
    for number, shown in enumerate(tracks.shown, 1):
        moved, truth = tracks.joints(shown), joints.read(shown.clip.joints)
        shares = frame_shares(moved, truth, tracks.recipe)
        scored = sum(shown.item["sums"]) / sum(shown.item["counts"])
        title = f"{shown.clip.id}: {percent(scored)} right at {THRESHOLD}, {shown.standing}"
        counts = pck.clip_counts(moved, truth, (THRESHOLD,), tracks.recipe.normaliser, tracks.recipe.lost)
        caption = (
            f"Red rings: joints further from their true place than PCK@{THRESHOLD} allows, with a line to it. Given is "
            "the first frame alone." + since(float(counts.right.sum() / counts.pairs.sum()), scored, "PCK")
        )
        shots = _shots(shown, moved, truth, shares, tracks.recipe)
        plates.append(reels.plate(shots, truth.shape[2], title, caption, (out, number, shown.clip.id, "poses")))
    return plates


def by_joint(tracks: Tracks, out: Path) -> list[Plate]:
    """The share right of every joint."""
    record = tracks.system.record
    told = f"PCK of each joint over {record.scores[f'pck@{THRESHOLD}']['n']} clips."
    return [Plate(save(bars(record), out / file_name(0, "joints", "pck.png")), "By joint", told)]


def _shots(
    shown: Shown, moved: np.ndarray, truth: np.ndarray, shares: dict[int, float], recipe: Any
) -> Iterator[reels.Shot]:
    native = shown.clip.height, shown.clip.width
    size = reels.size(*native)
    scale = size[0] / native[0]
    for frame in range(truth.shape[2]):
        below = picture(shown.clip.images[frame], native, size)
        ours, true = moved[..., frame], truth[..., frame]
        near, _ = found(ours, true, recipe)
        lost = int((ours[0] < 0).sum())
        told = f"{percent(shares[frame])} % right" if frame else "given"
        words = f"frame {shown.clip.images[frame].stem}: {told}"
        pictures = {
            "true joints": skeleton(below, true, scale, TRUTH),
            "predicted joints": skeleton(below, ours, scale, RESULT, None if not frame else near, true),
        }
        yield reels.Shot(pictures, words + (f", {lost} lost" if lost else ""))


def skeleton(
    below: np.ndarray,
    places: np.ndarray,
    scale: float,
    colour: str,
    near: np.ndarray | None = None,
    truth: np.ndarray | None = None,
) -> np.ndarray:
    """A picture `(H, W, 3)` uint8 with joints `(2, 15)` in native pixels drawn on it `scale` times as large.

    Of joints that are not `near` a ring is drawn, and a line to the `truth`; lost ones are left out.
    """
    height, width = below.shape[:2]
    layer = Image.new("RGBA", (FINE * width, FINE * height))
    pen = ImageDraw.Draw(layer)
    there = places[0] >= 0
    # Places are pixels counted from 0, the middle of a pixel is half a pixel further.
    points, true = ([(FINE * scale * (x + 0.5), FINE * scale * (y + 0.5)) for x, y in p.T] for p in (
        places, places if truth is None else truth
    ))  # fmt: skip
    for a, b in LIMBS:
        if there[a] and there[b]:
            pen.line([points[a], points[b]], colour, round(FINE * LINE))
    for joint, (x, y) in enumerate(points):
        if not there[joint]:
            continue
        if near is not None and not near[joint]:
            pen.line([(x, y), true[joint]], WRONG, round(FINE * LINE / 2))
            pen.circle((x, y), FINE * RING, outline=WRONG, width=round(FINE * LINE))
        pen.circle((x, y), FINE * DOT, fill=colour, outline="black", width=FINE)
    # Premultiplied, so that the edge of a line takes no colour from what is clear.
    small = layer.convert("RGBa").resize((width, height), Image.Resampling.BOX).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.fromarray(below).convert("RGBA"), small).convert("RGB"))
