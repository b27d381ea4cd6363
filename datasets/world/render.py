"""Pictures of the synthetic world: individuals of a kind, scenes, camera, light and sensor.

A frame is float32 `(rows, columns, 3)` on the scale 0..255 until the sensor rounds it to uint8. Places and
speeds are in pixels, x to the right and y down, the first pixel centred on (0.5, 0.5).

    individual -> sprite -> stamp -> paste        an object
    camera -> backdrop -> view                    what it stands on
    gains, sensor                                 what happens to the whole clip

NumPy and PIL alone, no matrix products, everything from the streams that the caller gives.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from PIL import Image

from unlabeled.datasets.world.cast import Look, Scene

SPRITE = 64
"""Pixels along a side of a sprite."""

RADIUS = 0.72
"""Mean radius of an outline; the sprite reaches from -1 to 1."""

_REACH = 0.96
"""Largest coordinate of an outline: wider ones are drawn smaller, so that none is cut by the sprite's edge."""


@dataclass(frozen=True)
class Individual:
    """One thing of a kind, whatever its size and direction; angles in radians.

    phase, ripple, ripple_phase : of the outline and its second harmonic
    frequency, angle, shift     : texture, in periods across the object; shift of its two axes in radians
    first, second               : colours, RGB 0..1
    grain                       : seed of the textures that are random
    """

    look: Look
    phase: float
    ripple: float
    ripple_phase: float
    frequency: float
    angle: float
    shift: tuple[float, float]
    first: tuple[float, float, float]
    second: tuple[float, float, float]
    grain: int


@dataclass(frozen=True)
class Sprite:
    """An individual as RGBA images with premultiplied alpha: `SPRITE` pixels wide, then half as wide each.

    Drawn small from the widest, fine textures would flicker.
    """

    levels: tuple[Image.Image, ...]


@dataclass(frozen=True)
class Place:
    """Where and how an object stands: centre and size of its sprite in pixels, angle in radians.

    `stretch` widens it and flattens it by the same factor, `shear` moves its lower half to the right, in
    half sizes; `opacity` 0..1.
    """

    x: float
    y: float
    size: float
    angle: float = 0.0
    stretch: float = 1.0
    shear: float = 0.0
    opacity: float = 1.0


@dataclass(frozen=True)
class Stamp:
    """An object as it lies on a frame: premultiplied `colour (h, w, 3)` 0..255 and `alpha (h, w, 1)` 0..1, float32."""

    rows: slice
    columns: slice
    colour: np.ndarray
    alpha: np.ndarray


@dataclass(frozen=True)
class Camera:
    """Where the camera looks in each frame, `(frames, 2)` x and y in pixels: steady motion and tremor."""

    pan: np.ndarray
    shake: np.ndarray

    @property
    def offset(self) -> np.ndarray:
        """Both together."""
        return self.pan + self.shake


# ---------------------------------------------------------------- individuals


def individual(look: Look, rng: np.random.Generator) -> Individual:
    """A thing of a kind: 10 draws, whatever the kind."""
    turn = 2.0 * np.pi
    phase, ripple_phase, angle = rng.uniform(0.0, turn, 3)
    ripple, stretch = rng.uniform(-0.05, 0.05), rng.uniform(0.88, 1.12)
    shift = rng.uniform(0.0, turn, 2)
    hue, value = look.hue + 0.03 * rng.standard_normal(), min(1.0, look.value * rng.uniform(0.85, 1.1))
    return Individual(
        look=look,
        phase=float(phase),
        ripple=float(ripple),
        ripple_phase=float(ripple_phase),
        frequency=float(look.frequency * stretch),
        angle=float(angle),
        shift=(float(shift[0]), float(shift[1])),
        first=colorsys.hsv_to_rgb(hue % 1.0, look.saturation, value),
        second=colorsys.hsv_to_rgb((hue + look.second_hue) % 1.0, look.saturation, value),
        grain=int(rng.integers(2**32)),
    )


