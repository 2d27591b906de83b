"""Names for the arrays that travel through the suite, and division with gaps; each docstring gives the shape."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.signedinteger]
Floats: TypeAlias = NDArray[np.floating]
Bools: TypeAlias = NDArray[np.bool_]


def divide(value: np.ndarray, base: np.ndarray) -> Floats:
    """`value / base` with the shapes of numpy, NaN where the base is 0."""
    shape = np.broadcast_shapes(value.shape, base.shape)
    return np.divide(value, base, out=np.full(shape, np.nan), where=base != 0)


def lengths(rows: Floats) -> Floats:
    """The length of each row [n, dim], in its own precision, [n]: inf or 0 where that cannot hold its square."""
    with np.errstate(over="ignore"):
        length: Floats = np.linalg.norm(rows, axis=1)
    return length


def to_unit_length(rows: Floats) -> None:
    """Bring rows [n, dim] of float32 to unit length where they are; a row of zeros stays as it is.

    Rows longer than 1e19 or shorter than 1e-12, whose squares float32 holds badly or not at all, are computed in
    float64; the others are the plain float32 quotient.
    """
    length = lengths(rows)
    odd = ~((length > 1e-12) & (length < 1e19))
    if odd.any():
        exact = rows[odd].astype(np.float64)
        norms = lengths(exact)
        rows[odd] = exact / np.where(norms > 0, norms, 1)[:, None]
        length[odd] = 1
    rows /= length[:, None]
