"""The synthetic `jhmdb`: a moving puppet with 15 joints in every frame, in the official layout.

    JHMDB/Rename_Images/{class}/{clip}/00001.png                     frames
    JHMDB/joint_positions/{class}/{clip}/joint_positions.mat         `pos_img` and more, pixels counted from 1
    JHMDB/puppet_mask/{class}/{clip}/puppet_mask.mat                 `part_mask`, 1 on the puppet
    JHMDB/ReCompress_Videos/{class}/{clip}.avi                       Motion JPEG
    JHMDB/splits/{class}_test_split{1,2,3}.txt                       a line `{clip}.avi 1` (train) or 2 (test)

The puppet has 14 capsules between its joints, and a head. Three colours: trunk and head, both arms, both legs, so that
left and right look alike. Its angles are sines of the phase of an action. The camera moves, and other things lie on
the ground. Names of actions and of clips have the official form and say nothing about looks.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from unlabeled.datasets.world import render
from unlabeled.datasets.world.cast import KINDS, SCENES
from unlabeled.datasets.world.files import WorldFile, mat_file, png_file, text_file, video_file
from unlabeled.datasets.world.knobs import JHMDB
from unlabeled.datasets.world.render import Camera, Place
from unlabeled.streams import stream

SPLITS = (1, 2, 3)
NECK, BELLY, FACE = 0, 1, 2
SHOULDERS, HIPS, ELBOWS, KNEES, WRISTS, ANKLES = (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14)
"""Joints in the official order, of pairs the right one first."""

LEG, ARM, TRUNK = 0, 1, 2
"""Colours of the puppet."""

HEAD = 0.075
"""Radius of the head, as a share of the puppet's height, as are all lengths below."""


@dataclass(frozen=True)
class Swing:
    """An angle (or height) over the phase of an action: base + amplitude sin(harmonic phase + start)."""

    base: float = 0.0
    amplitude: float = 0.0
    harmonic: int = 1
    start: float = 0.0


REST = Swing()


@dataclass(frozen=True)
class Action:
    """How the puppet moves; of pairs the right one first.

    Angles of upper arms and thighs are from straight down towards positive x, those of forearms and shins from the
    upper arm and the thigh, that of the trunk from straight up. `bounce` lifts the whole.
    """

    name: str
    shoulders: tuple[Swing, Swing]
    elbows: tuple[Swing, Swing]
    hips: tuple[Swing, Swing] = (Swing(-0.12), Swing(0.12))
    knees: tuple[Swing, Swing] = (REST, REST)
    lean: Swing = REST
    bounce: Swing = REST


_HALF = np.pi
_QUARTER = np.pi / 2.0

_ACTIONS = (
    Action(
        "PuppetWalk",
        shoulders=(Swing(-0.1, 0.45, 1, _HALF), Swing(0.1, 0.45)),
        elbows=(Swing(0.3, 0.15, 1, _HALF), Swing(0.3, 0.15)),
        hips=(Swing(0.0, 0.45), Swing(0.0, 0.45, 1, _HALF)),
        knees=(Swing(-0.35, 0.3, 1, _HALF), Swing(-0.35, 0.3)),
        bounce=Swing(0.0, 0.012, 2),
    ),
    Action(
        "PuppetWave",
        shoulders=(Swing(-2.4, 0.2), Swing(0.25, 0.05)),
        elbows=(Swing(-0.2, 0.7, 1, 0.5), Swing(0.1)),
        lean=Swing(0.0, 0.05),
    ),
    Action(
        "PuppetJump",
        shoulders=(Swing(-0.9, 0.7), Swing(0.9, 0.7, 1, _HALF)),
        elbows=(Swing(-0.2), Swing(0.2)),
        hips=(Swing(-0.35, 0.25, 1, _QUARTER), Swing(0.35, 0.25, 1, -_QUARTER)),
        knees=(Swing(0.5, 0.4, 1, -_QUARTER), Swing(-0.5, 0.4, 1, _QUARTER)),
        bounce=Swing(0.0, 0.04, 1, -_QUARTER),
    ),
    Action(
        "PuppetBow",
        shoulders=(Swing(0.1, 0.1), Swing(0.3, 0.1)),
        elbows=(Swing(0.1), Swing(0.1)),
        lean=Swing(0.5, 0.45),
    ),
    Action(
        "PuppetSwing",
        shoulders=(Swing(0.0, 1.1), Swing(0.1, 1.1)),
        elbows=(Swing(0.1, 0.2), Swing(0.0, 0.2)),
        hips=(Swing(-0.25, 0.05), Swing(0.25, 0.05)),
        lean=Swing(0.0, 0.15),
    ),
    Action(
        "PuppetClap",
        shoulders=(Swing(-0.6, 0.25), Swing(0.6, 0.25, 1, _HALF)),
        elbows=(Swing(1.9, 0.5, 1, _HALF), Swing(-1.9, 0.5)),
    ),
)


