"""From arguments to a RunSpec: which method, benchmark, recipe and constants a run will have."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from unlabeled import features as features_module
from unlabeled import registry
from unlabeled import weights as weights_module
from unlabeled.errors import AbsentData, WrongCall
from unlabeled.given import PRESET, GivenResults
from unlabeled.state import state_of
from unlabeled.weights import Weights

SMALL_PRESETS = ("nano", "mini")
"""What learns, learns from the world here, whatever data it is scored on; other data are given by name."""
WORLD_PRESETS = (*SMALL_PRESETS, "small")
PRESETS = (*WORLD_PRESETS, "paper")


@dataclass(frozen=True)
class RunSpec:
    """What is asked of one run. It names data by set and world, never by folder: the fingerprint does that.

    `source` is the module and distribution of the method: two methods of one name are two questions. `weights`,
    `key_map` and `features` are hashes.
    """

    method: str
    benchmark: str
    recipe: str
    preset: str
    variant: str = ""
    seed: int = 0
    world: str = ""
    limit: int | None = None
    settings: tuple[tuple[str, Any], ...] = ()
    point: str = ""
    source: str = ""
    weights: str = ""
    key_map: str = ""
    random_weights: bool = False
    features: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON values, as they stand in the record and in the spec key."""
        values = {**dataclasses.asdict(self), "settings": dict(self.settings)}
        # Questions that are not about these are what they were before there were any.
        for name in ("weights", "key_map", "random_weights", "features"):
            if not values[name]:
                del values[name]
        del values["world"]
        preset, _, seed = self.world.partition(":")
        return {**values, "world": preset, "world_seed": int(seed) if seed else None}


@dataclass(frozen=True)
class PretrainPlan:
    """The unlabelled data that a method learns from: a reader, and a root for it, or the world (`mini:11`) and None.

    `modules` are those of the method and this reader.
    """

    reader: Any
    data: Path | None
    world: str
    modules: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """A RunSpec with the objects it names, ready to meet data.

    `state` is what a method given as an object holds, in a hash; empty for a registered method, None where it
    cannot be told, so that the run cannot be cached. `modules` are those of method, benchmark and reader.
    `pretrain` is what the method learns from before, None where it learns nothing; `needs` are the plans of the methods
    that must have learned before that, by the names of the needs. `weights` are those it has instead of all this, None
    where it makes its own.
    """

    spec: RunSpec
    method: Any
    benchmark: Any
    dataset: Any
    recipe: Any
    values: Any
    modules: tuple[str, ...]
    state: str | None
    data: Path | None
    pretrain: PretrainPlan | None = None
    weights: Weights | None = None
    needs: tuple[tuple[str, Plan], ...] = ()


def make(
    method: Any,
    benchmark: Any,
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
    weights: str | Path | None = None,
    key_map: str | Path | None = None,
    random_weights: bool = False,
    features: str | Path | None = None,
) -> Plan:
    """Check the arguments against each other and bind names to objects.

    Raises
    ------
    WrongCall : an unknown name (near ones listed), a role the benchmark cannot use, a setting that is no
        field of the preset, a preset that needs data where none is given, or weights or features with nowhere to go.
    BadData : weights, a key map or features that cannot be read, or a model of a library that has none on this machine.
    """
    system, method_modules, origin, state = _bind_method(method)
    protocol, benchmark_modules, _ = _bind("benchmarks", benchmark)
    if protocol.dataset not in registry.names("datasets"):
        raise WrongCall(
            f"{protocol.id} reads the data set {protocol.dataset!r}, which no plug-in brings", "set its `dataset`"
        )
    reader, reader_modules, _ = _bind("datasets", protocol.dataset)
    name, constants = _recipe(protocol, system, recipe, variant)
    if isinstance(system, GivenResults):
        preset = PRESET
        _refuse_changing(settings, point, seed)
    if limit is not None and limit < 1:
        raise WrongCall(f"--limit {limit} keeps nothing", "give 1 or more")
    sets = dict(constants.sets)
    if "role" in sets:
        sets["role"] = served(constants, roles(system, variant))
    values, changed = _values(system, variant, preset, settings or {}, sets)
    if point:
        constants = dataclasses.replace(constants, point=point)
    world, root = _where(data, preset, seed, reader, needs_data="chance" not in system.roles)
    chosen = weights_module.choose(system, values, weights, key_map, random_weights)
    weights_module.refuse_learning(chosen, pretrain_data)
    constants, told = features_module.choose(protocol, name, constants, features)
    spec = RunSpec(system.id, protocol.id, name, preset, variant, seed, world, limit, changed, point, origin)
    spec = dataclasses.replace(spec, features=told)
    if chosen is not None:
        spec = dataclasses.replace(
            spec, weights=chosen.sha256, key_map=chosen.map_sha256, random_weights=chosen.untrained
        )
    modules = (*method_modules, *benchmark_modules, *reader_modules)
    modules += weights_module.NUMERIC if chosen else ()
    pretrain = (
        None if chosen else _pretraining(system, values, method_modules, (world, root), pretrain_data, preset, seed)
    )
    found = Plan(spec, system, protocol, reader, constants, values, modules, state, root, pretrain, chosen)
    return found if chosen else dataclasses.replace(found, needs=_needs(found, pretrain_data))


