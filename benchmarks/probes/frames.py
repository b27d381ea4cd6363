"""Pictures of videos for an encoder, and its features of them: what probes of single frames share.

Frames are read as the loader reads them for evaluation, in chunks, so that a long video takes no more memory than its
features. Features hang on nothing but the clip, and are remembered until the encoder changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch

from unlabeled.benchmarks.metrics import clips
from unlabeled.contracts import ImageEncoder, Info, Pick, Request, VideoEncoder, VideoItem
from unlabeled.errors import BadData, WrongCall
from unlabeled.streams import Rng
from unlabeled.training import augment, facts
from unlabeled.training.loading import Loader
from unlabeled.training.sizes import Size

CHUNK = 64
"""Frames that are encoded together."""
CALIBRATION = (8, 16, 4)
"""Batches, clips in each and frames of each clip from which an untrained network takes its normalisation statistics."""
MOST_BYTES = 16 * 1024**3
"""Features that are held at once."""
MOST_CLIP_BYTES = 2 * 1024**3
"""Decoded clips that are held while a network learns; others are decoded whenever it asks."""


class Answer(NamedTuple):
    """Class scores `(test clips, classes)` of one probe, the number of labelled clips that it learned from, remarks."""

    scores: np.ndarray
    labels: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SpacedFrames:
    """A rule for the loader: frames at equal steps."""

    views: int

    def __call__(self, info: Info, rng: Rng) -> Pick:
        """The same for every draw."""
        return Pick(frames=(tuple(clips.spaced_frames(info.frames, self.views).tolist()),))


def find_point(encoder: ImageEncoder | VideoEncoder, name: str) -> str:
    """The point of a name that gives a vector a picture; without a name the last such point of the encoder.

    Raises
    ------
    WrongCall : there is no such point, or it gives maps; those that can be read are listed.
    """
    vectors = [point.name for point in encoder.points.values() if point.stride == 0]
    if not name and vectors:
        return vectors[-1]
    if name in vectors:
        return name
    known = ", ".join(f"{one} ({encoder.points[one].dim})" for one in vectors) or "none"
    what = f"{name!r}" if name else "at all"
    raise WrongCall(
        f"the encoder has no point {what} with one vector a picture", f"it has {known}: choose with --point"
    )


def cover_for_crops(size: Size) -> Size:
    """What frames are read to cover where windows of `size` lie in several places."""
    return augment.reading_size(Request("images", size, augment=("crop",)))


def resized(item: VideoItem, cover: Size, wanted: frozenset[int] | None = None) -> Iterator[np.ndarray]:
    """Frames of a video in order as `augment.pictures` takes them, `(3, h, w)` uint8: all of them, or those wanted.

    Raises
    ------
    BadData : the video cannot be decoded.
    """
    for number, frame in enumerate(facts.all_frames(item.path)):
        if wanted is None or number in wanted:
            yield facts.resize(frame, cover)


# ---------------------------------------------------------------- before features are read


def fit(encoder: ImageEncoder | VideoEncoder, items: ClipItems, labels: np.ndarray, rng: Rng) -> bool:
    """Let an encoder that is a classifier too learn from the training clips; whether it is one."""
    learn = getattr(encoder, "fit", None)
    if learn is None:
        return False
    learn(items, labels, rng.under("fit"))
    return True


def calibrate(encoder: ImageEncoder, train: Sequence[VideoItem], rng: Rng) -> bool:
    """Show an untrained network some unlabelled training frames; whether it asks for them."""
    look = getattr(encoder, "calibrate", None)
    if look is None:
        return False
    batches, size, views = CALIBRATION
    order = rng.numpy("calibrate").permutation(len(train))[: batches * size]
    request = Request("frames", encoder.size, SpacedFrames(views))
    loader = Loader([train[k] for k in order], request, size, rng.under("calibrate"))
    look(batch.frames.flatten(0, 1) for batch in loader.once() if batch.frames is not None)
    return True


# ---------------------------------------------------------------- features


class FrameFeatures:
    """Features of the frames of clips at one point of an encoder, remembered by clip until the encoder changes.

    views : the frames that are read, in order, of a clip of so many frames; None: all
    """

    def __init__(
        self, encoder: ImageEncoder, point: str, lengths: Mapping[str, int], views: Callable[[int], np.ndarray] | None
    ) -> None:
        self.encoder, self.lengths, self.views = encoder, lengths, views
        self.point = find_point(encoder, point)
        self.request = Request("images", encoder.size)
        self.cover = augment.reading_size(self.request)
        self.pictures = Pictures(cover_for_crops(encoder.size))
        self._known: dict[str, np.ndarray] = {}

    def learn(self, train: Sequence[VideoItem], labels: np.ndarray, rng: Rng) -> None:
        """What the encoder takes from the training clips before it is read: labels, statistics or nothing."""
        items = ClipItems(train, self.encoder.size, self.pictures)
        if fit(self.encoder, items, labels, rng) or calibrate(self.encoder, train, rng):
            self._known.clear()

    def of(self, items: Sequence[VideoItem]) -> list[np.ndarray]:
        """Features `(frames, dim)` float32 of each clip.

        Raises
        ------
        BadData : features that are no numbers or not of the shape that the point promises.
        WrongCall : the features of all clips would not fit into memory.
        """
        found: list[np.ndarray] = []
        held = 0
        for item in items:
            if item.id not in self._known:
                self._known[item.id] = self._encode(item)
            found.append(self._known[item.id])
            held += found[-1].nbytes
            if held / len(found) * len(items) > MOST_BYTES and len(found) >= min(len(items), CHUNK):
                expected = held / len(found) * len(items) / 1024**3
                raise WrongCall(
                    f"features of {len(items)} clips at {self.point} would take {expected:.0f} GiB of memory",
                    "choose a point with fewer numbers (--point), or fewer clips (--limit)",
                )
        return found

    def _encode(self, item: VideoItem) -> np.ndarray:
        places = None if self.views is None else self.views(self.lengths[item.id])
        frames = resized(item, self.cover, None if places is None else frozenset(places.tolist()))
        parts = []
        while chunk := list(islice(frames, CHUNK)):
            images = augment.pictures(np.stack(chunk), self.request, None)
            parts.append(self._checked(item.id, images))
        features = np.concatenate(parts)
        # A frame that is wanted twice was read once.
        return features if places is None else features[np.unique(places, return_inverse=True)[1]]

    def _checked(self, name: str, images: torch.Tensor) -> np.ndarray:
        features = self.encoder.encode(images, self.point)
        expected = (len(images), self.encoder.points[self.point].dim)
        if tuple(features.shape) != expected:
            raise BadData(f"{name}: features of shape {tuple(features.shape)} at {self.point}, not {expected}")
        if not bool(torch.isfinite(features).all()):
            raise BadData(f"{name}: the encoder gives features that are no numbers at {self.point}")
        return features.to(torch.float32).numpy()


class Pictures:
    """Frames of clips that just cover a window, `(n, 3, h, w)` uint8; whole clips are remembered while they fit."""

    def __init__(self, cover: Size) -> None:
        self.cover, self.left = cover, MOST_CLIP_BYTES
        self._known: dict[str, np.ndarray] = {}

    def of(self, item: VideoItem) -> np.ndarray:
        """All frames of a clip."""
        if item.id in self._known:
            return self._known[item.id]
        clip = np.stack(list(resized(item, self.cover)))
        self.left -= clip.nbytes
        if self.left >= 0:
            self._known[item.id] = clip
        return clip

    def some(self, item: VideoItem, wanted: Sequence[int]) -> np.ndarray:
        """Some frames of a clip, in the order of `wanted`."""
        if self.left > 0 or item.id in self._known:
            return self.of(item)[list(wanted)]
        return np.stack([facts.resize(frame, self.cover) for frame in facts.some_frames(item.path, wanted)])


class ClipItems:
    """Whole clips for a classifier: item k is `(frames, H, W, 3)` uint8, larger than `size` by what a crop may move."""

    rate = 0

    def __init__(self, items: Sequence[VideoItem], size: Size, pictures: Pictures | None = None) -> None:
        self.items, self.ids = items, [item.id for item in items]
        self.pictures = pictures or Pictures(cover_for_crops(size))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.pictures.of(self.items[index]).transpose(0, 2, 3, 1)


# ---------------------------------------------------------------- labels


def compact(items: Sequence[VideoItem]) -> tuple[np.ndarray, np.ndarray]:
    """The classes that have clips `(K,)`, and the place of each clip's class among them `(N,)`."""
    classes, labels = np.unique([item.target for item in items], return_inverse=True)
    return classes, labels


def placed(scores: np.ndarray, classes: np.ndarray, count: int) -> np.ndarray:
    """Probabilities `(N, K)` of the classes that were learned as `(N, count)`: a class never seen gets none."""
    wide = np.zeros((len(scores), count))
    wide[:, classes] = scores
    return wide
