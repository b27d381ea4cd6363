"""Lazy sequences of decoded items, in the order of a survey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from unlabeled.contracts import SoundItem
from unlabeled.datasets.decode import sound


class SoundItems:
    """Clips as mono waves `(samples,)` float32 in [-1, 1) at one rate; nothing is kept in memory.

    `seconds` cuts a clip or appends zeros; None leaves its length. `channel` is the mean of all channels or the
    first one. Resampling is done on the whole file, before cutting.
    """

    def __init__(
        self,
        items: Sequence[SoundItem],
        rate: int,
        seconds: float | None,
        channel: Literal["mean", "first"] = "mean",
    ) -> None:
        self.items, self.rate, self.channel = tuple(items), rate, channel
        self.samples = None if seconds is None else round(rate * seconds)
        self.ids: Sequence[str] = [item.id for item in self.items]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> np.ndarray:
        clip = sound.read(self.items[index].path)
        wave = clip.samples[0] if self.channel == "first" else sound.mono(clip)
        wave = sound.resample(wave, clip.rate, self.rate)
        return wave if self.samples is None else sound.fix_length(wave, self.samples)
