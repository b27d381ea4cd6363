"""A protocol in no time for tests of encoders: the mean feature of some made pictures or clips at one point."""

from dataclasses import dataclass, field

import torch

from unlabeled import contracts


@dataclass(frozen=True)
class Recipe:
    role: str = "image"
    cite: str = ""
    point: str = "pool"
    sets: dict = field(default_factory=dict)
    unverified: tuple = ()


class Pictures(contracts.Benchmark):
    id = "toy_pictures"
    title = "Made pictures"
    dataset = "esc10"
    metrics = (contracts.Metric("mean", "fraction"),)
    recipes = {"image": Recipe(), "video": Recipe("video")}

    def units(self, data, recipe):
        return ("all",)

    all_units = units

    def prepare(self, role, data, recipe):
        return role

    def run_unit(self, unit, data, role, recipe, rng, keep):
        draw = torch.Generator().manual_seed(int(rng.numpy("pictures").integers(2**31)))
        frames = (4,) if recipe.role == "video" else ()
        side = role.clip.size if frames else role.size
        inputs = torch.rand(2, 3, *frames, *((side, side) if isinstance(side, int) else side), generator=draw)
        untrained = hasattr(role, "calibrate")
        if untrained:
            role.calibrate([inputs])
        found = (role.encode_clip if frames else role.encode)(inputs, recipe.point)
        return contracts.Outcome(2, {"mean": float(found.mean()), "untrained": untrained})

    def aggregate(self, outcomes, data, recipe):
        return contracts.Scores({"mean": contracts.Score(outcomes["all"].values["mean"], 2)})


BENCHMARK = Pictures()
