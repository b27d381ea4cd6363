"""The 26 numbers a clip of the ESC baselines: statistics of MFCC and zero-crossing rate.

Source: K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015, section
"Baseline machine classification results". The paper names the features; sample values, padding and frames
were found by matching the stored results of its program (all 15 ESC-10 folds are met).
"""

from __future__ import annotations

import numpy as np
import torch

from unlabeled.contracts import Items
from unlabeled.errors import BadData
from unlabeled.training.signals.mfcc import mfcc
from unlabeled.training.signals.samples import pcm16, refuse_not_finite

N_FFT, HOP, N_MELS = 2048, 512, 128
COEFFICIENTS = 12
"""MFCC 1 to 12: the 0th is left out."""
CROSSING_FRAME = 512
"""Zero crossings are counted in frames of their own, which do not overlap."""
NAMES = (
    *(f"mfcc{k}_mean" for k in range(1, COEFFICIENTS + 1)),
    *(f"mfcc{k}_std" for k in range(1, COEFFICIENTS + 1)),
    "zcr_mean",
    "zcr_std",
)
"""What the columns of `statistics` hold. Their order decides a random forest."""


def zero_crossing_rates(samples: torch.Tensor) -> torch.Tensor:
    """Share of sign changes between neighbours inside each frame of 512 samples, `(B, ceil(n / 512))`.

    `samples` `(B, n)`, n > 1, hold no zeros. The last frame may be shorter; it needs two samples to count.
    """
    positive = samples > 0
    frames = samples.shape[1] // CROSSING_FRAME
    whole = positive[:, : frames * CROSSING_FRAME].unflatten(1, (frames, CROSSING_FRAME))
    rest = positive[:, None, frames * CROSSING_FRAME :]
    return torch.cat([_share_of_changes(part) for part in (whole, rest) if part.shape[-1] > 1], 1)


def _share_of_changes(signs: torch.Tensor) -> torch.Tensor:
    return (signs[..., 1:] != signs[..., :-1]).double().mean(-1)


def statistics(waves: torch.Tensor, rate: int) -> torch.Tensor:
    """Means and population standard deviations over frames; columns as in `NAMES`.

    Parameters
    ----------
    waves : `(B, samples)` in [-1, 1), cut or padded with zeros to the length that the recipe asks for (5 s).
    rate : samples a second; 44,100 in the paper.

    Returns
    -------
    float64 `(B, 26)`.

    Raises
    ------
    BadData : samples that are NaN or infinite, or 1,024 samples or fewer.
    WrongCall : waves are not `(B, samples)`.
    """
    refuse_not_finite(waves)
    samples = pcm16(waves)
    cepstra = mfcc(samples, rate, 1 + COEFFICIENTS, "reflect", N_FFT, HOP, N_MELS)[:, 1:]
    crossings = zero_crossing_rates(samples)[:, None]
    parts = (
        cepstra.mean(2),
        cepstra.std(2, correction=0),
        crossings.mean(2),
        crossings.std(2, correction=0),
    )
    return torch.cat(parts, 1)


class RememberedStatistics:
    """`statistics` of items, worked out once for every id: five folds ask for each clip five times."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int], np.ndarray] = {}

    def of(self, items: Items) -> np.ndarray:
        """`(N, 26)` float64 in the order of the items; one wave is in memory at a time.

        Raises
        ------
        BadData : a wave is refused by `statistics`; its id is named.
        """
        keys = [(name, items.rate) for name in items.ids]
        for index, key in enumerate(keys):
            # One clip a call: the last bit of a batched product depends on the batch, and which clips are
            # new depends on whether a run was resumed.
            if key not in self._rows:
                self._rows[key] = _row(items, index)
        return np.stack([self._rows[key] for key in keys])


def _row(items: Items, index: int) -> np.ndarray:
    wave = torch.from_numpy(np.ascontiguousarray(items[index]))
    try:
        return statistics(wave[None], items.rate)[0].numpy()
    except BadData as fault:
        raise BadData(f"{items.ids[index]}: {fault.what}", fault.todo) from fault
