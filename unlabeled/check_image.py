"""What `check-method` does with the roles image and video: generated pictures at every point of the encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unlabeled import check_features
from unlabeled.check_basics import Check, Finding, expect, not_drawn, not_seeded, raised, try_all, under_globals
from unlabeled.check_classifier import Shown
from unlabeled.check_clips import Clips
from unlabeled.check_features import Built, Encoded, Role
from unlabeled.run import Watch
from unlabeled.streams import Rng

if TYPE_CHECKING:
    from unlabeled.contracts import Point

Make = Callable[[int], Any]
"""Builds an encoder anew from the seed of its weights."""


def _size(encoder: Any, video: bool) -> tuple[int, int]:
    found = encoder.clip.size if video else encoder.size
    return (found, found) if isinstance(found, int) else found


def _role(encoder: Any, video: bool) -> Role:
    if video:
        return Role("video", "encode_clip", "clips", _size(encoder, True), encoder.clip.frames)
    return Role("image", "encode", "pictures", _size(encoder, False))


def _ready(make: Make, seed: int, video: bool) -> Any:
    """An encoder after what benchmarks do before they read it: those that learn from labels, or take statistics."""
    encoder = make(seed)
    if hasattr(encoder, "fit"):
        train = Clips("train", 6, encoder)
        encoder.fit(Shown(train), train.labels.copy(), Rng(seed).under("check"))
    elif hasattr(encoder, "calibrate"):
        role = _role(encoder, video)
        encoder.calibrate([role.inputs(f"calibrate {k}", 4) for k in range(2)])
    return encoder


def _built(make: Make, video: bool) -> Built:
    first, left = under_globals(0, lambda: _ready(make, 0, video))
    second, left_second = under_globals(1, lambda: _ready(make, 0, video))
    other, _ = under_globals(0, lambda: _ready(make, 1, video))
    return Built(first, second, other, left, left_second)


def _declared(encoder: Any, video: bool) -> str:
    what = "clip" if video else "size"
    expect(hasattr(encoder, what), f"it has no `{what}`")
    height, width = _size(encoder, video)
    expect(
        min(height, width) > 0 and {type(height), type(width)} == {int},
        f"the size is a side in pixels, or (height, width), not {(height, width)!r}",
    )
    if video:
        told = (encoder.clip.frames, encoder.clip.step)
        expect(min(told) >= 1, f"`clip` has {told[0]} frames, {told[1]} apart: both are at least 1")
    points = getattr(encoder, "points", None)
    expect(isinstance(points, Mapping) and bool(points), f"`points` is a table of name -> Point, not {points!r}")
    for name, point in encoder.points.items():
        own = getattr(point, "name", None)
        expect(own == name, f"the point {name!r} calls itself {own!r}")
        good = isinstance(point.dim, int) and point.dim > 0
        expect(good, f"{name}: `dim` is a whole number above 0, not {point.dim!r}")
        expect(point.stride >= 0, f"{name}: `stride` is not below 0, {point.stride!r} is")
        expect(not (video and point.stride), f"{name}: a clip gives one vector, `stride` is 0, not {point.stride!r}")
    return f"{height} x {width} pixels, points {', '.join(encoder.points)}"


def _build_seeds(built: Built) -> str:
    return not_seeded(built.left, built.left_second)


def _build_draws(built: Built) -> str:
    return not_drawn(built.left)


# ---------------------------------------------------------------- all together

BUILT: Sequence[Check[Built]] = (
    Check("build global seeds", _build_seeds),
    Check("build global draws", _build_draws, required=False),
)


def _encoded(built: Built, role: Role, point: Point) -> Encoded:
    # Batch and dim must differ: otherwise turned axes have the right shape.
    inputs = role.inputs("check", 3 if point.dim == 2 else 2)
    before = inputs.clone()
    out, left = under_globals(0, lambda: getattr(built.first, role.call)(inputs, point.name))
    return Encoded(built, role, point, inputs, out, left, not before.equal(inputs))


def check(make: Make, title: str, watch: Watch) -> list[Finding]:
    """Findings about the image encoder that `make` builds anew from a seed, and about each of its points."""
    return _check(make, False, title, watch)


def check_video(make: Make, title: str, watch: Watch) -> list[Finding]:
    """The same of the video encoder."""
    return _check(make, True, title, watch)


def _check(make: Make, video: bool, title: str, watch: Watch) -> list[Finding]:
    name = "video" if video else "image"
    try:
        built = _built(make, video)
    except Exception as fault:
        return [Finding(f"{name}: build", False, raised(fault))]
    findings = try_all(
        [Check("points", lambda encoder: _declared(encoder, video))], built.first, title, watch, f"{name}: "
    )
    if not findings[0].ok:
        return findings
    findings += try_all(BUILT, built, title, watch, f"{name}: ")
    role, checks = _role(built.first, video), check_features.VIDEO if video else check_features.CHECKS
    for point in built.first.points.values():
        prefix = f"{name} {point.name}: "
        try:
            encoded = _encoded(built, role, point)
        except Exception as fault:
            findings.append(Finding(f"{prefix}{role.call}", False, raised(fault)))
        else:
            findings += try_all(checks, encoded, f"{title}, {point.name}", watch, prefix)
    return findings
