"""What `check-method` does with the role audio: noise and silence at every point of the encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unlabeled.check_basics import (
    CLOSE,
    Check,
    Finding,
    Left,
    equal,
    expect,
    gap,
    not_drawn,
    not_seeded,
    raised,
    try_all,
    under_globals,
)
from unlabeled.run import Watch
from unlabeled.streams import Rng

if TYPE_CHECKING:
    from torch import Tensor

    from unlabeled.contracts import Point


@dataclass(frozen=True)
class _Encoded:
    """An encoder at one point: noise in, features out. `second` was built anew under other global generators."""

    first: Any
    second: Any
    point: Point
    waves: Tensor
    out: Tensor
    left: Left
    touched: bool

    def encode(self, waves: Tensor) -> np.ndarray:
        """Features of the first encoder as an array."""
        return self.first.encode_wave(waves, self.point.name).detach().cpu().numpy()

    @property
    def array(self) -> np.ndarray:
        """The features as an array."""
        return self.out.detach().cpu().numpy()


def _noise(rows: int, samples: int) -> Tensor:
    import torch

    drawn = Rng(0).under("check").numpy("noise", rows, samples).uniform(-0.5, 0.5, (rows, samples))
    return torch.from_numpy(drawn.astype(np.float32))


def _encoder(make: Callable[[], Any]) -> Any:
    encoder = make()
    if hasattr(encoder, "calibrate"):
        encoder.calibrate([_noise(4, _samples(encoder, min_samples=0)) for _ in range(2)])
    return encoder


def _samples(encoder: Any, min_samples: int) -> int:
    return max(round(encoder.window_s * encoder.rate), min_samples, 1)


def _encoded(first: Any, second: Any, point: Point) -> _Encoded:
    # Batch and dim must differ: otherwise turned axes have the right shape.
    waves = _noise(3 if point.dim == 2 else 2, _samples(first, point.min_samples))
    before = waves.clone()
    out, left = under_globals(0, lambda: first.encode_wave(waves, point.name))
    return _Encoded(first, second, point, waves, out, left, not before.equal(waves))


def _points(encoder: Any) -> str:
    for name in ("rate", "window_s"):
        value = getattr(encoder, name, None)
        expect(isinstance(value, int | float) and value > 0, f"`{name}` is a number above 0, not {value!r}")
    expect(encoder.rate == int(encoder.rate), f"`rate` is a whole number of Hz, not {encoder.rate!r}")
    points = getattr(encoder, "points", None)
    expect(isinstance(points, Mapping) and bool(points), f"`points` is a table of name -> Point, not {points!r}")
    for name, point in encoder.points.items():
        expect(
            getattr(point, "name", None) == name, f"the point {name!r} calls itself {getattr(point, 'name', None)!r}"
        )
        expect(
            isinstance(point.dim, int) and point.dim > 0, f"{name}: `dim` is a whole number above 0, not {point.dim!r}"
        )
        expect(point.step_s >= 0 and point.min_samples >= 0, f"{name}: `step_s` and `min_samples` are not below 0")
    return f"{encoder.rate} Hz, windows of {encoder.window_s:g} s, points {', '.join(encoder.points)}"


def _wave_shape(encoded: _Encoded) -> str:
    import torch

    out, point, rows = encoded.out, encoded.point, len(encoded.waves)
    expect(isinstance(out, torch.Tensor), f"features are a Tensor, not a {type(out).__name__}")
    found = tuple(out.shape)
    wanted = f"({rows}, {point.dim}, T)" if point.step_s else f"({rows}, {point.dim})"
    good = found[:2] == (rows, point.dim) and len(found) == (3 if point.step_s else 2) and 0 not in found
    turned = " (the axes are turned)" if not good and rows in found and point.dim in found else ""
    why = f"step_s is {point.step_s:g}" if point.step_s else "step_s is 0: one vector a window"
    expect(good, f"{rows} waves give features of shape {found}, not {wanted}{turned}; {why}")
    expect(out.dtype == torch.float32, f"features are float32, not {out.dtype}")
    return f"{rows} waves give features of shape {found}, float32"


def _wave_finite(encoded: _Encoded) -> str:
    bad = int((~np.isfinite(encoded.array)).sum())
    expect(not bad, f"{bad} of {encoded.array.size} features of noise are no numbers")
    return "every feature of noise is a number"


def _wave_silence(encoded: _Encoded) -> str:
    found = encoded.encode(encoded.waves * 0)
    expect(bool(np.isfinite(found).all()), "features of silence are no numbers; data sets hold silent clips")
    return "every feature of silence is a number"


def _wave_seeding(encoded: _Encoded) -> str:
    again, _ = under_globals(1, lambda: encoded.encode(encoded.waves))
    expect(
        equal(again, encoded.array), "the same waves encoded twice give other features (a dropout that was left on?)"
    )
    anew = encoded.second.encode_wave(encoded.waves, encoded.point.name).detach().cpu().numpy()
    expect(
        equal(anew, encoded.array),
        "built anew with the same Rng it gives other features: `build` draws from a generator that is not the Rng's",
    )
    return "encoded twice, and built anew with the same Rng, it gives the same features to the bit"


def _wave_seeds(encoded: _Encoded) -> str:
    _, other = under_globals(1, lambda: encoded.encode(encoded.waves))
    return not_seeded(encoded.left, other)


def _wave_draws(encoded: _Encoded) -> str:
    return not_drawn(encoded.left)


def _wave_input(encoded: _Encoded) -> str:
    expect(not encoded.touched, "the waves it was given are changed: work on a copy")
    return "the waves it was given are as they were"


def _wave_order(encoded: _Encoded) -> str:
    off = gap(encoded.encode(encoded.waves.flip(0)), encoded.array[::-1])
    expect(off <= CLOSE, f"waves in reverse order do not give features in reverse order (off by {off:.1g})")
    return "waves in reverse order give features in reverse order"


def _wave_neighbours(encoded: _Encoded) -> str:
    alone = np.concatenate([encoded.encode(wave[None]) for wave in encoded.waves])
    off = gap(alone, encoded.array)
    expect(off <= CLOSE, f"a wave encoded alone differs from the same wave in company (by {off:.1g} of the largest)")
    return "a wave encoded alone has the features it has in company"


def _wave_short(encoded: _Encoded) -> str:
    fewest = encoded.point.min_samples
    short = max(1, fewest - 1)
    try:
        found = encoded.encode(_noise(2, short))
    except Exception as fault:
        expect(fewest > 1, f"a wave of {short} samples {raised(fault)}; say with `min_samples` what it needs")
        return f"fewer than {fewest} samples are refused ({type(fault).__name__})"
    good = bool(found.size) and bool(np.isfinite(found).all())
    expect(good, f"a wave of {short} samples gives no numbers and no error: refuse it, with `min_samples` set")
    return f"a wave of {short} samples gives numbers" + (" though min_samples asks for more" if fewest > 1 else "")


def _wave_steps(encoded: _Encoded) -> str:
    if not encoded.point.step_s:
        return "one vector a window"
    steps, samples = 16, encoded.waves.shape[1]
    longer = samples + round(steps * encoded.point.step_s * encoded.first.rate)
    more = encoded.encode(_noise(1, longer)).shape[-1] - encoded.array.shape[-1]
    # Several layers that round down one after the other may lose a step or two.
    expect(abs(more - steps) <= 2, f"a sound longer by {steps} x step_s has {more} vectors more, not {steps}")
    return f"a sound longer by {steps} x step_s has {more} vectors more"


CHECKS: Sequence[Check[_Encoded]] = (
    Check("shape", _wave_shape),
    Check("finite", _wave_finite),
    Check("silence", _wave_silence),
    Check("seeding", _wave_seeding),
    Check("global seeds", _wave_seeds),
    Check("global draws", _wave_draws, required=False),
    Check("input unchanged", _wave_input),
    Check("batch order", _wave_order),
    Check("neighbours", _wave_neighbours),
    Check("short waves", _wave_short),
    Check("steps", _wave_steps),
)


def check(make: Callable[[], Any], title: str, watch: Watch) -> list[Finding]:
    """Findings about the encoder that `make` builds anew at every call, and about each of its points."""
    try:
        (first, _), (second, _) = under_globals(0, lambda: _encoder(make)), under_globals(1, lambda: _encoder(make))
    except Exception as fault:
        return [Finding("audio: build", False, raised(fault))]
    findings = try_all([Check("points", _points)], first, title, watch, "audio: ")
    if not findings[0].ok:
        return findings
    for name, point in first.points.items():
        try:
            encoded = _encoded(first, second, point)
        except Exception as fault:
            findings.append(Finding(f"audio {name}: encode_wave", False, raised(fault)))
        else:
            findings += try_all(CHECKS, encoded, f"{title}, {name}", watch, f"audio {name}: ")
    return findings
