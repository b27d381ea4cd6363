"""The synthetic `pool`: unlabelled video with sound, as what methods learn from is kept.

    pool/kinetics/clips/{id}_000000_000010.mp4     a third of the clips each, MPEG-4 and AAC
    pool/audioset/{id}.mp4 and segments.csv        labels are empty
    pool/flickr/{id}.mp4
    pool/.world/truth.csv                          for calibration and pictures alone: no reader opens it

Something moves before a scene, and swells in the frame in which one of its sounds begins; the ambience is that of the
scene. In most clips one thing is seen and heard; in some it is heard alone, or stands beside another that is silent.
Individuals occur in no other set.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from unlabeled.datasets.world import render, voices
from unlabeled.datasets.world.cast import KINDS, SCENES
from unlabeled.datasets.world.files import WorldFile, film_file, text_file
from unlabeled.datasets.world.knobs import POOL
from unlabeled.datasets.world.render import Camera, Individual, Place
from unlabeled.streams import stream

WRAPPINGS = ("kinetics", "audioset", "flickr")
SITUATIONS = ("seen", "off-screen", "beside")
"""Where the thing that sounds is: in the picture alone, outside, or in the picture beside a silent one."""

TRUTH = ".world/truth.csv"
HEADER = "clip,situation,scene,kind,sounds,events,boxes"


@dataclass(frozen=True)
class Clip:
    """One clip; `kind` is that of the thing that sounds."""

    preset: str
    seed: int
    number: int
    kind: int

    @property
    def id(self) -> str:
        """Eleven characters, as the sources of real pools name their videos."""
        digest = hashlib.blake2b(f"{self.seed}/pool/{self.number}".encode(), digest_size=10).digest()
        return "w" + base64.b32encode(digest).decode().lower()[:10]

    @property
    def wrapping(self) -> str:
        """Whose layout it has."""
        return WRAPPINGS[self.number % len(WRAPPINGS)]

    @property
    def name(self) -> str:
        """Path below the set's folder."""
        if self.wrapping == "kinetics":
            return f"kinetics/clips/{self.id}_000000_000010.mp4"
        return f"{self.wrapping}/{self.id}.mp4"

    def stream(self, *purpose: object) -> np.random.Generator:
        """Draws of this clip alone."""
        return stream(self.seed, "pool", self.number, *purpose)


@dataclass(frozen=True)
class Thing:
    """Something in the picture: what it is, where it stands in each frame, and whether it is heard."""

    kind: int
    who: Individual
    places: tuple[Place, ...]
    sounds: bool


@dataclass(frozen=True)
class Plan:
    """Everything that a clip is made from.

    singer : the voice that is heard
    active : stretch in which its sounds begin, seconds
    events : beginnings of its sounds, seconds
    seen   : what is in the picture, from the farthest to the nearest
    """

    situation: str
    scene: int
    camera: Camera
    singer: voices.Individual
    active: tuple[float, float]
    events: np.ndarray
    seen: tuple[Thing, ...]


@dataclass(frozen=True)
class Film:
    """A rendered clip: uint8 `frames (n, h, w, 3)`, int16 `samples (m,)`, and the ambience in them, float64 `(m,)`."""

    frames: np.ndarray
    samples: np.ndarray
    ambience: np.ndarray


def items(preset: str, seed: int) -> tuple[Clip, ...]:
    """All clips of a set; each kind is heard in as many as any other, or in one more."""
    size = POOL.sizes[preset]
    kinds = stream(seed, "pool", "kinds").permutation(np.resize(np.arange(size.kinds), size.clips))
    return tuple(Clip(preset, seed, number, int(kind)) for number, kind in enumerate(kinds))


def files(clip: Clip) -> Iterable[WorldFile]:
    """The files of one clip."""
    film = render_clip(clip)
    rate = POOL.sizes[clip.preset].rate
    yield film_file(clip.name, film.frames, POOL.fps, POOL.quantiser, film.samples, rate)


