"""Where tracking fails, colours fail: masks and colours of the first frame, both moved by the same features.

The last slide on tracking shows the two failures together (C. Vondrick et al., Tracking Emerges by Colorizing Videos,
2018). Colours are the mean a and b of a cell, moved on by the recipe in the place of labels; lightness is that of the
frame itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unlabeled.benchmarks.propagation import frames
from unlabeled.benchmarks.propagation.labels import bilinear
from unlabeled.benchmarks.propagation.moving import Engine
from unlabeled.benchmarks.propagation.whole import NearestInEachFrame
from unlabeled.errors import UnlabeledError
from unlabeled.pictures import reels
from unlabeled.pictures.embedding import frames_of
from unlabeled.pictures.mask_tracks import both, enlarged, told_scores, truth_of, words
from unlabeled.pictures.masks import overlay
from unlabeled.pictures.sheet import Plate, resized
from unlabeled.pictures.tracks import Shown, Tracks, picture
from unlabeled.training.signals.lab import from_unit, rgb_to_lab, to_unit
from unlabeled.training.signals.rgb import coloured


def draw(tracks: Tracks, out: Path) -> list[Plate]:
    """Strip and film of the worst sequence, of a method that learned to give colours; none of any other.

    Raises
    ------
    UnlabeledError : the recipe changes labels in a way that colours do not bear.
    """
    system = tracks.system
    if system.learned is None or system.pretext.data.colour != "lab":
        return []
    shown, best = tracks.shown[0], tracks.shown[-1]
    engine = tracks.engine(shown)
    if engine is None:
        return []
    if isinstance(engine.matching, NearestInEachFrame):
        raise UnlabeledError("the recipe brings labels to 0 .. 1 frame by frame, which colours do not bear")
    told = []
    for one in dict.fromkeys((shown.clip.id, best.clip.id)):
        which = shown if one == shown.clip.id else best
        with system.running("the moving of colours"):
            far = distances(engine, which)
        inside, outside = (f"{value:.1f}" for value in far)
        told.append(f"{inside} inside the objects of {one} and {outside} outside ({which.standing})")
    title = f"{shown.clip.id}: failures beside colour failures, {told_scores(shown)}, {shown.standing}"
    caption = (
        "Masks and colours of the first frame, moved by the same features, which see lightness alone. Mean distance "
        f"of the copied colours from the true ones in a and b of Lab: {'; '.join(told)}."
    )
    file = (out, 1, shown.clip.id, "colour-failures")
    return [reels.plate(_shots(tracks, shown, engine), 1 + len(tracks.masks(shown)), title, caption, file)]


def copied(engine: Engine, images: Sequence[Path], native: tuple[int, int]) -> Iterator[Tensor]:
    """The colours that each frame has from the first one, a and b of cells `(2, h, w)` in [0, 1] as `to_unit` says."""

    def given(grid: tuple[int, int]) -> Tensor:
        return cell_colours(images[0], native, grid)

    moved = engine.soft(images, native, given)
    first = next(moved, None)
    if first is None:
        return
    yield given((first.shape[1], first.shape[2]))
    yield from chain([first.cpu()], (one.cpu() for one in moved))


def cell_colours(image: Path, native: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """Mean a and b of the cells of a frame, `(2, h, w)` in [0, 1]."""
    pixels = frames.scaled(frames.read([image], native), native)
    return functional.adaptive_avg_pool2d(to_unit(rgb_to_lab(pixels))[0, 1:], grid)


def distances(engine: Engine, shown: Shown) -> tuple[float, float]:
    """Mean distance in a and b of copied from true colours over all frames but the first: inside the true objects of
    the first frame's list and outside."""
    images, native = frames_of(shown)
    sums, counts = np.zeros(2), np.zeros(2)
    for number, colours in enumerate(copied(engine, images, native)):
        if not number:
            continue
        grid = (colours.shape[1], colours.shape[2])
        far = torch.linalg.vector_norm(_plane(colours) - _plane(cell_colours(images[number], native, grid)), dim=0)
        objects = torch.from_numpy(truth_of(shown.clip, number) > 0).float()[None]
        share = functional.adaptive_avg_pool2d(objects, grid)[0]
        for k, weight in enumerate((share, 1 - share)):
            sums[k] += float((far * weight).sum())
            counts[k] += float(weight.sum())
    inside, outside = sums / np.maximum(counts, 1e-12)
    return float(inside), float(outside)


def _plane(colours: Tensor) -> Tensor:
    """a and b `(2, h, w)` of Lab from those in [0, 1]."""
    return from_unit(torch.cat([torch.zeros_like(colours[:1]), colours]))[1:]


def _shots(tracks: Tracks, shown: Shown, engine: Engine) -> Iterator[reels.Shot]:
    images, native = frames_of(shown)
    moved, size = tracks.masks(shown), reels.size(*native)
    every: Iterable[Tensor] = copied(engine, images, native)
    for frame, (colours, _) in enumerate(zip(every, range(1 + len(moved)), strict=False)):
        light = rgb_to_lab(frames.scaled(frames.read([images[frame]], native), native))[:, :1] / 100
        grey = resized(_bytes(coloured(light, torch.zeros(1, 2, 1, 1))), *size)
        true, ours = (overlay(grey, enlarged(index, size)) for index in both(shown.clip, frame, moved))
        yield reels.Shot(
            {
                "true colours": picture(images[frame], native, size),
                "copied colours": resized(_bytes(coloured(light, _plane(bilinear(colours, native))[None])), *size),
                "true masks": true,
                "predicted masks": ours,
            },
            words(shown, shown.clip.names[frame]),
        )


def _bytes(pictures: Tensor) -> np.ndarray:
    """The one picture `(1, 3, H, W)` in [0, 1] as `(H, W, 3)` uint8."""
    shown: np.ndarray = (pictures[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
    return shown
