"""Optical flow of Horn and Schunck, coarse to fine: what moves where between two frames, with nothing learned.

A pixel keeps its colours on its way, and neighbours move alike: the flow w = (u, v) makes

    sum over pixels of  weight * |J w + d|^2 + smooth^2 (|grad u|^2 + |grad v|^2)

small, J being the slopes of the second frame and d its difference to the first. Large motion is found in small
pictures first; at every size the second frame is warped by what is known, and the rest is solved for. Between the
warps a median takes away what few pixels say, and the weight of a pixel falls with its difference (Charbonnier), so
that what is covered does not pull. Each frame is divided by its local contrast before: shadows and exposure are no
motion.

Sources: B. K. P. Horn, B. G. Schunck, Determining Optical Flow, Artificial Intelligence 17, 1981 (sections 10 to 12:
the iteration, and its mean over eight neighbours); D. Sun, S. Roth, M. J. Black, Secrets of Optical Flow Estimation and
Their Principles, CVPR 2010 (warps, median, robust weights). The constants are our own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from unlabeled.errors import BadData


@dataclass(frozen=True)
class Constants:
    """What the solution hangs on.

    smooth    : weight of smoothness against colours that are normalised to about unit contrast
    scale     : of the next smaller pictures
    smallest  : short side in pixels of the smallest ones
    warps     : of the second frame at every size
    steps     : of Horn and Schunck's iteration between two warps
    softness  : difference at which a pixel's weight has fallen to 0.7
    contrast  : standard deviation in pixels of the window for local mean and contrast
    median    : side of its window
    """

    smooth: float = 0.3
    scale: float = 0.5
    smallest: int = 12
    warps: int = 2
    steps: int = 20
    softness: float = 0.5
    contrast: float = 4.0
    median: int = 3


MEAN = ((1 / 12, 1 / 6, 1 / 12), (1 / 6, 0.0, 1 / 6), (1 / 12, 1 / 6, 1 / 12))
"""Weights of the eight neighbours in the mean flow (section 8 of the paper)."""
FLOOR = 0.03
"""Contrast, of colours in [0, 1], below which a surface counts as flat: noise is not blown up to texture."""


def horn_schunck(first: Tensor, second: Tensor, constants: Constants = Constants()) -> Tensor:
    """Flow from the first frames to the second.

    Parameters
    ----------
    first, second : `(n, C, H, W)` float32 in [0, 1], one pair a row.

    Returns
    -------
    `(n, 2, H, W)` in pixels, x before y: what is at p in `first` is at p + flow(p) in `second`.

    Raises
    ------
    BadData : the two differ in shape.
    """
    if first.shape != second.shape:
        raise BadData(f"frames of {tuple(first.shape)} and {tuple(second.shape)} have no flow between them")
    one, other = (normalised(frames, constants.contrast) for frames in (first, second))
    flow, (rows, columns) = first.new_zeros(len(first), 2, 1, 1), first.shape[-2:]
    for height, width in reversed(sizes(rows, columns, constants)):
        flow = resized(flow, height, width)
        flow = refined(_smaller(one, height, width), _smaller(other, height, width), flow, constants)
    return flow


def sizes(height: int, width: int, constants: Constants) -> list[tuple[int, int]]:
    """Height and width at every size, the full one first."""
    found = [(height, width)]
    while min(found[-1]) * constants.scale >= constants.smallest:
        factor = constants.scale ** len(found)
        found.append((round(height * factor), round(width * factor)))
    return found


def refined(one: Tensor, other: Tensor, flow: Tensor, constants: Constants) -> Tensor:
    """A better flow at one size."""
    mean = torch.tensor(MEAN, dtype=flow.dtype, device=flow.device).expand(2, 1, 3, 3)
    smooth = constants.smooth**2
    for _ in range(constants.warps):
        a, b, c, begun = _equations(one, warp(other, flow), flow, constants.softness)
        a, b = a + smooth, b + smooth
        inverse = 1 / (a * b - c * c)
        for _ in range(constants.steps):
            around = functional.conv2d(functional.pad(flow, (1, 1, 1, 1), mode="replicate"), mean, groups=2)
            p, q = (smooth * around - begun).split(1, dim=1)
            flow = torch.cat([(b * p - c * q) * inverse, (a * q - c * p) * inverse], dim=1)
        flow = median(flow, constants.median)
    return flow


def _equations(one: Tensor, warped: Tensor, flow: Tensor, softness: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What each pixel says of its flow w: `((a, c), (c, b)) w + begun = 0`; the three `(n, 1, H, W)`, and two."""
    right, down = slopes((one + warped) / 2)
    difference = warped - one
    weight = 1 / (1 + (difference / softness) ** 2).sqrt()
    a, b, c, p, q = (
        (weight * left * other).sum(1, keepdim=True)
        for left, other in ((right, right), (down, down), (right, down), (right, difference), (down, difference))
    )
    u, v = flow.split(1, dim=1)
    return a, b, c, torch.cat([p - a * u - c * v, q - c * u - b * v], dim=1)


