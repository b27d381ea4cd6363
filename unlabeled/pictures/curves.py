"""Learning curves of a pretext: losses and logged values by step, its own task on held-out data with the controls."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unlabeled.errors import AbsentData, BadData
from unlabeled.pictures.sheet import Plate, save
from unlabeled.pictures.system import System

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILE = "curve.csv"
BESIDE = ("step", "cpu_s", "lr")
"""Columns that are no value of the pretext."""
LOSS = "loss"
COLUMNS = 3
SIGMAS = 3
"""Standard errors that a bar shows either way: so far from chance the value must lie, so near to it the controls."""

Curve = Mapping[str, np.ndarray]


def draw(system: System, out: Path) -> list[Plate]:
    """One plate: a panel of losses, one of each logged value, one of the held-out task."""
    assert system.learned is not None
    curve, sanity = read(system.checkpoint / FILE), system.learned["sanity"]
    steps = f"{curve['step'][-1]:.0f} steps, " if len(curve.get("step", ())) else ""
    cost = f"{steps}{system.learned['cpu_seconds']:.0f} CPU-seconds of training"
    file = save(_panels(curve, sanity, f"{system.name}: {cost}"), out / "learning-curves.png")
    caption = (
        f"Values in training are means over the steps since the point before. {sanity['name'].capitalize()} is that of "
        f"held-out items after training, with bars of {SIGMAS} standard errors; a control destroys the signal, and the "
        f"network must fall back to chance."
    )
    return [Plate(file, "Learning curves", caption)]


def read(file: Path) -> Curve:
    """The columns of a learning curve, NaN where one is empty; no rows are no columns.

    Raises
    ------
    AbsentData : there is no such file.
    BadData : it holds something else than numbers.
    """
    if not file.is_file():
        raise AbsentData(f"{file} is not there")
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        return {name: np.array([float(row[name] or "nan") for row in rows]) for name in (rows[0] if rows else ())}
    except (ValueError, TypeError, csv.Error) as fault:
        raise BadData(f"{file} is no learning curve: {fault}") from fault


def _panels(curve: Curve, sanity: Mapping[str, Any], title: str) -> Figure:
    losses = [name for name in curve if name == LOSS or name.startswith(f"{LOSS}.")]
    logged = [name for name in curve if name not in (*losses, *BESIDE)]
    groups: list[Sequence[str]] = [*([losses] if losses else []), *([name] for name in logged)]
    columns = min(COLUMNS, len(groups) + 1)
    rows = math.ceil((len(groups) + 1) / columns)
    figure = Figure(figsize=(4.6 * columns, 3.9 * rows + 0.4), layout="constrained")
    figure.suptitle(title, fontsize=15)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, names in zip(panels, groups, strict=False):
        _values(axes, curve, names)
    _held_out(panels[len(groups)], sanity)
    for axes in panels[len(groups) + 1 :]:
        axes.set_axis_off()
    return figure


def _values(axes: Axes, curve: Curve, names: Sequence[str]) -> None:
    """Columns over steps."""
    for name in names:
        axes.plot(curve["step"], curve[name], linewidth=1.8, label=name.removeprefix(f"{LOSS}."))
    if len(names) > 1:
        axes.legend(fontsize=11)
    axes.set_title("training loss" if names[0].startswith(LOSS) else f"{names[0]}, in training", fontsize=13)
    axes.set_xlabel("step", fontsize=12)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.tick_params(labelsize=11)
    axes.grid(alpha=0.3)


def _held_out(axes: Axes, sanity: Mapping[str, Any]) -> None:
    """The value on held-out data and that of each control, with the line of chance."""
    found = {"held-out\nitems": sanity, **{f"control:\n{name}": value for name, value in sanity["controls"].items()}}
    axes.axhline(sanity["chance"], color="black", linestyle="--", linewidth=1.5, label=f"chance {sanity['chance']:.3g}")
    for place, one in enumerate(found.values()):
        colour = "tab:green" if place == 0 else "tab:grey"
        axes.errorbar(place, one["value"], SIGMAS * one["se"], fmt="o", color=colour, capsize=6, markersize=9)
        words = f"{one['value']:.3f}"
        axes.annotate(words, (place, one["value"]), (8, 5), textcoords="offset points", fontsize=12)
    axes.set_xticks(range(len(found)), found, fontsize=11)
    axes.set_xlim(-0.5, len(found) - 0.25)
    axes.margins(y=0.2)
    axes.tick_params(axis="y", labelsize=11)
    axes.set_title(f"{sanity['name']}, n = {sanity['n']}", fontsize=13)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=11)