def sprite(who: Individual) -> Sprite:
    """Draw an individual."""
    axis = ((np.arange(SPRITE) + 0.5) / (SPRITE / 2) - 1.0).astype(np.float32)
    wide, high = _extent(who)
    zoom = max(1.0, wide / _REACH, high / _REACH)
    x, y = axis[None, :] * zoom, axis[:, None] * zoom
    inside = np.clip((_outline(who, x, y)) * (SPRITE / 2) / zoom + 0.5, 0.0, 1.0)
    mixed = _texture(who, x, y)[..., None]
    colours = np.array([who.first, who.second], np.float32)
    # Colours fill the whole square: only alpha draws the edge, at every level.
    levels = [np.concatenate([colours[0] + mixed * (colours[1] - colours[0]), inside[..., None]], axis=2)]
    while levels[-1].shape[0] > SPRITE // 8:
        fine = levels[-1]
        levels.append((fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]) / 4.0)
    return Sprite(tuple(_image(level) for level in levels))


def _image(level: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(level * 255.0).astype(np.uint8)).convert("RGBa")


def _radius(who: Individual, angle: np.ndarray) -> np.ndarray:
    """Distance of the outline from the centre in each direction, before the aspect."""
    lobes, harmonic = who.look.lobes, 2 * max(1, who.look.lobes)
    waves = who.look.depth * np.cos(lobes * angle + who.phase)
    return RADIUS * (1.0 + waves + who.ripple * np.cos(harmonic * angle + who.ripple_phase))


def _extent(who: Individual) -> tuple[float, float]:
    """Largest x and y of the outline."""
    angle = np.linspace(0.0, 2.0 * np.pi, 180, endpoint=False)
    radius, wide = _radius(who, angle), np.sqrt(who.look.aspect)
    return float(np.max(np.abs(radius * np.cos(angle))) * wide), float(np.max(np.abs(radius * np.sin(angle))) / wide)


def _outline(who: Individual, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far inside the outline, along the ray from the centre; negative outside."""
    wide = np.float32(np.sqrt(who.look.aspect))
    x, y = x / wide, y * wide
    return (_radius(who, np.arctan2(y, x)) - np.sqrt(x * x + y * y)).astype(np.float32)


def _texture(who: Individual, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Share of the second colour, float32 `(SPRITE, SPRITE)` 0..1, with soft edges."""
    pitch = np.pi * who.frequency / RADIUS
    cosine, sine = np.float32(np.cos(who.angle)), np.float32(np.sin(who.angle))
    across = pitch * (cosine * x + sine * y) + who.shift[0]
    along = pitch * (cosine * y - sine * x) + who.shift[1]
    match who.look.texture:
        case "stripes":
            wave = np.sin(across)
        case "checks":
            wave = 2.0 * np.sin(across) * np.sin(along)
        case "dots":
            wave = np.cos(across) + np.cos(along) - 0.5
        case "rings":
            wave = np.sin(pitch * np.sqrt(x * x + y * y) + who.shift[0])
        case "weave":
            # Squares of stripes, by turns along and across.
            over = np.sin(across / 2.0) * np.sin(along / 2.0) > 0.0
            wave = np.where(over, np.sin(2.0 * across), np.sin(2.0 * along))
        case "blot":
            wave = 3.0 * _noise(SPRITE, SPRITE, SPRITE / (1.5 * who.frequency), _grain(who))
        case "grain":
            cells = round(4.0 * who.frequency)
            rough = _grain(who).choice(np.array([-1.0, 1.0], np.float32), (cells, cells))
            wave = np.asarray(Image.fromarray(rough).resize((SPRITE, SPRITE), Image.Resampling.BILINEAR)) * 1.5
    return np.clip(0.5 + wave, 0.0, 1.0).astype(np.float32)


def _grain(who: Individual) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(who.grain))


# ---------------------------------------------------------------- objects on a frame


