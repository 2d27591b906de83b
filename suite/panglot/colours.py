"""Colours of heat maps, the same in the terminal and on a page: each cell with an ink that can be read on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

Rgb: TypeAlias = tuple[int, int, int]

VIRIDIS: Sequence[Rgb] = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""From low to high: even to the eye, readable without colour vision."""

PU_OR: Sequence[Rgb] = ((230, 97, 1), (247, 247, 247), (94, 60, 153))
"""From orange over white to purple: two ends that are told apart without red and green."""

EVEN = 0.179
"""The relative luminance at which black and white ink have the same contrast (WCAG 2.2)."""


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
    return Cell(f"#{red:02x}{green:02x}{blue:02x}", "white" if _luminance((red, green, blue)) < EVEN else "black")


def _luminance(colour: Rgb) -> float:
    """Relative luminance, from 0 of black to 1 of white."""
    red, green, blue = (part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
