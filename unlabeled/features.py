"""Features that somebody made, for recipes that read these in place of a data set's own files.

They are told by the hash of all that lies in their folder: its name and place are in no key and in no record.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from unlabeled.errors import AbsentData, WrongCall
from unlabeled.given import content_of


def reads(recipe: Any) -> bool:
    """Whether a recipe reads given features: it has a field for their folder."""
    return hasattr(recipe, "features")


def choose(benchmark: Any, name: str, recipe: Any, folder: str | Path | None) -> tuple[Any, str]:
    """The recipe of that name with the folder in it, and the hash of what lies there; empty where it reads none.

    Raises
    ------
    WrongCall : features for a recipe that reads none.
    AbsentData : no features for one that does, or an empty folder.
    BadData : something in the folder leads out of it or cannot be read.
    """
    if not reads(recipe):
        if folder is not None:
            others = ", ".join(key for key, other in benchmark.recipes.items() if reads(other))
            todo = f"leave it out, or choose one that does: {others}" if others else "leave it out"
            raise WrongCall(f"--features: recipe {name} of {benchmark.id} reads no given features", todo)
        return recipe, ""
    if folder is None:
        raise AbsentData(
            f"recipe {name} of {benchmark.id} reads features that somebody made: give --features DIR",
            "DIR/CLASS/VIDEO.npy for every video, float32 (frames, dim)",
        )
    place = Path(folder).expanduser()
    return dataclasses.replace(recipe, features=place), content_of(place, "features").sha256
