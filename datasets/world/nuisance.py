"""Can a class be told from what must say nothing about it? Checks that block the freezing of a set.

A small classifier (RBF SVM, C = 2, standardised) reads one nuisance alone, on the official folds. Two
questions, because a leak in a single class hardly moves the accuracy over all:

- *accuracy*: mean over the folds, for all classes at once;
- *one kind*: the area under the ROC curve of each class against the rest, the largest over classes.

Both are taken on the mean over master seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy import fft
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from unlabeled.datasets.world import dcase2013, esc50

CREST_FACTOR = "crest factor"
"""Allowed up to 2.5 times chance: impulsive kinds are impulsive."""

SPREAD = 4.0
"""Standard errors that the worst class may lie above 0.5: about 150 classes and checks are looked at."""

BANDS = 12
SILENCE_DB = -40.0


@dataclass(frozen=True)
class Samples:
    """One set of one master seed: nuisances name -> `(clips, numbers)`, targets and folds `(clips,)`."""

    nuisances: Mapping[str, np.ndarray]
    targets: np.ndarray
    folds: np.ndarray


@dataclass(frozen=True)
class Finding:
    """One nuisance, as fractions. `accuracies` and `areas` have one number a seed, `areas` of `kind`."""

    nuisance: str
    accuracies: tuple[float, ...]
    accuracy_limit: float
    kind: int
    areas: tuple[float, ...]
    area_limit: float

    @property
    def leaks(self) -> bool:
        """Whether the mean over seeds breaks one of the two limits."""
        return bool(np.mean(self.accuracies) > self.accuracy_limit or np.mean(self.areas) > self.area_limit)


def check(seeds: Sequence[Samples]) -> list[Finding]:
    """Every nuisance of a set, made with several master seeds, against its limits."""
    return [judge(name, seeds) for name in seeds[0].nuisances]


def judge(name: str, seeds: Sequence[Samples]) -> Finding:
    """One nuisance against its limits."""
    accuracies, areas = [], []
    for made in seeds:
        values = made.nuisances[name]
        accuracies.append(fold_accuracy(values, made.targets, made.folds))
        areas.append(kind_areas(values, made.targets, made.folds))
    worst = int(np.argmax(np.mean(areas, axis=0)))
    classes, clips = len(np.unique(seeds[0].targets)), len(seeds[0].targets)
    chance = 1.0 / classes
    limit = chance + max(0.05, 2.0 * np.sqrt(chance * (1.0 - chance) / clips))
    area_limit = 0.5 + SPREAD * _area_error(clips // classes, clips) / np.sqrt(len(seeds))
    if name == CREST_FACTOR:
        limit, area_limit = 2.5 * chance, 1.0
    return Finding(
        name, tuple(accuracies), float(limit), worst, tuple(float(a[worst]) for a in areas), float(area_limit)
    )


def fold_accuracy(values: np.ndarray, targets: np.ndarray, folds: np.ndarray) -> float:
    """Mean over folds of the accuracy on the held-out fold; `values (clips, numbers)`."""
    right = []
    for fold in np.unique(folds):
        test = folds == fold
        model = make_pipeline(StandardScaler(), SVC(C=2.0)).fit(values[~test], targets[~test])
        right.append(np.mean(model.predict(values[test]) == targets[test]))
    return float(np.mean(right))


def kind_areas(values: np.ndarray, targets: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each class against the rest `(classes,)`, mean over held-out folds."""
    areas = []
    for target in np.unique(targets):
        here = targets == target
        per_fold = []
        for fold in np.unique(folds):
            test = folds == fold
            model = make_pipeline(StandardScaler(), SVC(C=2.0, class_weight="balanced"))
            model.fit(values[~test], here[~test])
            per_fold.append(roc_auc_score(here[test], model.decision_function(values[test])))
        areas.append(np.mean(per_fold))
    return np.array(areas)


def _area_error(positive: int, clips: int) -> float:
    """Standard error of the area for a number that says nothing (Mann-Whitney)."""
    negative = clips - positive
    return float(np.sqrt((clips + 1.0) / (12.0 * positive * negative)))


# ---------------------------------------------------------------- the nuisances of esc50


