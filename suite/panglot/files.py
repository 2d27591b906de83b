"""Where data and caches lie on this machine, and how a file is written: whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

DATA_VARIABLE = "PANGLOT_DATA"
"""The environment variable that names the folder of data sets."""


def cache_dir(*parts: str) -> Path:
    """A folder of the user's cache, such as `~/.cache/panglot/vectors`; it need not exist."""
    import pooch

    return Path(pooch.os_cache("panglot"), *parts)


def data_root(data_dir: Path | None = None) -> Path | None:
    """The folder of data sets: `data_dir`, else what PANGLOT_DATA names, else None."""
    named = os.environ.get(DATA_VARIABLE)
    return data_dir or (Path(named) if named else None)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file beside `path`, then move it there, so that no reader ever sees a part of it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
