"""The cast: complete, balanced, and no look gives a voice away."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from unlabeled.datasets.world.cast import KINDS, SCENES, TOP_HZ, Kind

F0 = (180.0, 260.0, 380.0, 550.0, 800.0)


def nearest(value, steps):
    return min(steps, key=lambda step: abs(np.log(value / step)))


def third(value, low, high):
    """Which third of a range a number lies in; an outline without lobes has no depth at all."""
    return -1 if value == 0.0 else min(2, int(3 * (value - low) / (high - low)))


LOOKS = {
    "lobes": lambda kind: kind.look.lobes,
    "depth": lambda kind: third(kind.look.depth, 0.16, 0.34),
    "aspect": lambda kind: third(np.log(kind.look.aspect), np.log(0.7), np.log(1.3)),
    "texture": lambda kind: kind.look.texture,
    "frequency": lambda kind: kind.look.frequency,
    "hue": lambda kind: int(6 * kind.look.hue),
    "second hue": lambda kind: kind.look.second_hue,
    "saturation": lambda kind: third(kind.look.saturation, 0.5, 0.9),
    "value": lambda kind: third(kind.look.value, 0.55, 0.9),
}
VOICES = {
    "family": lambda kind: kind.voice.family,
    "f0": lambda kind: nearest(kind.voice.f0, F0),
    "rate": lambda kind: kind.voice.rate,
    "decay": lambda kind: kind.voice.decay,
}


def best_guess(kinds: tuple[Kind, ...], look, voice) -> float:
    """Share of kinds whose voice trait is the commonest one among kinds of the same look trait."""
    table: dict[object, Counter] = {}
    for kind in kinds:
        table.setdefault(look(kind), Counter())[voice(kind)] += 1
    return sum(max(counts.values()) for counts in table.values()) / len(kinds)


def test_best_guess_on_a_case_by_hand():
    # Lobes 2 and 5 with families harm, bell: each lobe number has one kind, so every guess is right.
    assert best_guess(KINDS[:2], LOOKS["lobes"], VOICES["family"]) == 1.0
    # One group of all: the commonest of six families of 50 kinds holds 9.
    assert best_guess(KINDS, lambda kind: 0, VOICES["family"]) == 9 / 50


@pytest.mark.parametrize("count", [20, 50])
@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("look", LOOKS)
def test_no_look_gives_a_voice_away(look, voice, count):
    assert best_guess(KINDS[:count], LOOKS[look], VOICES[voice]) <= 0.5


@pytest.mark.parametrize("count", [10, 20, 50])
@pytest.mark.parametrize("trait", [*VOICES, "lobes", "texture", "frequency", "second hue"])
def test_traits_are_balanced(trait, count):
    counts = Counter({**LOOKS, **VOICES}[trait](kind) for kind in KINDS[:count])
    assert max(counts.values()) - min(counts.values()) <= 2


def test_ranges_of_traits():
    assert [kind.number for kind in KINDS] == list(range(50))
    assert KINDS[7].name == "kind07"
    assert [scene.name for scene in SCENES] == [f"scene{n}" for n in range(10)]
    for kind in KINDS:
        look, voice = kind.look, kind.voice
        assert (look.depth == 0.0) == (look.lobes == 0)
        assert 0.7 <= look.aspect <= 1.3 and 0.0 <= look.hue < 1.0
        assert abs(np.log(voice.f0 / nearest(voice.f0, F0))) < np.log(1.1)
        assert 400 <= voice.formants[0] < voice.formants[1] <= 3200
        assert voice.partials == tuple(sorted(voice.partials)) and voice.partials[0] == 1.0
        assert 0.4 <= abs(voice.sweep) <= 1.2 and 12 <= voice.am_hz <= 40
    for scene in SCENES:
        assert 50 < scene.band[0] < scene.band[1] < TOP_HZ


def test_instruments_have_the_families_that_music_needs():
    assert {KINDS[k].voice.family for k in (0, 6, 12, 18, 24)} == {"harm"}
    assert {KINDS[k].voice.family for k in (1, 7, 13)} == {"bell"}


def test_kinds_of_one_family_differ_in_their_steps():
    steps = [tuple(VOICES[trait](kind) for trait in ("family", "f0", "rate", "decay")) for kind in KINDS]
    assert len(set(steps)) == 50
    close = [
        (a, b)
        for a in range(20)
        for b in range(a)
        if steps[a][0] == steps[b][0] and sum(x == y for x, y in zip(steps[a], steps[b], strict=True)) > 2
    ]
    assert not close
