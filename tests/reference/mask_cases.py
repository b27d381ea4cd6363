"""Spot checks of the mask metrics: shapes by formula, random arrays by `u`, a small set evaluated frame by frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from unlabeled.benchmarks.metrics import davis


def u(seed: int, k: np.ndarray) -> np.ndarray:
    """The JSON file's generator: splitmix64 of `seed * 2^32 + k`, as a number in [0, 1)."""
    z = (np.uint64(seed) << np.uint64(32)) + k.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return ((z ^ z >> np.uint64(31)) >> np.uint64(11)) / 2.0**53


def shape(given: dict, height: int, width: int) -> np.ndarray:
    """A mask `(H, W)` bool."""
    y, x = np.mgrid[:height, :width]
    match given["kind"]:
        case "empty":
            return np.zeros((height, width), dtype=bool)
        case "full":
            return np.ones((height, width), dtype=bool)
        case "rect":
            return (given["y0"] <= y) & (y < given["y1"]) & (given["x0"] <= x) & (x < given["x1"])
        case "ellipse":
            return ((x - given["cx"]) / given["rx"]) ** 2 + ((y - given["cy"]) / given["ry"]) ** 2 <= 1
        case "union":
            return np.any([shape(part, height, width) for part in given["parts"]], axis=0)
    raise ValueError(f"no such shape: {given['kind']}")


# ---------------------------------------------------------------- pairs of masks


def pair(given: dict) -> dict:
    height, width = given["h"], given["w"]
    truth, predicted = shape(given["gt"], height, width), shape(given["pred"], height, width)
    return {
        "J": davis.jaccard(predicted, truth),
        "F": davis.boundary_f(predicted, truth),
        "gt_boundary_pixels": int(davis.boundary_map(truth).sum()),
        "pred_boundary_pixels": int(davis.boundary_map(predicted).sum()),
        "bound_pix": davis.tolerance(height, width),
    }


def pair_with_void(given: dict) -> dict:
    truth, predicted, void = (shape(given[name], given["h"], given["w"]) for name in ("gt", "pred", "void"))
    return {
        "J": davis.jaccard(predicted, truth, void),
        "F": davis.boundary_f(predicted, truth, void),
        "J_without_void": davis.jaccard(predicted, truth),
        "F_without_void": davis.boundary_f(predicted, truth),
    }


def speckle(given: dict) -> dict:
    assert given["order"] == "row-major k"
    k = np.arange(given["h"] * given["w"]).reshape(given["h"], given["w"])
    truth = u(given["seed"], k) < given["thr_gt"]
    predicted = truth ^ (u(given["seed"] + 1, k) < given["thr_flip"])
    return {
        "J": davis.jaccard(predicted, truth),
        "F": davis.boundary_f(predicted, truth),
        "gt_pixels": int(truth.sum()),
        "pred_pixels": int(predicted.sum()),
        "F_at_radius_2": davis.boundary_f(predicted, truth, bound=2),
        "F_at_radius_3": davis.boundary_f(predicted, truth, bound=3),
    }


def boundary(given: dict) -> dict:
    return {"bmap": davis.boundary_map(np.array(given["mask"], dtype=bool)).astype(int).tolist()}


# ---------------------------------------------------------------- statistics


def statistics(given: dict) -> dict:
    assert given["values"] == "u(seed,k), k=0..n-1; then element 1 (0-based) set to 0.5 exactly if n > 3"
    values = u(given["seed"], np.arange(given["n"]))
    if given["n"] > 3:
        values[1] = 0.5
    return davis.statistics(values)._asdict()


def statistics_with_nan(given: dict) -> dict:
    return davis.statistics(np.array(given["values"], dtype=float))._asdict()


# ---------------------------------------------------------------- a set of sequences


