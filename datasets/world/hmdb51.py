"""The synthetic `hmdb51`: some actions of `ucf101` with other kinds, a moving camera and another object in view.

    HMDB51/hmdb51_org/{class}/{source}_{class}_u_cm_np1_fr_med_0.avi    Motion JPEG
    HMDB51/testTrainMulti_7030_splits/{class}_test_split{1,2,3}.txt     "file 0|1|2 ": unused, train, test

A source fixes kind and scene for all classes and has one clip of each. Splits are drawn over sources.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from unlabeled.datasets.world.actions import Action, Take, classes, evenly, film
from unlabeled.datasets.world.cast import SCENES
from unlabeled.datasets.world.files import WorldFile, text_file, video_file
from unlabeled.datasets.world.knobs import HMDB51
from unlabeled.streams import stream

UNUSED, TRAIN, TEST = 0, 1, 2
SPLITS = (1, 2, 3)


@dataclass(frozen=True)
class Clip:
    """One clip; `source` counts from 1, `roles` says what it is in each split."""

    preset: str
    seed: int
    action: Action
    source: int
    kind: int
    scene: int
    roles: tuple[int, ...]

    @property
    def label(self) -> str:
        """Name of the class, in small letters with underscores as the official ones."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.action.name).lower()

    @property
    def name(self) -> str:
        """File name, in the official grammar."""
        return f"source{self.source:03d}_{self.label}_u_cm_np1_fr_med_0.avi"

    @property
    def take(self) -> Take:
        """What is shown."""
        return Take(
            action=self.action,
            kind=self.kind,
            scene=self.scene,
            strangers=HMDB51.kinds,
            seed=self.seed,
            names=("hmdb51", self.action.name, self.source),
            knobs=HMDB51.film,
            size=HMDB51.sizes[self.preset].film,
        )


def items(preset: str, seed: int) -> tuple[Clip, ...]:
    """All clips of a set, in the order of the lists."""
    size = HMDB51.sizes[preset]
    rng = stream(seed, "hmdb51", "sources")
    kinds, scenes = evenly(HMDB51.kinds, size.clips, rng), evenly(range(len(SCENES)), size.clips, rng)
    roles = [_roles(preset, seed, split, kinds) for split in SPLITS]
    return tuple(
        Clip(preset, seed, action, source + 1, kinds[source], scenes[source], tuple(role[source] for role in roles))
        for action in classes(size.pairs, size.controls)
        for source in range(size.clips)
    )


def _roles(preset: str, seed: int, split: int, kinds: list[int]) -> list[int]:
    """What each source is in a split: training has every kind, as far as its places go."""
    size = HMDB51.sizes[preset]
    order = [int(source) for source in stream(seed, "hmdb51", "split", split).permutation(size.clips)]
    first_of_kind = {kinds[source]: source for source in reversed(order)}.values()
    order.sort(key=lambda source: source not in first_of_kind)  # stable: otherwise as drawn
    roles = [TRAIN] * size.train + [TEST] * size.test + [UNUSED] * size.unused
    return [role for _, role in sorted(zip(order, roles, strict=True))]


def files(clip: Clip) -> Iterable[WorldFile]:
    """The files of one clip."""
    knobs = HMDB51.film
    yield video_file(f"hmdb51_org/{clip.label}/{clip.name}", film(clip.take), knobs.fps, knobs.quantiser)


def tables(preset: str, clips: Iterable[Clip]) -> Iterable[WorldFile]:
    """One list for each class and split; lines end in a blank, as in the official lists."""
    by_class: dict[str, list[Clip]] = {}
    for clip in clips:
        by_class.setdefault(clip.label, []).append(clip)
    for label, members in by_class.items():
        for place, split in enumerate(SPLITS):
            text = "".join(f"{clip.name} {clip.roles[place]} \n" for clip in members)
            yield text_file(f"testTrainMulti_7030_splits/{label}_test_split{split}.txt", text)
