"""Names for the arrays that travel through the suite, and division with gaps; each docstring gives the shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.signedinteger]
Floats: TypeAlias = NDArray[np.floating]
Bools: TypeAlias = NDArray[np.bool_]


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays by name into one `.npz` file; unlike `numpy.savez`, to exactly this path."""
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


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


def as_array(made: Any) -> np.ndarray:
    """What an encoder returned, as an array of numpy; in it, or in a list of them, tensors of torch as they are.

    A tensor may lie on any device, carry a gradient, be sparse, or be in bf16, which numpy does not have.
    """
    if isinstance(made, list | tuple):
        made = [as_array(one) if hasattr(one, "detach") else one for one in made]
    elif hasattr(made, "detach"):
        made = made.detach().cpu().to_dense()
        made = (made.float() if made.is_floating_point() and made.itemsize < 4 else made).numpy()
    elif isinstance(made, np.ma.MaskedArray):
        made = made.filled(np.nan)  # what is masked is no number
    array = np.asarray(made)
    return np.array(array.tolist()) if array.dtype == object and array.ndim else array
