"""Parquet tables of rows and of files, such as images, which stay on disk until they are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
        from pyarrow.types import is_binary, is_large_binary

        with _damage_told(path):
            self._table, self._column, self._lock = ParquetFile(path), column, Lock()
        self._path, self._group, self._files = path, -1, list[bytes]()
        kinds = [field.type for field in self._table.schema_arrow if field.name == column]
        if len(kinds) != 1 or not (is_binary(kinds[0]) or is_large_binary(kinds[0])):
            raise BadData(f"{path} needs one column '{column}' with the bytes of files.")

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
                with _damage_told(self._path):
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
    rows = iter(read_rows(path, *facts, *(name for name in files.columns if name == "split")))
    for group, count in enumerate(files.groups):
        for row in range(count):
            content = files.read(group, row)
            digest = hashlib.sha256(content).hexdigest() if content is not None else ""
            yield next(rows), Image(digest, partial(files.read, group, row)) if digest else None


def read_rows(path: Path, *columns: str) -> list[dict[str, Any]]:
    """Return these columns of all rows of a table: strings without gaps, but for `gain` and `keywords`.

    :raises BadData: the file is not a Parquet table with these columns, or a column has other values.
    """
    from pyarrow.compute import list_flatten
    from pyarrow.parquet import read_table
    from pyarrow.types import is_list

    with _damage_told(path, columns):
        table = read_table(path, columns=list(columns))
    for name, column in zip(table.column_names, table.columns, strict=True):
        gaps = column.null_count + (list_flatten(column).null_count if is_list(column.type) else 0)
        if gaps or not _is_expected(name, column.type):
            found = f"{column.type}{f', {gaps:,} of them null' if gaps else ''}"
            raise BadData(f"{path}: the column '{name}' has values of another type than expected: {found}.")
    with _damage_told(path, columns):  # not all text is UTF-8
        return table.to_pylist()


@contextmanager
def _damage_told(path: Path, columns: Sequence[str] = ()) -> Iterator[None]:
    """Say which file cannot be read."""
    try:
        yield
    except (OSError, ValueError, KeyError, OverflowError) as error:
        named = f" with the columns {', '.join(columns)}" if columns else ""
        reason = " ".join(str(error).split())[:200]
        raise BadData(f"{path} is not a Parquet table{named}. {reason}") from error


def _is_expected(name: str, kind: Any) -> bool:
    """Whether a column of this name can have values of a type of Arrow: texts, but for grades and lists of keywords."""
    from pyarrow import types

    if name == "gain":
        return bool(types.is_floating(kind) or types.is_integer(kind))
    if name == "keywords":
        return bool(types.is_list(kind)) and _is_expected("", kind.value_type)
    if types.is_dictionary(kind):
        return _is_expected(name, kind.value_type)
    return bool(types.is_string(kind) or types.is_large_string(kind))
