"""Public .tar.gz archives, read while downloading: nothing is unpacked to disk, and member names are never paths."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from panglot.errors import BadData, MissingData

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LARGEST_MEMBER = 16 << 20
MOST_MEMBERS = 20_000
"""Maximum number of files taken from one archive."""
TIMEOUT = 60.0
"""Maximum time without any data, in seconds."""
CHUNK = 1 << 16


_LICENCE = re.compile(r"(?:LICEN[CS]E|COPYING)(?:\.(?:md|txt))?", re.IGNORECASE)
"""The licence text of an archive, in its top-level folder."""


def licence_name(source: str) -> str:
    """The name of the file with the licence text of a source."""
    return f"LICENSE_{source}.txt"


class Member(NamedTuple):
    """A file in an archive; its name is relative to the archive's single top-level folder."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Archive:
    """A .tar.gz at a public URL; `sha256` is given if its bytes never change."""

    url: str
    sha256: str = ""

    def read(self, wanted: Callable[[str], bool], licence: Path | None = None) -> Iterator[Member]:
        """Yield the wanted files, each once, in archive order, and write the archive's licence text to `licence`.

        :raises MissingData: the archive cannot be reached, or the download is interrupted.
        :raises BadData: the content is not a valid archive, differs from the published one, or exceeds the size limits.
        """
        from http.client import HTTPException  # imported here, since listing the tasks does not need them
        from urllib.request import urlopen

        taken = set[str]()
        try:
            with urlopen(self.url, timeout=TIMEOUT) as response:
                hashed = _Hashed(response)
                with tarfile.open(fileobj=hashed, mode="r|gz") as archive:
                    for member in archive:
                        name = member.name.partition("/")[2]
                        if not member.isreg() or name in taken:
                            continue
                        if wanted(name):
                            taken.add(name)
                            yield Member(name, self._content(archive, member, len(taken)))
                        elif licence and _LICENCE.fullmatch(name):
                            licence.write_bytes(self._content(archive, member, len(taken)))
                hashed.exhaust()
        except (OSError, HTTPException) as error:
            raise MissingData(
                f"{self.url} cannot be read ({type(error).__name__}: {str(error)[:200]}). Check the network, or use "
                "--data-dir with a folder that contains the task's files. The partial download was discarded."
            ) from error
        except (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError) as error:
            raise BadData(f"{self.url} is not a .tar.gz archive or is truncated ({error}). Fetch it again.") from error
        if self.sha256 and hashed.sha256 != self.sha256:
            raise BadData(f"{self.url}: expected sha256 {self.sha256}, found {hashed.sha256}.")

    def _content(self, archive: tarfile.TarFile, member: tarfile.TarInfo, number: int) -> bytes:
        if member.size > LARGEST_MEMBER or number > MOST_MEMBERS:
            raise BadData(
                f"{self.url} exceeds the limits of {LARGEST_MEMBER >> 20} MiB per file and {MOST_MEMBERS:,} files. "
                "Check the URL."
            )
        file = archive.extractfile(member)
        return file.read() if file else b""


class _Hashed(io.RawIOBase):
    """A stream that hashes what is read from it."""

    def __init__(self, response: IO[bytes]) -> None:
        self._response, self._digest = response, hashlib.sha256()

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read up to the size of the buffer into it and return the number of bytes."""
        data = self._response.read(memoryview(buffer).nbytes)
        self._digest.update(data)
        memoryview(buffer)[: len(data)] = data
        return len(data)

    def exhaust(self) -> None:
        """Read the rest of the stream, which the archive reader did not need."""
        while self.read(CHUNK):
            pass

    @property
    def sha256(self) -> str:
        """SHA-256 of everything read so far."""
        return self._digest.hexdigest()
