"""A page with ten items of each generated set: what readers read, as pictures, films and sounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from matplotlib.figure import Figure
from PIL import Image

from unlabeled import registry
from unlabeled.contracts import ImageItem, MaskSequence, PoseClip, SoundItem, Survey, VideoItem
from unlabeled.datasets.decode import frames as frame_files
from unlabeled.datasets.decode import joints, masks, sound, video
from unlabeled.datasets.world import make
from unlabeled.files import writing
from unlabeled.pictures import films, gallery
from unlabeled.pictures.sheet import Plate, file_name, save, spread
from unlabeled.resolve import Watch
from unlabeled.store import Store

SHOWN = 10
FPS = 8.0
"""Of films made from single pictures, which have no rate of their own."""

SMALLEST = 120
"""Strips are enlarged by whole pixels until they have so many rows."""


def draw(names: Sequence[str] | None, preset: str, seed: int, store: Store, out: Path, watch: Watch) -> Path:
    """Make the sets where they are not there yet, and the page that shows them; returns the page.

    Raises
    ------
    WrongCall : no set of such a name.
    """
    plates, about = [], []
    for name in names or tuple(make.SETS):
        if name not in make.SETS:
            raise registry.unknown("generated set", name, make.SETS)
        root = make.ensure(name, preset, seed, store.world(f"{preset}:{seed}"), partial(_making, watch, name))
        reader = registry.load("datasets", name)
        survey: Survey = reader.survey(reader.find(root))
        counts = ", ".join(f"{key} {value}" for key, value in survey.found.items())
        about.append(f"<p><b>{escape(name)}</b>: {escape(survey.label.text)}; {escape(counts)}</p>")
        folder = out / name
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        items = spread(survey.items, SHOWN)
        for number, item in enumerate(items):
            watch.step(f"drawing {name}", number, len(items))
            title = f"{name}: {_title(item, survey)}"
            plates.append(_DRAWN[type(item)](item, title, folder, number))
    return gallery.page(out, f"The generated world, preset {preset}, seed {seed}", about, plates)


def _making(watch: Watch, name: str, done: int, total: int) -> None:
    watch.step(f"making the world's {name}", done, total)


def _title(item: Any, survey: Survey) -> str:
    target = getattr(item, "target", -1)
    kind = survey.classes[target] if 0 <= target < len(survey.classes) else getattr(item, "action", "")
    return f"{item.id}, {kind}" if kind else str(item.id)


# ---------------------------------------------------------------- one item of each kind


def _sound(item: SoundItem, title: str, out: Path, number: int) -> Plate:
    heard = sound.read(item.path)
    wave = heard.samples.mean(axis=0)
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.specgram(wave + 1e-9, NFFT=256, Fs=heard.rate, noverlap=128, cmap="magma")
    axes.set_xlabel("seconds")
    axes.set_ylabel("Hz")
    copy = out / file_name(number, item.id, "sound.wav")
    with writing(copy):
        soundfile.write(copy, heard.samples.T, heard.rate, subtype="PCM_16")
    seconds = heard.samples.shape[1] / heard.rate
    caption = f"{seconds:.1f} s at {heard.rate} Hz, {len(heard.samples)} channel(s)."
    return Plate(save(figure, out / file_name(number, item.id, "sound.png")), title, caption, (("sound", copy),))


def _video(item: VideoItem, title: str, out: Path, number: int) -> Plate:
    facts = video.facts(item.path)
    shot = video.read_frames(item.path)
    heard = None
    if facts.sound:
        track = video.read_sound(item.path)
        heard = (track.samples.mean(axis=0), track.rate)
    caption = f"{len(shot)} frames of {shot.shape[2]} x {shot.shape[1]}, {float(facts.fps):.3g} a second."
    return _film(shot, float(facts.fps), heard, item.id, title, caption, out, number)


def _masked(item: MaskSequence, title: str, out: Path, number: int) -> Plate:
    shot = frame_files.read_images(item.images)
    index = np.stack([masks.read(file) for file in item.masks])
    painted = np.where(index[..., None] > 0, (shot / 2 + masks.PALETTE[index] / 2).astype(np.uint8), shot)
    both = np.concatenate([shot, painted], axis=2)
    caption = f"{item.objects} objects; {', '.join(item.attributes) or 'no attributes'}. Right: the masks on top."
    return _film(both, FPS, None, item.id, title, caption, out, number)


def _posed(item: PoseClip, title: str, out: Path, number: int) -> Plate:
    shot, places = frame_files.read_images(item.images).copy(), joints.read(item.joints)
    for t in range(min(len(shot), places.shape[2])):
        for x, y in np.rint(places[:, :, t].T).astype(int):
            if 0 <= y < shot.shape[1] and 0 <= x < shot.shape[2]:
                shot[t, y, x] = (255, 0, 0)
    return _film(shot, FPS, None, item.id, title, "Joints are red pixels.", out, number)


def _image(item: ImageItem, title: str, out: Path, number: int) -> Plate:
    shot = frame_files.read_images([item.path])
    return Plate(_strip(shot, item.id, out, number), title, f"{shot.shape[2]} x {shot.shape[1]}, {item.side}.")


_DRAWN: dict[type, Callable[[Any, str, Path, int], Plate]] = {
    SoundItem: _sound, VideoItem: _video, MaskSequence: _masked, PoseClip: _posed, ImageItem: _image,
}  # fmt: skip


def _film(
    shot: np.ndarray, fps: float, heard: tuple[np.ndarray, int] | None, name: str, title: str, caption: str, out: Path,
    number: int,
) -> Plate:  # fmt: skip
    film = films.write(out / file_name(number, name, "film.mp4"), shot, fps, heard)
    return Plate(_strip(shot, name, out, number), title, caption, films=(("film", film),))


def _strip(shot: np.ndarray, name: str, out: Path, number: int) -> Path:
    picture = films.strip(shot)
    scale = max(1, -(-SMALLEST // picture.shape[0]))
    file = out / file_name(number, name, "strip.png")
    with writing(file):
        Image.fromarray(picture.repeat(scale, axis=0).repeat(scale, axis=1)).save(file)
    return file
