"""`torchvision:NAME`: an image or video model of torchvision as a method with the role image or video, without code.

Points: `block1` .. `block4` and `pool` of residual networks, of pictures (maps) and of clips (their means); `conv1` ..
`conv5`, `pool5`, `fc6`, `fc7` of AlexNet and VGG, after the ReLU; `block1` .., `tokens`, `cls` and `pool` of vision
transformers; of every other model `pool`, the vector before its classifier. Nothing is ever downloaded.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models  # type: ignore[import-untyped]
from torchvision.models.feature_extraction import (  # type: ignore[import-untyped]
    create_feature_extractor,
    get_graph_node_names,
)

from unlabeled import registry
from unlabeled.contracts import ClipSpec, Method, Point
from unlabeled.errors import AbsentData, WrongCall
from unlabeled.streams import Rng
from unlabeled.training.nets.encoders import seeded
from unlabeled.training.nets.library import ClipReader, ImageReader, Normalise, Tokens, Vector

CLIPS: Mapping[str, tuple[int, float]] = {"mvit": (16, 7.5), "s3d": (128, 15.0), "swin3d": (32, 15.0)}
"""Frames and frames a second with which torchvision states the accuracy of a video model; others have OTHER_CLIPS."""
OTHER_CLIPS = (16, 15.0)
USUAL_FPS = 30.0
"""Frames a second of the videos that a clip is cut from: it makes frames a second a step."""
TRANSFORMED = ("googlenet", "inception_v3")
"""Their released weights take colours that the model itself brings from ImageNet's mean to another one."""
DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.((?:[12])\.(?:weight|bias|running_mean|running_var))$")
"""Released DenseNets have a dot where torchvision's module names have none; the rule is the library's own."""
SIDE = 64
"""By so many pixels a picture grows when a stride is measured; a multiple of every stride."""


@dataclass(frozen=True)
class Preset:
    """`size` is the side in pixels, `frames` the length of a clip; 0: what the library says."""

    size: int = 0
    frames: int = 0


class Torchvision(Method):
    """A model of torchvision under the name it was asked for by."""

    cite = ""
    home = ()
    presets = {name: Preset() for name in ("nano", "mini", "small", "paper")}
    supervision = "labelled trunk"
    devices = ("cpu", "cuda")

    def __init__(self, name: str) -> None:
        self.id, self.name = f"torchvision:{name}", name
        self.video = name in models.list_models(module=models.video)
        self.roles = frozenset({"video" if self.video else "image"})
        self.released = models.get_model_weights(name).DEFAULT
        self.usual = self.released.transforms()

    def build(self, preset: Preset, rng: Rng) -> nn.Module:
        """The library's model with random weights."""
        # Transformers have a position for every patch: their size is a matter of building.
        more: dict[str, Any] = {"image_size": preset.size} if preset.size and self.name.startswith("vit_") else {}
        if self.name in TRANSFORMED:
            more = {"transform_input": True, "init_weights": True}
        return seeded(lambda: models.get_model(self.name, weights=None, **more), rng)

    def weights_on_disk(self) -> Path:
        """The library's own file, where its cache holds it already.

        Raises
        ------
        AbsentData : it does not; says which file it is and where it goes.
        """
        file = Path(torch.hub.get_dir()) / "checkpoints" / self.released.url.rpartition("/")[2]
        if not file.is_file():
            raise AbsentData(
                f"{self.id}: its weights are not on this machine ({file.name})",
                f"{self.released.url} goes to {file}; or give --weights FILE, or --random-weights for the untrained "
                "network",
            )
        return file

    def converted(self, tensors: Mapping[str, Tensor], preset: Preset) -> dict[str, Tensor]:
        """Tensors of the library's own file under the names of its model."""
        if not self.name.startswith("densenet"):
            return dict(tensors)
        return {DENSENET.sub(r"\1\2", name): value for name, value in tensors.items()}

    @torch.no_grad()
    def adapt(self, net: nn.Module, preset: Preset) -> ImageReader | ClipReader:
        """The points of the model's family."""
        net.eval()
        size = preset.size or self.usual.crop_size[0]
        device = next(net.parameters()).device
        normalise = Normalise(self.usual.mean, self.usual.std).to(device)
        frames, fps = next((clip for name, clip in CLIPS.items() if self.name.startswith(name)), OTHER_CLIPS)
        clip = ClipSpec(preset.frames or frames, round(USUAL_FPS / fps), size)
        shape = (1, 3, clip.frames, size, size) if self.video else (1, 3, size, size)
        probe = torch.zeros(shape, device=device)
        places = _places(net, size)
        try:
            points = _points(net, places, probe)
        except (RuntimeError, AssertionError) as fault:
            raise WrongCall(f"{self.id} takes no input of {shape}: {fault}") from fault

        def lead(point: str) -> nn.Module:
            node, read = places[point]
            return nn.Sequential(normalise, Until(net, node), read)

        if self.video:
            return ClipReader(self.id, lead, points, clip)
        return ImageReader(self.id, lead, points, size)


