"""Clips whose labels a method moved, put together again for pictures: which are shown, their labels and their features.

A record holds scores and, unless predictions were kept, no labels: those of the few clips that are shown are moved once
more, by the weights, the recipe and the random draws of the run.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from unlabeled import compare
from unlabeled.benchmarks.propagation.encoders import FeatureReader
from unlabeled.benchmarks.propagation.labels import normalised
from unlabeled.benchmarks.propagation.moving import Engine
from unlabeled.pictures.sheet import photo, resized, sample
from unlabeled.pictures.system import System
from unlabeled.streams import Rng

MOST_BYTES = 1 << 30
"""Features that are remembered; others are made again whenever they are asked for."""
CHANGED = 0.002
"""A difference from the score of the run that is none of rounding."""


@dataclass(frozen=True)
class Shown:
    """A clip that is shown: its item of the data and of the record, and the place that it takes among all."""

    clip: Any
    item: Mapping[str, Any]
    unit: str
    standing: str


class Tracks:
    """What pictures ask of a run that moved labels. `folder` is the one that its record lies in.

    Raises
    ------
    UnlabeledError : whatever is asked for is gone, or is not what the record says.
    """

    def __init__(self, system: System, folder: Path) -> None:
        self.system, self.folder = system, folder
        self._moved: dict[str, np.ndarray] = {}

    @property
    def recipe(self) -> Any:
        """The recipe of the run."""
        return self.system.plan.recipe

    @cached_property
    def shown(self) -> list[Shown]:
        """The worst, the median and the best clip by the benchmark's main number."""
        clips = {clip.id: clip for clip in self.system.data.items}
        items = {name: (unit, item) for (unit, name), item in self._items.items()}
        means = {name: sum(i["sums"]) / sum(i["counts"]) for name, (_, i) in items.items() if sum(i["counts"])}
        chosen = sample(means, ends=1, middle=1)
        return [Shown(clips[name], items[name][1], items[name][0], standing) for name, standing in chosen]

    @cached_property
    def _items(self) -> Mapping[tuple[str, str], Mapping[str, Any]]:
        return compare.load_items(self.system.record, self.folder)

    @cached_property
    def prepared(self) -> Any:
        """What all clips of the run share, as `recipe.prepare` gives it; features are remembered."""
        role, recipe = self.system.scored(), self.recipe
        found = self.system.plan.benchmark.prepare(role, self.system.data, recipe)
        if not isinstance(found.moved_by, Engine):
            return found
        reader = Remembering(role, recipe.point, recipe.size)
        return replace(found, moved_by=Engine(reader, recipe.matching, recipe.normalise))

    def masks(self, shown: Shown) -> np.ndarray:
        """Index maps `(n, H, W)` uint8 of frames 1, 2, ...; of kept predictions the last frame is not there."""

        def move() -> np.ndarray:
            if "masks" in shown.item:
                return np.stack([_decoded(one) for one in shown.item["masks"]])
            return np.stack(list(self.recipe.masks(self.prepared, shown.clip, self._rng(shown))))

        return self._once(shown, move)

    def joints(self, shown: Shown) -> np.ndarray:
        """Joints `(2, 15, T)` in pixels from 0 of frames 0, 1, ...; x is negative where one is lost."""

        def move() -> np.ndarray:
            if "joints" in shown.item:
                return np.array(shown.item["joints"])
            ((_, found, _),) = self.recipe.positions(self.prepared, [shown.clip], self._rng(shown))
            return np.asarray(found)

        return self._once(shown, move)

    def _once(self, shown: Shown, move: Any) -> np.ndarray:
        if shown.clip.id not in self._moved:
            with self.system.running("the moving of labels"):
                self._moved[shown.clip.id] = move()
        return self._moved[shown.clip.id]

    def _rng(self, shown: Shown) -> Rng:
        """The stream that the run gave to the unit."""
        return Rng(self.system.record.spec["seed"]).under(shown.unit)

    def engine(self, shown: Shown) -> Engine | None:
        """What copies labels by features, ready for use; None of a method that moves them by itself."""
        moved_by = self.prepared.moved_by
        if not isinstance(moved_by, Engine):
            return None
        with self.system.running("the encoder"):
            moved_by.learn(self.prepared.train, self.prepared.scored, self._rng(shown))
        return moved_by


class Remembering(FeatureReader):
    """Features of whole clips, kept while there is room: several pictures are drawn from them."""

    def __init__(self, encoder: Any, point: str, size: Any) -> None:
        super().__init__(encoder, point, size)
        self._known: dict[tuple[Path, ...], list[Tensor]] = {}
        self._room = MOST_BYTES

    def of(self, images: Sequence[Path], native: tuple[int, int]) -> Iterator[Tensor]:
        """See `FeatureReader`."""
        key = tuple(images)
        if key in self._known:
            yield from self._known[key]
            return
        found: list[Tensor] = []
        needed = 0
        for frame in super().of(images, native):
            needed += frame.nbytes
            if needed <= self._room:
                found.append(frame)
            yield frame
        if needed <= self._room:
            self._known[key] = found
            self._room -= needed


def features(engine: Engine, images: Sequence[Path], native: tuple[int, int]) -> Iterator[Tensor]:
    """Features `(C, h, w)` of every frame as the recipe compares them."""
    return (normalised(frame, engine.normalise) for frame in engine.reader.of(images, native))


def picture(file: Path, native: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """A frame of a native size (height, width) in the size in which it is shown."""
    return resized(photo(file, native[::-1]), *size)


def since(found: float, scored: float, what: str) -> str:
    """A word where labels moved today score another way than those of the run did."""
    if abs(found - scored) <= CHANGED:
        return ""
    return f" Its code or its libraries have changed since: what they give today has {what} {100 * found:.1f}."


def _decoded(one: str) -> np.ndarray:
    """A kept index map, see `propagation.masks.encoded`."""
    with Image.open(io.BytesIO(base64.b64decode(one))) as image:
        return np.asarray(image)
