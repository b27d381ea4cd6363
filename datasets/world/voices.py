"""The sounds of the synthetic world: six voice families, rooms, recording channels, ambiences.

Every function takes its generator, works in one thread and uses no matrix product, so that a clip is the
same on every machine of one architecture; callers round to int16 before they hash. Signals are float64
`(samples,)`, times are seconds, frequencies Hz. Nothing sounds above `TOP_HZ`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import lfilter

from unlabeled.datasets.world.cast import TOP_HZ, Family, Scene, Voice

RISE_S = 0.005
EVENT_DECAYS = 5.0
"""An event is cut after this many time constants (-43 dB)."""

CHANNEL_HZ = (100.0, 200.0, 420.0, 880.0, 1800.0, 3700.0)
FADE_HZ = 300.0
"""Width of the slope below `TOP_HZ` over which every sound is faded out."""


@dataclass(frozen=True)
class Individual:
    """One member of a kind: the voice of its kind with its own pitch, tempo and damping."""

    voice: Voice
    pitch: float
    rate: float
    decay: float


def individual(voice: Voice, pitch_octaves: float, rng: np.random.Generator) -> Individual:
    """Draw an individual: pitch 2**U(-x, x), rate 2**U(-0.4, 0.4), decay 2**N(0, 0.3) times the kind's."""
    pitch = 2.0 ** rng.uniform(-pitch_octaves, pitch_octaves)
    rate = 2.0 ** rng.uniform(-0.4, 0.4)
    return Individual(voice, pitch, voice.rate * rate, voice.decay * 2.0 ** rng.normal(0.0, 0.3))


def event_times(rate: float, start: float, stop: float, rng: np.random.Generator) -> np.ndarray:
    """Onsets `(events,)` in [start, stop): gaps are gamma with shape 8, nearly regular, never a fixed beat.

    The first onset lies in the first half of the stretch, so that there is always one.
    """
    most = 8 + int(3.0 * rate * (stop - start))
    gaps = rng.gamma(8.0, 1.0 / (8.0 * rate), most)
    gaps[0] = rng.uniform(0.0, 1.0) * min(gaps[0], 0.5 * (stop - start))
    times = start + np.cumsum(gaps)
    return times[times < stop]


@dataclass(frozen=True)
class Event:
    """One event to be made: `pitch` is the factor on f0, `time` and `envelope` are `(samples,)`."""

    who: Individual
    pitch: float
    time: np.ndarray
    envelope: np.ndarray
    rate: int
    rng: np.random.Generator


