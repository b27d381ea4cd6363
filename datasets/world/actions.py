"""Actions of the synthetic `ucf101` and `hmdb51`: programmes that move a state, and the clips that show them.

Classes come in *reversal pairs*. Both classes of a pair show one cyclic programme, whose state rises slowly
and falls fast; clips of the second class are rendered completely, light and sensor noise included, and then
reversed in time. Every frame, every unordered set of frames and every histogram hence has the same
distribution in both: only order tells them apart. All that is drawn besides is as likely backwards.

Mirroring left and right never changes a class, and no class needs a sense of rotation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from unlabeled.datasets.world import render
from unlabeled.datasets.world.cast import KINDS, SCENES
from unlabeled.datasets.world.knobs import FilmKnobs, FilmSize
from unlabeled.datasets.world.render import Place
from unlabeled.streams import stream

COPIES = 5
"""Small objects around the one that emits them."""

GLOW = 0.75
"""Light at the centre of a halo at its brightest, over what it is without."""

HALO = 0.5
"""Radius of a halo, in frame heights."""


@dataclass(frozen=True)
class Subject:
    """The object that acts: where it stands and how large it is, the direction of its copies, the frame.

    Copies follow each other clockwise or the other way (`hand` 1 or -1).
    """

    place: Place
    turn: float
    hand: int
    rows: int
    columns: int

    def around(self, distance: float, part: float, size: float) -> Place:
        """A copy at a distance in frame heights, `part` of a turn further round; its size relative to the object."""
        angle = self.turn + self.hand * 2.0 * np.pi * part
        return replace(
            self.place,
            x=self.place.x + self.rows * distance * float(np.cos(angle)),
            y=self.place.y + self.rows * distance * float(np.sin(angle)),
            size=self.place.size * size,
        )


@dataclass(frozen=True)
class Shot:
    """What one frame shows: objects from back to front, and the light on the ground behind them.

    halo, radius : gain at the centre of the object and how far it reaches, in frame heights; 0 is no change
    ambient      : gain everywhere
    """

    objects: tuple[Place, ...]
    halo: float = 0.0
    radius: float = HALO
    ambient: float = 0.0


@dataclass(frozen=True)
class Programme:
    """What a state 0..1 moves, and how the state runs through a period."""

    name: str
    wave: Literal["saw", "steps", "sine", "rest"]
    show: Callable[[Subject, float], Shot]


@dataclass(frozen=True)
class Action:
    """One class."""

    name: str
    programme: Programme
    backwards: bool = False


# ---------------------------------------------------------------- the programmes


def _grow(who: Subject, state: float) -> Shot:
    return Shot((replace(who.place, size=who.place.size * (0.55 + state)),))


def _rise(who: Subject, state: float) -> Shot:
    return Shot((replace(who.place, y=who.rows * (0.5 + 0.62 * (0.5 - state))),))


def _glow(who: Subject, state: float) -> Shot:
    return Shot((who.place,), halo=GLOW * (2.0 * state - 1.0))


def _emit(who: Subject, state: float) -> Shot:
    copies = (who.around(0.12 + 0.24 * state, copy / COPIES, 0.5) for copy in range(COPIES))
    return Shot((*copies, who.place))


def _count(who: Subject, state: float) -> Shot:
    return Shot(tuple(who.around(0.27, one / 3.0, 0.8) for one in range(1 + round(2.0 * state))))


def _fade(who: Subject, state: float) -> Shot:
    return Shot((replace(who.place, opacity=0.15 + 0.85 * state),))


def _flatten(who: Subject, state: float) -> Shot:
    return Shot((replace(who.place, angle=0.0, stretch=0.65 + 0.85 * state),))


def _part(who: Subject, state: float) -> Shot:
    return Shot(tuple(who.around(0.12 + 0.2 * state, half, 0.6) for half in (0.0, 0.5)))


def _dawn(who: Subject, state: float) -> Shot:
    return Shot((who.place,), ambient=0.5 * (2.0 * state - 1.0))


def _widen(who: Subject, state: float) -> Shot:
    return Shot((who.place,), halo=GLOW, radius=0.15 + 0.4 * state)


def _still(who: Subject, state: float) -> Shot:
    return Shot((who.place,))


def _shake(who: Subject, state: float) -> Shot:
    return Shot((replace(who.place, x=who.place.x + 0.3 * who.columns * (state - 0.5)),))


def _bob(who: Subject, state: float) -> Shot:
    return Shot((replace(who.place, y=who.place.y + 0.3 * who.rows * (state - 0.5)),))


def _rock(who: Subject, state: float) -> Shot:
    return Shot((replace(who.place, angle=who.place.angle + 1.2 * (state - 0.5)),))


def _pair(first: str, second: str, programme: Programme) -> tuple[Action, Action]:
    return Action(first, programme), Action(second, programme, backwards=True)


PAIRS: tuple[tuple[Action, Action], ...] = (
    _pair("GrowSlow", "GrowFast", Programme("grow", "saw", _grow)),
    _pair("RiseSlow", "RiseFast", Programme("rise", "saw", _rise)),
    _pair("GlowSlow", "GlowFast", Programme("glow", "saw", _glow)),
    _pair("EmitOut", "EmitIn", Programme("emit", "saw", _emit)),
    _pair("CountUp", "CountDown", Programme("count", "steps", _count)),
    _pair("FadeInSlow", "FadeInFast", Programme("fade", "saw", _fade)),
    _pair("FlattenSlow", "FlattenFast", Programme("flatten", "saw", _flatten)),
    _pair("PartSlow", "PartFast", Programme("part", "saw", _part)),
    _pair("DawnSlow", "DawnFast", Programme("dawn", "saw", _dawn)),
    _pair("WidenSlow", "WidenFast", Programme("widen", "saw", _widen)),
)
"""The first five are those of the small presets, the others fill the large one."""

CONTROLS: tuple[Action, ...] = (
    Action("Still", Programme("still", "rest", _still)),
    Action("Shake", Programme("shake", "sine", _shake)),
    Action("Bob", Programme("bob", "sine", _bob)),
    Action("Rock", Programme("rock", "sine", _rock)),
)


def classes(pairs: int, controls: int) -> tuple[Action, ...]:
    """The first pairs and controls, by name."""
    chosen = [action for pair in PAIRS[:pairs] for action in pair] + list(CONTROLS[:controls])
    return tuple(sorted(chosen, key=lambda action: action.name))


def evenly(choices: Iterable[int], count: int, rng: np.random.Generator) -> list[int]:
    """`count` of the choices in random order, each as often as any other or once more."""
    order = rng.permutation(list(choices))
    return [int(choice) for choice in rng.permutation(np.resize(order, count))]


# ---------------------------------------------------------------- one clip


@dataclass(frozen=True)
class Take:
    """Everything that a clip depends on; `names` are those of its stream, from the set to the clip.

    `strangers` are the kinds of which other objects may be.
    """

    action: Action
    kind: int
    scene: int
    strangers: tuple[int, ...]
    seed: int
    names: tuple[object, ...]
    knobs: FilmKnobs
    size: FilmSize

    def stream(self, purpose: str) -> np.random.Generator:
        """Draws for one purpose."""
        return stream(self.seed, *self.names, purpose)

    @property
    def unit(self) -> float:
        """Pixels of this frame in one of a frame of 64 rows."""
        return self.size.height / 64.0


def states(take: Take) -> np.ndarray:
    """State of the programme in each frame of the clip as it is shown, `(frames,)` 0..1."""
    forward = _forward_states(take)
    return forward[::-1].copy() if take.action.backwards else forward


def film(take: Take) -> np.ndarray:
    """The clip: uint8 RGB `(frames, height, width, 3)`."""
    clip = _expose(take)
    return np.ascontiguousarray(clip[::-1]) if take.action.backwards else clip


def _forward_states(take: Take) -> np.ndarray:
    """As the programme runs, before any reversal."""
    rng, knobs, frames = take.stream("programme"), take.knobs, take.size.frames
    period = rng.uniform(*knobs.period) * frames / 48.0
    start, rise = rng.uniform(), rng.uniform(*knobs.rise)
    time = (start + np.arange(frames) / period) % 1.0
    match take.action.programme.wave:
        case "saw":
            return np.where(time < rise, time / rise, (1.0 - time) / (1.0 - rise))
        case "steps":
            return np.floor(3.0 * time) / 2.0
        case "sine":
            return 0.5 + 0.5 * np.sin(2.0 * np.pi * time)
        case "rest":
            return np.zeros(frames)


def _expose(take: Take) -> np.ndarray:
    """The clip before any reversal, light and sensor included."""
    knobs, unit, (frames, columns, rows) = take.knobs, take.unit, (take.size.frames, take.size.width, take.size.height)
    who = render.sprite(render.individual(KINDS[take.kind].look, take.stream("look")))
    subject = _subject(take)
    camera = render.camera(frames, knobs.pan * unit, knobs.shake * unit, take.stream("camera"))
    ground = render.backdrop(SCENES[take.scene], rows, columns, camera.offset, knobs.contrast, take.stream("ground"))
    ground *= np.float32(knobs.ground)
    _strew(take, ground)
    clip = np.empty((frames, rows, columns, 3), np.float32)
    for frame, state, offset, shake in zip(clip, _forward_states(take), camera.offset, camera.shake, strict=True):
        frame[...] = render.view(ground, offset, rows, columns)
        shot = take.action.programme.show(subject, float(state))
        _light(frame, shot, subject.place, shake)
        # The camera follows the object that acts: it pans over the ground alone, and trembles over both.
        for place in shot.objects:
            _put(frame, who, place, shake)
    light = render.gains(frames, knobs.light, take.stream("light"))
    return render.sensor(clip, light, knobs.noise, take.stream("noise"))


def _subject(take: Take) -> Subject:
    rng, columns, rows = take.stream("motion"), take.size.width, take.size.height
    x, y = rng.uniform(0.35, 0.65) * columns, rng.uniform(0.4, 0.6) * rows
    size = rng.uniform(*take.knobs.size) * take.unit
    angle, turn = rng.uniform(0.0, 2.0 * np.pi, 2)
    hand = int(rng.choice((-1, 1)))
    return Subject(Place(float(x), float(y), float(size), float(angle)), float(turn), hand, rows, columns)


def _strew(take: Take, ground: np.ndarray) -> None:
    """Put other objects on the ground, anywhere in the frame of a camera at rest."""
    rng, (rows, columns, _) = take.stream("others"), ground.shape
    for _ in range(take.knobs.distractors):
        kind = int(rng.choice([kind for kind in take.strangers if kind != take.kind]))
        x, y = (rng.uniform(size=2) - 0.5) * (take.size.width, take.size.height) + (columns / 2.0, rows / 2.0)
        size, angle = rng.uniform(*take.knobs.size) * take.unit, rng.uniform(0.0, 2.0 * np.pi)
        other = render.sprite(render.individual(KINDS[kind].look, rng))
        _put(ground, other, Place(float(x), float(y), float(size), float(angle)), np.zeros(2))


def _put(frame: np.ndarray, sprite: render.Sprite, place: Place, offset: np.ndarray) -> None:
    """An object as a camera at this offset sees it."""
    seen = replace(place, x=place.x - float(offset[0]), y=place.y - float(offset[1]))
    stamp = render.stamp(sprite, seen, *frame.shape[:2])
    if stamp is not None:
        render.paste(frame, stamp)


def _light(frame: np.ndarray, shot: Shot, centre: Place, offset: np.ndarray) -> None:
    """Light a frame that has no acting object on it yet, in place."""
    rows, columns, _ = frame.shape
    if shot.halo:
        reach = shot.radius * rows
        across = np.exp(-(((np.arange(columns) + 0.5 - centre.x + offset[0]) / reach) ** 2))
        down = np.exp(-(((np.arange(rows) + 0.5 - centre.y + offset[1]) / reach) ** 2))
        frame *= (1.0 + shot.halo * down[:, None] * across).astype(np.float32)[..., None]
    if shot.ambient:
        frame *= np.float32(1.0 + shot.ambient)
