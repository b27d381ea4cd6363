"""LSTM classifier: the network of the composite LSTM from random weights, trained with labels alone.

Everything but the start is that of `lstm_autoencoder`: what its frames are, the softmax at every frame, the schedule.

Cite: srivastava2015unsupervised (N. Srivastava, E. Mansimov, R. Salakhutdinov, Unsupervised Learning of Video
Representations using LSTMs, ICML 2015, a baseline of its Table 1).
"""

from __future__ import annotations

from unlabeled.contracts import Method
from unlabeled.streams import Rng
from unlabeled.training.nets.blocks import BLOCKS, GIVEN, BlockClassifier, BlockPreset
from unlabeled.training.nets.encoders import seeded
from unlabeled.training.nets.lstm import LSTM


class LSTMClassifier(Method):
    """LSTM classifier."""

    id = "lstm_classifier"
    cite = "srivastava2015unsupervised"
    roles = frozenset({"video_classifier"})
    home = ("ucf101", "hmdb51")
    supervision = "labels"
    presets = BLOCKS
    variants = {"rgb": {"paper": GIVEN}, "flow": {"paper": GIVEN}}
    devices = ("cpu", "cuda")

    def build(self, preset: BlockPreset, rng: Rng) -> LSTM:
        """The LSTM with random weights."""
        return seeded(preset.lstm, rng)

    def adapt(self, net: LSTM, preset: BlockPreset) -> BlockClassifier:
        """A classifier that has seen nothing yet."""
        return BlockClassifier(net, preset)


METHOD = LSTMClassifier()
