"""Generated pictures of `check-method`: blobs that move, with some noise, so that no data is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unlabeled.streams import Rng

if TYPE_CHECKING:
    from torch import Tensor

BLOBS = 3
NOISE = 0.03
BACKGROUNDS = ((0.7, 0.3, 0.3), (0.3, 0.7, 0.3), (0.3, 0.3, 0.7))
"""Of films of a kind: what tells the classes of an easy task apart."""


def film(draw: np.random.Generator, frames: int, height: int, width: int, kind: int | None = None) -> np.ndarray:
    """Frames `(n, H, W, 3)` uint8: blobs of any colour go straight ahead and around the edges; `kind` sets the ground.

    No picture is its own mirror image, and no colour is another one's.
    """
    background = np.array(BACKGROUNDS[kind]) if kind is not None else draw.uniform(0.2, 0.8, 3)
    scene = np.broadcast_to(background, (frames, height, width, 3)).copy()
    rows, columns = np.arange(height)[:, None] / height, np.arange(width)[None] / width
    for _ in range(BLOBS):
        start, colour = draw.uniform(0, 1, 2), draw.uniform(0, 1, 3)
        speed, radius = draw.uniform(-0.03, 0.03, 2), draw.uniform(0.1, 0.25)
        place = start + speed * np.arange(frames)[:, None]
        # The shortest way between two points of a world without edges.
        down = (rows - place[:, :1, None] + 0.5) % 1 - 0.5
        right = (columns - place[:, 1:, None] + 0.5) % 1 - 0.5
        weight = np.exp(-(down**2 + right**2) / radius**2)[..., None]
        scene += weight * (colour - scene)
    scene += draw.normal(0, NOISE, scene.shape)
    return (scene.clip(0, 1) * 255).astype(np.uint8)


def clips(name: str, rows: int, frames: int, height: int, width: int) -> Tensor:
    """A batch `(rows, 3, frames, H, W)` float32 in [0, 1], another one for each name."""
    import torch

    draw = Rng(0).under("check").numpy("scenes", name)
    made = np.stack([film(draw, frames, height, width) for _ in range(rows)])
    return torch.from_numpy(made.transpose(0, 4, 1, 2, 3).astype(np.float32) / 255).contiguous()
