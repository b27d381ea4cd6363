"""The one loader: items and a Request in, batches of decoded items out.

The method chooses (`Request.pick`), here is decoded. Which items a batch holds is settled in the process that trains;
what is read of each is chosen where it is read, from the item's facts and its own random stream alone. So the order of
items and every draw are the same for any number of workers, and training can go on at any step without decoding what
came before.

Streams under the loader's Rng: `order/EPOCH`; `item/EPOCH/ID` for the pick; `augment/EPOCH/ID/NAME` and
`augment/EPOCH/ID/sound/NAME`; `mix/EPOCH/ID` for the gain of a source.

Every sound of a batch goes one way: whole file, mean of channels, time 0 at the first frame, resampling (soxr HQ), and
only then cut at whole samples of the rate that was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from unlabeled.contracts import Batch, Info, Pick, Request
from unlabeled.datasets.decode import sound, video
from unlabeled.errors import BadData, UnlabeledError
from unlabeled.streams import Rng
from unlabeled.training import augment, facts, frame_cache, requests
from unlabeled.training.facts import Facts, Item
from unlabeled.training.frame_cache import FrameCache

ONCE = "once"
"""What stands for the epoch in the streams of `Loader.once`."""


def _silent(text: str) -> None:
    """Tell nobody."""


class Loader:
    """Batches of items that answer a Request.

    items       : videos (files or folders of frames), pictures or sounds; ids are unique
    rng         : its seed and path decide order, picks and augmentations
    workers     : processes that choose and decode; 0 does so in this one
    labels      : class numbers in the batches: for benchmarks only
    cache       : folder for facts about files and for decoded frames; None decodes in every epoch
    cache_bytes : the largest file of decoded frames; None: 4 GiB, and at most a quarter of what is free
    tell        : hears when a cache is made, and when it would be too large

    `infos` holds what the pretext is told of each item, in their order.

    Raises
    ------
    WrongCall : the request names something unknown or contradicts itself, or items cannot answer it.
    BadData : a file cannot be decoded, items have no sound where sound is asked for (all are named), or no class.
    """

    def __init__(
        self,
        items: Sequence[Item],
        request: Request,
        batch: int,
        rng: Rng,
        *,
        workers: int = 0,
        labels: bool = False,
        cache: Path | None = None,
        cache_bytes: int | None = None,
        tell: Callable[[str], None] = _silent,
    ) -> None:
        requests.check(request)
        if workers:
            requests.check_travels(request)
        requests.check_items(items, request, batch, labels)
        self.items, self.request, self.batch, self.rng = tuple(items), request, batch, rng
        self.workers = workers
        heard = request.kind in requests.HEARD
        known = facts.examine(self.items, heard, "motion" in request.wants, cache, workers)
        self.infos: Sequence[Info] = [one.info(request.rate) for one in known]
        if heard:
            requests.check_heard(self.items, self.infos)
        frames = None
        if cache is not None:
            cover = augment.reading_size(request)
            frames = frame_cache.ensure(self.items, known, cover, cache, cache_bytes, workers, tell)
        # Motion travels to other processes once, with the infos.
        bare = [replace(one, motion=None) for one in known]
        self._reader = _Reader(self.items, bare, self.infos, request, rng, labels, frames)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch; items that fill no batch are left out of it."""
        return len(self.items) // (self.batch * self.request.sources)

    def __iter__(self) -> Iterator[Batch]:
        """Batches without end, from step 0."""
        return self.from_step(0)

    def from_step(self, first: int, stride: int = 1, cut: int = 1) -> Iterator[Batch]:
        """Every `stride`-th part from number `first` on, without end: the others are not decoded.

        Each batch is cut into `cut` equal parts, which are numbered through all batches: processes that take one each
        see together what one process sees.

        Raises
        ------
        WrongCall : there are fewer items than a batch holds.
        """
        requests.check_enough(self.items, self.request, self.batch)
        return self._read(self._training(first, stride, cut))

    def once(self) -> Iterator[Batch]:
        """Every item once, in order, without augmentations; the last batch may be smaller.

        Mixtures: of n groups the k-th holds items k, k + n, k + 2 n ...; items that fill no group are left out.
        """
        return self._read(self._evaluation())

    def _training(self, part: int, stride: int, cut: int) -> Generator[_Members]:
        a_part = self.batch // cut * self.request.sources
        while True:
            # No part begins in one epoch and ends in another: what fills no batch is left out.
            epoch, within = divmod(part, self.steps_per_epoch * cut)
            order = _permutation(self.rng, epoch, len(self.items))
            yield _Members(order[within * a_part : (within + 1) * a_part].tolist(), str(epoch))
            part += stride

    def _evaluation(self) -> Generator[_Members]:
        sources = self.request.sources
        groups = len(self.items) // sources
        for first in range(0, groups, self.batch):
            members = range(first, min(first + self.batch, groups))
            yield _Members([group + k * groups for group in members for k in range(sources)], ONCE)

    def _read(self, members: Generator[_Members]) -> Iterator[Batch]:
        loader: DataLoader[Any] = DataLoader(
            self._reader,
            batch_sampler=members,  # type: ignore[arg-type]  # whatever it gives is handed to __getitems__
            num_workers=self.workers,
            collate_fn=_as_it_is,
            # Spawned, not forked: a forked child of a process with threads can hang.
            multiprocessing_context="spawn" if self.workers else None,
            # One of its own: DataLoader would draw from the global generator.
            generator=torch.Generator().manual_seed(0),
        )
        reading = iter(loader)
        try:
            for got in reading:
                if isinstance(got, UnlabeledError):
                    raise got
                # Last, in this process: as bytes they are a quarter of the shared memory, which costs more than this.
                yield replace(got, frames=None if got.frames is None else augment.unit(got.frames))
        except (GeneratorExit, UnlabeledError):
            # A process that is told to end while it hands a batch over aborts, loudly: take what is under way first.
            members.close()
            with suppress(RuntimeError):
                for _ in reading:
                    pass
            raise


