"""The last words of a reader: what its label says, what a limit leaves of it, whether a generated set is whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from unlabeled.contracts import Label, LabelKind, Memo, Problem
from unlabeled.datasets import _folders
from unlabeled.datasets.world import manifest


def of_files(altered: Sequence[str], subset: str, official: str = "official (lists and counts)") -> Label:
    """Altered in these ways, a subset in these words; official where there are none of either."""
    kinds: list[LabelKind] = []
    texts = []
    if altered:
        kinds, texts = ["altered"], [f"altered: {', '.join(altered)}"]
    if subset:
        kinds.append("subset")
        texts.append(f"subset: {subset}")
    return Label(tuple(kinds), "; ".join(texts)) if kinds else Label(("official",), official)


def of_world(world: manifest.Manifest) -> Label:
    """The label of a generated set."""
    return Label(("world",), f"world {world.world} · {world.preset} · seed {world.seed}")


def settle(label: Label, problems: Iterable[Problem], limit: str) -> Label:
    """Broken where a problem is fatal; a subset where `limit` says what was left, empty if nothing was left out."""
    if any(problem.fatal for problem in problems):
        return Label(("broken",), "broken")
    if not limit:
        return label
    kinds = tuple(kind for kind in label.kinds if kind not in ("official", "subset"))
    return Label((*kinds, "subset"), f"{label.text}; subset: {limit}")


def digest(file: Path) -> dict[str, Any]:
    """Hash of a file's bytes."""
    return {"sha256": _folders.sha256(file)}


def changes(folder: Path, world: manifest.Manifest, files: Iterable[Path], memo: Memo) -> list[Problem]:
    """How the files that a reader uses differ from the manifest of their generated set.

    Only those are opened: what else a manifest names may be none of a reader's business.
    """
    known = {entry.path: entry.sha256 for entry in world.files}
    lacking = [path for path in sorted(known) if not path.startswith(".") and not (folder / path).is_file()]
    problems = [Problem("missing file", path, f"{manifest.NAME} names it") for path in lacking]
    for file in files:
        path = file.relative_to(folder).as_posix()
        if path not in known:
            problems.append(Problem("changed file", path, f"{manifest.NAME} does not name it"))
        elif file.is_file() and memo(file, digest)["sha256"] != known[path]:
            problems.append(Problem("changed file", path, f"its bytes are not those that {manifest.NAME} names"))
    return problems
