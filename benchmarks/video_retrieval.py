"""Video retrieval on split 1 of UCF-101: is a training clip of the same class among the nearest of a test clip?

Nothing is trained. Queries are the test clips, the gallery is all training clips; R@k is the share of queries with a
clip of their class among the k nearest.
Source: D. Xu et al., Video Clip Order Prediction, CVPR 2019 (`vcop`); T. Han et al., CoCLR, NeurIPS 2020 (`coclr`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from unlabeled.benchmarks._videos import (
    INTERVALS,
    Prepared,
    VideoSplits,
    partial_videos,
    remarks,
    sides_of,
    without_training,
)
from unlabeled.benchmarks.metrics import clips, retrieval
from unlabeled.benchmarks.probes.clips_features import ClipFeatures
from unlabeled.benchmarks.probes.clips_views import Look, Places, ShortSide, Stretched, other_clip
from unlabeled.benchmarks.probes.frames import FrameFeatures, compact
from unlabeled.contracts import ClipSpec, ImageEncoder, Metric, Outcome, Score, Scores, Survey, VideoEncoder, VideoItem
from unlabeled.errors import AbsentData, BadData
from unlabeled.intervals import wilson
from unlabeled.streams import Rng

KS = (1, 5, 10, 20, 50)
SHOWN = 10
"""Neighbours of a query that are kept for looking at."""

# ---------------------------------------------------------------- recipes


@dataclass(frozen=True)
class ClipRetrieval:
    """The feature of a video is the mean over its clips.

    unit    : each clip's feature is scaled to length 1 first
    centred : queries and gallery lose their own mean each
    """

    clip: ClipSpec
    places: Places
    look: Look
    unit: bool = False
    centred: bool = False
    splits: tuple[int, ...] = (1,)
    role: str = "video"
    cite: str = ""
    point: str = ""
    sets: Mapping[str, Any] = field(default_factory=lambda: {"role": "video"})
    unverified: tuple[str, ...] = ()

    def prepare(self, role: VideoEncoder, lengths: Mapping[str, int]) -> ClipFeatures:
        """The encoder with features of clips remembered by video."""
        return ClipFeatures(role, self.point, lengths, self.places, self.look)

    def notes(self, features: ClipFeatures) -> tuple[str, ...]:
        """What departs from the recipe."""
        return other_clip(features.encoder.clip, self.clip)


@dataclass(frozen=True)
class FrameRetrieval:
    """The feature of a video is the mean over `views` frames at equal steps: ours, for encoders of single pictures."""

    views: int = 25
    unit: bool = False
    centred: bool = False
    splits: tuple[int, ...] = (1,)
    role: str = "image"
    cite: str = ""
    point: str = ""
    sets: Mapping[str, Any] = field(default_factory=lambda: {"role": "image"})
    unverified: tuple[str, ...] = ()

    def prepare(self, role: ImageEncoder, lengths: Mapping[str, int]) -> FrameFeatures:
        """The encoder with features of these frames remembered by video."""
        return FrameFeatures(role, self.point, lengths, partial(clips.spaced_frames, views=self.views))

    def notes(self, features: FrameFeatures) -> tuple[str, ...]:
        """Nothing: pictures are read as encoders want them."""
        return ()


# ---------------------------------------------------------------- benchmark


class VideoRetrieval(VideoSplits):
    """One unit a split; items are right where the nearest neighbour is."""

    metrics = tuple(Metric(f"r@{k}") for k in KS)

    def run_unit(self, unit: str, data: Survey, role: Prepared, recipe: Any, rng: Rng, keep: str) -> Outcome:
        """Places of the first hit of each query; videos that cannot be decoded are left out and told."""
        gallery, queries = role.readable(unit, data)
        if not gallery or not queries:
            raise BadData(f"{data.folder}: {unit} leaves no video on one side that can be decoded")
        role.role.learn(gallery, compact(gallery)[1], rng)
        shelf, asked = (self._vectors(role.role.of(side), recipe) for side in (gallery, queries))
        kinds, wanted = (np.array([item.target for item in side]) for side in (gallery, queries))
        places = retrieval.first_hits(asked, shelf, wanted, kinds)
        near = retrieval.nearest(asked, shelf, SHOWN) if keep == "predictions" else None
        values = {
            "r@1": retrieval.recall(places, 1),
            "hits": {str(k): int((places <= k).sum()) for k in KS},
            "gallery": len(gallery),
            "per_class": {data.classes[c]: float((places[wanted == c] == 1).mean()) for c in np.unique(wanted)},
            "unreadable": role.unreadable(unit, data),
            "notes": list(recipe.notes(role.role)),
        }
        return Outcome(len(queries), values, tuple(_items(queries, places, gallery, near)))

    def _vectors(self, features: Sequence[np.ndarray], recipe: Any) -> np.ndarray:
        """One vector a video `(videos, dim)`."""
        rows = np.stack([(retrieval.unit(part) if recipe.unit else part).mean(axis=0) for part in features])
        return retrieval.centred(rows) if recipe.centred else rows

    def chance(self, unit: str, data: Survey, recipe: Any) -> Outcome:
        """A gallery in random order: exact for the numbers of clips that each class has."""
        gallery, queries = sides_of(unit, data.items)
        if not gallery or not queries:
            raise AbsentData("chance of retrieval hangs on how many clips each class has", "give --data ROOT")
        kinds = np.bincount([item.target for item in gallery], minlength=len(data.classes))
        return Outcome(
            len(queries),
            {
                f"r@{k}": float(np.mean([retrieval.chance(kinds[q.target], len(gallery), k) for q in queries]))
                for k in KS
            },
        )

    def aggregate(self, outcomes: Mapping[str, Outcome], data: Survey, recipe: Any) -> Scores:
        """R@k of all queries together, Wilson intervals."""
        n = sum(outcome.n for outcome in outcomes.values())
        if any("hits" not in outcome.values for outcome in outcomes.values()):
            means = {f"r@{k}": float(np.mean([o.values[f"r@{k}"] for o in outcomes.values()])) for k in KS}
            return Scores({name: Score(value, n) for name, value in means.items()}, {"classes": list(data.classes)})
        hits = {k: sum(outcome.values["hits"][str(k)] for outcome in outcomes.values()) for k in KS}
        scores = {f"r@{k}": Score(hit / n, n, wilson(hit, n), "Wilson 95 %, pooled clips") for k, hit in hits.items()}
        breakdown = {
            "classes": list(data.classes),
            "recall": {str(k): hit / n for k, hit in hits.items()},
            "units": {
                unit: {"queries": o.n, "gallery": o.values["gallery"], "per_class": o.values["per_class"]}
                for unit, o in outcomes.items()
            },
        }
        notes = (INTERVALS, *without_training(outcomes, data), *remarks(outcomes))
        return Scores(scores, breakdown, notes, partial_videos(outcomes, data))


def _items(
    queries: Sequence[VideoItem], places: np.ndarray, gallery: Sequence[VideoItem], near: np.ndarray | None
) -> Iterable[dict[str, Any]]:
    for k, (item, place) in enumerate(zip(queries, places.tolist(), strict=True)):
        told = {"id": item.id, "truth": item.target, "place": place, "right": place == 1, "group": item.group}
        yield told if near is None else {**told, "nearest": [gallery[j].id for j in near[k].tolist()]}


BENCHMARK = VideoRetrieval(
    "video_retrieval",
    "Video retrieval on UCF-101",
    "ucf101",
    {
        "vcop": ClipRetrieval(ClipSpec(16, 1, 112), Places("vcop", short="hold"), Stretched(), cite="xu2019self"),
        "coclr": ClipRetrieval(
            ClipSpec(32, 1, 128), Places("consecutive"), ShortSide(), unit=True, centred=True, cite="han2020self"
        ),
        "frame-mean": FrameRetrieval(),
    },
)
