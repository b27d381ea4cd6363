"""Single image colorization: what was learned from the colours of single pictures, asked to follow things.

The network of `image_colorization` names colours and never had to point at anything. Its features are read frame by
frame, so that video colorization can be seen beside the same task without video.

Cite: zhang2016colorful (R. Zhang, P. Isola, A. A. Efros, Colorful Image Colorization, ECCV 2016), a baseline of
C. Vondrick et al., Tracking Emerges by Colorizing Videos, ECCV 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from unlabeled.contracts import Method, Need
from unlabeled.streams import Rng
from unlabeled.training.nets import grey_trunks
from unlabeled.training.nets.encoders import Trunk, seeded
from unlabeled.training.sizes import Size


@dataclass(frozen=True)
class Preset:
    """`point` is the layer whose maps are the features; which one it was is not said in the papers.

    network, size : as in the preset of `image_colorization` that is required
    """

    network: grey_trunks.Network = "colour_net"
    size: Size = 176
    point: str = "conv3"


MINI = Preset(network="mini_alex", size=64)


class ColourFeatures:
    """Role dense: one layer of a trunk, every frame by itself."""

    reach = 0

    def __init__(self, net: Trunk, point: str) -> None:
        self.net, self.point = net.eval(), point
        self.stride, self.dim = net.points[point].stride, net.points[point].dim

    @torch.no_grad()
    def dense(self, clips: Tensor) -> Tensor:
        """RGB in [0, 1], `(B, 3, T, H, W)`, to `(B, dim, T, h, w)`, on the CPU."""
        frames = clips.transpose(1, 2).flatten(0, 1).to(next(self.net.parameters()).device)
        return self.net(frames, self.point).cpu().unflatten(0, (len(clips), -1)).transpose(1, 2)


class SingleImageColorization(Method):
    """Single image colorization."""

    id = "single_image_colorization"
    cite = "zhang2016colorful"
    roles = frozenset({"dense"})
    home = ("davis2017", "jhmdb")
    supervision = "none"
    presets = {"paper": Preset(), "small": replace(Preset(), size=128), "mini": MINI, "nano": MINI}
    requires = (Need("encoder", "image_colorization", "colour-net"),)
    devices = ("cpu", "cuda")

    def build(self, preset: Preset, rng: Rng) -> Trunk:
        """The trunk with random weights."""
        return seeded(lambda: grey_trunks.make(preset.network, preset.size), rng)

    def take(self, net: Trunk, needs: Mapping[str, Any], preset: Preset) -> Trunk:
        """The trunk that learned to colour pictures."""
        net.load_state_dict(needs["encoder"].trunk.state_dict())
        return net

    def adapt(self, net: Trunk, preset: Preset) -> ColourFeatures:
        """The maps of one layer."""
        return ColourFeatures(net, preset.point)


METHOD = SingleImageColorization()
