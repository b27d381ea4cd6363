"""Named random streams: every random draw comes from a stream named after its purpose.

Adding a draw to one stream moves no other; order and number of workers never enter.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


def seed_of(seed: int, *names: object) -> int:
    """128-bit seed of a named stream: BLAKE2b-16 of `"{seed}/name/name..."`, little-endian."""
    text = f"{seed}/" + "/".join(str(name) for name in names)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def stream(seed: int, *names: object) -> np.random.Generator:
    """A generator that depends on the seed and the names alone."""
    return np.random.Generator(np.random.PCG64(seed_of(seed, *names)))


@dataclass(frozen=True)
class Rng:
    """The seed of a run, from which a part of the code takes streams by name."""

    seed: int
    path: tuple[str, ...] = ()

    def under(self, *names: object) -> Rng:
        """The same seed, one level further down (`rng.under("fold 1")`)."""
        return Rng(self.seed, self.path + tuple(str(name) for name in names))

    def numpy(self, *names: object) -> np.random.Generator:
        """A NumPy generator of its own for this purpose."""
        return stream(self.seed, *self.path, *names)
