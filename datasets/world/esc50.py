"""The synthetic `esc50`, with `esc10` inside: short sounds of one kind each, in the official layout.

    ESC-50/audio/{fold}-{source}-{take}-{target}.wav    PCM 16, mono
    ESC-50/meta/esc50.csv                               filename,fold,target,category,esc10,src_file,take

A *source* is one individual. Takes A and B of a source are other clips of the same individual, and lie in
one fold. A clip holds events of one kind inside an active stretch, in a room, through a recording channel,
over the ambience of a random scene. All of that is drawn from distributions that do not depend on the kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from unlabeled.datasets.world import voices
from unlabeled.datasets.world.cast import KINDS, SCENES
from unlabeled.datasets.world.files import WorldFile, sound_file, text_file
from unlabeled.datasets.world.knobs import ESC50
from unlabeled.streams import stream

FOLDS = (1, 2, 3, 4, 5)
HEADER = "filename,fold,target,category,esc10,src_file,take"


@dataclass(frozen=True)
class Clip:
    """One clip: everything its sound depends on, and the number that its source has in the file names.

    `member` counts the individuals of one kind in one fold.
    """

    preset: str
    seed: int
    fold: int
    target: int
    member: int
    take: str
    source: int

    @property
    def name(self) -> str:
        """File name, in the official grammar."""
        return f"{self.fold}-{self.source}-{self.take}-{self.target}.wav"

    def individual_stream(self, purpose: str) -> np.random.Generator:
        """Draws that both takes of a source share."""
        return stream(self.seed, "esc50", self.target, self.fold, self.member, purpose)

    def take_stream(self, purpose: str) -> np.random.Generator:
        """Draws of this clip alone."""
        return stream(self.seed, "esc50", self.target, self.fold, self.member, self.take, purpose)


@dataclass(frozen=True)
class Sound:
    """A rendered clip: int16 `samples (n,)`, and the parts it is the sum of, for checks and pictures.

    `voice` and `ambience` are float64 `(n,)` in full scale, before the peaks of their sum are limited.
    `active` is the stretch in which events start, in seconds.
    """

    samples: np.ndarray
    voice: np.ndarray
    ambience: np.ndarray
    active: tuple[float, float]


def items(preset: str, seed: int) -> tuple[Clip, ...]:
    """All clips of a set, in the order of the table (by file name).

    Three quarters as many sources as clips, as in the official set: of four clips two share a source.
    """
    size = ESC50.sizes[preset]
    pairs = max(1, size.clips // 4)
    takes = [(member, take) for member in range(pairs) for take in "AB"]
    takes += [(member, "A") for member in range(pairs, size.clips - pairs)]
    members = size.clips - pairs
    # Numbers of sources are shuffled over the set, else they would count kinds and folds.
    numbers = 100000 + stream(seed, "esc50", "sources").permutation(len(FOLDS) * size.kinds * members)
    clips = [
        Clip(
            preset=preset,
            seed=seed,
            fold=fold,
            target=target,
            member=member,
            take=take,
            source=int(numbers[(row * size.kinds + target) * members + member]),
        )
        for row, fold in enumerate(FOLDS)
        for target in range(size.kinds)
        for member, take in takes
    ]
    return tuple(sorted(clips, key=lambda clip: clip.name))


def files(clip: Clip) -> Iterable[WorldFile]:
    """The files of one clip."""
    yield sound_file(f"audio/{clip.name}", render(clip).samples, ESC50.sizes[clip.preset].rate)


def tables(preset: str, clips: Iterable[Clip]) -> Iterable[WorldFile]:
    """The files that list the clips."""
    esc10 = set(ESC50.sizes[preset].esc10)
    lines = [HEADER]
    for clip in clips:
        kind = KINDS[clip.target].name
        row = (clip.name, clip.fold, clip.target, kind, clip.target in esc10, clip.source, clip.take)
        lines.append(",".join(map(str, row)))
    yield text_file("meta/esc50.csv", "\n".join(lines) + "\n")


def render(clip: Clip) -> Sound:
    """Make one clip; a pure function of the clip and the knobs."""
    size = ESC50.sizes[clip.preset]
    samples = round(size.seconds * size.rate)
    who = voices.individual(KINDS[clip.target].voice, ESC50.pitch_octaves, clip.individual_stream("individual"))
    active = _active(size.seconds, clip.take_stream("active"))
    dry = voices.sing(who, active, samples, size.rate, clip.take_stream("events"))
    rng = clip.take_stream("channel")
    reverb_s, channel_sd = rng.uniform(*ESC50.reverb_s), rng.uniform(*ESC50.channel_db)
    voice = voices.record(dry, size.rate, reverb_s, channel_sd, rng)
    rng = clip.take_stream("ambience")
    scene = SCENES[rng.integers(len(SCENES))]
    background = voices.ambience(scene, samples, size.rate, rng)
    rng = clip.take_stream("level")
    # The power of the voice is taken over its active stretch, which is drawn without regard to the kind:
    # the level of the ambience in the finished clip then says nothing about the kind either.
    power = np.sum(voice**2) / ((active[1] - active[0]) * size.rate)
    voice *= 10.0 ** (rng.uniform(*ESC50.snr_db) / 20.0) / np.sqrt(power)
    rms = 10.0 ** (rng.uniform(*ESC50.level_db) / 20.0)
    gain, mixed = voices.limit(voice + background, rms, rng.uniform(*ESC50.peak_db), size.rate)
    pcm = np.rint(np.clip(mixed, -1.0, 1.0) * 32767.0).astype(np.int16)
    return Sound(pcm, voice * gain, background * gain, active)


def _active(seconds: float, rng: np.random.Generator) -> tuple[float, float]:
    """Start and stop of the active stretch, anywhere in the clip."""
    length = seconds * rng.uniform(*ESC50.active)
    start = rng.uniform(0.0, seconds - length)
    return start, start + length
