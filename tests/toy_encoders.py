"""A small method for pictures that keeps its contract, to be broken by tests of `check-method`."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from unlabeled import check_method, contracts
from unlabeled.contracts import Point
from unlabeled.training.nets.encoders import seeded


@dataclass(frozen=True)
class Preset:
    width: int = 6


class Net(nn.Module):
    """A map of stride 2, and its mean."""

    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, stride=2, padding=1)

    def forward(self, images, point):
        cells = self.conv(images).relu()
        return cells if point == "cells" else cells.mean((2, 3))


class Lead(nn.Module):
    def __init__(self, net, point):
        super().__init__()
        self.net, self.point = net, point

    def forward(self, images):
        return self.net(images, self.point)


class Encoder:
    """Role image."""

    points = {"cells": Point("cells", 6, stride=2), "mean": Point("mean", 6)}
    size = (24, 32)

    def __init__(self, net):
        self.net = net

    @torch.no_grad()
    def encode(self, images, point):
        return self.net(images, point)

    def trunk(self, point):
        return Lead(self.net, point)


class Sees(contracts.Method):
    """A method around one class of encoder."""

    id, cite, roles, home = "sees", "", frozenset({"image"}), ()
    presets = {name: Preset() for name in ("nano", "mini", "paper")}

    def __init__(self, role):
        self.role = role

    def build(self, preset, rng):
        return seeded(lambda: Net(preset.width), rng)

    def adapt(self, net, preset):
        return self.role(net)


@cache
def findings(method):
    """What check-method says of a method: looked at once, however much is asked of it."""
    return check_method.check(method)


def faults(method):
    return {finding.name for finding in findings(method) if not finding.ok}


def notes(method):
    return {finding.name for finding in findings(method) if finding.note}


def text_of(method, name):
    (finding,) = (finding for finding in findings(method) if finding.name == name)
    return finding.text
