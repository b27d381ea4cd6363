"""Optical flow: labels go where the pixels go, from each frame to the next.

The flow of a pixel to the frame before says where it was, and there its label is read: no pixel is left without one.
Joints go with the flow to the next frame. Errors add up, and what was covered once is lost.

Cite: horn1981determining (B. K. P. Horn, B. G. Schunck, Determining Optical Flow, Artificial Intelligence 17, 1981).
The rows "coarse-to-fine" (Liu 2009) and "FlowNet2" (Ilg et al. 2017) of published tables are other programs: no engine
here fills them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import optical_flow as library  # type: ignore[import-untyped]

from unlabeled.contracts import Method
from unlabeled.errors import AbsentData, BadData, WrongCall
from unlabeled.streams import Rng
from unlabeled.training import checkpoints
from unlabeled.training.augment import grey
from unlabeled.training.signals.horn_schunck import horn_schunck, warp

# ---------------------------------------------------------------- constants

Engine = Literal["hs", "dis", "farneback", "tvl1", "raft"]
Flow = Callable[[Tensor, Tensor], Tensor]
"""Frames `(n, 3, H, W)` and as many others to `(n, 2, H, W)`: what is at p in the one is at p + flow(p) in the other,
x before y, in pixels."""

PIXELS = 1 << 17
"""So many pixels are taken together: of small frames several pairs, of large ones one."""
FARNEBACK = {"pyr_scale": 0.5, "levels": 3, "winsize": 15, "iterations": 3, "poly_n": 5, "poly_sigma": 1.2, "flags": 0}
RAFT_MULTIPLE, RAFT_LEAST = 8, 128
"""RAFT takes sides that are multiples of 8, and at least 128 pixels."""


@dataclass(frozen=True)
class Preset:
    """`engine` says whose flow it is.

    hs        : Horn and Schunck, coarse to fine (`training.signals.horn_schunck`)
    dis       : Dense Inverse Search (Kroeger et al. 2016), medium; this one and the next two are OpenCV's
    farneback : polynomials (Farneback 2003), with the constants of OpenCV's tutorial
    tvl1      : TV-L1 (Zach et al. 2007), with OpenCV's own constants
    raft      : RAFT (Teed and Deng 2020), torchvision's `raft_large`: it learned from rendered films with true flow
    """

    engine: Engine = "hs"


# ---------------------------------------------------------------- engines


def _opencv() -> Any:
    """OpenCV on one thread (WrongCall: it is not installed)."""
    try:
        import cv2
    except ImportError as fault:
        todo = "pip install 'unlabeled[cv]', or take --set engine=hs"
        raise WrongCall("engines dis, farneback and tvl1 are OpenCV's, which is not installed", todo) from fault
    cv2.setNumThreads(1)
    return cv2


def _pair_by_pair(flow: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Flow:
    """A flow of two grey pictures `(H, W)` uint8 to `(H, W, 2)` as one of many pairs."""

    def flows(one: Tensor, other: Tensor) -> Tensor:
        ones, others = ((grey(frames)[:, 0] * 255).round().byte().cpu().numpy() for frames in (one, other))
        found = [torch.from_numpy(flow(a, b)).permute(2, 0, 1) for a, b in zip(ones, others, strict=True)]
        return torch.stack(found).to(one)

    return flows


def dis() -> Flow:
    """Dense Inverse Search."""
    cv2 = _opencv()
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return _pair_by_pair(lambda one, other: search.calc(one, other, None))


def farneback() -> Flow:
    """Farneback's polynomials."""
    cv2 = _opencv()
    return _pair_by_pair(lambda one, other: cv2.calcOpticalFlowFarneback(one, other, None, **FARNEBACK))


def tvl1() -> Flow:
    """TV-L1."""
    cv2 = _opencv()
    if not hasattr(cv2, "optflow"):
        raise WrongCall("this OpenCV has no `optflow`, where TV-L1 is", "pip install opencv-contrib-python-headless")
    dual = cv2.optflow.DualTVL1OpticalFlow_create()
    return _pair_by_pair(lambda one, other: dual.calc(one, other, None))


