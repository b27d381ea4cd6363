"""Rungs of a calibration of sound sets that are no methods: the spectrum alone, a trunk that was told, the truth.

The trunk is that of `random`, read as that is read. Its own training clips are too few to teach it. It learns kinds
from the sounds of `pool`, which a pretext would hear too: the generator knows what sounds there, the files hold no
labels, and nothing outside of calibration gets them. It learns scenes from more clips of the kind of the scored ones,
made for this alone: in `pool` a scene lies far behind a voice that does not belong to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import fft
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from torch import Tensor, nn
from torch.nn import functional

from unlabeled.benchmarks import dcase2013 as scenes
from unlabeled.benchmarks import esc50 as kinds
from unlabeled.contracts import Batch, Losses, Progress, SoundItem, Survey, Train
from unlabeled.datasets import dcase2013, esc50
from unlabeled.datasets.decode.items import SoundItems
from unlabeled.datasets.world import dcase2013 as made_dcase2013
from unlabeled.datasets.world import esc50 as made_esc50
from unlabeled.datasets.world import pool, voices
from unlabeled.datasets.world.cast import KINDS, SCENES
from unlabeled.datasets.world.knobs import DCASE2013, POOL
from unlabeled.methods import random as untrained
from unlabeled.streams import Rng
from unlabeled.training.loop import Batches, train
from unlabeled.training.nets.encoders import seeded
from unlabeled.training.nets.soundnet import Trunk, TrunkEncoder
from unlabeled.training.signals.mel import log_mel_spectrogram
from unlabeled.training.signals.soundnet import FULL_SCALE_16

RECIPE = "soundnet-svm"
"""How trunks are read."""

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class SoundSet:
    """A sound set: its reader, its benchmark, and what the generator knows.

    truth      : `(preset, seed)` to what the class of each clip sounds by, numbers by the name of the file
    labelled   : `(preset, seed)` to int16 sounds `(N, samples)` that occur in no set, and their classes `(N,)`
    channel_db : deviation of the gains of one more recording channel, as these sounds had one
    bend       : octaves by which pitch and tempo of a sound may be moved and still be of its class
    """

    reader: Any
    benchmark: Any
    truth: Callable[[str, int], Mapping[str, tuple[float, ...]]]
    labelled: Callable[[str, int], tuple[np.ndarray, np.ndarray]]
    channel_db: tuple[float, float]
    bend: float


def _voice(preset: str, seed: int) -> dict[str, tuple[float, ...]]:
    known = {}
    for clip in made_esc50.items(preset, seed):
        voice = KINDS[clip.target].voice
        family = (float(voice.family == name) for name in voices.FAMILIES)
        hertz = np.log2((voice.f0, voice.rate, voice.decay, *voice.formants, voice.am_hz))
        known[clip.name] = (*family, *hertz, *voice.partials, voice.tilt, voice.sweep)
    return known


def _ambience(preset: str, seed: int) -> dict[str, tuple[float, ...]]:
    known = {}
    for clip in made_dcase2013.items(preset, seed):
        scene = SCENES[clip.scene]
        known[clip.name] = (*np.log2((*scene.band, scene.swing_hz)), scene.swing)
    return known


def _kinds_of_pool(preset: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    clips = pool.items(preset, seed)
    return np.stack([pool.sound(clip, pool.plan(clip))[0] for clip in clips]), np.array([clip.kind for clip in clips])


def _more_scenes(preset: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Left channels; a part of its own names the streams, so that no clip or individual is that of a set."""
    labels = np.repeat(np.arange(len(SCENES)), MORE[preset])
    clips = (made_dcase2013.Clip(preset, seed, "told", int(scene), member, 0) for member, scene in enumerate(labels))
    return np.stack([made_dcase2013.render(clip).samples[:, 0] for clip in clips]), labels


MORE: Mapping[str, int] = {"nano": 2, "mini": 50}
"""Clips of a scene that a trunk is told."""

