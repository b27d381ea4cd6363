"""Methods that learn from pictures without batch statistics or draws, and a protocol that trains too: for torchrun.

What goes wrong is told by the environment. `TOY_FAULT` is `RANK:STEP:FAULT`, with FAULT one of kill, bug and data;
`TOY_KILL` the number of a process that a unit kills.
"""

import copy
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from unlabeled import contracts
from unlabeled.contracts import Batch, Losses, Need, Point, Pretext, Request, Sanity, Train
from unlabeled.errors import BadData
from unlabeled.training import loop
from unlabeled.training.loading import Loader
from unlabeled.training.nets.encoders import seeded

SIZE = 8
TRAIN = Train(steps=40, batch=12, lr=0.05)


@dataclass(frozen=True)
class Preset:
    """`seen` tells one test's question from another's."""

    train: Train = TRAIN
    pretrain: str = "imagenet_folder"
    seen: int = 0


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 16), nn.Tanh())
        self.head = nn.Linear(16, 3)
        self.register_buffer("lead", torch.zeros(16))

    def forward(self, frames):
        return self.head(self.body(frames) + self.lead)


def mean_colour(net, batch, rng, progress):
    """The mean of each colour; says who is there, and does what `TOY_FAULT` says."""
    rank = os.environ.get("RANK", "0")
    folder = Path(os.environ["TOY_FOLDER"])
    (folder / f"pid-{rank}").write_text(str(os.getpid()))
    with (folder / f"steps-{rank}").open("a") as log:
        log.write(f"{progress.step} {' '.join(batch.ids)}\n")
    if os.environ.get("TOY_FAULT", "").startswith(f"{rank}:{progress.step}:"):
        match os.environ["TOY_FAULT"].rpartition(":")[2]:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "bug":
                raise ValueError("a bug in one process")
            case "data":
                raise BadData("picture 7 is torn", "copy it again")
    return Losses({"main": nn.functional.mse_loss(net(batch.frames), batch.frames.mean((2, 3)))})


def error(net, batch, rng):
    return (net(batch.frames) - batch.frames.mean((2, 3))).square().mean(1), None


class Encoder:
    points = {"pool": Point("pool", 16)}
    size = SIZE

    def __init__(self, net):
        self.net = net

    @torch.no_grad()
    def encode(self, images, point):
        return self.net.body(images)


class Learner(contracts.Method):
    id, cite, roles, home = "toy_learner", "", frozenset({"image"}), ()
    presets = {"nano": Preset()}

    def build(self, preset, rng):
        return seeded(Net, rng)

    def adapt(self, net, preset):
        return Encoder(net)

    def pretext(self, preset):
        sanity = Sanity("error", 1.0, error, {}, better="down")
        return Pretext(Request("images", SIZE), preset.train, sanity, mean_colour)


class Pupil(Learner):
    """Needs a learner, and carries on from what it knows."""

    id = "toy_pupil"
    requires = (Need("teacher", "toy_learner"),)

    def take(self, net, needs, preset):
        net.body.load_state_dict(needs["teacher"].body.state_dict())
        net.lead.copy_(needs["teacher"].head.weight.detach().sum(0))
        return net


@dataclass(frozen=True)
class Recipe:
    role: str = "image"
    cite: str = ""
    point: str = "pool"
    sets: dict = field(default_factory=dict)
    unverified: tuple = ()


def labelled(net, batch, rng, progress):
    return Losses({"main": nn.functional.cross_entropy(net(batch.frames), batch.labels)})


class FineTuning(contracts.Benchmark):
    """A copy of the trunk learns the classes of the training pictures, a batch that two processes could not divide."""

    id, title, dataset = "toy_finetuning", "Pictures", "imagenet_folder"
    metrics = (contracts.Metric("accuracy"), contracts.Metric("loss", "fraction"))
    recipes = {"plain": Recipe()}

    def units(self, data, recipe):
        return ("all",)

    all_units = units

    def prepare(self, role, data, recipe):
        return role

    def run_unit(self, unit, data, role, recipe, rng, keep):
        if rank := os.environ.get("TOY_KILL"):
            os.kill(int((Path(os.environ["TOY_FOLDER"]) / f"pid-{rank}").read_text()), signal.SIGKILL)
            time.sleep(60)
        plan = Train(steps=10, batch=9, lr=0.1)
        head = seeded(lambda: nn.Linear(16, len(data.classes)), rng.under("head"))
        net = nn.Sequential(copy.deepcopy(role.net.body), head)
        request = Request("images", SIZE)
        shown = [item for item in data.items if item.side == "train"]
        loader = Loader(shown, request, loop.part_size(plan), rng.under("data"), labels=True)
        loop.train(net, loader.from_step, labelled, plan, rng.under("train"))
        asked = [item for item in data.items if item.side == "val"]
        (batch,) = Loader(asked, request, len(asked), rng.under("test"), labels=True).once()
        assert isinstance(batch, Batch)
        with torch.no_grad():
            out = net.eval()(batch.frames)
        values = {
            "accuracy": float((out.argmax(1) == batch.labels).float().mean()),
            "loss": float(nn.functional.cross_entropy(out, batch.labels)),
        }
        return contracts.Outcome(len(asked), values)

    def aggregate(self, outcomes, data, recipe):
        one = outcomes["all"]
        return contracts.Scores({name: contracts.Score(value, one.n) for name, value in one.values.items()})
