"""Where data and caches lie on this machine, and how a file is written: whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from panglot.errors import PanglotError

DATA_VARIABLE = "PANGLOT_DATA"
"""The environment variable that names the folder of data sets."""

_data_from: ContextVar[Path | None] = ContextVar("data_from", default=None)


def cache_dir(*parts: str) -> Path:
    """A folder of the user's cache, such as `~/.cache/panglot/vectors`; it need not exist."""
    import pooch

    return Path(pooch.os_cache("panglot"), *parts)


def data_root(data_dir: Path | None = None) -> Path | None:
    """The folder of data sets: `data_dir`, else that of `data_from`, else what PANGLOT_DATA names, else None."""
    named = os.environ.get(DATA_VARIABLE)
    return data_dir or _data_from.get() or (Path(named) if named else None)


@contextmanager
def data_from(folder: Path | None) -> Iterator[None]:
    """Look for data sets in a folder as long as the context is open; None leaves it as it was."""
    token = _data_from.set(folder or _data_from.get())
    try:
        yield
    finally:
        _data_from.reset(token)


def check_writable(path: Path, option: str) -> None:
    """Check that something can be written there, before anything costs time; nothing is made.

    :raises PanglotError: the nearest folder above it is none, or is protected.
    """
    nearest = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        reason = "is protected against writing" if nearest.is_dir() else "is no folder"
        raise PanglotError(
            f"{option}: nothing can be written to {path}, since {nearest} {reason}. Name another folder."
        )


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file beside `path`, then move it there, so that no reader ever sees a part of it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
