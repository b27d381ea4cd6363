"""Which cells of a frame lie within reach of a block of target cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor


class Window(NamedTuple):
    """A block of target cells and the cells near any of them.

    targets : cells of the block, row by row `(n,)`, as numbers y * w + x
    rows    : `(y, first x, x after the last)` of each row of cells within reach
    cells   : those cells one after the other `(m,)`
    outside : `(m, n)`, true where a cell is out of reach of that target
    """

    targets: Tensor
    rows: tuple[tuple[int, int, int], ...]
    cells: Tensor
    outside: Tensor


def longest(found: Sequence[Window]) -> int:
    """Most cells of a window."""
    return max(len(window.cells) for window in found)


@lru_cache(maxsize=2)
def windows(
    height: int, width: int, radius: float, shape: Literal["disc", "square"], tile: tuple[int, int]
) -> tuple[Window, ...]:
    """The windows of all blocks of `tile` = (rows, columns) of a grid.

    radius, shape : a cell is within reach nearer than the radius (`disc`), or at most so many rows and so many columns
        away (`square`); infinite: everywhere
    """
    return tuple(
        _window(rows, columns, height, width, radius, shape)
        for rows in _blocks(height, tile[0])
        for columns in _blocks(width, tile[1])
    )


def _blocks(length: int, step: int) -> list[range]:
    return [range(start, min(start + step, length)) for start in range(0, length, step)]


def _window(
    block_y: range, block_x: range, height: int, width: int, radius: float, shape: Literal["disc", "square"]
) -> Window:
    rows = []
    for y in range(height):
        reach = _reach(max(block_y[0] - y, y - block_y[-1], 0), radius, shape, width)
        if reach >= 0:
            rows.append((y, max(block_x[0] - reach, 0), min(block_x[-1] + reach + 1, width)))
    source_y = torch.cat([torch.full((right - left,), y) for y, left, right in rows])
    source_x = torch.cat([torch.arange(left, right) for _, left, right in rows])
    target_y, target_x = (axis.flatten() for axis in torch.meshgrid(*map(_numbers, (block_y, block_x)), indexing="ij"))
    dy, dx = (source_y[:, None] - target_y).abs(), (source_x[:, None] - target_x).abs()
    outside = torch.maximum(dy, dx) > radius if shape == "square" else dy**2 + dx**2 >= radius**2
    return Window(target_y * width + target_x, tuple(rows), source_y * width + source_x, outside)


def _numbers(axis: range) -> Tensor:
    return torch.arange(axis.start, axis.stop)


def _reach(dy: int, radius: float, shape: Literal["disc", "square"], width: int) -> int:
    """Columns either way that are within reach so many rows away; negative where none is."""
    if math.isinf(radius):
        return width
    if shape == "square":
        return int(radius) if dy <= radius else -1
    # The largest whole dx with dx^2 + dy^2 < radius^2.
    room = math.ceil(radius**2 - dy**2) - 1
    return math.isqrt(room) if room >= 0 else -1
