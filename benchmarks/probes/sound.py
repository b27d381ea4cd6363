"""How labelled clips are classified: the recipes that ESC and DCASE share, each with all its constants.

A recipe turns the clips of two splits and a role into class scores of the test clips. Features of a clip are
made by one call of their own, so that they hang on nothing but the clip, and remembered where that holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

from unlabeled.benchmarks.metrics import voting
from unlabeled.benchmarks.probes import linear_svm
from unlabeled.contracts import AudioEncoder, Classifier, SoundItem, Survey
from unlabeled.datasets.decode.items import SoundItems
from unlabeled.errors import BadData, WrongCall
from unlabeled.streams import Rng
from unlabeled.training.signals.cutting import loop, spaced_windows
from unlabeled.training.signals.soundnet import step_windows, window_steps

CALIBRATION = (8, 16)
"""Batches, and clips in each, from which an untrained network takes its normalisation statistics."""


@dataclass(frozen=True)
class WholeClip:
    """A classifier of whole clips, each cut or zero-padded to `seconds` (Piczak 2015, section 4)."""

    seconds: float = 5.0
    role: str = "classifier"
    cite: str = "piczak2015esc"
    point: str = ""
    sets: Mapping[str, Any] = field(default_factory=dict)
    unverified: tuple[str, ...] = ()

    def prepare(self, role: Classifier) -> Classifier:
        """Nothing to share between units."""
        return role

    def scores(
        self, role: Classifier, train: Sequence[SoundItem], test: Sequence[SoundItem], data: Survey, rng: Rng
    ) -> np.ndarray:
        """Class scores `(test clips, classes)`."""
        role.fit(SoundItems(train, data.rate, self.seconds), _labels(train), rng)
        return np.asarray(role.scores(SoundItems(test, data.rate, self.seconds)), dtype=np.float64)


@dataclass(frozen=True)
class StepWindows:
    """SoundNet's scoring: windows over the steps of a layer, linear SVM, mean decision value of the clip.

    The clip is looped to `sound_s`, encoded whole, and every run of
    `ceil(window_s / sound_s * steps)` steps is one row. Gain 512 as in the released scoring scripts
    (Aytar et al. 2016; `eval_esc50.lua`, `eval_dcase.lua`).
    """

    sound_s: float
    window_s: float
    C: float = 0.01
    role: str = "audio"
    cite: str = "aytar2016soundnet"
    point: str = "pool5"
    sets: Mapping[str, Any] = field(default_factory=lambda: {"gain": 512.0})
    unverified: tuple[str, ...] = ()
    channel: Literal["first"] = "first"

    def prepare(self, role: AudioEncoder) -> Features:
        """An encoder whose features are remembered by clip."""
        return Features(role, find_point(role, self.point), self.channel)

    def scores(
        self, role: Features, train: Sequence[SoundItem], test: Sequence[SoundItem], data: Survey, rng: Rng
    ) -> np.ndarray:
        """Class scores `(test clips, classes)`."""

        def cut(waves: torch.Tensor) -> torch.Tensor:
            return loop(waves, round(self.sound_s * role.encoder.rate))

        role.calibrate(train, cut, rng)
        rows, labels = self._windows(role.of(train, cut)), _labels(train)
        machine = linear_svm.fit(rows.reshape(-1, rows.shape[2]), labels.repeat(rows.shape[1]), self.C, _seed(rng))
        return _mean_decision(machine, self._windows(role.of(test, cut)), len(data.classes))

    def _windows(self, features: np.ndarray) -> np.ndarray:
        """`(N, dim, T)` to `(N, windows, dim * steps)`."""
        if features.ndim != 3:
            raise WrongCall(
                f"this recipe cuts windows over steps, and {self.point} gives one vector a sound",
                "choose a point with steps (--point), or a recipe for whole windows (--recipe l3-svm)",
            )
        steps = window_steps(round(1000 * self.window_s), round(1000 * self.sound_s), features.shape[2])
        return step_windows(torch.from_numpy(features), steps).numpy()


@dataclass(frozen=True)
class SecondWindows:
    """Look, Listen and Learn's scoring: one-second windows, z-scores, linear SVM, mean decision value.

    `windows` equally spaced windows a clip; C by an inner four-fold search over training recordings. The paper's
    text was not at hand: see `unverified`.
    """

    seconds: float
    windows: int
    window_s: float = 1.0
    choices: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    inner_folds: int = 4
    role: str = "audio"
    cite: str = "arandjelovic2017look"
    point: str = "pool"
    sets: Mapping[str, Any] = field(default_factory=dict)
    unverified: tuple[str, ...] = ("number of windows", "z-scores", "choice of C", "mean of decision values")
    channel: Literal["mean"] = "mean"

    def prepare(self, role: AudioEncoder) -> Features:
        """An encoder whose features are remembered by clip."""
        return Features(role, find_point(role, self.point), self.channel)

    def scores(
        self, role: Features, train: Sequence[SoundItem], test: Sequence[SoundItem], data: Survey, rng: Rng
    ) -> np.ndarray:
        """Class scores `(test clips, classes)`."""
        rate = role.encoder.rate

        def cut(waves: torch.Tensor) -> torch.Tensor:
            whole = round(self.seconds * rate)
            padded = torch.nn.functional.pad(waves, (0, max(0, whole - waves.shape[1])))[:, :whole]
            return spaced_windows(padded, round(self.window_s * rate), self.windows)[0]

        role.calibrate(train, cut, rng)
        rows, labels = _vectors(role.of(train, cut)), _labels(train)
        scaler = StandardScaler().fit(rows.reshape(-1, rows.shape[2]))

        def scaled(part: np.ndarray) -> np.ndarray:
            return scaler.transform(part.reshape(-1, part.shape[2])).reshape(part.shape)

        rows, seed = scaled(rows), _seed(rng)
        groups = np.array([item.recording for item in train])
        C = self._choose(rows, labels, groups, len(data.classes), seed)
        machine = linear_svm.fit(rows.reshape(-1, rows.shape[2]), labels.repeat(rows.shape[1]), C, seed)
        return _mean_decision(machine, scaled(_vectors(role.of(test, cut))), len(data.classes))

    def _choose(self, rows: np.ndarray, labels: np.ndarray, groups: np.ndarray, classes: int, seed: int) -> float:
        """The C with most right clips in the inner folds, the smallest among equals."""
        right = dict.fromkeys(self.choices, 0)
        for inside, outside in StratifiedGroupKFold(self.inner_folds).split(rows, labels, groups):
            flat, targets = rows[inside].reshape(-1, rows.shape[2]), labels[inside].repeat(rows.shape[1])
            for C in self.choices:
                machine = linear_svm.fit(flat, targets, C, seed)
                guesses = _mean_decision(machine, rows[outside], classes).argmax(axis=1)
                right[C] += int((guesses == labels[outside]).sum())
        return max(self.choices, key=lambda C: (right[C], -C))


# ---------------------------------------------------------------- features


class Features:
    """Features of clips at one point of an encoder, remembered by clip until the encoder is calibrated anew."""

    def __init__(self, encoder: AudioEncoder, point: str, channel: Literal["first", "mean"]) -> None:
        self.encoder, self.point, self.channel = encoder, point, channel
        self._known: dict[str, np.ndarray] = {}

    def of(self, clips: Sequence[SoundItem], cut: Any) -> np.ndarray:
        """Features `(N, ...)` float32, a call of the encoder for each clip.

        Raises
        ------
        BadData : features that are no numbers, or clips that give different shapes.
        """
        for item, wave in zip(clips, self._waves(clips), strict=True):
            if item.id not in self._known:
                self._known[item.id] = self._encode(item.id, cut(wave()))
        found = [self._known[item.id] for item in clips]
        shapes = {part.shape for part in found}
        if len(shapes) > 1:
            raise BadData(f"clips give features of different shapes at {self.point}: {sorted(shapes)}")
        return np.stack(found)

    def _encode(self, name: str, windows: torch.Tensor) -> np.ndarray:
        """One clip: `(dim, T)` of a whole sound, `(windows, dim[, T])` of several windows."""
        features = self.encoder.encode_wave(windows, self.point)
        if features.shape[0] != windows.shape[0]:
            raise BadData(f"{name}: {features.shape[0]} rows of features for {windows.shape[0]} sounds")
        if not bool(torch.isfinite(features).all()):
            raise BadData(f"{name}: the encoder gives features that are no numbers at {self.point}")
        found = features.to(torch.float32).numpy()
        return found[0] if len(found) == 1 else found

    def calibrate(self, clips: Sequence[SoundItem], cut: Any, rng: Rng) -> None:
        """Let an untrained network with batch normalisation see some training clips; others are left as they are."""
        calibrate = getattr(self.encoder, "calibrate", None)
        if calibrate is None:
            return
        batches, size = CALIBRATION
        order = rng.numpy("calibrate").permutation(len(clips))[: batches * size]
        chosen = [clips[k] for k in order]
        waves = [cut(wave()) for wave in self._waves(chosen)]
        calibrate(torch.cat(waves[k : k + size]) for k in range(0, len(waves), size))
        self._known.clear()

    def _waves(self, clips: Sequence[SoundItem]) -> Iterator[Any]:
        """For each clip a call that decodes it to `(1, samples)` at the encoder's rate."""
        items = SoundItems(clips, self.encoder.rate, seconds=None, channel=self.channel)
        for k in range(len(items)):
            yield lambda k=k: torch.from_numpy(items[k])[None]


