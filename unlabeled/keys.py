"""The two keys of a run: what was asked (spec key) and the code it can depend on (code key).

The code key follows every import inside the project and inside the plug-in's own distribution, from the
method, the benchmark, the reader and the runner's numeric modules. Module source is normalised through
`ast.unparse` with docstrings stripped: a changed comment changes nothing, a changed constant in a shared
front end changes exactly the runs that use it. A module that reads data files names them in a literal
`DATA_FILES` tuple (paths beside the module); they are hashed too.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from unlabeled import contracts
from unlabeled.errors import UnlabeledError
from unlabeled.source import normalised

NUMERIC = ("unlabeled.streams", "unlabeled.intervals")
"""Modules of the runner whose code reaches the numbers."""

APART = {"unlabeled", "unlabeled.contracts", "unlabeled.errors"}
"""Never followed: contracts count by their schema number, errors give no number."""

Finder = Callable[[str], Path | None]


@dataclass(frozen=True)
class CodeKey:
    """`key` hashes `sources` (our code), `versions` (numeric distributions met) and Python's minor version.

    `edited` are modules whose file is no longer what this process imported: what runs is not what was hashed.
    """

    key: str
    sources: str
    versions: Mapping[str, str]
    python: str
    modules: tuple[str, ...]
    edited: tuple[str, ...] = ()


def spec_key(spec: Mapping[str, Any], fingerprint: str, weights: str = "") -> str:
    """Hash of what was asked: the RunSpec, the data's fingerprint, the weights file's hash."""
    text = json.dumps([spec, fingerprint, weights], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def code_key(starts: Iterable[str], find: Finder | None = None) -> CodeKey:
    """Hash of all code reachable from the modules `starts`.

    `find` maps a module name to its file (the import system by default). Followed are the project, the
    distributions that bring the `starts`, and every module that no installed distribution brings; all others
    count by the version of their distribution.

    Raises
    ------
    UnlabeledError : a starting module has no source file.
    """
    live, find = find is None, find or module_file
    starts = tuple(starts)
    roots = {"unlabeled"} | {name.partition(".")[0] for name in starts}
    own = {brings for root in roots for brings in _distributions().get(root, ())}
    waiting, seen, digests, foreign, edited = list(starts) + list(NUMERIC), set(), {}, set(), []
    while waiting:
        name = waiting.pop()
        if name in seen or name in APART:
            continue
        seen.add(name)
        file = find(name)
        if file is None:
            if name in starts:
                raise UnlabeledError(f"module {name} has no source file, so its results cannot be keyed")
            continue
        digest, imported = _read_module(file, name)
        digests[name] = digest
        if live and _edited(file, name):
            edited.append(name)
        for target in imported:
            top = target.partition(".")[0]
            if top in roots or (top not in sys.stdlib_module_names and _is_ours(top, own)):
                waiting.append(target)
            else:
                foreign.add(top)
    lines = [f"contracts {contracts.SCHEMA}"] + [f"{name} {digests[name]}" for name in sorted(digests)]
    sources = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    versions = _versions(foreign)
    python = ".".join(platform.python_version_tuple()[:2])
    text = json.dumps([sources, versions, python], sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()
    return CodeKey(key, sources, versions, python, tuple(sorted(digests)), tuple(edited))


def _is_ours(top: str, own: set[str]) -> bool:
    """Whether a top-level module belongs to the plug-in's own distribution, or to none that is installed."""
    brought = _distributions().get(top, [])
    return not brought or bool(own & set(brought))


def _edited(file: Path, name: str) -> bool:
    """Whether the file changed after this process imported it, by what the compiled copy says of its source."""
    cached = getattr(sys.modules.get(name), "__cached__", None)
    try:
        head = Path(cached).read_bytes()[:16] if cached else b""
    except OSError:
        return False
    if len(head) < 16 or head[:4] != importlib.util.MAGIC_NUMBER or int.from_bytes(head[4:8], "little"):
        return False
    stat = file.stat()
    now = (int(stat.st_mtime) & 0xFFFFFFFF, stat.st_size & 0xFFFFFFFF)
    return now != (int.from_bytes(head[8:12], "little"), int.from_bytes(head[12:16], "little"))


def run_key(spec: str, code: str) -> str:
    """The name of a run: both keys in one."""
    return hashlib.sha256(f"{spec} {code}".encode()).hexdigest()


def module_file(name: str) -> Path | None:
    """Source file of a module, without importing the module itself; None for attributes and C modules."""
    if name in sys.modules:
        origin = getattr(sys.modules[name], "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, AttributeError, ValueError):
            return None
        origin = spec.origin if spec else None
    return Path(origin) if origin and origin.endswith(".py") else None


def _read_module(file: Path, name: str) -> tuple[str, set[str]]:
    source = file.read_text(encoding="utf-8")
    return _digest(source, name, file.name == "__init__.py", file.parent, _stamp(file, source))


def _stamp(file: Path, source: str) -> str:
    """Hash of the data files that the module names, so that the memo below notices their change."""
    if "DATA_FILES" not in source:
        return ""
    digest = hashlib.sha256()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and any(getattr(t, "id", "") == "DATA_FILES" for t in node.targets):
            for relative in ast.literal_eval(node.value):
                digest.update(relative.encode() + b"\0" + (file.parent / relative).read_bytes())
    return digest.hexdigest()


@cache
def _digest(source: str, name: str, is_package: bool, folder: Path, data: str) -> tuple[str, set[str]]:
    text = f"{name}\n{normalised(source)}\n{data}"
    return hashlib.sha256(text.encode()).hexdigest(), _imports(source, name, is_package)


def _imports(source: str, name: str, is_package: bool) -> set[str]:
    """Absolute names of everything a module imports, anywhere in it; `from a import b` gives both."""
    package = name if is_package else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    parents = {".".join(full.split(".")[:i]) for full in found for i in range(1, full.count(".") + 1)}
    return found | parents


def _base(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    kept = parts[: len(parts) - node.level + 1]
    return ".".join([*kept, node.module] if node.module else kept)


@cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _versions(modules: set[str]) -> dict[str, str]:
    """Versions of the distributions that bring these top-level modules; the standard library has none."""
    names = {
        distribution
        for module in modules - set(sys.stdlib_module_names)
        for distribution in _distributions().get(module, ())
    }
    return {name: metadata.version(name) for name in sorted(names)}
