"""Chance: uniform guessing, the floor of every table.

Nothing is learned and nothing is drawn: each benchmark works out its own expected value exactly (1 / classes
for a balanced set), so that the floor has no luck in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from unlabeled.contracts import Method


@dataclass(frozen=True)
class Preset:
    """There is nothing to set."""


class Chance(Method):
    """Chance."""

    id = "chance"
    cite = ""
    roles = frozenset({"chance"})
    home = ("esc50", "esc10", "dcase2013", "ucf101", "hmdb51", "av_correspondence", "cross_modal_retrieval")
    supervision = "none"
    presets = {"paper": Preset(), "small": Preset(), "mini": Preset(), "nano": Preset()}

    def adapt(self, net: None, preset: Preset) -> None:
        """Nothing to call: benchmarks compute chance themselves."""
        return None


METHOD = Chance()
