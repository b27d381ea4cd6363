"""Voices, rooms and ambiences: known signals, ranges, and nothing above 3.8 kHz."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from unlabeled.datasets.world import cast, esc50, files, voices
from unlabeled.streams import stream

RATE = 8000


def rng(*names):
    return stream(0, "test", *names)


def kind_of(family):
    return next(kind for kind in cast.KINDS if kind.voice.family == family)


def plain(family):
    """The individual that is just as its kind."""
    voice = kind_of(family).voice
    return voices.Individual(voice, 1.0, voice.rate, voice.decay)


def test_event_times_are_nearly_regular_and_never_none():
    times = voices.event_times(4.0, 1.0, 101.0, rng("times"))
    gaps = np.diff(times)
    assert np.all((times >= 1.0) & (times < 101.0))
    # Gamma with shape 8: mean 1 / rate, coefficient of variation 1 / sqrt(8).
    assert gaps.mean() == pytest.approx(0.25, rel=0.06)
    assert gaps.std() / gaps.mean() == pytest.approx(8**-0.5, rel=0.15)
    for number in range(200):
        assert len(voices.event_times(0.9, 0.0, 0.6, rng("short", number))) >= 1


@pytest.mark.parametrize("family", list(voices.FAMILIES))
def test_every_family_sounds_and_stops(family):
    who = plain(family)
    dry = voices.sing(who, (1.0, 1.5), 5 * RATE, RATE, rng(family))
    assert dry.shape == (5 * RATE,) and np.all(np.isfinite(dry))
    assert np.any(dry) and not np.any(dry[:RATE])
    assert not np.any(dry[int((1.5 + voices.EVENT_DECAYS * who.decay) * RATE) + 2 :])


def test_harmonics_stand_at_multiples_of_f0():
    who = plain("harm")
    dry = voices.sing(who, (0.0, 0.4), RATE, RATE, rng("harm"))
    power = np.abs(np.fft.rfft(dry)) ** 2
    top = np.argmax(power)
    assert top == pytest.approx(who.voice.f0, rel=0.1)
    assert power[2 * top - 30 : 2 * top + 30].max() > 20 * np.median(power)


def test_individuals_vary_as_told():
    who = [voices.individual(kind_of("harm").voice, 0.8, rng("who", n)) for n in range(400)]
    octaves = np.log2([one.pitch for one in who])
    assert -0.8 <= octaves.min() < -0.75 and 0.75 < octaves.max() <= 0.8
    assert np.log2([one.decay / one.voice.decay for one in who]).std() == pytest.approx(0.3, rel=0.1)
    assert np.abs(np.log2([one.rate / one.voice.rate for one in who])).max() <= 0.4


def test_ambience_has_its_band_and_power():
    for scene in cast.SCENES:
        noise = voices.ambience(scene, 5 * RATE, RATE, rng(scene.name))
        assert np.mean(noise**2) == pytest.approx(1.0)
        hertz, power = signal.welch(noise, RATE, nperseg=1024)
        wide = (hertz > scene.band[0] / 1.8) & (hertz < scene.band[1] * 1.8)
        assert power[wide].sum() > 0.85 * power.sum()


def test_limit_gives_the_rms_and_holds_the_peaks():
    spiky = rng("spiky").standard_normal(RATE)
    spiky[1000] = 60.0
    gain, limited = voices.limit(spiky, 0.1, 15.0, RATE)
    assert np.sqrt(np.mean(limited**2)) == pytest.approx(0.1, rel=1e-9)
    assert 20 * np.log10(np.abs(limited).max() / 0.1) < 15.1
    # Far from the peak the shape is untouched.
    assert limited[4000:] / spiky[4000:] == pytest.approx(np.full(RATE - 4000, gain), rel=2e-3)


def test_limit_leaves_a_quiet_clip_alone():
    tone = np.sin(np.arange(RATE))
    gain, limited = voices.limit(tone, 0.1, 15.0, RATE)
    assert np.allclose(limited, gain * tone)


@pytest.mark.parametrize("kind", range(0, 50, 7))
def test_no_energy_above_3800_hertz(kind):
    clip = next(clip for clip in esc50.items("small", 1) if clip.target == kind)
    hertz, power = signal.welch(esc50.render(clip).samples.astype(float), 22050, "hann", 4096)
    assert power[hertz > cast.TOP_HZ].sum() < 1e-6 * power.sum()


@pytest.mark.parametrize("module", [cast, voices, files, esc50])
def test_generator_has_no_matrix_product(module):
    """BLAS may sum in another order on another machine or with another number of threads."""
    names = set()
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        assert not isinstance(node, ast.MatMult)
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
    assert not names & {"dot", "vdot", "matmul", "einsum", "tensordot", "inner", "convolve", "linalg"}
