"""Parquet files from strangers: what a file may hold is settled from its bytes before a column of it is read.

Sizes that a file declares are never trusted. The pages are walked, because a page of a kilobyte can unfold to gigabytes
and the library makes room for what the page claims.
"""

from __future__ import annotations

import base64
import binascii
import re
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from panglot.arrays import Ints
from panglot.errors import BadResult
from panglot.results.pages import pages

LARGEST_FOOTER = 1 << 20
MOST_PAGES = 20_000
LONGEST_TEXT = 1000
MOST_TEXTS = 2 << 20
"""Different texts in a column: the best hundred of each query of MIRACL are 1.3 million at most."""

TEXT = pa.dictionary(pa.int32(), pa.string())


class Limits(NamedTuple):
    """What a file may take: its bytes, those of all its pages together when decompressed, and its cells."""

    file: int = 64 << 20
    unfolded: int = 64 << 20
    cells: int = 16 << 20


LIMITS = Limits()


class Form(NamedTuple):
    """The columns that a file must have, and how large it may be."""

    columns: Mapping[str, pa.DataType]
    limits: Limits = LIMITS


FormOf = Callable[[Mapping[bytes, bytes]], Form]
"""From the file's own metadata to its form."""

_ARROW_SCHEMA = re.compile(rb"ARROW:schema(?:\x18([\x80-\xff]{0,4}[\x00-\x7f]))?")
"""The key, the header of the field behind it, and the length of its value: seven bits a byte, the lowest first."""


class Texts(NamedTuple):
    """A column of text: `codes` [rows] into its different `names`, which are in no order and need not all occur."""

    codes: Ints
    names: list[str]


class Columns:
    """The columns of a file, each read only when asked for: all at once they can take a gigabyte.

    What the file may hold is checked when it is opened; a column with an empty cell is refused when it is read.
    """

    def __init__(self, path: Path, form_of: FormOf, largest: int = LIMITS.file) -> None:
        """Open a file of up to `largest` bytes that has exactly the columns of its form.

        :raises BadResult: it is not such a file, or it is larger than a result can be.
        """
        self._path = path
        with _refusals(path):
            self._file, data = _open(path, largest)
            self.metadata: Mapping[bytes, bytes] = self._file.metadata.metadata or {}
            columns, limits = form_of(self.metadata)
            _check_size(len(data), limits.file)
            _check_columns(self._file, columns, limits.cells)
            _check_pages(self._file.metadata, data, limits)

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def numbers(self, name: str) -> np.ndarray:
        """A column of numbers, [rows], in the type that the form states.

        :raises BadResult: it is damaged or has an empty cell.
        """
        with _refusals(self._path):
            values = np.empty(len(self), self._file.schema_arrow.field(name).type.to_pandas_dtype())
            start = 0
            for group in range(self._file.num_row_groups):
                stop = start + self._file.metadata.row_group(group).num_rows
                table = self._file.read_row_group(group, [name], use_threads=False)
                values[start:stop] = _check_cells(name, table, stop - start).to_numpy()
                start = stop
            return values

    def texts(self, name: str) -> Texts:
        """A column of text.

        :raises BadResult: it is damaged, has an empty cell, or has more or longer texts than a result has.
        """
        with _refusals(self._path):
            table = self._file.read([name], use_threads=False).unify_dictionaries()
            column = _check_cells(name, table, len(self))
            if not len(column):
                return Texts(np.empty(0, np.int32), [])
            names = _check_texts(name, column.chunk(0).dictionary)
            codes = np.concatenate([chunk.indices.to_numpy() for chunk in column.chunks])
            del table, column
            pa.default_memory_pool().release_unused()
            return Texts(codes, names)


def read_table(path: Path, names: Collection[str], limits: Limits = LIMITS) -> pa.Table | None:
    """The columns `names` of another project's file, in its own types; None if it lacks one of them.

    :raises BadResult: it is not a Parquet file, or it is damaged or larger than the limits.
    """
    with _refusals(path):
        file, data = _open(path, limits.file)
        if not set(names) <= set(file.schema_arrow.names):
            return None
        if file.metadata.num_rows * file.metadata.num_columns > limits.cells:
            raise ValueError(f"it claims {file.metadata.num_rows} rows, more than the limit.")
        _check_pages(file.metadata, data, limits)
        table = file.read(list(names), use_threads=False)
        table.validate(full=True)
        return table


class Footer(NamedTuple):
    """What a file says of itself before any column of it is read: its rows, and its own metadata."""

    rows: int
    metadata: Mapping[bytes, bytes]