def _needs(made: Plan, given: str | Path | None) -> tuple[tuple[str, Plan], ...]:
    """The plans of the methods that a method requires; data that are given are theirs where it has no pretext itself.

    Raises
    ------
    WrongCall : one of them learns nothing before a benchmark.
    """
    found = []
    for need in made.method.requires:
        method, modules, origin = _bind("methods", need.method)
        values, _ = _values(method, need.variant, made.spec.preset, {}, {})
        unlabelled = given if made.pretrain is None else None
        pretrain = _pretraining(
            method, values, modules, (made.spec.world, made.data), unlabelled, made.spec.preset, made.spec.seed
        )
        if pretrain is None:
            raise WrongCall(f"{made.method.id} needs {method.id}, which learns nothing before a benchmark")
        spec = dataclasses.replace(
            made.spec, method=method.id, variant=need.variant, settings=(), point="", source=origin
        )
        plan = dataclasses.replace(
            made, spec=spec, method=method, values=values, modules=modules, state="", pretrain=pretrain
        )
        found.append((need.name, dataclasses.replace(plan, needs=_needs(plan, None))))
    return tuple(found)


def _pretraining(
    method: Any,
    values: Any,
    modules: tuple[str, ...],
    scored: tuple[str, Path | None],
    given: str | Path | None,
    preset: str,
    seed: int,
) -> PretrainPlan | None:
    """Where the unlabelled data of a method come from: those given, else the world's where the benchmark's are or the
    preset is made for it, else those of the benchmark's root."""
    if method.pretext(values) is None:
        if given is not None and not method.requires:
            raise WrongCall(f"{method.id} learns nothing before the benchmark", "leave --pretrain-data out")
        return None
    reader, reader_modules, _ = _bind("datasets", values.pretrain)
    world, root = scored
    if given is not None or (not world and preset in SMALL_PRESETS):
        world, root = _where(given, preset, seed, reader, True)
    return PretrainPlan(reader, root, world, (*modules, *reader_modules))


def _bind(kind: registry.Kind, name: str) -> tuple[Any, tuple[str, ...], str]:
    """The object of a name, its modules, where it comes from."""
    plugin = registry.find(kind, name)
    return plugin.load(), plugin.modules, f"{plugin.module} ({plugin.distribution})"


def _bind_method(thing: Any) -> tuple[Any, tuple[str, ...], str, str | None]:
    """The same for a method, which may also be given as an object; then with the hash of what it holds."""
    if isinstance(thing, str):
        return *_bind("methods", thing), ""
    if isinstance(thing, GivenResults):
        return thing, (type(thing).__module__,), thing.source, ""
    registry.refuse_incomplete("methods", thing, f"the method given, a {type(thing).__name__},")
    kind = type(thing)
    modules = (kind.__module__, *getattr(thing, "code", ()))
    known = "__main__" not in modules and "<locals>" not in kind.__qualname__
    return thing, modules, f"{kind.__module__}.{kind.__qualname__} (object)", state_of(thing) if known else None


def _recipe(benchmark: Any, method: Any, name: str | None, variant: str) -> tuple[str, Any]:
    """The recipe of a name; without a name the first one that asks for a role the method has."""
    usable = [key for key, recipe in benchmark.recipes.items() if fits(method, benchmark, recipe, variant)]
    if name is not None:
        name = name.removeprefix(f"{benchmark.id}/")
        if name not in benchmark.recipes:
            raise registry.unknown(f"recipe of {benchmark.id}", name, benchmark.recipes)
        if name in usable:
            return name, benchmark.recipes[name]
    if name is not None or not usable:
        asked = {f"{key} ({recipe.role})" for key, recipe in benchmark.recipes.items()}
        raise WrongCall(
            f"{method.id} gives {', '.join(sorted(roles(method, variant)))}; {benchmark.id} cannot use that"
            + (f" in recipe {name}" if name else ""),
            _variants_for(method, benchmark, name) or f"its recipes ask for: {', '.join(sorted(asked))}",
        )
    return usable[0], benchmark.recipes[usable[0]]


def _variants_for(method: Any, benchmark: Any, name: str | None) -> str:
    """Which variants of a method do what it does not do plainly, empty where none does."""
    recipe = benchmark.recipes.get(name)
    able = [v for v in method.variants if recipe is not None and fits(method, benchmark, recipe, v)]
    return f"choose --variant {' or '.join(able)}" if able else ""


def fits(method: Any, benchmark: Any, recipe: Any, variant: str = "") -> bool:
    """Whether a method gives what a recipe asks for; chance fits where a benchmark knows its exact value."""
    given = roles(method, variant)
    return bool(served(recipe, given)) or ("chance" in given and benchmark.chance is not None)


