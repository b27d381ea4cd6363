"""Calibration of a generated set: rungs that need no pretext, shortcut checks, and whether the gaps hold.

Rungs are runs of the set's benchmark on master seeds 1, 2, 3: chance, hand-crafted features, the random trunk, the
trunk trained with labels, and the generator's own truth. They alone may set a knob; pretexts are scored afterwards,
on seeds 11 to 13. A set is frozen when every rung is there, every gap holds and no shortcut leaks.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from unlabeled import registry, run, rungs, rungs_sound
from unlabeled.datasets.world import make, nuisance, nuisance_pool, nuisance_tracking, nuisance_video
from unlabeled.files import write_atomic
from unlabeled.resolve import Watch
from unlabeled.store import Store

SEEDS = (1, 2, 3)
PRESET = "mini"

LEAST_OVER_RANDOM = 0.15
"""The supervised rung lies so far above the random trunk, so that there is room for pretexts between them."""

FLAT = 0.98
"""A supervised rung above this leaves no room at the top."""

BY_HAND = ("hand-crafted", "identity", "optical flow")
"""Rungs without a network, in order; the random trunk may lie above or below any of them."""

NOT_BUILT = "not built yet"


@dataclass(frozen=True)
class Rung:
    """One step of the ladder: a method on the set's benchmark, or `measure(folder, preset, seed)`; else not built.

    `metric` is what is measured; of a method it is the benchmark's first.
    """

    name: str
    method: str = ""
    recipe: str | None = None
    measure: Callable[[Path, str, int], float] | None = None
    metric: str = "accuracy"


@dataclass(frozen=True)
class Ladder:
    """The benchmark of a set, its rungs from the floor up (none where the set is never scored), its shortcut checks.

    samples : `(folder, preset, seed) -> Samples`, what `check` judges over all seeds
    """

    benchmark: str
    rungs: tuple[Rung, ...]
    samples: Callable[[Path, str, int], Any]
    check: Callable[[Sequence[Any]], Sequence[Any]] = nuisance.check


def _action_rungs(name: str) -> tuple[Rung, ...]:
    return (
        Rung("chance", "chance", "ordered-probe"),
        Rung("hand-crafted", measure=partial(rungs.thumbnails, name)),
        Rung("random trunk", "random", "ordered-probe"),
        Rung("supervised", "supervised", "ordered-probe"),
        Rung("oracle", measure=partial(rungs.truth, name)),
    )


def _tracking_rungs(name: str, metric: str) -> tuple[Rung, ...]:
    return (
        Rung("chance", measure=partial(rungs.nothing_followed, name), metric=metric),
        Rung("identity", "identity", "world"),
        Rung("optical flow", "optical_flow", "world"),
        Rung("random trunk", "random", "world"),
        Rung("supervised", "supervised", "world"),
        Rung("oracle", measure=partial(rungs.all_followed, name), metric=metric),
    )


def _sound_rungs(name: str, by_hand: Rung) -> tuple[Rung, ...]:
    return (
        Rung("chance", "chance"),
        by_hand,
        Rung("random trunk", "random", rungs_sound.RECIPE),
        Rung("supervised", measure=partial(rungs_sound.told, name)),
        Rung("oracle", measure=partial(rungs_sound.truth, name)),
    )


LADDERS: Mapping[str, Ladder] = {
    "esc50": Ladder(
        "esc50",
        _sound_rungs("esc50", Rung("hand-crafted", "svm_mfcc")),
        nuisance.esc50_samples,
    ),
    "dcase2013": Ladder(
        "dcase2013",
        _sound_rungs("dcase2013", Rung("hand-crafted", measure=partial(rungs_sound.spectrum, "dcase2013"))),
        nuisance.dcase2013_samples,
    ),
    "ucf101": Ladder("ucf101", _action_rungs("ucf101"), nuisance_video.ucf101_samples, nuisance_video.check),
    "hmdb51": Ladder("hmdb51", _action_rungs("hmdb51"), nuisance_video.hmdb51_samples, nuisance_video.check),
    "davis2017": Ladder(
        "davis2017",
        _tracking_rungs("davis2017", "jf_mean"),
        nuisance_tracking.davis2017_samples,
        nuisance_tracking.check_davis2017,
    ),
    "jhmdb": Ladder(
        "jhmdb",
        _tracking_rungs("jhmdb", "pck@0.1"),
        nuisance_tracking.jhmdb_samples,
        nuisance_tracking.check_jhmdb,
    ),
    "pool": Ladder("", (), nuisance_pool.pool_samples, nuisance_pool.check),
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
    checks: tuple[Any, ...]
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
    name = make.SETS[set_id].folder
    folders = {seed: make.ensure(set_id, preset, seed, store.world(f"{preset}:{seed}")) / name for seed in seeds}
    steps = tuple(_step(rung, ladder.benchmark, folders, store, watch, preset) for rung in ladder.rungs)
    watch.say(f"{set_id}: shortcut checks")
    checks = ladder.check([ladder.samples(folders[seed], preset, seed) for seed in seeds])
    knobs = make.SETS[set_id].knobs
    told = {name: value for name, value in asdict(knobs).items() if name not in ("sizes", "version")}
    return Calibration(
        set_id, knobs.version, preset, tuple(seeds), told, steps, tuple(checks), tuple(gaps(steps, chance_of(steps)))
    )


def _step(rung: Rung, benchmark: str, folders: Mapping[int, Path], store: Store, watch: Watch, preset: str) -> Step:
    if rung.measure is not None:
        before = time.process_time()
        watch.say(f"{benchmark}: {rung.name}")
        told = tuple(rung.measure(folder, preset, seed) for seed, folder in folders.items())
        return Step(rung.name, "", rung.metric, told, time.process_time() - before)
    if not rung.method:
        return Step(rung.name, "", "", (), 0.0, NOT_BUILT)
    records = [
        run.evaluate(
            rung.method, benchmark, data=f"world:{preset}:{seed}", recipe=rung.recipe, preset=preset, seed=seed,
            store=store, watch=watch,
        )
        for seed in folders
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
    order_hand = [name for name in ("chance", *BY_HAND, "supervised") if name in held]
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
        numbers = {name: value for name, value in asdict(check).items() if not isinstance(value, str)}
        held = ", ".join(f"{name.replace('_', ' ')} {_mean(value):.3f}" for name, value in numbers.items())
        text.append(f"  {_name(check):<38} {held}   {'LEAKS' if check.leaks else 'ok'}")
    text += [f"open: {gap}" for gap in found.gaps]
    text.append("may be frozen" if found.complete else "not to be frozen yet")
    return text


def _name(check: Any) -> str:
    """What a check is called, from the words in it."""
    return ", ".join(value for value in asdict(check).values() if isinstance(value, str)) or "pairing"


def _mean(value: Any) -> float:
    return fmean(value) if isinstance(value, tuple | list) else float(value)


def write(found: Calibration, folder: Path) -> Path:
    """Keep a calibration as `SET.json`."""
    content = {**asdict(found), "complete": found.complete}
    file = folder / f"{found.set}.json"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(file, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
    return file
