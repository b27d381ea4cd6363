"""Label propagation beside the way of the released code: every cell against every cell of every source frame."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from unlabeled.bench import Row, interleaved, one_thread, row
from unlabeled.benchmarks.propagation.near import NearestCells
from unlabeled.benchmarks.propagation.recipes import CRW

HEIGHT, WIDTH, CHANNELS, CLASSES = 60, 107, 256, 4
PEER_CELLS = 100
"""Target cells that the peer works on at once; its memory hangs on this."""
SAME = 1e-5
"""Results further apart are looked into."""
NEAR = 2e-6
"""Where the k-th and the next affinity are so near each other, two orders of summing may keep another cell."""


def clip() -> tuple[Tensor, Tensor]:
    """Features `(context + 2, C, h, w)` of length 1, and soft labels `(K, h, w)` of all frames but the last.

    A pattern that is smooth in space drifts and changes slowly, as features of a video do.
    """
    generator = torch.Generator().manual_seed(0)

    def smooth(*shape: int) -> Tensor:
        small = torch.randn(*shape, HEIGHT // 6, WIDTH // 6, generator=generator)
        return functional.interpolate(small, (HEIGHT, WIDTH), mode="bilinear", align_corners=False)

    pattern, frames = smooth(1, CHANNELS)[0], torch.empty(CRW.context + 2, CHANNELS, HEIGHT, WIDTH)
    for t, frame in enumerate(frames):
        own = torch.randn(CHANNELS, HEIGHT, WIDTH, generator=generator)
        frame.copy_(functional.normalize(pattern.roll(t, 2) + 0.5 * own, dim=0))
    labels = smooth(CRW.context + 1, CLASSES).softmax(1)
    return frames, labels


def ours(frames: Tensor, labels: Tensor, rule: NearestCells = CRW) -> Callable[[], Tensor]:
    """The engine, its sources in place, as a function that labels the last frame."""
    sources = rule.start(frames[0], labels[0])
    for features, soft in zip(frames[1:-1], labels[1:], strict=True):
        sources.add(features, soft)
    return lambda: sources.labels(frames[-1])


def stand_in(frames: Tensor, labels: Tensor, rule: NearestCells = CRW) -> Callable[[], Tensor]:
    """The steps of the released code: products with all cells of all sources, a large negative number beyond the
    radius, the k largest of all, their softmax. The mask is made beforehand."""
    keys = frames[:-1].transpose(0, 1).flatten(1).contiguous()  # channels first, as there: one product for all sources
    table = labels.flatten(2).transpose(1, 2).flatten(0, 1)
    height, width = frames.shape[2:]
    rows, columns = (torch.arange(side, device=frames.device) for side in (height, width))
    y, x = (axis.flatten() for axis in torch.meshgrid(rows, columns, indexing="ij"))
    distance = ((y[:, None] - y) ** 2 + (x[:, None] - x) ** 2).float().sqrt()
    penalty = torch.where(distance < rule.radius, 0.0, -1e10)

    def label() -> Tensor:
        targets, found = frames[-1].flatten(1), []
        for start in range(0, height * width, PEER_CELLS):
            part = slice(start, start + PEER_CELLS)
            affinity = keys.T @ targets[:, part]
            affinity.view(len(labels), height * width, -1)[1:] += penalty[:, part]
            best = affinity.div_(rule.temperature).topk(rule.topk, dim=0)
            found.append((best.values.softmax(0)[..., None] * table[best.indices]).sum(0))
        return torch.cat(found).T.reshape(-1, height, width)

    return label


def difference(one: Tensor, other: Tensor, frames: Tensor, rule: NearestCells = CRW) -> float:
    """Largest difference of two results `(K, h, w)`, cells left out whose k-th and next affinity are too near."""
    gap = (one - other).abs().amax(0).flatten()
    for cell in torch.nonzero(gap > SAME).flatten().tolist():
        if not _settled(cell, frames, rule):
            gap[cell] = 0
    return float(gap.max())


def _settled(cell: int, frames: Tensor, rule: NearestCells) -> bool:
    """Whether single precision can tell the k-th best source of a target cell from the next one."""
    height, width = frames.shape[2:]
    y, x = torch.arange(height)[:, None] - cell // width, torch.arange(width) - cell % width
    affinity = torch.einsum("tcyx,c->tyx", frames[:-1].double(), frames[-1].flatten(1)[:, cell].double())
    affinity[1:, y**2 + x**2 >= rule.radius**2] = -1e10
    best = affinity.flatten().topk(rule.topk + 1).values
    return float(best[-2] - best[-1]) > NEAR


# ---------------------------------------------------------------- the bench


def propagation(seconds_budget: float, device: str) -> list[Row]:
    """One frame at the size of the published recipe `crw`: 60 x 107 cells of 256 numbers, 21 source frames."""
    with one_thread():
        frames, labels = (part.to(device) for part in clip())
        sides = [ours(frames, labels), stand_in(frames, labels)]
        us, them = interleaved(sides, seconds_budget)
        apart = difference(sides[0]().cpu(), sides[1]().cpu(), frames.cpu())
    memory = [_in_a_process(side, device) / 2**20 for side in (ours, stand_in)]
    what = (
        f"label propagation, {HEIGHT} x {WIDTH} cells, {CHANNELS} channels, {CRW.context} + 1 source frames, "
        f"k {CRW.topk}, radius {CRW.radius:.0f} (peak memory {memory[0]:.0f} MB, peer {memory[1]:.0f} MB)"
    )
    return [row(what, us, them, 3600, "the steps of videowalk, full affinities", apart, "frames/h")]


def _in_a_process(side: Callable[[Tensor, Tensor], Callable[[], Tensor]], device: str) -> float:
    """Bytes by which the device's memory of a fresh process grows at most, features of all frames included, for one
    frame."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_grown, (side, device))


def _grown(side: Callable[[Tensor, Tensor], Callable[[], Tensor]], device: str) -> float:
    with one_thread():
        before = _peak()
        frames, labels = (part.to(device) for part in clip())
        side(frames, labels)()
        return float(torch.cuda.max_memory_allocated()) if device == "cuda" else _peak() - before


def _peak() -> float:
    """Most bytes that this process ever held; a new process does not start with the peak of the one that began it."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 1024.0 * float(next(line for line in status.read_text().splitlines() if "VmHWM" in line).split()[1])