def stamp(drawn: Sprite, place: Place, rows: int, columns: int) -> Stamp | None:
    """An object on a frame of `rows` by `columns`; None where nothing of it is inside."""
    cosine, sine = float(np.cos(place.angle)), float(np.sin(place.angle))
    half = place.size / 2.0
    # Columns of the map from the sprite's square, -1..1, to the frame: turned after it is sheared and stretched.
    wide, flat = half * place.stretch, half / place.stretch
    a, b = cosine * wide, cosine * place.shear * half - sine * flat
    c, d = sine * wide, sine * place.shear * half + cosine * flat
    reach_x, reach_y = abs(a) + abs(b), abs(c) + abs(d)
    left, right = max(0, int(np.floor(place.x - reach_x))), min(columns, int(np.ceil(place.x + reach_x)))
    top, bottom = max(0, int(np.floor(place.y - reach_y))), min(rows, int(np.ceil(place.y + reach_y)))
    if left >= right or top >= bottom:
        return None
    source = drawn.levels[0]
    for level in drawn.levels[1:]:
        if level.width >= 0.75 * place.size:
            source = level
    scale, area = source.width / 2.0, a * d - b * c
    ia, ib, ic, id_ = d / area, -b / area, -c / area, a / area
    x, y = left - place.x, top - place.y
    inverse = (
        scale * ia,
        scale * ib,
        scale * (ia * x + ib * y + 1.0),
        scale * ic,
        scale * id_,
        scale * (ic * x + id_ * y + 1.0),
    )
    size = right - left, bottom - top
    patch = source.transform(size, Image.Transform.AFFINE, inverse, Image.Resampling.BILINEAR)
    values = np.asarray(patch).astype(np.float32) * np.float32(place.opacity)
    return Stamp(slice(top, bottom), slice(left, right), values[..., :3], values[..., 3:] / np.float32(255.0))


def paste(frame: np.ndarray, on_top: Stamp) -> None:
    """Put an object on a frame, float32 `(rows, columns, 3)`, in place."""
    under, clear = frame[on_top.rows, on_top.columns], np.float32(1.0) - on_top.alpha[..., 0]
    for channel in range(3):  # three times as fast as spreading alpha over channels
        under[..., channel] *= clear
        under[..., channel] += on_top.colour[..., channel]


# ---------------------------------------------------------------- camera and scene


def camera(frames: int, pan_sd: float, shake_sd: float, rng: np.random.Generator) -> Camera:
    """Steady motion of N(0, pan) pixels a frame and a random walk of N(0, shake) steps.

    Both are centred in time: run backwards they are as likely, and no frame is the one at rest.
    """
    pan = pan_sd * rng.standard_normal(2) * (np.arange(frames)[:, None] - (frames - 1) / 2.0)
    walk = np.cumsum(shake_sd * rng.standard_normal((frames, 2)), axis=0)
    return Camera(pan, walk - walk.mean(axis=0))


def backdrop(
    scene: Scene, rows: int, columns: int, offsets: np.ndarray, contrast: float, rng: np.random.Generator
) -> np.ndarray:
    """The ground of a clip, float32 `(h, w, 3)`, as large as a camera of these `offsets (frames, 2)` needs.

    Value noise between the two colours of the scene, whose hues vary from place to place; `contrast` 1 is
    the whole way from one to the other. What belongs to the ground can be pasted on it; its middle is seen
    by a camera at rest.
    """
    dark, light = rng.uniform(0.25, 0.45), rng.uniform(0.6, 0.85)
    hues = np.array(scene.hues) + 0.06 * rng.standard_normal(2)
    first, second = (
        255.0 * np.array(colorsys.hsv_to_rgb(hue % 1.0, scene.saturation, value))
        for hue, value in zip(hues, (dark, light), strict=True)
    )
    margin_x, margin_y = _margins(offsets)
    # Cells are those of 64 rows, so that a scene looks alike at every size.
    cell = 4.0 * scene.cell * rows / 64.0
    share = np.clip(0.5 + contrast * _noise(columns + 2 * margin_x, rows + 2 * margin_y, cell, rng, octaves=3), 0, 1)
    return (first + share[..., None] * (second - first)).astype(np.float32)


