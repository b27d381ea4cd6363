"""Does a clip of `pool` give away what its sound and its picture have to be compared for? Checks that block freezing.

- The kind must not show without its thing: not in the picture, nor in the sound, when the thing is left out of both.
  Judged as in `nuisance`; a fold is every fifth clip.
- Whether a sound belongs to a picture must not show in how loud it is, how it was coded, or when it starts. True
  pairs are told from pairs with the sound of another clip, half of the clips tested by the other half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from unlabeled.datasets.world import nuisance, pool
from unlabeled.datasets.world.knobs import POOL
from unlabeled.streams import stream

FOLDS = 5
CELLS = 4


@dataclass(frozen=True)
class Samples:
    """One `pool` of one master seed: what is left without the thing, and numbers `(clips, n)` of either side."""

    without: nuisance.Samples
    sounds: np.ndarray
    pictures: np.ndarray


@dataclass(frozen=True)
class Pairing:
    """Whether sounds are told from sounds of other clips: accuracies as fractions, one a seed."""

    accuracies: tuple[float, ...]
    limit: float

    @property
    def leaks(self) -> bool:
        """Whether the mean over seeds breaks the limit."""
        return bool(np.mean(self.accuracies) > self.limit)


def check(seeds: Sequence[Samples]) -> list[nuisance.Finding | Pairing]:
    """Everything that must say nothing."""
    return [*nuisance.check([made.without for made in seeds]), judge_pairs(seeds)]


def judge_pairs(seeds: Sequence[Samples]) -> Pairing:
    """True pairs against pairs with the sound of another clip."""
    accuracies = []
    for made in seeds:
        clips = len(made.sounds)
        half = clips // 2
        parts = [np.arange(half), np.arange(half, clips)]
        values, true = zip(*(_pairs(made, part) for part in parts), strict=True)
        right = []
        for train, test in ((0, 1), (1, 0)):
            model = make_pipeline(StandardScaler(), SVC(C=2.0)).fit(values[train], true[train])
            right.append(np.mean(model.predict(values[test]) == true[test]))
        accuracies.append(float(np.mean(right)))
    error = np.sqrt(0.25 / (2 * len(seeds[0].sounds)))
    return Pairing(tuple(accuracies), 0.5 + max(0.05, 2.0 * float(error)))


def _pairs(made: Samples, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of both sides and their products, of true pairs and of as many false ones."""
    sounds = np.concatenate([clips, np.roll(clips, 1)])
    heard, seen = (
        (side - side.mean(axis=0)) / (side.std(axis=0) + 1e-9)
        for side in (made.sounds[sounds], made.pictures[np.tile(clips, 2)])
    )
    products = (heard[:, :, None] * seen[:, None, :]).reshape(len(heard), -1)
    return np.concatenate([heard, seen, products], axis=1), np.repeat([1, 0], len(clips))


# ---------------------------------------------------------------- the nuisances


def pool_samples(folder: Path, preset: str, seed: int) -> Samples:
    """Nuisances of a finished `pool`: of sounds and pictures from its files, without the thing from the generator."""
    clips = pool.items(preset, seed)
    without = [_without(clip) for clip in clips]
    sides = [_sides(folder / clip.name) for clip in clips]
    order = stream(seed, "pool", "folds").permutation(len(clips))
    return Samples(
        nuisance.Samples(
            {name: np.array([found[name] for found in without]) for name in without[0]},
            np.array([clip.kind for clip in clips]),
            1 + order % FOLDS,
        ),
        np.array([heard for heard, _ in sides]),
        np.array([seen for _, seen in sides]),
    )


def _without(clip: pool.Clip) -> dict[str, tuple[float, ...]]:
    """The scene and the ambience of a clip, its things left out."""
    drawn = pool.plan(clip)
    frames = pool.picture(clip, replace(drawn, seen=())).mean(axis=0)
    rows, columns, _ = frames.shape
    cells = frames.reshape(CELLS, rows // CELLS, CELLS, columns // CELLS, 3).mean(axis=(1, 3))
    _, ambience = pool.sound(clip, drawn)
    return {
        "scene only": tuple(cells.ravel()),
        "ambience only": nuisance.band_levels(ambience, POOL.sizes[clip.preset].rate),
    }


def _sides(file: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of the sound: level, peak, bytes, start and length. Of the picture: brightness, bytes, start and length."""
    with av.open(str(file)) as container:
        samples = np.concatenate([block.to_ndarray()[0] for block in container.decode(audio=0)])
    with av.open(str(file)) as container:
        light = float(np.mean([frame.to_ndarray(format="gray").mean() for frame in container.decode(video=0)]))
    level, peak = 10.0 * np.log10(np.mean(samples**2)), 20.0 * np.log10(np.max(np.abs(samples)))
    return (float(level), float(peak), *_coding(file, "audio")), (light, *_coding(file, "video"))


def _coding(file: Path, kind: str) -> tuple[float, float, float]:
    """Bytes, start and length in seconds of the stream of a kind."""
    with av.open(str(file)) as container:
        (track,) = (track for track in container.streams if track.type == kind)
        unit = float(track.time_base or 0)
        packed = sum(packet.size for packet in container.demux(track))
        return float(packed), unit * (track.start_time or 0), unit * (track.duration or 0)
