"""The synthetic `ucf101`: actions in the official layout, most of them pairs that only the order of frames tells apart.

    UCF101/UCF-101/{class}/v_{class}_g{group}_c{clip}.avi      Motion JPEG
    UCF101/ucfTrainTestlist/classInd.txt                       "1 class"
    UCF101/ucfTrainTestlist/{trainlist,testlist}01..03.txt     "class/file 1" and "class/file"

A group fixes kind and scene for all classes, so that neither names a class; groups that test a split hold
pairs of kind and scene that are not met in its training.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unlabeled.datasets.world.actions import Action, Take, classes, evenly, film
from unlabeled.datasets.world.cast import SCENES
from unlabeled.datasets.world.files import WorldFile, text_file, video_file
from unlabeled.datasets.world.knobs import UCF101
from unlabeled.streams import stream

GROUPS = 25
TESTED = {1: range(1, 8), 2: range(8, 15), 3: range(15, 22)}
"""Groups that each split tests; it trains on all others."""


@dataclass(frozen=True)
class Clip:
    """One clip; `label` counts classes and `number` those of a class and group, both from 1."""

    preset: str
    seed: int
    action: Action
    label: int
    group: int
    number: int
    kind: int
    scene: int

    @property
    def name(self) -> str:
        """As the lists name it: class and file."""
        return f"{self.action.name}/v_{self.action.name}_g{self.group:02d}_c{self.number:02d}.avi"

    @property
    def take(self) -> Take:
        """What is shown."""
        return Take(
            action=self.action,
            kind=self.kind,
            scene=self.scene,
            strangers=UCF101.kinds,
            seed=self.seed,
            names=("ucf101", self.action.name, self.group, self.number),
            knobs=UCF101.film,
            size=UCF101.sizes[self.preset].film,
        )


def items(preset: str, seed: int) -> tuple[Clip, ...]:
    """All clips of a set, in the order of the lists."""
    size = UCF101.sizes[preset]
    cast = groups(seed)
    return tuple(
        Clip(preset, seed, action, label, group, number, *cast[group - 1])
        for label, action in enumerate(classes(size.pairs, size.controls), 1)
        for group in range(1, GROUPS + 1)
        for number in range(1, size.clips + 1)
    )


def groups(seed: int) -> tuple[tuple[int, int], ...]:
    """Kind and scene of each group.

    All pairs differ, each kind and each scene comes in as many groups as any other, or in one more, and the
    training groups of each split hold every kind.
    """
    rng = stream(seed, "ucf101", "groups")
    while True:
        kinds, scenes = evenly(UCF101.kinds, GROUPS, rng), evenly(range(len(SCENES)), GROUPS, rng)
        pairs = tuple(zip(kinds, scenes, strict=True))
        trained = [{kinds[g - 1] for g in range(1, GROUPS + 1) if g not in tested} for tested in TESTED.values()]
        if len(set(pairs)) == GROUPS and all(len(found) == len(UCF101.kinds) for found in trained):
            return pairs


def files(clip: Clip) -> Iterable[WorldFile]:
    """The files of one clip."""
    knobs = UCF101.film
    yield video_file(f"UCF-101/{clip.name}", film(clip.take), knobs.fps, knobs.quantiser)


def tables(preset: str, clips: Iterable[Clip]) -> Iterable[WorldFile]:
    """The files that list classes and splits; lines end in CR LF, as in the official lists."""
    clips = list(clips)
    labels = {clip.label: clip.action.name for clip in clips}
    yield _list("classInd", (f"{label} {name}" for label, name in labels.items()))
    for split, tested in TESTED.items():
        yield _list(f"trainlist{split:02d}", (f"{c.name} {c.label}" for c in clips if c.group not in tested))
        yield _list(f"testlist{split:02d}", (c.name for c in clips if c.group in tested))


def _list(name: str, lines: Iterable[str]) -> WorldFile:
    return text_file(f"ucfTrainTestlist/{name}.txt", "".join(f"{line}\r\n" for line in lines))
