"""What is wrong with result files: all of one unit told together, files of one fault in one line; the wrong folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from unlabeled.errors import BadData, name_several


def inside(folder: Path, fits: Callable[[Path], bool]) -> str:
    """The end of what to do about a folder of results that does not fit: which folders in it do."""
    places = sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))
    names = [str(place) for place in places if fits(place)]
    return f", as in {name_several(names, 3)}: name that folder with --results" if names else ""


class Faults:
    """Collects faults of files below a folder of results; names are shown as seen from there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, list[str]] = defaultdict(list)

    def add(self, file: Path, what: str) -> None:
        """`what` is wrong with `file`; where it names the file, the name is taken out."""
        name = str(file.relative_to(self.folder))
        text = what.removeprefix(str(file)).removeprefix(":").strip()
        self._files[text.replace(str(file), file.name)].append(name)

    def __bool__(self) -> bool:
        return bool(self._files)

    def refuse(self, todo: str) -> None:
        """Raise for all faults at once, if there are any.

        Raises
        ------
        BadData : a line a fault, each with its first few files and their number.
        """
        lines = [
            f"{what}: {name_several(files, 3)}" + (f" ({len(files)} files)" if len(files) > 1 else "")
            for what, files in self._files.items()
        ]
        if lines:
            raise BadData("\n  ".join(["results that cannot be scored", *lines]), todo)
