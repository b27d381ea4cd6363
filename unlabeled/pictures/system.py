"""The method of a finished run and the data that it read, put together again for pictures. Nothing is trained.

Every part is made when a picture asks for it, and refused where it is no longer what the run had.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from unlabeled import plan, pretrain, weights
from unlabeled.contracts import Pretext, Survey
from unlabeled.datasets.world import make
from unlabeled.errors import AbsentData, UnlabeledError
from unlabeled.plan import Plan
from unlabeled.records import Record
from unlabeled.resolve import Resolved, Watch, resolve
from unlabeled.store import Store
from unlabeled.streams import Rng


class System:
    """A run's method, its networks and its data.

    data : the data root, where it moved since

    Raises
    ------
    UnlabeledError : whatever is asked for is gone, or is not what the record says.
    """

    def __init__(self, record: Record, store: Store, data: Path | None = None) -> None:
        self.record, self.store = record, store
        places = store.read_places(record.id)
        before = places.get("data")
        self._root = data or before
        # Unlabelled data of their own do not move with the others; else they lie in the same root.
        apart = places.get("pretrain")
        self._apart = None if apart == before else apart

    @property
    def name(self) -> str:
        """What pictures call the method: its id, variant and preset."""
        spec = self.record.spec
        return ", ".join(part for part in (spec["method"], spec["variant"], f"preset {spec['preset']}") if part)

    @property
    def learned(self) -> dict[str, Any] | None:
        """What the record says of the pretext; None of a method that has none."""
        found: dict[str, Any] | None = self.record.method.get("pretrain")
        return found

    @property
    def checkpoint(self) -> Path:
        """The folder of the pretrained weights.

        Raises
        ------
        AbsentData : it is not in this store.
        """
        key = (self.learned or {}).get("checkpoint", "")
        folder = self.store.checkpoints / key
        if not key or not folder.is_dir():
            raise AbsentData(f"the checkpoint {key[:10]} is not in {self.store.root}", "name its store with --store")
        return folder

    @cached_property
    def plan(self) -> Plan:
        """What was asked of the run."""
        spec = self.record.spec
        world = f"world:{spec['world']}:{spec['world_seed']}" if spec["world"] else ""
        if not world and self._root is None:
            raise AbsentData(f"{self.record.id}: where its data lie is not known", "name their root with --data")
        made = plan.make(
            spec["method"], spec["benchmark"], data=world or self._root, pretrain_data=self._apart,
            recipe=spec["recipe"], preset=spec["preset"], variant=spec["variant"], settings=spec["settings"],
            point=spec.get("point", ""), seed=spec["seed"], limit=spec["limit"],
            random_weights=bool(spec.get("random_weights")),
        )  # fmt: skip
        if made.spec.source != self.record.method["source"]:
            raise UnlabeledError(
                f"{self.record.id} was made by {self.record.method['source']}; {spec['method']} is now that of "
                f"{made.spec.source}"
            )
        return made

    @cached_property
    def _resolved(self) -> Resolved:
        """The plan with its data, none of them made anew."""
        refuse_unmade(self.record, self.store, self.plan.dataset, self.plan.data)
        for made in _with_needs(self.plan):
            if made.pretrain is not None:
                refuse_unmade(self.record, self.store, made.pretrain.reader, made.pretrain.data)
        self.store.prepare()
        found = resolve(self.plan, self.store, Watch())
        read = [(found.data, self.record.data["fingerprint"])]
        if self.learned is not None and found.pretrain is not None:
            read.append((found.pretrain.data, self.learned["fingerprint"]))
        for survey, fingerprint in read:
            refuse_changed(self.record, survey, fingerprint)
        return found

    @property
    def data(self) -> Survey:
        """The data of the benchmark."""
        return self._resolved.data

    @property
    def unlabelled(self) -> Survey:
        """The data that the pretext learned from."""
        assert self._resolved.pretrain is not None
        return self._resolved.pretrain.data

    @property
    def unchanged(self) -> bool:
        """Whether the code of today would make the checkpoint of this run."""
        made = self._resolved.pretrain
        return made is not None and self.learned is not None and made.key == self.learned["checkpoint"]

    @property
    def pretext(self) -> Pretext:
        """What was learned."""
        with self.running("`pretext`"):
            found: Pretext = self.plan.method.pretext(self.plan.values)
        return found

    def untrained(self) -> Any:
        """A network with random weights, those that it began with."""
        with self.running("`build`"):
            return self.plan.method.build(self.plan.values, Rng(self.plan.spec.seed).under("init"))

    def trained(self) -> Any:
        """A network with the weights that the benchmark was given.

        Raises
        ------
        UnlabeledError : the weights are gone, or were given as a file.
        """
        from unlabeled.training import checkpoints

        made, net = self.plan, self.untrained()
        needs = self._resolved.needs
        if needs:
            self._refuse_untaught(needs)
            net, _ = pretrain.network(made, needs, self.store, "cpu", Watch())
        if self.learned is not None:
            checkpoints.load(self.checkpoint, net, method=made.method.id, variant=made.spec.variant)
        elif self.record.spec.get("weights"):
            if made.weights is None or made.weights.sha256 != self.record.spec["weights"]:
                raise UnlabeledError(f"{self.record.id}: the file of its weights is not known any more")
            weights.fill(made.weights, net, made.method, made.values)
        return net

    def _refuse_untaught(self, needs: pretrain.Needs) -> None:
        """Refuse what would have to be trained first (AbsentData)."""
        for name, need in needs:
            self._refuse_untaught(need.needs)
            if not (self.store.checkpoints / need.key).is_dir():
                raise AbsentData(f"the checkpoint {need.key[:10]} of its {name} is not in {self.store.root}")

    def role(self, net: Any) -> Any:
        """The method's role on a network, in evaluation mode as a benchmark gets it."""
        with self.running("`adapt`"):
            return self.plan.method.adapt(net, self.plan.values)

    def scored(self) -> Any:
        """The role as the benchmark got it.

        Raises
        ------
        UnlabeledError : it learned inside of the benchmark, and that network is not kept.
        """
        asked = bool(self.record.spec.get("random_weights"))
        net = self.untrained() if asked else self.trained()
        role = weights.untrained(self.role(net), net) if asked else self.role(net)
        if hasattr(role, "fit"):
            method = self.record.spec["method"]
            raise UnlabeledError(
                f"{method} learns inside of the benchmark, and that network is not kept; a run with "
                "--keep predictions keeps what it answered"
            )
        return role

    @contextmanager
    def running(self, what: str) -> Iterator[None]:
        """While code of the method runs: a fault of it is told as one.

        Raises
        ------
        UnlabeledError : names the method and `what` failed.
        """
        try:
            yield
        except UnlabeledError:
            raise
        except Exception as fault:
            raise UnlabeledError(
                f"{what} of {self.record.spec['method']} failed: {type(fault).__name__}: {fault}"
            ) from fault


