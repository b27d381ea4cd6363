"""Calibration of a generated set: rungs that need no pretext, shortcut checks, and whether the gaps hold.

Rungs are runs of the set's benchmark on master seeds 1, 2, 3: chance, hand-crafted features, the random trunk, the
trunk trained with labels, and the generator's own truth. They alone may set a knob; pretexts are scored afterwards,
on seeds 11 to 13. A set is frozen when every rung is there, every gap holds and no shortcut leaks.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from unlabeled import registry, run
from unlabeled.datasets.world import make, nuisance
from unlabeled.resolve import Watch
from unlabeled.store import Store, write_atomic

SEEDS = (1, 2, 3)
PRESET = "mini"

LEAST_OVER_RANDOM = 0.15
"""The supervised rung lies so far above the random trunk, so that there is room for pretexts between them."""

FLAT = 0.98
"""A supervised rung above this leaves no room at the top."""

NOT_BUILT = "not built yet"


@dataclass(frozen=True)
class Rung:
    """One step of the ladder: a method on the set's benchmark; without a method it cannot run yet."""

    name: str
    method: str = ""
    recipe: str | None = None


@dataclass(frozen=True)
class Ladder:
    """The benchmark of a set, its rungs from the floor up, and the nuisances that must say nothing.

    samples : `(folder, preset, seed) -> Samples` of the set's shortcut checks
    """

    benchmark: str
    rungs: tuple[Rung, ...]
    samples: Callable[[Path, str, int], nuisance.Samples]


LADDERS: Mapping[str, Ladder] = {
    "esc50": Ladder(
        "esc50",
        (
            Rung("chance", "chance"),
            Rung("hand-crafted", "svm_mfcc"),
            Rung("random trunk", "random", "soundnet-svm"),
            Rung("supervised"),
            Rung("oracle"),
        ),
        nuisance.esc50_samples,
    ),
    "dcase2013": Ladder(
        "dcase2013",
        (
            Rung("chance", "chance"),
            Rung("hand-crafted"),
            Rung("random trunk", "random", "soundnet-svm"),
            Rung("supervised"),
            Rung("oracle"),
        ),
        nuisance.dcase2013_samples,
    ),
}


@dataclass(frozen=True)
class Step:
    """A rung that ran: the main metric on each seed; `why` where it did not."""

    name: str
    method: str
    metric: str
    values: tuple[float, ...]
    cpu_seconds: float
    why: str = ""


@dataclass(frozen=True)
class Calibration:
    """What is known of a set at its present knobs. `gaps` are the conditions that fail or cannot be told yet."""

    set: str
    version: str
    preset: str
    seeds: tuple[int, ...]
    knobs: Mapping[str, Any]
    steps: tuple[Step, ...]
    checks: tuple[nuisance.Finding, ...]
    gaps: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether the set may be frozen."""
        return not self.gaps and not any(check.leaks for check in self.checks)


def calibrate(
    set_id: str, store: Store, watch: Watch, seeds: Sequence[int] = SEEDS, preset: str = PRESET
) -> Calibration:
    """Run what can run of a set's ladder, and its shortcut checks. Finished runs are read from the store.

    Raises
    ------
    WrongCall : a set without a ladder.
    """
    if set_id not in LADDERS:
        raise registry.unknown("calibrated set", set_id, LADDERS)
    ladder = LADDERS[set_id]
    steps = tuple(_step(rung, ladder.benchmark, store, watch, seeds, preset) for rung in ladder.rungs)
    watch.say(f"{set_id}: shortcut checks")
    folders = {seed: make.ensure(set_id, preset, seed, store.world(f"{preset}:{seed}")) for seed in seeds}
    folder = make.SETS[set_id].folder
    checks = nuisance.check([ladder.samples(folders[seed] / folder, preset, seed) for seed in seeds])
    knobs = make.SETS[set_id].knobs
    told = {name: value for name, value in asdict(knobs).items() if name not in ("sizes", "version")}
    return Calibration(
        set_id, knobs.version, preset, tuple(seeds), told, steps, tuple(checks), tuple(gaps(steps, chance_of(steps)))
    )


def _step(rung: Rung, benchmark: str, store: Store, watch: Watch, seeds: Sequence[int], preset: str) -> Step:
    if not rung.method:
        return Step(rung.name, "", "", (), 0.0, NOT_BUILT)
    records = [
        run.evaluate(
            rung.method, benchmark, data=f"world:{preset}:{seed}", recipe=rung.recipe, preset=preset, seed=seed,
            store=store, watch=watch,
        )
        for seed in seeds
    ]  # fmt: skip
    metric = next(iter(records[0].scores))
    values = tuple(float(record.scores[metric]["value"]) for record in records)
    return Step(rung.name, rung.method, metric, values, sum(float(r.run["cpu_seconds"]) for r in records))


def chance_of(steps: Sequence[Step]) -> float:
    """The floor of the ladder."""
    return fmean(steps[0].values) if steps and steps[0].values else 0.0


def gaps(steps: Sequence[Step], chance: float) -> list[str]:
    """Conditions of the ladder that do not hold, and rungs that are missing."""
    found = [f"{step.name}: {step.why}" for step in steps if step.why]
    held = {step.name: step.values for step in steps if step.values}
    order = [name for name in ("chance", "random trunk", "supervised", "oracle") if name in held]
    order_hand = [name for name in ("chance", "hand-crafted", "supervised") if name in held]
    for names in (order, order_hand):
        for below, above in itertools.pairwise(names):
            if not all(low < high for low, high in zip(held[below], held[above], strict=True)):
                found.append(f"{above} is not above {below} in every seed")
    if "random trunk" in held and not fmean(held["random trunk"]) >= min(2 * chance, chance + 0.05):
        found.append("the random trunk lies at chance")
    if "supervised" in held:
        top = fmean(held["supervised"])
        if "random trunk" in held and top < fmean(held["random trunk"]) + LEAST_OVER_RANDOM:
            found.append(f"supervised is less than {100 * LEAST_OVER_RANDOM:.0f} points above the random trunk")
        if top > FLAT:
            found.append(f"supervised is above {100 * FLAT:.0f} %: the top is flat")
    return list(dict.fromkeys(found))


def lines(found: Calibration) -> list[str]:
    """The calibration for a screen."""
    seeds = ", ".join(map(str, found.seeds))
    text = [f"{found.version}, preset {found.preset}, seeds {seeds}"]
    for step in found.steps:
        values = "  ".join(f"{100 * value:5.1f}" for value in step.values) or step.why
        mean = f"   mean {100 * fmean(step.values):5.1f}   {step.cpu_seconds:.0f} CPU-s" if step.values else ""
        text.append(f"  {step.name:<14} {step.method:<16} {values}{mean}")
    for check in found.checks:
        mark = "LEAKS" if check.leaks else "ok"
        accuracy, area = 100 * fmean(check.accuracies), fmean(check.areas)
        text.append(
            f"  {check.nuisance:<28} accuracy {accuracy:5.1f} (limit {100 * check.accuracy_limit:.1f})"
            f"   one kind {area:.3f} (limit {check.area_limit:.3f})   {mark}"
        )
    text += [f"open: {gap}" for gap in found.gaps]
    text.append("may be frozen" if found.complete else "not to be frozen yet")
    return text


def write(found: Calibration, folder: Path) -> Path:
    """Keep a calibration as `SET.json`."""
    content = {**asdict(found), "complete": found.complete}
    file = folder / f"{found.set}.json"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(file, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
    return file
