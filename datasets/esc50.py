"""ESC-50: 2,000 clips of 5 s, 50 classes of environmental sounds, 5 folds (Piczak 2015)."""

from __future__ import annotations

from pathlib import Path

from unlabeled.contracts import Memo, Survey
from unlabeled.datasets import _esc, _folders

OFFICIAL = _esc.Official(
    id="esc50",
    clips=2000,
    classes=50,
    table="7dce4a3f53c2e16cb3d0b506bb6474cd49eaba6519409890b7930d383fb54b51",
    folders="bfb53d2a5cb3df3c22138bb4fc3be55dd65ccce26283bec3c2eca362a8ede458",
)


class Esc50:
    """Reader of ESC-50 in the table layout, or in the folder layout of its first release."""

    id = "esc50"
    modality = "sound"
    world = "esc50"
    where = (
        "ESC-50 is free for non-commercial use (CC BY-NC): get the release of karolpiczak/ESC-50.\n"
        "Accepted below --data, or as --data itself: `ESC-50/audio/*.wav` with `ESC-50/meta/esc50.csv`,\n"
        "or the first release's `ESC-50/101 - Dog/*.ogg` ... `510 - Hand saw`."
    )

    def find(self, root: Path) -> Path | None:
        """The ESC-50 folder at or below a data root."""
        names = ("ESC-50", "ESC-50-master", "esc50")

        def is_it(folder: Path) -> bool:
            return _esc.has_table(folder) or _esc.has_class_folders(folder, OFFICIAL.classes, names)

        return _folders.find(root, names, is_it)

    def survey(self, folder: Path, limit: int | None = None, memo: Memo = _folders.look) -> Survey:
        """All clips of the set."""
        return _esc.survey(OFFICIAL, folder, only_esc10=False, limit=limit, memo=memo)

    def blank(self) -> Survey:
        """The official classes and counts."""
        return _esc.blank(OFFICIAL)


DATASET = Esc50()
