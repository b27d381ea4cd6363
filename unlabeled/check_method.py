"""`check-method`: does a method keep its contract? Seen on tiny generated items, so that no data is needed.

Looked at: what it declares, shapes and axis order, numbers that are none, seeding, inputs that must stay as they are,
items that must not depend on their neighbours, and whether a pretext can be learned from at all. Not looked at: whether
it is any good.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, get_args, get_type_hints

from unlabeled import (
    check_audio,
    check_classifier,
    check_clips,
    check_dense,
    check_image,
    check_pretext,
    contracts,
    registry,
)
from unlabeled.check_basics import Check, Finding, expect, try_all, under_globals
from unlabeled.check_pretext import short
from unlabeled.errors import UnlabeledError
from unlabeled.run import Watch
from unlabeled.streams import Rng


class Make(Protocol):
    """Builds what is checked anew, from the seed of its random weights."""

    def __call__(self, seed: int = 0, /) -> Any: ...


ROLES: Mapping[str, Callable[[Make, str, Watch], list[Finding]]] = {
    "classifier": check_classifier.check,
    "video_classifier": check_clips.check,
    "audio": check_audio.check,
    "image": check_image.check,
    "video": check_image.check_video,
    "dense": check_dense.check,
    "mask_classifier": check_dense.check,
    "propagator": check_dense.check_propagator,
}
SIZES = ("nano", "mini", "paper")
"""Presets that `run-all` and the tables ask for."""
STEPS, BATCH = 12, 24
"""A role that learns takes no more steps and no larger batches than these: enough for the easy tasks here."""


def check(method: Any, watch: Watch | None = None) -> list[Finding]:
    """Everything that was looked at in a method, a registered name or an object, in the order of looking.

    The smallest preset is used, on the CPU, seed 0. Whatever the method raises is a finding.

    Raises
    ------
    WrongCall : no method is called so.
    """
    watch = watch or Watch()
    if isinstance(method, str):
        plugin = registry.find("methods", method)
        try:
            method = plugin.load()
        except UnlabeledError as fault:
            return [Finding("loads", False, fault.what)]
    title = f"checking {getattr(method, 'id', type(method).__name__)}"
    findings = try_all(DECLARED, method, title, watch)
    if not all(finding.ok for finding in findings):
        return [*findings, Finding("calls", True, "not called before the declaration is right", note=True)]
    for role in sorted(method.roles):
        findings += _role(method, role, title, watch)
    return findings + _pretexts(method, title, watch)


def _role(method: Any, role: str, title: str, watch: Watch) -> Iterable[Finding]:
    if role == "chance":
        return [Finding("chance", True, "nothing to call: benchmarks work their chance level out themselves")]
    if role not in ROLES:
        return [Finding(role, True, "no check is written for this role yet", note=True)]
    preset, values = _smallest(method, role)
    values = _shortened(values)

    def make(seed: int = 0) -> Any:
        return method.adapt(method.build(values, Rng(seed).under("init")), values)

    findings, _ = under_globals(0, lambda: ROLES[role](make, f"{title} ({role}, {preset})", watch))
    return findings


def _pretexts(method: Any, title: str, watch: Watch) -> list[Finding]:
    """A method has one pretext, or one for each role that its preset is set to."""
    findings: list[Finding] = []
    looked: list[Any] = []
    if not hasattr(method, "pretext"):
        return findings
    for role in sorted(method.roles):
        preset, values = _smallest(method, role)
        if values not in looked:
            looked.append(values)
            findings += check_pretext.check(method, values, f"{title} (pretext, {preset})", watch)
    return findings


def _smallest(method: Any, role: str) -> tuple[str, Any]:
    """The smallest preset and its values, with the role in it where it has such a field, as recipes set it."""
    preset = next((name for name in SIZES if name in method.presets), next(iter(method.presets)))
    values = method.presets[preset]
    asks = any(field.name == "role" for field in dataclasses.fields(values))
    return preset, dataclasses.replace(values, role=role) if asks else values


def _shortened(values: Any) -> Any:
    """A preset with the trainings in it cut down."""
    held = {field.name: getattr(values, field.name) for field in dataclasses.fields(values)}
    cut = {name: short(plan, STEPS, BATCH) for name, plan in held.items() if isinstance(plan, contracts.Train)}
    return dataclasses.replace(values, **cut)


def lines(findings: Iterable[Finding], every: bool = False) -> list[str]:
    """Findings for a screen: faults and notes, with `every` all of them, and how many there are."""
    findings = list(findings)
    marks = ["note" if f.note else "ok" if f.ok else "FAULT" for f in findings]
    text = [f"{m:<5}  {f.name}: {f.text}" for m, f in zip(marks, findings, strict=True) if every or m != "ok"]
    return [*text, f"{marks.count('ok')} ok, {marks.count('note')} notes, {marks.count('FAULT')} faults"]


# ---------------------------------------------------------------- what is declared


def _get(method: Any, name: str) -> Any:
    expect(hasattr(method, name), f"it has no `{name}`")
    return getattr(method, name)


def _names(method: Any) -> str:
    id, cite = _get(method, "id"), _get(method, "cite")
    expect(
        isinstance(id, str) and bool(id) and not any(c.isspace() for c in id),
        f"`id` is a name without blanks, not {id!r}",
    )
    expect(isinstance(cite, str), f"`cite` is a citation key (it may be empty), not {cite!r}")
    return f"id {id!r}, cite {cite!r}"


def _roles(method: Any) -> str:
    roles = _get(method, "roles")
    known = ", ".join(contracts.ROLES)
    expect(
        isinstance(roles, frozenset | set) and bool(roles), f"`roles` is a frozenset of some of {known}, not {roles!r}"
    )
    unknown = sorted(map(str, set(roles) - set(contracts.ROLES)))
    expect(not unknown, f"no role is called {', '.join(unknown)}; known: {known}")
    return f"roles {', '.join(sorted(roles))}"


def _home(method: Any) -> str:
    home = _get(method, "home")
    expect(
        isinstance(home, tuple) and all(isinstance(name, str) for name in home),
        f"`home` is a tuple of names of benchmarks, not {home!r}",
    )
    return f"home {', '.join(home) or 'nowhere: run-all leaves it out'}"


def _home_known(method: Any) -> str:
    unknown = sorted(set(method.home) - set(registry.names("benchmarks")))
    expect(not unknown, f"home names benchmarks that are not installed: {', '.join(unknown)}")
    return "every home benchmark is installed"


def _frozen(presets: Any, where: str) -> None:
    expect(isinstance(presets, Mapping) and bool(presets), f"`{where}` is a table of name -> preset, not {presets!r}")
    for name, preset in presets.items():
        good = dataclasses.is_dataclass(preset) and not isinstance(preset, type)
        expect(good, f"`{where}` {name!r} is an object of a frozen dataclass, not {preset!r}")
        expect(
            type(preset).__dataclass_params__.frozen,
            f"`{where}` {name!r}: {type(preset).__name__} can be changed; write @dataclass(frozen=True)",
        )


def _presets(method: Any) -> str:
    presets = _get(method, "presets")
    _frozen(presets, "presets")
    return f"presets {', '.join(presets)}"


def _sizes(method: Any) -> str:
    missing = [name for name in SIZES if name not in method.presets]
    expect(not missing, f"no preset {', '.join(missing)}: it cannot be run at that size")
    return f"presets {', '.join(SIZES)} are there"


def _variants(method: Any) -> str:
    variants = getattr(method, "variants", {})
    expect(isinstance(variants, Mapping), f"`variants` is a table of name -> presets, not {variants!r}")
    for name, presets in variants.items():
        _frozen(presets, f"variants[{name!r}]")
    return f"variants {', '.join(variants) or 'none'}"


def _supervision(method: Any) -> str:
    known = get_args(get_type_hints(contracts.Method)["supervision"])
    found = _get(method, "supervision")
    expect(found in known, f"`supervision` is one of {', '.join(known)}, not {found!r}")
    return f"supervision {found}"


def _devices(method: Any) -> str:
    devices = _get(method, "devices")
    good = isinstance(devices, tuple) and "cpu" in devices and set(devices) <= {"cpu", "cuda"}
    expect(good, f"`devices` is ('cpu',) or ('cpu', 'cuda'), not {devices!r}")
    return f"devices {', '.join(devices)}"


def _callable(method: Any) -> str:
    missing = [f"{name}{arguments}" for name, arguments in CALLED.items() if not callable(getattr(method, name, None))]
    expect(not missing, f"it has no {' and no '.join(missing)}; subclass unlabeled.contracts.Method")
    return "build and adapt can be called"


CALLED = {"build": "(preset, rng)", "adapt": "(net, preset)"}
DECLARED: Sequence[Check[Any]] = (
    Check("names", _names),
    Check("roles", _roles),
    Check("home", _home),
    Check("home benchmarks", _home_known, required=False),
    Check("presets", _presets),
    Check("preset sizes", _sizes, required=False),
    Check("variants", _variants),
    Check("supervision", _supervision),
    Check("devices", _devices),
    Check("build and adapt", _callable),
)
