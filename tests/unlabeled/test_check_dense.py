"""check-method for dense encoders and propagators: sound ones pass; each broken one fails the check that is meant."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from unlabeled import check_method, contracts
from unlabeled.methods import identity, optical_flow
from unlabeled.training.nets.encoders import seeded


@dataclass(frozen=True)
class Preset:
    dim: int = 5


class Sound:
    """Means over four pixels a side, mixed by random weights."""

    stride, dim, reach = 4, 5, 0

    def __init__(self, net):
        self.net = net.eval()

    @torch.no_grad()
    def dense(self, clips):
        maps = self.net(clips.transpose(1, 2).flatten(0, 1))
        return maps.unflatten(0, (len(clips), -1)).transpose(1, 2)


class Uses(contracts.Method):
    id, cite, roles, home = "toy", "", frozenset({"dense"}), ()
    presets = {name: Preset() for name in ("nano", "mini", "paper")}

    def __init__(self, role, kind="dense"):
        self.role, self.roles = role, frozenset({kind})

    def build(self, preset, rng):
        return seeded(lambda: nn.Conv2d(3, preset.dim, 4, stride=4), rng)

    def adapt(self, net, preset):
        return self.role(net) if self.roles == {"dense"} else self.role()


def faults(method):
    return [finding.name for finding in check_method.check(method) if not finding.ok]


def test_roles_that_keep_the_contract_have_nothing_against_them():
    assert faults(Uses(Sound)) == []
    for kind in (identity, optical_flow):
        findings = check_method.check(kind.METHOD)
        assert all(finding.ok for finding in findings), findings
        assert {"propagator: still", "propagator: points"} <= {finding.name for finding in findings}


class Turned(Sound):
    def dense(self, clips):
        return super().dense(clips).transpose(3, 4)


class Batched(Sound):
    def dense(self, clips):
        return super().dense(clips) - super().dense(clips).mean(0)


class Smeared(Sound):
    def dense(self, clips):
        found = super().dense(clips)
        return found + found.mean(2, keepdim=True)


class NotANumber(Sound):
    def dense(self, clips):
        found = super().dense(clips)
        return found / (clips.std() > 0)


class InPlace(Sound):
    def dense(self, clips):
        return super().dense(clips.mul_(0.5))


class Noisy(Sound):
    def dense(self, clips):
        return super().dense(clips) + torch.rand(1)


class WrongStride(Sound):
    stride = 8


class WrongDim(Sound):
    dim = 6


@pytest.mark.parametrize(
    "role, name",
    [
        (Turned, "shape"),
        (Batched, "neighbours"),
        (Smeared, "reach"),
        (NotANumber, "flat pictures"),
        (InPlace, "input unchanged"),
        (Noisy, "seeding"),
        (WrongStride, "shape"),
        (WrongDim, "shape"),
    ],
)
def test_a_broken_dense_encoder_fails_its_check(role, name):
    assert f"dense: {name}" in faults(Uses(role))


class OneMore(identity.Copy):
    def propagate(self, frames, first):
        return (first for _ in frames)


class Loses(identity.Copy):
    def propagate(self, frames, first):
        return (first.flip(2) for _ in frames[1:])


class Ranks(identity.Copy):
    def propagate(self, frames, first):
        weights = torch.arange(1.0, len(first) + 1)[:, None, None]
        return (first * weights for _ in frames[1:])


class Chance(identity.Copy):
    def propagate(self, frames, first):
        return (first + 0.01 * torch.rand(first.shape) for _ in frames[1:])


class Rows(identity.Copy):
    def move(self, frames, points):
        return (points.T for _ in frames[1:])


class Shifts(identity.Copy):
    def move(self, frames, points):
        points += 1
        return super().move(frames, points)


@pytest.mark.parametrize(
    "role, name",
    [
        (OneMore, "labels"),
        (Loses, "still"),
        (Ranks, "order of labels"),
        (Chance, "repeats"),
        (Rows, "points"),
        (Shifts, "input unchanged"),
    ],
)
def test_a_broken_propagator_fails_its_check(role, name):
    assert f"propagator: {name}" in faults(Uses(role, "propagator"))
