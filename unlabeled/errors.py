"""The one error class of the project, with the exit status that the command line gives it."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """Exit statuses of `unlabeled`."""

    OTHER = 1
    WRONG_CALL = 2
    PARTIAL = 3
    BAD_DATA = 4


class UnlabeledError(Exception):
    """Something the user can mend: the message says what, where and what to do.

    Parameters
    ----------
    what : the fault, with the name of the file, row or argument it is in.
    todo : what to do about it; empty where the fault already says it.
    exit : exit status of the command line.
    """

    def __init__(self, what: str, todo: str = "", exit: Exit = Exit.OTHER) -> None:
        super().__init__(f"{what}\n  -> {todo}" if todo else what)
        self.what, self.todo, self.exit = what, todo, exit

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions travel between processes by their one text otherwise.
        return _again, (type(self), self.what, self.todo, self.exit)


def _again(kind: type[UnlabeledError], what: str, todo: str, exit: Exit) -> UnlabeledError:
    return kind(what, todo, exit) if kind is UnlabeledError else kind(what, todo)


class WrongCall(UnlabeledError):
    """An argument that names nothing, or arguments that do not go together."""

    def __init__(self, what: str, todo: str = "") -> None:
        super().__init__(what, todo, Exit.WRONG_CALL)


class BadData(UnlabeledError):
    """Data that cannot be used as they are: missing, torn, contradictory."""

    def __init__(self, what: str, todo: str = "") -> None:
        super().__init__(what, todo, Exit.BAD_DATA)


class AbsentData(BadData):
    """A data set that is not there at all: `run-all` goes on without it."""


def name_several(things: list[str], most: int = 8) -> str:
    """`a, b, c and 12 more`: several bad things are reported together."""
    shown = ", ".join(things[:most])
    return f"{shown} and {len(things) - most} more" if len(things) > most else shown
