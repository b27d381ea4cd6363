"""The detection cases of `spot_checks_vision.json`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from unlabeled.benchmarks.metrics import voc


def arrays(given: dict) -> tuple[voc.Detected, voc.Truth]:
    """Detections and objects of the class of a case."""
    places = {image: k for k, image in enumerate(given["images"])}
    objects = [
        (places[image], box, difficult)
        for image, things in given["images"].items()
        for name, difficult, box in things
        if name == given["cls"]
    ]
    images, boxes, difficult = zip(*objects, strict=True)
    found, scores, corners = zip(*given["detections"], strict=True)
    detected = voc.Detected(np.array([places[image] for image in found]), np.array(scores), np.array(corners))
    return detected, voc.Truth(np.array(images), np.array(boxes), np.array(difficult, dtype=bool))


def aps(recall: np.ndarray, precision: np.ndarray) -> dict:
    return {
        "ap_11point": voc.average_precision(recall, precision),
        "ap_area": voc.average_precision(recall, precision, "area"),
    }


def curve_alone(given: dict) -> dict:
    return aps(given["recall"], given["precision"])


def whole_set(given: dict) -> dict:
    detected, truth = arrays(given)
    flags = voc.match(detected, truth, (given["iou"],)).flags[0]
    recall, precision = voc.curve(flags, int((~truth.difficult).sum()))
    return {"recall": recall, "precision": precision, **aps(recall, precision)}


def rounded(given: dict) -> dict:
    detected, truth = arrays(given)
    texts = voc.Detected(detected.image, *voc.rounded_text(detected.score, detected.boxes))
    return {
        name: {
            "ap_11point": voc.class_ap(part, truth, given["iou"]),
            "ap_area": voc.class_ap(part, truth, given["iou"], "area"),
        }
        for name, part in (("unrounded", detected), ("voc_text", texts))
    }


def sweep(given: dict) -> dict:
    detected, truth = arrays(given)
    points, areas = voc.class_aps(detected, truth), voc.class_aps(detected, truth, kind="area")
    return {
        "non_difficult": int((~truth.difficult).sum()),
        "detections": len(detected.score),
        "ap_11point_and_area_by_iou": {
            f"{iou:.2f}": list(pair) for iou, *pair in zip(voc.IOU_SWEEP, points, areas, strict=True)
        },
        "coco_style_mean_of_11point": np.mean(points),
    }


SETS = (
    "basic",
    "basic_iou_0.8",
    "iou_exactly_half",
    "score_ties",
    "greedy_by_largest_iou",
    "difficult_has_larger_iou",
    "first_detection_on_difficult",
    "equal_iou_first_box",
)
BUILT: dict[str, Callable[[dict], dict]] = {
    **{f"voc/curve/{name}": curve_alone for name in ("perfect", "none", "one_third", "float_threshold", "zigzag")},
    **{f"voc/set/{name}": whole_set for name in SETS},
    "voc/set/text_rounding": rounded,
    "voc/random": sweep,
}
