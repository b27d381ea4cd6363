"""Which methods `run-all` puts through which benchmarks: a short tour, every home, or everything that fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from unlabeled import features, plan, published, registry
from unlabeled.errors import UnlabeledError

TOUR: dict[str, tuple[str, ...]] = {
    "esc10": ("chance", "knn_mfcc", "random_forest", "svm_mfcc"),
    "esc50": ("chance", "random_forest", "random"),
    "dcase2013": ("chance", "random"),
    "ucf101": ("chance", "random", "shuffle_and_learn", "supervised"),
    "davis2017": ("identity", "optical_flow", "video_colorization"),
    "jhmdb": ("identity", "optical_flow", "video_colorization"),
}
"""For each protocol its floor, a classic, and what tops it where that is built."""


@dataclass(frozen=True)
class Pair:
    """One method on one benchmark; without a recipe the first that fits its roles."""

    method: str
    benchmark: str
    recipe: str | None = None
    variant: str = ""


def pairs(name: str) -> tuple[list[Pair], list[str]]:
    """The pairs of a grid in order of benchmarks, and the plug-ins that cannot be loaded.

    Raises
    ------
    WrongCall : no grid of that name.
    """
    if name not in GRIDS:
        raise registry.unknown("grid", name, GRIDS)
    methods, broken = _load("methods")
    benchmarks, also_broken = _load("benchmarks")
    found = dict.fromkeys(GRIDS[name](methods, benchmarks))
    # The floor of a table first: a reader sees what chance is before anything else.
    order = sorted(found, key=lambda pair: (pair.benchmark, pair.method != "chance", pair.method, pair.variant))
    return order, [*broken, *also_broken]


def _load(kind: registry.Kind) -> tuple[dict[str, Any], list[str]]:
    loaded, broken = {}, []
    for name in registry.names(kind):
        try:
            loaded[name] = registry.load(kind, name)
        except UnlabeledError as fault:
            broken.append(str(fault))
    return loaded, broken


def _tour(methods: dict[str, Any], benchmarks: dict[str, Any]) -> list[Pair]:
    return [Pair(m, b) for b, names in TOUR.items() if b in benchmarks for m in names if m in methods]


def _home(methods: dict[str, Any], benchmarks: dict[str, Any]) -> list[Pair]:
    """Every method on its home benchmarks, and every pair of a published table that needs no given features."""
    found = [Pair(name, b) for name, method in methods.items() for b in method.home if b in benchmarks]
    for cell in published.load().cells.values():
        method, benchmark = methods.get(cell.method_id), benchmarks.get(cell.benchmark)
        if not method or not benchmark or (cell.run_variant and cell.run_variant not in method.variants):
            continue
        recipe = benchmark.recipes.get(cell.recipe_name)
        first = _first(method, benchmark, cell.run_variant)
        if recipe and not features.reads(recipe) and plan.fits(method, benchmark, recipe, cell.run_variant):
            named = None if cell.recipe_name == first else cell.recipe_name
            found.append(Pair(cell.method_id, cell.benchmark, named, cell.run_variant))
    return found


def _full(methods: dict[str, Any], benchmarks: dict[str, Any]) -> list[Pair]:
    """All pairs whose roles fit, with every variant that can meet generated data."""
    return [
        Pair(name, b, None, variant)
        for name, method in methods.items()
        for b, benchmark in benchmarks.items()
        for variant in ("", *(v for v, presets in method.variants.items() if presets.keys() & {*plan.WORLD_PRESETS}))
        if _first(method, benchmark, variant)
    ]


def _first(method: Any, benchmark: Any, variant: str = "") -> str:
    """The recipe that a run without one gets, empty where none fits."""
    fitting = (name for name, recipe in benchmark.recipes.items() if plan.fits(method, benchmark, recipe, variant))
    return next(fitting, "")


GRIDS: dict[str, Callable[[dict[str, Any], dict[str, Any]], list[Pair]]] = {"tour": _tour, "home": _home, "full": _full}
