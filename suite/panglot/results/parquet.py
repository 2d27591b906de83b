"""Parquet files from strangers: what a file may hold is settled from its bytes before a column of it is read.

Sizes that a file declares are never trusted. The pages are walked, because a page of a kilobyte can unfold to gigabytes
and the library makes room for what the page claims.
"""

from __future__ import annotations

import base64
import binascii
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from panglot.errors import BadResult

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


def read_table(path: Path, form_of: FormOf, largest: int = LIMITS.file) -> pa.Table:
    """Read a file of up to `largest` bytes that has exactly the columns of its form, none of them with nulls.

    :raises BadResult: it is no such file, or larger than any result's.
    """
    with _refusals(path):
        file, data = _open(path, largest)
        columns, limits = form_of(file.metadata.metadata or {})
        _check_size(len(data), limits.file)
        _check_columns(file, columns, limits.cells)
        _check_pages(file.metadata, data, limits)
        return pa.table({name: _read_column(file, name) for name in columns}, metadata=file.schema_arrow.metadata)


def _read_column(file: pq.ParquetFile, name: str) -> pa.Array:
    """One column in one piece; the others are not in memory twice while its pieces are put together."""
    table = file.read([name], use_threads=False).unify_dictionaries().combine_chunks()
    _check_cells(table)
    pa.default_memory_pool().release_unused()
    chunks = table.column(0).chunks
    return chunks[0] if chunks else pa.array([], table.schema.field(0).type)


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
        raise BadResult(f"{path.name}: {str(error)[:200] or type(error).__name__}") from error


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
        raise ValueError(f"it is larger than {largest >> 20} MiB; no result is that large.")


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
        raise ValueError(f"it claims {metadata.num_rows} rows, which is impossible or more than a result has.")


def _check_pages(metadata: pq.FileMetaData, data: bytes, limits: Limits) -> None:
    """Bound what all pages unfold to, page by page as the library will read them."""
    unfolded = pages = 0
    for place in range(metadata.num_row_groups):
        group = metadata.row_group(place)
        for column in range(group.num_columns):
            for page in _pages(data, group.column(column)):
                unfolded, pages = unfolded + max(page.unfolded, 0), pages + 1
                if unfolded > limits.unfolded or pages > MOST_PAGES or min(page) < 0 or page.values > limits.cells:
                    raise ValueError("its pages unfold to more than a result holds.")
                if page.dictionary and page.values > min(page.unfolded, MOST_TEXTS):
                    raise ValueError("a dictionary claims more entries than a result has, or than it has bytes.")


def _check_cells(table: pa.Table) -> None:
    table.validate(full=True)
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count:
            raise ValueError(f"there are empty cells in column {name}.")
        if column.type == TEXT:
            for chunk in column.chunks:
                if len(chunk.dictionary) > MOST_TEXTS:
                    raise ValueError(f"column {name} has more than {MOST_TEXTS:,} different entries.")
                if chunk.dictionary.null_count or max(map(len, chunk.dictionary.to_pylist()), default=0) > LONGEST_TEXT:
                    raise ValueError(f"column {name} has an entry that is empty or longer than {LONGEST_TEXT}.")


class _Page(NamedTuple):
    unfolded: int
    folded: int
    values: int
    dictionary: bool


def _pages(data: bytes, chunk: pq.ColumnChunkMetaData) -> Iterator[_Page]:
    """The headers of a column chunk's pages, from where the library starts to read."""
    start = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < start:
        start = chunk.dictionary_page_offset
    end = start + chunk.total_compressed_size
    if not 4 <= start <= end <= len(data):
        raise ValueError("a column lies outside of the file.")
    while start < end:
        reader = _Thrift(data, start)
        header = reader.struct()
        kinds = [header[kind] for kind in (5, 7, 8) if kind in header]
        page = _Page(header[2], header[3], max(kind[1] for kind in kinds), 7 in header)
        yield page
        start = reader.at + page.folded


class _Thrift:
    """The compact protocol of Thrift, as far as a page header needs it: structs as dictionaries by field number."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self.at = data, at

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """The struct that starts here."""
        if depth > 8:
            raise ValueError("a page header is nested too deeply.")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            fields[number] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            self.at += 8
            return None
        if kind == 8:
            length = self._unsigned()
            self.at += length
            return None
        if kind == 12:
            return self.struct(depth + 1)
        raise ValueError("a page header has a field that none has.")

    def _byte(self) -> int:
        byte = self._data[self.at]
        self.at += 1
        return byte

    def _unsigned(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
        raise ValueError("a page header has a number that is too long.")

    def _signed(self) -> int:
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)
