"""The learning curve of a training as a CSV file that can be watched while it grows."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

from unlabeled.files import write_atomic


class Curve:
    """Rows of numbers, the first column `step`; a column that appears late is empty in the rows before it.

    Opening keeps the rows up to step `until`: those after it were written by a process that was killed, and come again.
    """

    def __init__(self, file: Path, until: int) -> None:
        self.file = file
        self.rows = _read(file, until) if until else []
        self.columns = list(self.rows[0]) if self.rows else []
        write_atomic(file, self._text(header=True, rows=self.rows))

    def append(self, row: Mapping[str, float]) -> None:
        """Add a row; the numbers read back exactly."""
        self.rows.append({name: repr(value) for name, value in row.items()})
        late = [name for name in row if name not in self.columns]
        if late:
            self.columns += late
            write_atomic(self.file, self._text(header=True, rows=self.rows))
        else:
            with self.file.open("ab") as stream:
                stream.write(self._text(header=False, rows=self.rows[-1:]))

    def flush(self) -> None:
        """Bring the rows to the disk, before a training state that follows them."""
        with self.file.open("ab") as stream:
            os.fsync(stream.fileno())

    def _text(self, header: bool, rows: list[dict[str, str]]) -> bytes:
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, self.columns, lineterminator="\n")
        if header:
            writer.writeheader()
        writer.writerows(rows)
        return buffer.getvalue().encode()


def _read(file: Path, until: int) -> list[dict[str, str]]:
    """The whole rows of a file up to a step; a torn last line is left out."""
    if not file.exists():
        return []
    text = file.read_text(encoding="utf-8")
    whole = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]))
    return [row for row in whole if int(row["step"]) <= until]
