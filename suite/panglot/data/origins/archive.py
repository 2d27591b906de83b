"""Public archives (.tar.gz), read as they arrive: nothing is unpacked to disk, no name in them is a path here."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, NamedTuple

from panglot.errors import BadData, MissingData

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LARGEST_MEMBER = 16 << 20
MOST_MEMBERS = 20_000
"""Most files that are taken from one archive."""
TIMEOUT = 60.0
"""Seconds without a byte."""
CHUNK = 1 << 16


class Member(NamedTuple):
    """A file of an archive; its name is that below the archive's one top folder."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Archive:
    """A .tar.gz at a public address. Where it is always the same bytes, `sha256` says which."""

    url: str
    sha256: str = ""

    def read(self, wanted: Callable[[str], bool]) -> Iterator[Member]:
        """The wanted files, each once, in the order of the archive.

        :raises MissingData: it cannot be reached, or breaks off.
        :raises BadData: it is no archive, another one than the published, or larger than the sources of any task.
        """
        from http.client import HTTPException  # here, since listing the tasks has no use for them
        from urllib.request import urlopen

        taken = set[str]()
        try:
            with urlopen(self.url, timeout=TIMEOUT) as response:
                hashed = _Hashed(response)
                with tarfile.open(fileobj=hashed, mode="r|gz") as archive:
                    for member in archive:
                        name = member.name.partition("/")[2]
                        if not member.isreg() or name in taken or not wanted(name):
                            continue
                        taken.add(name)
                        yield Member(name, self._content(archive, member, len(taken)))
                hashed.exhaust()
        except (OSError, HTTPException) as error:
            raise MissingData(
                f"{self.url} cannot be read ({type(error).__name__}: {str(error)[:200]}). Check the network, or name a "
                "folder that holds the task's files by --data-dir. What was fetched is thrown away."
            ) from error
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise BadData(f"{self.url} is no .tar.gz, or breaks off ({error}). Fetch it again.") from error
        if self.sha256 and hashed.sha256 != self.sha256:
            raise BadData(f"{self.url}: expected sha256 {self.sha256}, found {hashed.sha256}.")

    def _content(self, archive: tarfile.TarFile, member: tarfile.TarInfo, number: int) -> bytes:
        if member.size > LARGEST_MEMBER or number > MOST_MEMBERS:
            raise BadData(f"{self.url} holds larger files or more of them than the sources of this task do.")
        file = archive.extractfile(member)
        return file.read() if file else b""


class _Hashed(io.RawIOBase):
    """Hashes what is read."""

    def __init__(self, response: IO[bytes]) -> None:
        self._response, self._digest = response, hashlib.sha256()

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer, as far as there are bytes."""
        data = self._response.read(memoryview(buffer).nbytes)
        self._digest.update(data)
        memoryview(buffer)[: len(data)] = data
        return len(data)

    def exhaust(self) -> None:
        """Read what the reader of the archive had no need of."""
        while self.read(CHUNK):
            pass

    @property
    def sha256(self) -> str:
        """Of all that was read."""
        return self._digest.hexdigest()
