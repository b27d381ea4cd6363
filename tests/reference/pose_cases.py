"""Spot checks of PCK and of the bootstrap: `spot_checks_vision.json`, with the numbers u(seed, k) defined there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from unlabeled.benchmarks.metrics import pck
from unlabeled.intervals import bootstrap_p, bootstrap_weights, percentile_interval


def u(seed: int, n: int) -> np.ndarray:
    """u(seed, 0) ... u(seed, n - 1): splitmix64 of seed * 2^32 + k, its upper 53 bits in [0, 1)."""
    z = np.arange(n, dtype=np.uint64) + np.uint64(seed << 32) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) / 2**53


def propagated(video: dict) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true joints of a video, in 0-based pixels."""
    shape, seed = (15, video["frames"]), video["seed"]
    size = np.array([video["w"], video["h"]])[:, None, None]
    where, noise = (
        np.stack([u(first + axis, 15 * video["frames"]).reshape(shape) for axis in (0, 1)])
        for first in (seed, seed + 2)
    )
    truth = np.round(where * (size - 1), 2)
    cells = np.maximum(truth * 40 / size + (noise - 0.5) * video["noise"], 0)
    for joint, frame in video["lost"]:
        cells[:, joint, frame] = -1
    return pck.from_cells(cells, video["w"], video["h"]), truth


def pose_pck(given: dict) -> dict:
    clips = [propagated(video) for video in given["videos"]]
    counts = [pck.clip_counts(predicted, truth) for predicted, truth in clips]
    result = pck.pck(counts)
    shares = [100 * np.array([*joints, mean]) for joints, mean in zip(result.per_joint, result.mean, strict=True)]
    predicted, truth = clips[0]
    return {
        "pck_per_joint_then_mean": {str(level): row for level, row in zip(pck.THRESHOLDS, shares, strict=True)},
        "pairs_per_joint": sum(clip.pairs for clip in counts).tolist(),
        "box_first_video": pck.normalisers(truth, predicted[0] >= 0),
    }


class Given:
    """Stands for a random stream: the draws of the case, floor(n u(seed, k))."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def integers(self, n: int, size: tuple[int, int]) -> np.ndarray:
        return np.floor(n * u(self.seed, size[0] * size[1])).astype(np.int64).reshape(size)


def bootstrap(given: dict) -> dict:
    seed, n = given["seed"], given["n"]
    a = u(seed, n)
    differences = a - (a + 0.2 * (u(seed + 1, n) - given["shift"]))
    (weights,) = bootstrap_weights(n, given["B"], Given(seed + 2))
    resampled = weights @ differences / n
    low, high = percentile_interval(resampled)
    return {
        "mean_difference": differences.mean(),
        "low": low,
        "high": high,
        "resamples_at_or_below_zero": int((resampled <= 0).sum()),
        "p_two_sided": bootstrap_p(resampled),
    }


BUILT: dict[str, Callable[[dict], dict]] = {"pose/pck": pose_pck, "stat/bootstrap": bootstrap}