def index_maps(given: dict, side: str) -> list[np.ndarray]:
    """All frames of the truth (`gt`) or the prediction (`pred`) of a sequence: moving ellipses, later over earlier."""
    frames = []
    for t in range(given["frames"]):
        index = np.zeros((given["h"], given["w"]), dtype=np.uint8)
        for thing in given[side]:
            if t not in thing.get("absent", []):
                moved = {"cy": thing["cy"] + thing["vy"] * t, "cx": thing["cx"] + thing["vx"] * t}
                index[shape({"kind": "ellipse", **thing, **moved}, *index.shape)] = thing["id"]
        if side == "gt" and "void" in given and t in given["void"]["frames"]:
            index[shape(given["void"]["shape"], *index.shape)] = 255
        frames.append(index)
    return frames


def evaluated_set(given: dict) -> dict:
    names, j, f = [], [], []
    for sequence in given["sequences"]:
        truth, predicted = index_maps(sequence, "gt"), index_maps(sequence, "pred")
        objects = davis.count_objects(truth[0])
        names += [f"{sequence['name']}_{k}" for k in range(1, objects + 1)]
        scores = davis.sequence_scores(predicted[1:-1], truth[1:-1], objects)
        for rows, values in zip((j, f), scores, strict=True):
            rows += map(davis.statistics, values)
    j_mean, j_recall, j_decay = np.transpose(j)
    f_mean, f_recall, f_decay = np.transpose(f)
    return {
        "objects": names,
        "J_mean_per_object": j_mean,
        "J_recall_per_object": j_recall,
        "J_decay_per_object": j_decay,
        "F_mean_per_object": f_mean,
        "F_recall_per_object": f_recall,
        "F_decay_per_object": f_decay,
        "table": {
            "J&F-Mean": (j_mean.mean() + f_mean.mean()) / 2,
            "J-Mean": j_mean.mean(),
            "J-Recall": j_recall.mean(),
            "J-Decay": j_decay.mean(),
            "F-Mean": f_mean.mean(),
            "F-Recall": f_recall.mean(),
            "F-Decay": f_decay.mean(),
        },
    }


def changed_result(given: dict) -> dict:
    (sequence,) = given["sequences"]
    truth, predicted = index_maps(sequence, "gt"), dict(enumerate(index_maps(sequence, "pred")))
    change = given["change"]
    if change["what"] == "pixel":
        predicted[change["frame"]][0, 0] = change["value"]
    else:
        assert change["what"] == "delete"
        del predicted[change["frame"]]
    scored = range(1, len(truth) - 1)
    try:
        davis.sequence_scores(
            [predicted.get(t) for t in scored], [truth[t] for t in scored], davis.count_objects(truth[0])
        )
    except ValueError:
        return {"result": "error"}
    return {"result": "value"}


PAIRS = {
    "pair": "identical shifted_1 shifted_3 larger both_empty gt_empty pred_empty both_full gt_full full_against_empty "
    "one_pixel_same one_pixel_next corner_bottom_right corner_top_left bottom_row right_column last_pixel_only "
    "disjoint ring thin_line two_parts",
    "480p": "shift_5 shift_9 shift_20 touching_border",
}
BUILT: dict[str, Callable[[dict], dict]] = {
    **{f"mask/{group}/{name}": pair for group, names in PAIRS.items() for name in names.split()},
    **{f"mask/void/{name}": pair_with_void for name in ("void_over_extra", "void_partial", "void_all")},
    "mask/speckle/sparse": speckle,
    "mask/speckle/dense": speckle,
    "mask/seg2bmap": boundary,
    "mask/seg2bmap/full": boundary,
    **{f"mask/statistics/len{n}": statistics for n in (1, 2, 3, 4, 5, 8, 23, 102)},
    "mask/statistics/nan": statistics_with_nan,
    "mask/evaluator": evaluated_set,
    **{
        f"mask/error/{name}": changed_result
        for name in (
            "index_too_high",
            "void_in_result",
            "frame_missing",
            "last_frame_not_read",
            "first_frame_not_read",
        )
    },
}