def view(ground: np.ndarray, offset: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The ground as a camera at `offset (2,)` sees it, between its pixels where need be."""
    x, y = (ground.shape[1] - columns) / 2.0 + float(offset[0]), (ground.shape[0] - rows) / 2.0 + float(offset[1])
    left, top = int(np.floor(x)), int(np.floor(y))
    right_share, lower_share = np.float32(x - left), np.float32(y - top)
    part = ground[top : top + rows + 1, left : left + columns + 1]
    lines = part[:-1] + lower_share * (part[1:] - part[:-1])
    return lines[:, :-1] + right_share * (lines[:, 1:] - lines[:, :-1])


def _margins(offsets: np.ndarray) -> tuple[int, int]:
    x, y = np.ceil(np.max(np.abs(offsets), axis=0)).astype(int) + 2
    return int(x), int(y)


def _noise(columns: int, rows: int, cell: float, rng: np.random.Generator, octaves: int = 1) -> np.ndarray:
    """Value noise, float32 `(rows, columns)`, mean near 0 and standard deviation near 1/4.

    The first octave has cells of `cell` pixels; each further one is half as coarse and half as strong.
    """
    total, power = np.zeros((rows, columns), np.float32), 0.0
    for octave in range(octaves):
        size, weight = max(1.0, cell / 2**octave), 0.5**octave
        across, down = int(np.ceil(columns / size)) + 3, int(np.ceil(rows / size)) + 3
        grid = Image.fromarray(rng.uniform(-1.0, 1.0, (down, across)).astype(np.float32))
        # Cut out of the grid at a random place: nodes lie nowhere in particular.
        x, y = rng.uniform(0.0, 1.0, 2) + 1.0
        box = (float(x), float(y), float(x + columns / size), float(y + rows / size))
        total += np.float32(weight) * np.asarray(grid.resize((columns, rows), Image.Resampling.BICUBIC, box=box))
        power += weight**2
    # A bicubic mean of uniform numbers has a deviation of about 0.45.
    return total * np.float32(0.25 / 0.45 / np.sqrt(power))


# ---------------------------------------------------------------- the whole clip


def gains(frames: int, light_sd: float, rng: np.random.Generator) -> np.ndarray:
    """Light of each frame, `(frames,)`: exp(N(0, sd))."""
    return np.exp(light_sd * rng.standard_normal(frames)).astype(np.float32)


def sensor(clip: np.ndarray, light: np.ndarray, noise_sd: float, rng: np.random.Generator) -> np.ndarray:
    """What the camera records, uint8, of a float32 `clip (frames, rows, columns, 3)`, which is used up."""
    clip *= light[:, None, None, None]
    noise = rng.standard_normal(clip.shape, dtype=np.float32)
    noise *= np.float32(noise_sd)
    clip += noise
    np.rint(clip, out=clip)
    np.clip(clip, 0.0, 255.0, out=clip)
    return clip.astype(np.uint8)


# ---------------------------------------------------------------- where an object is


def extent(who: Individual, place: Place) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of an object in pixels, whatever hides or cuts it."""
    angle = np.linspace(0.0, 2.0 * np.pi, 180, endpoint=False)
    wide, high = _extent(who)
    radius = _radius(who, angle) / max(1.0, wide / _REACH, high / _REACH) * place.size / 2.0
    x, y = radius * np.cos(angle) * np.sqrt(who.look.aspect), radius * np.sin(angle) / np.sqrt(who.look.aspect)
    x, y = place.stretch * x + place.shear * y, y / place.stretch
    cosine, sine = np.cos(place.angle), np.sin(place.angle)
    x, y = place.x + cosine * x - sine * y, place.y + sine * x + cosine * y
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())
