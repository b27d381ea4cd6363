"""The synthetic `davis2017`: moving objects with a mask of each in every frame, in the official layout.

    DAVIS/JPEGImages/480p/{sequence}/00000.jpg     frames, smaller than the folder's name says
    DAVIS/Annotations/480p/{sequence}/00000.png    palette PNG, pixel = object number, 0 background
    DAVIS/ImageSets/2017/{train,val}.txt           a sequence a line
    DAVIS/world_attributes.csv                     what is hard about each sequence

One to three objects run on curves before a moving camera, under a drifting shadow and over other objects that
belong to the ground; in most of the sequences a further object, without a mask, crosses the path of one of them.
A mask is what is drawn of an object with more than half opacity, in the order of depth: a hidden object has
fewer pixels, and may vanish and return.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from unlabeled.datasets.decode.masks import PALETTE
from unlabeled.datasets.world import render
from unlabeled.datasets.world.cast import KINDS, SCENES
from unlabeled.datasets.world.files import WorldFile, jpeg_file, png_file, text_file
from unlabeled.datasets.world.knobs import DAVIS2017, Davis2017Size
from unlabeled.datasets.world.render import Camera, Individual, Place
from unlabeled.streams import stream

PARTS = ("train", "val")
ATTRIBUTES = ("OCC", "TWIN", "FM", "SV", "DEF", "CS", "BC", "IV")

FAST = 20.0 / 480.0
"""Mean motion of a fast sequence's objects in a frame, as a share of its height: 20 pixels of the official frames."""


@dataclass(frozen=True)
class Clip:
    """One sequence; `number` counts over both parts."""

    preset: str
    seed: int
    part: str
    number: int

    @property
    def name(self) -> str:
        """Its folder."""
        return f"path{self.number:02d}"

    def stream(self, *purpose: object) -> np.random.Generator:
        """Draws of this sequence alone."""
        return stream(self.seed, "davis2017", self.number, *purpose)


