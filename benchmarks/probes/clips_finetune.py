"""Fine-tuning on clips: the whole trunk of a video encoder and a new linear layer, with the labels of a split.

One trainer for the recipes of several papers, which differ in how clips are cut and changed, in the schedule, and in
what becomes of the answers for the clips of a test video. Constants were read in the released code unless they stand
under `unverified`: xudejing/video-clip-order-prediction (`train_classify.py`), facebookresearch/AVID-CMA
(`configs/benchmark`, `eval-action-recg.py`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from unlabeled.benchmarks.metrics import clips
from unlabeled.benchmarks.probes import finetune
from unlabeled.benchmarks.probes.clips_features import CHUNK
from unlabeled.benchmarks.probes.clips_views import (
    Films,
    Look,
    Places,
    ResizedCrop,
    ShortSide,
    Stretched,
    in_passes,
    other_clip,
)
from unlabeled.benchmarks.probes.frames import Answer, ClipItems, compact, find_point, fit, placed
from unlabeled.contracts import Batch, ClipSpec, Train, VideoEncoder, VideoItem
from unlabeled.streams import Rng
from unlabeled.training.loop import Every, part_size
from unlabeled.training.loop import train as learn
from unlabeled.training.nets.encoders import seeded

# ---------------------------------------------------------------- schedules


@dataclass(frozen=True)
class Epochs:
    """A schedule that counts in passes over the training videos; a pass draws `draws` clips of each."""

    epochs: int
    batch: int
    lr: float
    opt: Literal["sgd", "adam"] = "sgd"
    weight_decay: float = 0.0
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    draws: int = 1

    def steps(self, epochs: int, videos: int) -> int:
        """Steps of so many passes, at least one."""
        return max(round(epochs * self.draws * videos / self.batch), 1)


def planned(schedule: Train | Epochs, videos: int) -> Train:
    """A schedule in steps."""
    if isinstance(schedule, Train):
        return schedule
    return Train(
        steps=schedule.steps(schedule.epochs, videos),
        batch=schedule.batch,
        lr=schedule.lr,
        opt=schedule.opt,
        weight_decay=schedule.weight_decay,
        schedule="step" if schedule.milestones else "constant",
        milestones=tuple(schedule.steps(epochs, videos) for epochs in schedule.milestones),
        gamma=schedule.gamma,
    )


def one_pass(schedule: Train | Epochs, videos: int) -> int:
    """Steps of a pass; of a schedule in steps a pass draws one clip of each video."""
    return schedule.steps(1, videos) if isinstance(schedule, Epochs) else max(round(videos / schedule.batch), 1)


def other_plan(schedule: Train | Epochs, usual: Train | Epochs, videos: int) -> tuple[str, ...]:
    """A word for the record where a schedule is not the recipe's."""
    plan, wanted = planned(schedule, videos), planned(usual, videos)
    if plan == wanted:
        return ()
    own = f"{plan.steps} steps of {plan.batch} clips, not {wanted.steps} of {wanted.batch}"
    return (f"deviation: fine-tuned by the preset's own schedule ({own})",)


# ---------------------------------------------------------------- the recipe


