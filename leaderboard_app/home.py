"""Where the index of a folder of submissions lives, and how its files are kept.

It lives in the user's cache, in a folder named after the submissions' path, and is only ever a copy: what a file's
size and time say has changed is read and verified again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from suite.results.record import write_whole

FORM = f"2 {version('panglot')}"
"""An index of another form is built anew."""


class Kept(BaseModel, frozen=True):
    """A file of the index."""

    form: str = FORM


AnyKept = TypeVar("AnyKept", bound=Kept)


def home_of(folder: Path) -> Path:
    """Where the index of a folder of submissions lives, in the user's cache."""
    import pooch

    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    home = Path(pooch.os_cache("panglot")) / "board" / name
    home.mkdir(parents=True, exist_ok=True)
    return home


def stamps_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Each submission's folder, with the size and time of every file in it."""
    for path in sorted(folder.glob("*@*")):
        if path.is_dir() and not path.is_symlink():
            files = (f"{file.name} {stamp_of(file)}" for file in sorted(path.iterdir()))
            yield path.name, hashlib.sha256("\n".join(files).encode()).hexdigest()


def stamp_of(path: Path) -> str:
    """Size and time of a file, or of a link itself; empty where there is none."""
    try:
        status = path.lstat()
    except OSError:
        return ""
    return f"{status.st_mtime_ns:x}.{status.st_size:x}"


def load(path: Path, kind: type[AnyKept]) -> AnyKept:
    """A file of the index, or an empty one where there is none of this form."""
    try:
        record = kind.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return kind()
    return record if record.form == FORM else kind()


def save(path: Path, record: Kept) -> None:
    """Write a file of the index, whole or not at all."""
    write_whole(path, lambda unfinished: unfinished.write_text(record.model_dump_json(), encoding="utf-8"))