# ---------------------------------------------------------------- pictures and fields


def warp(images: Tensor, flow: Tensor) -> Tensor:
    """`(n, C, H, W)` read at p + flow(p), bilinear; places outside are moved to the border."""
    height, width = images.shape[-2:]
    rows = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    columns = torch.arange(width, dtype=flow.dtype, device=flow.device)
    x = (columns + flow[:, 0]) * (2 / max(width - 1, 1)) - 1
    y = (rows + flow[:, 1]) * (2 / max(height - 1, 1)) - 1
    grid = torch.stack([x, y], dim=-1)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)


def slopes(images: Tensor) -> tuple[Tensor, Tensor]:
    """Change for each pixel to the right and down, of five points; borders are repeated."""
    taps = images.new_tensor([1, -8, 0, 8, -1]) / 12
    channels = images.shape[1]
    wide = functional.pad(images, (2, 2, 0, 0), mode="replicate")
    tall = functional.pad(images, (0, 0, 2, 2), mode="replicate")
    right = functional.conv2d(wide, taps.view(1, 1, 1, 5).expand(channels, 1, 1, 5), groups=channels)
    return right, functional.conv2d(tall, taps.view(1, 1, 5, 1).expand(channels, 1, 5, 1), groups=channels)


def normalised(images: Tensor, sigma: float) -> Tensor:
    """Colours less their local mean, divided by the local contrast of all of them together."""
    centred = images - blurred(images, sigma)
    contrast = blurred((centred**2).mean(1, keepdim=True), sigma)
    return centred / (contrast + FLOOR**2).sqrt()


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur; borders are repeated."""
    reach = int(2.5 * sigma + 0.5)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device) / sigma) ** 2)
    taps, channels = taps / taps.sum(), images.shape[1]
    padded = functional.pad(images, (reach, reach, reach, reach), mode="replicate")
    across = functional.conv2d(padded, taps.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return functional.conv2d(across, taps.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)


def median(flow: Tensor, side: int) -> Tensor:
    """Median of each component over square windows; borders are repeated."""
    reach = side // 2
    padded = functional.pad(flow, (reach, reach, reach, reach), mode="replicate")
    return padded.unfold(2, side, 1).unfold(3, side, 1).flatten(4).median(dim=4).values


def resized(flow: Tensor, height: int, width: int) -> Tensor:
    """The flow of a picture made larger or smaller: its places and its lengths."""
    factors = flow.new_tensor([width / flow.shape[3], height / flow.shape[2]]).view(1, 2, 1, 1)
    return functional.interpolate(flow, size=(height, width), mode="bilinear", align_corners=False) * factors


def _smaller(images: Tensor, height: int, width: int) -> Tensor:
    if images.shape[-2:] == (height, width):
        return images
    return functional.interpolate(images, size=(height, width), mode="bilinear", align_corners=False, antialias=True)
