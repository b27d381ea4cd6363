"""Clips of videos for a network: which frames they hold, and what is made of their pictures.

A recipe says where the clips of a video lie and how its pictures are scaled, cut and changed; the network says how many
frames a clip has, how far apart, and how large they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as pictures  # type: ignore[import-untyped]

from unlabeled.benchmarks.metrics import clips
from unlabeled.benchmarks.probes.frames import MOST_CLIP_BYTES, cover_for_crops
from unlabeled.contracts import ClipSpec, Request, VideoItem
from unlabeled.datasets.decode import containers
from unlabeled.streams import Rng
from unlabeled.training import augment, facts
from unlabeled.training.sizes import Size, height_width

# ---------------------------------------------------------------- which frames


STARTS: Mapping[str, Callable[[int, int, int], np.ndarray]] = {
    "vcop": lambda frames, length, count: clips.vcop_starts(frames, count, length),
    "avid": lambda frames, length, count: clips.avid_starts(frames, count, length),
    "consecutive": lambda frames, length, count: clips.consecutive_starts(frames, length),
}
"""First frames of the clips of a video that are scored, by rule: `(frames, length of a clip, count)`."""


@dataclass(frozen=True)
class Places:
    """Where the clips of a video lie.

    rule, count : of the clips that are scored; `consecutive` takes all there are
    fps         : frames a second at which videos are read, each at its own rate where it is 0 or not known
    short       : what a video shorter than a clip does
    """

    rule: Literal["vcop", "avid", "consecutive"]
    count: int = 10
    fps: float = 0.0
    short: clips.Short = "loop"

    def shown(self, item: VideoItem, frames: int) -> np.ndarray:
        """Frames `(n,)` of a video of so many frames that are seen at the recipe's rate."""
        return clips.thinned(frames, _rate(item) if self.fps else 0.0, self.fps)

    def views(self, shown: np.ndarray, clip: ClipSpec) -> np.ndarray:
        """Frames `(clips, clip.frames)` of all clips that are scored."""
        return self._frames(shown, clip, STARTS[self.rule](len(shown), span(clip), self.count))

    def anywhere(self, shown: np.ndarray, clip: ClipSpec, draw: np.random.Generator) -> np.ndarray:
        """Frames `(clip.frames,)` of one clip that begins at any frame from which it fits."""
        start = int(draw.integers(max(len(shown) - span(clip), 0) + 1))
        return self._frames(shown, clip, np.array([start]))[0]

    def _frames(self, shown: np.ndarray, clip: ClipSpec, starts: np.ndarray) -> np.ndarray:
        return shown[clips.strided_windows(len(shown), clip.frames, clip.step, starts, self.short)]


def span(clip: ClipSpec) -> int:
    """Frames from the first of a clip to its last, both counted."""
    return (clip.frames - 1) * clip.step + 1


def other_clip(clip: ClipSpec, wanted: ClipSpec) -> tuple[str, ...]:
    """A word for the record where a network does not take the clips that a recipe speaks of."""
    if clip == wanted:
        return ()
    told = [f"{c.frames} frames {c.step} apart at {' x '.join(map(str, height_width(c.size)))}" for c in (clip, wanted)]
    return (f"deviation: the network takes {told[0]}, the recipe's {told[1]}",)