class Until(nn.Module):
    """The part of a model that leads to one node of its graph; it shares the model's weights."""

    def __init__(self, net: nn.Module, node: str) -> None:
        super().__init__()
        modes = {module: module.training for module in net.modules()}
        self.extractor = _extractor(net, {node: "out"})
        # Tracing runs through both modes; a network that is just being calibrated stays in its own.
        for module, training in modes.items():
            module.training = training

    def forward(self, inputs: Tensor) -> Tensor:
        """What that node gives."""
        found: Tensor = self.extractor(inputs)["out"]
        return found


def _extractor(net: nn.Module, nodes: dict[str, str]) -> nn.Module:
    with warnings.catch_warnings():
        # In training and in evaluation a model may have other nodes (dropout); those asked for are in both.
        warnings.simplefilter("ignore", UserWarning)
        made: nn.Module = create_feature_extractor(net, nodes).eval()
    return made


def _points(net: nn.Module, places: Mapping[str, tuple[str, nn.Module]], probe: Tensor) -> dict[str, Point]:
    """Sizes of all points from one pass; strides from how much maps grow with the picture."""
    extractor = _extractor(net, {node: node for node, _ in places.values()})

    def shapes(images: Tensor) -> dict[str, torch.Size]:
        found = extractor(images)
        return {name: read(found[node]).shape for name, (node, read) in places.items()}

    seen = shapes(probe)
    maps = [name for name, shape in seen.items() if len(shape) == 4]
    strides = dict.fromkeys(seen, 0)
    if isinstance(net, models.VisionTransformer):  # takes pictures of one size alone
        strides |= dict.fromkeys(maps, net.patch_size)
    elif maps:
        larger = shapes(nn.functional.pad(probe, (0, SIDE, 0, SIDE)))
        strides |= {name: SIDE // (larger[name][3] - seen[name][3]) for name in maps}
    return {name: Point(name, shape[1], stride=strides[name]) for name, shape in seen.items()}


def _places(net: nn.Module, size: int) -> dict[str, tuple[str, nn.Module]]:
    """Point -> (node of the graph, what is read there), the earliest first."""
    maps = nn.Identity()
    if isinstance(net, models.ResNet | models.video.VideoResNet):
        read = Vector() if isinstance(net, models.video.VideoResNet) else maps
        return {**{f"block{k}": (f"layer{k}", read) for k in range(1, 5)}, "pool": ("flatten", maps)}
    if isinstance(net, models.AlexNet | models.VGG):
        kinds = [type(layer) for layer in net.features]
        if isinstance(net, models.AlexNet):
            relus = [k for k, kind in enumerate(kinds) if kind is nn.ReLU]
        else:
            relus = [k - 1 for k, kind in enumerate(kinds) if kind is nn.MaxPool2d]
        found: dict[str, tuple[str, nn.Module]] = {f"conv{k + 1}": (f"features.{n}", maps) for k, n in enumerate(relus)}
        fc6, fc7 = [k for k, layer in enumerate(net.classifier) if isinstance(layer, nn.ReLU)]
        full = {"fc6": (f"classifier.{fc6}", maps), "fc7": (f"classifier.{fc7}", maps)}
        return {**found, "pool5": ("flatten", maps), **full}
    if isinstance(net, models.VisionTransformer):
        side = size // net.patch_size

        def tokens(kind: str) -> Tokens:
            return Tokens(kind, 1, (side, side))

        names = [f"encoder.layers.encoder_layer_{k}" for k in range(len(net.encoder.layers))]
        found = {f"block{k + 1}": (f"{name}.add_1", tokens("tokens")) for k, name in enumerate(names)}
        return {**found, **{kind: ("encoder.ln", tokens(kind)) for kind in ("tokens", "cls", "pool")}}
    return {"pool": (_before_classifier(net), Vector())}


def _before_classifier(net: nn.Module) -> str:
    """The node whose output the last module with weights takes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        nodes = get_graph_node_names(net)[1]
    weighted = {name for name, child in net.named_children() if any(True for _ in child.parameters())}
    tops = [node.partition(".")[0] for node in nodes]
    classifier = next(top for top in reversed(tops) if top in weighted)
    return str(nodes[tops.index(classifier) - 1])


def method(name: str) -> Torchvision:
    """The method of a `torchvision:` name.

    Raises
    ------
    WrongCall : torchvision has no such model for pictures or clips; near names are listed.
    """
    known = [*models.list_models(module=models), *models.list_models(module=models.video)]
    if name not in known:
        raise registry.unknown("image or video model of torchvision", name, known)
    return Torchvision(name)
