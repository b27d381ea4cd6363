"""Sanity values worked out by hand on made-up scores."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from trainings import Net, batches_of

from unlabeled.contracts import Batch, Sanity
from unlabeled.errors import UnlabeledError
from unlabeled.streams import Rng
from unlabeled.training.sanity import balanced_mean, evaluate_sanity, judge


def batch(scores, strata=None):
    """Scores travel as targets, strata as labels."""
    kinds = None if strata is None else torch.tensor(strata)
    return Batch(tuple(map(str, range(len(scores)))), target=torch.tensor(scores), labels=kinds)


def shown(net, given, rng):
    return given.target, given.labels


def flipped(given, rng):
    return replace(given, target=1 - given.target)


SANITY = Sanity("accuracy", 0.5, shown, {"flipped": flipped})


def test_mean_and_standard_error_of_plain_scores():
    batches = [batch([1.0, 1.0, 0.0]), batch([1.0])]
    found = evaluate_sanity(nn.Identity(), SANITY, batches, Rng(0))
    se = math.sqrt(3 * 0.25**2 + 0.75**2) / math.sqrt(3) / 2
    assert found == {
        "name": "accuracy",
        "chance": 0.5,
        "value": 0.75,
        "n": 4,
        "se": pytest.approx(se),
        "controls": {"flipped": {"value": 0.25, "n": 4, "se": pytest.approx(se)}},
    }


def test_strata_weigh_alike():
    """Always answering kind 0 is right for 3 of 4 items, and no better than chance."""
    value, se = balanced_mean(np.array([1.0, 1.0, 1.0, 0.0, 0.0]), np.array([0, 0, 0, 1, 1]))
    assert (value, se) == (0.5, 0.0)
    value, se = balanced_mean(np.array([1.0, 0.0, 1.0, 0.0, 0.0, 1.0]), np.array([0, 0, 1, 1, 1, 1]))
    assert value == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert se == pytest.approx(math.sqrt(0.5 / 2 + (4 * 0.25 / 3) / 4) / 2)


def test_the_standard_error_is_that_of_repeated_draws():
    draws = np.random.default_rng(0)
    strata = np.repeat([0, 1, 2], [20, 60, 200])
    chance = np.array([0.9, 0.5, 0.2])[strata]
    runs = [balanced_mean((draws.random(280) < chance).astype(float), strata) for _ in range(2000)]
    assert np.mean([se for _, se in runs]) == pytest.approx(np.std([value for value, _ in runs]), rel=0.05)


def test_a_stratum_of_one_score_takes_the_pooled_variance():
    _, se = balanced_mean(np.array([1.0, 0.0, 1.0]), np.array([0, 0, 1]))
    assert se == pytest.approx(math.sqrt(0.5 / 2 + 0.5) / 2)
    assert balanced_mean(np.array([1.0]), np.array([0])) == (1.0, math.inf)


@pytest.mark.parametrize(
    ("value", "se", "better", "learned"),
    [
        (0.81, 0.1, "up", True),
        (0.79, 0.1, "up", False),
        (0.2, 0.01, "up", False),
        (0.19, 0.1, "down", True),
        (0.81, 0.1, "down", False),
        (0.5, 0.0, "up", False),
        (1.0, math.inf, "up", False),
    ],
)
def test_better_than_chance_by_three_standard_errors(value, se, better, learned):
    result = {"value": value, "se": se, "controls": {}}
    assert judge(result, replace(SANITY, better=better)).learned is learned


def test_controls_must_be_within_three_standard_errors_of_chance():
    controls = {
        "above": {"value": 0.81, "se": 0.1},
        "below": {"value": 0.19, "se": 0.1},
        "near": {"value": 0.79, "se": 0.1},
        "constant": {"value": 0.5, "se": 0.0},
    }
    found = judge({"value": 1.0, "se": 0.0, "controls": controls}, SANITY).controls
    assert found == {"above": False, "below": False, "near": True, "constant": True}


def test_evaluation_mode_equal_draws_and_nothing_left_behind():
    net = Net()
    net.train()
    net.trunk[1].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    draws = []

    def measure(net, given, rng):
        assert not net.training and not torch.is_grad_enabled()
        draws.append((rng.numpy("x").random(), torch.rand(()).item()))
        return (net(given.frames).argmax(1) == given.target).float(), given.target

    held_out = [next(batches_of(8)(k)) for k in (100, 101)]
    state = torch.get_rng_state()
    sanity = Sanity("accuracy", 0.25, measure, {"same": lambda given, rng: given})
    found = evaluate_sanity(net, sanity, held_out, Rng(1))
    assert found["controls"]["same"] == {name: found[name] for name in ("value", "n", "se")}
    assert draws[0] == draws[1] != draws[2] == draws[3]
    assert torch.equal(torch.get_rng_state(), state)
    assert net.training and not net.trunk[1].training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert evaluate_sanity(net, sanity, held_out, Rng(1)) == found


def test_bad_scores_and_no_batches():
    with pytest.raises(UnlabeledError, match="no held-out"):
        evaluate_sanity(nn.Identity(), SANITY, [], Rng(0))
    with pytest.raises(UnlabeledError, match="accuracy: a score is no number"):
        evaluate_sanity(nn.Identity(), SANITY, [batch([1.0, math.nan])], Rng(0))