def esc50_samples(folder: Path, preset: str, seed: int) -> Samples:
    """Nuisances of a finished `esc50`: from its files, and from the generator where files cannot tell."""
    rows: dict[str, list[tuple[float, ...]]] = {}
    clips = esc50.items(preset, seed)
    for clip in clips:
        file = folder / "audio" / clip.name
        samples, rate = soundfile.read(file)
        for name, value in {**from_samples(samples, rate), **from_generator(clip, rate)}.items():
            rows.setdefault(name, []).append(value)
        rows.setdefault("file bytes", []).append((float(file.stat().st_size),))
    return Samples(
        {name: np.array(values) for name, values in rows.items()},
        np.array([clip.target for clip in clips]),
        np.array([clip.fold for clip in clips]),
    )


def from_samples(samples: np.ndarray, rate: int) -> dict[str, tuple[float, ...]]:
    """Nuisances that a finished clip `(n,)` shows, in dB and seconds."""
    rms = np.sqrt(np.mean(samples**2))
    loud = np.flatnonzero(np.abs(samples) > rms * 10.0 ** (SILENCE_DB / 20.0))
    return {
        "RMS": (20.0 * np.log10(rms),),
        "duration": (len(samples) / rate,),
        "silence at the ends": (loud[0] / rate, (len(samples) - 1 - loud[-1]) / rate),
        CREST_FACTOR: (20.0 * np.log10(np.max(np.abs(samples)) / rms),),
    }


def from_generator(clip: esc50.Clip, rate: int) -> dict[str, tuple[float, ...]]:
    """Nuisances that only the generator knows: the active stretch, and the clip with its voice muted."""
    sound = esc50.render(clip)
    start, stop = sound.active
    return {
        "active share": (start, stop - start),
        "ambience only": band_levels(sound.ambience, rate),
    }


def band_levels(samples: np.ndarray, rate: int) -> tuple[float, ...]:
    """Mean and standard deviation over time of the level in 12 bands, equally wide in octaves, in dB."""
    frame = rate // 20
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame) * np.hanning(frame)
    power = np.abs(fft.rfft(frames, axis=1)) ** 2
    edges = np.geomspace(60.0, 3800.0, BANDS + 1)
    band = np.searchsorted(edges, fft.rfftfreq(frame, 1.0 / rate)) - 1
    levels = np.stack([10.0 * np.log10(power[:, band == b].sum(axis=1) + 1e-12) for b in range(BANDS)], axis=1)
    return (*levels.mean(axis=0), *levels.std(axis=0))


# ---------------------------------------------------------------- the nuisances of dcase2013


def dcase2013_samples(folder: Path, preset: str, seed: int) -> Samples:
    """Nuisances of a finished `dcase2013`, from its files alone.

    Development and test set are two folds here: each is tested by the other, since one direction alone
    would leave half of the few clips untested.
    """
    rows: dict[str, list[tuple[float, ...]]] = {}
    clips = dcase2013.items(preset, seed)
    for clip in clips:
        file = folder / clip.name
        samples, rate = soundfile.read(file)
        for name, value in from_stereo(samples, rate).items():
            rows.setdefault(name, []).append(value)
        rows.setdefault("file number", []).append((float(clip.number),))
        rows.setdefault("file bytes", []).append((float(file.stat().st_size),))
    return Samples(
        {name: np.array(values) for name, values in rows.items()},
        np.array([clip.scene for clip in clips]),
        np.array([1 + dcase2013.SETS.index(clip.part) for clip in clips]),
    )


def from_stereo(samples: np.ndarray, rate: int) -> dict[str, tuple[float, ...]]:
    """Nuisances that a finished clip `(n, 2)` shows: level, left over right and middle over side, in dB; seconds."""
    left, right = np.mean(samples**2, axis=0)
    middle, side = np.mean(samples.sum(axis=1) ** 2), np.mean(np.diff(samples, axis=1) ** 2)
    return {
        "RMS": (10.0 * np.log10((left + right) / 2.0),),
        "stereo balance": (10.0 * np.log10(left / right),),
        "stereo width": (10.0 * np.log10(middle / side),),
        "duration": (len(samples) / rate,),
    }
