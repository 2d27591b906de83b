"""Array types and small array helpers; docstrings elsewhere give the shapes."""

from __future__ import annotations

import ctypes
import io
import sys
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.signedinteger]
Floats: TypeAlias = NDArray[np.floating]
Bools: TypeAlias = NDArray[np.bool_]


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write named arrays to an `.npz` file; unlike `numpy.savez`, the path is used unchanged."""
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_arrays(data: bytes, *names: str) -> list[np.ndarray]:
    """Read the named arrays from the bytes of an `.npz` file; nothing is unpickled.

    :raises ValueError: the file is damaged, is not an `.npz` file, or lacks an array.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = [stored[name] for name in names]
    except Exception as error:  # numpy, zipfile, zlib and tokenize raise a dozen types for damaged files
        raise ValueError(f"{type(error).__name__}: {error}") from error
    odd = next((name for name, array in zip(names, arrays, strict=True) if not isinstance(array, np.ndarray)), None)
    if odd is not None:
        raise ValueError(f"{odd} is not an array")
    return arrays


def divide(value: np.ndarray, base: np.ndarray) -> Floats:
    """Return `value / base` with numpy broadcasting, and NaN where `base` is 0."""
    shape = np.broadcast_shapes(value.shape, base.shape)
    return np.divide(value, base, out=np.full(shape, np.nan), where=base != 0)


def compact(values: Floats) -> Floats:
    """Return values [n] in the memory of one if all are equal, read-only; otherwise as they are."""
    return values if np.any(values != values[:1]) else np.broadcast_to(values[:1].copy(), values.shape)


def joined_up(parts: list[np.ndarray]) -> np.ndarray:
    """Return arrays one after the other; the list is emptied on the way, so that memory does not hold all of it twice.

    A single array is returned as it is.
    """
    if len(parts) == 1:
        return parts.pop()
    whole = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), np.result_type(*parts))
    start = 0
    while parts:
        part = parts.pop(0)
        whole[start : start + len(part)] = part
        start += len(part)
    return whole


def return_memory() -> None:
    """Return freed memory to the system: glibc keeps what lies between other arrays, hundreds of megabytes in the end.

    Other C libraries have no such call, and nothing happens.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)


def lengths(rows: Floats) -> Floats:
    """Return the L2 norm of each row of [n, dim], [n], in the precision of the rows; it can overflow to inf or be 0."""
    with np.errstate(over="ignore"):
        length: Floats = np.linalg.norm(rows, axis=1)
    return length


def to_unit_length(rows: Floats) -> None:
    """Normalise float32 rows [n, dim] to unit length in place; zero rows are unchanged.

    Rows with a norm above 1e19 or below 1e-12, whose squares float32 cannot represent accurately, are normalised in
    float64; the others in float32.
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
    """Convert an encoder's output, including torch tensors and lists of them, to a numpy array.

    A tensor may be on any device, require a gradient, be sparse, or be in bf16, which numpy does not support.
    """
    if isinstance(made, list | tuple):
        made = [as_array(one) if hasattr(one, "detach") else one for one in made]
    elif hasattr(made, "detach"):
        made = made.detach().cpu().to_dense()
        made = (made.float() if made.is_floating_point() and made.itemsize < 4 else made).numpy()
    elif isinstance(made, np.ma.MaskedArray):
        made = made.filled(np.nan)  # masked values become NaN
    array = np.asarray(made)
    return np.array(array.tolist()) if array.dtype == object and array.ndim else array
