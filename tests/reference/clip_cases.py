"""Spot checks of video scores, view positions and of several seeds: `spot_checks_vision.json`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from unlabeled.benchmarks.metrics import clips
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
    "stat/mcnemar": mcnemar,
    **{f"stat/seeds/{name}": over_seeds for name in ("three", "equal", "one")},
    "stat/above": ordered,
}
