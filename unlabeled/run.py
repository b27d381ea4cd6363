"""The flow of one run: plan -> resolve -> units -> aggregate -> record."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from unlabeled import locks, plan, pretrain, records
from unlabeled import weights as weights_module
from unlabeled.errors import AbsentData, BadData, UnlabeledError, WrongCall
from unlabeled.given import GivenResults
from unlabeled.plan import Plan
from unlabeled.recording import Clock, failed, finish, stamped
from unlabeled.records import Record
from unlabeled.resolve import Resolved, Watch, by_kind, resolve, world_ready
from unlabeled.store import Journal, Store, read_folder, reference
from unlabeled.streams import Rng

if TYPE_CHECKING:
    import pandas

Overwrite = Literal["never", "missing", "always"]
Keep = Literal["none", "predictions"]


def evaluate(
    method: Any,
    benchmark: str,
    *,
    data: str | Path | None = None,
    pretrain_data: str | Path | None = None,
    recipe: str | None = None,
    preset: str = "mini",
    variant: str = "",
    settings: Mapping[str, Any] | None = None,
    point: str = "",
    seed: int = 0,
    limit: int | None = None,
    device: str = "auto",
    rate: int | None = None,
    weights: str | Path | None = None,
    key_map: str | Path | None = None,
    random_weights: bool = False,
    features: str | Path | None = None,
    store: Store | str | Path | None = None,
    keep: Keep = "none",
    overwrite: Overwrite = "missing",
    watch: Watch | None = None,
) -> Record:
    """Put a method through a benchmark and return its record.

    Parameters
    ----------
    method : id of a registered method, `hear:MODULE`, `timm:NAME`, `torchvision:NAME`,
        `given.GivenResults(folder, name)` for results made elsewhere, an object that satisfies `contracts.Method`, or a
        bare `torch.nn.Module` from waves to features (give `rate`, the Hz of its waves).
    benchmark : id of a registered benchmark.
    data : data root, `world:PRESET:SEED`, or None for the generated world at this preset and seed.
    pretrain_data : data for methods that learn before the benchmark.
    recipe : named variant of the protocol; None for the first one that fits the method's roles.
    preset, variant, settings : size of the method, its named network, changed preset fields.
    point : where an encoder is read, if not where the recipe says; a deviation.
    limit : keep the first N items per class and split; the run is labelled subset.
    device : `auto`, `cpu` or `cuda`.
    weights : file of weights for the method's network: safetensors, or a state dict without code.
    key_map : how its names become those of the network: a file of rules, or `dino`, `mae`, `moco`, `module`, `vissl`.
    random_weights : the network stays untrained; a deviation.
    features : folder of features that somebody made, for recipes that read these.
    store : folder of records (default `./.unlabeled`).
    keep : `predictions` stores class scores with the per-item outcomes.
    overwrite : `missing` computes what has no record of the same keys, `always` computes anew, `never`
        takes any record of the same question, also one made by older code.

    Raises
    ------
    WrongCall, BadData, UnlabeledError : what, where and what to do; finished units are kept.
    """
    watch = watch or Watch()
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(method, torch.nn.Module):
        from unlabeled import bare

        method = bare.wrap(method, rate)
    made = plan.make(
        method, benchmark, data=data, pretrain_data=pretrain_data, recipe=recipe, preset=preset, variant=variant,
        settings=settings, point=point, seed=seed, limit=limit, weights=weights, key_map=key_map,
        random_weights=random_weights, features=features,
    )  # fmt: skip
    pretrain.check_processes(made)
    device = _device(made, device)
    store = store if isinstance(store, Store) else Store(store)
    store.prepare()
    resolved = resolve(made, store, watch)
    _refuse_fatal(resolved, store)
    cached = _cached(resolved, store, overwrite, keep, watch)
    if cached is not None:
        return cached
    with locks.owned(store.locks / f"{resolved.key}.lock", watch.say):
        # Another process may have finished it while this one waited.
        cached = None if overwrite == "always" else _cached(resolved, store, "missing", keep, watch)
        return cached or _compute(resolved, store, device, keep, overwrite, watch)


def preview(method: Any, benchmark: str, *, store: Path | str, **asked: Any) -> list[str]:
    """What `evaluate` would do: run what, what is cached, at what cost, or the one thing that is missing."""
    try:
        made = plan.make(method, benchmark, **asked)
    except AbsentData as fault:
        return [f"{benchmark} {getattr(method, 'id', method)}\n  missing: {fault.what}"]
    spec, home = made.spec, Store(store)
    name = f"{spec.benchmark} {spec.method}" + (f" ({spec.variant})" if spec.variant else "")
    head = f"{name}: recipe {spec.recipe}, preset {spec.preset}, seed {spec.seed}"
    head += "".join(f", {key}={value}" for key, value in spec.settings)
    head += f", weights {spec.weights[:10]}" if spec.weights else ", random weights" if spec.random_weights else ""
    head += f", features {spec.features[:10]}" if spec.features else ""
    if spec.world and not world_ready(made, home):
        return [f"{head}\n  would make the world's {made.dataset.world} ({spec.world}), then run; {_cost(made, home)}"]
    try:
        resolved = resolve(made, home, Watch(), remember=False)
        _refuse_fatal(resolved, None)
    except AbsentData as fault:
        return [f"{head}\n  missing: {fault.what} (see `unlabeled datasets where {made.dataset.id}`)"]
    except BadData as fault:
        return [f"{head}\n  cannot run: {fault}"]
    if home.find(resolved.key):
        return [f"{head}\n  cached: {resolved.id} ({resolved.data.label.text})"]
    units = len(made.benchmark.units(resolved.data, made.recipe))
    lines = [f"{head}\n  would run {units} units on {resolved.data.label.text}; {_cost(made, home)}"]
    return [*lines, *_memory(made, resolved)]


def _cost(made: Plan, store: Store) -> str:
    """Expected CPU time, and the record that it rests on."""
    spec = made.spec
    known = [*read_folder(store.records).records, *reference_records()]
    for record, _ in known:
        same = all(record.spec[key] == getattr(spec, key) for key in ("method", "benchmark", "preset", "variant"))
        if same and record.status == "complete":
            return f"about {record.run['cpu_seconds']:.0f} CPU-seconds ({record.id} took that)"
    return "cost not known: no record of this method, benchmark and preset yet"


def _memory(made: Plan, resolved: Resolved) -> list[str]:
    """Peak memory beside the method's network, where a benchmark works it out beforehand, from random weights."""
    if not hasattr(made.benchmark, "memory") or isinstance(made.method, GivenResults):
        return []
    try:
        net = made.method.build(made.values, Rng(made.spec.seed).under("init"))
        needed, what = made.benchmark.memory(made.method.adapt(net, made.values), resolved.data, made.recipe)
    except UnlabeledError as fault:
        return [f"  cannot run: {fault}"]
    return [f"  peak memory beside the network at most {needed / 2**20:.0f} MB ({what})"]


