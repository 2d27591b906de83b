"""Parquet tables of rows and of files, such as images, which stay on disk until they are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from panglot.data.image import Image
from panglot.errors import BadData


class _Files:
    """The files in one column of a table; one row group is in memory at a time."""

    def __init__(self, path: Path, column: str) -> None:
        from pyarrow.parquet import ParquetFile

        self._table, self._column, self._lock = ParquetFile(path), column, Lock()
        self._group, self._files = -1, list[bytes]()

    @property
    def columns(self) -> list[str]:
        """The names of the table's columns."""
        return list(self._table.schema_arrow.names)

    @property
    def groups(self) -> list[int]:
        """The number of rows in each row group."""
        return [self._table.metadata.row_group(group).num_rows for group in range(self._table.num_row_groups)]

    def read(self, group: int, row: int) -> bytes:
        """Return the file in row `row` of row group `group`; None if the row has no file."""
        with self._lock:
            if group != self._group:
                self._files = self._table.read_row_group(group, [self._column])[self._column].to_pylist()
                self._group = group
            return self._files[row]


def read_files(path: Path, column: str, *facts: str) -> Iterator[tuple[dict[str, Any], Image]]:
    """Yield each row of a table of images with its image; the bytes are hashed, not kept.

    :raises BadData: the file is not a Parquet table with these columns, or a row has no image.
    """
    for row, image in read_items(path, column, *facts):
        if image is None:
            raise BadData(f"{path}: a row has no image: {str(row)[:200]}.")
        yield row, image


def read_items(path: Path, column: str, *facts: str) -> Iterator[tuple[dict[str, Any], Image | None]]:
    """Yield each row of a table with its image, or with None if it has none; the bytes are hashed, not kept.

    :raises BadData: the file is not a Parquet table with these columns.
    """
    files = _Files(path, column)
    known = [name for name in (*facts, "split") if name in files.columns]
    rows = iter(read_rows(path, *known))
    for group, count in enumerate(files.groups):
        for row in range(count):
            content = files.read(group, row)
            digest = hashlib.sha256(content).hexdigest() if content is not None else ""
            yield next(rows), Image(digest, partial(files.read, group, row)) if digest else None


def read_rows(path: Path, *columns: str) -> list[dict[str, Any]]:
    """Return these columns of all rows of a table.

    :raises BadData: the file is not a Parquet table with these columns.
    """
    from pyarrow.parquet import read_table

    try:
        return read_table(path, columns=list(columns)).to_pylist()
    except (OSError, ValueError, KeyError) as error:
        raise BadData(
            f"{path} is not a Parquet table with the columns {', '.join(columns)}. {str(error)[:200]}"
        ) from error
