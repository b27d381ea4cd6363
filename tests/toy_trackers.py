"""Small methods for tests of label propagation: features that are where a pixel is, colours, or nothing good."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from unlabeled.contracts import Method, Point


@dataclass(frozen=True)
class Preset:
    """Nothing to choose."""


class Tracks(Method):
    """A method around one role object."""

    id, cite, home = "tracks", "", ()
    presets = {"mini": Preset(), "nano": Preset(), "paper": Preset()}

    def __init__(self, role, *roles):
        self.role, self.roles = role, frozenset(roles)

    def adapt(self, net, preset):
        return self.role


class Places:
    """Role dense: a feature for every pixel that no other pixel has, whatever the picture shows."""

    stride, dim = 1, 64

    def dense(self, clips):
        b, _, t, h, w = clips.shape
        maps = torch.randn(self.dim, h, w, generator=torch.Generator().manual_seed(0))
        return maps[None, :, None].expand(b, self.dim, t, h, w)


class Colours:
    """Role dense: the colour of a cell."""

    stride, dim = 4, 3

    def __init__(self):
        self.seen = []

    def dense(self, clips):
        self.seen.append(tuple(clips.shape))
        b, _, t, h, w = clips.shape
        small = functional.adaptive_avg_pool2d(
            clips.transpose(1, 2).flatten(0, 1), (-(-h // self.stride), -(-w // self.stride))
        )
        return small.unflatten(0, (b, t)).transpose(1, 2)


class Calibrated(Colours):
    """Untrained: looks at training clips first."""

    def __init__(self):
        super().__init__()
        self.shown = []

    def calibrate(self, batches):
        self.shown += [batch.clone() for batch in batches]


class Learner(Colours):
    """Role mask_classifier: remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.learned = []

    def fit(self, clips, masks, rng):
        self.learned.append((list(clips.ids), clips[0], masks[0], rng))


class Neighbours(Colours):
    """Role dense: the mean colour of the frame and those beside it, where these are given."""

    reach = 1

    def dense(self, clips):
        found = super().dense(clips)
        padded = torch.cat([found[:, :, :1], found, found[:, :, -1:]], 2)
        return (padded[:, :, :-2] + padded[:, :, 1:-1] + padded[:, :, 2:]) / 3


class Torn(Colours):
    """Role dense: no numbers in the third frame."""

    def dense(self, clips):
        found = super().dense(clips).clone()
        found[:, :, 2] = torch.nan
        return found


class Picture:
    """Role image: one point with maps, one without."""

    points = {"cells": Point("cells", 3, stride=4), "mean": Point("mean", 3)}
    size = 32

    def encode(self, images, point):
        assert point == "cells"
        return functional.avg_pool2d(images, 4, ceil_mode=True)


class Still:
    """Role propagator: nothing moves; without `move`, so that joints are moved as maps."""

    def propagate(self, frames, first):
        return (first for _ in frames[1:])


class Moved(Still):
    """Role propagator that moves points too."""

    def move(self, frames, points):
        return (points for _ in frames[1:])


class Short(Still):
    """Role propagator that stops too early."""

    def propagate(self, frames, first):
        return (first for _ in frames[2:])
