"""What may be asked of the loader: a Request against its items, and a Pick against its item."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import numpy as np

from unlabeled.contracts import ImageItem, Info, Pick, Request, SoundItem
from unlabeled.errors import BadData, UnlabeledError, WrongCall, name_several
from unlabeled.streams import Rng
from unlabeled.training import augment
from unlabeled.training.facts import Item
from unlabeled.training.sizes import height_width

KINDS = ("images", "frames", "clips", "av", "mixtures")
HEARD = ("av", "mixtures")
COLOURS = ("rgb", "lab", "grey")
WANTS = ("motion",)


def check(request: Request) -> None:
    """Refuse a request that contradicts itself or names what is not there.

    Raises
    ------
    WrongCall : says which field and what there is instead.
    """
    for what, value, known in (("kind", request.kind, KINDS), ("colour", request.colour, COLOURS)):
        if value not in known:
            raise WrongCall(f"a request has no {what} {value!r}", f"there are {', '.join(known)}")
    if min(height_width(request.size)) < 1:
        raise WrongCall(f"pictures of size {request.size} cannot be read")
    if "label" in request.wants or "labels" in request.wants:
        raise WrongCall(
            "a pretext asks for labels, which it must never see", "learn with labels in a method of the role classifier"
        )
    unknown = sorted(request.wants - set(WANTS))
    if unknown:
        raise WrongCall(f"there is no side signal {', '.join(unknown)}", f"there is {', '.join(WANTS)}")
    augment.check(request.augment)
    heard = request.kind in HEARD
    if heard and request.rate < 1:
        raise WrongCall(f"a request of kind {request.kind} needs a rate of its sound, not {request.rate}")
    if not heard and request.rate:
        raise WrongCall(f"a request of kind {request.kind} reads no sound, its rate is {request.rate}", "use kind av")
    mixed = request.kind == "mixtures"
    if request.sources < 1 or mixed != (request.sources > 1):
        raise WrongCall(f"a request of kind {request.kind} with {request.sources} sources")
    low, high = request.gain
    if not (0 < low <= high < np.inf) or (not mixed and request.gain != (1.0, 1.0)):
        raise WrongCall(f"a request of kind {request.kind} with gain {request.gain}")
    if request.pick is None and request.kind != "images":
        raise WrongCall(f"a request of kind {request.kind} has no pick: which frames shall be read?")


def check_travels(request: Request) -> None:
    """Refuse a pick that other processes cannot be given (WrongCall): a lambda, or a function inside a function."""
    try:
        pickle.dumps(request.pick)
    except (pickle.PicklingError, AttributeError, TypeError) as fault:
        raise WrongCall(
            f"{_name(request)} cannot go to other processes: {fault}",
            "define it at the top level of a module, or read without workers",
        ) from fault


def check_items(items: Sequence[Item], request: Request, batch: int, labels: bool) -> None:
    """Refuse items that cannot answer a request; nothing is decoded.

    Raises
    ------
    WrongCall : no items, one id twice, no pick where there are several frames, or no pictures.
    BadData : labels were asked for, and items have no class.
    """
    if batch < 1 or len(items) < request.sources:
        raise WrongCall(f"{len(items)} items in batches of {batch}: nothing can be read")
    seen: set[str] = set()
    twice = [item.id for item in items if item.id in seen or seen.add(item.id)]  # type: ignore[func-returns-value]
    if twice:
        raise WrongCall(f"items given twice: {name_several(twice)}")
    if request.kind not in HEARD:
        blind = [item.id for item in items if isinstance(item, SoundItem)]
        if blind:
            raise WrongCall(f"{len(blind)} items are sound without pictures: {name_several(blind)}", "use kind av")
    if request.pick is None:
        moving = [item.id for item in items if not isinstance(item, ImageItem)]
        if moving:
            raise WrongCall(
                f"a request without a pick reads single pictures; {len(moving)} items are none: {name_several(moving)}"
            )
    nameless = [item.id for item in items if labels and item.target < 0]
    if nameless:
        raise BadData(f"{len(nameless)} items have no class: {name_several(nameless)}")


def check_enough(items: Sequence[Item], request: Request, batch: int) -> None:
    """Refuse fewer items than one batch of training needs (WrongCall)."""
    if len(items) < batch * request.sources:
        of = f" mixtures of {request.sources}" if request.sources > 1 else ""
        raise WrongCall(
            f"{len(items)} items are too few for a batch of {batch}{of}: no batch holds a clip twice",
            "give more items, or a smaller batch (in pretraining --set train.batch=N)",
        )


def check_heard(items: Sequence[Item], infos: Sequence[Info]) -> None:
    """Refuse items without sound, all of them together (BadData)."""
    silent = [item.id for item, info in zip(items, infos, strict=True) if not info.samples]
    if silent:
        raise BadData(
            f"{len(silent)} of {len(items)} items have no sound: {name_several(silent)}",
            "leave them out, or ask for no sound",
        )


# ---------------------------------------------------------------- picks


def picked(request: Request, item: Item, info: Info, rng: Rng) -> Pick:
    """What a request reads of an item, with every index inside the item.

    Raises
    ------
    UnlabeledError : names the pick and the item: an error of its own, something outside of the item, nothing at all,
        or a shape that the kind of the request does not have.
    """
    if request.pick is None:
        return Pick(frames=((0,),))
    try:
        pick = request.pick(info, rng)
    except Exception as fault:
        told = f"{_name(request)} of item {item.id!r} fails: {type(fault).__name__}: {fault}"
        raise UnlabeledError(told, "the method's rule must fit every Info") from fault
    wrong = _fault(request, pick, info)
    if wrong:
        raise UnlabeledError(f"{_name(request)} of item {item.id!r} {wrong}", "the method's rule must fit every Info")
    return pick


def _fault(request: Request, pick: Pick, info: Info) -> str:
    """What is wrong with a pick, empty if nothing is."""
    if len({len(run) for run in pick.frames}) > 1 or len({length for _, length in pick.sound}) > 1:
        return "gives runs of frames or stretches of sound of several lengths"
    outside = [index for run in pick.frames for index in run if not 0 <= index < info.frames]
    if outside:
        return f"asks for frame {outside[0]}, it has {info.frames}, counted from 0"
    if request.kind not in HEARD and pick.sound:
        return f"asks for sound in a request of kind {request.kind}"
    for start, length in pick.sound:
        first, count = samples_of(start, length, request.rate)
        if not (np.isfinite(start) and first >= 0 and count >= 1 and first + count <= info.samples):
            return f"asks for sound from {start} s, {length} s long, it has {info.samples / request.rate:.6f} s"
    runs, length = len(pick.frames), len(pick.frames[0]) if pick.frames else 0
    if pick.frames and not length:
        return "gives a run of no frames"
    match request.kind:
        case "images" if (runs, length) != (1, 1):
            return f"gives {runs} runs of {length} frames, not the one frame of an image"
        case "frames" if runs != 1:
            return f"gives {runs} runs of frames, not one"
        case "clips" if runs == 0:
            return "gives no frames"
        case "av" if runs == 0 and not pick.sound:
            return "gives neither frames nor sound"
        case "mixtures" if runs > 1 or len(pick.sound) != 1:
            return f"gives {runs} runs of frames and {len(pick.sound)} stretches of sound, not one each"
    return ""


def samples_of(start_s: float, length_s: float, rate: int) -> tuple[int, int]:
    """First sample and number of samples of a stretch, both rounded to the one grid of the rate."""
    if not (np.isfinite(start_s) and np.isfinite(length_s)):
        return -1, 0
    return round(start_s * rate), round(length_s * rate)


def _name(request: Request) -> str:
    pick = request.pick
    module, name = getattr(pick, "__module__", ""), getattr(pick, "__qualname__", repr(pick))
    return f"pick {module}.{name}" if module else f"pick {name}"


def check_alike(request: Request, items: Sequence[Item], picks: Sequence[Pick]) -> None:
    """Refuse picks of one batch that cannot be stacked (UnlabeledError): name the first two that differ."""

    def shape(pick: Pick) -> tuple[int, int, int, int, str]:
        length, samples = len(pick.frames[0]) if pick.frames else 0, 0
        if pick.sound:
            _, samples = samples_of(*pick.sound[0], request.rate)
        return len(pick.frames), length, len(pick.sound), samples, "none" if pick.target is None else "one"

    shapes = [shape(pick) for pick in picks]
    for item, one in zip(items, shapes, strict=True):
        if one != shapes[0]:
            told = "{0[0]} runs of {0[1]} frames, {0[2]} stretches of {0[3]} samples, target: {0[4]}"
            raise UnlabeledError(
                f"{_name(request)} gives items of one batch different shapes: {items[0].id!r} has "
                f"{told.format(shapes[0])}; {item.id!r} has {told.format(one)}"
            )