def tables(preset: str, clips: Iterable[Clip]) -> Iterable[WorldFile]:
    """The table of AudioSet, without labels, and the truth."""
    clips = sorted(clips, key=lambda clip: clip.name)
    rows = [f'{clip.id}, 0.000, {POOL.seconds:.3f}, ""' for clip in clips if clip.wrapping == "audioset"]
    head = "# YTID, start_seconds, end_seconds, positive_labels"
    yield text_file("audioset/segments.csv", "\n".join((head, *rows)) + "\n")
    yield text_file(TRUTH, "\n".join((HEADER, *(line for clip in clips for line in _truth(clip)))) + "\n")


def _truth(clip: Clip) -> Iterable[str]:
    """A line for what sounds, and one for what is silent: times of sounds and boxes of all frames, where it has any."""
    drawn = plan(clip)
    heard = ";".join(f"{time:.4f}" for time in drawn.events)
    for thing in drawn.seen:
        boxes = (render.extent(thing.who, place) for place in thing.places)
        corners = ";".join(" ".join(f"{edge:.1f}" for edge in box) for box in boxes)
        yield _line(clip, drawn, thing.kind, thing.sounds, heard if thing.sounds else "", corners)
    if not any(thing.sounds for thing in drawn.seen):
        yield _line(clip, drawn, clip.kind, True, heard, "")


def _line(clip: Clip, drawn: Plan, kind: int, sounds: bool, events: str, boxes: str) -> str:
    names = SCENES[drawn.scene].name, KINDS[kind].name
    return ",".join((clip.name, drawn.situation, *names, str(int(sounds)), events, boxes))


# ---------------------------------------------------------------- what happens


def plan(clip: Clip) -> Plan:
    """Draw a clip; a pure function of the clip and the knobs."""
    size = POOL.sizes[clip.preset]
    frames, unit = round(POOL.seconds * POOL.fps), size.height / 64.0
    rng = clip.stream("situation")
    situation = SITUATIONS[int(rng.choice(len(SITUATIONS), p=POOL.situations))]
    scene, active = int(rng.integers(len(SCENES))), _active(clip)
    camera = render.camera(frames, POOL.pan * unit, POOL.shake * unit, clip.stream("camera"))
    singer = voices.individual(KINDS[clip.kind].voice, POOL.pitch_octaves, clip.stream("voice"))
    # The same first draws as those of the voice itself.
    events = voices.event_times(singer.rate, *active, clip.stream("events"))
    cast = {"seen": [clip.kind], "off-screen": [], "beside": [clip.kind, _another(clip, size.kinds)]}[situation]
    paths = _paths(clip, len(cast), camera)
    pulse = _pulse(events, frames)
    seen = []
    for row, (kind, path) in enumerate(zip(cast, paths, strict=True)):
        who = render.individual(KINDS[kind].look, clip.stream("look", row))
        if row == 0:
            path = tuple(replace(place, size=place.size * beat) for place, beat in zip(path, pulse, strict=True))
        seen.append(Thing(kind, who, path, sounds=row == 0))
    order = clip.stream("depth").permutation(len(seen))
    return Plan(situation, scene, camera, singer, active, events, tuple(seen[k] for k in order))


def _active(clip: Clip) -> tuple[float, float]:
    rng = clip.stream("active")
    length = POOL.seconds * rng.uniform(*POOL.active)
    start = rng.uniform(0.0, POOL.seconds - length)
    return start, start + length


def _another(clip: Clip, kinds: int) -> int:
    """A kind other than that of the clip."""
    return (clip.kind + int(clip.stream("other").integers(1, kinds))) % kinds


def _pulse(events: np.ndarray, frames: int) -> np.ndarray:
    """Factor on the size in each frame: it jumps in the frame that holds a beginning, and falls again."""
    beat = np.zeros(frames)
    for first in np.floor(events * POOL.fps).astype(int):
        later = np.arange(frames) - first
        beat = np.where(later >= 0, np.maximum(beat, np.exp(-later / (POOL.fps * POOL.fall_s))), beat)
    return 1.0 + (POOL.pulse - 1.0) * beat