@dataclass(frozen=True)
class Clip:
    """One clip; `number` counts those of an action from 0, `sides` are 1 (train) or 2 (test) for each split."""

    preset: str
    seed: int
    action: int
    number: int
    sides: tuple[int, ...]

    @property
    def folder(self) -> str:
        """Name of the class."""
        return action(self.action).name

    @property
    def title(self) -> str:
        """Name of the clip, in the official grammar."""
        return f"Puppet{self.number:02d}_{self.folder}_f_cm_np1_fr_med_0"

    @property
    def name(self) -> str:
        """Class and clip, as in every folder of the set."""
        return f"{self.folder}/{self.title}"

    def stream(self, *purpose: object) -> np.random.Generator:
        """Draws of this clip alone."""
        return stream(self.seed, "jhmdb", self.folder, self.number, *purpose)


@dataclass(frozen=True)
class Puppet:
    """One individual in one clip, as it stands in the frames.

    joints  : `(2, 15, frames)`, x and y in pixels, the first pixel centred on (0.5, 0.5)
    height  : in pixels
    build   : factor on the thickness of its limbs
    colours : of legs, arms, trunk and head, 0..255
    """

    joints: np.ndarray
    height: float
    build: float
    colours: np.ndarray


@dataclass(frozen=True)
class Film:
    """A rendered clip: uint8 `frames (n, h, w, 3)`, bool `masks (n, h, w)`, and the puppet."""

    frames: np.ndarray
    masks: np.ndarray
    puppet: Puppet


def action(number: int) -> Action:
    """One of the cast's actions: six are made by hand, the others drawn, the same for every master seed."""
    if number < len(_ACTIONS):
        return _ACTIONS[number]
    rng = stream(1, "cast", "action", number)

    def swing(base: float, amplitude: float) -> Swing:
        start = float(rng.uniform(0.0, 2.0 * np.pi))
        return Swing(float(rng.uniform(-base, base)), float(rng.uniform(0.2, 1.0) * amplitude), 1, start)

    return Action(
        f"PuppetMove{number:02d}",
        shoulders=(swing(1.2, 0.7), swing(1.2, 0.7)),
        elbows=(swing(0.8, 0.6), swing(0.8, 0.6)),
        hips=(swing(0.25, 0.3), swing(0.25, 0.3)),
        knees=(swing(0.3, 0.3), swing(0.3, 0.3)),
        lean=swing(0.15, 0.2),
    )


def items(preset: str, seed: int) -> tuple[Clip, ...]:
    """All clips of a set, by class; the splits test different clips of each class."""
    size = JHMDB.sizes[preset]
    tested = round(0.3 * size.clips)
    clips = []
    for number in range(size.actions):
        order = list(stream(seed, "jhmdb", action(number).name, "splits").permutation(size.clips))
        for clip in range(size.clips):
            place = order.index(clip) // tested + 1
            clips.append(Clip(preset, seed, number, clip, tuple(2 if split == place else 1 for split in SPLITS)))
    return tuple(clips)


def files(clip: Clip) -> Iterable[WorldFile]:
    """The files of one clip."""
    film = render_clip(clip)
    frames, rows, columns, _ = film.frames.shape
    for number, frame in enumerate(film.frames, 1):
        yield png_file(f"Rename_Images/{clip.name}/{number:05d}.png", frame)
    yield video_file(f"ReCompress_Videos/{clip.name}.avi", film.frames, JHMDB.fps, JHMDB.quantiser)
    # The centre of the first pixel is 1 in MATLAB.
    position, scale = film.puppet.joints + 0.5, film.puppet.height / rows
    middle = np.array([columns, rows])[:, None, None] / 2.0
    yield mat_file(
        f"joint_positions/{clip.name}/joint_positions.mat",
        {
            "pos_img": position,
            # As in a released file, whose scale would be 0.45; the definition is not verified.
            "pos_world": (position - middle) / (rows * scale),
            "scale": np.full((1, frames), scale),
            "viewpoint": "S",
        },
    )
    masks = np.ascontiguousarray(film.masks.transpose(1, 2, 0), np.uint8)
    yield mat_file(f"puppet_mask/{clip.name}/puppet_mask.mat", {"part_mask": masks})


