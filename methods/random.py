"""Random initialisation: the same trunk and the same read-out as a learned method, and nothing learned.

What the architecture alone gives. Its batch normalisation takes its statistics from the benchmark's unlabelled
training data; otherwise the baseline would be broken, not fair. For sound it is SoundNet's trunk of eight layers, for
pictures the trunk of the methods of the same preset.

Cite: aytar2016soundnet (the network for sound). The floor that every pretext has to pass over the same seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from unlabeled.contracts import Method
from unlabeled.streams import Rng
from unlabeled.training.nets import caffenet, encoders, frame_trunk, soundnet, trunks
from unlabeled.training.signals.soundnet import GAIN, RATE

# ---------------------------------------------------------------- constants


@dataclass(frozen=True)
class Preset:
    """`role` is the one that is asked for: the two have networks of their own, with points of the same names.

    audio : `rate` in Hz is what the network hears; the generated world is at 8 kHz, so the small presets are too
    image : `network` and the `size` of its pictures
    """

    role: Literal["audio", "image"] = "audio"
    rate: int = RATE
    gain: float = GAIN
    window_s: float = 10.0
    network: trunks.Network = "caffenet"
    size: encoders.Size = caffenet.SIZE


WORLD = Preset(rate=8000, network="frame_trunk", size=frame_trunk.SIZE)

# ---------------------------------------------------------------- method


class Random(Method):
    """Random initialisation."""

    id = "random"
    cite = "aytar2016soundnet"
    roles = frozenset({"audio", "image"})
    home = ("esc50", "esc10", "dcase2013", "ucf101", "hmdb51")
    supervision = "none"
    presets = {"paper": Preset(), "small": Preset(network="resnet18", size=112), "mini": WORLD, "nano": WORLD}
    devices = ("cpu", "cuda")

    def build(self, preset: Preset, rng: Rng) -> soundnet.Trunk | encoders.Trunk:
        """The trunk of the role: SoundNet's as its training script starts it, or one for pictures."""
        if preset.role == "audio":
            return soundnet.initialise(soundnet.Trunk(), rng)
        return encoders.seeded(lambda: trunks.make(preset.network, preset.size), rng)

    def adapt(
        self, net: soundnet.Trunk | encoders.Trunk, preset: Preset
    ) -> soundnet.UntrainedEncoder | encoders.UntrainedEncoder:
        """Every layer as a point, calibrated by the benchmark."""
        if isinstance(net, soundnet.Trunk):
            return soundnet.UntrainedEncoder(net, preset.rate, preset.gain, preset.window_s)
        return encoders.UntrainedEncoder(net)


METHOD = Random()
