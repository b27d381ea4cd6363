"""What a benchmark does with a method that gives features: let it learn or calibrate, and read a clip frame by frame.

Adapters: `dense_from_point` reads an image encoder at a point with maps; `propagate` copies labels between cells of
like features (`engine`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlabeled.benchmarks.propagation import frames
from unlabeled.benchmarks.propagation.frames import InputSize
from unlabeled.benchmarks.propagation.labels import nearest
from unlabeled.contracts import DenseEncoder, ImageEncoder
from unlabeled.errors import BadData, WrongCall
from unlabeled.streams import Rng

CALIBRATION = (8, 4, 4)
"""Batches, clips in each and frames of each clip from which an untrained network takes its normalisation statistics."""
CLOSE = 8
"""Pixels between cells that are close enough to follow things by."""
MOST_HELD_BYTES = 2 * 1024**3
"""Training clips that are kept decoded; others are decoded whenever they are asked for."""

FROM_SCORED = "no training pictures are there: an untrained network took its statistics from unlabelled scored clips"


@dataclass(frozen=True)
class TrainClip:
    """A clip of the training split: its frames, their size (height, width), and `labels()`, its index maps at that
    size `(n, H, W)` uint8."""

    id: str
    images: tuple[Path, ...]
    size: tuple[int, int]
    labels: Callable[[], np.ndarray]


class Lazy:
    """Items that are made when asked for, and kept while there is room."""

    rate = 0

    def __init__(self, clips: Sequence[TrainClip], make: Callable[[TrainClip], np.ndarray]) -> None:
        self.clips, self.ids, self._make = clips, [clip.id for clip in clips], make
        self._known: dict[int, np.ndarray] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> np.ndarray:
        if index in self._known:
            return self._known[index]
        made = self._make(self.clips[index])
        if self._bytes + made.nbytes <= MOST_HELD_BYTES:
            self._known[index] = made
            self._bytes += made.nbytes
        return made


class FeatureReader:
    """Dense features of clips from a method of the role dense, mask_classifier or image.

    point : of an image encoder; empty for the deepest map with a stride of at most 8, or else of the finest ones

    Raises
    ------
    WrongCall : an image encoder without maps, without a point of that name, or that must see class labels first.
    """

    def __init__(self, encoder: Any, point: str, size: InputSize) -> None:
        self.encoder, self.size = encoder, size
        self.reach = int(getattr(encoder, "reach", 0))
        self.adapters: tuple[str, ...]
        if hasattr(encoder, "dense"):
            self.adapters, self.stride, self.dim = ("propagate",), encoder.stride, encoder.dim
            self._encode: Callable[[Tensor], Tensor] = self._dense
        else:
            if hasattr(encoder, "fit"):
                raise WrongCall(
                    "the method learns from class labels, which these data do not have", "take one that learns without"
                )
            self.adapters = ("dense_from_point", "propagate")
            self.point = _map_point(encoder, point)
            self.stride, self.dim = encoder.points[self.point].stride, encoder.points[self.point].dim
            self._encode = self._maps
        self.notes: tuple[str, ...] = ()
        self._ready = False

    def _dense(self, images: Tensor) -> Tensor:
        """Frames `(n, 3, H, W)` to `(n, C, h, w)`."""
        encoder: DenseEncoder = self.encoder
        return encoder.dense(images.transpose(0, 1)[None])[0].transpose(0, 1)

    def _maps(self, images: Tensor) -> Tensor:
        encoder: ImageEncoder = self.encoder
        return encoder.encode(images, self.point)

    def learn(self, train: Sequence[TrainClip], scored: Sequence[TrainClip], rng: Rng) -> None:
        """Once a run: show the encoder masks, or unlabelled frames, of the training clips where it asks for them.

        Statistics are taken from frames of the scored clips where there are no others.

        Raises
        ------
        BadData : nothing to learn from.
        """
        if self._ready:
            return
        self._ready = True
        fit, calibrate = getattr(self.encoder, "fit", None), getattr(self.encoder, "calibrate", None)
        if fit and not train:
            raise BadData(
                "the method learns from training clips, and the data hold none with pictures",
                "give the training part of the data set too",
            )
        if fit:
            fit(Lazy(train, self._pictures), Lazy(train, self._labels), rng.under("fit"))
        elif calibrate:
            calibrate(self._calibration(train or scored, rng.numpy("calibrate")))
            self.notes = () if train else (FROM_SCORED,)

    def _pictures(self, clip: TrainClip) -> np.ndarray:
        """`(n, H, W, 3)` uint8 in the size that the encoder gets."""
        size = self.size.of(*clip.size)
        pictures = frames.read(clip.images, clip.size)
        if size == clip.size:
            return pictures
        return (255 * frames.scaled(pictures, size)).round().byte().permute(0, 2, 3, 1).contiguous().numpy()

    def _labels(self, clip: TrainClip) -> np.ndarray:
        size = self.size.of(*clip.size)
        return np.stack([nearest(index, size) for index in clip.labels()])

    def _calibration(self, train: Sequence[TrainClip], draw: np.random.Generator) -> Iterator[Tensor]:
        """Unlabelled clips `(B, 3, T, H, W)`, or frames `(B, 3, H, W)` for an image encoder, of one size a batch."""
        batches, clips, length = CALIBRATION
        order = draw.permutation(len(train))
        starts = draw.random(batches * clips)
        for first in range(0, batches * clips, clips):
            picked = [(train[order[k % len(train)]], starts[k]) for k in range(first, first + clips)]
            shortest = min(length, *(len(clip.images) for clip, _ in picked))
            size = self.size.of(*picked[0][0].size)
            windows = []
            for clip, start in picked:
                place = int(start * (len(clip.images) - shortest + 1))
                windows.append(frames.scaled(frames.read(clip.images[place : place + shortest], clip.size), size))
            batch = torch.stack(windows)
            yield batch.transpose(1, 2) if hasattr(self.encoder, "dense") else batch.flatten(0, 1)

    def of(self, images: Sequence[Path], native: tuple[int, int]) -> Iterator[Tensor]:
        """Features `(dim, h, w)` of every frame of a clip, in order; `native` is (height, width) of its frames.

        Raises
        ------
        BadData : frames of several sizes or that cannot be read, features of another shape than the encoder says.
        """
        for pictures, first, last in frames.chunks(images, native, self.size.of(*native), self.reach):
            with torch.no_grad():
                features = self._encode(pictures)
            if features.ndim != 4 or features.shape[:2] != (len(pictures), self.dim):
                found, wanted = tuple(features.shape), f"({len(pictures)}, {self.dim}, h, w)"
                raise BadData(f"{len(pictures)} frames give features of shape {found}, not {wanted}")
            yield from features[first:last]

    def grid(self, native: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of cells to expect of frames of a native size."""
        height, width = self.size.of(*native)
        return -(-height // self.stride), -(-width // self.stride)


def _map_point(encoder: ImageEncoder, name: str) -> str:
    maps = [point.name for point in encoder.points.values() if point.stride > 0]
    if not name and maps:
        fine = max(CLOSE, min(encoder.points[one].stride for one in maps))
        return next(one for one in reversed(maps) if encoder.points[one].stride <= fine)
    if name in maps:
        return name
    known = ", ".join(f"{one} ({encoder.points[one].dim})" for one in maps) or "none"
    what = f"{name!r}" if name else "at all"
    raise WrongCall(f"the encoder has no point {what} with a map", f"it has {known}: choose with --point")
