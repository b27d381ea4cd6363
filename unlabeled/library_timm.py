"""`timm:NAME`: an image model of timm as a method with the role image, without a line of code.

Points of convolutional networks: `block1` .. `block4` (maps; what comes before them is `stem`) and `pool`. Points of
transformers: `block1` .. (maps of patches after each block), `tokens` (the patches after the last norm, a map), `pool`
(their mean), and `cls` where there is a class token. Nothing is ever downloaded.
Source: R. Wightman, PyTorch Image Models.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import timm
import torch
from torch import Tensor, nn

from unlabeled import registry
from unlabeled.contracts import Method, Point
from unlabeled.errors import AbsentData, BadData, WrongCall
from unlabeled.streams import Rng
from unlabeled.training.nets.encoders import seeded
from unlabeled.training.nets.library import ImageReader, Normalise, Tokens

HUB_FILES = ("model.safetensors", "pytorch_model.bin")
SPREADING = ("vision_transformer", "deit", "eva")
"""Modules of timm whose transformers take pictures of any size, in whole patches."""
LABEL_FREE = {"dino", "lvd142m", "lvd1689m", "sat493m", "mae", "fcmae"}
"""Tags of weights that timm says were learned without labels or captions."""


@dataclass(frozen=True)
class Preset:
    """`size` is the side of the pictures in pixels; 0: what the library says."""

    size: int = 0


class Timm(Method):
    """A model of timm under the name it was asked for by."""

    cite = ""
    roles = frozenset({"image"})
    home = ()
    presets = {name: Preset() for name in ("nano", "mini", "small", "paper")}
    devices = ("cpu", "cuda")

    def __init__(self, name: str) -> None:
        self.id, self.name = f"timm:{name}", name
        config = timm.get_pretrained_cfg(name)
        assert config is not None, "timm has no model without one"
        self.config = config.to_dict()
        self.supervision = _supervision(name, str(self.config.get("tag", "")))

    def build(self, preset: Preset, rng: Rng) -> nn.Module:
        """The library's model with random weights."""
        return seeded(lambda: _make(self.name, self._arguments(preset)), rng)

    def _arguments(self, preset: Preset) -> dict[str, Any]:
        # Transformers have a position for every patch: their size is a matter of building.
        fixed = {"img_size": preset.size} if preset.size and self.config.get("fixed_input_size") else {}
        # These can spread their positions over pictures of any size, and of their own size come out the same.
        spread = timm.models.is_model_in_modules(self.name.partition(".")[0], SPREADING)
        return {**fixed, "dynamic_img_size": True} if spread else fixed

    def weights_on_disk(self) -> Path:
        """The library's own file, where its caches hold it already.

        Raises
        ------
        AbsentData : they do not; says which file it is and where it goes.
        """
        repository, url = self.config.get("hf_hub_id"), self.config.get("url")
        own = self.config.get("hf_hub_filename")
        wanted = (own,) if own else HUB_FILES
        for name in wanted if repository else ():
            found = huggingface_hub.try_to_load_from_cache(repository, name)
            if isinstance(found, str):
                return Path(found)
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        file = url.rpartition("/")[2] if url and not url.endswith(".npz") else ""
        if file and (folder / file).is_file():
            return folder / file
        ways = [f"`hf download {repository} {wanted[0]}` fills the hub's cache"] if repository else []
        ways += [f"{url} goes to {folder / file}"] if file else []
        named = " or ".join([f"{wanted[0]} of {repository}"] * bool(repository) + [file] * bool(file))
        raise AbsentData(
            f"{self.id}: its weights are not on this machine ({named or 'timm brings none for it'})",
            "; ".join([*ways, "or give --weights FILE, or --random-weights for the untrained network"]),
        )

    def converted(self, tensors: Mapping[str, Tensor], preset: Preset) -> dict[str, Tensor]:
        """Tensors of the library's own file as the library itself would load them.

        Raises
        ------
        BadData : they do not fit the model.
        """
        overlay = {"state_dict": dict(tensors), "custom_load": False}
        try:
            made = _make(self.name, self._arguments(preset), pretrained=True, pretrained_cfg_overlay=overlay)
        except (RuntimeError, KeyError) as fault:
            raise BadData(f"the cached weights do not fit {self.id}: {fault}") from fault
        return made.state_dict()

    @torch.no_grad()
    def adapt(self, net: nn.Module, preset: Preset) -> ImageReader:
        """Every stage or block of the model, and its pooled vector.

        Raises
        ------
        WrongCall : the model takes no pictures.
        """
        net.eval()
        size = preset.size or self.config["input_size"][-1]
        device = next(net.parameters()).device
        normalise = Normalise(self.config["mean"], self.config["std"]).to(device)
        probe = torch.zeros(1, 3, size, size, device=device)
        parts: dict[str, nn.Module] = {}
        points: dict[str, Point] = {}
        try:
            for name, (part, stride) in _parts(net, probe).items():
                found = part(probe)
                if found.ndim in (2, 4):
                    parts[name] = nn.Sequential(normalise, part)
                    points[name] = Point(name, found.shape[1], stride=stride)
        except (RuntimeError, AssertionError, TypeError, ValueError) as fault:
            raise WrongCall(f"{self.id} gives no features of pictures 3 x {size} x {size}: {fault}") from fault
        return ImageReader(self.id, parts.__getitem__, points, size)


