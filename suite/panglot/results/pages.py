"""Headers of the pages of a Parquet file, read from its bytes: what each page claims, before a library believes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow.parquet as pq


class Page(NamedTuple):
    """One page: its bytes when decompressed and as stored, its values, and whether it is a dictionary."""

    unfolded: int
    folded: int
    values: int
    dictionary: bool


def pages(data: bytes, chunk: pq.ColumnChunkMetaData) -> Iterator[Page]:
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
        page = Page(header[2], header[3], max(kind[1] for kind in kinds), 7 in header)
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