SETS: Mapping[str, SoundSet] = {
    "esc50": SoundSet(
        esc50.DATASET, kinds.BENCHMARK, _voice, _kinds_of_pool, (POOL.channel_db, POOL.channel_db), bend=0.3
    ),
    "dcase2013": SoundSet(dcase2013.DATASET, scenes.BENCHMARK, _ambience, _more_scenes, DCASE2013.channel_db, bend=0.1),
}

# ---------------------------------------------------------------- one vector a clip


def spectrum(set_id: str, folder: Path, preset: str, seed: int) -> float:
    """Accuracy of the mean over time of 40 log-mel bands (50 ms every 20 ms at 8 kHz), linear SVM (C = 0.01)."""
    return _vectors(set_id, folder, lambda item: _mean_log_mel(item, untrained.PRESETS[preset].rate), LinearSVC(C=0.01))


def truth(set_id: str, folder: Path, preset: str, seed: int) -> float:
    """Accuracy of the numbers from which the generator made the voice or the ambience of a class, RBF SVM (C = 2)."""
    known = SETS[set_id].truth(preset, seed)
    return _vectors(set_id, folder, lambda item: np.array(known[item.id]), SVC(C=2.0))


def _mean_log_mel(item: SoundItem, rate: int) -> np.ndarray:
    wave = SoundItems((item,), rate, None)[0]
    bands = log_mel_spectrogram(torch.from_numpy(wave)[None], rate, rate // 20, rate // 50, 40, "constant")
    return bands[0].mean(1).numpy()


@dataclass(frozen=True)
class _Vectors:
    """Stands where the benchmark has a recipe: `of` gives the numbers of a clip, `machine` classifies them."""

    of: Callable[[SoundItem], np.ndarray]
    machine: Any

    def scores(self, role: None, train: list[SoundItem], test: list[SoundItem], data: Survey, rng: Rng) -> np.ndarray:
        """1 for the class that the machine says, 0 for others."""
        model = make_pipeline(StandardScaler(), self.machine)
        model.fit([self.of(item) for item in train], [item.target for item in train])
        return np.eye(len(data.classes))[model.predict([self.of(item) for item in test])]


def _vectors(set_id: str, folder: Path, of: Callable[[SoundItem], np.ndarray], machine: Any) -> float:
    return _accuracy(set_id, folder, _Vectors(of, machine), None, 0)


def _accuracy(set_id: str, folder: Path, recipe: Any, role: Any, seed: int) -> float:
    """Accuracy of a role by the units and the scoring of the benchmark."""
    data, benchmark = SETS[set_id].reader.survey(folder), SETS[set_id].benchmark
    outcomes = {
        unit: benchmark.run_unit(unit, data, role, recipe, Rng(seed).under(unit), "none")
        for unit in benchmark.units(data, recipe)
    }
    return float(benchmark.aggregate(outcomes, data, recipe).metrics["accuracy"].value)


# ---------------------------------------------------------------- a trunk that was told

TRAIN: Mapping[str, Train] = {
    "nano": Train(steps=5, batch=8, lr=2e-3, opt="adam", schedule="linear"),
    "mini": Train(steps=600, batch=32, lr=1e-3, opt="adam", schedule="linear"),
}

SECONDS = 2.048
MASKED_S = 0.4
NOISE_DB = (-30.0, -5.0)
LEVEL_DB = (-27.0, -18.0)
"""Each time a clip is shown: the length of the stretch, the most that is silenced, white noise over its power, RMS."""


def told(set_id: str, folder: Path, preset: str, seed: int) -> float:
    """Accuracy of the trunk of `random` that learned the classes of labelled sounds."""
    chosen, recipe, rng = SETS[set_id], SETS[set_id].benchmark.recipes[RECIPE], Rng(seed)
    heard, plan = replace(untrained.PRESETS[preset], **recipe.sets), TRAIN[preset]
    sounds, labels = chosen.labelled(preset, seed)
    change = partial(changed, rate=heard.rate, channel_db=chosen.channel_db, bend=chosen.bend)
    batches = partial(_batches, sounds / np.float32(FULL_SCALE_16), labels, change, plan.batch, rng.under("data"))
    role = learn(batches, int(labels.max()) + 1, heard, recipe.point, plan, rng)
    return _accuracy(set_id, folder, recipe, recipe.prepare(role), seed)


def learn(batches: Batches, classes: int, heard: untrained.Preset, point: str, plan: Train, rng: Rng) -> TrunkEncoder:
    """The trunk of `random`, trained from its own start with a linear layer on the mean over steps at a point.

    `batches` have `waves` `(B, 1, samples)` in [-1, 1] and `labels`.
    """
    trunk: Any = untrained.METHOD.build(heard, rng.under("init"))
    role = TrunkEncoder(trunk, heard.rate, heard.gain, heard.window_s)
    head = partial(nn.Linear, role.points[point].dim, classes)
    net = seeded(lambda: _Told(trunk, heard.gain, point, head()), rng.under("head"))
    train(net, batches, _loss, plan, rng.under("train"))
    net.eval()
    return role


class _Told(nn.Module):
    """A trunk, and a layer on the mean over steps at the point where the recipe reads it."""

    def __init__(self, trunk: Trunk, gain: float, point: str, head: nn.Linear) -> None:
        super().__init__()
        self.trunk, self.gain, self.point, self.head = trunk, gain, point, head

    def forward(self, waves: Tensor) -> Tensor:
        """`(B, 1, samples)` in [-1, 1] to logits `(B, classes)`."""
        return self.head(self.trunk(waves * self.gain, self.point).mean(2))


def _loss(net: nn.Module, batch: Batch, rng: Rng, progress: Progress) -> Losses:
    assert batch.labels is not None
    return Losses({"main": functional.cross_entropy(net(batch.waves), batch.labels)})


def _batches(
    sounds: np.ndarray, labels: np.ndarray, change: Change, size: int, rng: Rng, first: int, stride: int = 1
) -> Iterator[Batch]:
    """Sounds drawn at random, each changed; batch number `n` draws from a stream of its own."""
    number = first
    while True:
        draw = rng.numpy("batch", number)
        chosen = draw.integers(len(labels), size=size)
        waves = np.stack([change(sounds[clip], draw) for clip in chosen])
        yield Batch(
            tuple(map(str, chosen)), waves=torch.from_numpy(waves)[:, None], labels=torch.from_numpy(labels[chosen])
        )
        number += stride


def changed(
    wave: np.ndarray, draw: np.random.Generator, rate: int, channel_db: tuple[float, float], bend: float
) -> np.ndarray:
    """A stretch of a wave `(samples,)`, looped as the recipe loops it, with the known nuisances drawn anew."""
    samples, pace = round(SECONDS * rate), 2.0 ** draw.uniform(-bend, bend)
    places = (draw.integers(len(wave)) + pace * np.arange(samples)) % len(wave)
    cut = np.interp(places, np.arange(len(wave) + 1), np.append(wave, wave[0]))
    gain = voices.channel(fft.rfftfreq(samples, 1.0 / rate), draw.uniform(*channel_db), draw)
    cut = fft.irfft(fft.rfft(cut) * gain, samples)
    cut /= np.sqrt(np.mean(cut**2))
    cut += 10.0 ** (draw.uniform(*NOISE_DB) / 20.0) * draw.standard_normal(samples)
    silent = int(draw.integers(round(MASKED_S * rate) + 1))
    begin = int(draw.integers(samples - silent + 1))
    cut[begin : begin + silent] = 0.0
    return (10.0 ** (draw.uniform(*LEVEL_DB) / 20.0) * cut).astype(np.float32)
