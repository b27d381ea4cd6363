"""Spot checks of video scores, view positions, retrieval and of several seeds: `spot_checks_vision.json`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from unlabeled.benchmarks.metrics import clips, retrieval
from unlabeled.intervals import mcnemar_exact
from unlabeled.seeds import above, mean_and_deviation


def video_score(given: dict) -> dict:
    logits = np.array(given["clip_logits"])
    softmax, plain = clips.video_scores(logits, "softmax"), clips.video_scores(logits, "logits")
    return {
        "mean_softmax": softmax,
        "mean_logits": plain,
        "class_by_softmax": int(softmax.argmax()),
        "class_by_logits": int(plain.argmax()),
        "top2_by_softmax": clips.top_classes(softmax, 2).tolist(),
    }


def positions(given: dict) -> dict:
    frames = given["frames"]
    return {
        "vcop_starts_10x16": clips.vcop_starts(frames).tolist(),
        "avid_starts_10x8": clips.avid_starts(frames).tolist(),
        "frames_25_of_this_spec": clips.spaced_frames(frames).tolist(),
    }


def u(seed: int, *shape: int) -> np.ndarray:
    """The JSON file's generator: splitmix64 of `seed * 2^32 + k`, its upper 53 bits in [0, 1), row-major."""
    z = (np.uint64(seed) << np.uint64(32)) + np.arange(np.prod(shape), dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return (((z ^ z >> np.uint64(31)) >> np.uint64(11)) / 2.0**53).reshape(shape)


def retrieved(given: dict) -> dict:
    centres = 2 * u(given["seed"] + 2, given["classes"], given["dim"]) - 1
    classes = {name: np.arange(given[name]) % given["classes"] for name in ("train", "test")}
    train, test = (
        2 * u(given["seed"] + k, given[name], given["dim"]) - 1 + given["pull"] * centres[classes[name]] + 1
        for k, name in enumerate(("train", "test"))
    )
    plain = retrieval.first_hits(test, train, classes["test"], classes["train"])
    centred = retrieval.first_hits(retrieval.centred(test), retrieval.centred(train), classes["test"], classes["train"])
    ks = (1, 5, 10, 20)
    return {
        "ks": list(ks),
        "recall_cosine": [retrieval.recall(plain, k) for k in ks],
        "recall_centred_cosine": [retrieval.recall(centred, k) for k in ks],
        "five_nearest_of_query_0_cosine": retrieval.nearest(test, train, 5)[0].tolist(),
    }


def mcnemar(given: dict) -> dict:
    return {"b_c_p": [[b, c, mcnemar_exact(b, c)] for b, c in given["pairs"]]}


def over_seeds(given: dict) -> dict:
    mean, deviation = mean_and_deviation(given["values"])
    return {"mean": mean, "sd": deviation}


def ordered(given: dict) -> dict:
    # The reference is rounded to twelve digits and asks for no tolerance.
    found = [(a, b, above(a, b)) for a, b in given["pairs"]]
    return {
        "verdicts": [
            [a, b, {**told._asdict(), "mean_difference": round(told.mean_difference, 12)}] for a, b, told in found
        ]
    }


BUILT: dict[str, Callable[[dict], dict]] = {
    **{f"clip/score/{name}": video_score for name in ("agree", "disagree", "tie")},
    **{f"clip/positions/len{n}": positions for n in (16, 17, 29, 100, 186, 300)},
    "clip/retrieval": retrieved,
    "stat/mcnemar": mcnemar,
    **{f"stat/seeds/{name}": over_seeds for name in ("three", "equal", "one")},
    "stat/above": ordered,
}