# ---------------------------------------------------------------- small pieces


def find_point(encoder: AudioEncoder, name: str) -> str:
    """The point of a name.

    Raises
    ------
    WrongCall : the encoder has no such point; those that it has are listed.
    """
    if name in encoder.points:
        return name
    known = ", ".join(f"{point.name} ({point.dim})" for point in encoder.points.values())
    raise WrongCall(f"the encoder has no point {name!r}", f"it has {known}: choose one with --point")


def _labels(items: Sequence[SoundItem]) -> np.ndarray:
    return np.array([item.target for item in items])


def _seed(rng: Rng) -> int:
    return int(rng.numpy("svm").integers(2**31))


def _vectors(features: np.ndarray) -> np.ndarray:
    """One vector a window, `(N, windows, dim)`: steps inside a window are averaged."""
    return features.mean(axis=3) if features.ndim == 4 else features


def _mean_decision(machine: Any, rows: np.ndarray, classes: int) -> np.ndarray:
    """Mean decision value over the windows of each clip, `(N, windows, D)` to `(N, classes)`."""
    values = linear_svm.decision(machine, rows.reshape(-1, rows.shape[2]), classes)
    return voting.mean_score_vote(values, np.arange(len(rows)).repeat(rows.shape[1]), len(rows)).scores
