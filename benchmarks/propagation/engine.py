"""Labels of the first frame copied through a clip, each cell from the cells of earlier frames that look like it.

Exact and streamed: a frame comes in, its labels go out, and what is kept are the features and labels of the frames
that later ones may still copy from. Products are taken block by block, inside the radius alone; the affinity of all
cells with all cells of all frames is never held. Memory does not grow with the length of a clip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from unlabeled.errors import BadData


class Sources(Protocol):
    """The frames of one clip that labels are copied from."""

    def labels(self, features: Tensor) -> Tensor:
        """Features `(C, h, w)` of the next frame to its soft labels `(K, h, w)`."""
        ...

    def add(self, features: Tensor, labels: Tensor) -> None:
        """The frame just labelled may be copied from."""
        ...


class Matching(Protocol):
    """A rule by which cells are matched, with its constants."""

    def start(self, features: Tensor, labels: Tensor) -> Sources:
        """The sources of a clip: features `(C, h, w)` and soft labels `(K, h, w)` of its first frame."""
        ...

    def memory(self, channels: int, height: int, width: int, classes: int) -> int:
        """Bytes that the sources of a clip and one step need at most, on the CPU."""
        ...


def propagate(features: Iterable[Tensor], first: Tensor, matching: Matching) -> Iterator[Tensor]:
    """Soft labels of frames 1, 2, ... of a clip, one by one.

    Parameters
    ----------
    features : `(C, h, w)` of each frame in order, that of the first frame too; all on one device. Half precision is
        worked on in float32.
    first : soft labels `(K, h, w)` of the first frame; label 0 is the background.

    Raises
    ------
    BadData : features that are no numbers or change their shape, labels on another grid.
    """
    sources, shape = None, None
    for number, frame in enumerate(features):
        if shape is None:
            shape = frame.shape
        if frame.ndim != 3 or frame.shape != shape or frame.shape[1:] != first.shape[1:]:
            grid = tuple(first.shape[1:])
            raise BadData(f"frame {number}: features of shape {tuple(frame.shape)}, the first frame has {grid} cells")
        if not bool(torch.isfinite(frame).all()):
            raise BadData(f"frame {number}: the encoder gives features that are no numbers")
        if frame.dtype not in (torch.float32, torch.float64):
            frame = frame.float()
        if sources is None:
            sources = matching.start(frame, first.to(frame))
            continue
        labels = sources.labels(frame)
        yield labels
        sources.add(frame, labels)


def rows(maps: Tensor) -> Tensor:
    """`(C, h, w)` to a row a cell `(h * w, C)`, in one block."""
    return maps.flatten(1).T.contiguous()


def stretched(maps: Tensor) -> Tensor:
    """Each class of `(K, h, w)` brought to [0, 1]; one that is constant becomes 0."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    span = high - low
    return torch.where(span > 0, (maps - low) / torch.where(span > 0, span, torch.ones_like(span)), 0.0)