def _paths(clip: Clip, count: int, camera: Camera) -> list[tuple[Place, ...]]:
    """Where things are in each frame, drawn until they stand apart at first."""
    rng = clip.stream("paths")
    while True:
        paths = [_path(clip, camera, rng) for _ in range(count)]
        starts = [path[0] for path in paths]
        if all(
            np.hypot(one.x - other.x, one.y - other.y) > POOL.apart * (one.size + other.size)
            for k, one in enumerate(starts)
            for other in starts[:k]
        ):
            return paths


def _path(clip: Clip, camera: Camera, rng: np.random.Generator) -> tuple[Place, ...]:
    """Sines in x and y, and a steady turn."""
    size, time = POOL.sizes[clip.preset], np.arange(len(camera.pan))
    centre, reach = rng.uniform(0.2, 0.8, 2), rng.uniform(0.0, POOL.reach, 2)
    angle = rng.uniform(*POOL.speed, 2) * time[:, None] + rng.uniform(0.0, 2.0 * np.pi, 2)
    spot = (centre + reach * np.sin(angle)) * (size.width, size.height) - camera.shake
    across = size.height / 64.0 * rng.uniform(*POOL.size)
    turns = rng.uniform(0.0, 2.0 * np.pi) + POOL.turn * rng.standard_normal() * time
    return tuple(
        Place(float(x), float(y), float(across), float(turn)) for (x, y), turn in zip(spot, turns, strict=True)
    )


# ---------------------------------------------------------------- what is seen and heard


def render_clip(clip: Clip) -> Film:
    """Make one clip; a pure function of the clip and the knobs."""
    drawn = plan(clip)
    return Film(picture(clip, drawn), *sound(clip, drawn))


def picture(clip: Clip, drawn: Plan) -> np.ndarray:
    size = POOL.sizes[clip.preset]
    rows, columns = size.height, size.width
    offsets = drawn.camera.offset
    ground = render.backdrop(SCENES[drawn.scene], rows, columns, offsets, POOL.contrast, clip.stream("ground"))
    sprites = [render.sprite(thing.who) for thing in drawn.seen]
    frames = np.empty((len(offsets), rows, columns, 3), np.float32)
    for t, offset in enumerate(offsets):
        frames[t] = render.view(ground, offset, rows, columns)
        for thing, sprite in zip(drawn.seen, sprites, strict=True):
            stamp = render.stamp(sprite, thing.places[t], rows, columns)
            if stamp is not None:
                render.paste(frames[t], stamp)
    light = render.gains(len(offsets), POOL.light, clip.stream("light"))
    return render.sensor(frames, light, POOL.noise, clip.stream("noise"))


def sound(clip: Clip, drawn: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Samples, and the ambience in them; levels are set as in `esc50`."""
    rate = POOL.sizes[clip.preset].rate
    samples = round(POOL.seconds * rate)
    start, stop = drawn.active
    dry = voices.sing(drawn.singer, drawn.active, samples, rate, clip.stream("events"))
    rng = clip.stream("channel")
    voice = voices.record(dry, rate, rng.uniform(*POOL.reverb_s), POOL.channel_db, rng)
    ambience = voices.ambience(SCENES[drawn.scene], samples, rate, clip.stream("ambience"))
    rng = clip.stream("level")
    voice *= 10.0 ** (rng.uniform(*POOL.snr_db) / 20.0) / np.sqrt(np.sum(voice**2) / ((stop - start) * rate))
    rms = 10.0 ** (rng.uniform(*POOL.level_db) / 20.0)
    gain, mixed = voices.limit(voice + ambience, rms, rng.uniform(*POOL.peak_db), rate)
    return np.rint(np.clip(mixed, -1.0, 1.0) * 32767.0).astype(np.int16), ambience * gain
