"""Colours of heat maps, the same in the terminal and on a page: each cell with an ink that can be read on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

Rgb: TypeAlias = tuple[int, int, int]

VIRIDIS: Sequence[Rgb] = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""From low to high: even to the eye, readable without colour vision."""

PU_OR: Sequence[Rgb] = ((230, 97, 1), (247, 247, 247), (94, 60, 153))
"""From orange over white to purple: two ends that are told apart without red and green."""

DARKEST = 140
"""Luma, of 255, from which on ink is black."""


class Cell(NamedTuple):
    """A background and the ink on it, as `#21918c` and `white`."""

    background: str
    ink: str


def colour(share: float, scale: Sequence[Rgb] = VIRIDIS) -> Cell:
    """The colour at a place of a scale, from 0 to 1."""
    place = share * (len(scale) - 1)
    step = min(int(place), len(scale) - 2)
    red, green, blue = (
        round(start + (end - start) * (place - step)) for start, end in zip(scale[step], scale[step + 1], strict=True)
    )
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return Cell(f"#{red:02x}{green:02x}{blue:02x}", "white" if luma < DARKEST else "black")