class Stage(nn.Module):
    """The map after one of timm's stages or blocks."""

    def __init__(self, net: nn.Module, index: int) -> None:
        super().__init__()
        self.net, self.index = net, index

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, dim, h, w)`."""
        found: list[Tensor] = self.net.forward_intermediates(  # type: ignore[operator]
            images, indices=[self.index], stop_early=True, output_fmt="NCHW", intermediates_only=True
        )
        return found[0]


class Last(nn.Module):
    """What timm gives before its head: maps pooled as its head does, or what `kind` says of tokens."""

    def __init__(self, net: nn.Module, kind: str = "", prefix: int = 0, stride: int = 0) -> None:
        super().__init__()
        self.net, self.kind, self.prefix, self.stride = net, kind, prefix, stride

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, dim)`, for the grid of tokens `(B, dim, h, w)`."""
        features: Tensor = self.net.forward_features(images)  # type: ignore[operator]
        if self.kind:
            grid = (images.shape[2] // self.stride, images.shape[3] // self.stride)
            return Tokens(self.kind, self.prefix, grid)(features)
        return self.net.forward_head(features, pre_logits=True).flatten(1)  # type: ignore[operator]


def _parts(net: Any, probe: Tensor) -> dict[str, tuple[nn.Module, int]]:
    """Name -> (module from normalised pictures, stride), the earliest first."""
    strides = [int(stage["reduction"]) for stage in net.feature_info]
    names = _names(strides)
    found: dict[str, tuple[nn.Module, int]] = {
        name: (Stage(net, k), stride) for k, (name, stride) in enumerate(zip(names, strides, strict=True))
    }
    last = net.forward_features(probe)
    prefix = getattr(net, "num_prefix_tokens", None)
    grid = (probe.shape[2] // strides[-1], probe.shape[3] // strides[-1])
    if not isinstance(last, Tensor) or last.ndim != 3 or prefix is None or last.shape[1] != prefix + grid[0] * grid[1]:
        return {**found, "pool": (Last(net), 0)}
    kinds = ("tokens", "cls", "pool") if prefix else ("tokens", "pool")
    lasts = {kind: (Last(net, kind, prefix, strides[-1]), strides[-1] if kind == "tokens" else 0) for kind in kinds}
    return {**found, **lasts}


def _names(strides: list[int]) -> list[str]:
    """Blocks of one stride are numbered through; of stages the last four are the blocks, the others stem."""
    if len(set(strides)) == 1 or len(strides) <= 4:
        return [f"block{k + 1}" for k in range(len(strides))]
    early = len(strides) - 4
    stems = ["stem"] if early == 1 else [f"stem{k + 1}" for k in range(early)]
    return [*stems, *(f"block{k}" for k in range(1, 5))]


def _make(name: str, arguments: Mapping[str, Any], **more: Any) -> nn.Module:
    with _offline():
        net: nn.Module = timm.create_model(name, **{"pretrained": False, **more}, **arguments)
    return net


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """While timm builds, its hub is cut off: whatever it would fetch fails instead."""
    constants, variable = huggingface_hub.constants, "HF_HUB_OFFLINE"
    before, kept = constants.HF_HUB_OFFLINE, os.environ.get(variable)
    constants.HF_HUB_OFFLINE, os.environ[variable] = True, "1"
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        os.environ.pop(variable)
        if kept is not None:
            os.environ[variable] = kept


def _supervision(name: str, tag: str) -> Any:
    """What timm's own weights of a name learned from; where its tag does not say otherwise, labels."""
    if tag in LABEL_FREE:
        return "none"
    return "weak labels" if re.search("clip|aimv2", f"{name}.{tag}") and "_ft_" not in tag else "labelled trunk"


def method(name: str) -> Timm:
    """The method of a `timm:` name.

    Raises
    ------
    WrongCall : timm has no such model, or no weights of that tag; near names are listed.
    """
    model, _, tag = name.partition(".")
    if not timm.is_model(model):
        raise registry.unknown("model of timm", model, timm.list_models())
    tagged = timm.list_pretrained(f"{model}.*")
    if tag and name not in tagged:
        raise registry.unknown("model of timm", name, tagged)
    return Timm(name)
