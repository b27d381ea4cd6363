"""MUSIC separation: SDR, SIR, SAR (BSS-eval version 3), NSDR and SI-SDR of separated sounds, means over mixtures.

NSDR is the SDR of an estimate minus that of the mixture as its estimate; the mixture is the sum of the sources, and one
source alone has none. A score of a mixture is the mean over its sources. Sources: H. Zhao et al., The Sound of Pixels,
ECCV 2018; E. Vincent, R. Gribonval, C. Fevotte, Performance measurement in blind audio source separation, IEEE TASLP
14(4), 2006.

Results made elsewhere lie in `RESULTS/MIXTURE/est0.wav est1.wav ...`, an estimate for every source, in their order;
those of a mixture `refNN/*.wav` also in `RESULTS/estNN/*.wav` under the names that its sources have. WAV or Ogg at
the rate of the sources: nothing is resampled, no gain is changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unlabeled.benchmarks._faults import Faults, inside
from unlabeled.benchmarks._sums import interval
from unlabeled.benchmarks.metrics import bss
from unlabeled.contracts import GivenResults, Metric, Mixture, Outcome, Score, Scores, Survey
from unlabeled.datasets import music
from unlabeled.datasets.decode import sound
from unlabeled.errors import BadData, name_several
from unlabeled.streams import Rng

METRICS = ("nsdr", "sdr", "sir", "sar", "si_sdr")

SLACK = 255
"""Samples that an estimate may be short of the sources, which are cut then: less than one hop of the usual STFT."""

FULL_SCALE = 1 - 2**-15
"""The largest 16-bit sample: clipped sounds reach it, and so may others."""

UNDEFINED_SHARE = 0.1
"""More undefined mixtures than this make a result partial."""


@dataclass(frozen=True)
class GivenEstimates:
    """Sounds that were separated elsewhere.

    permutation : estimates are taken in the order of highest mean SIR, not estimate j for source j
    """

    permutation: bool = False
    role: str = "given"
    cite: str = "zhao2018sound"
    point: str = ""
    sets: Mapping[str, Any] = field(default_factory=dict)
    unverified: tuple[str, ...] = ()

    def prepare(self, role: GivenResults, mixtures: Sequence[Mixture]) -> Path:
        """The folder, if it holds a folder for any of the mixtures.

        Raises
        ------
        BadData : it holds none.
        """

        def holds(folder: Path) -> bool:
            return any(_place(folder, mixture)[0].is_dir() for mixture in mixtures)

        if not holds(role.folder):
            raise BadData(
                f"{role.folder} holds no folder named like a mixture "
                f"({name_several([mixture.id for mixture in mixtures], 4)})",
                f"estimates are expected as RESULTS/MIXTURE/est0.wav est1.wav{inside(role.folder, holds)}",
            )
        return role.folder

    def estimates(self, role: Path, mixture: Mixture) -> list[Path]:
        """The file for every source, whether it is there or not; several for one source count by the first."""
        place, stems = _place(role, mixture)
        files = music.sounds_in(place)
        return [next((file for file in files if file.stem == stem), place / f"{stem}.wav") for stem in stems]


class MusicSeparation:
    """One unit a mixture."""

    id = "music_separation"
    title = "MUSIC separation"
    dataset = "music"
    metrics = tuple(Metric(name, "dB") for name in METRICS)
    pictures = "sounds"
    recipes = {"in-order": GivenEstimates(), "best-permutation": GivenEstimates(permutation=True)}
    chance = None

    def units(self, data: Survey, recipe: GivenEstimates) -> tuple[str, ...]:
        """The mixtures."""
        return tuple(mixture.id for mixture in data.items)

    def all_units(self, data: Survey, recipe: GivenEstimates) -> tuple[str, ...]:
        """The same: there is no list of mixtures beside the files."""
        return self.units(data, recipe)

    def prepare(self, role: GivenResults, data: Survey, recipe: GivenEstimates) -> Path:
        """Where the estimates of this run are."""
        return recipe.prepare(role, data.items)

    def run_unit(self, unit: str, data: Survey, role: Path, recipe: GivenEstimates, rng: Rng, keep: str) -> Outcome:
        """All five ratios of every source of one mixture.

        Raises
        ------
        BadData : estimates that are missing, too many, unreadable, at another rate or too short, all of them together.
        """
        mixture = next(item for item in data.items if item.id == unit)
        clips = [sound.read(file) for file in mixture.sources]
        sources = np.stack([music.samples(clip) for clip in clips])
        heard = _read(recipe.estimates(role, mixture), mixture, role, clips[0].rate, sources.shape[1])
        estimates = [music.samples(clip) for clip in heard]
        samples = min(sources.shape[1], *map(len, estimates))
        ratios = _ratios(sources[:, :samples], np.stack([wave[:samples] for wave in estimates]), recipe.permutation)
        values = {name: float(np.mean(ratios[name])) if ratios[name] else None for name in METRICS}
        item = {
            "id": unit,
            "sums": [values["nsdr"] or 0.0],
            "counts": [0 if values["nsdr"] is None else 1],
            **ratios,
            "cut": sources.shape[1] - samples,
            "channels": [len(clip.samples) for clip in heard],
            "full_scale": [int((np.abs(clip.samples) >= FULL_SCALE).sum()) for clip in heard],
        }
        return Outcome(0 if ratios["undefined"] else 1, values, (item,))

    def aggregate(self, outcomes: Mapping[str, Outcome], data: Survey, recipe: GivenEstimates) -> Scores:
        """Means over the mixtures that are defined, with intervals from bootstraps over mixtures.

        Raises
        ------
        BadData : not one is defined.
        """
        items = [outcome.items[0] for outcome in outcomes.values()]
        defined = [outcome for outcome in outcomes.values() if outcome.n]
        undefined = {item["id"]: item["undefined"] for item in items if item["undefined"]}
        told = f"{len(undefined)} of {len(items)} mixtures undefined and left out"
        if not defined:
            reasons = name_several([f"{name} ({why})" for name, why in undefined.items()], 4)
            raise BadData(f"no mixture can be scored: {reasons}", "check sources and estimates")
        metrics = {}
        for name in METRICS:
            values = [value for outcome in defined if (value := outcome.values[name]) is not None]
            if not values:
                continue
            mean = float(np.mean(values))
            metrics[name] = Score(mean, len(values), *interval(values, [1] * len(values), "mixtures"))
        partial = (f"{told}, more than 10 %",) if len(undefined) > UNDEFINED_SHARE * len(items) else ()
        capped = {name: sum(item["capped"].get(name, 0) for item in items) for name in METRICS}
        breakdown = {"undefined": undefined, "capped": capped}
        return Scores(metrics, breakdown, tuple(_notes(items, told, undefined, capped)), partial)


def _place(role: Path, mixture: Mixture) -> tuple[Path, list[str]]:
    """The folder of a mixture's estimates, and what they are called, without endings."""
    beside = role / f"est{mixture.id.removeprefix('ref')}"
    if music.is_numbered(mixture.id) and beside.is_dir():
        return beside, [file.stem for file in mixture.sources]
    return role / mixture.id, [f"est{k}" for k in range(len(mixture.sources))]


