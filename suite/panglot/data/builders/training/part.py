"""One part of a training set: the rows that are read from one public archive."""

from __future__ import annotations

import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from panglot.data.origins.archive import Archive
from panglot.errors import BadData
from panglot.progress import Progress, silent

Row: TypeAlias = dict[str, Any]

LARGEST_IN_ZIP = 128 << 20
"""Maximum size of a file in a ZIP archive, in bytes."""


class Files(dict[str, bytes]):
    """The files taken from an archive, by name; a missing one is reported with the archive's URL."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def __missing__(self, name: str) -> bytes:
        raise self.error(f"has no file {name}")

    def error(self, fault: str) -> BadData:
        """An error that says what is wrong with the archive."""
        return BadData(f"{self.url} {fault}. It is not the source that this version was written for.")

    def json(self, name: str) -> Any:
        """The content of a JSON file.

        :raises BadData: the file is missing or is not JSON.
        """
        try:
            return json.loads(self[name])
        except ValueError as error:
            raise self.error(f"has a file {name} that is not JSON ({error})") from error

    def zipped(self, name: str) -> Iterator[tuple[str, bytes]]:
        """The name and content of each file in a ZIP archive; names are never used as paths.

        :raises BadData: the archive is missing, damaged, or has a file of more than `LARGEST_IN_ZIP` bytes.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(self[name])) as archive:
                for member in archive.infolist():
                    if member.is_dir() or member.filename.startswith("__MACOSX/"):
                        continue
                    if member.file_size > LARGEST_IN_ZIP:
                        raise self.error(f"has a file {name} with more than {LARGEST_IN_ZIP >> 20} MiB")
                    yield member.filename, archive.read(member)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise self.error(f"has a file {name} that is not a ZIP archive ({error})") from error

    def json_lines(self, name: str, content: bytes) -> Iterator[Row]:
        """The objects of a JSON Lines file.

        :raises BadData: a line is not a JSON object.
        """
        for number, line in enumerate(content.decode("utf-8", "replace").split("\n"), start=1):
            if line.strip():
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise self.error(f"has a file {name} whose line {number} is not JSON ({error})") from error
                if not isinstance(row, dict):
                    raise self.error(f"has a file {name} whose line {number} is not a JSON object")
                yield row


@dataclass(frozen=True)
class Part:
    """Rows from one archive: `files` is a pattern of the file names to take, `count` how many there are."""

    name: str
    archive: Archive
    licence: str
    """Name of the licence, as stated by the source."""
    files: str
    count: int
    rows: Callable[[Files], Iterable[Row]]

    def read(self, licence: Path, progress: Progress = silent) -> list[Row]:
        """Read the archive and write its licence text, if it has one, to `licence`.

        :raises MissingData: it cannot be reached.
        :raises BadData: it is damaged, or has other files or another format than expected.
        """
        files = Files(self.archive.url)
        wanted = re.compile(self.files)
        with progress(f"reading {self.name}", self.count) as advance:
            for member in self.archive.read(lambda name: bool(wanted.fullmatch(name)), licence):
                files[member.name] = member.data
                advance(1)
        try:
            return list(self.rows(files))
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise files.error(f"has another structure than expected ({type(error).__name__}: {error})") from error


def clean(text: str) -> str:
    """The text in NFC, with single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())
