"""What `check-method` does with the role video_classifier: the task of `check_classifier`, on generated clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unlabeled import check_classifier, check_scenes
from unlabeled.check_basics import Check, Finding, expect
from unlabeled.check_classifier import CLASSES, Fitted, Shown
from unlabeled.run import Watch
from unlabeled.streams import Rng

FRAMES, SIZE = 24, (64, 80)
MARGIN = 8 / 7
"""Clips are larger than a classifier's `size` by what a crop may move, as benchmarks read them."""


class Clips:
    """Clips `(24, H, W, 3)` uint8 of blobs that move; class k has a ground of its own colour.

    role : the classifier, whose `size` they cover where it has one
    """

    things, blank_thing, rate = "clips", "a black clip", 0

    def __init__(self, part: str, n: int, role: Any) -> None:
        size = getattr(role, "size", SIZE)
        rows, columns = (round(side * MARGIN) for side in ((size, size) if isinstance(size, int) else size))
        draw = Rng(0).under("check", part).numpy("clips")
        self.role = role
        self.ids: Sequence[str] = [f"{part}-{k}" for k in range(n)]
        self.labels = np.arange(n) % CLASSES
        self.clips = [check_scenes.film(draw, FRAMES, rows, columns, int(label)) for label in self.labels]

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.clips[index]

    def part(self, part: str, n: int) -> Clips:
        """Others of the same task."""
        return Clips(part, n, self.role)

    def only(self, index: int) -> Clips:
        """One item alone."""
        alone = Clips("alone", 0, self.role)
        alone.ids, alone.clips = [self.ids[index]], [self.clips[index]]
        return alone

    def blank(self) -> Clips:
        """One item of zeros."""
        black = Clips("black", 1, self.role)
        black.clips = [np.zeros_like(clip) for clip in black.clips]
        return black

    def bytes(self) -> bytes:
        """What must stay as it is."""
        return b"".join(clip.tobytes() for clip in self.clips)


def _before_fit(fitted: Fitted) -> str:
    refusal = None
    try:
        fitted.make().scores(Shown(fitted.test))
    except Exception as fault:
        refusal = type(fault).__name__
    expect(refusal is not None, "`scores` before `fit` gives scores: of what, without a label? Raise an error")
    return f"`scores` before `fit` is refused ({refusal})"


CHECKS: Sequence[Check[Fitted]] = (*check_classifier.CHECKS, Check("before fit", _before_fit))


def check(make: Callable[[], Any], title: str, watch: Watch) -> list[Finding]:
    """Findings about the classifier of clips that `make` builds anew at every call."""
    return check_classifier.check_task(
        "video_classifier", CHECKS, lambda role: Clips("none", 0, role), make, title, watch
    )