def results(store: Store | str | Path | None = None) -> pandas.DataFrame:
    """One row a record and metric: what was run, on what data, the score and its interval."""
    import pandas

    store = store if isinstance(store, Store) else Store(store)
    rows = []
    for record, _ in read_folder(store.records).records:
        row = {
            **{name: record.spec[name] for name in ("method", "variant", "benchmark", "recipe", "preset", "seed")},
            "label": record.data["label"]["text"],
            "status": record.status,
            "id": record.id,
        }
        for metric, score in record.scores.items() or {"": {}}.items():
            low, high = score.get("interval") or (None, None)
            number = {"metric": metric, "value": score.get("value"), "low": low, "high": high, "n": score.get("n")}
            rows.append({**row, **number})
    return pandas.DataFrame(rows)


def reference_records() -> tuple[tuple[Record, Path], ...]:
    """The project's own records, as they were installed."""
    return read_folder(reference()).records


# ---------------------------------------------------------------- before the units


def _device(made: Plan, device: str) -> str:
    if device not in ("auto", "cpu", "cuda"):
        raise WrongCall(f"--device {device}", "give auto, cpu or cuda")
    if device == "cuda" and "cuda" not in made.method.devices:
        raise WrongCall(f"{made.method.id} runs on the CPU only", "leave --device out")
    if device == "cpu" or "cuda" not in made.method.devices:
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise WrongCall("--device cuda: torch sees no CUDA device", "run `unlabeled doctor`, or use --device cpu")
    return "cpu"


def _cached(resolved: Resolved, store: Store, overwrite: Overwrite, keep: Keep, watch: Watch) -> Record | None:
    if overwrite == "always":
        return None
    record = store.find(resolved.key)
    if record is None and overwrite == "never":
        found = store.read()
        for unread in found.set_aside:
            watch.say(unread.reason)
        same = (r for r, _ in found.records if r.keys["spec"] == resolved.spec_key and r.status != "failed")
        record = next(same, None)
    if record is not None and keep == "predictions" and (record.items or {}).get("keep") != keep:
        return None
    return record


def _refuse_fatal(resolved: Resolved, store: Store | None) -> None:
    """Raise for data that cannot be used; with a store the failure is recorded there."""
    data = resolved.data
    fatal = [problem for problem in data.problems if problem.fatal]
    if not fatal:
        return
    fault = BadData(
        f"{data.folder} cannot be used as {data.dataset}:\n  " + "\n  ".join(by_kind(fatal, 3)),
        f"`unlabeled datasets verify {data.dataset} --data {data.folder}` lists them all",
    )
    if store is not None:
        clock = Clock.start()
        _write_failure(stamped(failed(resolved, {}, fault), clock, "cpu", 0), store)
    raise fault


