"""What the tests of the front ends share: two hundred random signals."""

import numpy as np
import pytest

from unlabeled.streams import stream

SIGNALS = 200


@pytest.fixture(scope="session")
def signals():
    """Pairs `(wave, rate)`: float64 waves of 3,000 to 40,000 samples, amplitude 0.0001 to 1, and a rate in Hz.

    Every tenth is digital silence, a constant, a click or a square wave; the others are tones in noise.
    """
    rng = stream(20150420, "tests", "front ends")
    made = []
    for number in range(SIGNALS):
        n, rate = int(rng.integers(3000, 40_000)), int(rng.choice([16_000, 22_050, 44_100, 48_000]))
        # Where a hop of 512 divides n, librosa 0.11 reflects one sample of the last frame wrongly.
        n += n % 512 == 0
        seconds, amplitude = np.arange(n) / rate, 10 ** rng.uniform(-4, 0)
        tones = sum(np.sin(2 * np.pi * f * seconds + f) for f in rng.uniform(20, rate / 2, 3))
        wave = amplitude * (tones + rng.uniform(0, 1) * rng.standard_normal(n)) * np.linspace(*rng.uniform(0, 1, 2), n)
        special = {0: np.zeros(n), 10: np.full(n, amplitude), 20: np.eye(1, n, n // 2)[0], 30: np.sign(tones)}
        made.append((special.get(number % 40, wave), rate))
    return made