def sing(who: Individual, active: tuple[float, float], samples: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Dry voice `(samples,)` of an individual whose events start inside `active` (seconds)."""
    dry = np.zeros(samples)
    make = FAMILIES[who.voice.family]
    for onset in event_times(who.rate, *active, rng):
        pitch = who.pitch * 2.0 ** rng.normal(0.0, 0.03)
        gain = rng.uniform(0.6, 1.0)
        first = min(round(onset * rate), samples - 1)
        length = min(round(EVENT_DECAYS * who.decay * rate) + 1, samples - first)
        time = np.arange(length) / rate
        envelope = np.exp(-time / who.decay) * np.minimum(1.0, time / RISE_S)
        dry[first : first + length] += gain * make(Event(who, pitch, time, envelope, rate, rng))
    return dry


# ---------------------------------------------------------------- the six families: an event -> (samples,)


def _harm(event: Event) -> np.ndarray:
    """Eight harmonics with amplitudes `h ** -tilt`."""
    voice, f0 = event.who.voice, event.who.voice.f0 * event.pitch
    angle = 2.0 * np.pi * f0 * event.time
    # sin(ha) = 2 cos(a) sin((h-1)a) - sin((h-2)a): two calls of trigonometry instead of eight.
    twice_cos, before, now = 2.0 * np.cos(angle), np.zeros_like(angle), np.sin(angle)
    total = now.copy()
    for h in range(2, 1 + min(8, int(TOP_HZ / f0))):
        before, now = now, twice_cos * now - before
        total += h**-voice.tilt * now
    return total * event.envelope


def _bell(event: Event) -> np.ndarray:
    """Five inharmonic partials of random phase; the higher, the faster they die."""
    voice, total = event.who.voice, np.zeros_like(event.time)
    for ratio, phase in zip(voice.partials, event.rng.uniform(0.0, 2.0 * np.pi, 5), strict=True):
        hertz = voice.f0 * event.pitch * ratio
        if hertz < TOP_HZ:
            fading = np.exp(-event.time * (ratio - 1.0) / (2.0 * event.who.decay))
            total += ratio**-voice.tilt * fading * np.sin(2.0 * np.pi * hertz * event.time + phase)
    return total * event.envelope


def _noise(event: Event) -> np.ndarray:
    """White noise through the two resonances."""
    return _resonate(event.rng.standard_normal(len(event.time)) * event.envelope, event)


def _chirp(event: Event) -> np.ndarray:
    """Exponential sweep over two time constants, then a steady tone; one harmonic above it."""
    voice = event.who.voice
    octaves = voice.sweep * np.minimum(1.0, event.time / (2.0 * event.who.decay))
    hertz = np.minimum(voice.f0 * event.pitch * 2.0**octaves, 0.45 * TOP_HZ)
    angle = 2.0 * np.pi * np.cumsum(hertz) / event.rate
    return (np.sin(angle) + 2.0**-voice.tilt * np.sin(2.0 * angle)) * event.envelope


def _click(event: Event) -> np.ndarray:
    """A burst of impulses at twice the modulation rate, through the two resonances."""
    per_second = 2.0 * event.who.voice.am_hz
    gaps = event.rng.gamma(8.0, 1.0 / (8.0 * per_second), 2 + int(3.0 * per_second * event.time[-1]))
    places = np.rint((RISE_S + np.cumsum(gaps) - gaps[0]) * event.rate).astype(int)
    places = places[places < len(event.time)]
    burst = np.zeros_like(event.time)
    burst[places] = event.envelope[places]
    return _resonate(burst, event)


def _am(event: Event) -> np.ndarray:
    """Noise whose amplitude follows the modulation rate, plus a tone at f0."""
    voice = event.who.voice
    swing = 2.0 * np.pi * voice.am_hz * event.time + event.rng.uniform(0.0, 2.0 * np.pi)
    # White noise of one power a Hz: at a higher sampling rate only 3.8 kHz of it are kept.
    rough = event.rng.standard_normal(len(event.time)) * np.sqrt(event.rate / 8000.0)
    tone = np.sin(2.0 * np.pi * voice.f0 * event.pitch * event.time)
    return (rough * (0.5 + 0.5 * np.sin(swing)) + tone) * event.envelope


FAMILIES: dict[Family, Callable[[Event], np.ndarray]] = {
    "harm": _harm,
    "bell": _bell,
    "noise": _noise,
    "chirp": _chirp,
    "click": _click,
    "am": _am,
}


def _resonate(source: np.ndarray, event: Event) -> np.ndarray:
    """Two resonances side by side, unit gain at their peaks, the upper one 3 dB lower.

    Bodies vary less than pitches: resonances move by the square root of the pitch factor.
    """
    total = np.zeros_like(source)
    for formant, gain in zip(event.who.voice.formants, (1.0, 0.7), strict=True):
        hertz = min(formant * np.sqrt(event.pitch), 3500.0)
        radius = np.exp(-np.pi * (60.0 + 0.08 * hertz) / event.rate)
        angle = 2.0 * np.pi * hertz / event.rate
        peak = (1.0 - radius) * np.sqrt(1.0 - 2.0 * radius * np.cos(2.0 * angle) + radius**2)
        total += lfilter([gain * peak], [1.0, -2.0 * radius * np.cos(angle), radius**2], source)
    return total


# ---------------------------------------------------------------- room, channel, ambience


def record(dry: np.ndarray, rate: int, reverb_s: float, channel_sd: float, rng: np.random.Generator) -> np.ndarray:
    """A dry voice in a room, through a recording channel, as long as it was.

    Room: exponential reverberation with time constant `reverb_s`. Channel: as `channel` draws it.
    """
    tail = round(4.0 * reverb_s * rate)
    time = np.arange(tail) / rate
    room = rng.standard_normal(tail) * np.exp(-time / reverb_s)
    room *= 0.7 / np.sqrt(np.sum(room**2))
    room[0] = 1.0
    size = fft.next_fast_len(len(dry) + tail, real=True)
    hertz = fft.rfftfreq(size, 1.0 / rate)
    spectrum = fft.rfft(dry, size) * fft.rfft(room, size) * channel(hertz, channel_sd, rng) * fade_out(hertz)
    return fft.irfft(spectrum, size)[: len(dry)]


def channel(hertz: np.ndarray, channel_sd: float, rng: np.random.Generator) -> np.ndarray:
    """Gain of a random recording channel at each of these frequencies.

    N(0, channel_sd) dB at six frequencies, straight lines on a log-frequency axis between them.
    """
    knots = rng.normal(0.0, channel_sd, len(CHANNEL_HZ))
    return 10.0 ** (np.interp(np.log(np.maximum(hertz, 1.0)), np.log(CHANNEL_HZ), knots) / 20.0)


def ambience(scene: Scene, samples: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Background of a scene `(samples,)` of power 1: band-passed noise that swings slowly.

    Each instance has its own band edges (sd 0.2 octaves) and tempo; slopes fall by 12 dB an octave to a
    floor 30 dB down, so that a scene is never silent anywhere.
    """
    low, high = np.log2(scene.band) + rng.normal(0.0, 0.2, 2)
    size = fft.next_fast_len(samples, real=True)
    hertz = fft.rfftfreq(size, 1.0 / rate)
    octave = np.log2(np.maximum(hertz, 1.0))
    outside = np.maximum(0.0, np.maximum(low - octave, octave - high))
    gain = 10.0 ** (np.maximum(-12.0 * outside, -30.0) / 20.0) * fade_out(hertz)
    spectrum = gain * (rng.standard_normal(len(hertz)) + 1j * rng.standard_normal(len(hertz)))
    noise = fft.irfft(spectrum, size)[:samples]
    tempo = scene.swing_hz * 2.0 ** rng.normal(0.0, 0.3)
    angle = 2.0 * np.pi * tempo * np.arange(samples) / rate + rng.uniform(0.0, 2.0 * np.pi)
    noise *= 1.0 + scene.swing * np.sin(angle)
    return noise / np.sqrt(np.mean(noise**2))


def limit(mixed: np.ndarray, rms: float, peak_db: float, rate: int) -> tuple[float, np.ndarray]:
    """Gain and signal `(samples,)` of this RMS, no peak of which lies more than `peak_db` above the RMS.

    As a recorder with a limiter does it: the gain dips smoothly over about 10 ms around a peak, which
    adds no energy at high frequencies. Turning a clip with high peaks down instead would make the
    loudness tell impulsive kinds, and leaving the peaks would make the crest factor tell them.
    """
    width = 2 * round(0.005 * rate) + 1
    peaks = maximum_filter1d(np.abs(mixed), 2 * width - 1)
    ceiling = rms * 10.0 ** (peak_db / 20.0)
    gain = rms / np.sqrt(np.mean(mixed**2))
    for _ in range(30):
        dip = np.minimum(1.0, ceiling / (gain * peaks + 1e-12))
        # Two box filters reach as far as the maximum did, so the mean of dips holds every peak down.
        dip = uniform_filter1d(uniform_filter1d(dip, width), width)
        limited = mixed * (gain * dip)
        ratio = rms / np.sqrt(np.mean(limited**2))
        if abs(ratio - 1.0) < 1e-3:
            break
        gain *= ratio
    return gain, limited * ratio


def fade_out(hertz: np.ndarray) -> np.ndarray:
    """Gain over frequency that falls from 1 to 0 in the last 300 Hz below `TOP_HZ`; also 0 at 0 Hz."""
    share = np.clip((TOP_HZ - hertz) / FADE_HZ, 0.0, 1.0)
    return np.where(hertz > 0.0, 0.5 - 0.5 * np.cos(np.pi * share), 0.0)
