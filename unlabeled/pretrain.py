"""Pretraining as a run of its own: found by key or done now, kept as a checkpoint folder, shared by all benchmarks."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from unlabeled import keys, locks, team
from unlabeled.contracts import Survey
from unlabeled.plan import Plan
from unlabeled.store import Store
from unlabeled.streams import Rng

NUMERIC = ("unlabeled.training.pretraining",)
"""Where the code of every pretraining starts, beside the method and the reader."""


Needs = tuple[tuple[str, "Pretraining"], ...]


@dataclasses.dataclass(frozen=True)
class Pretraining:
    """What a method learns before its benchmark: the data, the keys of the checkpoint, and what is learned before it.

    `needs` are the pretrainings of the methods that this one requires, by the names of the needs.
    """

    plan: Plan
    data: Survey
    spec_key: str
    code: keys.CodeKey
    needs: Needs = ()

    @property
    def key(self) -> str:
        """Name of the checkpoint folder."""
        held = f"{self.plan.state or ''}"
        return hashlib.sha256(f"{self.spec_key} {self.code.key} {held}".encode()).hexdigest()

    def about(self) -> dict[str, Any]:
        """What the record of a run says of it before it has run."""
        return {
            "checkpoint": self.key,
            "dataset": self.data.dataset,
            "label": {"kinds": list(self.data.label.kinds), "text": self.data.label.text},
            "fingerprint": self.data.fingerprint,
        }


def of(made: Plan, modules: Sequence[str], data: Survey, needs: Needs = ()) -> Pretraining:
    """The pretraining of a plan: its method on `data`. Benchmark, recipe and limit are no part of it.

    `modules` are those of the method and the reader.
    """
    spec = made.spec.as_dict()
    asked = {name: spec[name] for name in ("method", "variant", "preset", "seed", "settings", "source")}
    spec_key = keys.spec_key({**asked, "values": _plain(made.values)}, data.fingerprint, " ".join(marks(needs)))
    return Pretraining(made, data, spec_key, keys.code_key((*modules, *NUMERIC, *modules_of(needs))), needs)


def marks(needs: Needs) -> list[str]:
    """What spec keys hold of the networks that are needed before."""
    return [f"{name} {need.spec_key}" for name, need in needs]


def modules_of(needs: Needs) -> tuple[str, ...]:
    """Where the code begins by which those networks come about."""
    return tuple(name for _, need in needs for name in need.code.modules)


def network(made: Plan, needs: Needs, store: Store, device: str, watch: Any) -> tuple[Any, dict[str, Any]]:
    """The network of a plan before it learns, with what it requires in it; what the record says of that.

    Raises
    ------
    UnlabeledError : as `ensure` does.
    """
    net, taken, told = made.method.build(made.values, Rng(made.spec.seed).under("init")), {}, {}
    for name, need in needs:
        taken[name], told[name] = ensure(need, store, device, watch)
        told[name]["method"] = need.plan.method.id
    return (made.method.take(net, taken, made.values), {"needs": told}) if needs else (net, {})


def ensure(asked: Pretraining, store: Store, device: str, watch: Any) -> tuple[Any, dict[str, Any]]:
    """The network with its pretrained weights, and what the record says of them; trained now if it is not there.

    Raises
    ------
    UnlabeledError : as the training does; what was trained is kept.
    """
    from unlabeled.training import checkpoints

    made = asked.plan
    folder = store.checkpoints / asked.key
    net, needed = network(made, asked.needs, store, device, watch)
    if not (folder / checkpoints.ABOUT).is_file():
        with locks.owned(store.locks / f"{asked.key}.lock", watch.say):
            # Another command may have trained it while this one waited.
            if not (folder / checkpoints.ABOUT).is_file():
                _learn(asked, net, _rng(made), store, device, watch)
    about, _ = checkpoints.load(folder, net, method=made.method.id, variant=made.spec.variant)
    told = {**asked.about(), "sanity": dict(about.sanity), "cpu_seconds": round(about.cpu_s, 3), **needed}
    return net, told


def _learn(asked: Pretraining, net: Any, rng: Rng, store: Store, device: str, watch: Any) -> None:
    from unlabeled.training import checkpoints, pretraining

    made, folder = asked.plan, store.checkpoints / asked.key
    pretext = made.method.pretext(made.values)
    among = f" in {team.size()} processes" if team.size() > 1 and pretext.loss else ""
    watch.say(f"{made.method.id} learns from {asked.data.dataset} ({asked.data.label.text}){among}")

    def step(seen: Any) -> None:
        losses = ", ".join(f"{name} {value:.3f}" for name, value in seen.values.items())
        watch.step(f"pretraining {made.method.id} ({losses})", seen.step, seen.steps)

    cache = store.root / "frames"
    trained, artefacts = pretraining.learn(
        net, pretext, asked.data, rng, folder, device=device, cache=cache, watch=(step,), tell=watch.say,
        together=team.learning(partial(take_part, asked, store.root, device)),
    )  # fmt: skip
    spec = made.spec
    about = checkpoints.About(
        method=made.method.id,
        variant=spec.variant,
        preset=spec.preset,
        values=_plain(made.values),
        points={},
        spec_key=asked.spec_key,
        code_key=asked.code.key,
        data={"dataset": asked.data.dataset, "fingerprint": asked.data.fingerprint, "label": asked.data.label.text},
        seeds={"master": spec.seed},
        sanity=pretraining.measure(net, pretext, asked.data, rng, cache),
        versions=dict(asked.code.versions),
        device=device,
        cpu_s=trained.cpu_s,
    )
    checkpoints.save(folder, net, about, artefacts)


def take_part(asked: Pretraining, root: Path, device: str) -> None:
    """What every other process of torchrun does while process 0 learns: all that is needed before has been learned."""
    from unlabeled.resolve import Watch
    from unlabeled.training import pretraining, processes

    made, store = asked.plan, Store(root)
    net, _ = network(made, asked.needs, store, device, Watch())
    pretraining.learn(
        net, made.method.pretext(made.values), asked.data, _rng(made), store.checkpoints / asked.key, device=device,
        cache=store.root / "frames", together=processes.together(),
    )  # fmt: skip


def check_processes(made: Plan) -> None:
    """Nothing where one process learns.

    Raises
    ------
    WrongCall : a batch of a method, or of one that it needs, cannot be divided among the processes of torchrun.
    """
    if team.size() == 1:
        return
    from unlabeled.training import loop, processes

    pretext = made.method.pretext(made.values) if made.pretrain else None
    if pretext is not None and pretext.loss:
        with processes.together():
            loop.part_size(pretext.train)
    for _, need in made.needs:
        check_processes(need)


def _rng(made: Plan) -> Rng:
    """The streams of a pretraining."""
    return Rng(made.spec.seed).under("pretrain")


def _plain(values: Any) -> dict[str, Any]:
    """The constants of a preset as JSON gives them back."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(values), default=str))
    return plain
