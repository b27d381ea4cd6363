"""The features of a clip as colours: three principal components of all its cells, as red, green and blue.

One basis for the whole clip, so that a colour means the same in every frame (C. Vondrick et al., Tracking Emerges by
Colorizing Videos, 2018). A component points to where its longer tail lies, and runs over the whole clip from black to
full: neither negated nor rotated features change a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unlabeled.contracts import PoseClip
from unlabeled.datasets.decode import joints
from unlabeled.pictures import reels
from unlabeled.pictures.mask_tracks import enlarged, truth_of
from unlabeled.pictures.sheet import Plate, percent
from unlabeled.pictures.tracks import Shown, Tracks, features, picture

COMPONENTS = 3
TAILS = (1, 99)
"""Percentiles of a component that become black and full: single cells far away do not wash out all others."""
NOTHING = 1e-9
"""A component with so small a share of the variance is none: it is drawn as 0.5."""


def draw(tracks: Tracks, out: Path) -> list[Plate]:
    """Strip and film of the same clips as the tracks; none of a method without features."""
    plates = []
    for number, shown in enumerate(tracks.shown, 1):
        engine = tracks.engine(shown)
        if engine is None:
            return []
        images, native = frames_of(shown)
        with tracks.system.running("the encoder"):
            colours, share = components(partial(features, engine, images, native))
        title = f"{shown.clip.id}: the embedding, {shown.standing}"
        caption = (
            f"Three principal components of the features of all cells of all {len(images)} frames as red, green and "
            f"blue, {percent(share)} % of the variance; each points to where its longer tail lies and is scaled over "
            "the whole clip."
        )
        shots = _shots(images, native, colours)
        plates.append(reels.plate(shots, len(images), title, caption, (out, number, shown.clip.id, "embedding")))
    return plates


def frames_of(shown: Shown) -> tuple[tuple[Path, ...], tuple[int, int]]:
    """The frames of a clip that are scored or given, and their size (height, width)."""
    clip = shown.clip
    if isinstance(clip, PoseClip):
        return clip.images[: joints.read(clip.joints).shape[2]], (clip.height, clip.width)
    height, width = truth_of(clip, 0).shape
    return clip.images, (height, width)


def components(read: Callable[[], Iterable[Tensor]]) -> tuple[np.ndarray, float]:
    """The principal components of all cells of a clip as colours `(T, h, w, 3)` uint8, and their share of the variance.

    read : gives the features `(C, h, w)` of every frame; called twice, and one frame is held at a time
    """
    count = 0
    total: Tensor | float = 0.0
    products: Tensor | float = 0.0
    for frame in read():
        cells = frame.flatten(1).double()
        count, total, products = count + cells.shape[1], total + cells.sum(1), products + cells @ cells.T
    assert isinstance(total, Tensor) and isinstance(products, Tensor)
    mean = total / count
    variances, axes = torch.linalg.eigh(products / count - torch.outer(mean, mean))
    variances, axes = variances.flip(0)[:COMPONENTS].clamp(min=0), axes.flip(1)[:, :COMPONENTS]
    everything = (products.diagonal() / count - mean**2).sum().clamp(min=0)
    values = np.stack([torch.einsum("chw,ck->hwk", frame.double() - mean[:, None, None], axes) for frame in read()])
    there = (variances > NOTHING * everything).numpy() & (values.std((0, 1, 2)) > 0)
    colours = np.full((*values.shape[:3], COMPONENTS), 0.5)
    for k in np.flatnonzero(there):
        one = values[..., k] * (1.0 if (values[..., k] ** 3).sum() >= 0 else -1.0)
        low, high = np.percentile(one, TAILS)
        colours[..., k] = np.clip((one - low) / (high - low), 0, 1) if high > low else 0.5
    share = float(variances.sum() / everything) if everything > 0 else 0.0
    return (255 * colours).round().astype(np.uint8), share


def _shots(images: tuple[Path, ...], native: tuple[int, int], colours: np.ndarray) -> Iterator[reels.Shot]:
    size = reels.size(*native)
    for image, cells in zip(images, colours, strict=True):
        pictures = {"frames": picture(image, native, size), "embedding": enlarged(cells, size)}
        yield reels.Shot(pictures, f"frame {image.stem}")
