"""Read tables written by users: CSV with any usual delimiter, or Parquet."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from panglot.data.readers.rows import Names, Row, fields_of
from panglot.errors import BadData, MissingData
from panglot.lines import BLANKS, read_all_lines

DELIMITERS = ",;\t|"
PARQUET = ".parquet"
SUFFIXES = (".tsv", ".csv", PARQUET)
"""Names of tables end like this, or like this and `.gz`, but for Parquet, which is compressed inside."""

LONGEST_CELL = 10_000_000
"""Maximum length of a text in a CSV file in characters; a quotation mark that is never closed would take the rest."""


_DELIMITER_LINE = re.compile(f"sep=([{re.escape(DELIMITERS)}])", re.IGNORECASE)
"""A first line that tells Excel the delimiter."""


def is_table(name: str) -> bool:
    """Whether a file name is that of a table."""
    name = name.lower()
    return name.endswith(SUFFIXES) or name.endswith(tuple(f"{suffix}.gz" for suffix in SUFFIXES if suffix != PARQUET))


def read_headings(path: Path) -> tuple[str, ...]:
    """Return the names of a table's columns.

    :raises MissingData: the file does not exist.
    :raises BadData: the file is not a table.
    """
    if _is_parquet(path):
        return tuple(_open_parquet(path).schema_arrow.names)
    return tuple(_stripped(next(read_cells(path))[1]))


def read_table(path: Path, names: Names, required: Sequence[str] = ()) -> Iterator[Row]:
    """Yield the rows of a table; empty cells are None, and columns that are no field are ignored.

    :param required: fields that must have a column.
    :raises MissingData: the file does not exist.
    :raises BadData: the file is not a table, lacks a column, has two of one name or no rows, or a row is not like the
        header.
    """
    headings = read_headings(path)
    if len(set(headings)) < len(headings):
        again = next(name for name in headings if headings.count(name) > 1)
        raise BadData(f"{path}: two columns are named '{again[:80]}'. Rename one of them.")
    try:
        fields = fields_of(headings, names)
    except ValueError as error:
        raise BadData(f"{path}: the columns {error}. Rename one of them.") from error
    check_columns(path, headings, fields, required)
    empty = True
    for row in (_parquet_rows if _is_parquet(path) else _csv_rows)(path, fields):
        empty = False
        yield row
    if empty:
        raise BadData(f"{path} has no rows.")


def check_columns(path: Path, headings: Sequence[str], fields: Mapping[str, str], required: Sequence[str]) -> None:
    """Check that fields have a column; `fields` has the heading of each that has one.

    :raises BadData: one has none; the message names the columns of the table.
    """
    if missing := [name for name in required if name not in fields]:
        found = ", ".join(f"'{name[:40]}'" for name in headings[:20])
        raise BadData(
            f"{path}: no column {' and no column '.join(missing)}; found {found}. The first line must name the "
            f"columns, e.g. {','.join(required)},language."
        )


def _csv_rows(path: Path, fields: Mapping[str, str]) -> Iterator[Row]:
    rows = read_cells(path)
    heading = _stripped(next(rows)[1])
    places = [(field, heading.index(name)) for field, name in fields.items()]
    for number, cells in rows:
        row = Row(path, number, "", {field: cells[n] or None for field, n in places if n < len(cells)})
        if len(cells) != len(heading):
            raise row.error(
                f"expected {len(heading)} columns as in the header, found {len(cells)}. A text that contains the "
                "delimiter must be in quotation marks."
            )
        yield row


def read_cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row of a CSV file, the header included, with the number of its first line.

    :raises BadData: the file is empty or not CSV.
    """
    lines = read_all_lines(path)
    first = next(((number, line) for number, line in lines if line.strip(BLANKS)), None)
    if first is None:
        raise BadData(f"{path} is empty.")
    delimiter = max(DELIMITERS, key=first[1].count)
    if named := _DELIMITER_LINE.fullmatch(first[1].strip()):
        delimiter, first = named[1], next(lines, (first[0] + 1, ""))
    started = [0]

    def texts() -> Iterator[str]:
        for number, line in chain([first], lines):
            started[0] = started[0] or number
            yield line

    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(texts(), delimiter=delimiter, strict=True)
    while True:
        started[0] = 0
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise BadData(
                f"{path}, line {started[0]}: not valid CSV: {error}. A text that contains the delimiter, a line break "
                'or a quotation mark must be in quotation marks, and a quotation mark in it must be doubled ("").'
            ) from error
        if cells is None:
            return
        if any(cells):
            yield started[0], cells


def _stripped(cells: Sequence[str]) -> list[str]:
    return [cell.strip() for cell in cells]


def _parquet_rows(path: Path, fields: Mapping[str, str]) -> Iterator[Row]:
    file, number = _open_parquet(path), 0
    try:
        for batch in file.iter_batches(columns=list(fields.values())):
            columns: Sequence[list[Any]] = [batch[name].to_pylist() for name in fields.values()]
            for values in zip(*columns, strict=True):
                number += 1
                yield Row(path, number, "", dict(zip(fields, values, strict=True)), "row")
    except (OSError, ValueError, OverflowError) as error:  # OverflowError: a time that Python cannot express
        raise BadData(f"{path} is damaged. {str(error).rstrip('.')}.") from error


def _open_parquet(path: Path) -> Any:
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise MissingData(f"There is no file {path}.") from error
    except (OSError, ValueError) as error:
        raise BadData(f"{path} is not a valid Parquet file. {str(error).rstrip('.')}.") from error


def _is_parquet(path: Path) -> bool:
    return path.name.lower().endswith(PARQUET)
