"""SoundNet's input, the lengths of its layers, and windows over the steps of a layer.

Source: Y. Aytar, C. Vondrick, A. Torralba, SoundNet, NIPS 2016; constants read in the released Torch scripts
(training, feature extraction, `eval_esc50.lua`). No mean is subtracted.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from unlabeled.errors import BadData, WrongCall
from unlabeled.training.signals.samples import refuse_not_finite, refuse_other_than_waves

RATE = 22_050
GAIN = 256.0
"""Training and feature scripts: 32-bit integers times 2^-23."""
SCORING_GAIN = 512.0
"""The released scoring scripts of ESC-50 and DCASE: 32-bit integers times 2^-22."""
FULL_SCALE_16 = 32768


class Layer(NamedTuple):
    """A convolution (`channels` out) or, where `channels` is 0, a max-pooling; sizes in steps of its input."""

    name: str
    channels: int
    kernel: int
    stride: int
    padding: int = 0


EIGHT_LAYERS = (
    Layer("conv1", 16, 64, 2, 32),
    Layer("pool1", 0, 8, 8),
    Layer("conv2", 32, 32, 2, 16),
    Layer("pool2", 0, 8, 8),
    Layer("conv3", 64, 16, 2, 8),
    Layer("conv4", 128, 8, 2, 4),
    Layer("conv5", 256, 4, 2, 2),
    Layer("pool5", 0, 4, 4),
    Layer("conv6", 512, 4, 2, 2),
    Layer("conv7", 1024, 4, 2, 2),
    Layer("conv8", 1401, 8, 2),
)
"""The network from wave to heads; conv8 is both heads side by side, 1,000 objects and 401 scenes."""


def network_input(waves: torch.Tensor, gain: float = GAIN) -> torch.Tensor:
    """Waves as the network hears them, `(B, 1, samples)` in [-gain, gain).

    Parameters
    ----------
    waves : `(B, samples)` at 22,050 Hz; float in [-1, 1), or int16, taken as `i / 32768`.
    gain : `GAIN`, or `SCORING_GAIN` where a recipe says so.

    Raises
    ------
    WrongCall : waves of another shape or dtype.
    BadData : samples that are NaN or infinite.
    """
    if waves.dtype == torch.int16:
        waves = waves.float() / FULL_SCALE_16
    refuse_other_than_waves(waves)
    refuse_not_finite(waves)
    return (waves * gain)[:, None]


def layer_lengths(samples: int, layers: tuple[Layer, ...] = EIGHT_LAYERS) -> dict[str, int]:
    """Steps that each layer gives for a sound of so many samples; 0 from the first layer it is too short for."""
    lengths, length = {}, samples
    for layer in layers:
        room = length + 2 * layer.padding - layer.kernel
        length = 0 if length < 1 or room < 0 else 1 + room // layer.stride
        lengths[layer.name] = length
    return lengths


def window_steps(window: int, sound: int, steps: int) -> int:
    """Steps of a layer that a window covers: `ceil(window / sound * steps)`.

    Parameters
    ----------
    window, sound : lengths of the window and of the whole sound, both in samples (or both in seconds).
    steps : steps that the layer gives for the whole sound.

    Raises
    ------
    WrongCall : the window is empty or longer than the sound.
    """
    if not 0 < window <= sound:
        raise WrongCall(f"a window of {window} does not fit into a sound of {sound}")
    return -(-window * steps // sound)


def step_windows(features: torch.Tensor, steps: int) -> torch.Tensor:
    """Every run of `steps` neighbouring steps as one vector, channel by channel.

    Parameters
    ----------
    features : `(B, C, T)`, a layer's output.
    steps : length of a window; windows begin one step apart.

    Returns
    -------
    `(B, T - steps + 1, C * steps)`; a row holds all steps of the first channel, then of the second, and so on.

    Raises
    ------
    WrongCall : features are not `(B, C, T)`, or steps is below 1.
    BadData : the window is longer than the sound.
    """
    if features.ndim != 3 or steps < 1:
        raise WrongCall(f"windows of {steps} steps cannot be cut from features {tuple(features.shape)}")
    if features.shape[2] < steps:
        raise BadData(f"a window of {steps} steps does not fit into a sound of {features.shape[2]}")
    return features.unfold(2, steps, 1).transpose(1, 2).flatten(2)