def raft(net: nn.Module) -> Flow:
    """RAFT with its weights in it."""

    @torch.no_grad()
    def flows(one: Tensor, other: Tensor) -> Tensor:
        height, width = one.shape[-2:]
        rows, columns = (max(-(-side // RAFT_MULTIPLE) * RAFT_MULTIPLE, RAFT_LEAST) for side in (height, width))
        pad = (0, columns - width, 0, rows - height)
        padded = (functional.pad(frames * 2 - 1, pad, mode="replicate") for frames in (one, other))
        found: Tensor = net(*padded)[-1]
        return found[..., :height, :width]

    return flows


def _raft() -> nn.Module:
    """torchvision's network with its own weights, from the library's cache.

    Raises
    ------
    AbsentData : they are not there; says which file it is and where it goes.
    """
    url = library.Raft_Large_Weights.DEFAULT.url
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not file.is_file():
        raise AbsentData(f"engine raft: its weights are not on this machine ({file.name})", f"{url} goes to {file}")
    net: nn.Module = library.raft_large(weights=None)
    checkpoints.fill(net, checkpoints.read_weights(file), file.name)
    return net


OPENCV: Mapping[str, Callable[[], Flow]] = {"dis": dis, "farneback": farneback, "tvl1": tvl1}

# ---------------------------------------------------------------- propagation


class FlowPropagator:
    """Role propagator."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow

    def propagate(self, frames: Tensor, first: Tensor) -> Iterator[Tensor]:
        """`(T, 3, H, W)` in [0, 1] and soft labels `(K, H, W)` of frame 0 to those of frames 1 .. T - 1, bilinear.

        Raises
        ------
        BadData : labels of another size than the frames.
        """
        if first.shape[-2:] != frames.shape[-2:]:
            raise BadData(f"labels of {tuple(first.shape[-2:])} for frames of {tuple(frames.shape[-2:])} pixels")
        labels = first
        for back in self._between(frames[1:], frames[:-1]):
            labels = warp(labels[None], back.to(labels)[None])[0]
            yield labels

    def move(self, frames: Tensor, points: Tensor) -> Iterator[Tensor]:
        """`(T, 3, H, W)` and places `(J, 2)`, (x, y) in pixels from 0, to those in frames 1 .. T - 1.

        A joint outside of the picture goes with the nearest pixel of the border; one at NaN stays there.
        """
        for ahead in self._between(frames[:-1], frames[1:]):
            points = points + _read_at(ahead.to(points), points)
            yield points

    def _between(self, ones: Tensor, others: Tensor) -> Iterator[Tensor]:
        """The flow `(2, H, W)` of each pair in turn."""
        together = max(1, PIXELS // (ones.shape[-2] * ones.shape[-1]))
        for one, other in zip(ones.split(together), others.split(together), strict=True):
            yield from self.flow(one, other)


def _read_at(flow: Tensor, points: Tensor) -> Tensor:
    """A field `(2, H, W)` at places `(J, 2)`, bilinear, to `(J, 2)`."""
    height, width = flow.shape[-2:]
    scale = points.new_tensor([2 / max(width - 1, 1), 2 / max(height - 1, 1)])
    grid = (points * scale - 1)[None, :, None]
    read = functional.grid_sample(flow[None], grid, mode="bilinear", padding_mode="border", align_corners=True)
    return read[0, :, :, 0].T


# ---------------------------------------------------------------- method


class OpticalFlow(Method):
    """Optical flow."""

    id = "optical_flow"
    cite = "horn1981determining"
    roles = frozenset({"propagator"})
    home = ("davis2017", "jhmdb")
    supervision = "none"
    presets = {name: Preset() for name in ("paper", "small", "mini", "nano")}
    devices = ("cpu", "cuda")

    def build(self, preset: Preset, rng: Rng) -> nn.Module | None:
        """The network of engine `raft`, with the weights it was released with; other engines have none."""
        return _raft() if preset.engine == "raft" else None

    def adapt(self, net: nn.Module | None, preset: Preset) -> FlowPropagator:
        """Labels and joints moved by the engine's flow."""
        if net is not None:
            return FlowPropagator(raft(net.eval()))
        return FlowPropagator(OPENCV[preset.engine]() if preset.engine in OPENCV else horn_schunck)


METHOD = OpticalFlow()
