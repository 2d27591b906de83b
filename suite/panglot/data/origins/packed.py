"""Files taken by name from an archive on disk (.tar, .tar.gz, .zip), which can come from anyone.

Nothing is unpacked: the last part of a member's name is compared with the wanted names, and never used as a path. Links
are not followed, and sizes are limited while reading, whatever the archive states.
"""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from panglot.errors import BadData

MOST_MEMBERS = 1_000_000
MOST_BYTES = 64 << 30
"""Maximum size of what is taken from an archive, and of an unpacked tar archive."""

_GZIP, _ZIP = b"\x1f\x8b", b"PK"
_BLOCK = tarfile.RECORDSIZE
_FAULTS = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,  # of zipfile: a member is encrypted, or compressed in an unknown way
    ValueError,
    OverflowError,
)


class Packed(NamedTuple):
    """A file from an archive; its name is the last part of the member's name."""

    name: str
    data: bytes


class _Member(NamedTuple):
    name: str
    is_file: bool
    read: Callable[[int], bytes]
    """Return the content up to so many bytes."""


def packed_files(path: Path, wanted: Collection[str], largest: int, where: str) -> Iterator[Packed]:
    """Yield the wanted files in the order of the archive; each has at most `largest` bytes.

    :param where: what the archive is called in messages.

    :raises BadData: the file is not such an archive, is damaged or exceeds a limit, or a wanted file is a link, is
        there twice or is missing.
    """
    taken, total = set[str](), 0
    for number, member in enumerate(_members(path, largest, where)):
        if number >= MOST_MEMBERS:
            raise BadData(f"{where} has more than {MOST_MEMBERS:,} members, which is the limit.")
        if member.name not in wanted:
            continue
        if not member.is_file or member.name in taken:
            kind = "two files" if member.is_file else "a link or a folder"
            raise BadData(f"{where} has {kind} named '{member.name[:80]}'. Each image must be a file of its own.")
        data = _readable(where, member.read, largest + 1)
        total += len(data)
        if len(data) > largest or total > MOST_BYTES:
            limits = f"{largest >> 20} MiB per file and {MOST_BYTES >> 30} GiB in all"
            raise BadData(f"{where}, '{member.name[:80]}': more than {limits}, which are the limits.")
        taken.add(member.name)
        yield Packed(member.name, data)
    if missing := sorted(set(wanted) - taken):
        shown = ", ".join(f"'{name[:80]}'" for name in missing[:3])
        raise BadData(f"{where} lacks {len(missing):,} of {len(set(wanted)):,} images, the first {shown}.")


def _readable(where: str, call: Callable[..., bytes], *arguments: int) -> bytes:
    try:
        return call(*arguments)
    except _FAULTS as error:
        raise _damaged(where, error) from error


def _damaged(where: str, error: Exception) -> BadData:
    return BadData(f"{where} cannot be read as .tar, .tar.gz or .zip ({' '.join(str(error).split())[:200]}).")


def _members(path: Path, largest: int, where: str) -> Iterator[_Member]:
    try:
        with path.open("rb") as file:
            start = file.read(2)
            file.seek(0)
            if start == _ZIP:
                yield from _of_zip(file)
            else:
                yield from _of_tar(gzip.GzipFile(fileobj=file) if start == _GZIP else file, largest)
    except _FAULTS as error:
        raise _damaged(where, error) from error


def _of_zip(file: IO[bytes]) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as archive:

        def read(info: zipfile.ZipInfo, size: int) -> bytes:
            with archive.open(info) as content:
                return content.read(size)

        for info in archive.infolist():
            mode = info.external_attr >> 16
            is_file = not info.is_dir() and (not stat.S_IFMT(mode) or stat.S_ISREG(mode))
            yield _Member(_last(info.filename), is_file, partial(read, info))


def _of_tar(file: IO[bytes] | gzip.GzipFile, largest: int) -> Iterator[_Member]:
    with tarfile.open(fileobj=_Limited(file, largest + _BLOCK), mode="r:") as archive:  # type: ignore[call-overload]

        def read(member: tarfile.TarInfo, size: int) -> bytes:
            content = archive.extractfile(member)
            return content.read(size) if content else b""

        while member := archive.next():
            archive.members.clear()  # else all are kept in memory
            yield _Member(_last(member.name), member.isreg(), partial(read, member))


def _last(name: str) -> str:
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2]


class _Limited:
    """A file of which no more than a limit is read at once: a tar archive states how much to read into memory."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile, limit: int) -> None:
        self._file, self._limit = file, limit
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self._limit:
            raise ValueError(f"a record has more than {self._limit:,} bytes")
        return self._file.read(size)

    def seek(self, place: int) -> int:
        if place > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES >> 30} GiB")
        return self._file.seek(place)
