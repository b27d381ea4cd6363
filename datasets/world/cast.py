"""The cast of the synthetic world: 50 kinds (looks and voice) and 10 scenes, as literal data.

A kind is the join of a look and a voice, the same in every set and for every master seed: the master seed
draws individuals and clips only, otherwise it would change the task and not the sample.

The table was drawn once from `stream(1, "cast", 1723)`, each trait as a permutation that is balanced within
kinds 0-9, 10-19 and 20-49, and then improved by swaps inside those blocks until no single look trait gave
a voice trait away: over the first 20 and over all 50 kinds, the best guess of voice family, f0, event rate
or decay from one look trait is right for at most half. Voice family is kind number mod 6. No two of the
first 20 kinds with the same family share two of nominal f0, rate and decay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["harm", "bell", "noise", "chirp", "click", "am"]
Texture = Literal["stripes", "checks", "dots", "blot", "rings", "weave", "grain"]

TOP_HZ = 3800.0
"""No sound of the world has energy above this, so that files at 8 kHz lose nothing."""


@dataclass(frozen=True)
class Look:
    """How a kind looks.

    lobes, depth : radius of the outline is proportional to 1 + depth cos(lobes angle + phase)
    aspect       : width over height
    texture, frequency : pattern and its periods across the object
    hue, second_hue    : hue of the first colour in turns; turns from it to the second colour
    saturation, value  : of both colours, 0..1
    """

    lobes: int
    depth: float
    aspect: float
    texture: Texture
    frequency: int
    hue: float
    second_hue: float
    saturation: float
    value: float


@dataclass(frozen=True)
class Voice:
    """How a kind sounds; a family uses the numbers it needs.

    f0       : pitch in Hz
    rate     : events a second
    decay    : time constant of an event in s
    formants : two resonances in Hz
    partials : ratios of inharmonic partials to f0
    tilt     : harmonic or partial h has amplitude h ** -tilt
    sweep    : octaves from the start to the end of a chirp
    am_hz    : rate of amplitude modulation
    """

    family: Family
    f0: float
    rate: float
    decay: float
    formants: tuple[float, float]
    partials: tuple[float, float, float, float, float]
    tilt: float
    sweep: float
    am_hz: float


@dataclass(frozen=True)
class Kind:
    """One kind of thing: `number` is its target in every set, `name` its class name."""

    number: int
    name: str
    look: Look
    voice: Voice


@dataclass(frozen=True)
class Scene:
    """A place: two colours (hues in turns), saturation, cell size of the background, and its ambience.

    The ambience is noise in `band` (Hz) whose amplitude swings by `swing` (0..1) at `swing_hz`.
    """

    number: int
    name: str
    hues: tuple[float, float]
    saturation: float
    cell: int
    band: tuple[float, float]
    swing_hz: float
    swing: float


# fmt: off
# lobes, depth, aspect, texture, frequency, hue, second_hue, saturation, value
_LOOKS: tuple[tuple[int, float, float, Texture, int, float, float, float, float], ...] = (
    (2, 0.31, 1.26, "dots", 8, 0.173, 1/6, 0.81, 0.59),
    (5, 0.29, 0.88, "blot", 5, 0.672, 1/2, 0.75, 0.84),
    (0, 0.00, 1.18, "rings", 5, 0.067, 1/3, 0.57, 0.78),
    (4, 0.33, 0.77, "grain", 5, 0.456, 1/6, 0.85, 0.82),
    (6, 0.26, 1.10, "stripes", 3, 0.579, 1/3, 0.52, 0.75),
    (3, 0.28, 0.93, "stripes", 3, 0.738, 1/6, 0.73, 0.88),
    (8, 0.19, 0.71, "weave", 3, 0.832, 1/6, 0.60, 0.56),
    (6, 0.21, 0.83, "checks", 8, 0.929, 1/2, 0.69, 0.67),
    (4, 0.24, 0.97, "grain", 3, 0.262, 1/3, 0.89, 0.71),
    (8, 0.17, 1.06, "dots", 8, 0.353, 1/2, 0.65, 0.64),
    (5, 0.27, 0.82, "weave", 3, 0.946, 1/6, 0.59, 0.81),
    (2, 0.20, 0.98, "rings", 3, 0.033, 1/2, 0.88, 0.59),
    (8, 0.22, 1.11, "blot", 5, 0.230, 1/2, 0.69, 0.64),
    (2, 0.29, 1.26, "dots", 5, 0.620, 1/3, 0.81, 0.78),
    (5, 0.31, 1.20, "blot", 5, 0.337, 1/3, 0.56, 0.75),
    (0, 0.00, 0.93, "weave", 3, 0.863, 1/6, 0.75, 0.56),
    (3, 0.18, 0.77, "checks", 8, 0.779, 1/3, 0.72, 0.67),
    (6, 0.26, 0.72, "grain", 8, 0.450, 1/2, 0.84, 0.71),
    (0, 0.00, 0.86, "stripes", 5, 0.530, 1/3, 0.52, 0.84),
    (3, 0.24, 1.05, "checks", 8, 0.176, 1/2, 0.65, 0.88),
    (8, 0.25, 1.05, "checks", 8, 0.184, 1/3, 0.70, 0.75),
    (6, 0.31, 0.78, "stripes", 3, 0.576, 1/6, 0.52, 0.84),
    (4, 0.28, 1.00, "weave", 8, 0.610, 1/3, 0.90, 0.61),
    (4, 0.26, 1.16, "rings", 8, 0.485, 1/6, 0.66, 0.74),
    (4, 0.32, 0.74, "dots", 3, 0.748, 1/3, 0.84, 0.80),
    (2, 0.30, 0.84, "checks", 8, 0.809, 1/6, 0.56, 0.56),
    (2, 0.21, 0.82, "blot", 5, 0.252, 1/2, 0.60, 0.81),
    (6, 0.21, 1.03, "rings", 8, 0.008, 1/2, 0.68, 0.65),
    (2, 0.22, 1.09, "blot", 5, 0.325, 1/6, 0.80, 0.79),
    (0, 0.00, 1.07, "dots", 3, 0.722, 1/6, 0.64, 0.84),
    (5, 0.27, 0.95, "rings", 3, 0.681, 1/6, 0.81, 0.59),
    (3, 0.33, 0.85, "checks", 3, 0.877, 1/6, 0.57, 0.68),
    (0, 0.00, 1.24, "rings", 5, 0.510, 1/2, 0.77, 0.63),
    (4, 0.19, 0.89, "dots", 3, 0.975, 1/3, 0.62, 0.88),
    (5, 0.28, 0.77, "checks", 5, 0.553, 1/2, 0.76, 0.89),
    (6, 0.18, 0.92, "grain", 5, 0.784, 1/2, 0.86, 0.68),
    (8, 0.29, 1.19, "stripes", 5, 0.283, 1/6, 0.75, 0.77),
    (2, 0.30, 0.91, "weave", 8, 0.456, 1/3, 0.88, 0.64),
    (8, 0.24, 0.72, "grain", 8, 0.656, 1/3, 0.73, 0.77),
    (5, 0.20, 1.21, "weave", 8, 0.108, 1/2, 0.86, 0.66),
    (5, 0.32, 0.71, "stripes", 5, 0.382, 1/2, 0.65, 0.71),
    (4, 0.34, 0.80, "grain", 8, 0.218, 1/6, 0.59, 0.87),
    (3, 0.25, 1.29, "blot", 8, 0.425, 1/3, 0.70, 0.72),
    (3, 0.17, 0.75, "rings", 5, 0.919, 1/6, 0.61, 0.83),
    (2, 0.19, 1.11, "dots", 5, 0.951, 1/2, 0.72, 0.56),
    (3, 0.22, 0.96, "checks", 3, 0.352, 1/3, 0.55, 0.69),
    (6, 0.17, 1.26, "grain", 3, 0.147, 1/2, 0.53, 0.58),
    (0, 0.00, 0.87, "stripes", 8, 0.090, 1/3, 0.79, 0.73),
    (0, 0.00, 1.14, "weave", 3, 0.041, 1/6, 0.83, 0.86),
    (8, 0.31, 0.98, "blot", 5, 0.844, 1/2, 0.51, 0.60),
)

# family, f0, rate, decay, formants, partials, tilt, sweep, am_hz
_VOICES: tuple[tuple[Family, float, float, float, tuple[float, float],
                     tuple[float, float, float, float, float], float, float, float], ...] = (
    ("harm", 821, 1.2, 0.40, (585, 1520), (1.00, 1.45, 2.85, 3.56, 5.78), 0.49, 1.16, 21.2),
    ("bell", 192, 1.2, 0.40, (764, 1942), (1.00, 1.76, 2.68, 3.39, 5.36), 1.05, 0.99, 28.9),
    ("noise", 508, 2.0, 0.06, (1042, 3056), (1.00, 1.62, 2.21, 3.95, 4.58), 1.76, 0.43, 26.4),
    ("chirp", 399, 1.2, 0.15, (529, 1369), (1.00, 1.70, 2.77, 3.71, 4.69), 0.88, 0.52, 12.8),
    ("click", 249, 3.3, 0.15, (641, 2755), (1.00, 1.80, 2.16, 3.26, 5.44), 0.59, -0.59, 36.4),
    ("am", 554, 5.5, 0.06, (477, 1646), (1.00, 1.39, 2.60, 3.84, 5.14), 1.45, -0.69, 24.0),
    ("harm", 257, 5.5, 0.15, (714, 2550), (1.00, 1.34, 2.52, 3.17, 4.86), 1.19, -0.86, 14.0),
    ("bell", 864, 2.0, 0.15, (423, 2347), (1.00, 1.55, 2.30, 4.06, 5.59), 0.77, -0.91, 18.6),
    ("noise", 358, 5.5, 0.40, (873, 1790), (1.00, 1.50, 2.44, 3.48, 5.02), 1.35, 0.75, 16.5),
    ("chirp", 175, 3.3, 0.06, (949, 2113), (1.00, 1.86, 2.39, 4.12, 5.92), 1.56, -1.10, 33.0),
    ("click", 357, 3.3, 0.06, (1077, 1382), (1.00, 1.52, 2.12, 3.25, 5.67), 1.19, 1.08, 14.0),
    ("am", 257, 5.5, 0.15, (703, 1983), (1.00, 1.73, 2.77, 4.11, 5.90), 0.63, -0.50, 18.8),
    ("harm", 574, 2.0, 0.06, (649, 2128), (1.00, 1.62, 2.72, 3.89, 5.14), 1.57, 0.94, 29.1),
    ("bell", 364, 2.0, 0.06, (522, 1520), (1.00, 1.33, 2.24, 3.74, 4.86), 1.73, 0.84, 33.8),
    ("noise", 782, 5.5, 0.15, (755, 2831), (1.00, 1.40, 2.40, 3.50, 4.72), 0.44, -0.44, 37.3),
    ("chirp", 809, 1.2, 0.40, (579, 2574), (1.00, 1.58, 2.84, 3.82, 5.37), 0.77, -1.01, 20.6),
    ("click", 191, 1.2, 0.40, (844, 2365), (1.00, 1.82, 2.56, 3.12, 5.46), 1.43, -0.69, 25.9),
    ("am", 185, 2.0, 0.40, (419, 1649), (1.00, 1.46, 2.48, 3.38, 4.59), 1.31, 0.61, 16.0),
    ("harm", 508, 3.3, 0.40, (471, 3103), (1.00, 1.87, 2.60, 3.61, 5.74), 1.05, 1.14, 22.8),
    ("bell", 282, 3.3, 0.15, (942, 1739), (1.00, 1.70, 2.30, 4.04, 5.03), 0.92, -0.74, 13.2),
    ("noise", 510, 1.2, 0.06, (448, 2960), (1.00, 1.81, 2.22, 3.73, 5.87), 1.56, 0.55, 28.4),
    ("chirp", 754, 1.2, 0.06, (477, 1894), (1.00, 1.59, 2.84, 3.23, 4.61), 1.65, -0.87, 14.9),
    ("click", 279, 5.5, 0.06, (912, 2702), (1.00, 1.85, 2.43, 4.03, 5.58), 1.73, 0.44, 24.3),
    ("am", 581, 3.3, 0.40, (528, 2394), (1.00, 1.77, 2.11, 3.90, 5.03), 1.68, 0.60, 31.0),
    ("harm", 164, 5.5, 0.15, (1046, 2486), (1.00, 1.79, 2.57, 3.15, 4.66), 1.44, -0.68, 13.3),
    ("bell", 842, 3.3, 0.06, (1076, 2119), (1.00, 1.69, 2.65, 4.14, 4.97), 0.71, 0.65, 12.3),
    ("noise", 276, 2.0, 0.40, (626, 1639), (1.00, 1.43, 2.67, 4.17, 5.23), 1.30, -0.92, 16.2),
    ("chirp", 270, 3.3, 0.06, (773, 2773), (1.00, 1.47, 2.60, 3.31, 5.43), 1.16, 1.19, 23.2),
    ("click", 281, 1.2, 0.15, (421, 2077), (1.00, 1.37, 2.48, 4.12, 4.53), 1.21, -1.00, 26.0),
    ("am", 367, 5.5, 0.40, (722, 2021), (1.00, 1.34, 2.86, 3.52, 5.31), 0.56, -1.11, 32.3),
    ("harm", 362, 3.3, 0.40, (704, 1831), (1.00, 1.49, 2.78, 3.12, 5.62), 1.50, -0.81, 29.3),
    ("bell", 397, 3.3, 0.06, (572, 3154), (1.00, 1.73, 2.25, 3.93, 5.99), 1.04, 1.06, 18.4),
    ("noise", 243, 5.5, 0.15, (589, 2193), (1.00, 1.57, 2.75, 3.62, 5.09), 0.89, 0.63, 36.1),
    ("chirp", 390, 1.2, 0.06, (408, 1520), (1.00, 1.67, 2.71, 3.38, 5.67), 0.97, -1.13, 22.4),
    ("click", 167, 5.5, 0.06, (493, 2906), (1.00, 1.39, 2.73, 3.67, 4.88), 1.08, -0.76, 13.7),
    ("am", 562, 2.0, 0.15, (744, 3078), (1.00, 1.83, 2.47, 4.07, 5.47), 1.13, -0.51, 21.7),
    ("harm", 778, 3.3, 0.15, (978, 2565), (1.00, 1.75, 2.51, 3.71, 5.73), 1.79, 1.09, 17.6),
    ("bell", 803, 2.0, 0.40, (679, 1318), (1.00, 1.61, 2.33, 3.46, 4.78), 0.92, 0.71, 12.7),
    ("noise", 365, 2.0, 0.40, (806, 1490), (1.00, 1.89, 2.20, 3.99, 4.92), 0.42, -0.95, 15.7),
    ("chirp", 406, 2.0, 0.40, (1003, 1950), (1.00, 1.45, 2.35, 3.86, 5.52), 1.35, 1.02, 19.6),
    ("click", 166, 3.3, 0.15, (885, 2256), (1.00, 1.65, 2.15, 3.47, 5.16), 1.40, 0.78, 39.0),
    ("am", 186, 2.0, 0.15, (548, 2323), (1.00, 1.41, 2.53, 3.33, 4.74), 1.25, 0.58, 33.4),
    ("harm", 263, 5.5, 0.06, (438, 1449), (1.00, 1.35, 2.39, 3.55, 5.77), 0.81, 0.50, 16.9),
    ("bell", 177, 1.2, 0.15, (462, 1362), (1.00, 1.55, 2.30, 3.60, 4.56), 0.84, -0.47, 18.8),
    ("noise", 171, 2.0, 0.40, (656, 2634), (1.00, 1.63, 2.81, 3.20, 5.29), 1.58, -0.84, 20.5),
    ("chirp", 783, 1.2, 0.15, (608, 1573), (1.00, 1.71, 2.88, 3.83, 5.14), 0.46, 1.15, 25.2),
    ("click", 547, 1.2, 0.40, (822, 1777), (1.00, 1.53, 2.62, 3.96, 5.38), 0.65, -0.73, 27.3),
    ("am", 813, 5.5, 0.06, (942, 1714), (1.00, 1.51, 2.27, 3.27, 5.93), 0.52, 0.90, 14.5),
    ("harm", 599, 1.2, 0.15, (851, 1673), (1.00, 1.31, 2.40, 3.79, 5.81), 0.74, -0.98, 37.8),
    ("bell", 546, 3.3, 0.40, (514, 1392), (1.00, 1.86, 2.17, 3.41, 4.82), 0.62, -0.42, 34.9),
)

# first hue, second hue, saturation, cell, band, swing_hz, swing
_SCENES: tuple[tuple[float, float, float, int, tuple[float, float], float, float], ...] = (
    (0.557, 0.842, 0.21, 3, (528, 1451), 1.04, 0.27),
    (0.876, 0.728, 0.27, 5, (106, 703), 0.78, 0.21),
    (0.775, 0.974, 0.33, 3, (815, 1771), 3.23, 0.61),
    (0.956, 0.653, 0.41, 9, (249, 1921), 0.56, 0.38),
    (0.020, 0.068, 0.17, 9, (163, 779), 1.84, 0.66),
    (0.324, 0.360, 0.48, 3, (93, 507), 0.29, 0.32),
    (0.278, 0.448, 0.23, 5, (261, 867), 0.22, 0.55),
    (0.666, 0.544, 0.44, 5, (877, 2115), 1.46, 0.13),
    (0.462, 0.149, 0.38, 5, (87, 336), 2.54, 0.49),
    (0.134, 0.258, 0.30, 9, (882, 3600), 0.40, 0.44),
)
# fmt: on

KINDS: tuple[Kind, ...] = tuple(
    Kind(number, f"kind{number:02d}", Look(*look), Voice(*voice))
    for number, (look, voice) in enumerate(zip(_LOOKS, _VOICES, strict=True))
)

SCENES: tuple[Scene, ...] = tuple(
    Scene(number, f"scene{number}", (first, second), saturation, cell, band, swing_hz, swing)
    for number, (first, second, saturation, cell, band, swing_hz, swing) in enumerate(_SCENES)
)

TYPICAL: tuple[tuple[int, int, int, int], ...] = (
    (10, 15, 17, 19),
    (0, 3, 8, 16),
    (6, 10, 13, 14),
    (8, 13, 15, 18),
    (4, 5, 9, 12),
    (2, 11, 12, 19),
    (1, 2, 6, 17),
    (3, 5, 7, 18),
    (7, 9, 11, 16),
    (0, 1, 4, 14),
)
"""Numbers of the kinds that are heard in each scene, where a set is about scenes.

Drawn once from `stream(1, "cast", "typical")` and improved by swaps: each of the first 20 kinds is typical
of two scenes, two scenes share one kind at most, and the kinds of a scene are of four voice families.
"""
