"""What `check-method` looks at in features of pictures: shapes, seeding, neighbours, axes, sizes, the trunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unlabeled import check_scenes
from unlabeled.check_basics import CLOSE, Check, Left, equal, expect, gap, not_drawn, not_seeded, raised, under_globals
from unlabeled.errors import UnlabeledError

if TYPE_CHECKING:
    from torch import Tensor

    from unlabeled.contracts import Point

CELLS = 4
"""By so many cells of a map its picture is made larger."""
WITHIN = 1e-3
"""Largest difference between an encoder and its trunk, as a share of the largest number: they may sum up in another
order."""


@dataclass(frozen=True)
class Role:
    """What the two roles do not share. `frames` is None where pictures stand alone."""

    name: str
    call: str
    things: str
    size: tuple[int, int]
    frames: int | None = None

    def inputs(self, name: str, rows: int, larger: int = 0) -> Tensor:
        """Generated pictures `(rows, 3, H, W)` or clips `(rows, 3, T, H, W)`; the same for the same name."""
        height, width = self.size
        made = check_scenes.clips(name, rows, self.frames or 1, height + larger, width + larger)
        return made[:, :, 0].contiguous() if self.frames is None else made


@dataclass(frozen=True)
class Built:
    """Three encoders: `second` was built under other global generators than `first`, `other` from another Rng."""

    first: Any
    second: Any
    other: Any
    left: Left
    left_second: Left


@dataclass(frozen=True)
class Encoded:
    """A built encoder at one point: pictures in, features out."""

    built: Built
    role: Role
    point: Point
    inputs: Tensor
    out: Tensor
    left: Left
    touched: bool

    def encode(self, inputs: Tensor, encoder: Any = None) -> np.ndarray:
        """Features of the first encoder as an array, or of another one."""
        call = getattr(encoder or self.built.first, self.role.call)
        return call(inputs, self.point.name).detach().cpu().numpy()

    @property
    def array(self) -> np.ndarray:
        """The features as an array."""
        return self.out.detach().cpu().numpy()


# ---------------------------------------------------------------- features


def _shape(encoded: Encoded) -> str:
    import torch

    out, point, rows = encoded.out, encoded.point, len(encoded.inputs)
    expect(isinstance(out, torch.Tensor), f"features are a Tensor, not a {type(out).__name__}")
    found = tuple(out.shape)
    wanted = f"({rows}, {point.dim}, h, w)" if point.stride else f"({rows}, {point.dim})"
    good = found[:2] == (rows, point.dim) and len(found) == (4 if point.stride else 2) and 0 not in found
    turned = " (the axes are turned)" if not good and rows in found and point.dim in found else ""
    why = f"stride is {point.stride}" if point.stride else "stride is 0: one vector each"
    expect(good, f"{rows} {encoded.role.things} give features of shape {found}, not {wanted}{turned}; {why}")
    for cells, side in zip(found[2:], encoded.role.size, strict=False):
        most = side / point.stride
        # Kernels without padding cost a few cells at the edges.
        expect(
            most / 2 - 1 <= cells <= most + 2,
            f"{side} pixels with a stride of {point.stride} give {cells} cells, not about {most:.3g}",
        )
    expect(out.dtype == torch.float32, f"features are float32, not {out.dtype}")
    return f"{rows} {encoded.role.things} give features of shape {found}, float32"


def _finite(encoded: Encoded) -> str:
    bad = int((~np.isfinite(encoded.array)).sum())
    expect(not bad, f"{bad} of {encoded.array.size} features are no numbers")
    return "every feature is a number"


def _flat(encoded: Encoded) -> str:
    for name, value in (("black", 0.0), ("white", 1.0)):
        found = encoded.encode(encoded.inputs * 0 + value)
        good = bool(np.isfinite(found).all())
        expect(good, f"features of {name} {encoded.role.things} are no numbers; data sets hold such pictures")
    return f"every feature of black and of white {encoded.role.things} is a number"


def _seeding(encoded: Encoded) -> str:
    again, _ = under_globals(1, lambda: encoded.encode(encoded.inputs))
    expect(
        equal(again, encoded.array),
        f"the same {encoded.role.things} encoded twice give other features (a dropout that was left on?)",
    )
    expect(
        equal(encoded.encode(encoded.inputs, encoded.built.second), encoded.array),
        "built anew with the same Rng it gives other features: `build` draws from a generator that is not the Rng's",
    )
    return "encoded twice, and built anew with the same Rng, it gives the same features to the bit"


def _other_seed(encoded: Encoded) -> str:
    found = encoded.encode(encoded.inputs, encoded.built.other)
    expect(not equal(found, encoded.array), "built with another Rng it gives the same features: several seeds are one")
    return "built with another Rng it gives other features"


def _seeds(encoded: Encoded) -> str:
    _, other = under_globals(1, lambda: encoded.encode(encoded.inputs))
    return not_seeded(encoded.left, other)


def _draws(encoded: Encoded) -> str:
    return not_drawn(encoded.left)


def _input(encoded: Encoded) -> str:
    expect(not encoded.touched, f"the {encoded.role.things} it was given are changed: work on a copy")
    return f"the {encoded.role.things} it was given are as they were"


def _order(encoded: Encoded) -> str:
    things = encoded.role.things
    off = gap(encoded.encode(encoded.inputs.flip(0)), encoded.array[::-1])
    expect(off <= CLOSE, f"{things} in reverse order do not give features in reverse order (off by {off:.1g})")
    return f"{things} in reverse order give features in reverse order"


def _neighbours(encoded: Encoded) -> str:
    alone = np.concatenate([encoded.encode(one[None]) for one in encoded.inputs])
    off = gap(alone, encoded.array)
    expect(off <= CLOSE, f"one encoded alone differs from the same one in company (by {off:.1g} of the largest)")
    return "one encoded alone has the features it has in company"


# ---------------------------------------------------------------- axes


def _differs(encoded: Encoded, inputs: Tensor) -> bool:
    return gap(encoded.encode(inputs), encoded.array) > CLOSE


def _colours(encoded: Encoded) -> str:
    changed = encoded.inputs[:, [1, 2, 0]]
    shape = "(B, 3, H, W)" if encoded.role.frames is None else "(B, 3, T, H, W)"
    expect(
        _differs(encoded, changed), f"red, green and blue exchanged give the same features: is axis 1 of {shape} read?"
    )
    return "red, green and blue exchanged give other features"


def _sides(encoded: Encoded) -> str:
    height, width = encoded.inputs.shape[-2:]
    halves = {
        "upper": (slice(None, height // 2), slice(None)),
        "lower": (slice(height // 2, None), slice(None)),
        "left": (slice(None), slice(None, width // 2)),
        "right": (slice(None), slice(width // 2, None)),
    }
    for name, (rows, columns) in halves.items():
        changed = encoded.inputs.clone()
        changed[..., rows, columns] = 1 - changed[..., rows, columns]
        expect(_differs(encoded, changed), f"the {name} half of the picture makes no difference: are the axes turned?")
    return "every half of the picture makes a difference"


def _places(encoded: Encoded) -> str:
    """Where the upper right changes, the map must change most at the upper right."""
    if not encoded.point.stride:
        return "no map"
    height, width = encoded.inputs.shape[-2:]
    changed = encoded.inputs.clone()
    changed[..., : height // 2, width // 2 :] = 1 - changed[..., : height // 2, width // 2 :]
    change = np.abs(encoded.encode(changed) - encoded.array).mean((0, 1))
    rows, columns = change.shape
    if min(rows, columns) < 2:
        return "a map of one cell a side has no places"
    upper, right = slice(None, rows // 2), slice(columns - columns // 2, None)
    lower, left = slice(rows - rows // 2, None), slice(None, columns // 2)
    others = [change[upper, left].mean(), change[lower, left].mean(), change[lower, right].mean()]
    expect(
        bool(change[upper, right].mean() > max(others)),
        "another upper right of the picture changes the map most somewhere else: are height and width exchanged?",
    )
    return "another upper right of the picture changes the map there"


def _turned(encoded: Encoded) -> str:
    from torch.nn import functional

    height, width = encoded.inputs.shape[-2:]
    planes = encoded.inputs.reshape(-1, 1, height, width).transpose(2, 3)
    changed = functional.interpolate(planes, size=(height, width), mode="bilinear").reshape(encoded.inputs.shape)
    expect(_differs(encoded, changed), "pictures with rows and columns exchanged give the same features")
    return "pictures with rows and columns exchanged give other features"


def _time(encoded: Encoded) -> str:
    if encoded.role.frames == 1:
        return "clips of one frame have no order"
    expect(
        _differs(encoded, encoded.inputs.flip(2)), "clips that run backwards give the same features: no sense of time"
    )
    return "clips that run backwards give other features"


# ---------------------------------------------------------------- other sizes, and the trunk


def _sizes(encoded: Encoded) -> str:
    """Larger by whole cells of a map, or by some pixels: features as promised, or an error that says what is wrong."""
    stride = encoded.point.stride
    larger = encoded.role.inputs("larger", 1, CELLS * stride or 8)
    height, width = larger.shape[-2:]
    try:
        found = encoded.encode(larger)
    except Exception as fault:
        clear = isinstance(fault, UnlabeledError) or str(height) in str(fault) or str(width) in str(fault)
        expect(clear, f"pictures of {height} x {width} {raised(fault)}; name the size, or raise BadData")
        return f"pictures of {height} x {width} are refused ({type(fault).__name__})"
    if not stride:
        expect(found.shape == (1, encoded.point.dim), f"pictures of {height} x {width} give {found.shape}")
        return f"pictures of {height} x {width} give as many numbers"
    more = [a - b for a, b in zip(found.shape[2:], encoded.array.shape[2:], strict=True)]
    # Several layers that round down one after the other may lose a cell.
    expect(
        all(abs(cells - CELLS) <= 1 for cells in more),
        f"pictures larger by {CELLS} x stride have {more[0]} rows and {more[1]} columns more, not {CELLS}",
    )
    return f"pictures larger by {CELLS} x stride have {more[0]} rows and {more[1]} columns more"


def _trunk(encoded: Encoded) -> str:
    import torch

    trunk = encoded.built.first.trunk(encoded.point.name)
    expect(isinstance(trunk, torch.nn.Module), f"`trunk` gives a module, not a {type(trunk).__name__}")
    weights = [weight for weight in trunk.parameters() if weight.requires_grad]
    expect(bool(weights), "`trunk` gives a module without a weight that can be trained")
    modes = [(module, module.training) for module in trunk.modules()]
    trunk.eval()
    try:
        out = trunk(encoded.inputs)
        off = gap(out.detach().cpu().numpy(), encoded.array)
        expect(
            off <= WITHIN, f"`trunk` and `{encoded.role.call}` give different features (by {off:.1g} of the largest)"
        )
        expect(out.requires_grad, "no gradient goes through the module that `trunk` gives")
        # Squared: the sum of normalised features would have none.
        found = torch.autograd.grad((out**2).sum(), weights, allow_unused=True)
    finally:
        for module, training in modes:
            module.training = training
    moved = sum(gradient is not None and bool(gradient.any()) for gradient in found)
    expect(moved > 0, "no weight of the module that `trunk` gives takes a gradient")
    return f"`trunk` gives the same features, and {moved} of {len(weights)} weights take gradients"


# ---------------------------------------------------------------- all together

CHECKS: Sequence[Check[Encoded]] = (
    Check("shape", _shape),
    Check("finite", _finite),
    Check("flat pictures", _flat),
    Check("seeding", _seeding),
    Check("other seed", _other_seed, required=False),
    Check("global seeds", _seeds),
    Check("global draws", _draws, required=False),
    Check("input unchanged", _input),
    Check("batch order", _order),
    Check("neighbours", _neighbours),
    Check("colours", _colours),
    Check("sides", _sides),
    Check("places", _places),
    Check("rows and columns", _turned, required=False),
    Check("other sizes", _sizes),
    Check("trunk", _trunk),
)
VIDEO: Sequence[Check[Encoded]] = (*CHECKS, Check("time", _time, required=False))
