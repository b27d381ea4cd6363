"""Scores of separated sources against mir_eval."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from unlabeled.bench import Row, interleaved, one_thread, peer_package, row
from unlabeled.benchmarks.metrics.bss import CEILING_DB, Scores, bss_eval
from unlabeled.streams import stream

RATE, SECONDS, PAIRS = 11_025, 6, 32
COMPARED = 4
"""Pairs of the batch whose scores are compared; mir_eval takes half a second for each."""


def waves() -> tuple[torch.Tensor, torch.Tensor]:
    """References and estimates, `(32, 2, 66150)` each: fading tones in noise, and each with some of the other."""
    rng = stream(0, "bench", "bss")
    seconds = np.arange(RATE * SECONDS) / RATE
    pitches, fades = rng.uniform(100, 4000, (PAIRS, 2, 1)), rng.uniform(0.1, 1, (PAIRS, 2, 1))
    tones = np.sin(2 * np.pi * pitches * seconds) * np.exp(-fades * seconds)
    references = 0.4 * tones + 0.02 * rng.standard_normal(tones.shape)
    estimates = references + 0.2 * references[:, ::-1] + 0.01 * rng.standard_normal(tones.shape)
    return torch.from_numpy(references), torch.from_numpy(estimates)


def largest_difference(ours: Scores, theirs: list[tuple]) -> float:
    """In dB over SDR, SIR and SAR of the first pairs; infinite where an order differs."""
    largest = 0.0
    for k, (*wanted, order) in enumerate(theirs):
        found = torch.stack([ours.sdr[k], ours.sir[k], ours.sar[k]]).numpy()
        gaps = np.abs(np.minimum(found, CEILING_DB) - np.minimum(wanted, CEILING_DB))
        largest = max(largest, float(gaps.max()) if ours.order[k].tolist() == list(order) else np.inf)
    return largest


def bss(seconds_budget: float) -> list[Row]:
    """SDR, SIR and SAR of two sources, 6 s at 11,025 Hz, against `mir_eval.separation.bss_eval_sources`.

    With the search for the order of the estimates and without it, on both sides. A repeat is one pair, or one batch of
    32; mir_eval knows no batches and its time is that of one pair in both rows.
    """
    mir_eval = peer_package("mir_eval.separation")
    version = f"mir_eval {peer_package('mir_eval').__version__} bss_eval_sources"
    references, estimates = waves()
    rows = []
    with one_thread(), warnings.catch_warnings():
        # It is deprecated there, and nowhere replaced.
        warnings.simplefilter("ignore", FutureWarning)
        for search in (True, False):

            def peer(pair: int = 0, search: bool = search) -> tuple:
                return mir_eval.bss_eval_sources(references[pair].numpy(), estimates[pair].numpy(), search)

            def alone(search: bool = search) -> Scores:
                return bss_eval(references[:1], estimates[:1], search)

            def batched(search: bool = search) -> Scores:
                return bss_eval(references, estimates, search)

            one, theirs = interleaved([alone, peer], seconds_budget / 4)
            batch, theirs_again = interleaved([batched, peer], seconds_budget / 4)
            wanted = [peer(pair) for pair in range(COMPARED)]
            what = "BSS-eval with search for the order" if search else "BSS-eval without search for the order"
            single, whole = largest_difference(alone(), wanted[:1]), largest_difference(batched(), wanted)
            rows += [
                row(f"{what}, one pair a call", one, theirs, 1, version, single, "pairs/s"),
                row(
                    f"{what}, batches of {PAIRS}",
                    [t / PAIRS for t in batch],
                    theirs_again,
                    1,
                    version,
                    whole,
                    "pairs/s",
                ),
            ]
    return rows
