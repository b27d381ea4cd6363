"""SoundNet's convolutional trunk on raw waveforms, and what turns any such trunk into an AudioEncoder.

Source: Y. Aytar, C. Vondrick, A. Torralba, SoundNet: Learning Sound Representations from Unlabeled Video,
NIPS 2016; layer sizes in `signals/soundnet.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from unlabeled.contracts import Point
from unlabeled.errors import BadData
from unlabeled.streams import Rng
from unlabeled.training.signals.soundnet import EIGHT_LAYERS, Layer, layer_lengths, network_input

HEADS = "conv8"


class Trunk(nn.Module):
    """Convolutions with batch normalisation and ReLU, and max-pooling, by a table of layers without the heads."""

    def __init__(self, layers: tuple[Layer, ...] = EIGHT_LAYERS) -> None:
        super().__init__()
        self.layers = tuple(layer for layer in layers if layer.name != HEADS)
        self.blocks = nn.ModuleDict()
        channels = 1
        for layer in self.layers:
            if layer.channels:
                conv = nn.Conv1d(channels, layer.channels, layer.kernel, layer.stride, layer.padding)
                self.blocks[layer.name] = nn.Sequential(conv, nn.BatchNorm1d(layer.channels), nn.ReLU())
                channels = layer.channels
            else:
                self.blocks[layer.name] = nn.MaxPool1d(layer.kernel, layer.stride)

    def forward(self, waves: Tensor, until: str) -> Tensor:
        """`(B, 1, samples)` to the layer `until`, `(B, channels, steps)`."""
        for name, block in self.blocks.items():
            waves = block(waves)
            if name == until:
                break
        return waves


def initialise(net: Trunk, rng: Rng) -> Trunk:
    """The released script's start: weights N(0, 0.01), scales N(1, 0.02), no biases."""
    generator = torch.Generator().manual_seed(int(rng.numpy("weights").integers(2**63)))
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv1d):
                module.weight.normal_(0.0, 0.01, generator=generator)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
            elif isinstance(module, nn.BatchNorm1d):
                module.weight.normal_(1.0, 0.02, generator=generator)
                module.bias.zero_()
    return net


class TrunkEncoder:
    """Role audio: every layer of a trunk is a point with one vector a step."""

    def __init__(self, net: Trunk, rate: int, gain: float, window_s: float) -> None:
        self.net, self.rate, self.gain, self.window_s = net.eval(), rate, gain, window_s
        self.points = {}
        stride, channels = 1, 1
        for layer in net.layers:
            stride *= layer.stride
            channels = layer.channels or channels
            self.points[layer.name] = Point(layer.name, channels, stride / rate, _fewest(net.layers, layer.name))

    @torch.inference_mode()
    def encode_wave(self, waves: Tensor, point: str) -> Tensor:
        """`(B, samples)` float32 in [-1, 1] at `rate` to `(B, dim, T)` on the CPU.

        Raises
        ------
        BadData : the waves are shorter than the point accepts.
        """
        fewest = self.points[point].min_samples
        if waves.shape[1] < fewest:
            raise BadData(f"{waves.shape[1]} samples are too few for {point}: it needs {fewest}")
        return self.net(self._input(waves), point).cpu()

    def _input(self, waves: Tensor) -> Tensor:
        return network_input(waves, self.gain).to(next(self.net.parameters()).device)


class UntrainedEncoder(TrunkEncoder):
    """A trunk with random weights: its batch normalisation takes its statistics from the benchmark's clips."""

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Tensor]) -> None:
        """Set the running statistics to the mean over some unlabelled batches `(B, samples)`."""
        norms = [module for module in self.net.modules() if isinstance(module, nn.BatchNorm1d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over the batches
        self.net.train()
        for waves in batches:
            self.net(self._input(waves), self.net.layers[-1].name)
        self.net.eval()


def _fewest(layers: tuple[Layer, ...], name: str) -> int:
    """Shortest wave that gives one step at a layer, by bisection over the layer arithmetic."""
    low, high = 1, 2**24
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if layer_lengths(middle, layers)[name] else (middle + 1, high)
    return low
