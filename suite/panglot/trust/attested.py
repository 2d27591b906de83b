"""Who vouches for an attestation: this machine, which made it, or the maintainers of the folder that it lies in.

An attestation is a file that anybody could write. So the sha256 of each one that is made here is kept in the user's
cache, and only such a one raises a level. `verified.json` at the root of a folder of submissions names those that its
maintainers made; whether to believe them is for the reader to decide, so it is told, and no more.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import ConfigDict

from panglot.errors import BadResult
from panglot.files import cache_dir, real_path
from panglot.results.naming import RECORD
from panglot.results.record import Record, read_record


class _Files(Record):
    """What a record says of the files of one result."""

    model_config = ConfigDict(extra="ignore")

    level: str
    sha256: dict[str, str]


class _Recorded(Record):
    """What a record of verification says of files, whatever version of the code wrote it."""

    model_config = ConfigDict(extra="ignore")

    results: dict[str, _Files]


def keep_attestation(attestation: Path) -> None:
    """Remember that an attestation was made on this machine."""
    mark = _mark(attestation)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


def made_here(attestation: Path) -> bool:
    """Whether an attestation was made on this machine, by this user."""
    return _mark(attestation).exists()


def is_recorded(attestation: Path) -> bool:
    """Whether the maintainers of its folder recorded that an attestation counts."""
    return attestation.is_file() and _sha256(attestation) in _recorded(attestation)


def _mark(attestation: Path) -> Path:
    return cache_dir("attestations", _sha256(attestation))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _recorded(attestation: Path) -> set[str]:
    """The hashes of the attestations of this name that the record names for this model."""
    folder = real_path(attestation).parent
    path = folder.parent / RECORD
    if path.is_symlink() or not path.is_file():
        return set()
    try:
        record = read_record(path, _Recorded)
    except BadResult:
        return set()
    own = [files for name, files in record.results.items() if name.startswith(f"{folder.name}/")]
    return {files.sha256.get(attestation.name, "") for files in own if files.level == "reproduced"}
