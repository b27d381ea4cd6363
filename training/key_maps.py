"""Key maps: how the names of a file of weights become the names of a network.

A line is `unwrap NAME.NAME` (the state dict lies inside, first one that is there), `PATTERN -> REPLACEMENT`,
`drop PATTERN` (these of the file are not wanted), `leave PATTERN` (these of the network stay as they were made) or a
comment after `#`. Patterns are regular expressions that are searched for; lines apply to a name from top to bottom.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from unlabeled.errors import BadData, name_several

MAPS: Mapping[str, str] = {
    "module": r"""
        unwrap state_dict
        unwrap model
        ^module\. ->
    """,
    "moco": r"""
        unwrap state_dict
        drop ^(?!module\.encoder_q\.)
        ^module\.encoder_q\. ->
        drop ^fc\.
        leave ^fc\.
    """,
    "dino": r"""
        unwrap teacher
        ^module\. ->
        ^backbone\. ->
        drop ^head\.
        leave ^(head|fc)\.
    """,
    "mae": r"""
        unwrap model
        drop ^(decoder_|mask_token$)
        leave ^(head|fc_norm)\.
    """,
    "vissl": r"""
        unwrap classy_state_dict.base_model.model.trunk
        unwrap model_state_dict
        ^_feature_blocks\. ->
        leave ^fc\.
    """,
}
"""Layouts of released checkpoints: facebookresearch/moco, dino, mae and vissl, and any DataParallel wrapper."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Line:
    """One rule; `text` is the replacement of a `name` line."""

    kind: Literal["name", "drop", "leave"]
    pattern: re.Pattern[str]
    text: str = ""


@dataclass(frozen=True)
class KeyMap:
    """A map that was read: where the tensors lie, and what becomes of their names."""

    unwrap: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()

    def left(self, name: str) -> bool:
        """Whether a tensor of the network may stay as it was made."""
        return any(line.pattern.search(name) for line in self.lines if line.kind == "leave")

    def renamed(self, tensors: Mapping[str, Value]) -> tuple[dict[str, Value], tuple[str, ...]]:
        """The tensors under the network's names, and the file's names that were dropped.

        Raises
        ------
        BadData : no line matches any name, two names become one, or a replacement names a group that is not there.
        """
        found: dict[str, Value] = {}
        dropped, twice, met = [], [], not any(line.kind != "leave" for line in self.lines)
        for name, value in tensors.items():
            try:
                new, hits = self._one(name)
            except (re.error, IndexError) as fault:
                raise BadData(f"the key map fails on {name}: {fault}") from fault
            met = met or hits > 0
            if new is None:
                dropped.append(name)
            elif new in found:
                twice.append(new)
            else:
                found[new] = value
        if not met:
            raise BadData(f"the key map matches nothing; the file has {name_several(sorted(tensors))}")
        if twice:
            raise BadData(f"the key map gives several tensors one name: {name_several(sorted(set(twice)))}")
        return found, tuple(dropped)

    def _one(self, name: str) -> tuple[str | None, int]:
        hits = 0
        for line in self.lines:
            if line.kind == "leave" or not line.pattern.search(name):
                continue
            hits += 1
            if line.kind == "drop":
                return None, hits
            name = line.pattern.sub(line.text, name)
        return name, hits


def parse(text: str, source: str) -> KeyMap:
    """Read a map; `source` names it in errors.

    Raises
    ------
    BadData : a line of no known form, a pattern that is no regular expression, or no line at all.
    """
    unwrap, lines = [], []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        left, arrow, right = line.partition("->")
        if word == "unwrap" and rest.strip() and not arrow:
            unwrap.append(rest.strip())
        elif arrow and left.strip():
            lines.append(Line("name", _pattern(left.strip(), source, number), right.strip()))
        elif word in ("drop", "leave") and rest.strip():
            kind: Literal["drop", "leave"] = "drop" if word == "drop" else "leave"
            lines.append(Line(kind, _pattern(rest.strip(), source, number)))
        else:
            raise BadData(
                f"{source}, line {number}: {line!r} is no rule",
                "write `PATTERN -> REPLACEMENT`, `drop PATTERN`, `leave PATTERN` or `unwrap NAME`",
            )
    if not unwrap and not lines:
        raise BadData(f"{source} holds no rule")
    return KeyMap(tuple(unwrap), tuple(lines))


def _pattern(text: str, source: str, number: int) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as fault:
        raise BadData(f"{source}, line {number}: {text!r} is no regular expression ({fault})") from fault


def names() -> Iterable[str]:
    """The maps that are there by name."""
    return sorted(MAPS)
