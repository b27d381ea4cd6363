"""The frame of `unlabeled.results` as a file or text for notebooks: CSV, JSON or Parquet."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from unlabeled.errors import UnlabeledError, WrongCall
from unlabeled.files import write_atomic, writing

if TYPE_CHECKING:
    import pandas

Format = Literal["csv", "json", "parquet"]


def export(frame: pandas.DataFrame, format: Format, out: Path | None) -> str:
    """Write a frame to `out`, or return its text where `out` is None.

    Parameters
    ----------
    frame : any frame of numbers and texts; its index is left out.
    format : `csv` with a header line; `json`, a list with one object a row, absent values null; `parquet`.
        CSV and JSON hold every digit of a float.
    out : file to write in one step, made with its folders; None for text (CSV and JSON only).

    Returns
    -------
    The text, empty where a file was written.

    Raises
    ------
    WrongCall : parquet without a file, or another format.
    UnlabeledError : no library that writes parquet is installed, or the file cannot be written.
    """
    if format not in ("csv", "json", "parquet"):
        raise WrongCall(f"--format {format}", "give csv, json or parquet")
    if format == "parquet" and out is None:
        raise WrongCall("parquet is no text and cannot be printed", "give --out FILE")
    content = _parquet(frame) if format == "parquet" else _text(frame, format).encode()
    if out is None:
        return content.decode()
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, content)
    return ""


def _text(frame: pandas.DataFrame, format: Format) -> str:
    if format == "csv":
        return frame.to_csv(index=False, lineterminator="\n")
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows]
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"


def _parquet(frame: pandas.DataFrame) -> bytes:
    buffer = BytesIO()
    try:
        frame.to_parquet(buffer, index=False)
    except ImportError as fault:
        raise UnlabeledError(
            "parquet needs a library that is not installed", "pip install pyarrow; csv and json need nothing"
        ) from fault
    return buffer.getvalue()
