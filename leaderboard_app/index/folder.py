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

from panglot.files import cache_dir, write_whole
from panglot.trust.submission import FOLDER_NAME

FORM = f"3 {version('panglot')}"
"""An index of another form is built anew."""


class Kept(BaseModel, frozen=True):
    """A file of the index."""

    form: str = FORM


AnyKept = TypeVar("AnyKept", bound=Kept)


def home_of(folder: Path) -> Path:
    """Where the index of a folder of submissions lives, in the user's cache."""
    name = _digest(str(folder.resolve()))[:16]
    home = cache_dir("board", name)
    home.mkdir(parents=True, exist_ok=True)
    return home


def stamps_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Each submission's folder, with the size and time of every file in it."""
    for path in sorted(folder.glob("*@*")):
        if path.is_dir() and not path.is_symlink() and FOLDER_NAME.fullmatch(path.name):
            files = (f"{file.name} {stamp_of(file)}" for file in sorted(path.iterdir()))
            yield path.name, _digest("\n".join(files))


def misnamed(folder: Path) -> dict[str, str]:
    """The folders that no submission can have, with the reason."""
    why = "It is a link, or its name is not valid for a submission. Rename or remove it."
    paths = sorted(path for path in folder.glob("*@*") if path.is_symlink() or path.is_dir())
    return {path.name: why for path in paths if path.is_symlink() or not FOLDER_NAME.fullmatch(path.name)}


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


def _digest(text: str) -> str:
    """Of text with names of files, which need not be UTF-8."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