def in_passes(part: int, size: int, count: int, rng: Rng) -> list[int]:
    """Numbers below `count` of a batch: each once in a pass, in an order of its own; a batch may lie in two passes."""
    numbers = range(part * size, (part + 1) * size)
    orders = {epoch: rng.numpy("order", epoch).permutation(count) for epoch in {n // count for n in numbers}}
    return [int(orders[n // count][n % count]) for n in numbers]


def _rate(item: VideoItem) -> float:
    """Frames a second as the file states them, 0 where it does not or is a folder."""
    if item.path.is_dir():
        return 0.0
    with containers.opened(item.path) as container:
        stream = containers.picture(container, item.path, 0)
        return float(stream.average_rate or stream.guessed_rate or 0)


class Films:
    """Frames of videos at their own size; whole videos stay in memory as long as they fit."""

    def __init__(self, items: Sequence[VideoItem], most: int = MOST_CLIP_BYTES) -> None:
        self.items, self.left = items, most
        self._known: dict[int, np.ndarray] = {}

    def read(self, k: int, wanted: np.ndarray) -> np.ndarray:
        """Frames `(n, H, W, 3)` uint8 of item k in the order of `wanted`."""
        if k in self._known:
            return self._known[k][wanted]
        if self.left <= 0:
            return facts.some_frames(self.items[k].path, wanted.tolist())
        whole = np.stack(list(facts.all_frames(self.items[k].path)))
        self.left -= whole.nbytes
        if self.left > 0:
            self._known[k] = whole
        return whole[wanted]


# ---------------------------------------------------------------- what is made of them


class Look(Protocol):
    """How pictures become a network's input."""

    def __call__(self, frames: np.ndarray, size: Size, rng: Rng | None) -> Tensor:
        """Frames `(n, H, W, 3)` uint8 to `(n, 3, height, width)` float32 in [0, 1]; one draw for all of them.

        `rng` belongs to the clip; None is how clips are scored: the middle of the picture, nothing changed.
        """
        ...

    def scaled(self, frames: np.ndarray, size: Size) -> Tensor:
        """Whole pictures `(n, 3, h, w)` uint8 from which windows of `size` are cut for scoring."""
        ...


@dataclass(frozen=True)
class Stretched:
    """Scaled to 128 x 171 for windows of 112, whatever their shape was; the window lies anywhere."""

    augment: tuple[str, ...] = ("crop",)

    def scaled(self, frames: np.ndarray, size: Size) -> Tensor:
        """8/7 of the window high, 171/128 of that wide, or as wide as the window."""
        height, width = height_width(size)
        rows = round(height * 128 / 112)
        return _resized(frames, rows, max(width, round(rows * 171 / 128)))

    def __call__(self, frames: np.ndarray, size: Size, rng: Rng | None) -> Tensor:
        """A window anywhere; the middle one without `rng`."""
        return augment.pictures(self.scaled(frames, size).numpy(), Request("clips", size, augment=self.augment), rng)


@dataclass(frozen=True)
class ShortSide:
    """Scaled to 8/7 of the window with their shape kept, changed by shared augmentations (`training.augment`)."""

    augment: tuple[str, ...] = ("crop", "flip")

    def scaled(self, frames: np.ndarray, size: Size) -> Tensor:
        """They just cover 8/7 of the window."""
        return _resized(frames, *facts.resized_to(cover_for_crops(size), *frames.shape[1:3]))

    def __call__(self, frames: np.ndarray, size: Size, rng: Rng | None) -> Tensor:
        """A window anywhere, mirrored half of the time; the middle one without `rng`."""
        return augment.pictures(self.scaled(frames, size).numpy(), Request("clips", size, augment=self.augment), rng)


@dataclass(frozen=True)
class ResizedCrop:
    """A part of the picture of any place, area and shape, scaled to the window; mirrored; colours changed.

    area   : smallest and largest share of the picture
    ratio  : narrowest and widest shape, relative to that of the window
    colour : most change of brightness, contrast and saturation (factors 1 - x .. 1 + x) and hue (turns)
    """

    area: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    colour: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.2)

    def scaled(self, frames: np.ndarray, size: Size) -> Tensor:
        """As `ShortSide`."""
        return ShortSide().scaled(frames, size)

    def __call__(self, frames: np.ndarray, size: Size, rng: Rng | None) -> Tensor:
        """One part, one mirroring and one change of colours for all frames; the middle window without `rng`."""
        if rng is None:
            return ShortSide()(frames, size, None)
        height, width = height_width(size)
        whole = frames.shape[1], frames.shape[2]
        top, left, rows, columns = self._part(whole, width / height, rng.numpy("part"))
        clip = _resized(frames[:, top : top + rows, left : left + columns], height, width)
        if rng.numpy("flip").random() < 0.5:
            clip = clip.flip(3)
        return self._coloured(clip.float() / 255, rng.numpy("colour"))

    def _part(self, whole: tuple[int, int], shape: float, draw: np.random.Generator) -> tuple[int, int, int, int]:
        """Top, left, height and width; ten tries, then the largest middle part of an allowed shape."""
        rows, columns = whole
        for _ in range(10):
            area = rows * columns * draw.uniform(*self.area)
            ratio = shape * np.exp(draw.uniform(*np.log(self.ratio)))
            height, width = round(np.sqrt(area / ratio)), round(np.sqrt(area * ratio))
            if 0 < height <= rows and 0 < width <= columns:
                top, left = draw.integers(rows - height + 1), draw.integers(columns - width + 1)
                return int(top), int(left), height, width
        ratio = np.clip(columns / rows, *(shape * np.array(self.ratio)))
        height, width = min(rows, round(columns / ratio)), min(columns, round(rows * ratio))
        return (rows - height) // 2, (columns - width) // 2, height, width

    def _coloured(self, clip: Tensor, draw: np.random.Generator) -> Tensor:
        """The four changes in an order drawn at random."""
        light, contrast, saturation, hue = self.colour
        factors = [draw.uniform(max(0.0, 1 - x), 1 + x) for x in (light, contrast, saturation)]
        turn = draw.uniform(-hue, hue)
        changes = (
            lambda c: pictures.adjust_brightness(c, factors[0]),
            lambda c: pictures.adjust_contrast(c, factors[1]),
            lambda c: pictures.adjust_saturation(c, factors[2]),
            lambda c: pictures.adjust_hue(c, turn),
        )
        for k in draw.permutation(len(changes)):
            clip = changes[k](clip)
        return clip


def _resized(frames: np.ndarray, rows: int, columns: int) -> Tensor:
    """Frames `(n, H, W, 3)` uint8 as `(n, 3, rows, columns)` uint8, by the kernel that `facts.resize` has."""
    planes = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    if (rows, columns) != frames.shape[1:3]:
        planes = torch.nn.functional.interpolate(
            planes, size=(rows, columns), mode="bilinear", antialias=True, align_corners=False
        )
    return planes.contiguous()
