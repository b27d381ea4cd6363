"""Spot checks of label propagation and of pose maps: `spot_checks_vision.json`, features by `u(seed, k)`."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from unlabeled.benchmarks.propagation import labels, poses
from unlabeled.benchmarks.propagation.engine import Matching, propagate
from unlabeled.benchmarks.propagation.frames import ShortSide
from unlabeled.benchmarks.propagation.near import NearestCells
from unlabeled.benchmarks.propagation.whole import AllCells, NearestInEachFrame


def u(seed: int, n: int) -> np.ndarray:
    """u(seed, 0) ... u(seed, n - 1): splitmix64 of seed * 2^32 + k, its upper 53 bits in [0, 1)."""
    z = np.arange(n, dtype=np.uint64) + np.uint64(seed << 32) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) / 2**53


# ---------------------------------------------------------------- label propagation


def features(given: dict, double: bool = False) -> torch.Tensor:
    """`(N, C, h, w)`: the first frame rolled to the right, with a quarter of noise."""
    c, n, h, w = (given[name] for name in ("C", "N", "h", "w"))
    raw = given["lo"] + (given["hi"] - given["lo"]) * u(given["seed"], c * n * h * w).reshape(c, n, h, w)
    frames = [raw[:, 0]] + [0.75 * np.roll(raw[:, 0], t, axis=-1) + 0.25 * raw[:, t] for t in range(1, n)]
    return torch.from_numpy(np.stack(frames)).to(torch.float64 if double else torch.float32)


def painted(height: int, width: int, boxes: list[list[int]]) -> np.ndarray:
    index = np.zeros((height, width), dtype=np.uint8)
    for k, (y0, y1, x0, x1) in enumerate(boxes, 1):
        index[y0:y1, x0:x1] = k
    return index


def run(
    given: dict, matching: Matching, normalise: labels.Normalise, frames: torch.Tensor | None = None
) -> torch.Tensor:
    """Soft labels of all frames `(N, h, w, K)`, the first as it was given."""
    frames = features(given["features"]) if frames is None else frames
    index = painted(*frames.shape[2:], given["first_labels"]["boxes"])
    first = labels.one_hot(index, given["first_labels"]["classes"] - 1)
    soft = propagate((labels.normalised(frame, normalise) for frame in frames), first, matching)
    return torch.stack([first.to(frames), *soft]).permute(0, 2, 3, 1)


def pixels(reading: labels.Reading, soft: torch.Tensor, size: tuple[int, int]) -> list[int]:
    """Pixels of each class in the mask of the last frame."""
    index = reading.read(soft[-1].permute(2, 0, 1), size)
    return np.bincount(index.ravel(), minlength=soft.shape[-1]).tolist()


def crw(given: dict) -> dict:
    assert given["long_mem"] == [0]
    context = given["context"]
    soft = run(given, NearestCells(context, given["topk"], given["temperature"], given["radius"]), "l2")
    return {
        # What the engine counts is tested against a plain implementation; this only says what the case means.
        "source_frames_of_frame": [[0, *(max(0, t - k) for k in range(context, 0, -1))] for t in range(len(soft))],
        "soft_last_frame": soft[-1],
        "soft_frame_1": soft[1],
        "class_mass": soft.sum((1, 2)),
        "argmax_last_up": {"H": 40, "W": 56, "counts": pixels(labels.Bilinear(), soft, (40, 56))},
    }


def crw_worked(given: dict) -> dict:
    frames = torch.tensor(given["features_frame_cell_channel"]).permute(0, 2, 1).reshape(3, 2, given["h"], given["w"])
    first = torch.tensor(given["labels"], dtype=torch.float32).T.reshape(2, given["h"], given["w"])
    matching = NearestCells(given["context"], given["topk"], given["temperature"], given["radius"])
    soft = torch.stack([first, *propagate(frames, first, matching)])
    return {"soft": soft.flatten(2).permute(0, 2, 1)}


def dino(given: dict) -> dict:
    matching = NearestCells(
        given["n_last_frames"], given["topk"], given["temperature"], given["neighborhood"], "square", "near",
        "left out", "all",
    )  # fmt: skip
    soft = run(given, matching, "l2")
    size = tuple(given["upsample"] * given["features"][side] for side in "hw")
    return {
        "soft_last_frame": soft[-1],
        "soft_frame_1": soft[1],
        "class_mass": soft.sum((1, 2)),
        "final_counts": pixels(labels.Downsized(given["upsample"]), soft, size),
    }


def timecycle(given: dict) -> dict:
    assert given["scale"] == "sqrt(512)"
    frames = features(given["features"], True) + given["add_to_features"]
    matching = NearestInEachFrame(given["context"] - 1, given["topk_per_frame"], math.sqrt(512))
    # The first frame is predicted too, from its copies, and later frames copy from that.
    first = labels.one_hot(painted(*frames.shape[2:], given["first_labels"]["boxes"]), 2).double()
    start = matching.start(labels.normalised(frames[0], "relu, l2"), first)
    zero = start.last[-1][1].reshape(*frames.shape[2:], -1)
    soft = run(given, matching, "relu, l2", frames)
    mass = torch.stack([zero, *soft[1:]]).sum((1, 2))
    return {"soft_last_frame": soft[-1], "soft_target_0": zero, "class_mass": mass}


def colorization(given: dict) -> dict:
    assert not given["normalise"]
    soft = run(given, AllCells(given["references"], given["temperature"]), "none", features(given["features"], True))
    return {"soft_last_frame": soft[-1], "class_mass": soft.sum((1, 2))}


def resized(given: dict) -> dict:
    index = painted(given["H"], given["W"], given["boxes"])
    small = labels.Bilinear().prepare(index, len(given["boxes"]), (given["h"], given["w"]))
    back = labels.Bilinear().read(small, index.shape)
    return {
        "small": small.permute(1, 2, 0),
        "back_argmax_counts": np.bincount(back.ravel()).tolist(),
        "back_disagreeing_pixels": int((back != index).sum()),
    }


def dino_size(given: dict) -> dict:
    height, width = ShortSide().of(given["H"], given["W"])
    return {
        "resized_h": height,
        "resized_w": width,
        "grid16": [height // 16, width // 16],
        "grid8": [height // 8, width // 8],
        "crw_grid": [-(-given["H"] // 8), -(-given["W"] // 8)],
    }


# ---------------------------------------------------------------- joints


def drawn(given: dict) -> dict:
    maps = poses.draw(np.array(given["points_xy"]).T, given["h"], given["w"], given["sigma"]).numpy()
    return {"nonzero_row_col_value": [[[y, x, one[y, x]] for y, x in np.argwhere(one).tolist()] for one in maps]}


def read_out(given: dict) -> dict:
    shape = given["h"], given["w"], 1 + given["joints"]
    values = u(given["seed"], math.prod(shape)).reshape(shape) ** 6
    values[..., 2] = 0
    return {"xy": poses.read(torch.from_numpy(values).permute(2, 0, 1)[1:], given["topk"])}


BUILT: dict[str, Callable[[dict], dict]] = {
    **{f"prop/crw/{name}": crw for name in ("basic", "radius_1", "wide")},
    "prop/crw/worked": crw_worked,
    **{f"prop/dino/{name}": dino for name in ("basic", "narrow")},
    "prop/timecycle/basic": timecycle,
    **{f"prop/colorization/{name}": colorization for name in ("t1", "t05")},
    **{f"prop/resize/{name}": resized for name in ("24x30", "480x854_rows")},
    **{f"prop/dino_size/{name}": dino_size for name in ("davis", "bike-packing", "shooting", "portrait")},
    "pose/draw/points": drawn,
    **{f"pose/readout/{name}": read_out for name in "ab"},
}