def read_footer(path: Path, largest: int = LIMITS.file) -> Footer:
    """What a file of up to `largest` bytes claims to hold; it costs what the footer costs.

    :raises BadResult: it is no such file.
    """
    with _refusals(path):
        file, _ = _open(path, largest)
        return Footer(file.metadata.num_rows, file.metadata.metadata or {})


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Whatever goes wrong with a file is said of the file."""
    try:
        yield
    except (
        OSError,
        MemoryError,
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        OverflowError,
        pa.ArrowException,
    ) as error:
        told = error.strerror if isinstance(error, OSError) else None  # without the number of the error
        raise BadResult(f"{path.name}: {told or str(error)[:200] or type(error).__name__}") from error


def _open(path: Path, largest: int) -> tuple[pq.ParquetFile, bytes]:
    """The file with nothing but its footer read, and its bytes."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a file.")
    _check_size(status.st_size, largest)
    data = path.read_bytes()
    _check_footer(data)
    file = pq.ParquetFile(
        pa.BufferReader(data),
        pre_buffer=False,
        thrift_string_size_limit=LARGEST_FOOTER,
        thrift_container_size_limit=MOST_PAGES,
        arrow_extensions_enabled=False,
    )
    return file, data


def _check_size(size: int, largest: int) -> None:
    if size > largest:
        raise ValueError(f"it is larger than {largest >> 20} MiB, the limit for a result.")


def _check_footer(data: bytes) -> None:
    """The library resolves types that the embedded Arrow schema names, so what that names is looked at first."""
    length = int.from_bytes(data[-8:-4], "little")
    if data[:4] != b"PAR1" or data[-4:] != b"PAR1" or not length <= min(LARGEST_FOOTER, len(data) - 12):
        raise ValueError("it is not a Parquet file, or its footer is not that of a result.")
    footer = data[-8 - length : -8]
    for match in _ARROW_SCHEMA.finditer(footer):
        if match[1] is None:
            raise ValueError("its Arrow schema is damaged.")
        size = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(match[1]))
        try:
            named = base64.b64decode(footer[match.end() : match.end() + size], validate=True)
        except binascii.Error as error:
            raise ValueError("its Arrow schema is not valid base64.") from error
        if b"ARROW:extension" in named:
            raise ValueError("it names an extension type; results have none.")


def _check_columns(file: pq.ParquetFile, expected: Mapping[str, pa.DataType], most_cells: int) -> None:
    metadata, schema = file.metadata, file.schema_arrow
    found = list(zip(schema.names, schema.types, strict=True))
    if found != list(expected.items()):
        odd = next((f"{name} ({kind})" for name, kind in found if expected.get(name) != kind), "one too few")
        raise ValueError(f"its columns are not {', '.join(expected)}; the first that differs: {odd[:100]}.")
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    rows = [group.num_rows for group in groups]
    if min(rows, default=0) < 0 or sum(rows) != metadata.num_rows or metadata.num_rows * len(found) > most_cells:
        raise ValueError(f"it claims {metadata.num_rows} rows, which is invalid or more than a result can have.")


def _check_pages(metadata: pq.FileMetaData, data: bytes, limits: Limits) -> None:
    """Bound what all pages unfold to, page by page as the library will read them."""
    unfolded = count = 0
    for place in range(metadata.num_row_groups):
        group = metadata.row_group(place)
        for column in range(group.num_columns):
            for page in pages(data, group.column(column)):
                unfolded, count = unfolded + max(page.unfolded, 0), count + 1
                if unfolded > limits.unfolded or count > MOST_PAGES or min(page) < 0 or page.values > limits.cells:
                    raise ValueError("its pages decompress to more than a result can hold.")
                if page.dictionary and page.values > min(page.unfolded, MOST_TEXTS):
                    raise ValueError("a dictionary claims more entries than a result can have, or than it has bytes.")


def _check_cells(name: str, table: pa.Table, rows: int) -> pa.ChunkedArray:
    """The only column of a table, if it has as many rows as were claimed and a value in each."""
    pa.default_memory_pool().release_unused()
    table.validate(full=True)
    column = table.column(0)
    if len(column) != rows:
        raise ValueError(f"column {name} has {len(column):,} rows instead of {rows:,}.")
    if column.null_count:
        raise ValueError(f"there are empty cells in column {name}.")
    return column


def _check_texts(name: str, dictionary: pa.StringArray) -> list[str]:
    if len(dictionary) > MOST_TEXTS:
        raise ValueError(f"column {name} has more than {MOST_TEXTS:,} different entries.")
    if dictionary.null_count:
        raise ValueError(f"there are empty cells in column {name}.")
    names: list[str] = dictionary.to_pylist()
    if max(map(len, names), default=0) > LONGEST_TEXT:
        raise ValueError(f"column {name} has an entry that is longer than {LONGEST_TEXT} characters.")
    return names
