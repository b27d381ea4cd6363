"""Joint positions of a clip: the annotation of JHMDB, and predictions made elsewhere.

Both come as (x, y), joint, frame in 0-based pixels. The files of JHMDB count pixels from 1, as MATLAB does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from unlabeled.datasets.decode import matlab
from unlabeled.errors import BadData

JOINTS = 15

_AGAIN = "copy or download the file again"
_FORMS = (
    f".npy holds (2, {JOINTS}, frames) in 0-based pixels, .json the same frame by frame as "
    '{"joints": [[[x, y], ...], ...]}, .mat `pos_img` as in JHMDB, in 1-based pixels; a missing joint is -1, -1'
)


def read(path: Path) -> np.ndarray:
    """Annotated joints of a clip from a `joint_positions.mat`.

    Returns
    -------
    float64 `(2, 15, T)`: (x, y) in 0-based pixels, joint, frame; joints may lie outside the image.

    Raises
    ------
    BadData : names the file: missing, damaged, of another format, without `pos_img`, or not finite.
    """
    return _opened(path, _annotation, _AGAIN)


def read_predictions(path: Path) -> np.ndarray:
    """Predicted joints of a clip, from a result file `.npy`, `.json` or `.mat`.

    `.npy` : numbers `(2, 15, T)`, (x, y), joint, frame, in 0-based pixels.
    `.json` : `{"joints": [frame, ...]}`, a frame being 15 pairs [x, y] in 0-based pixels.
    `.mat` : `pos_img` as in the data set, in 1-based pixels.

    Returns
    -------
    float64 `(2, 15, T)` in 0-based pixels; x is negative where a joint is missing.

    Raises
    ------
    BadData : names the file: missing, of no known kind, damaged, of another shape, or not finite.
    """
    readers: dict[str, Callable[[BinaryIO], np.ndarray]] = {".npy": _npy, ".json": _json, ".mat": _annotation}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BadData(f"{path} is neither .npy nor .json nor .mat", _FORMS)
    return _opened(path, reader, _FORMS)


def _opened(path: Path, reader: Callable[[BinaryIO], np.ndarray], todo: str) -> np.ndarray:
    """Positions of a file, checked; whatever is wrong with it is said with its name."""
    try:
        with path.open("rb") as file:
            positions = reader(file)
    except FileNotFoundError:
        raise BadData(f"{path} is missing", "check the folder") from None
    except Exception as fault:
        # The readers of NumPy and json fail on damaged bytes with many kinds of errors.
        raise BadData(f"{path} cannot be read: {fault or type(fault).__name__}", todo) from fault
    if positions.dtype.kind not in "iuf":
        raise BadData(f"{path} holds no real numbers, but {positions.dtype}", todo)
    if positions.ndim != 3 or positions.shape[:2] != (2, JOINTS) or not positions.shape[2]:
        raise BadData(f"{path} holds positions of shape {positions.shape}, not (2, {JOINTS}, frames)", todo)
    if not np.isfinite(positions).all():
        raise BadData(f"{path}: {np.sum(~np.isfinite(positions))} coordinates are no finite numbers", todo)
    return positions.astype(np.float64)


def _annotation(file: BinaryIO) -> np.ndarray:
    """`pos_img` in 0-based pixels."""
    positions = matlab.read_array(file, "pos_img")
    if positions.ndim == 2:
        positions = positions[..., None]  # MATLAB drops the last axis of a single frame.
    return positions.astype(np.float64) - 1


def _npy(file: BinaryIO) -> np.ndarray:
    return np.lib.format.read_array(file, allow_pickle=False)


def _json(file: BinaryIO) -> np.ndarray:
    content = json.load(file)
    if not isinstance(content, dict) or "joints" not in content:
        raise ValueError("it has no entry `joints`")
    frames = np.array(content["joints"])
    return frames.transpose(2, 1, 0) if frames.ndim == 3 else frames
