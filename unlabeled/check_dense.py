"""What `check-method` does with the roles dense, mask_classifier and propagator: short generated clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unlabeled import check_scenes
from unlabeled.check_basics import CLOSE, Check, Finding, equal, expect, gap, not_seeded, raised, try_all, under_globals
from unlabeled.run import Watch
from unlabeled.streams import Rng

if TYPE_CHECKING:
    from torch import Tensor

Make = Callable[[int], Any]
"""Builds a role anew from the seed of its weights."""

FRAMES, HEIGHT, WIDTH = 6, 64, 96
LABELS, JOINTS = 3, 4


def _clips(name: str, rows: int, frames: int = FRAMES) -> Tensor:
    return check_scenes.clips(name, rows, frames, HEIGHT, WIDTH)


class _Shown:
    """Items for a fit: clips `(n, H, W, 3)` uint8, or the halves of their pictures as index maps."""

    rate = 0

    def __init__(self, masks: bool) -> None:
        self.ids, self.masks = [f"clip {k}" for k in range(3)], masks

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> np.ndarray:
        clip = (_clips(self.ids[index], 1, 2 * FRAMES)[0] * 255).byte().permute(1, 2, 3, 0).numpy()
        return (clip[..., 0] > 127).astype(np.uint8) if self.masks else clip


# ---------------------------------------------------------------- dense


@dataclass(frozen=True)
class _Dense:
    """Encoders built from seeds 0, 0 (under other global generators) and 1, clips, and their features."""

    first: Any
    second: Any
    other: Any
    clips: Tensor
    features: np.ndarray

    def of(self, clips: Tensor, encoder: Any = None) -> np.ndarray:
        found: np.ndarray = (encoder or self.first).dense(clips).detach().cpu().numpy()
        return found


def _ready(make: Make, seed: int) -> Any:
    """An encoder after what benchmarks do before they read it."""
    encoder = make(seed)
    if hasattr(encoder, "fit"):
        encoder.fit(_Shown(False), _Shown(True), Rng(seed).under("check"))
    elif hasattr(encoder, "calibrate"):
        encoder.calibrate([_clips(f"calibrate {k}", 2) for k in range(2)])
    return encoder


def _dense(make: Make) -> _Dense:
    first, _ = under_globals(0, lambda: _ready(make, 0))
    second, _ = under_globals(1, lambda: _ready(make, 0))
    other, _ = under_globals(0, lambda: _ready(make, 1))
    clips = _clips("check", 2)
    return _Dense(first, second, other, clips, first.dense(clips.clone()).detach().cpu().numpy())


def _declared(seen: _Dense) -> str:
    told = {name: getattr(seen.first, name, 0) for name in ("stride", "dim", "reach")}
    for name, least in (("stride", 1), ("dim", 1), ("reach", 0)):
        good = type(told[name]) is int and told[name] >= least
        expect(good, f"`{name}` is a whole number, at least {least}, not {told[name]!r}")
    return ", ".join(f"{name} {value}" for name, value in told.items())


def _shape(seen: _Dense) -> str:
    import torch

    out, stride, dim = seen.first.dense(seen.clips), seen.first.stride, seen.first.dim
    expect(isinstance(out, torch.Tensor), f"features are a Tensor, not a {type(out).__name__}")
    found = tuple(out.shape)
    expect(
        len(found) == 5 and found[:3] == (2, dim, FRAMES),
        f"features have shape {found}, not (2, {dim}, {FRAMES}, h, w)",
    )
    for cells, side in zip(found[3:], (HEIGHT, WIDTH), strict=True):
        most = -(-side // stride)
        expect(most - 2 <= cells <= most, f"{side} pixels with a stride of {stride} give {cells} cells, not {most}")
    expect(out.dtype == torch.float32, f"features are float32, not {out.dtype}")
    expect(bool(out.isfinite().all()), "some features are no numbers")
    return f"clips give features of shape {found}, float32"


def _one_frame(seen: _Dense) -> str:
    found = seen.of(seen.clips[:, :, :1])
    expect(found.shape[2] == 1, f"clips of one frame give features of shape {found.shape}")
    return "clips of one frame are taken"


def _flat(seen: _Dense) -> str:
    for name, value in (("black", 0.0), ("white", 1.0)):
        good = bool(np.isfinite(seen.of(seen.clips * 0 + value)).all())
        expect(good, f"features of {name} clips are no numbers; data sets hold such pictures")
    return "every feature of black and of white clips is a number"


def _seeding(seen: _Dense) -> str:
    again, left = under_globals(1, lambda: seen.of(seen.clips))
    expect(equal(again, seen.features), "the same clips read twice give other features (a dropout that was left on?)")
    expect(
        equal(seen.of(seen.clips, seen.second), seen.features),
        "built anew with the same Rng it gives other features: a draw does not come from the Rng's",
    )
    _, other = under_globals(2, lambda: seen.of(seen.clips))
    not_seeded(left, other)
    return "read twice, and built anew with the same Rng, it gives the same features to the bit"


def _other_seed(seen: _Dense) -> str:
    differs = not equal(seen.of(seen.clips, seen.other), seen.features)
    expect(differs, "built with another Rng it gives the same features: several seeds are one")
    return "built with another Rng it gives other features"


def _neighbours(seen: _Dense) -> str:
    alone = np.concatenate([seen.of(clip[None]) for clip in seen.clips])
    off = gap(alone, seen.features)
    expect(off <= CLOSE, f"one clip alone differs from the same one in company (by {off:.1g} of the largest)")
    return "one clip alone has the features it has in company"


def _reach(seen: _Dense) -> str:
    reach = getattr(seen.first, "reach", 0)
    changed = seen.clips.clone()
    changed[:, :, 0] = 1 - changed[:, :, 0]
    found = seen.of(changed)
    off = gap(found[:, :, reach + 1 :], seen.features[:, :, reach + 1 :])
    expect(off <= CLOSE, f"frames hang on another one farther away than `reach`, {reach}, says (by {off:.1g})")
    expect(gap(found[:, :, 0], seen.features[:, :, 0]) > CLOSE, "another frame has the same features")
    return f"features hang on frames no farther away than {reach}"


def _places(seen: _Dense) -> str:
    changed = seen.clips.clone()
    changed[..., : HEIGHT // 2, WIDTH // 2 :] = 1 - changed[..., : HEIGHT // 2, WIDTH // 2 :]
    change = np.abs(seen.of(changed) - seen.features).mean((0, 1, 2))
    rows, columns = (side // 2 for side in change.shape)
    others = [change[:rows, :columns].mean(), change[-rows:, :columns].mean(), change[-rows:, -columns:].mean()]
    expect(
        bool(change[:rows, -columns:].mean() > max(others)),
        "another upper right of the pictures changes the features most somewhere else: are height and width exchanged?",
    )
    return "another upper right of the pictures changes the features there"


def _input(seen: _Dense) -> str:
    before = seen.clips.clone()
    seen.first.dense(seen.clips)
    expect(bool(before.equal(seen.clips)), "the clips it was given are changed: work on a copy")
    return "the clips it was given are as they were"


DENSE: Sequence[Check[_Dense]] = (
    Check("declared", _declared),
    Check("shape", _shape),
    Check("one frame", _one_frame),
    Check("flat pictures", _flat),
    Check("seeding", _seeding),
    Check("other seed", _other_seed, required=False),
    Check("neighbours", _neighbours),
    Check("reach", _reach),
    Check("places", _places),
    Check("input unchanged", _input),
)


def check(make: Make, title: str, watch: Watch) -> list[Finding]:
    """Findings about the dense encoder that `make` builds anew from a seed; one that learns from masks learns first."""
    try:
        seen = _dense(make)
    except Exception as fault:
        return [Finding("dense: build", False, raised(fault))]
    return try_all(DENSE, seen, title, watch, "dense: ")


# ---------------------------------------------------------------- propagators


@dataclass(frozen=True)
class _Moving:
    """A propagator with a clip, soft labels of its first frame, and places in it."""

    role: Any
    frames: Tensor
    first: Tensor
    points: Tensor

    def labels(self, frames: Tensor, first: Tensor) -> np.ndarray:
        return np.stack([labels.cpu().numpy() for labels in self.role.propagate(frames, first)])


def _moving(make: Make) -> _Moving:
    import torch

    frames = _clips("check", 1)[0].transpose(0, 1).contiguous()
    first = torch.zeros(LABELS, HEIGHT, WIDTH)
    first[1, 8:40, 10:50], first[2, 20:60, 60:90] = 1, 1
    first[0] = 1 - first.sum(0)
    points = torch.tensor([(WIDTH * (k + 1) / 6, HEIGHT * (k + 1) / 6) for k in range(JOINTS)])
    return _Moving(make(0), frames, first, points)


def _labels(moving: _Moving) -> str:
    found = moving.labels(moving.frames.clone(), moving.first.clone())
    wanted = (FRAMES - 1, LABELS, HEIGHT, WIDTH)
    expect(found.shape == wanted, f"{FRAMES} frames give labels of shape {found.shape}, not {wanted}")
    expect(bool(np.isfinite(found).all()), "some labels are no numbers")
    expect(not list(moving.role.propagate(moving.frames[:1], moving.first)), "one frame gives labels of another one")
    return f"labels of shape {found.shape[1:]} for each frame after the first"


def _still(moving: _Moving) -> str:
    found = moving.labels(moving.frames[:1].repeat(3, 1, 1, 1), moving.first)
    share = float((found.argmax(1) == moving.first.argmax(0).numpy()).mean())
    expect(share > 0.99, f"where nothing moves {1 - share:.0%} of the pixels lose their label")
    return "where nothing moves labels stay"


def _order(moving: _Moving) -> str:
    turned = moving.labels(moving.frames, moving.first.flip(0))[:, ::-1]
    off = gap(turned, moving.labels(moving.frames, moving.first))
    expect(off <= CLOSE, f"labels in another order are moved elsewhere (off by {off:.1g})")
    return "labels in another order go the same ways"


def _repeats(moving: _Moving) -> str:
    one, _ = under_globals(0, lambda: moving.labels(moving.frames, moving.first))
    again, _ = under_globals(1, lambda: moving.labels(moving.frames, moving.first))
    expect(equal(one, again), "the same clip gives other labels when asked again")
    return "the same clip gives the same labels to the bit"


def _unchanged(moving: _Moving) -> str:
    frames, first, points = moving.frames.clone(), moving.first.clone(), moving.points.clone()
    moving.labels(frames, first)
    if hasattr(moving.role, "move"):
        list(moving.role.move(frames, points))
    pairs = ((frames, moving.frames), (first, moving.first), (points, moving.points))
    expect(all(bool(a.equal(b)) for a, b in pairs), "what it was given is changed: work on a copy")
    return "what it was given is as it was"


def _points(moving: _Moving) -> str:
    if not hasattr(moving.role, "move"):
        return "joints are moved as soft labels"
    found = [places.cpu().numpy() for places in moving.role.move(moving.frames, moving.points)]
    expect(
        len(found) == FRAMES - 1 and all(places.shape == (JOINTS, 2) for places in found),
        f"`move` gives {[places.shape for places in found]}, not {FRAMES - 1} times {(JOINTS, 2)}",
    )
    expect(bool(np.isfinite(found).all()), "some places are no numbers")
    return "joints go by `move`"


MOVING: Sequence[Check[_Moving]] = (
    Check("labels", _labels),
    Check("still", _still),
    Check("order of labels", _order),
    Check("repeats", _repeats),
    Check("points", _points),
    Check("input unchanged", _unchanged),
)


def check_propagator(make: Make, title: str, watch: Watch) -> list[Finding]:
    """Findings about the propagator that `make` builds anew from a seed."""
    try:
        moving = _moving(make)
    except Exception as fault:
        return [Finding("propagator: build", False, raised(fault))]
    return try_all(MOVING, moving, title, watch, "propagator: ")
