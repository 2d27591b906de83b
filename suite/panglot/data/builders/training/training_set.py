"""Build a training set in a folder, part by part, and compare the outcome with the published table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from panglot.data.builders.training.part import Part, Row
from panglot.errors import BadData
from panglot.files import write_whole
from panglot.progress import Progress, silent

LICENCES = "licences"
"""The folder with the licence texts, beside the tables."""


class Outcome(NamedTuple):
    """The number of rows of a table, and whether it has exactly the content of the published one."""

    rows: int
    identical: bool


@dataclass(frozen=True)
class TrainingSet:
    """A table of training data and its public sources.

    `columns` maps names to Arrow types; `keys` are the columns that identify a row. If `listed` names columns, only
    rows whose values in them occur in the published table are taken, according to a packaged list: the others were
    removed from it, for example because they share texts with evaluation data.
    """

    name: str
    parts: tuple[Part, ...]
    columns: Mapping[str, str]
    keys: tuple[str, ...]
    rows: int
    sha256: str
    """SHA-256 of the content of the published table, see `fingerprint`."""
    listed: tuple[str, ...] = ()

    def path(self, folder: Path) -> Path:
        """The file of the table."""
        return folder / f"{self.name}.parquet"

    def build(self, folder: Path, progress: Progress = silent) -> Path:
        """Write the table and the licence texts into a folder.

        The rows of each part are stored as soon as they are complete, so that an interrupted build goes on with the
        next one.

        :raises MissingData: a source cannot be reached.
        :raises BadData: a source is damaged, or is not the expected one.
        """
        stored = [self._part(part, folder, progress) for part in self.parts]
        rows = self._chosen(row for path in stored for row in _read(path))
        if not rows:
            raise BadData(f"{self.name}: the sources have none of the published rows. They may have changed.")
        write_whole(self.path(folder), lambda path: self._write(rows, path))
        for path in stored:
            path.unlink(missing_ok=True)
        return self.path(folder)

    def check(self, path: Path) -> Outcome:
        """Compare a table with the published one.

        :raises BadData: the file is damaged, or lacks columns.
        """
        rows = _read(path)
        try:
            return Outcome(len(rows), self.fingerprint(rows) == self.sha256)
        except KeyError as error:
            raise BadData(f"{path} has no column {error}. Delete it and fetch it again.") from error

    def fingerprint(self, rows: Iterable[Row]) -> str:
        """SHA-256 of the rows as JSON lists, sorted and joined by line feeds; it does not depend on their order."""
        lines = sorted(json.dumps([row[name] for name in self.columns], ensure_ascii=False) for row in rows)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def listed_key(self, row: Row) -> int:
        """A hash of what the list of published rows has of a row: the first 32 bits of its SHA-256."""
        text = "\0".join(str(row[name]) for name in self.listed)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    def _part(self, part: Part, folder: Path, progress: Progress) -> Path:
        """The stored rows of a part, which is read from its archive if it is not there yet."""
        path = folder / "parts" / f"{self.name}.{part.name}.parquet"
        if not path.is_file():
            for parent in (path.parent, folder / LICENCES):
                parent.mkdir(parents=True, exist_ok=True)
            licence = folder / LICENCES / f"{part.name}.txt"
            rows = part.read(licence, progress)
            notice = f"{part.name}: {part.archive.url}\nLicence: {part.licence}\n\n".encode()
            text = licence.read_bytes() if licence.is_file() else b""
            write_whole(licence, lambda file: file.write_bytes(notice + text.removeprefix(notice)))
            write_whole(path, lambda file: self._write(rows, file))
        return path

    def _chosen(self, rows: Iterable[Row]) -> list[Row]:
        """The rows to publish, sorted by key; of equal rows, the first."""
        known = set(published_keys(self.name).tolist()) if self.listed else None
        found = {json.dumps([row[name] for name in self.columns]): row for row in rows}
        chosen = [row for row in found.values() if known is None or self.listed_key(row) in known]
        return sorted(chosen, key=lambda row: [row[name] for name in self.keys])

    def _write(self, rows: list[Row], path: Path) -> None:
        import pyarrow as pa
        from pyarrow.parquet import write_table

        types = {"list": pa.list_(pa.string()), "int32": pa.int32()}
        schema = pa.schema([(name, types.get(kind, pa.string())) for name, kind in self.columns.items()])
        write_table(pa.Table.from_pylist(rows, schema), path, compression="zstd")


def published_keys(name: str) -> Any:
    """The hashes of the rows of a published table, uint32 [distinct keys], by `TrainingSet.listed_key`."""
    return np.frombuffer(resources.files(__package__).joinpath(f"{name}.keys").read_bytes(), "<u4")


def _read(path: Path) -> list[Row]:
    import pyarrow as pa
    from pyarrow.parquet import read_table

    try:
        return list(read_table(path).to_pylist())
    except (OSError, pa.ArrowException) as error:
        raise BadData(f"{path} is damaged ({str(error)[:100]}). Delete it and fetch it again.") from error
