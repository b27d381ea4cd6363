"""Random initialisation: the same trunk and the same read-out as a learned method, and nothing learned.

What the architecture alone gives. Its batch normalisation takes its statistics from the benchmark's unlabelled
training data; otherwise the baseline would be broken, not fair. For sound it is SoundNet's trunk of eight layers, for
pictures the trunk of the methods of the same preset, for clips that trunk on what odd_one_out shows of them, for cells
of frames the trunk of video_colorization.

Cite: aytar2016soundnet (the network for sound). The floor that every pretext has to pass over the same seeds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from unlabeled.contracts import Method, Train
from unlabeled.streams import Rng
from unlabeled.training.nets import caffenet, clip_trunks, dense_trunks, encoders, frame_trunk, soundnet, trunks
from unlabeled.training.nets.untrained import Untrained
from unlabeled.training.schedules import FINETUNE
from unlabeled.training.signals.soundnet import GAIN, RATE

Trunk = soundnet.Trunk | encoders.Trunk | clip_trunks.ClipTrunk | dense_trunks.DenseTrunk

# ---------------------------------------------------------------- constants


@dataclass(frozen=True)
class Preset:
    """`role` is the one that is asked for: each has a network of its own, with points of the same names.

    audio : `rate` in Hz is what the network hears; the generated world is at 8 kHz, so the small presets are too
    image : `network` and the `size` of its pictures
    video : the same trunk on the `input` made of `frames` frames, `step` apart
    dense : the trunk `cells`

    finetune is the schedule of a benchmark that trains the trunk on; None: the protocol's own.
    """

    role: Literal["audio", "image", "video", "dense"] = "audio"
    rate: int = RATE
    gain: float = GAIN
    window_s: float = 10.0
    network: trunks.Network = "caffenet"
    size: encoders.Size = caffenet.SIZE
    input: clip_trunks.Differences = "stack-of-differences"
    frames: int = 6
    step: int = 1
    cells: dense_trunks.Network = "colour_resnet"
    finetune: Train | None = None


WORLD = Preset(
    rate=8000,
    network="frame_trunk",
    size=frame_trunk.SIZE,
    frames=4,
    step=3,
    cells="mini_dense",
    finetune=FINETUNE["mini"],
)
PRESETS = {
    "paper": Preset(),
    "small": Preset(network="resnet18", size=112, finetune=FINETUNE["small"]),
    "mini": WORLD,
    "nano": replace(WORLD, finetune=FINETUNE["nano"]),
}

# ---------------------------------------------------------------- method


class Random(Method):
    """Random initialisation."""

    id = "random"
    cite = "aytar2016soundnet"
    roles = frozenset({"audio", "image", "video", "dense"})
    home = ("esc50", "esc10", "dcase2013", "ucf101", "hmdb51", "davis2017", "jhmdb")
    supervision = "none"
    presets = PRESETS
    variants = {
        name: {size: replace(preset, role="video", input=name) for size, preset in PRESETS.items()}
        for name in get_args(clip_trunks.Differences)
    }
    devices = ("cpu", "cuda")

    def build(self, preset: Preset, rng: Rng) -> Trunk:
        """The trunk of the role: SoundNet's as its training script starts it, or one for pictures, clips or cells."""
        if preset.role == "audio":
            return soundnet.initialise(soundnet.Trunk(), rng)
        return encoders.seeded(lambda: _trunk(preset), rng)

    def adapt(
        self, net: Trunk, preset: Preset
    ) -> soundnet.UntrainedEncoder | encoders.UntrainedEncoder | Untrained | dense_trunks.UntrainedDense:
        """Every layer as a point, or the features of cells, calibrated by the benchmark."""
        if isinstance(net, soundnet.Trunk):
            return soundnet.UntrainedEncoder(net, preset.rate, preset.gain, preset.window_s)
        if isinstance(net, dense_trunks.DenseTrunk):
            return dense_trunks.UntrainedDense(net)
        if isinstance(net, clip_trunks.ClipTrunk):
            return Untrained(clip_trunks.ClipEncoder(self.id, net.eval(), preset.finetune), net)
        return encoders.UntrainedEncoder(net, preset.finetune)


def _trunk(preset: Preset) -> encoders.Trunk | clip_trunks.ClipTrunk | dense_trunks.DenseTrunk:
    if preset.role == "dense":
        return dense_trunks.make(preset.cells)
    trunk = trunks.make(preset.network, preset.size)
    if preset.role == "image":
        return trunk
    return clip_trunks.ClipTrunk(clip_trunks.DIFFERENCES[preset.input](preset.frames), trunk, step=preset.step)


METHOD = Random()