@dataclass(frozen=True)
class ClipFineTuning:
    """Trained on clips from anywhere in the training videos; a test video is the mean over its clips.

    clip       : what the paper's network takes; another one of the encoder is told in the record
    places     : where the clips of a video lie that are scored, how fast and how short it is read
    look       : what is made of pictures
    mean       : of probabilities or of logits
    train      : the schedule; an encoder of a small preset may bring its own as `finetune: Train`, which is told too
    scratch    : the schedule of a network with random weights (which has `calibrate`), where it is another one
    head_only  : passes in which the new layer learns alone, before all others
    dropout    : before the new layer
    held_out   : training videos that choose the weights: those of lowest loss on one clip of each after a pass; of a
                 small set an eighth
    """

    clip: ClipSpec
    places: Places
    look: Look
    train: Train | Epochs
    scratch: Train | Epochs | None = None
    mean: clips.Mean = "softmax"
    head_only: int = 0
    dropout: float = 0.0
    held_out: int = 0
    splits: tuple[int, ...] = (1, 2, 3)
    role: str = "video"
    cite: str = ""
    point: str = ""
    sets: Mapping[str, Any] = field(default_factory=lambda: {"role": "video"})
    unverified: tuple[str, ...] = ()

    def prepare(self, role: VideoEncoder, lengths: Mapping[str, int]) -> Prepared:
        """The encoder, which stays as it is (every split trains a copy), and the frames of each video."""
        find_point(role, self.point)
        return Prepared(role, lengths)

    def answers(
        self, role: Prepared, train: Sequence[VideoItem], test: Sequence[VideoItem], classes: int, rng: Rng
    ) -> dict[str, Answer]:
        """Scores of the trained network."""
        seen, labels = compact(train)
        fit(role.encoder, ClipItems(train, role.encoder.clip.size), labels, rng)
        chosen, others = self._divided(len(train), rng.under("held out"))
        usual = self.scratch if self.scratch is not None and hasattr(role.encoder, "calibrate") else self.train
        schedule = getattr(role.encoder, "finetune", None) or usual
        films = TrainingClips(self, role, train, labels)
        net = self._trained(role.encoder, films, schedule, chosen, others, rng)
        scores = clips.video_scores(np.stack([self._logits(net, role, item) for item in test]), self.mean)
        if self.mean == "logits":
            # A class that was never learned has no logit: as probabilities the others stay above it.
            scores = clips.softmax(scores)
        notes = (*other_plan(schedule, usual, len(others)), *other_clip(role.encoder.clip, self.clip))
        return {"": Answer(placed(scores, seen, classes), len(train), notes)}

    # ------------------------------------------------------------ training

    def _trained(
        self,
        encoder: VideoEncoder,
        films: TrainingClips,
        schedule: Train | Epochs,
        chosen: np.ndarray,
        others: np.ndarray,
        rng: Rng,
    ) -> nn.Module:
        point = find_point(encoder, self.point)
        trunk = copy.deepcopy(encoder.trunk(point))
        dim, classes = encoder.points[point].dim, int(films.labels.max()) + 1
        head = seeded(lambda: nn.Sequential(nn.Dropout(self.dropout), nn.Linear(dim, classes)), rng.under("head"))
        net, device = nn.Sequential(trunk, head), str(next(trunk.parameters()).device)
        plan, a_pass = planned(schedule, len(others)), one_pass(schedule, len(others))
        batches = partial(films.parts, others, part_size(plan), rng.under("data"))
        if self.head_only:
            first = replace(plan, steps=self.head_only * a_pass, schedule="constant", milestones=(), warmup=0)
            with frozen(trunk):
                learn(net, batches, finetune.loss, first, rng.under("head only"), device=device)
        best = Best(films, chosen, rng.under("validation")) if len(chosen) else None
        every = Every(look=a_pass if best else 0)
        learn(net, batches, finetune.loss, plan, rng.under("train"), device=device, look=best, every=every)
        if best is not None:
            net.load_state_dict(best.weights)
        return net.eval()

    def _divided(self, videos: int, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the videos that are held out, and of those that are learned from."""
        count = min(self.held_out, videos // 8)
        order = rng.numpy("videos").permutation(videos)
        return np.sort(order[:count]), np.sort(order[count:])

    # ------------------------------------------------------------ scoring

    @torch.no_grad()
    def _logits(self, net: nn.Module, role: Prepared, item: VideoItem) -> np.ndarray:
        """Logits of all clips of a video, `(clips, classes)`."""
        spec, device = role.encoder.clip, next(net.parameters()).device
        views = self.places.views(self.places.shown(item, role.lengths[item.id]), spec)
        wanted, numbers = np.unique(views, return_inverse=True)
        frames = self.look(Films([item], most=0).read(0, wanted), spec.size, None)
        parts = torch.from_numpy(numbers.reshape(views.shape)).split(CHUNK)
        return torch.cat([net(frames[part].transpose(1, 2).to(device)) for part in parts]).cpu().numpy()


@dataclass(frozen=True)
class Prepared:
    """A video encoder, and the number of frames of each video."""

    encoder: VideoEncoder
    lengths: Mapping[str, int]


class TrainingClips:
    """Clips of the training videos as a recipe draws and changes them."""

    def __init__(self, recipe: ClipFineTuning, role: Prepared, train: Sequence[VideoItem], labels: np.ndarray) -> None:
        self.recipe, self.clip, self.train, self.labels = recipe, role.encoder.clip, train, labels
        self.films = Films(train)
        self.shown = [recipe.places.shown(item, role.lengths[item.id]) for item in train]

    def clip_of(self, video: int, rng: Rng) -> Tensor:
        """A clip `(3, frames, height, width)` of a video."""
        wanted = self.recipe.places.anywhere(self.shown[video], self.clip, rng.numpy("place"))
        return self.recipe.look(self.films.read(video, wanted), self.clip.size, rng.under("look")).transpose(0, 1)

    def batch(self, videos: Sequence[int], draws: Sequence[Rng]) -> Batch:
        """One clip of each of some videos, with its class."""
        frames = torch.stack([self.clip_of(video, rng) for video, rng in zip(videos, draws, strict=True)])
        ids = tuple(self.train[video].id for video in videos)
        return Batch(ids, frames, labels=torch.from_numpy(self.labels[list(videos)].astype(np.int64)))

    def parts(self, videos: np.ndarray, size: int, rng: Rng, first: int, stride: int = 1) -> Iterator[Batch]:
        """Batches of some of the videos without end."""
        part = first
        while True:
            chosen = videos[in_passes(part, size, len(videos), rng)].tolist()
            yield self.batch(chosen, [rng.under("clip", part * size + n) for n in range(size)])
            part += stride


class Best:
    """A look at held-out videos after every pass: keeps the weights of lowest loss."""

    def __init__(self, clips_of: TrainingClips, videos: np.ndarray, rng: Rng) -> None:
        self.clips_of, self.videos, self.rng = clips_of, videos.tolist(), rng
        self.lowest, self.weights = np.inf, dict[str, Tensor]()

    @torch.no_grad()
    def __call__(self, net: nn.Module, step: int) -> dict[str, float]:
        """Mean loss of one clip of each video, drawn as for training."""
        device = next(net.parameters()).device
        modes = {module: module.training for module in net.modules()}
        net.eval()
        total = 0.0
        for first in range(0, len(self.videos), CHUNK):
            part = self.videos[first : first + CHUNK]
            batch = self.clips_of.batch(part, [self.rng.under(step, video) for video in part])
            assert batch.frames is not None and batch.labels is not None
            logits = net(batch.frames.to(device))
            total += float(nn.functional.cross_entropy(logits, batch.labels.to(device), reduction="sum"))
        for module, training in modes.items():
            module.training = training
        mean = total / len(self.videos)
        if mean < self.lowest or not self.weights:
            self.lowest, self.weights = mean, copy.deepcopy(net.state_dict())
        return {"held_out": mean}


@contextmanager
def frozen(trunk: nn.Module) -> Iterator[None]:
    """No gradients for a trunk, as long as the new layer learns alone."""
    held = [parameter for parameter in trunk.parameters() if parameter.requires_grad]
    for parameter in held:
        parameter.requires_grad_(False)
    yield
    for parameter in held:
        parameter.requires_grad_(True)


# ---------------------------------------------------------------- recipes


VCOP = ClipFineTuning(
    clip=ClipSpec(16, 1, 112),
    places=Places("vcop", short="hold"),
    look=Stretched(),
    train=Epochs(150, batch=8, lr=1e-3, weight_decay=5e-4),
    mean="logits",
    held_out=800,
    cite="xu2019self",
)
"""D. Xu et al., Self-Supervised Spatiotemporal Learning via Video Clip Order Prediction, CVPR 2019, on UCF-101."""
VCOP_HMDB = replace(VCOP, held_out=400)

AVID_UCF = Epochs(16, batch=64, lr=1e-4, opt="adam", milestones=(6, 10, 14), gamma=0.3, draws=10)
AVID_HMDB = replace(AVID_UCF, epochs=10, milestones=(3, 6, 8), draws=25)
AVID_8 = ClipFineTuning(
    clip=ClipSpec(8, 1, 224),
    places=Places("avid", fps=16.0),
    look=ResizedCrop(),
    train=AVID_UCF,
    head_only=5,
    dropout=0.5,
    cite="morgado2021audio",
)
"""P. Morgado, N. Vasconcelos, I. Misra, Audio-Visual Instance Discrimination, CVPR 2021, on UCF-101."""
AVID_32 = replace(AVID_8, clip=ClipSpec(32, 1, 224), train=replace(AVID_UCF, batch=32, draws=5))
AVID_8_HMDB = replace(AVID_8, look=ResizedCrop(colour=(1.0, 1.0, 1.0, 0.2)), train=AVID_HMDB)
AVID_32_HMDB = replace(AVID_8_HMDB, clip=ClipSpec(32, 1, 224), train=replace(AVID_HMDB, batch=32, draws=10))

VMZ_UCF = Train(steps=25_000, batch=32, lr=1e-4, weight_decay=5e-3, schedule="step", milestones=(6250, 12_500, 18_750))
VMZ_HMDB = replace(VMZ_UCF, steps=10_000, lr=2e-4, milestones=(2500, 5000, 7500))
"""`c2/scripts/finetune_ucf101.sh` and `finetune_hmdb51.sh` of facebookresearch/VMZ, made for R(2+1)D-34: 8 epochs of
100,000 and 40,000 clips."""
XDC = ClipFineTuning(
    clip=ClipSpec(32, 1, 224),
    places=Places("avid"),
    look=ShortSide(),
    train=VMZ_UCF,
    cite="alwassel2020self",
    unverified=(
        "iterations, batch, learning rates, momentum and weight decay",
        "crops and flips",
        "frames a second",
        "number and places of test clips",
    ),
)
"""H. Alwassel et al., Self-Supervised Learning by Cross-Modal Audio-Video Clustering, NeurIPS 2020. Its authors point
to VMZ for fine-tuning; with which settings they ran it is not known."""
XDC_HMDB = replace(XDC, train=VMZ_HMDB)

ODD_ONE_OUT = ClipFineTuning(
    clip=ClipSpec(6, 1, 227),
    places=Places("avid", count=25),
    look=ShortSide(("crop", "flip", "jitter")),
    train=finetune.PRETRAINED,
    scratch=finetune.SCRATCH,
    cite="fernando2017self",
    unverified=(
        "frames of a clip",
        "iterations, batch, learning rates, momentum and weight decay",
        "crops, flips and colour jitter",
        "number and places of test clips",
    ),
)
"""B. Fernando et al., Self-Supervised Video Representation Learning With Odd-One-Out Networks, CVPR 2017: AlexNet on
the differences of consecutive frames, which are the network's own matter. Trained as the spatial stream of Simonyan and
Zisserman 2014."""
