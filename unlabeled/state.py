"""Whether two objects hold the same: a hash of what an object is made of, exact to the bit."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np


def state_of(thing: Any) -> str | None:
    """Hash of a value, of an object's attributes, of a network's weights; None where it cannot be told.

    Plain values, containers, dataclasses, arrays, tensors and torch modules are told by their content, other
    objects by their class and attributes. A function, an open file, an object of a class made inside a
    function: what they do is not in what they hold.
    """
    digest = hashlib.sha256()
    try:
        for part in _parts(thing, depth=0):
            digest.update(len(part).to_bytes(8, "little") + part)
    except _Unknown:
        return None
    return digest.hexdigest()


class _Unknown(Exception):
    """Something that no hash can tell from another."""


def _parts(thing: Any, depth: int) -> list[bytes]:
    if depth > 20:
        raise _Unknown
    kind = type(thing)
    name = f"{kind.__module__}.{kind.__qualname__}".encode()
    torch = sys.modules.get("torch")
    if thing is None or kind in (bool, int, float, complex, str, bytes) or isinstance(thing, PurePath):
        return [name, repr(thing).encode()]
    if isinstance(thing, np.ndarray | np.generic) and not np.asarray(thing).dtype.hasobject:
        array = np.ascontiguousarray(thing)
        return [name, f"{array.dtype} {np.shape(thing)}".encode(), array.tobytes()]
    if torch is not None and isinstance(thing, torch.Tensor):
        flat = thing.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        return [name, f"{thing.dtype} {tuple(thing.shape)}".encode(), flat.numpy().tobytes()]
    if torch is not None and isinstance(thing, torch.nn.Module):
        return [name, repr(thing).encode(), *_inside(dict(thing.state_dict()), depth)]
    if isinstance(thing, tuple | list):
        return [name, *(part for item in thing for part in (b"item", *_parts(item, depth + 1)))]
    if isinstance(thing, set | frozenset):
        return [name, *sorted(b"".join(_parts(item, depth + 1)) for item in thing)]
    if isinstance(thing, Mapping):
        return [name, *_inside(thing, depth)]
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return [name, *_inside({f.name: getattr(thing, f.name) for f in dataclasses.fields(thing)}, depth)]
    plain = hasattr(thing, "__dict__") and not callable(thing) and "<locals>" not in kind.__qualname__
    if not plain or isinstance(thing, type) or kind.__reduce_ex__ is not object.__reduce_ex__:
        raise _Unknown
    return [name, *_inside(vars(thing), depth)]


def _inside(values: Mapping[Any, Any], depth: int) -> list[bytes]:
    found = []
    for key in sorted(values, key=repr):
        found += [repr(key).encode(), *_parts(values[key], depth + 1)]
    return found
