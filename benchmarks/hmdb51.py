"""HMDB-51: which action a video shows; accuracy over videos, the mean of the three official splits.

A split trains on 70 clips of a class and tests 30; the others are unused in it. The generated set has reversal pairs as
UCF-101 has, before a moving camera and beside another object: transfer under a shift of domain.
Source: H. Kuehne, H. Jhuang, E. Garrote, T. Poggio, T. Serre, HMDB: A Large Video Database for Human Motion
Recognition, ICCV 2011.
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
    "hmdb51",
    "HMDB-51",
    {
        "ordered-probe": OrderedProbe(),
        "own-head": OwnHead(),
        "ordered-clips": OrderedClips(),
        "frozen": FrozenProbe(),
        "shuffle-learn": FineTuning(),
        "linear": ClipLinear(),
        "odd-one-out": clips_finetune.ODD_ONE_OUT,
        "vcop": clips_finetune.VCOP_HMDB,
        "avid-8": clips_finetune.AVID_8_HMDB,
        "avid-32": clips_finetune.AVID_32_HMDB,
        "xdc": clips_finetune.XDC_HMDB,
        "srivastava-rgb": GivenFeatures(),
    },
)