def _with_needs(made: Plan) -> Iterator[Plan]:
    """A plan and all those that must have learned before it."""
    yield made
    for _, need in made.needs:
        yield from _with_needs(need)


def survey(record: Record, store: Store, reader: Any, root: Path | None) -> Survey:
    """The data that a run was scored on, looked through again; without a root those of its world.

    Raises
    ------
    AbsentData : they are not there.
    UnlabeledError : they are others than those that were read.
    """
    refuse_unmade(record, store, reader, root)
    world, seed = record.spec["world"], record.spec["world_seed"]
    if root is None and world:
        root = make.ensure(reader.world, world, seed, store.world(f"{world}:{seed}"))
    place = reader.find(root) if root is not None and root.is_dir() else None
    if place is None:
        raise AbsentData(
            f"{record.id}: its {reader.id} is not there" + (f" any more ({root})" if root else ""),
            "name the data root that was scored with --data",
        )
    store.prepare()
    found: Survey = reader.survey(place, record.spec["limit"], store.memo)
    refuse_changed(record, found, record.data["fingerprint"])
    return found


def refuse_unmade(record: Record, store: Store, reader: Any, root: Path | None) -> None:
    """Refuse data of a world that are not in the store (AbsentData): none are made for pictures."""
    world, seed = record.spec["world"], record.spec["world_seed"]
    if root is None and world and not make.ready(reader.world, world, seed, store.world(f"{world}:{seed}")):
        raise AbsentData(
            f"{record.id}: the generated {reader.id} of its world is not in {store.root}",
            "name its store with --store, or run it again",
        )


def refuse_changed(record: Record, found: Survey, fingerprint: str) -> None:
    """Refuse data that are others than those that a run read (UnlabeledError)."""
    if found.fingerprint != fingerprint:
        raise UnlabeledError(
            f"{found.folder} changed since {record.id} was scored, or is another {found.dataset}: its fingerprint "
            "differs",
            "name the data root that was scored with --data, or run it again",
        )