def served(recipe: Any, given: frozenset[str]) -> str:
    """The role of a method that a recipe uses: its own, or the first that serves by an adapter; empty where none."""
    return next((role for role in (recipe.role, *getattr(recipe, "adapts", ())) if role in given), "")


def roles(method: Any, variant: str) -> frozenset[str]:
    """The roles of a method; a variant whose presets have a field `role` gives that one alone."""
    presets = method.variants.get(variant, {}).values() if variant else ()
    fixed = frozenset(str(preset.role) for preset in presets if hasattr(preset, "role"))
    return fixed or frozenset(method.roles)


def _refuse_changing(settings: Mapping[str, Any] | None, point: str, seed: int) -> None:
    """A folder of results is what it is: nothing in it depends on a setting, and several seeds would be one result."""
    asked = {"--set": settings, "--point": point, "--seeds": seed}
    odd = " and ".join(name for name, value in asked.items() if value)
    if odd:
        raise WrongCall(f"{odd}: a folder of results is scored as it is", f"leave {odd} out")


def _values(
    method: Any, variant: str, preset: str, settings: Mapping[str, Any], sets: Mapping[str, Any]
) -> tuple[Any, Any]:
    """The preset with the recipe's own fields and the settings in it, and the settings that change something."""
    if variant and variant not in method.variants:
        raise registry.unknown(f"variant of {method.id}", variant, method.variants)
    presets = method.variants[variant] if variant else method.presets
    if preset not in presets:
        raise registry.unknown(f"preset of {method.id}", preset, presets)
    fields = {field.name: field for field in dataclasses.fields(presets[preset])}
    values = dataclasses.replace(presets[preset], **{name: sets[name] for name in sets if name in fields})
    changed = values
    for name, given in settings.items():
        changed = _changed(changed, name.split("."), given, f"setting of {method.id}", name)
    told = {name: setting(changed, name) for name in settings if setting(changed, name) != setting(values, name)}
    return changed, tuple(sorted(told.items()))


def setting(values: Any, name: str) -> Any:
    """The value of a setting; `train.batch` is a field of the preset's field `train`."""
    return functools.reduce(getattr, name.split("."), values)


def _changed(values: Any, path: Sequence[str], given: Any, what: str, name: str) -> Any:
    """Constants with one setting changed; `path` leads to it, `name` is the whole of what was asked for."""
    first, *rest = path
    fields = [field.name for field in dataclasses.fields(values)]
    if first not in fields:
        raise registry.unknown(what, first, fields)
    held = getattr(values, first)
    if rest and not dataclasses.is_dataclass(held):
        raise WrongCall(f"--set {name}: {first} has no fields of its own (it is {held!r})")
    if rest:
        value = _changed(held, rest, given, f"{what} below {first}", name)
    else:
        value = _parse(given, typing.get_type_hints(type(values))[first], name)
    return dataclasses.replace(values, **{first: value})


def _parse(given: Any, kind: Any, name: str) -> Any:
    """A setting as its field's type; text comes from the command line."""
    if kind is str:
        return str(given)
    try:
        value = json.loads(given.lower() if given in ("True", "False") else given) if isinstance(given, str) else given
    except ValueError:
        value = given
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    allowed = typing.get_args(kind) if typing.get_origin(kind) is Literal else ()
    if allowed and value not in allowed:
        raise WrongCall(f"--set {name}={given}", f"one of {', '.join(map(str, allowed))}")
    if isinstance(value, float) and not math.isfinite(value):
        raise WrongCall(f"--set {name}={given}", "a finite number is expected")
    if isinstance(kind, type) and type(value) is not kind:
        raise WrongCall(f"--set {name}={given}: a value of type {kind.__name__} is expected")
    return value


def is_number(text: str) -> bool:
    """Whether a text is a whole number in plain digits."""
    return text.isascii() and text.isdecimal()


def _where(data: str | Path | None, preset: str, seed: int, reader: Any, needs_data: bool) -> tuple[str, Path | None]:
    """`(world, root)`: `mini:11` and None for the world, empty and a folder for real data."""
    if data is None:
        if preset in WORLD_PRESETS:
            return f"{preset}:{seed}", None
        if needs_data:
            raise AbsentData(
                f"preset {preset} needs data: give --data ROOT", f"how to get {reader.id}:\n{reader.where}"
            )
        return "", None
    text = str(data)
    if not text:
        raise WrongCall("--data is empty", "name a folder, or leave it out for the generated world")
    if not text.startswith("world:"):
        return "", Path(data).expanduser()
    parts = text.split(":")
    if len(parts) != 3 or parts[1] not in WORLD_PRESETS or not is_number(parts[2]):
        known = ", ".join(WORLD_PRESETS)
        raise WrongCall(f"--data {text}", f"the world is named world:PRESET:SEED, PRESET one of {known}")
    return f"{parts[1]}:{int(parts[2])}", None
