"""Names to plug-ins, without importing any of them before it is used.

Our own methods, benchmarks and readers are files (`methods/<id>.py` ends in `METHOD = ...`); those of
third parties come through the entry points `unlabeled.methods`, `unlabeled.benchmarks` and
`unlabeled.datasets`. A plug-in that cannot be imported is reported by name and breaks nothing else.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points, packages_distributions
from pathlib import Path
from typing import Any, Literal

from unlabeled.errors import UnlabeledError, WrongCall

Kind = Literal["methods", "benchmarks", "datasets"]
KINDS: tuple[Kind, ...] = ("methods", "benchmarks", "datasets")
ADAPTERS = {"hear": "unlabeled.hear"}
"""Names `prefix:MODULE` lead to a module of anybody's, through an adapter of ours."""
LIBRARIES = {"timm": "unlabeled.library_timm", "torchvision": "unlabeled.library_torchvision"}
"""Names `prefix:NAME` lead to a model of the library of that name, through an adapter of ours."""
ATTRIBUTE = {"methods": "METHOD", "benchmarks": "BENCHMARK", "datasets": "DATASET"}


@dataclass(frozen=True)
class Plugin:
    """Where a name leads: `module:attribute`, and the distribution that brought it."""

    kind: Kind
    name: str
    module: str
    attribute: str
    distribution: str
    adapter: str = ""

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that a code key starts at."""
        return (self.module, self.adapter) if self.adapter else (self.module,)

    def load(self) -> Any:
        """Import the module and return the object; a class is called without arguments."""
        try:
            found: Any = importlib.import_module(self.module)
            if self.adapter:
                return importlib.import_module(self.adapter).method(self.attribute or self.module)
            for part in self.attribute.split("."):
                found = getattr(found, part)
            plugin = found() if isinstance(found, type) else found
        except WrongCall:
            raise
        except Exception as fault:
            raise UnlabeledError(
                f"{self.kind[:-1]} {self.name!r} ({self.module}, from {self.distribution}) cannot be loaded: "
                f"{type(fault).__name__}: {fault}",
                "mend or uninstall that package; every other name still works",
            ) from fault
        told = f"{self.kind[:-1]} {self.name!r} ({self.module}, from {self.distribution})"
        refuse_incomplete(self.kind, plugin, told)
        if plugin.id != self.name:
            raise UnlabeledError(
                f"{self.kind[:-1]} {self.name!r} ({self.module}) calls itself {plugin.id!r}",
                "its `id` and the name it is registered under must be equal",
            )
        return plugin

    def source(self) -> Path | None:
        """The file of the module, found without importing it."""
        try:
            spec = importlib.util.find_spec(self.module)
        except (ImportError, ValueError):
            return None
        return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None

    def summary(self) -> str:
        """First line of the module's docstring, read from the file, not by import."""
        source = self.source()
        if source is None:
            return f"(from {self.distribution})"
        docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
        return docstring.partition("\n")[0]


NEEDED = {
    "methods": (
        "id", "cite", "roles", "home", "presets", "variants", "devices", "supervision", "exact_with", "build", "adapt",
    ),
    "benchmarks": (
        "id", "title", "dataset", "metrics", "recipes", "units", "prepare", "run_unit", "aggregate", "chance",
    ),
    "datasets": ("id", "modality", "where", "world", "find", "survey", "blank"),
}  # fmt: skip


def refuse_incomplete(kind: Kind, plugin: Any, name: str) -> None:
    """A plug-in must have everything its contract names.

    Raises
    ------
    UnlabeledError : it lacks something.
    """
    missing = [attribute for attribute in NEEDED[kind] if not hasattr(plugin, attribute)]
    if missing:
        raise UnlabeledError(
            f"{name} has no {', '.join(missing)}", f"subclass unlabeled.contracts.{kind[:-1].capitalize()}"
        )


@cache
def _plugins(kind: Kind) -> tuple[dict[str, Plugin], tuple[str, ...]]:
    """All names of one kind, and what is wrong with the list."""
    package = importlib.util.find_spec(f"unlabeled.{kind}")
    folders = list(package.submodule_search_locations or ()) if package else []
    ours = {
        file.stem: Plugin(kind, file.stem, f"unlabeled.{kind}.{file.stem}", ATTRIBUTE[kind], "unlabeled")
        for folder in folders
        for file in sorted(Path(folder).glob("*.py"))
        if not file.stem.startswith("_")
    }
    found, faults = dict(ours), []
    for point in sorted(entry_points(group=f"unlabeled.{kind}"), key=_order):
        plugin = Plugin(kind, point.name, point.module, point.attr or ATTRIBUTE[kind], _origin(point))
        if plugin.name in found:
            taken = found[plugin.name].distribution
            faults.append(f"{kind[:-1]} {plugin.name!r} of {plugin.distribution}: the name is taken by {taken}")
        else:
            found[plugin.name] = plugin
    return found, tuple(faults)


def _order(point: EntryPoint) -> tuple[str, str]:
    return point.name, _origin(point)


def _origin(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "an unknown distribution"


def names(kind: Kind) -> list[str]:
    """Every registered name, sorted."""
    return sorted(_plugins(kind)[0])


def faults(kind: Kind) -> tuple[str, ...]:
    """Plug-ins that were left out, and why."""
    return _plugins(kind)[1]


def find(kind: Kind, name: str) -> Plugin:
    """The plug-in of a name.

    Raises
    ------
    WrongCall : no such name; the near ones are listed.
    """
    known = _plugins(kind)[0]
    prefix, _, module = name.partition(":")
    if kind == "methods" and prefix in ADAPTERS and module:
        top = packages_distributions().get(module.partition(".")[0], ["no distribution"])
        return Plugin(kind, name, module, "", top[0], ADAPTERS[prefix])
    if kind == "methods" and prefix in LIBRARIES and module:
        return Plugin(kind, name, LIBRARIES[prefix], module, prefix, LIBRARIES[prefix])
    if name not in known:
        raise unknown(kind[:-1], name, known)
    return known[name]


def load(kind: Kind, name: str) -> Any:
    """The plug-in object of a name, imported now."""
    return find(kind, name).load()


def unknown(what: str, name: str, known: Iterable[str]) -> WrongCall:
    """The error for a name that is not known, with the near ones (all of them if they are few)."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=5, cutoff=0.4)
    more = f" and {len(known) - 12} more" if len(known) > 12 else ""
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known[:12]) or 'none'}{more}"
    return WrongCall(f"no {what} is called {name!r}", hint)
