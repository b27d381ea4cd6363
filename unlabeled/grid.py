"""Which runs `run-all` makes, and how far each lies from the project's own record of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from unlabeled import registry, run
from unlabeled.errors import AbsentData, Exit, UnlabeledError
from unlabeled.records import Record
from unlabeled.store import Store, read_folder, reference, write_atomic, writing


@dataclass(frozen=True)
class Pair:
    """One method on one benchmark."""

    method: str
    benchmark: str


def home() -> tuple[list[Pair], list[str]]:
    """Every method on its home benchmarks, in order of benchmarks; and the plug-ins that cannot be loaded."""
    pairs, broken = [], []
    built = set(registry.names("benchmarks"))
    for name in registry.names("methods"):
        try:
            method = registry.load("methods", name)
        except UnlabeledError as fault:
            broken.append(str(fault))
            continue
        pairs += [Pair(name, benchmark) for benchmark in method.home if benchmark in built]
    # The floor of a table first, then by name: a reader sees what chance is before anything else.
    return sorted(pairs, key=lambda pair: (pair.benchmark, pair.method != "chance", pair.method)), broken


@dataclass(frozen=True)
class Done:
    """One run of the grid: its record, or why there is none; `cached` where nothing was computed."""

    pair: Pair
    seed: int
    record: Record | None
    fault: UnlabeledError | None
    cached: bool


@dataclass
class Tally:
    """What became of the runs of a grid."""

    done: int = 0
    computed: int = 0
    failed: int = 0
    partial: int = 0

    def add(self, run: Done) -> None:
        """Count one run; a set that is not there is neither done nor failed."""
        if run.record is None:
            self.failed += not isinstance(run.fault, AbsentData)
            return
        self.done += 1
        self.computed += not run.cached
        self.partial += run.record.status == "partial"

    def line(self, total: int) -> str:
        """The last line of `run-all`."""
        return f"{self.done} of {total} runs done, {self.computed} computed now, {self.failed} failed"

    def exit(self) -> int:
        """Exit status: something failed, nothing could be run, something is partial, or all is well."""
        if self.failed:
            return Exit.OTHER
        if not self.done:
            return Exit.BAD_DATA
        return Exit.PARTIAL if self.partial else 0


def run_all(
    pairs: list[Pair],
    seeds: list[int],
    *,
    data: Path | str | None,
    preset: str,
    store: Store,
    device: str,
    trust_reference: bool,
    watch: run.Watch,
) -> Iterator[Done]:
    """Run the pairs one by one. A run that fails is reported and the next one starts."""
    trusted = {record.keys["spec"]: record for record, _ in run.reference_records()} if trust_reference else {}
    for pair in pairs:
        for seed in seeds:
            before = datetime.now(UTC)
            try:
                record = _trusted(pair, seed, data, preset, store, trusted, watch) or run.evaluate(
                    pair.method, pair.benchmark, data=data, preset=preset, seed=seed, store=store, device=device,
                    watch=watch,
                )  # fmt: skip
            except UnlabeledError as fault:
                yield Done(pair, seed, None, fault, False)
            except Exception as fault:
                # A plug-in that breaks outside its units must not take the other runs with it.
                told = UnlabeledError(f"{pair.method} on {pair.benchmark}: {type(fault).__name__}: {fault}")
                yield Done(pair, seed, None, told, False)
            else:
                cached = datetime.fromisoformat(record.run["started"]) < before
                yield Done(pair, seed, record, None, cached)


def _trusted(
    pair: Pair,
    seed: int,
    data: Path | str | None,
    preset: str,
    store: Store,
    trusted: Mapping[str, Record],
    watch: run.Watch,
) -> Record | None:
    if not trusted:
        return None
    made = run.plan.make(pair.method, pair.benchmark, data=data, preset=preset, seed=seed)
    return trusted.get(run.resolve(made, store, watch).spec_key)


def distance(record: Record) -> str:
    """How far a record lies from the project's own one of the same question; empty where there is none."""
    for known, _ in run.reference_records():
        if known.keys["spec"] == record.keys["spec"] and known.status == "complete":
            gaps = [record.scores[name]["value"] - score["value"] for name, score in known.scores.items()]
            if not any(gaps):
                return "equal to the reference record"
            return f"{max(gaps, key=abs):+.4f} from the reference record"
    return ""


def adoptable(record: Record) -> bool:
    """Whether a record can be one of the project's own: whole, official, as published."""
    official = record.data["label"]["kinds"] == ["official"] and record.spec["preset"] == "paper"
    return official and record.status == "complete" and not record.deviations


def adopt(record: Record, store: Store, with_items: bool) -> Path | None:
    """Make a record one of the project's own, in place of older ones of the same question.

    The older ones go when the new one is on disk. None where the record is the project's own already.
    """
    folder, source = reference(), store.records / f"{record.id}.json"
    if not source.is_file():
        return None
    if with_items and record.items:
        write_atomic(folder / record.items["file"], (store.records / record.items["file"]).read_bytes())
    write_atomic(folder / source.name, source.read_bytes())
    with writing(folder):
        for old, file in read_folder(folder).records:
            if old.keys["spec"] == record.keys["spec"] and old.id != record.id:
                file.with_name(f"{old.id}.items.jsonl.gz").unlink(missing_ok=True)
                file.unlink()
    return folder / source.name
