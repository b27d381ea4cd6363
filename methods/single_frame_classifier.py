"""Single-frame classifier: a linear layer on each frame alone, the mean of its answers.

Everything but the missing LSTM is that of `lstm_classifier`: what its frames are, the softmax, the schedule. The order
of frames means nothing to it.

Cite: srivastava2015unsupervised (N. Srivastava, E. Mansimov, R. Salakhutdinov, Unsupervised Learning of Video
Representations using LSTMs, ICML 2015, a baseline of its Table 1).
"""

from __future__ import annotations

from unlabeled.contracts import Method
from unlabeled.training.nets.blocks import BLOCKS, GIVEN, BlockClassifier, BlockPreset


class SingleFrameClassifier(Method):
    """Single frame classifier."""

    id = "single_frame_classifier"
    cite = "srivastava2015unsupervised"
    roles = frozenset({"video_classifier"})
    home = ("ucf101", "hmdb51")
    supervision = "labels"
    presets = BLOCKS
    variants = {"rgb": {"paper": GIVEN}, "flow": {"paper": GIVEN}}
    devices = ("cpu", "cuda")

    def adapt(self, net: None, preset: BlockPreset) -> BlockClassifier:
        """A classifier that has seen nothing yet."""
        return BlockClassifier(None, preset)


METHOD = SingleFrameClassifier()
