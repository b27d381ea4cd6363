"""Lazy sequences of decoded items, in the order of a survey."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unlabeled.contracts import SoundItem
from unlabeled.datasets.decode import sound


class SoundItems:
    """Clips as mono waves `(rate * seconds,)` float32 in [-1, 1): decoded, mixed down, resampled, cut or padded.

    Resampling is done on the whole file, before cutting. Nothing is kept in memory.
    """

    def __init__(self, items: Sequence[SoundItem], rate: int, seconds: float) -> None:
        self.items, self.rate, self.samples = tuple(items), rate, round(rate * seconds)
        self.ids: Sequence[str] = [item.id for item in self.items]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> np.ndarray:
        clip = sound.read(self.items[index].path)
        wave = sound.resample(sound.mono(clip), clip.rate, self.rate)
        return sound.fix_length(wave, self.samples)
