"""The synthetic `dcase2013`: places by their ambience and distant voices, in the official layout.

    DCASE2013/scenes_stereo/{scene}{NN}.wav             development set, PCM 16, stereo
    DCASE2013/scenes_stereo_testset/{scene}{NN}.wav     test set

A clip holds the ambience of its scene, wide between the channels, and two to four voices of kinds that are
typical of the scene, in a big room and off to one side; the whole passes a recording channel and is faded
in and out. Everything but scene and kinds is drawn from distributions that do not depend on the scene.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import fft

from unlabeled.datasets.world import voices
from unlabeled.datasets.world.cast import KINDS, SCENES, TYPICAL
from unlabeled.datasets.world.files import WorldFile, sound_file
from unlabeled.datasets.world.knobs import DCASE2013
from unlabeled.streams import stream

SETS = ("scenes_stereo", "scenes_stereo_testset")
"""Folders of the development and the test set. The name of the second is not verified."""


@dataclass(frozen=True)
class Clip:
    """One clip: everything its sound depends on, and the two digits that its name ends in.

    `part` is the folder, `member` counts the clips of one scene in it.
    """

    preset: str
    seed: int
    part: str
    scene: int
    member: int
    number: int

    @property
    def name(self) -> str:
        """Path below the set's folder, in the official grammar."""
        return f"{self.part}/{SCENES[self.scene].name}{self.number:02d}.wav"

    def stream(self, *purpose: object) -> np.random.Generator:
        """Draws of this clip alone."""
        return stream(self.seed, "dcase2013", self.part, self.scene, self.member, *purpose)


@dataclass(frozen=True)
class Sound:
    """A rendered clip: int16 `samples (n, 2)`, and the parts it was mixed from, for checks and pictures.

    `ambience` and `distant` (the voices) are float64 `(2, n)` as they are added, the ambience of power
    about 1: before channel, fades and level. `kinds` are those of the voices.
    """

    samples: np.ndarray
    ambience: np.ndarray
    distant: np.ndarray
    kinds: tuple[int, ...]


def items(preset: str, seed: int) -> tuple[Clip, ...]:
    """All clips of a set, by path."""
    size = DCASE2013.sizes[preset]
    clips = []
    for part in SETS:
        for scene in range(len(SCENES)):
            # With gaps, as in the official set, so that nobody can count files instead of listing them.
            drawn = stream(seed, "dcase2013", part, scene, "numbers").permutation(99)[: size.clips] + 1
            clips += [Clip(preset, seed, part, scene, member, int(number)) for member, number in enumerate(drawn)]
    return tuple(sorted(clips, key=lambda clip: clip.name))


def files(clip: Clip) -> Iterable[WorldFile]:
    """The files of one clip."""
    yield sound_file(clip.name, render(clip).samples, DCASE2013.sizes[clip.preset].rate)


def tables(preset: str, clips: Iterable[Clip]) -> Iterable[WorldFile]:
    """None: the names of the files say all."""
    return ()


def render(clip: Clip) -> Sound:
    """Make one clip; a pure function of the clip and the knobs."""
    size = DCASE2013.sizes[clip.preset]
    samples = round(size.seconds * size.rate)
    ambience = _ambience(clip, samples, size.rate)
    kinds, distant = _voices(clip, samples, size.rate)
    mixed = _channel(ambience + distant, size.rate, clip.stream("channel"))
    mixed *= _fades(samples, size.rate)
    return Sound(_level(mixed, size.rate, clip.stream("level")), ambience, distant, kinds)


def _ambience(clip: Clip, samples: int, rate: int) -> np.ndarray:
    """Ambience `(2, samples)`: the sum of two instances on the left, their difference on the right."""
    middle, side = (
        voices.ambience(SCENES[clip.scene], samples, rate, clip.stream("ambience", which))
        for which in ("middle", "side")
    )
    angle = clip.stream("width").uniform(*DCASE2013.width)
    return np.stack([np.cos(angle) * middle + np.sin(angle) * side, np.cos(angle) * middle - np.sin(angle) * side])


def _voices(clip: Clip, samples: int, rate: int) -> tuple[tuple[int, ...], np.ndarray]:
    """Kinds of the distant voices, and the voices `(2, samples)`."""
    fewest, most = DCASE2013.voices
    rng = clip.stream("kinds")
    kinds = tuple(int(kind) for kind in rng.permutation(TYPICAL[clip.scene])[: rng.integers(fewest, most + 1)])
    total = np.zeros((2, samples))
    for row, kind in enumerate(kinds):
        mono = _distant(clip, row, kind, samples, rate)
        angle = np.pi / 4 + clip.stream("voice", row, "pan").uniform(-DCASE2013.pan, DCASE2013.pan)
        total += np.array([[np.cos(angle)], [np.sin(angle)]]) * mono
    return kinds, total


def _distant(clip: Clip, row: int, kind: int, samples: int, rate: int) -> np.ndarray:
    """One voice of a clip in a big room `(samples,)`, at its level over an ambience of power 1."""
    who = voices.individual(KINDS[kind].voice, DCASE2013.pitch_octaves, clip.stream("voice", row, "individual"))
    rng = clip.stream("voice", row, "place")
    seconds = samples / rate
    length = seconds * rng.uniform(*DCASE2013.active)
    start = rng.uniform(0.0, seconds - length)
    reverb_s, snr_db = rng.uniform(*DCASE2013.reverb_s), rng.uniform(*DCASE2013.snr_db)
    dry = voices.sing(who, (start, start + length), samples, rate, clip.stream("voice", row, "events"))
    # The recording channel is that of the whole clip, so the voice passes none of its own.
    voice = voices.record(dry, rate, reverb_s, 0.0, clip.stream("voice", row, "room"))
    return voice * 10.0 ** (snr_db / 20.0) / np.sqrt(np.sum(voice**2) / (length * rate))


def _channel(mixed: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Both channels of a clip `(2, samples)` through one random recording channel."""
    samples = mixed.shape[1]
    size = fft.next_fast_len(samples, real=True)
    gain = voices.channel(fft.rfftfreq(size, 1.0 / rate), rng.uniform(*DCASE2013.channel_db), rng)
    return fft.irfft(fft.rfft(mixed, size) * gain, size)[:, :samples]


def _fades(samples: int, rate: int) -> np.ndarray:
    """Gain over time `(samples,)` that rises at the start and falls at the end of a clip."""
    edge = np.minimum(np.arange(samples), np.arange(samples)[::-1]) / (DCASE2013.fade_s * rate)
    return 0.5 - 0.5 * np.cos(np.pi * np.minimum(1.0, edge))


def _level(mixed: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """The clip as int16 `(samples, 2)`, at a level and a balance that say nothing about the scene.

    Both are set on the finished channels, peaks limited; a gain on the mixture would leave what the scene
    and the sides of its voices make of them.
    """
    rms = 10.0 ** (rng.uniform(*DCASE2013.level_db) / 20.0)
    left_over_right = 10.0 ** (rng.uniform(*DCASE2013.balance_db) / 10.0)
    peak_db = rng.uniform(*DCASE2013.peak_db)
    power = np.array([left_over_right, 1.0]) * 2.0 * rms**2 / (1.0 + left_over_right)
    levelled = [voices.limit(one, level, peak_db, rate)[1] for one, level in zip(mixed, np.sqrt(power), strict=True)]
    return np.rint(np.clip(np.stack(levelled, axis=1), -1.0, 1.0) * 32767.0).astype(np.int16)