@dataclass(frozen=True)
class _Members:
    """The items of a batch by number, and the epoch in which they are read."""

    indices: list[int]
    epoch: str


@dataclass(frozen=True)
class _Choice:
    """One item of a batch: which, in which epoch, and what is read of it."""

    index: int
    epoch: str
    pick: Pick


@lru_cache(maxsize=4)
def _permutation(rng: Rng, epoch: int, n: int) -> np.ndarray:
    return rng.numpy("order", epoch).permutation(n)


def _as_it_is(batch: Any) -> Any:
    return batch


# ---------------------------------------------------------------- reading, in any process


class _Reader(Dataset[Any]):
    """Members to batches. It holds no open file, so that it travels to other processes."""

    def __init__(
        self,
        items: Sequence[Item],
        known: Sequence[Facts],
        infos: Sequence[Info],
        request: Request,
        rng: Rng,
        labels: bool,
        cache: FrameCache | None,
    ) -> None:
        self.items, self.known, self.infos, self.request, self.rng = items, known, infos, request, rng
        self.labels, self.cache = labels, cache
        self.cover = augment.reading_size(request)

    def __getitems__(self, members: _Members) -> Batch | UnlabeledError:
        """A batch, or what is wrong: DataLoader would rewrite the text of an error that a worker raises."""
        try:
            return self._batch(self._choices(members))
        except UnlabeledError as fault:
            return fault

    def _choices(self, members: _Members) -> list[_Choice]:
        request, items, epoch = self.request, [self.items[k] for k in members.indices], members.epoch
        picks = [
            requests.picked(request, item, self.infos[k], self.rng.under("item", epoch, item.id))
            for k, item in zip(members.indices, items, strict=True)
        ]
        requests.check_alike(request, items, picks)
        return [_Choice(k, epoch, pick) for k, pick in zip(members.indices, picks, strict=True)]

    def _batch(self, choices: Sequence[_Choice]) -> Batch:
        request, first = self.request, choices[0].pick
        # default_collate stacks what a worker made right in the memory that it shares: one copy less.
        frames = default_collate([self._frames(choice) for choice in choices]) if first.frames else None
        waves = default_collate([torch.from_numpy(self._sound(choice)) for choice in choices]) if first.sound else None
        target = _stacked([choice.pick.target for choice in choices])
        labels = torch.tensor([self.items[choice.index].target for choice in choices]) if self.labels else None
        ids = tuple(self.items[choice.index].id for choice in choices)
        if request.kind == "images" and frames is not None:
            frames = frames[:, 0, 0]
        elif request.kind == "frames" and frames is not None:
            frames = frames[:, 0]
        if request.kind != "mixtures":
            return Batch(ids, frames, waves, None, target, labels)

        def grouped(values: torch.Tensor | None) -> torch.Tensor | None:
            return None if values is None else values.unflatten(0, (-1, request.sources))

        # One run and one stretch an item: those axes become that of the sources.
        parts = grouped(None if waves is None else waves[:, 0])
        pictures = grouped(None if frames is None else frames[:, 0])
        mixture = None if parts is None else parts.sum(1)
        return Batch(ids, pictures, parts, mixture, grouped(target), grouped(labels))

    def _draws(self, choice: _Choice) -> Rng | None:
        """The streams of augmentation of an item; None where it is read for evaluation."""
        if choice.epoch == ONCE:
            return None
        return self.rng.under("augment", choice.epoch, self.items[choice.index].id)

    def _frames(self, choice: _Choice) -> torch.Tensor:
        """`(runs, T, C, size, size)` of one item; runs in time `(runs, C, T, size, size)`. Bytes or float32."""
        wanted = [index for run in choice.pick.frames for index in run]
        if self.cache is not None:
            read = self.cache.read(choice.index, wanted)
        else:
            full = facts.some_frames(self.items[choice.index].path, wanted)
            read = np.stack([facts.resize(frame, self.cover) for frame in full])
        ready = augment.changed(read, self.request, self._draws(choice))
        runs = ready.unflatten(0, (len(choice.pick.frames), -1))
        return runs if self.request.kind in ("images", "frames") else runs.transpose(1, 2)

    def _sound(self, choice: _Choice) -> np.ndarray:
        """`(stretches, samples)` of one item."""
        item, rate = self.items[choice.index], self.request.rate
        wave = _aligned(item, self.known[choice.index], rate)
        cuts = [requests.samples_of(*stretch, rate) for stretch in choice.pick.sound]
        if max(start + count for start, count in cuts) > len(wave):
            raise BadData(f"{facts.sound_path(item)} has changed: its sound is shorter than before", "run again")
        stretches = np.stack([wave[start : start + count] for start, count in cuts])
        if not np.isfinite(stretches).all():
            raise BadData(f"{facts.sound_path(item)} holds NaN or infinite samples", "encode its sound again")
        draws = self._draws(choice)
        stretches = augment.sound(stretches, self.request, None if draws is None else draws.under("sound"))
        if self.request.kind == "mixtures":
            gain = self.rng.numpy("mix", choice.epoch, item.id).uniform(*self.request.gain)
            stretches = stretches * np.float32(gain)
        return stretches


def _aligned(item: Item, known: Facts, rate: int) -> np.ndarray:
    """The whole sound of an item `(samples,)` float32 at `rate`, mono, sample 0 at the time of the first frame."""
    path = facts.sound_path(item)
    assert path is not None, "items without sound were refused"
    whole = sound.read(path) if facts.plain_sound(path) else video.read_sound(path)
    wave, lead = sound.mono(whole), known.lead()
    wave = wave[lead:] if lead >= 0 else np.pad(wave, (-lead, 0))
    return sound.resample(wave, whole.rate, rate)


def _stacked(targets: Sequence[Any]) -> torch.Tensor | None:
    """The picks' own answers as `(B, ...)`: whole numbers int64, others float32."""
    if targets[0] is None:
        return None
    try:
        values = torch.from_numpy(np.stack([np.asarray(target) for target in targets]))
    except (ValueError, TypeError) as fault:
        raise UnlabeledError(f"the targets of a batch cannot be stacked: {fault}") from fault
    return values.float() if values.is_floating_point() else values.long()
