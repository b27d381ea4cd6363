"""Run many tasks with a few long-lived processes; the store is their only meeting point."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unlabeled import run
from unlabeled.errors import AbsentData, Exit, UnlabeledError
from unlabeled.records import Record
from unlabeled.store import Store


@dataclass(frozen=True)
class Task:
    """The arguments of one run."""

    method: str
    benchmark: str
    recipe: str | None
    variant: str
    preset: str
    seed: int
    data: str | None
    device: str
    store: Path
    trust_reference: bool = False


@dataclass(frozen=True)
class Done:
    """One run of the grid: its record, or why there is none; `cached` where nothing was computed."""

    task: Task
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


def run_all(tasks: Sequence[Task], workers: int, watch: run.Watch) -> Iterator[Done]:
    """Run the tasks, each as soon as a worker is free; what ends first comes first.

    A task that fails is reported and the others go on. One worker is this very process.
    """
    if workers <= 1 or len(tasks) <= 1:
        yield from (_run(task, watch) for task in tasks)
        return
    # Spawned, not forked: a forked child of a process with threads can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context) as pool:
        waiting = {pool.submit(_run, task, run.Watch()): task for task in tasks}
        try:
            for ended, future in enumerate(as_completed(waiting)):
                watch.step("runs", ended, len(tasks))
                try:
                    yield future.result()
                except BrokenProcessPool:
                    told = "a worker process was killed (out of memory?)"
                    yield Done(waiting[future], None, UnlabeledError(told, "the same command goes on"), False)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _run(task: Task, watch: run.Watch) -> Done:
    before = datetime.now(UTC)
    asked: dict[str, Any] = {
        "data": task.data,
        "recipe": task.recipe,
        "variant": task.variant,
        "preset": task.preset,
        "seed": task.seed,
    }
    store = Store(task.store)
    try:
        record = _trusted(task, asked, store) or run.evaluate(
            task.method, task.benchmark, store=store, device=task.device, watch=watch, **asked
        )
    except UnlabeledError as fault:
        return Done(task, None, fault, False)
    except Exception as fault:
        # A plug-in that breaks outside its units must not take the other runs with it.
        told = UnlabeledError(f"{task.method} on {task.benchmark}: {type(fault).__name__}: {fault}")
        return Done(task, None, told, False)
    return Done(task, record, None, datetime.fromisoformat(record.run["started"]) < before)


def _trusted(task: Task, asked: dict[str, Any], store: Store) -> Record | None:
    """The project's own record of the same question, where those are taken as cached."""
    if not task.trust_reference:
        return None
    store.prepare()
    resolved = run.resolve(run.plan.make(task.method, task.benchmark, **asked), store, run.Watch())
    own = (record for record, _ in run.reference_records() if record.keys["spec"] == resolved.spec_key)
    return next(own, None)