def tables(preset: str, clips: Iterable[Clip]) -> Iterable[WorldFile]:
    """The lists of the splits, one a class."""
    listed: dict[str, list[Clip]] = {}
    for clip in clips:
        listed.setdefault(clip.folder, []).append(clip)
    for name, members in listed.items():
        for split in SPLITS:
            lines = (f"{clip.title}.avi {clip.sides[split - 1]}\n" for clip in members)
            yield text_file(f"splits/{name}_test_split{split}.txt", "".join(lines))


# ---------------------------------------------------------------- the puppet


def puppet(clip: Clip, camera: Camera) -> Puppet:
    """Draw an individual and move it."""
    size, does = JHMDB.sizes[clip.preset], action(clip.action)
    rng = clip.stream("look")
    height = size.height * float(rng.uniform(*JHMDB.height))
    limbs, build = rng.uniform(0.92, 1.08, 4), float(rng.uniform(0.85, 1.2))
    # Three hues, a third of a turn apart within a twelfth.
    hues = rng.uniform() + np.arange(3) / 3.0 + rng.uniform(-1.0 / 12.0, 1.0 / 12.0, 3)
    colours = [colorsys.hsv_to_rgb(hue % 1.0, rng.uniform(0.5, 0.9), rng.uniform(0.55, 0.9)) for hue in hues]
    rng = clip.stream("motion")
    phase = rng.uniform(0.0, 2.0 * np.pi) + rng.uniform(*JHMDB.tempo) * np.arange(size.frames)
    vigour, mirror = rng.uniform(0.8, 1.2), rng.choice((-1.0, 1.0))
    place = np.array([rng.uniform(0.4, 0.6) * size.width, size.height / 2.0])
    # From 0.405 above the belly to 0.59 below it.
    place[1] += -0.0925 * height + rng.uniform(-0.2, 0.2) * (size.height - height)
    joints = height * _skeleton(does, phase, float(vigour), limbs)
    joints[0] *= mirror
    joints += place[:, None, None] - camera.offset.T[:, None, :]
    return Puppet(joints, height, build, 255.0 * np.array(colours, np.float32))


def _skeleton(does: Action, phase: np.ndarray, vigour: float, limbs: np.ndarray) -> np.ndarray:
    """Joints `(2, 15, frames)` from the belly, in heights of the puppet. `limbs` are factors on the length of limbs."""

    def at(swing: Swing) -> np.ndarray:
        return swing.base + vigour * swing.amplitude * np.sin(swing.harmonic * phase + swing.start)

    def from_(joint: int, length: float, angle: np.ndarray) -> np.ndarray:
        """The end of a limb; angle 0 hangs down."""
        return joints[:, joint] + length * np.stack([np.sin(angle), np.cos(angle)])

    joints = np.zeros((2, 15, len(phase)))
    lean = at(does.lean)
    joints[1, BELLY] = -at(does.bounce)
    joints[:, NECK] = from_(BELLY, -0.22, -lean)
    joints[:, FACE] = from_(NECK, -0.11, -lean)
    for side, outwards in enumerate((-1.0, 1.0)):
        joints[:, SHOULDERS[side]] = from_(NECK, 0.1, -lean + outwards * 1.4)
        joints[:, HIPS[side]] = from_(BELLY, 0.115, np.full_like(phase, outwards * 0.5))
        arm, thigh = at(does.shoulders[side]), at(does.hips[side])
        joints[:, ELBOWS[side]] = from_(SHOULDERS[side], 0.16 * limbs[0], arm)
        joints[:, WRISTS[side]] = from_(ELBOWS[side], 0.15 * limbs[1], arm + at(does.elbows[side]))
        joints[:, KNEES[side]] = from_(HIPS[side], 0.23 * limbs[2], thigh)
        joints[:, ANKLES[side]] = from_(KNEES[side], 0.22 * limbs[3], thigh + at(does.knees[side]))
    return joints


