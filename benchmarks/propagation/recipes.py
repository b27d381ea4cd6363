"""Constants of label propagation as papers used it, and what recipes for masks and for joints share.

CRW: A. Jabri et al. 2020 and its released code; DINO: M. Caron et al. 2021 and its released code; TimeCycle: X. Wang
et al. 2019 and its released code; colorization: C. Vondrick et al. 2018.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unlabeled.benchmarks.propagation.engine import Matching
from unlabeled.benchmarks.propagation.frames import InputSize, Native, SquareSide
from unlabeled.benchmarks.propagation.labels import Normalise
from unlabeled.benchmarks.propagation.moving import ADAPTS, Engine
from unlabeled.benchmarks.propagation.moving import Native as ByItself
from unlabeled.benchmarks.propagation.near import NearestCells
from unlabeled.benchmarks.propagation.whole import AllCells, NearestInEachFrame

CRW = NearestCells(context=20, topk=10, temperature=0.05, radius=12.0)
CRW_POSE = NearestCells(context=7, topk=10, temperature=0.05, radius=12.0)
DINO = NearestCells(
    context=7, topk=5, temperature=0.1, radius=12.0, shape="square", first="near", before="left out", ties="all"
)
TIMECYCLE = NearestInEachFrame(context=7, topk=5, scale=math.sqrt(512))
TIMECYCLE_POSE = NearestInEachFrame(context=7, topk=20, scale=math.sqrt(512))
COLORIZATION = AllCells(context=3, temperature=0.5)
WORLD = NearestCells(context=3, topk=5, temperature=0.05, radius=6.0, first="near", before="left out")
"""For networks of stride 4 on generated frames, declared before any method was scored with it: the first frame and
the last three, the five best cells within six cells."""


@dataclass(frozen=True)
class Propagation:
    """How labels are moved with the features of a method; a method that moves them itself is only scored.

    size      : frames as the encoder gets them
    normalise : features before they are compared
    stride    : input pixels between cells, as in the paper; another one is a deviation; 0: the encoder's own
    adapts    : roles that serve besides, by adapters
    unverified: constants of the adapters that nobody has checked in the paper: deviations where an adapter is used
    """

    matching: Matching
    size: InputSize = field(default_factory=Native)
    normalise: Normalise = "l2"
    stride: int = 8
    role: str = "propagator"
    adapts: tuple[str, ...] = ADAPTS
    cite: str = ""
    point: str = ""
    sets: Mapping[str, Any] = field(default_factory=lambda: {"role": "propagator"})
    unverified: tuple[str, ...] = ()
    unverified_adapters: tuple[str, ...] = ()

    def notes(self, moved_by: Engine | ByItself) -> list[str]:
        """What the record says of how labels were moved, deviations among it."""
        if isinstance(moved_by, ByItself):
            return ["the method moves labels itself (propagator): of the recipe only the scoring applies"]
        departed = [f"constant not checked in the paper: {name}" for name in self.unverified_adapters]
        stride = moved_by.reader.stride
        if self.stride and stride != self.stride:
            departed.append(f"stride {stride} (recipe: {self.stride})")
        return [*(f"deviation: {text}" for text in departed), *moved_by.reader.notes]


SQUARE_320, SQUARE_256 = SquareSide(320), SquareSide(256)
COLORIZATION_UNVERIFIED = ("T 0.5 at test", "three references at test", "input 256 x 256", "stride 8")
"""Eq. 1 stands in the lecture; these are of a re-implementation or of training."""
