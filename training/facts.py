"""What is known of an item before a pretext chooses: frames, their size and rate, samples of sound, motion.

Videos and their sound are decoded once for that, since headers promise other lengths. With a folder for caches each
file is looked at once for all runs: `facts.jsonl` holds a line for each file and question.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from unlabeled.contracts import ImageItem, Info, SoundItem, VideoItem
from unlabeled.datasets.decode import frames, sound, video
from unlabeled.errors import BadData
from unlabeled.training.augment import LUMA
from unlabeled.training.sizes import Size, height_width

Item = VideoItem | ImageItem | SoundItem

MOTION_SIZE = 64
"""Short side in pixels at which motion is measured."""


@dataclass(frozen=True)
class Facts:
    """Of one item: what the loader needs to know about its files.

    frames, height, width, fps : of the pictures, before any resizing; 0 frames where it has none, fps 0 if unknown
    samples, rate              : of the sound at its own rate, 0 where it has none or none was asked for
    lead_s                     : seconds by which the sound begins before the first frame, negative where after it
    motion                     : see Info
    """

    frames: int = 0
    height: int = 0
    width: int = 0
    fps: float = 0.0
    samples: int = 0
    rate: int = 0
    lead_s: float = 0.0
    motion: np.ndarray | None = None

    def lead(self) -> int:
        """`lead_s` in samples at the sound's own rate."""
        return round(self.lead_s * self.rate)

    def info(self, rate: int) -> Info:
        """What a pretext is told; `rate` is the one it asked for."""
        aligned = max(0, self.samples - self.lead())
        samples = -(-aligned * rate // self.rate) if self.rate else 0
        return Info(self.frames, self.fps, samples, rate if samples else 0, self.motion)


def sound_path(item: Item) -> Path | None:
    """The file in which the sound of an item is looked for."""
    if isinstance(item, VideoItem):
        return item.sound or (None if item.path.is_dir() else item.path)
    return item.path if isinstance(item, SoundItem) else None


def plain_sound(path: Path) -> bool:
    """Whether a file is sound alone, WAV or Ogg; all others are containers for FFmpeg."""
    try:
        with path.open("rb") as file:
            magic = file.read(12)
    except OSError as fault:
        raise BadData(f"{path} cannot be opened: {fault.strerror}", "check the data folder") from fault
    return magic[:4] == b"OggS" or (magic[:4] == b"RIFF" and magic[8:] == b"WAVE")


# ---------------------------------------------------------------- looking


def examine(items: Sequence[Item], sounds: bool, motion: bool, folder: Path | None, threads: int) -> list[Facts]:
    """Facts of every item, `threads` files at a time; remembered in `folder` where there is one.

    Raises
    ------
    BadData : whatever the decoders refuse; the first such file is named.
    """
    memo = Memo(folder)

    def look(item: Item) -> Facts:
        found: dict[str, Any] = {}
        if not isinstance(item, SoundItem):
            found |= memo("frames", item.path, _frames)
        heard = sound_path(item) if sounds else None
        if heard is not None:
            start = found.pop("first_s", 0.0)
            told = memo("sound", heard, _sound)
            inside = heard == item.path and not isinstance(item, SoundItem)
            found |= {"samples": told["samples"], "rate": told["rate"]}
            found["lead_s"] = start - told["first_s"] if inside and told["samples"] else 0.0
        found.pop("first_s", None)
        if motion and found.get("frames", 0) > 1:
            found["motion"] = _from_text(memo("motion", item.path, _motion)["motion"])
        return Facts(**found)

    with ThreadPoolExecutor(max(1, threads)) as pool:
        try:
            return list(pool.map(look, items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _frames(path: Path) -> dict[str, Any]:
    if path.is_dir():
        found = frames.list_frames(path)
        return {"frames": len(found), **_size(found[0])}
    if path.suffix.lower() in frames.SUFFIXES:
        return {"frames": 1, **_size(path)}
    told = asdict(video.facts(path))
    return {name: told[name] for name in ("frames", "height", "width", "fps", "first_s")}


def _size(path: Path) -> dict[str, int]:
    """From the header of a picture; the pixels are checked when they are read."""
    try:
        with Image.open(path, formats=["JPEG", "PNG"]) as picture:
            return {"height": picture.height, "width": picture.width}
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
        raise BadData(f"{path} cannot be decoded: {fault}", "copy or download the picture again") from fault


def _sound(path: Path) -> dict[str, Any]:
    if plain_sound(path):
        whole = sound.read(path)
        return {"samples": whole.samples.shape[1], "rate": whole.rate, "first_s": 0.0}
    found = video.sound_facts(path)
    if found is None:
        return {"samples": 0, "rate": 0, "first_s": 0.0}
    return {"samples": found.samples, "rate": found.rate, "first_s": found.first_s}


# ---------------------------------------------------------------- pictures, one by one


def all_frames(path: Path) -> Any:
    """The frames of a video, a folder of frames or a picture one by one, `(H, W, 3)` uint8."""
    if path.is_dir():
        return (frames.read_images([file])[0] for file in frames.list_frames(path))
    if path.suffix.lower() in frames.SUFFIXES:
        return iter(frames.read_images([path]))
    return video.stream_frames(path)


def some_frames(path: Path, indices: Sequence[int]) -> np.ndarray:
    """Frames `(n, H, W, 3)` uint8 in the order of `indices`."""
    if path.is_dir():
        found = frames.list_frames(path)
        return frames.read_images([found[index] for index in indices])
    if path.suffix.lower() in frames.SUFFIXES:
        return frames.read_images([path for _ in indices])
    return video.read_frames(path, indices)


def resized_to(cover: Size, height: int, width: int) -> tuple[int, int]:
    """Height and width of a picture that just covers a window: one side is the window's, the other is rounded."""
    rows, columns = height_width(cover)
    if rows * width >= columns * height:
        return rows, max(columns, round(rows * width / height))
    return max(rows, round(columns * height / width)), columns


def resize(frame: np.ndarray, cover: Size) -> np.ndarray:
    """A picture `(H, W, 3)` uint8 that just covers a window, planes first: `(3, h, w)` uint8.

    Bilinear by torch's kernel for bytes, with antialiasing where it shrinks; within one grey level of Pillow's.
    """
    # A view with channels last, which is what the fast kernel wants; its result has planes first.
    planes = torch.from_numpy(frame).permute(2, 0, 1)[None]
    target = resized_to(cover, *frame.shape[:2])
    if target != frame.shape[:2]:
        planes = torch.nn.functional.interpolate(
            planes, size=target, mode="bilinear", antialias=True, align_corners=False
        )
    return np.ascontiguousarray(planes[0].numpy())


def _motion(path: Path) -> dict[str, str]:
    """Mean absolute difference of neighbouring frames in grey, [0, 1]."""
    last: np.ndarray | None = None
    curve = []
    for frame in all_frames(path):
        red, green, blue = resize(frame, MOTION_SIZE).astype(np.float32) / 255
        grey = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
        if last is not None:
            curve.append(np.abs(grey - last).mean())
        last = grey
    return {"motion": base64.b64encode(np.array(curve, dtype=np.float32).tobytes()).decode()}


def _from_text(curve: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(curve), dtype=np.float32)


# ---------------------------------------------------------------- remembering


def state(path: Path) -> list[int]:
    """Sizes and times of change of a file, or of all frames of a folder together."""
    try:
        if not path.is_dir():
            status = path.stat()
            return [status.st_size, status.st_mtime_ns]
        all_states = [file.stat() for file in frames.list_frames(path)]
    except OSError as fault:
        raise BadData(f"{path} cannot be read: {fault.strerror}", "check the data folder") from fault
    return [len(all_states), sum(s.st_size for s in all_states), max(s.st_mtime_ns for s in all_states)]


def decoders() -> dict[str, str]:
    """Versions of what turns files into pictures and samples here."""
    return {**video.backend(), **sound.backend(), "pillow": Image.__version__, "torch": torch.__version__}


class Memo:
    """Answers about files, kept as lines of a file; torn or foreign lines count for nothing.

    Every line is added by one write, so several processes may add lines at once.
    """

    def __init__(self, folder: Path | None) -> None:
        self.file = None if folder is None else folder / "facts.jsonl"
        versions = json.dumps(decoders(), sort_keys=True)
        self.versions = hashlib.blake2b(versions.encode(), digest_size=8).hexdigest()
        self.known = dict(self._lines())

    def _lines(self) -> Any:
        if self.file is None or not self.file.exists():
            return
        for line in self.file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                key, value = json.loads(line)
                yield str(key), dict(value)
            except (ValueError, TypeError):
                continue

    def __call__(self, question: str, path: Path, look: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        """`look(path)`, or what it gave when the file was in the same state."""
        key = json.dumps([question, str(path.absolute()), *state(path), self.versions])
        if key not in self.known:
            self.known[key] = look(path)
            if self.file is not None:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                with self.file.open("ab", buffering=0) as stream:
                    # Begun on a line of its own: a killed process may have left half a line.
                    stream.write(b"\n" + json.dumps([key, self.known[key]]).encode() + b"\n")
        return dict(self.known[key])
