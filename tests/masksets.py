"""DAVIS folders made in a test: discs that move, in the official layout."""

from pathlib import Path

import numpy as np
from PIL import Image

from unlabeled.datasets.decode import masks

HEIGHT, WIDTH = 40, 60


def index_map(frame: int, objects: int, shift: int = 0) -> np.ndarray:
    """Discs of radius 6 that move two pixels a frame, `shift` pixels off."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    found = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    for k in range(objects):
        centre_y, centre_x = 9 + 11 * k, 10 + 2 * frame + shift
        found[(y - centre_y) ** 2 + (x - centre_x) ** 2 <= 36] = k + 1
    return found


def write_masks(folder: Path, frames: int, objects: int, shift: int = 0) -> Path:
    """The masks of one sequence."""
    folder.mkdir(parents=True)
    for frame in range(frames):
        masks.write(folder / f"{frame:05d}.png", index_map(frame, objects, shift))
    return folder


def write_set(root: Path, sequences: dict[str, tuple[int, int]], pictures: bool = True, lists: str = "2017") -> Path:
    """`DAVIS` below a data root: `{sequence: (frames, objects)}`, all of them in the val list."""
    folder = root / "DAVIS"
    for name, (frames, objects) in sequences.items():
        write_masks(folder / "Annotations/480p" / name, frames, objects)
        for frame in range(frames if pictures else 0):
            file = folder / "JPEGImages/480p" / name / f"{frame:05d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            grey = np.full((HEIGHT, WIDTH, 3), 40 + 3 * frame, dtype=np.uint8)
            grey[index_map(frame, objects) > 0] = (200, 120, 40)
            Image.fromarray(grey).save(file)
    file = folder / "ImageSets" / lists / "val.txt"
    file.parent.mkdir(parents=True)
    file.write_text("".join(f"{name}\n" for name in sequences))
    return folder


def write_results(folder: Path, sequences: dict[str, tuple[int, int]], shift: int = 2) -> Path:
    """Masks of every frame, `shift` pixels off the truth."""
    for name, (frames, objects) in sequences.items():
        write_masks(folder / name, frames, objects, shift)
    return folder
