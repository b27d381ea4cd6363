"""What pictures of moved labels are drawn from, for a toy that no registry knows."""

from contextlib import nullcontext
from types import SimpleNamespace

from unlabeled import registry
from unlabeled.pictures.tracks import Tracks


def tracks(role, record, folder, data):
    """The tracks of a run whose method gives this role."""
    benchmark = registry.load("benchmarks", record.spec["benchmark"])
    system = SimpleNamespace(
        record=record, scored=lambda: role, running=lambda what: nullcontext(), learned=None,
        data=registry.load("datasets", benchmark.dataset).survey(data),
        plan=SimpleNamespace(benchmark=benchmark, recipe=benchmark.recipes[record.spec["recipe"]]),
    )  # fmt: skip
    return Tracks(system, folder)
