"""A plan meets its data: the survey of what is there, and the two keys of the run."""

from __future__ import annotations

import contextlib
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlabeled import keys, pretrain
from unlabeled.contracts import Problem, Survey
from unlabeled.errors import AbsentData, BadData, name_several
from unlabeled.plan import Plan
from unlabeled.pretrain import Needs
from unlabeled.state import state_of
from unlabeled.store import Store


class Watch:
    """What a run tells while it works; this one tells nothing. No text of it reaches a key."""

    def say(self, text: str) -> None:
        """One remark."""

    def step(self, what: str, done: int, total: int) -> None:
        """`done` of `total` parts of `what` are finished."""


@dataclass(frozen=True)
class Resolved:
    """A plan that met its data: the survey and the keys."""

    plan: Plan
    data: Survey
    spec: dict[str, Any]
    spec_key: str
    code: keys.CodeKey
    key: str
    not_cached: str = ""
    pretrain: pretrain.Pretraining | None = None
    needs: Needs = ()

    @property
    def id(self) -> str:
        """File name of the record."""
        spec = self.plan.spec
        method, variant = (
            "".join(c if c.isalnum() or c == "_" else "-" for c in t) for t in (spec.method, spec.variant)
        )
        parts = [spec.benchmark, method, variant, spec.preset, f"s{spec.seed}", self.key[:10]]
        return "-".join(part for part in parts if part)


def resolve(made: Plan, store: Store, watch: Watch, remember: bool = True) -> Resolved:
    """Find the data, survey them, work out both keys. `remember` writes file facts into the store.

    Raises
    ------
    BadData : no such data root, or no such set below it; says which layouts are accepted.
    """
    survey = _survey(made, store, watch, remember)
    spec, learned = made.spec.as_dict(), None
    needs = _needs(made, store, watch, remember)
    modules = (*made.modules, *pretrain.modules_of(needs))
    if made.pretrain is not None:
        learned = _learned(made, needs, store, watch, remember)
        modules = (*modules, *made.pretrain.modules, *pretrain.NUMERIC)
    before = [learned.data.fingerprint] if learned else []
    spec_key = keys.spec_key(spec, survey.fingerprint, " ".join([*before, *pretrain.marks(needs)]))
    code = keys.code_key(modules)
    why = _why_not_cached(made, code)
    if why:
        watch.say(f"{why}: this run is not cached")
    # The values of the preset are in the source of a registered method; an object may have made its own.
    held = f"{made.state}{state_of(made.values)}" if not why else uuid.uuid4().hex
    return Resolved(made, survey, spec, spec_key, code, keys.run_key(spec_key, code.key + held), why, learned, needs)


def _learned(made: Plan, needs: Needs, store: Store, watch: Watch, remember: bool) -> pretrain.Pretraining:
    """The pretraining of a plan that has one."""
    assert made.pretrain is not None
    unlabelled = _look(made.pretrain.reader, made.pretrain.data, made.pretrain.world, None, store, watch, remember)
    return pretrain.of(made, made.pretrain.modules, unlabelled, needs)


def _needs(made: Plan, store: Store, watch: Watch, remember: bool) -> Needs:
    """The pretrainings that must come first."""
    return tuple(
        (name, _learned(plan, _needs(plan, store, watch, remember), store, watch, remember))
        for name, plan in made.needs
    )


def _why_not_cached(made: Plan, code: keys.CodeKey) -> str:
    """What keeps a run from being told from another one, empty if nothing does."""
    if made.state is None:
        return "what the method holds cannot be told from another object"
    if code.edited:
        return f"{', '.join(code.edited)} changed on disk after this process imported it (restart it)"
    return ""


def _survey(made: Plan, store: Store, watch: Watch, remember: bool) -> Survey:
    if not made.spec.world and made.data is None:
        blank: Survey = made.dataset.blank()
        return blank
    return _look(made.dataset, made.data, made.spec.world, made.spec.limit, store, watch, remember)


def _look(
    reader: Any, root: Path | None, world: str, limit: int | None, store: Store, watch: Watch, remember: bool
) -> Survey:
    """What a reader finds at a root, or in the world (`mini:11`) where there is none."""
    if root is None:
        from unlabeled.datasets.world import make

        preset, _, seed = world.partition(":")

        def step(done: int, total: int) -> None:
            watch.step(f"making the world's {reader.world}", done, total)

        root = make.ensure(reader.world, preset, int(seed), store.world(world), step)
    with readable(root):
        if not root.is_dir():
            raise AbsentData(f"{root}: no such data root", f"how to get {reader.id}:\n{reader.where}")
        folder = reader.find(root)
    if folder is None:
        raise AbsentData(f"{root} holds no {reader.id}", f"how to get it:\n{reader.where}")
    seen = 0

    def memo(file: Path, look: Any) -> dict[str, Any]:
        nonlocal seen
        seen += 1
        watch.step(f"looking through {folder.name}", seen, 0)
        return store.memo(file, look, remember)

    with readable(root):
        survey: Survey = reader.survey(folder, limit, memo)
    return survey


@contextlib.contextmanager
def readable(root: Path) -> Iterator[None]:
    """While a reader looks at a data root: what the disk refuses is told as bad data.

    Raises
    ------
    BadData : a file or folder that cannot be opened or listed.
    """
    try:
        yield
    except OSError as fault:
        what = f"{fault.filename or root}: cannot be read ({fault.strerror or fault})"
        raise BadData(what, "see that you may read the whole data root") from fault


def world_ready(made: Plan, store: Store) -> bool:
    from unlabeled.datasets.world import make

    world, _, seed = made.spec.world.partition(":")
    return make.ready(made.dataset.world, world, int(seed), store.world(made.spec.world))


def by_kind(problems: Sequence[Problem], most: int) -> list[str]:
    """One line a kind, with its number and the first few."""
    kinds = Counter(problem.kind for problem in problems)
    return [
        f"{n} x {kind}: " + name_several([f"{p.where} ({p.what})" for p in problems if p.kind == kind], most)
        for kind, n in kinds.items()
    ]
