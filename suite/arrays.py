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