def _layers() -> tuple[tuple[int, tuple[tuple[int, int, float], ...]], ...]:
    """Colour and capsules (two joints and a radius), from the farthest to the nearest: left limbs lie behind."""
    trunk = ((NECK, BELLY, 0.07), (NECK, FACE, 0.03), (FACE, FACE, HEAD))
    bars = tuple((NECK, joint, 0.035) for joint in SHOULDERS) + tuple((BELLY, joint, 0.045) for joint in HIPS)
    (right_leg, right_arm), (left_leg, left_arm) = (
        (
            (LEG, ((HIPS[side], KNEES[side], 0.04), (KNEES[side], ANKLES[side], 0.032))),
            (ARM, ((SHOULDERS[side], ELBOWS[side], 0.032), (ELBOWS[side], WRISTS[side], 0.026))),
        )
        for side in (0, 1)
    )
    return left_leg, left_arm, (TRUNK, (*trunk, *bars)), right_leg, right_arm


LAYERS = _layers()


def _capsule(a: np.ndarray, b: np.ndarray, radius: float, rows: int, columns: int) -> np.ndarray:
    """How much of each pixel is within `radius` of the way from `a` to `b (2, frames)`, float32 `(frames, h, w)`."""
    x, y = np.arange(columns, dtype=np.float32) + 0.5, np.arange(rows, dtype=np.float32) + 0.5
    a, way = a.astype(np.float32)[:, :, None, None], (b - a).astype(np.float32)[:, :, None, None]
    from_x, from_y = x - a[0], y[:, None] - a[1]
    along = np.clip((from_x * way[0] + from_y * way[1]) / np.maximum((way**2).sum(axis=0), 1e-6), 0.0, 1.0)
    distance = np.sqrt((from_x - along * way[0]) ** 2 + (from_y - along * way[1]) ** 2)
    return np.clip(np.float32(radius + 0.5) - distance, 0.0, 1.0)


# ---------------------------------------------------------------- what is seen


def render_clip(clip: Clip) -> Film:
    """Make one clip; a pure function of the clip and the knobs."""
    size = JHMDB.sizes[clip.preset]
    rows, columns, unit = size.height, size.width, size.height / 60.0
    moving = render.camera(size.frames, JHMDB.pan * unit, JHMDB.shake * unit, clip.stream("camera"))
    camera = Camera(moving.pan * (1.0, JHMDB.tilt), moving.shake)
    drawn = puppet(clip, camera)
    ground = _ground(clip, camera)
    frames = np.stack([render.view(ground, offset, rows, columns) for offset in camera.offset])
    masks = np.zeros((size.frames, rows, columns), bool)
    for colour, capsules in LAYERS:
        cover = np.zeros(masks.shape, np.float32)
        for first, second, radius in capsules:
            a, b = drawn.joints[:, first], drawn.joints[:, second]
            thick = drawn.build if first != second else 1.0
            np.maximum(cover, _capsule(a, b, thick * radius * drawn.height, rows, columns), out=cover)
        masks |= cover > 0.5
        frames += cover[..., None] * (drawn.colours[colour] - frames)
    light = render.gains(size.frames, JHMDB.light, clip.stream("light"))
    return Film(render.sensor(frames, light, JHMDB.noise, clip.stream("noise")), masks, drawn)


def _ground(clip: Clip, camera: Camera) -> np.ndarray:
    """A scene with other things on it."""
    size, rng = JHMDB.sizes[clip.preset], clip.stream("ground")
    scene = SCENES[rng.integers(len(SCENES))]
    ground = render.backdrop(scene, size.height, size.width, camera.offset, JHMDB.contrast, rng)
    rows, columns, _ = ground.shape
    for _ in range(JHMDB.clutter):
        who = render.individual(KINDS[rng.integers(len(KINDS))].look, rng)
        x, y = rng.uniform(0.0, columns), rng.uniform(0.0, rows)
        across = size.height / 60.0 * rng.uniform(*JHMDB.size)
        place = Place(float(x), float(y), float(across), float(rng.uniform(0.0, 2.0 * np.pi)))
        stamp = render.stamp(render.sprite(who), place, rows, columns)
        if stamp is not None:
            render.paste(ground, stamp)
    return ground