def _read(files: Sequence[Path], mixture: Mixture, role: Path, rate: int, samples: int) -> list[sound.Sound]:
    """The estimates, if every one of them can be scored against sources of this rate and length."""
    faults, clips = Faults(role), []
    place, stems = _place(role, mixture)
    for file in files:
        try:
            clip = sound.read(file)
        except BadData as fault:
            faults.add(file, f"{fault.what}{_instead(file)}")
            continue
        clips.append(clip)
        length = clip.samples.shape[1]
        if clip.rate != rate:
            faults.add(file, f"{clip.rate} Hz, the sources {rate} Hz (nothing is resampled)")
        elif length < samples - SLACK:
            faults.add(file, f"{length} samples, the sources {samples}: short by more than {SLACK}")
    for file in music.sounds_in(place):
        if file.stem in stems and file not in files:
            faults.add(file, "a second file for one source")
        elif file.stem not in stems and (place.name != mixture.id or file.stem.startswith("est")):
            faults.add(file, f"more than the {len(stems)} estimates {name_several(stems, 4)}")
    faults.refuse("give one sound for every source, at the rate and of the length of the sources")
    return clips


def _instead(file: Path) -> str:
    """What lies in the place of a missing sound under its name, of an ending that is not read."""
    if os.path.lexists(file) or not file.parent.is_dir():
        return ""
    endings = sorted(other.suffix for other in file.parent.iterdir() if other.stem == file.stem and other.suffix)
    return f", {' and '.join(endings)} of that name lies there" if endings else ""


