"""Random initialisation: the same trunk and the same read-out as a learned method, and nothing learned.

What the architecture alone gives. Its batch normalisation takes its statistics from the benchmark's unlabelled
training clips; otherwise the baseline would be broken, not fair. For sound it is SoundNet's trunk of eight layers.

Cite: aytar2016soundnet (the network). The floor that every pretext has to pass over the same seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

from unlabeled.contracts import Method
from unlabeled.streams import Rng
from unlabeled.training.nets.soundnet import Trunk, UntrainedEncoder, initialise
from unlabeled.training.signals.soundnet import GAIN, RATE

# ---------------------------------------------------------------- constants


@dataclass(frozen=True)
class Preset:
    """`rate` in Hz is what the network hears; the generated world is at 8 kHz, so the small presets are too."""

    rate: int = RATE
    gain: float = GAIN
    window_s: float = 10.0


WORLD = Preset(rate=8000)

# ---------------------------------------------------------------- method


class Random(Method):
    """Random initialisation."""

    id = "random"
    cite = "aytar2016soundnet"
    roles = frozenset({"audio"})
    home = ("esc50", "esc10", "dcase2013")
    supervision = "none"
    presets = {"paper": Preset(), "small": Preset(), "mini": WORLD, "nano": WORLD}
    devices = ("cpu", "cuda")

    def build(self, preset: Preset, rng: Rng) -> Trunk:
        """SoundNet's trunk as its training script starts it."""
        return initialise(Trunk(), rng)

    def adapt(self, net: Trunk, preset: Preset) -> UntrainedEncoder:
        """Every layer as a point, calibrated by the benchmark."""
        return UntrainedEncoder(net, preset.rate, preset.gain, preset.window_s)


METHOD = Random()