# ---------------------------------------------------------------- the units


def _compute(resolved: Resolved, store: Store, device: str, keep: Keep, overwrite: Overwrite, watch: Watch) -> Record:
    clock = Clock.start()
    # Units journalled without predictions cannot serve a run that keeps them, nor old units one that computes anew.
    aim = [word for word in (keep, overwrite) if word in ("predictions", "always")]
    journal = Journal(store, "-".join([resolved.key, *aim]))
    resumed = len(journal.done)
    if resumed:
        watch.say(f"{resumed} finished units of an earlier start are taken over")
    try:
        learned = _run_units(resolved, journal, store, device, keep, watch)
        record = finish(resolved, store, journal, keep, learned)
    except Exception as fault:
        _write_failure(stamped(failed(resolved, journal.done, fault), clock, device, resumed), store)
        if isinstance(fault, UnlabeledError):
            raise
        raise _told(fault, resolved, store) from fault
    record = stamped(record, clock, device, resumed)
    store.write_places(record.id, _places(resolved))
    file = store.write(record)
    journal.remove()
    _failure_file(record.id, store).unlink(missing_ok=True)
    # What is returned now is what a later call reads.
    return records.parse(record.to_json(), file.name)


def _run_units(
    resolved: Resolved, journal: Journal, store: Store, device: str, keep: Keep, watch: Watch
) -> dict[str, Any]:
    """Score the units that the journal lacks; for the record, what the method learned before or was given."""
    made, data = resolved.plan, resolved.data
    units = made.benchmark.units(data, made.recipe)
    rng = Rng(made.spec.seed)
    if resolved.pretrain is None:
        net, learned = pretrain.network(made, resolved.needs, store, device, watch)
    else:
        net, taught = pretrain.ensure(resolved.pretrain, store, device, watch)
        learned = {"pretrain": taught}
    if made.weights is not None and not made.weights.untrained:
        learned = {"weights": weights_module.fill(made.weights, net, made.method, made.values)}
    role = made.method.adapt(net if net is None else net.to(device), made.values)
    if made.spec.random_weights:
        role = weights_module.untrained(role, net)
    if "chance" not in made.method.roles:
        role = made.benchmark.prepare(role, data, made.recipe)
    faults: list[BadData] = []
    for done, unit in enumerate(units):
        watch.step(f"{made.spec.benchmark} {made.spec.method}", done, len(units))
        if unit in journal.done:
            continue
        try:
            if "chance" in made.method.roles:
                outcome = made.benchmark.chance(unit, data, made.recipe)
            else:
                outcome = made.benchmark.run_unit(unit, data, role, made.recipe, rng.under(unit), keep)
        except UnlabeledError as fault:
            told = f"{unit}: {fault.what}"
            if not isinstance(fault, BadData) or not isinstance(made.method, GivenResults):
                raise type(fault)(told, fault.todo) from fault
            faults.append(BadData(told, fault.todo))
            continue
        journal.append(unit, outcome)
    watch.step(f"{made.spec.benchmark} {made.spec.method}", len(units), len(units))
    if faults:
        # The files of somebody's folder are mended in one go, so all that is wrong with them is told at once.
        raise BadData("\n".join(fault.what for fault in faults), faults[0].todo)
    return learned


def _places(resolved: Resolved) -> dict[str, Path]:
    """The folders that pictures of this run need; no record names a place on somebody's machine."""
    made, places = resolved.plan, {}
    if made.data is not None:
        places["data"] = made.data
    if made.pretrain is not None and made.pretrain.data is not None:
        places["pretrain"] = made.pretrain.data
    if isinstance(made.method, GivenResults):
        places["results"] = made.method.folder
    return places


def _failure_file(run_id: str, store: Store) -> Path:
    """A failure has a file of its own: it never takes the place of a finished record."""
    return store.records / f"{run_id}-failed.json"


def _write_failure(record: Record, store: Store) -> None:
    # Where even the failure cannot be written, the fault itself is what to tell.
    with contextlib.suppress(UnlabeledError):
        store.write(dataclasses.replace(record, id=f"{record.id}-failed"))


def _told(fault: Exception, resolved: Resolved, store: Store) -> UnlabeledError:
    """A fault inside a method, with the settings that may have caused it."""
    spec = resolved.plan.spec
    settings = ", ".join(f"{name}={value}" for name, value in spec.settings)
    where = f"{spec.method} failed on {spec.benchmark}: {type(fault).__name__}: {fault}"
    advice = f"check the changed settings ({settings}); " if settings else ""
    return UnlabeledError(where, f"{advice}the traceback stands in {_failure_file(resolved.id, store)}")
