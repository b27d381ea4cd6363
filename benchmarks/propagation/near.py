"""The k largest affinities of all source frames together, searched near each cell, in the first frame everywhere.

Exact: every cell within reach is compared. A source cell's affinities in all recent frames stand side by side, so that
the largest of them says whether the cell can hold any of the k largest; only cells that can are looked into.

Sources: A. Jabri et al., Space-Time Correspondence as a Contrastive Random Walk, 2020; M. Caron et al., Emerging
Properties in Self-Supervised Vision Transformers, 2021 (a square window, ties kept).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from unlabeled.benchmarks.propagation.engine import Sources, rows
from unlabeled.benchmarks.propagation.windows import Window, longest, windows

GROUP = 16
"""Cells of the first frame whose largest affinity is looked at before they are looked at themselves."""
TILES = {"cpu": (8, 8), "cuda": (16, 32)}
"""Rows and columns of target cells that are worked on together."""


@dataclass(frozen=True)
class NearestCells:
    """The k largest affinities of all sources together, their labels weighted by a softmax of affinity / T.

    context : last frames that are sources, besides the first frame
    topk    : k; fewer where fewer cells are within reach
    radius  : `disc`: cells nearer than so many cells; `square`: at most so many rows and columns away
    first   : the first frame is searched `anywhere`, or `near` as the others are
    before  : frames before the first are the first one again (`repeated`, counted each time), or are `left out`; then
              the first frame is none of the last ones either
    ties    : of cells as near as the k-th any may be taken, or `all` are
    """

    context: int
    topk: int
    temperature: float
    radius: float = math.inf
    shape: Literal["disc", "square"] = "disc"
    first: Literal["anywhere", "near"] = "anywhere"
    before: Literal["repeated", "left out"] = "repeated"
    ties: Literal["any", "all"] = "any"

    def start(self, features: Tensor, labels: Tensor) -> Sources:
        """See `Matching`."""
        return _NearSources(self, features, labels)

    @property
    def slots(self) -> int:
        """Frames that are searched within the radius."""
        return self.context + (self.first == "near")

    def memory(self, channels: int, height: int, width: int, classes: int) -> int:
        """Features and labels of the sources, block affinities, and the windows of the tiles."""
        cells = height * width
        found = windows(height, width, self.radius, self.shape, TILES["cpu"])
        block = TILES["cpu"][0] * TILES["cpu"][1]
        held = cells * (channels + classes) * (self.slots + (self.first == "anywhere"))
        scores = block * (longest(found) * self.slots + cells) * (3 if self.ties == "all" else 1)
        return 4 * (held + scores + 2 * cells * (channels + classes)) + sum(one.outside.nbytes for one in found)


class _NearSources:
    """Recent frames cell by cell, so that a row of a window is one block in memory, frames innermost.

    recent : features `(h, w, slots, C)`; slot s of cell c has its labels in row `c * slots + s` of `table`
    first  : features of the first frame `(h * w, C)` where it is searched anywhere, its labels after the others'
    """

    def __init__(self, matching: NearestCells, features: Tensor, labels: Tensor) -> None:
        self.matching, (channels, height, width) = matching, features.shape
        cells, slots = height * width, matching.slots
        self.grid, self.filled, self.next = (height, width), 0, 0
        self.recent = features.new_zeros(height, width, slots, channels)
        self.table = features.new_zeros(cells * (slots + 1), len(labels))
        self.first: Tensor | None = None
        if matching.first == "anywhere":
            groups = -(-cells // GROUP)
            self.first = features.new_zeros(groups * GROUP, channels)
            self.first[:cells] = rows(features)
            self.table[cells * slots :] = rows(labels)
        self.fixed = int(matching.first == "near")
        for _ in range(slots if matching.before == "repeated" else self.fixed):
            self.add(features, labels)
        self.windows = windows(height, width, matching.radius, matching.shape, TILES[features.device.type])
        block = max(len(one.targets) for one in self.windows)
        self.scores = features.new_empty(longest(self.windows) * slots * block)
        self.anywhere = features.new_empty(0 if self.first is None else len(self.first) * block)

    def add(self, features: Tensor, labels: Tensor) -> None:
        """In the place of the oldest; a first frame that is searched near keeps slot 0."""
        slots = self.matching.slots
        if self.next == slots:  # no frame but the first is kept
            return
        self.recent[:, :, self.next] = features.permute(1, 2, 0)
        self.table[: self.grid[0] * self.grid[1] * slots][self.next :: slots] = rows(labels)
        self.filled = max(self.filled, self.next + 1)
        self.next = self.next + 1 if self.next + 1 < slots else self.fixed

    def labels(self, features: Tensor) -> Tensor:
        """See `Sources`."""
        wanted, classes = rows(features), self.table.shape[1]
        found = wanted.new_empty(len(wanted), classes)
        one_tile = self._all_nearest if self.matching.ties == "all" else self._nearest
        for window in self.windows:
            place = window.targets.to(features.device)
            found[place] = one_tile(window, wanted[place])
        return found.T.reshape(classes, *self.grid)

    def _nearest(self, window: Window, targets: Tensor) -> Tensor:
        """Labels `(n, K)` of the target cells of a tile, features `(n, C)`."""
        values, places = self._candidates(window, targets)
        best = values.topk(min(self.matching.topk, values.shape[1]), 1)
        weights = (best.values / self.matching.temperature).softmax(1)
        return torch.einsum("nk,nkc->nc", weights, self.table[places.gather(1, best.indices)])

    def _candidates(self, window: Window, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Affinities `(n, m)` that hold the k largest of each target, -inf for cells out of reach, and label rows."""
        values, places = [], []
        if self.filled:
            near = self._near(window, targets)
            top, chosen = _largest(near.amax(1), self.matching.topk, window.outside.to(targets.device))
            values.append(_gathered(near, chosen).masked_fill(top.isneginf()[..., None], -math.inf).flatten(1))
            cells = window.cells.to(targets.device)[chosen]
            places.append(_spread(cells * self.matching.slots, near.shape[1]))
        if self.first is not None:
            near = self._anywhere(targets)
            chosen = _largest(near.amax(1), self.matching.topk, None)[1]
            values.append(_gathered(near, chosen).flatten(1))
            start = self.grid[0] * self.grid[1] * self.matching.slots
            # The last group is filled up with cells that do not exist: their affinity is -inf.
            places.append((_spread(chosen * GROUP, GROUP) + start).clamp_(max=len(self.table) - 1))
        return torch.cat(values, 1), torch.cat(places, 1)

    def _near(self, window: Window, targets: Tensor) -> Tensor:
        """Affinities `(cells, filled slots, n)` with a window; those out of reach are among them."""
        slots, n, done = self.matching.slots, len(targets), 0
        scores = self.scores[: len(window.cells) * slots * n].view(-1, n)
        for row, left, right in window.rows:
            source = self.recent[row, left:right].flatten(0, 1)
            torch.mm(source, targets.T, out=scores[done : done + len(source)])
            done += len(source)
        return scores.view(-1, slots, n)[:, : self.filled]

    def _anywhere(self, targets: Tensor) -> Tensor:
        """Affinities `(groups, GROUP, n)` with the first frame."""
        assert self.first is not None
        n = len(targets)
        scores = torch.mm(self.first, targets.T, out=self.anywhere[: len(self.first) * n].view(-1, n))
        scores[self.grid[0] * self.grid[1] :] = -math.inf
        return scores.view(-1, GROUP, n)

    def _all_nearest(self, window: Window, targets: Tensor) -> Tensor:
        """As `_nearest`, with every cell that is as near as the k-th."""
        values, _ = self._candidates(window, targets)
        best = values.topk(min(self.matching.topk, values.shape[1]), 1).values
        top, least = best[:, 0], best[:, -1]
        total: Tensor | float = 0.0
        sums: Tensor | float = 0.0
        for scores, places in self._everything(window, targets):
            weights = ((scores - top) / self.matching.temperature).exp_().masked_fill_(scores < least, 0)
            total, sums = total + weights.sum(0), sums + weights.T @ self.table[places]
        assert isinstance(sums, Tensor) and isinstance(total, Tensor)
        return sums / total[:, None]

    def _everything(self, window: Window, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Affinities `(m, n)` with all cells, -inf out of reach, and their label rows `(m,)`; as `_candidates` saw."""
        slots, device = self.matching.slots, targets.device
        if self.filled:
            near = self._near(window, targets).masked_fill(window.outside.to(device)[:, None], -math.inf)
            cells = window.cells.to(device)
            yield near.flatten(0, 1), _spread(cells[None] * slots, self.filled)[0]
        if self.first is not None:
            cells = torch.arange(self.grid[0] * self.grid[1], device=device)
            yield self._anywhere(targets).flatten(0, 1)[: len(cells)], cells + len(cells) * slots


def _largest(groups: Tensor, k: int, outside: Tensor | None) -> tuple[Tensor, Tensor]:
    """The groups that hold the k largest members of each column: largest values `(n, k)`, their groups `(n, k)`.

    groups : the largest member of each group `(groups, n)`
    """
    if outside is not None:
        groups = groups.masked_fill(outside, -math.inf)
    return tuple(groups.T.contiguous().topk(min(k, len(groups)), 1))  # type: ignore[return-value]


def _gathered(scores: Tensor, chosen: Tensor) -> Tensor:
    """Members `(n, k, size)` of the chosen groups `(n, k)` of each target; scores `(groups, size, n)`."""
    return scores[chosen, :, torch.arange(len(chosen), device=chosen.device)[:, None]]


def _spread(starts: Tensor, size: int) -> Tensor:
    """Numbers `(n, k)` to `(n, k * size)`: each with the `size - 1` after it."""
    return (starts[..., None] + torch.arange(size, device=starts.device)).flatten(1)