def _ratios(sources: np.ndarray, estimates: np.ndarray, permutation: bool) -> dict[str, Any]:
    """What one mixture gave: sources and estimates `(S, n)` float64.

    Each ratio is a list in the order of the sources, cut to +-80 dB, of which `capped` counts; empty where the mixture
    is undefined, as is the NSDR of one source alone. A difference of cut SDRs, NSDR is cut no further. `order[j]` is
    the estimate taken for source j.
    """
    truth, waves = torch.from_numpy(sources), torch.from_numpy(estimates)
    references = bss.References(truth[None])
    ours = references.score(waves[None], permutation)
    mixture = references.score_mixture(truth.sum(0, keepdim=True))
    undefined = ours.reason[0] or (mixture.reason[0] and "the sum of the references is silent")
    order = ours.order[0]
    told = {"order": order.tolist(), "undefined": undefined, "ill_conditioned": bool(ours.ill_conditioned[0])}
    if undefined:
        return {**{name: [] for name in METRICS}, **told, "capped": {}}
    raw = {"sdr": ours.sdr[0], "sir": ours.sir[0], "sar": ours.sar[0], "si_sdr": bss.si_sdr(truth, waves[order])}
    beyond = {name: ratio.abs() > bss.CEILING_DB for name, ratio in raw.items()}
    # Beyond the floor too: of an estimate that shares nothing with its source the ratio is rounding noise or -inf.
    cut = {name: ratio.clamp(-bss.CEILING_DB, bss.CEILING_DB) for name, ratio in raw.items()}
    # One source is its own mixture: nothing is separated.
    several = slice(None) if len(sources) > 1 else slice(0)
    beyond["nsdr"] = (beyond["sdr"] | (mixture.sdr[0].abs() > bss.CEILING_DB))[several]
    cut["nsdr"] = bss.nsdr(ours, mixture)[0][several]
    capped = {name: int(beyond[name].sum()) for name in METRICS}
    return {**{name: cut[name].tolist() for name in METRICS}, **told, "capped": capped}


def _notes(
    items: Sequence[Mapping[str, Any]], told: str, undefined: Mapping[str, str], capped: Mapping[str, int]
) -> Iterable[str]:
    """What a reader of the means must know of the files."""
    sources = sum(len(item["order"]) for item in items if not item["undefined"])
    if undefined:
        yield f"{told}: {name_several([f'{name} ({why})' for name, why in undefined.items()], 4)}"
    single = [item["id"] for item in items if not item["undefined"] and not item["nsdr"]]
    if single:
        yield f"mixtures of one source, which have no NSDR: {name_several(single, 4)}"
    if any(capped.values()):
        counts = ", ".join(f"{name} {n}" for name, n in capped.items() if n)
        yield f"cut to 80 dB, of {sources} sources: {counts} (one source alone has no interference: SIR infinite)"
    loud = [f"{item['id']} {k} ({n})" for item in items for k, n in enumerate(item["full_scale"]) if n]
    if loud:
        yield f"estimates with samples at full scale, clipped?, and their number: {name_several(loud, 4)}"
    wide = [f"{item['id']} {k}" for item in items for k, n in enumerate(item["channels"]) if n > 1]
    if wide:
        yield f"estimates with several channels, whose mean is used: {name_several(wide, 4)}"
    short = [f"{item['id']} ({item['cut']})" for item in items if item["cut"]]
    if short:
        yield f"sources cut to the length of shorter estimates, by samples: {name_several(short, 4)}"
    tight = [item["id"] for item in items if item["ill_conditioned"] and not item["undefined"]]
    if tight:
        yield f"sources that rounding makes dependent, other programs may differ: {name_several(tight, 4)}"


BENCHMARK = MusicSeparation()
