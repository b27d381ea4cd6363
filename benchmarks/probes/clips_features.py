"""Features of the clips of videos at one point of a video encoder: what frozen probes and retrieval of clips share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from unlabeled.benchmarks.probes.clips_views import Films, Look, Places
from unlabeled.benchmarks.probes.finetune import ten_crops
from unlabeled.benchmarks.probes.frames import CALIBRATION, ClipItems, find_point, fit
from unlabeled.contracts import VideoEncoder, VideoItem
from unlabeled.errors import BadData
from unlabeled.streams import Rng
from unlabeled.training.sizes import Size, height_width

CHUNK = 8
"""Clips that are encoded together."""


class ClipFeatures:
    """Features of all clips of videos, remembered until the encoder changes.

    crops : 1 reads the middle of the pictures, 10 four corners and the middle, each mirrored too
    """

    def __init__(
        self, encoder: VideoEncoder, point: str, lengths: Mapping[str, int], places: Places, look: Look
    ) -> None:
        self.encoder, self.lengths, self.places, self.look = encoder, lengths, places, look
        self.point = find_point(encoder, point)
        self._known: dict[tuple[str, int], np.ndarray] = {}

    def learn(self, train: Sequence[VideoItem], labels: np.ndarray, rng: Rng) -> None:
        """What the encoder takes from the training clips before it is read: labels, statistics or nothing."""
        if fit(self.encoder, ClipItems(train, self.encoder.clip.size), labels, rng) or self._calibrate(train, rng):
            self._known.clear()

    def of(self, items: Sequence[VideoItem], crops: int = 1) -> list[np.ndarray]:
        """Features `(clips * crops, dim)` float32 of each video.

        Raises
        ------
        BadData : features that are no numbers or not of the shape that the point promises.
        """
        for item in items:
            if (item.id, crops) not in self._known:
                self._known[item.id, crops] = self._encode(item, crops)
        return [self._known[item.id, crops] for item in items]

    def _calibrate(self, train: Sequence[VideoItem], rng: Rng) -> bool:
        """Show an untrained network clips of some training videos, one of each; whether it asks for them."""
        see = getattr(self.encoder, "calibrate", None)
        if see is None:
            return False
        batches, size, _ = CALIBRATION
        order = rng.numpy("calibrate").permutation(len(train))[: batches * size]
        films, clip = Films(train, most=0), self.encoder.clip

        def shown() -> Iterator[Tensor]:
            for first in range(0, len(order), size):
                draws = [(k, rng.numpy("clip", train[k].id)) for k in order[first : first + size].tolist()]
                picked = [
                    (k, self.places.anywhere(self.places.shown(train[k], self.lengths[train[k].id]), clip, draw))
                    for k, draw in draws
                ]
                yield torch.stack([self.look(films.read(k, w), clip.size, None).transpose(0, 1) for k, w in picked])

        see(shown())
        return True

    def _encode(self, item: VideoItem, crops: int) -> np.ndarray:
        views = self.places.views(self.places.shown(item, self.lengths[item.id]), self.encoder.clip)
        wanted, numbers = np.unique(views, return_inverse=True)
        frames, numbers = Films([item], most=0).read(0, wanted), numbers.reshape(views.shape)
        found = []
        # Some clips at a time: all crops of a long video would fill the memory.
        for first in range(0, len(views), CHUNK):
            used, places = np.unique(numbers[first : first + CHUNK], return_inverse=True)
            clips = torch.from_numpy(places.reshape(-1, views.shape[1]))
            for crop in cropped(self.look, frames[used], self.encoder.clip.size, crops):
                found.append(self._checked(item.id, crop[clips].transpose(1, 2)))
        return np.concatenate(found)

    def _checked(self, name: str, batch: Tensor) -> np.ndarray:
        features = self.encoder.encode_clip(batch, self.point)
        expected = (len(batch), self.encoder.points[self.point].dim)
        if tuple(features.shape) != expected:
            raise BadData(f"{name}: features of shape {tuple(features.shape)} at {self.point}, not {expected}")
        if not bool(torch.isfinite(features).all()):
            raise BadData(f"{name}: the encoder gives features that are no numbers at {self.point}")
        return features.to(torch.float32).numpy()


def cropped(look: Look, frames: np.ndarray, size: Size, crops: int) -> list[Tensor]:
    """Frames `(n, H, W, 3)` uint8 as each of 1 or 10 crops shows them, `(n, 3, h, w)` float32."""
    if crops == 1:
        return [look(frames, size, None)]
    return ten_crops(look.scaled(frames, size), *height_width(size))
