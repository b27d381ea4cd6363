"""What a method, a benchmark and a dataset must give: the only file a plug-in author has to read.

Typed Protocols and frozen dataclasses, no logic. A method and a benchmark meet only through a *role*.
Axis order: images `(B, 3, H, W)` and clips `(B, 3, T, H, W)`, float32 in [0, 1]; waveforms `(B, samples)`, one item
of data `(samples,)`, float32 in [-1, 1]; dense features `(B, C, h, w)`, with time `(B, C, T, h, w)`; masks `(H, W)`
of object indices; joints `(2, joints, frames)`, x before y, pixels from 0.

Sections: data; roles; what a pretext asks and learns; methods; benchmarks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from unlabeled.streams import Rng

SCHEMA = 1
"""Number of this contract; it stands in the code key of every run."""


# ---------------------------------------------------------------- data

LabelKind = Literal["official", "altered", "subset", "world", "broken"]


@dataclass(frozen=True)
class Label:
    """A fact about the data of a run, worked out from fingerprints.

    `kinds` are ordered by weight: `("altered", "subset")` is both. `text` is what the tables print.
    """

    kinds: tuple[LabelKind, ...]
    text: str


@dataclass(frozen=True)
class Problem:
    """One thing a reader found: `fatal` problems stop a run, the others are printed and recorded."""

    kind: str
    where: str
    what: str
    fatal: bool = True


@dataclass(frozen=True)
class SoundItem:
    """One clip of a labelled sound set. `recording` is the source that clips may share."""

    id: str
    path: Path
    target: int
    fold: int
    recording: str


@dataclass(frozen=True)
class VideoItem:
    """One video: a file, or a folder of frames.

    target : class number, -1 where there is no class
    group  : the recording that clips may share; all clips of a group are on one side of every split
    sides  : `train`, `test` or nothing for each official split
    sound  : the file with the sound where the video has none inside
    """

    id: str
    path: Path
    target: int = -1
    group: str = ""
    sides: tuple[str, ...] = ()
    sound: Path | None = None


@dataclass(frozen=True)
class ImageItem:
    """One picture of a labelled folder; `side` is `train` or `val`."""

    id: str
    path: Path
    target: int
    side: str


@dataclass(frozen=True)
class MaskSequence:
    """One video with object masks.

    names      : frame names in order, `masks` their index PNGs, `images` their pictures (empty where there are none)
    lists      : the official lists that it stands in, such as `2017 val`
    objects    : highest index in the first mask
    merged     : masks of the 2016 form: one object, 255 on 0
    attributes : names from a table beside the data
    """

    id: str
    names: tuple[str, ...]
    masks: tuple[Path, ...]
    images: tuple[Path, ...]
    lists: tuple[str, ...]
    objects: int
    merged: bool = False
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PoseClip:
    """One video with joints in every frame. `sides` holds `train`, `test` or nothing for each official split."""

    id: str
    action: str
    joints: Path
    images: tuple[Path, ...]
    width: int
    height: int
    sides: tuple[str, ...]


@dataclass(frozen=True)
class Box:
    """One object of an image: corners `(xmin, ymin, xmax, ymax)`, 1-based and inclusive."""

    name: str
    corners: tuple[int, int, int, int]
    difficult: bool = False
    truncated: bool = False


@dataclass(frozen=True)
class BoxedImage:
    """One image with its objects; `path` is None where the picture itself is not at hand."""

    id: str
    path: Path | None
    width: int
    height: int
    boxes: tuple[Box, ...]
    lists: tuple[str, ...]


@dataclass(frozen=True)
class Mixture:
    """Sounds that were added up: a file for each source in order, and the sum where it is a file of its own."""

    id: str
    sources: tuple[Path, ...]
    mixture: Path | None = None


@dataclass(frozen=True)
class Survey:
    """Everything a reader found in one folder, before anything is decoded for a run.

    `items` are of the one kind that the data set has: SoundItem, VideoItem, ImageItem, MaskSequence, PoseClip,
    BoxedImage, Mixture.
    """

    dataset: str
    folder: Path
    layout: str
    items: tuple[Any, ...]
    classes: tuple[str, ...]
    problems: tuple[Problem, ...]
    expected: Mapping[str, int]
    found: Mapping[str, int]
    label: Label
    fingerprint: str
    rate: int = 0
    decoder: Mapping[str, str] = field(default_factory=dict)


Memo = Callable[[Path, Callable[[Path], dict[str, Any]]], dict[str, Any]]
"""`memo(file, look)` is `look(file)`, remembered by path, size and time of change where a store is at hand."""


class Items(Protocol):
    """A lazy sequence of decoded items of one kind; `ids` name them in order."""

    ids: Sequence[str]
    rate: int

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> np.ndarray: ...


class Dataset(Protocol):
    """A reader of an official on-disk layout.

    `where` tells a person how to obtain the set and which layouts are accepted; `modality` is what its
    items decode to; `world` is the id of the generated set in the same layout, empty if there is none.
    """

    id: str
    modality: Literal["sound", "image", "video"]
    where: str
    world: str

    def find(self, root: Path) -> Path | None:
        """The folder of this set at or directly below a data root, None where it is absent."""
        ...

    def survey(self, folder: Path, limit: int | None = None, memo: Memo = ...) -> Survey:
        """Read lists and look into every file once. `limit` keeps the first N items per class and split."""
        ...

    def blank(self) -> Survey:
        """The official classes and counts with no file behind them."""
        ...


# ---------------------------------------------------------------- roles


class Classifier(Protocol):
    """May see labels, as `MaskClassifier` may. Items are waves; of `video_classifier` clips `(n, H, W, 3)` uint8."""

    def fit(self, items: Items, labels: np.ndarray, rng: Rng) -> None:
        """Learn from items and integer labels `(N,)`."""
        ...

    def scores(self, items: Items) -> np.ndarray:
        """Class scores `(N, classes)` in the order of the label numbers; higher is more likely."""
        ...


@dataclass(frozen=True)
class Point:
    """A place in a network where features can be read.

    dim         : length of a vector there (channels)
    step_s      : seconds between vectors of a longer sound; 0 where a window gives one vector
    min_samples : shortest waveform that the point accepts
    stride      : input pixels between the cells of a map; 0 where an image or clip gives one vector
    """

    name: str
    dim: int
    step_s: float = 0.0
    min_samples: int = 0
    stride: int = 0


class FeatureClassifier(Classifier, Protocol):
    """A classifier that is given features of frames in place of clips: role `feature_classifier`.

    Items are `(frames, features)` float32; the frames are those that whoever made the features chose.
    """

    features: int


class ImageEncoder(Protocol):
    """Features of single pictures. `size` is the side in pixels that it prefers, or (height, width).

    A network with random weights and batch normalisation has `calibrate(batches)`, as has `VideoEncoder`: running
    statistics from unlabelled batches of the benchmark's training pictures. Encoders with one `space` may be
    compared by distance.
    """

    points: Mapping[str, Point]
    size: int | tuple[int, int]
    space: str | None = None

    def encode(self, images: Tensor, point: str) -> Tensor:
        """Images `(B, 3, H, W)` to `(B, dim)`, or `(B, dim, h, w)` where the point has a stride."""
        ...

    def trunk(self, point: str) -> nn.Module:
        """The same map as a module that can be trained on; a copy, so that this encoder stays as it is."""
        ...


@dataclass(frozen=True)
class ClipSpec:
    """A clip that a network takes: `frames` pictures, `step` frames apart, `size` pixels a side or (height, width)."""

    frames: int
    step: int
    size: int | tuple[int, int]


class VideoEncoder(Protocol):
    """Features of clips."""

    points: Mapping[str, Point]
    clip: ClipSpec
    space: str | None = None

    def encode_clip(self, clips: Tensor, point: str) -> Tensor:
        """Clips `(B, 3, T, H, W)` to `(B, dim)`."""
        ...

    def trunk(self, point: str) -> nn.Module:
        """The same map as a module that can be trained on."""
        ...


class DenseEncoder(Protocol):
    """A feature in every cell of every frame. Labels are copied between cells of like features (adapter `propagate`).

    stride : input pixels between cells: frames of H x W have ceil(H / stride) x ceil(W / stride), or what of it fits
    reach  : how many frames before and after it a feature hangs on; 0 where every frame stands alone

    A network with random weights and batch normalisation has `calibrate(batches)`, as has `ImageEncoder`: running
    statistics from batches of unlabelled clips `(B, 3, T, H, W)`.
    """

    stride: int
    dim: int
    reach: int = 0

    def dense(self, clips: Tensor) -> Tensor:
        """Clips `(B, 3, T, H, W)`, one frame too, to `(B, dim, T, h, w)`, not normalised."""
        ...


class MaskClassifier(DenseEncoder, Protocol):
    """A dense encoder that learns from the masks or joints of the training split first: role `mask_classifier`."""

    def fit(self, clips: Items, masks: Items, rng: Rng) -> None:
        """Learn from clips `(n, H, W, 3)` uint8 and their index maps `(n, H, W)` uint8, both as large as `dense` gets
        frames. 0 is background, k the k-th object of that clip; of poses the pixels next to joint k - 1."""
        ...


class LabelPropagator(Protocol):
    """Moves labels of the first frame through a video by itself.

    One that can move points too has `move(frames, points)`: frames `(T, 3, H, W)` and places `(J, 2)`, (x, y) in
    pixels from 0, to an iterator of those in frames 1 .. T - 1. Without it joints are moved as soft labels.
    """

    def propagate(self, frames: Tensor, first: Tensor) -> Iterator[Tensor]:
        """Frames `(T, 3, H, W)` and soft labels `(K, H, W)` of frame 0 to those of frames 1 .. T - 1, one by one.

        Label 0 is the background.
        """
        ...


class Separator(Protocol):
    """Takes a mixture apart. `guide` is what it is told of each source, `permutation` whether the order is its own."""

    rate: int
    n_sources: int
    guide: Literal["none", "frames", "kind", "sources"]
    permutation: Literal["given", "best"]

    def separate(self, mixture: Tensor, guides: Sequence[Any] | None) -> Tensor:
        """A mixture `(N,)` to `(n_sources, N)`, in the order of the guides: frames `(F, 3, H, W)`, kinds or sources."""
        ...


class Localiser(Protocol):
    """Finds what sounds."""

    def locate(self, frames: Tensor, wave: Tensor) -> Tensor:
        """Frames `(T, 3, H, W)` and sound `(N,)` to maps `(T', h, w)`; larger is more likely. T = 1 is a picture."""
        ...


class AudioEncoder(Protocol):
    """Features of sound. `rate` in Hz is what waves must have, `window_s` the length it prefers.

    An encoder with random weights and batch normalisation has `calibrate(batches)` too: it sets the running
    statistics from unlabelled waves `(B, samples)` of the benchmark's training clips.
    """

    points: Mapping[str, Point]
    rate: int
    window_s: float

    def encode_wave(self, waves: Tensor, point: str) -> Tensor:
        """Waves `(B, samples)` float32 in [-1, 1] to `(B, dim)`, or `(B, dim, T)` where `step_s` > 0."""
        ...


class GivenResults(Protocol):
    """Results made elsewhere: a folder in the layout that the recipe names."""

    folder: Path


ROLES = (
    "image", "video", "audio", "dense", "propagator", "classifier", "video_classifier", "feature_classifier",
    "mask_classifier", "separator", "localiser", "given", "chance",
)  # fmt: skip
"""Role names. `chance` has nothing to call: a benchmark computes its own chance level exactly."""


# ---------------------------------------------------------------- what a pretext asks and learns


@dataclass(frozen=True)
class Info:
    """What a pretext may know of one item when it chooses.

    frames, fps   : number of decoded frames, frames a second (0: not known)
    samples, rate : of the sound at the rate that was asked, 0 where there is none
    motion        : `(frames - 1,)` mean absolute grey difference of neighbouring frames, where `wants` names it
    """

    frames: int
    fps: float
    samples: int = 0
    rate: int = 0
    motion: np.ndarray | None = None


@dataclass(frozen=True)
class Pick:
    """What is read of one item: images one run of one frame, frames one run, mixtures one stretch of sound.

    frames : runs of frame indices, all of one length
    sound  : (start in s, length in s) of each stretch, all of one length; time 0 is that of the first frame
    target : the pretext's own answer, made without any label
    """

    frames: tuple[tuple[int, ...], ...] = ()
    sound: tuple[tuple[float, float], ...] = ()
    target: Any = None


@dataclass(frozen=True)
class Request:
    """What a pretext asks of the loader. The method chooses indices, the loader decodes.

    kind     : what an item of a batch is, see `Batch`
    size     : side in pixels after resizing and cropping, or (height, width): the picture is scaled until it just
               covers the window, which is then cut out
    pick     : `(Info, Rng) -> Pick`, a pure function; None reads the one picture of an image
    rate     : samples a second of the sound, 0: none wanted
    augment  : names of shared augmentations, one draw for the whole item; `name/each` draws for every frame
    wants    : side signals, made once and cached, such as `motion`
    sources  : mixtures: how many items are added up; `gain` their loudness, drawn uniformly for each (the
               augmentation of that name changes brightness and loudness)
    colour   : rgb (3 channels), lab (3) or grey (1)
    """

    kind: Literal["images", "frames", "clips", "av", "mixtures"]
    size: int | tuple[int, int]
    pick: Callable[[Info, Rng], Pick] | None = None
    rate: int = 0
    augment: tuple[str, ...] = ()
    wants: frozenset[str] = frozenset()
    sources: int = 1
    gain: tuple[float, float] = (1.0, 1.0)
    colour: Literal["rgb", "lab", "grey"] = "rgb"


@dataclass(frozen=True)
class Batch:
    """Decoded items, each of another clip: no batch holds a clip twice.

    ids     : of the items, source by source in mixtures
    frames  : float32 in [0, 1] (Lab: as `training.signals.lab.to_unit`); images `(B, C, H, W)`, frames
              `(B, K, C, H, W)`, clips and av `(B, N, C, T, H, W)`, mixtures `(B, sources, C, T, H, W)`; None where
              none were picked
    waves   : av `(B, S, samples)`, mixtures `(B, sources, samples)`; None without sound
    mixture : mixtures: `(B, samples)`, the sum of `waves`
    target  : the picks' targets stacked, `(B, ...)`, whole numbers int64, else float32; None where they gave none
    labels  : `(B,)` class numbers; None unless a benchmark asked. A pretext never sees them
    """

    ids: tuple[str, ...]
    frames: Tensor | None = None
    waves: Tensor | None = None
    mixture: Tensor | None = None
    target: Tensor | None = None
    labels: Tensor | None = None


@dataclass(frozen=True)
class Progress:
    """Where training is: `step` of `steps`, from 0."""

    step: int
    steps: int


@dataclass(frozen=True)
class Losses:
    """A scalar to minimise for each player (`main` for all but adversaries), and numbers to log.

    A player without a loss in a step is not moved.
    """

    players: Mapping[str, Tensor]
    log: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sanity:
    """Whether a pretext learns its own task, on held-out data in evaluation mode.

    chance   : value of a network that learned nothing
    measure  : `(net, batch, rng) -> (scores (B,), strata (B,) or None)`; the value is the mean of scores, with strata
               the mean of their means (balanced accuracy)
    controls : the batch with the signal destroyed, by name; on each the value must fall back to chance
    """

    name: str
    chance: float
    measure: Callable[[nn.Module, Batch, Rng], tuple[Tensor, Tensor | None]]
    controls: Mapping[str, Callable[[Batch, Rng], Batch]]
    better: Literal["up", "down"] = "up"


@dataclass(frozen=True)
class Train:
    """How a network is trained: fields of a preset, for pretraining and fine-tuning alike.

    lr         : at the start, after `warmup` steps
    batch      : items in one optimiser step, `accumulate` parts added up; `loss` gets one part at a time
    momentum   : of SGD; Adam's first beta
    milestones : steps at which the schedule `step` multiplies the rate by `gamma`
    clip       : largest norm of the gradient, 0: any
    precision  : of products and convolutions in the loss, the latter with channels last in memory if it is half; the
                 weights are fp32 always
    """

    steps: int
    batch: int
    lr: float
    opt: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    schedule: Literal["constant", "step", "cosine", "linear"] = "constant"
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    warmup: int = 0
    accumulate: int = 1
    clip: float = 0.0
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"


@dataclass(frozen=True)
class Pretext:
    """The part of a method that learns without labels. Gradient methods have `loss`, closed-form ones `fit`.

    loss       : `(net, batch, rng, progress) -> Losses` on a whole batch
    fit        : `(net, batches, rng)` once, on the batches of `Train.steps` steps
    players    : names to parameters, where there are several optimisers
    artefacts  : arrays made before step 0 from unlabelled batches, such as colour clusters; kept with the checkpoint,
                 and copied into the network's buffers of their names
    after_step : momentum encoders, queues
    pictures   : `(net, batch, rng)` in evaluation mode: rows of pictures by name for the items of a batch, each
                 `(B, C, T, H, W)` in [0, 1] with C 1 or 3: `true` is what the network was to say; `shown`, if any,
                 what it was told; all others stand beside `true` as answers, the network's own first, then baselines
    """

    data: Request
    train: Train
    sanity: Sanity
    loss: Callable[[nn.Module, Batch, Rng, Progress], Losses] | None = None
    fit: Callable[[nn.Module, Iterator[Batch], Rng], None] | None = None
    players: Callable[[nn.Module], Mapping[str, Iterator[nn.Parameter]]] | None = None
    artefacts: Callable[[Iterator[Batch], Rng], Mapping[str, np.ndarray]] | None = None
    after_step: Callable[[nn.Module, Progress], None] | None = None
    pictures: Callable[[nn.Module, Batch, Rng], Mapping[str, Tensor]] | None = None


# ---------------------------------------------------------------- methods


@dataclass(frozen=True)
class Need:
    """Another method whose finished network is needed first, such as a teacher or a warm start.

    It learns with the preset, the seed and the world of the method that needs it, and has a checkpoint of its own.
    """

    name: str
    method: str
    variant: str = ""


class Method(Protocol):
    """A system of the literature. Subclass it: attributes with a value here may be left out.

    `exact_with` names package versions with which published results come out exactly; others get a note. A variant
    whose presets have a field `role` gives that role alone.
    """

    id: str
    cite: str
    roles: frozenset[str]
    home: tuple[str, ...]
    presets: Mapping[str, Any]
    supervision: Literal["none", "weak labels", "labelled trunk", "labelled teacher", "labels"] = "none"
    variants: Mapping[str, Mapping[str, Any]] = {}
    devices: tuple[str, ...] = ("cpu",)
    exact_with: Mapping[str, str] = {}
    requires: tuple[Need, ...] = ()

    def build(self, preset: Any, rng: Rng) -> Any:
        """The network with random weights; None for a method that has none."""
        return None

    def take(self, net: Any, needs: Mapping[str, Any], preset: Any) -> Any:
        """The network with what it `requires` in it: the finished networks of those methods, by the names of the needs.

        Called before the network learns anything itself; not where it gets weights from elsewhere.
        """
        return net

    def adapt(self, net: Any, preset: Any) -> Any:
        """An object with the methods of its roles."""
        ...

    def pretext(self, preset: Any) -> Pretext | None:
        """What the network learns without labels before any benchmark; None where nothing is learned.

        A preset with a pretext has a field `pretrain`: the id of the data set whose training items are learned from.
        """
        return None


# ---------------------------------------------------------------- benchmarks


@dataclass(frozen=True)
class Metric:
    """A number of a benchmark: `unit` is how tables show it (percent, dB, fraction)."""

    name: str
    unit: Literal["percent", "dB", "fraction"] = "percent"


@dataclass(frozen=True)
class Outcome:
    """What one unit gave: JSON values only. `items` are per-item outcomes, each with an `id`."""

    n: int
    values: Mapping[str, Any]
    items: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Score:
    """One aggregated number as a fraction (dB stay dB), with what is known of its uncertainty.

    `interval` is the 95 % interval made the way `interval_kind` says; `spread` the population standard
    deviation over units.
    """

    value: float
    n: int
    interval: tuple[float, float] | None = None
    interval_kind: str = ""
    spread: float | None = None


@dataclass(frozen=True)
class Scores:
    """Aggregate of all units: metric name -> Score, the main one first, and breakdowns as JSON values.

    `partial` says what is missing from the number although every unit ran. A note that begins with `deviation: ` says
    in what the run departed from the recipe, and blocks a verdict.
    """

    metrics: Mapping[str, Score]
    breakdown: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()


class Recipe(Protocol):
    """A named variant of a protocol: a frozen dataclass with all its constants.

    `adapts`, where it has that, names other roles that serve by an adapter, the first before the others; the `role` in
    `sets` is then the one that serves. One that reads features that somebody made has `features`: their folder, None
    until a run is given one.

    point      : where an encoder is read; another one (`--point`) is a deviation
    sets       : preset fields that the protocol itself asks for, set where the method has them
    unverified : constants nobody has checked in the paper: they count as deviations
    """

    role: str
    cite: str
    point: str
    sets: Mapping[str, Any]
    unverified: tuple[str, ...]


class Benchmark(Protocol):
    """A protocol: which data, which role, which units, which metric.

    `pictures` names what `show` draws of a run; `chance` is None where guessing has no exact value.

    Items that `compare` can pair hold `right` (a truth value), or `sums` and `counts`: the score is then the mean
    over columns of summed sums / summed counts. A score that is neither has `resampled`. A benchmark that knows its
    peak memory beforehand has `memory(role, data, recipe)`: bytes beside the network, and what they are for.
    """

    id: str
    title: str
    dataset: str
    metrics: tuple[Metric, ...]
    recipes: Mapping[str, Any]
    pictures: Literal["", "confusion", "masks", "joints", "boxes", "sounds"] = ""

    def units(self, data: Survey, recipe: Any) -> tuple[str, ...]:
        """The units that these data allow, in the order in which they run."""
        ...

    def all_units(self, data: Survey, recipe: Any) -> tuple[str, ...]:
        """The units of a complete run; fewer make the result partial."""
        ...

    def prepare(self, role: Any, data: Survey, recipe: Any) -> Any:
        """What all units share: the role, or the role with features remembered by clip."""
        ...

    def run_unit(self, unit: str, data: Survey, role: Any, recipe: Any, rng: Rng, keep: str) -> Outcome:
        """Score one unit. `keep` is `predictions` where items shall carry what pictures need."""
        ...

    def chance(self, unit: str, data: Survey, recipe: Any) -> Outcome:
        """The exact value of uniform guessing on one unit."""
        ...

    def aggregate(self, outcomes: Mapping[str, Outcome], data: Survey, recipe: Any) -> Scores:
        """One number a metric from the outcomes of the units."""
        ...
