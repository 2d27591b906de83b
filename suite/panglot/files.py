"""Locate data and caches on this machine, and write files atomically."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from panglot.errors import PanglotError

DATA_VARIABLE = "PANGLOT_DATA"
"""Environment variable with the path of the data folder."""

DEVICES = r"con|prn|aux|nul|com\d|lpt\d"
"""Pattern of the names that Windows takes for devices, in any case and before any ending."""

_data_from: ContextVar[Path | None] = ContextVar("data_from", default=None)


def cache_dir(*parts: str) -> Path:
    """Return a folder in the user's cache, such as `~/.cache/panglot/vectors`; it may not exist yet."""
    import pooch

    return Path(pooch.os_cache("panglot"), *parts)


def data_cache(*parts: str) -> Path:
    """Return the folder of a task's data in the user's cache, such as `~/.cache/panglot/data/xquad-r`.

    A task file, which can come from anyone, chooses the names of folders and files in here and nowhere else: other
    folders of the cache hold what is trusted, such as compiled code.
    """
    return cache_dir("data", *parts)


def data_root() -> Path | None:
    """Return the data folder: that of the innermost open `data_from`, else PANGLOT_DATA, else None: download."""
    named = os.environ.get(DATA_VARIABLE)
    return _data_from.get() or (Path(named) if named else None)


@contextmanager
def data_from(folder: Path | None) -> Iterator[None]:
    """Use `folder` as the data folder of this thread while the context is open; None keeps the current one."""
    token = _data_from.set(folder or _data_from.get())
    try:
        yield
    finally:
        _data_from.reset(token)


@contextmanager
def data_of_process(folder: Path | None) -> Iterator[None]:
    """Use `folder` as the data folder of all threads, and of processes that start while the context is open."""
    before = os.environ.get(DATA_VARIABLE, "")
    os.environ[DATA_VARIABLE] = str(folder.absolute()) if folder else before
    try:
        yield
    finally:
        os.environ[DATA_VARIABLE] = before


def data_variable() -> dict[str, str]:
    """Return the data folder as a variable for the environment of a new process, which may work elsewhere."""
    root = data_root()
    return {DATA_VARIABLE: str(root.absolute())} if root else {}


def check_writable(path: Path, option: str) -> None:
    """Check early that `path` can be written; nothing is created. `option` is the option that named it.

    :raises PanglotError: the nearest existing parent is not a folder or is not writable.
    """
    nearest = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        reason = "is not writable" if nearest.is_dir() else "is not a folder"
        raise PanglotError(f"{option}: cannot write to {path}: {nearest} {reason}. Choose another folder.")


def make_parent(path: Path, option: str) -> None:
    """Make the folder that a file is to be written to; `option` is the option that named the file.

    :raises PanglotError: it cannot be made.
    """
    check_writable(path.absolute().parent, option)
    path.parent.mkdir(parents=True, exist_ok=True)


def real_path(path: Path) -> Path:
    """Return a path without links; unlike `Path.resolve` in Python before 3.13, links in a circle are no error."""
    return Path(os.path.realpath(path))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path beside `path`, then rename it, so that no reader sees a partial file."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
