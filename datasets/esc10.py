"""ESC-10: 400 clips of 5 s, the ten easiest classes of ESC-50, 5 folds (Piczak 2015)."""

from __future__ import annotations

from pathlib import Path

from unlabeled.contracts import Memo, Survey
from unlabeled.datasets import _esc, _folders

OFFICIAL = _esc.Official(
    id="esc10",
    clips=400,
    classes=10,
    table="6bd4c7e16edb461caece95271812c2aa480fa3a06c4d413b4c6857a6dcc64a88",
    content="33cc3d4c49c4883dbad26d03d7506e67e8c3bb53622bcb3d9a2e2c376e4ce8a5",
    folders="41d0f0c493fb10645491a424e358e94655dad3d19bf284d172e63206b1137aac",
)


class Esc10:
    """Reader of ESC-10: its own folder layout, or the rows of ESC-50 that are marked `esc10`."""

    id = "esc10"
    modality = "sound"
    world = "esc50"
    where = (
        "ESC-10 (CC BY) is the first release of karolpiczak/ESC-10, or the `esc10` rows of ESC-50.\n"
        "Accepted below --data, or as --data itself: `ESC-10/001 - Dog bark/*.ogg` ... `010 - Fire crackling`,\n"
        "or `ESC-50/audio/*.wav` with `ESC-50/meta/esc50.csv`."
    )

    def find(self, root: Path) -> Path | None:
        """The ESC-10 folder at or below a data root, else the ESC-50 folder that contains it."""
        names = ("ESC-10", "ESC-10-master", "esc10")
        own = _folders.find(root, names, lambda p: _esc.has_class_folders(p, OFFICIAL.classes, names))
        return own or _folders.find(root, ("ESC-50", "ESC-50-master", "esc50"), _esc.has_table)

    def survey(self, folder: Path, limit: int | None = None, memo: Memo = _folders.look) -> Survey:
        """The clips of ESC-10 alone."""
        return _esc.survey(OFFICIAL, folder, only_esc10=True, limit=limit, memo=memo)

    def blank(self) -> Survey:
        """The official classes and counts."""
        return _esc.blank(OFFICIAL)


DATASET = Esc10()