@dataclass(frozen=True)
class Thing:
    """An object: what it is, and where it stands in each frame."""

    kind: int
    who: Individual
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that a sequence is drawn from.

    objects  : number k has index k - 1
    depth    : indices of the objects, from the farthest to the nearest
    occluder : nearer than all, without a mask
    clutter  : things on the ground, each with the one place that a camera at rest sees
    shadow   : how much darker and brighter the ground gets, as a share
    shake    : steps of the camera's tremor, pixels
    """

    scene: int
    camera: Camera
    objects: tuple[Thing, ...]
    depth: tuple[int, ...]
    occluder: Thing | None
    clutter: tuple[Thing, ...]
    shadow: float
    shake: float

    @property
    def twins(self) -> bool:
        """Whether two objects are of one kind."""
        return len({thing.kind for thing in self.objects}) < len(self.objects)


@dataclass(frozen=True)
class Film:
    """A rendered sequence: uint8 `frames (n, h, w, 3)` and `masks (n, h, w)`."""

    frames: np.ndarray
    masks: np.ndarray


def items(preset: str, seed: int) -> tuple[Clip, ...]:
    """All sequences of a set, those of the training list first."""
    size = DAVIS2017.sizes[preset]
    parts = [part for part, count in zip(PARTS, (size.train, size.val), strict=True) for _ in range(count)]
    return tuple(Clip(preset, seed, part, number) for number, part in enumerate(parts))


def files(clip: Clip) -> Iterable[WorldFile]:
    """The files of one sequence."""
    film = render_clip(clip)
    for row, (frame, mask) in enumerate(zip(film.frames, film.masks, strict=True)):
        yield jpeg_file(f"JPEGImages/480p/{clip.name}/{row:05d}.jpg", frame, DAVIS2017.quality)
        yield png_file(f"Annotations/480p/{clip.name}/{row:05d}.png", mask, PALETTE.tobytes())


def tables(preset: str, clips: Iterable[Clip]) -> Iterable[WorldFile]:
    """The lists, and the table of attributes."""
    clips = list(clips)
    for part in PARTS:
        yield text_file(f"ImageSets/2017/{part}.txt", "".join(f"{c.name}\n" for c in clips if c.part == part))
    rows = DAVIS2017.sizes[preset].height
    lines = [",".join(("seq", "objects", *ATTRIBUTES))]
    for clip in clips:
        drawn = plan(clip)
        lines.append(",".join(map(str, (clip.name, len(drawn.objects), *map(int, attributes(drawn, rows))))))
    yield text_file("world_attributes.csv", "\n".join(lines) + "\n")


def attributes(drawn: Plan, rows: int) -> tuple[bool, ...]:
    """What is hard about a sequence of frames of `rows`, in the order of `ATTRIBUTES`.

    Fast motion and scale variation are defined as in DAVIS; deformation, camera shake and illumination are in the
    upper half of what is drawn; clutter: something on the ground is of the kind of an object.
    """
    tracks = [np.array([(p.x, p.y) for p in thing.places]) for thing in drawn.objects]
    sizes = [np.array([place.size for place in thing.places]) for thing in drawn.objects]
    shears = [max(abs(place.shear) for place in thing.places) for thing in drawn.objects]
    return (
        drawn.occluder is not None,
        drawn.twins,
        float(np.mean([np.hypot(*np.diff(track, axis=0).T) for track in tracks])) > FAST * rows,
        any((size.min() / size.max()) ** 2 < 0.5 for size in sizes),
        max(shears) > 0.5 * DAVIS2017.shear,
        drawn.shake > 0.5 * sum(DAVIS2017.shake) * rows / 72.0,
        bool({thing.kind for thing in drawn.objects} & {thing.kind for thing in drawn.clutter}),
        drawn.shadow > 0.5 * sum(DAVIS2017.shadow),
    )


# ---------------------------------------------------------------- what happens


def plan(clip: Clip) -> Plan:
    """Draw a sequence; a pure function of the clip and the knobs."""
    size = DAVIS2017.sizes[clip.preset]
    rng = clip.stream("camera")
    shake = size.height / 72.0 * rng.uniform(*DAVIS2017.shake)
    camera = render.camera(size.frames, size.height / 72.0 * DAVIS2017.pan, shake, rng)
    rng = clip.stream("cast")
    count = int(rng.integers(1, DAVIS2017.objects + 1))
    kinds = rng.permutation(DAVIS2017.kinds)[:count]
    if count > 1 and rng.uniform() < DAVIS2017.twins:
        first, second = rng.permutation(count)[:2]
        kinds[second] = kinds[first]
    crossed = int(rng.integers(count)) if rng.uniform() < DAVIS2017.occluded else None
    paths, crossing = _paths(clip, count, crossed, camera)
    rng = clip.stream("scene")
    return Plan(
        scene=int(rng.integers(len(SCENES))),
        camera=camera,
        objects=tuple(
            _thing(int(kind), path, clip.stream("object", k))
            for k, (kind, path) in enumerate(zip(kinds, paths, strict=True))
        ),
        depth=tuple(int(k) for k in clip.stream("depth").permutation(count)),
        occluder=_stranger(crossing, clip.stream("occluder")) if crossing else None,
        clutter=tuple(_strewn(size, clip.stream("clutter", k)) for k in range(DAVIS2017.clutter)),
        shadow=float(rng.uniform(*DAVIS2017.shadow)),
        shake=float(shake),
    )


def _thing(kind: int, places: tuple[Place, ...], rng: np.random.Generator) -> Thing:
    return Thing(kind, render.individual(KINDS[kind].look, rng), places)


def _stranger(places: tuple[Place, ...], rng: np.random.Generator) -> Thing:
    """A thing of any kind."""
    return _thing(int(rng.integers(DAVIS2017.kinds)), places, rng)


def _strewn(size: Davis2017Size, rng: np.random.Generator) -> Thing:
    """A thing on the ground, anywhere in the frame of a camera at rest."""
    x, y = rng.uniform(0.0, size.width), rng.uniform(0.0, size.height)
    across = size.height / 72.0 * rng.uniform(*DAVIS2017.size)
    return _stranger((Place(x, y, across, rng.uniform(0.0, 2.0 * np.pi)),), rng)


def _paths(
    clip: Clip, count: int, crossed: int | None, camera: Camera
) -> tuple[list[tuple[Place, ...]], tuple[Place, ...]]:
    """Paths of the objects, and of the occluder if one is crossed.

    Drawn until in the first frame, where a method is shown their masks, all stand apart and no object is cut off by
    more than a half; their kinds do not enter.
    """
    size, rng = DAVIS2017.sizes[clip.preset], clip.stream("paths")
    while True:
        paths = [_path(clip, camera, rng) for _ in range(count)]
        crossing = () if crossed is None else _crossing(clip, paths[crossed], rng)
        starts = [path[0] for path in (*paths, crossing) if path]
        if all(
            place.size / 8.0 < place.x < size.width - place.size / 8.0
            and place.size / 8.0 < place.y < size.height - place.size / 8.0
            for place in starts[:count]
        ) and all(
            np.hypot(one.x - other.x, one.y - other.y) > DAVIS2017.apart * (one.size + other.size)
            for k, one in enumerate(starts)
            for other in starts[:k]
        ):
            return paths, crossing


def _path(clip: Clip, camera: Camera, rng: np.random.Generator) -> tuple[Place, ...]:
    """Where an object is in each frame: sines in x and y, the centre always in the frame but for the tremor."""
    size = DAVIS2017.sizes[clip.preset]
    time, turn = np.arange(size.frames), 2.0 * np.pi
    centre = rng.uniform(0.15, 0.85, 2)
    reach = np.minimum(rng.uniform(*DAVIS2017.reach, 2), np.minimum(centre, 1.0 - centre))
    rate, phase = DAVIS2017.speed * rng.uniform(0.12, 0.25, 2), rng.uniform(0.0, turn, 2)
    place = (centre + reach * np.sin(rate * time[:, None] + phase)) * (size.width, size.height) - camera.shake
    across = size.height / 72.0 * rng.uniform(*DAVIS2017.size)
    swell, shear = rng.uniform(0.0, DAVIS2017.swell), rng.uniform(0.0, DAVIS2017.shear)
    # One half to one and a half cycles of either in a sequence.
    swelling, shearing = (turn * rng.uniform(0.5, 1.5) * time / size.frames + rng.uniform(0.0, turn) for _ in range(2))
    sizes, shears = across * (1.0 + swell * np.sin(swelling)), shear * np.sin(shearing)
    angles = rng.uniform(0.0, turn) + DAVIS2017.turn * rng.standard_normal() * time
    return tuple(
        Place(x=float(x), y=float(y), size=float(wide), angle=float(angle), shear=float(lean))
        for (x, y), wide, angle, lean in zip(place, sizes, angles, shears, strict=True)
    )


def _crossing(clip: Clip, target: tuple[Place, ...], rng: np.random.Generator) -> tuple[Place, ...]:
    """A straight path over that of another object, whose centre it meets in the middle of the sequence."""
    size = DAVIS2017.sizes[clip.preset]
    meeting, direction = int(rng.uniform(0.4, 0.7) * size.frames), rng.uniform(0.0, 2.0 * np.pi)
    step = rng.uniform(0.8, 1.4) * size.width / size.frames
    across, angle = size.height / 72.0 * rng.uniform(*DAVIS2017.size), rng.uniform(0.0, 2.0 * np.pi)
    return tuple(
        Place(
            x=target[meeting].x + float(np.cos(direction)) * step * (frame - meeting),
            y=target[meeting].y + float(np.sin(direction)) * step * (frame - meeting),
            size=across,
            angle=angle,
        )
        for frame in range(size.frames)
    )


# ---------------------------------------------------------------- what is seen


def render_clip(clip: Clip) -> Film:
    """Make one sequence; a pure function of the clip and the knobs."""
    size, drawn = DAVIS2017.sizes[clip.preset], plan(clip)
    rows, columns = size.height, size.width
    ground = _ground(clip, drawn)
    shadows = _shadows(clip, drawn.shadow)
    near = [(drawn.objects[k], k + 1) for k in drawn.depth]
    if drawn.occluder:
        near.append((drawn.occluder, 0))
    layers = [(thing.places, number, render.sprite(thing.who)) for thing, number in near]
    frames = np.empty((size.frames, rows, columns, 3), np.float32)
    masks = np.zeros((size.frames, rows, columns), np.uint8)
    for t in range(size.frames):
        frames[t] = render.view(ground, drawn.camera.offset[t], rows, columns)
        for places, number, sprite in layers:
            stamp = render.stamp(sprite, places[t], rows, columns)
            if stamp is not None:
                render.paste(frames[t], stamp)
                masks[t, stamp.rows, stamp.columns][stamp.alpha[..., 0] > 0.5] = number
        frames[t] *= shadows[t][..., None]
    light = render.gains(size.frames, DAVIS2017.light, clip.stream("light"))
    return Film(render.sensor(frames, light, DAVIS2017.noise, clip.stream("noise")), masks)


def _ground(clip: Clip, drawn: Plan) -> np.ndarray:
    """The scene with the things that belong to it."""
    size = DAVIS2017.sizes[clip.preset]
    ground = render.backdrop(
        SCENES[drawn.scene], size.height, size.width, drawn.camera.offset, DAVIS2017.contrast, clip.stream("ground")
    )
    rows, columns, _ = ground.shape
    for thing in drawn.clutter:
        (place,) = thing.places
        there = replace(place, x=place.x + (columns - size.width) / 2.0, y=place.y + (rows - size.height) / 2.0)
        stamp = render.stamp(render.sprite(thing.who), there, rows, columns)
        if stamp is not None:
            render.paste(ground, stamp)
    return ground


def _shadows(clip: Clip, strength: float) -> np.ndarray:
    """Light on each pixel `(frames, rows, columns)` float32: two patterns of waves, longer than half the frame."""
    size, rng = DAVIS2017.sizes[clip.preset], clip.stream("shadow")
    time = np.arange(size.frames)[:, None]
    field = np.zeros((size.frames, size.height, size.width))
    for _ in range(2):
        across, down = (
            np.sin(
                2.0 * np.pi * rng.uniform(0.5, 1.5) * np.arange(pixels) / size.height
                + rng.normal(0.0, DAVIS2017.drift) * time
                + rng.uniform(0.0, 2.0 * np.pi)
            )
            for pixels in (size.width, size.height)
        )
        field += 0.5 * down[:, :, None] * across[:, None, :]
    return (1.0 + strength * field).astype(np.float32)
