"""Mixtures of sounds given as files: the sources of each, and their sum where it is a file of its own.

    ROOT/MIXTURE/ref0.wav ref1.wav ...     sources in this order, with or without mix.wav
    ROOT/refNN/*.wav                       the same as evaluation libraries lay out their test signals: by name

Files are WAV or Ogg. Both layouts may stand side by side; a mixture is called what its folder is called. Nobody
published how the videos of MUSIC (Zhao et al., The Sound of Pixels, ECCV 2018) are split and paired: the label of
mixtures that were given as files is always altered.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unlabeled.contracts import Label, Memo, Mixture, Problem, SoundItem, Survey
from unlabeled.datasets import _folders, _labels, _sounds
from unlabeled.datasets.decode import sound
from unlabeled.errors import name_several

SOUNDS = frozenset({".wav", ".ogg", ".flac"})
"""Endings of files that are taken for sounds; whether they can be read is seen when they are opened."""

REFERENCE = re.compile(r"ref(0|[1-9]\d*)", re.ASCII)
NUMBERED = re.compile(r"ref\d+", re.ASCII)
"""A folder whose sounds are the sources of one mixture, whatever their names."""
RESULTS = re.compile(r"est\d+", re.ASCII)
"""A folder of estimates, which may lie beside the sources."""

MIX = "mix"
STEP = 1 / 32768
"""Of 16-bit samples; rounding moves each by half of it."""


class Music:
    """Reader of mixtures given as files."""

    id = "music"
    modality = "sound"
    world = ""
    where = (
        "Mixtures of your own, one folder each: `MIXTURE/ref0.wav ref1.wav ...` (the true sources, one rate and one\n"
        "length) and, where it exists, `MIXTURE/mix.wav`; or `refNN/*.wav`, the sources in the order of their names.\n"
        "Accepted below --data as `separation`, `MUSIC` or `mixtures`, or as --data itself."
    )

    def find(self, root: Path) -> Path | None:
        """The folder of mixtures at or below a data root."""
        return _folders.find(root, ("separation", "MUSIC", "mixtures"), _holds_mixtures)

    def survey(self, folder: Path, limit: int | None = None, memo: Memo = _folders.look) -> Survey:
        """List all mixtures and look into every file; nothing is raised for a bad file, it is a problem."""
        items, problems = _given(folder)
        clips = [
            SoundItem(f"{item.id}/{file.name}", file, 0, 0, item.id)
            for item in items
            for file in (*item.sources, *([item.mixture] if item.mixture else []))
        ]
        _folders.refuse_leaving(folder, (clip.path for clip in clips))
        there, no_files = _sounds.regular(clips)
        facts, unreadable = _sounds.examine(there, memo)
        problems += [*no_files, *unreadable, *_odd_sounds(there, facts)]
        problems += [problem for item in items for problem in _contradictions(item, facts)]
        told = _folders.printable(problems)
        heard = [clip for clip in there if clip.id in facts]
        rates = {fact["rate"] for fact in facts.values()}
        label = _labels.of_files([f"mixtures given as files ({len(items)})"], "")
        return Survey(
            dataset=self.id,
            folder=folder,
            layout="one folder a mixture",
            items=tuple(items[:limit]),
            classes=(),
            problems=told,
            expected={},
            found={"mixtures": len(items), "sources": sum(len(item.sources) for item in items)},
            label=_labels.settle(label, told, "" if limit is None else f"first {limit}"),
            fingerprint=_folders.fingerprint(
                [f"{clip.id} {clip.path.stat().st_size}" for clip in heard],
                told,
                (),
                _folders.content_root((clip.id, facts[clip.id]["sha256"]) for clip in heard),
            ),
            rate=rates.pop() if len(rates) == 1 else 0,
            decoder=sound.backend(),
        )

    def blank(self) -> Survey:
        """No mixtures: there is no official list of them."""
        return Survey(self.id, Path(), "none", (), (), (), {}, {}, Label(("subset",), "no data"), "")


# ---------------------------------------------------------------- listing


def sounds_in(folder: Path) -> list[Path]:
    """Whatever has the name of a sound, in natural order (2 before 10); nothing of a folder that cannot be listed."""
    try:
        files = [file for file in folder.iterdir() if not file.name.startswith(".")]
    except OSError:
        return []
    return sorted((file for file in files if file.suffix.lower() in SOUNDS), key=_natural)


def _natural(file: Path) -> tuple[list[str | int], str]:
    parts = re.split(r"([0-9]+)", file.stem)
    # Numbers stand at odd places, so that unlike things never meet.
    return [int(part) if k % 2 else part for k, part in enumerate(parts)], file.name


def is_numbered(name: str) -> bool:
    """Whether a folder of this name is a mixture of the layout `refNN/*.wav`."""
    return NUMBERED.fullmatch(name) is not None


def _folders_in(folder: Path) -> list[Path]:
    return sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))


def _holds_mixtures(folder: Path) -> bool:
    return any(
        is_numbered(place.name) or file.stem.startswith("ref")
        for place in _folders_in(folder)
        for file in sounds_in(place)
    )


def _given(folder: Path) -> tuple[list[Mixture], list[Problem]]:
    """The mixtures of both layouts by name, and what is wrong with their names and numbers."""
    items, problems = [], []
    for place in _folders_in(folder):
        files = sounds_in(place)
        if is_numbered(place.name):
            found, wrong = files, [] if files else [_no_sources(place)]
            mixture = None
        elif _is_mixture(place, files):
            found, wrong = _numbered_references(place, files)
            mixture = next((file for file in files if file.stem == MIX), None)
        else:
            if not RESULTS.fullmatch(place.name):
                text = "it holds no ref0.wav and no mix.wav: not read"
                problems.append(Problem("other folder", place.name, text, fatal=False))
            continue
        if _folders.shown(place.name) != place.name:
            wrong.append(Problem("odd name", place.name, "rename the folder: its name cannot be printed"))
        problems += wrong
        if not wrong:
            items.append(Mixture(place.name, tuple(found), mixture))
    return items, problems


def _is_mixture(place: Path, files: Sequence[Path]) -> bool:
    """A folder with sounds named as sources or sum are; an empty one too, where a mixture may have been lost."""
    if any(file.stem == MIX or file.stem.lower().startswith("ref") for file in files):
        return True
    return os.access(place, os.R_OK) and not any(place.iterdir())


def _no_sources(place: Path) -> Problem:
    return Problem("no sources", place.name, "it holds no file of a source")


def _numbered_references(place: Path, files: Sequence[Path]) -> tuple[list[Path], list[Problem]]:
    """Files ref0, ref1, ... in this order, and whatever keeps them from being one list."""
    named = [file for file in files if file.stem.lower().startswith("ref")]
    references = [file for file in named if REFERENCE.fullmatch(file.stem)]
    problems = [
        Problem("odd file", f"{place.name}/{file.name}", "sources are called ref0, ref1, ...")
        for file in named
        if file not in references
    ]
    if not named:
        return [], [_no_sources(place)]
    numbers = [int(file.stem.removeprefix("ref")) for file in references]
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    problems += [Problem("same source twice", f"{place.name}/ref{k}", "two files of this name") for k in twice]
    lacking = sorted(set(range(max(numbers, default=0) + 1)) - set(numbers))
    if lacking:
        text = f"no {name_several([f'ref{k}' for k in lacking], 4)}: numbers run from 0 without a gap"
        problems.append(Problem("missing source", place.name, text))
    return references, problems


# ---------------------------------------------------------------- what is there


def _odd_sounds(clips: Sequence[SoundItem], facts: _sounds.Facts) -> list[Problem]:
    """What is used as it is, and told."""
    problems = []
    for clip in clips:
        fact = facts.get(clip.id)
        if fact is None:
            continue
        if fact["channels"] > 1:
            text = f"{fact['channels']} channels; their mean is used"
            problems.append(Problem("several channels", clip.id, text, fatal=False))
        if fact["peak"] > 1 and clip.path.suffix != ".ogg":
            text = f"samples up to {fact['peak']:.4g}; they are used as they are"
            problems.append(Problem("beyond full scale", clip.id, text, fatal=False))
    return problems


def _contradictions(item: Mixture, facts: _sounds.Facts) -> list[Problem]:
    """What the sources of one mixture, and its sum, say of each other; nothing where one of them cannot be read."""
    names = [file.name for file in item.sources]
    sources = [facts[f"{item.id}/{name}"] for name in names if f"{item.id}/{name}" in facts]
    if len(sources) < len(names):
        return []
    problems = []
    if len(sources) == 1:
        text = "there is nothing to separate: it has no NSDR, and SIR counts 80 dB"
        problems.append(Problem("one source", item.id, text, fatal=False))
    for what, unit in (("rate", "Hz"), ("frames", "samples")):
        if len({fact[what] for fact in sources}) > 1:
            text = name_several([f"{name} {fact[what]} {unit}" for name, fact in zip(names, sources, strict=True)], 4)
            kind = "sources of several rates" if what == "rate" else "sources of several lengths"
            problems.append(Problem(kind, item.id, text))
    for name, fact in zip(names, sources, strict=True):
        if fact["silent"]:
            text = "every sample is zero: the mixture is undefined"
            problems.append(Problem("silent source", f"{item.id}/{name}", text, fatal=False))
    for (a, first), (b, second) in itertools.combinations(zip(names, sources, strict=True), 2):
        if first["sha256"] == second["sha256"]:
            text = f"{a} and {b} are the same file: the mixture is undefined"
            problems.append(Problem("identical sources", item.id, text, fatal=False))
    if item.mixture and not any(problem.fatal for problem in problems):
        where = f"{item.id}/{item.mixture.name}"
        wrong = _no_sum(item.mixture, item.sources) if where in facts else ""
        if wrong:
            text = f"{wrong}; the sum of the sources is used"
            problems.append(Problem("mixture is not the sum", where, text, fatal=False))
    return problems


def _no_sum(mixture: Path, sources: Sequence[Path]) -> str:
    """How a file differs from the sum of the sources by more than 16-bit rounding of all of them, or empty."""
    heard, first = sound.read(mixture), sound.read(sources[0])
    wave, total = samples(heard), np.sum([samples(sound.read(file)) for file in sources], axis=0)
    if heard.rate != first.rate:
        return f"{heard.rate} Hz, the sources {first.rate} Hz"
    if wave.shape != total.shape:
        return f"{len(wave)} samples, the sources {len(total)}"
    most = float(np.abs(wave - total).max())
    return f"off by up to {most:.3g} of full scale" if most > (len(sources) + 1.01) * STEP / 2 else ""


def samples(clip: sound.Sound) -> np.ndarray:
    """Mean of the channels, `(n,)` float64."""
    return clip.samples.mean(axis=0, dtype=np.float64)


DATASET = Music()
