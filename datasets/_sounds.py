"""What the readers of labelled sound share: looking into files, what is odd about them, the label's last word."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled.contracts import Label, Memo, Problem, SoundItem
from unlabeled.datasets import _folders
from unlabeled.datasets.decode import sound
from unlabeled.errors import BadData

Facts = Mapping[str, Mapping[str, Any]]
"""What `hear` found, by item id; a file that cannot be read has none."""


def regular(items: Sequence[SoundItem]) -> tuple[tuple[SoundItem, ...], list[Problem]]:
    """Items that are files, and a problem for every one whose name stands for something else; nothing is opened."""
    kept, problems = [], []
    for item in items:
        if item.path.is_file():
            kept.append(item)
        elif os.path.lexists(item.path):
            text = "a folder, a pipe or a link to nothing, where a regular file is needed"
            problems.append(Problem("not a file", item.id, text))
    return tuple(kept), problems


def hear(file: Path) -> dict[str, Any]:
    """Decode a clip once: its hash, rate, channels, frames, largest magnitude, and whether it is all zeros."""
    clip = sound.read(file)
    return {
        "sha256": _folders.sha256(file),
        "rate": clip.rate,
        "channels": clip.samples.shape[0],
        "frames": clip.samples.shape[1],
        "peak": float(np.abs(clip.samples).max()),
        "silent": not np.any(clip.samples),
    }


def examine(items: Sequence[SoundItem], memo: Memo) -> tuple[Facts, list[Problem]]:
    """Facts of every file that can be read, and a problem for every one that cannot."""
    facts, problems = {}, []
    for item in items:
        try:
            facts[item.id] = memo(item.path, hear)
        except BadData as fault:
            problems.append(Problem("unreadable file", item.id, fault.what))
    return facts, problems


def working_rate(facts: Facts, official: int, generated: bool) -> int:
    """The rate that clips are brought to: the official one; in a generated set the one that most clips have."""
    usual = Counter(fact["rate"] for fact in facts.values()).most_common(1)
    return usual[0][0] if generated and usual else official


def odd_clips(items: Sequence[SoundItem], facts: Facts, rate: int, channels: int) -> list[Problem]:
    """Clips that are silent or too loud, or have another rate or number of channels than the set: told, not refused.

    Vorbis goes a little beyond +-1 where the original was at full scale, as in the released ESC-10: no news.
    """
    problems = []
    for item in items:
        fact = facts.get(item.id)
        if fact is None:
            continue
        if fact["silent"]:
            text = "every sample is zero; it is scored like any other clip"
            problems.append(Problem("silent clip", item.id, text, fatal=False))
        if fact["peak"] > 1 and item.path.suffix != ".ogg":
            text = f"samples up to {fact['peak']:.4g}; they are used as they are"
            problems.append(Problem("beyond full scale", item.id, text, fatal=False))
        if fact["channels"] > channels:
            text = f"{fact['channels']} channels; their mean is used"
            problems.append(Problem("several channels", item.id, text, fatal=False))
        elif fact["channels"] < channels:
            text = f"the clips of this set have {channels} channels"
            problems.append(Problem("one channel", item.id, text, fatal=False))
        if fact["rate"] != rate:
            text = f"{fact['rate']} Hz; it is resampled to {rate} Hz"
            problems.append(Problem("another rate", item.id, text, fatal=False))
    return problems


def first_of_each(items: tuple[SoundItem, ...], limit: int | None) -> tuple[SoundItem, ...]:
    """The first `limit` items of each class and fold, all where there is no limit."""
    if limit is None:
        return items
    seen: Counter[tuple[int, int]] = Counter()
    kept = []
    for item in items:
        seen[item.target, item.fold] += 1
        if seen[item.target, item.fold] <= limit:
            kept.append(item)
    return tuple(kept)


def settle(label: Label, problems: Sequence[Problem], limit: int | None, kept: int) -> Label:
    """Broken where something is wrong beyond missing files, a subset where a limit left clips out."""
    if any(problem.fatal and problem.kind != "missing file" for problem in problems):
        return Label(("broken",), "broken")
    if limit is None:
        return label
    cut = f"first {limit} of each class and fold ({kept} clips)"
    if label.kinds == ("official",):
        return Label(("subset",), f"subset of {label.text}: {cut}")
    if "subset" in label.kinds:
        return Label(label.kinds, f"{label.text}; {cut}")
    return Label((*label.kinds, "subset"), f"{label.text}; subset: {cut}")
