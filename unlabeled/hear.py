"""`hear:MODULE`: any package that follows the HEAR API, as a method with the role audio, without a line of code.

A HEAR module has `load_model(file)`, `get_scene_embeddings(audio, model)` and
`get_timestamp_embeddings(audio, model)`; its model states `sample_rate`, `scene_embedding_size` and
`timestamp_embedding_size`. What it states is checked against what it gives.
Source: J. Turian et al., HEAR: Holistic Evaluation of Audio Representations, NeurIPS 2021 Competition Track.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unlabeled.contracts import Method, Point
from unlabeled.errors import BadData, UnlabeledError

PROBE_S = 2.0
"""Length of the sound by which time stamps are checked against the stated sample rate."""
ASKED = ("load_model", "get_scene_embeddings", "get_timestamp_embeddings")
STATED = ("sample_rate", "scene_embedding_size", "timestamp_embedding_size")


@dataclass(frozen=True)
class Preset:
    """`model` is the file that `load_model` gets; empty: the module's own default. `window_s` in seconds."""

    model: str = ""
    window_s: float = 1.0


class Hear(Method):
    """A HEAR module under the name it was asked for by."""

    cite = "turian2022hear"
    roles = frozenset({"audio"})
    home = ()
    presets = {name: Preset() for name in ("nano", "mini", "small", "paper")}
    devices = ("cpu", "cuda")

    def __init__(self, name: str) -> None:
        self.id, self.name = f"hear:{name}", name

    def build(self, preset: Preset, rng: Any) -> Any:
        """The module's model.

        Raises
        ------
        UnlabeledError : the module cannot be imported, lacks a function, or its model lacks a number.
        """
        module = importlib.import_module(self.name)
        missing = [name for name in ASKED if not callable(getattr(module, name, None))]
        if missing:
            raise UnlabeledError(f"{self.id} is no HEAR module: it has no {', '.join(missing)}")
        model = module.load_model(preset.model) if preset.model else module.load_model()
        wrong = [name for name in STATED if not _whole(getattr(model, name, None))]
        if wrong:
            raise UnlabeledError(f"{self.id}: its model states no {', '.join(wrong)} (a whole number above 0)")
        return model

    def adapt(self, net: Any, preset: Preset) -> HearEncoder:
        """Scene and time stamp embeddings as two points."""
        return HearEncoder(self.id, importlib.import_module(self.name), net, preset.window_s)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and value > 0


class HearEncoder:
    """Role audio: `scene` is one vector a sound, `timestamp` one vector a step."""

    def __init__(self, name: str, module: Any, model: Any, window_s: float) -> None:
        self.name, self.module, self.model, self.window_s = name, module, model, window_s
        self.rate = int(model.sample_rate)
        self.points = {
            "scene": Point("scene", int(model.scene_embedding_size)),
            "timestamp": Point("timestamp", int(model.timestamp_embedding_size), self._step()),
        }

    @torch.inference_mode()
    def encode_wave(self, waves: Tensor, point: str) -> Tensor:
        """`(B, samples)` to `(B, dim)` (scene) or `(B, dim, T)` (timestamp), on the CPU.

        Raises
        ------
        BadData : another number of rows or another size than stated, or values that are no numbers.
        """
        waves = waves.to(_device(self.model))
        if point == "scene":
            found = self.module.get_scene_embeddings(waves, self.model)
        else:
            found, _ = self.module.get_timestamp_embeddings(waves, self.model)
        dim = self.points[point].dim
        expected = (len(waves), dim) if point == "scene" else (len(waves), "steps", dim)
        shape = tuple(found.shape)
        if len(shape) != len(expected) or (shape[0], shape[-1]) != (len(waves), dim):
            raise BadData(f"{self.name} gives {point} embeddings {shape}, not {expected}")
        if not bool(torch.isfinite(found).all()):
            raise BadData(f"{self.name} gives {point} embeddings that are no numbers")
        found = found.float().cpu()
        return found if point == "scene" else found.transpose(1, 2)

    def _step(self) -> float:
        """Seconds between time stamps, measured on a probe.

        Raises
        ------
        BadData : the time stamps do not fit a sound of this length at the stated sample rate.
        """
        probe = torch.zeros(1, round(PROBE_S * self.rate), device=_device(self.model))
        with torch.inference_mode():
            _, stamps = self.module.get_timestamp_embeddings(probe, self.model)
        stamps = stamps.reshape(-1).double().cpu() / 1000
        step = float((stamps[1:] - stamps[:-1]).median()) if len(stamps) > 1 else PROBE_S
        last = float(stamps[-1])
        if not step > 0 or not -step < PROBE_S - last < max(PROBE_S / 2, 2 * step):
            raise BadData(
                f"{self.name} states {self.rate} Hz, but marks {last:.3f} s as the end of {PROBE_S:g} s at that rate",
                "its sample_rate is not the rate it computes with, or its time stamps are not in milliseconds",
            )
        return step


def _device(model: Any) -> torch.device:
    parameter = next(iter(model.parameters()), None) if isinstance(model, torch.nn.Module) else None
    return torch.device("cpu") if parameter is None else parameter.device


def method(name: str) -> Hear:
    """The method of a `hear:` name."""
    return Hear(name)
