"""Errors of predictions: those of all held-out items, paired, and rows that are none refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from films import video_items
from torch import nn

from unlabeled.contracts import Batch, Label, Losses, Pick, Pretext, Request, Sanity, Survey, Train
from unlabeled.datasets.decode import video
from unlabeled.errors import UnlabeledError
from unlabeled.streams import Rng
from unlabeled.training import predictions, pretraining


def half_way(net, batch, rng):
    """Says what lies half-way between the last frame and the true one."""
    shown, true = batch.frames[:, 0], batch.frames[:, 1]
    last = shown[:, :, -1:].expand_as(true)
    return {"shown": shown, "true": true, "predicted": (true + last) / 2, "last frame": last}


PRETEXT = Pretext(
    Request("clips", (24, 32), lambda info, rng: Pick(((0, 2, 4), (5, 7, 9))), colour="grey"),
    Train(steps=1, batch=3, lr=0.1),
    Sanity("nothing", 0.5, lambda net, batch, rng: (torch.zeros(len(batch.ids)), None), {}),
    lambda net, batch, rng, progress: Losses({"main": net(batch.frames.flatten(1)).sum()}),
    pictures=half_way,
)


def test_errors_of_all_held_out_items_against_a_plain_loop(tmp_path):
    held = video_items(tmp_path, 7)
    by_hand = []
    for item in held:
        frames = video.read_frames(item.path)[:10] @ np.array([0.299, 0.587, 0.114]) / 255
        by_hand.append(((frames[[5, 7, 9]] - frames[4]) ** 2).mean())
    found = predictions.measure(nn.Linear(1, 1), PRETEXT, held, Rng(0), None)
    assert found["n"] == 7 and json.loads(json.dumps(found, allow_nan=False)) == found
    own, last = found["of"]["predicted"], found["of"]["last frame"]
    assert last["value"] == pytest.approx(np.mean(by_hand), rel=1e-3)
    assert own["value"] == pytest.approx(last["value"] / 4, rel=1e-5) and own["less"] == own["less_se"] == 0
    assert last["less"] == pytest.approx(0.75 * last["value"], rel=1e-5)
    assert last["se"] == pytest.approx(np.std(by_hand, ddof=1) / 7**0.5, rel=1e-3)
    data = Survey("toy", tmp_path, "", tuple(held), (), (), {}, {}, Label(("world",), ""), "")
    assert pretraining.measure(nn.Linear(1, 1), PRETEXT, data, Rng(0))["errors"]["n"] == 1, "every tenth is held out"
    silent = replace(PRETEXT, pictures=None)
    assert "errors" not in pretraining.measure(nn.Linear(1, 1), silent, data, Rng(0))
    alone = predictions.measure(nn.Linear(1, 1), PRETEXT, held[:1], Rng(0), None)["of"]["last frame"]
    assert alone["value"] == pytest.approx(by_hand[0], rel=1e-3) and alone["se"] is alone["less_se"] is None


def test_errors_are_paired():
    own, other = np.array([1.0, 2.0, 6.0]), np.array([2.0, 3.0, 7.0])
    found = predictions.errors({"predicted": own, "last frame": other})
    assert found["predicted"].value == 3 and found["predicted"].se == pytest.approx(own.std(ddof=1) / 3**0.5)
    assert (found["last frame"].less, found["last frame"].less_se) == (1, 0)


@pytest.mark.parametrize(
    "given",
    [
        {"true": torch.zeros(2, 1, 3, 4, 4)},
        {"predicted": torch.zeros(2, 1, 3, 4, 4)},
        {"true": torch.zeros(2, 1, 3, 4, 4), "predicted": torch.zeros(2, 1, 2, 4, 4)},
        {"true": torch.zeros(2, 1, 3, 4, 4), "predicted": torch.full((2, 1, 3, 4, 4), torch.nan)},
        {"true": torch.zeros(2, 2, 3, 4, 4), "predicted": torch.zeros(2, 2, 3, 4, 4)},
    ],
)
def test_rows_that_are_no_answer_are_refused(given):
    batch = Batch(("a", "b"), torch.zeros(2, 2, 1, 3, 4, 4))
    with pytest.raises(UnlabeledError, match="pictures"):
        predictions.answers(nn.Linear(1, 1), replace(PRETEXT, pictures=lambda *_: given), batch, Rng(0))
