"""UCF-101: which action a video shows; accuracy over videos, the mean of the three official splits.

Splits keep all clips of a recording on one side. The generated set holds pairs of classes that are one film and its
reverse: there `ordered-probe` asks whether features, read in order, tell which way time runs, on split 1.
Source: K. Soomro, A. R. Zamir, M. Shah, UCF101: A Dataset of 101 Human Actions Classes From Videos in The Wild,
CRCV-TR-12-01, 2012.
"""

from __future__ import annotations

from unlabeled.benchmarks._videos import VideoClassification
from unlabeled.benchmarks.probes import clips_finetune
from unlabeled.benchmarks.probes.clips_linear import ClipLinear
from unlabeled.benchmarks.probes.finetune import FineTuning
from unlabeled.benchmarks.probes.frozen import FrozenProbe
from unlabeled.benchmarks.probes.given_features import GivenFeatures
from unlabeled.benchmarks.probes.ordered import OrderedClips, OrderedProbe
from unlabeled.benchmarks.probes.own_head import OwnHead

BENCHMARK = VideoClassification(
    "ucf101",
    "UCF-101",
    {
        "ordered-probe": OrderedProbe(),
        "own-head": OwnHead(),
        "ordered-clips": OrderedClips(),
        "frozen": FrozenProbe(),
        "shuffle-learn": FineTuning(),
        "linear": ClipLinear(),
        "odd-one-out": clips_finetune.ODD_ONE_OUT,
        "vcop": clips_finetune.VCOP,
        "avid-8": clips_finetune.AVID_8,
        "avid-32": clips_finetune.AVID_32,
        "xdc": clips_finetune.XDC,
        "srivastava-rgb": GivenFeatures(),
        "srivastava-flow": GivenFeatures(),
    },
)
