"""Sizes of pictures: the side of a square, or height and width."""

from __future__ import annotations

Size = int | tuple[int, int]
"""Side of a square in pixels, or (height, width)."""


def height_width(size: Size) -> tuple[int, int]:
    """A size as (height, width)."""
    return (size, size) if isinstance(size, int) else size
