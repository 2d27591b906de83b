"""Custom tables as training data: a file or a Hub data set, read row by row; messages locate invalid rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from panglot.data.readers.tables import read_cells
from panglot.errors import BadData, MissingData
from panglot.hub import patiently
from panglot.languages import canonical
from panglot.lines import read_lines
from panglot.numbers import count
from panglot.plain import is_blank
from panglot.train.data.pairs import TextPair
from panglot.train.recipes.recipe import Origin, TextData

LONGEST = 60
"""Characters of a wrong value that a message shows."""

SHOWN = 10
"""Most languages that a message lists."""
BATCH = 10_000
"""Rows of a Parquet file that are in memory at a time."""


class Row(NamedTuple):
    """A row, with its number or, in text files, the number of its first line, from 1."""

    place: int
    cells: Mapping[str, Any]
    extra: int = 0
    """Cells of a text table beyond its columns."""


@dataclass
class Table:
    """The rows of a table, each read when it is needed, and the rows found to be invalid."""

    name: str
    source: str
    rows: Iterator[Row]
    unit: str = "row"
    """What `place` counts: `row` or `line`."""
    skips: bool = False
    """Whether invalid rows are skipped instead of refused."""
    bad: set[int] = field(default_factory=set)
    """Places of the invalid rows."""
    first_fault: str = ""

    def check_columns(self, *columns: str | None) -> None:
        """Check that the table has rows and these columns.

        :raises BadData: it has no rows, or lacks a column; the message lists the existing columns.
        """
        first = next(self.rows, None)
        if first is None:
            raise BadData(f"{self.name}: {self.source} has no rows.")
        self.rows = chain([first], self.rows)
        missing = [column for column in columns if column and column not in first.cells]
        if missing:
            raise BadData(
                f"{self.name}: {self.source} has no column {', '.join(missing)}; it has {', '.join(first.cells)}."
            )

    def text(self, row: Row, column: str) -> str:
        """The text in a cell; any other value is noted as a fault."""
        value = row.cells.get(column)
        if not isinstance(value, str) or is_blank(value):
            self.note(row, column)
            return ""
        try:
            value.encode()
        except UnicodeEncodeError:
            self.note(row, column, found="a text that is not valid Unicode")
            return ""
        return value

    def note(self, row: Row, column: str, expected: str = "a text", found: str = "") -> None:
        """Note that a cell has an unexpected value."""
        self.bad.add(row.place)
        if not self.first_fault:
            found = found or _described(row.cells.get(column))
            self.first_fault = f"{self.unit} {row.place}, column '{column}': expected {expected}, found {found}"

    def check_width(self, row: Row) -> None:
        """Note a row of a text table with more cells than columns: an unquoted delimiter has shifted its cells."""
        if row.extra:
            self.bad.add(row.place)
            columns = len(row.cells)
            self.first_fault = self.first_fault or (
                f"{self.unit} {row.place}: expected {columns} cells, found {columns + row.extra}; put texts that "
                "contain the delimiter in quotes"
            )

    def optional_text(self, row: Row, column: str | None) -> str | None:
        """The text in a cell that may be empty."""
        value = row.cells.get(column) if column else None
        if value is None or (isinstance(value, str) and is_blank(value)):
            return None
        return self.text(row, str(column))

    def key(self, row: Row, column: str) -> str:
        """The key in a cell: a text or an integer."""
        value = row.cells.get(column)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # pandas stores integer columns with gaps as floats
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else self.text(row, column)

    def check_rows(self) -> str:
        """Check that no row is invalid, or say how many are skipped; an empty text if none.

        :raises BadData: there are invalid rows, and they are not skipped; the message locates the first.
        """
        if not self.bad:
            return ""
        if self.skips:
            rows = count(len(self.bad), "invalid row")
            return f"{self.name}: {self.source}: skipped {rows}. First: {self.first_fault}."
        others = f" {len(self.bad) - 1} more rows are invalid." if len(self.bad) > 1 else ""
        raise BadData(
            f"{self.name}: {self.source}, {self.first_fault}.{others} Correct or remove these rows, or set "
            'bad_rows = "skip".'
        )


def _described(value: Any) -> str:
    """Description of a value that is not a text, for messages."""
    if isinstance(value, str):
        return "a blank text" if value else "an empty text"
    if value is None:
        return "null"
    kinds = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "a record"}
    kind = next((name for kind, name in kinds.items() if isinstance(value, kind)), type(value).__name__)
    text = str(value)
    return f"{kind} ({text if len(text) <= LONGEST else f'{text[:LONGEST]}…'})"


def table_entries(data: TextData, languages: Sequence[str], skipped: list[str] | None = None) -> Iterator[TextPair]:
    """The rows of a custom table in the given languages, under any of their codes, as they are read.

    Messages with the numbers of rows in other languages and of invalid rows, if these are skipped, are added to
    `skipped`.

    :raises MissingData: the source is neither a file nor an accessible Hub data set.
    :raises BadData: a column is missing, a row is invalid and not skipped, or no row is in one of the languages.
    """
    columns = (data.query, data.passage, data.language, data.group, data.negative)
    table = read_table(data.name, data, columns)
    table.check_columns(*columns)
    spelling = {canonical(language): language for language in languages}
    others = Counter[str]()
    found = False
    for row in table.rows:
        table.check_width(row)
        language = table.text(row, data.language) if data.language else data.only_language or ""
        entry = TextPair(
            group=table.key(row, data.group) if data.group else None,
            language=spelling.get(canonical(language), ""),
            query=table.text(row, data.query),
            passage=table.text(row, data.passage),
            negative=table.optional_text(row, data.negative),
        )
        if row.place in table.bad:
            continue
        if entry.language:
            found = True
            yield entry
        else:
            others[language] += 1
    report = table.check_rows()
    if not found and report:
        raise BadData(f"{data.name}: {table.source} has no valid row in the recipe's languages. {report}")
    if not found:
        raise BadData(
            f"{data.name}: {table.source} is in {first_few(others)}; the recipe's languages are {first_few(languages)}."
        )
    skipped = [] if skipped is None else skipped
    if report:
        skipped.append(report)
    if others:
        rows = count(others.total(), "row")
        skipped.append(
            f"{data.name}: {table.source}: skipped {rows} in languages outside the recipe: {first_few(others)}."
        )


def first_few(languages: Iterable[str]) -> str:
    """The first `SHOWN` languages, for a message."""
    return ", ".join(sorted(languages)[:SHOWN])


def read_table(name: str, origin: Origin, columns: Iterable[str | None]) -> Table:
    """Open a Parquet, CSV, TSV or JSON Lines file, or a Hub data set; `name` identifies it in messages.

    Rows are read while iterating, with at least these columns.

    :raises MissingData: the source is neither a file nor an accessible Hub data set.
    :raises BadData: the file is damaged or has another format; raised while reading the rows.
    """
    source = origin.source or ""
    path = Path(source)
    skips = origin.bad_rows == "skip"
    if not path.is_file():
        return Table(name, source, _from_hub(name, origin, columns), skips=skips)
    if path.suffix in (".csv", ".tsv"):
        rows, unit = _from_csv(path), "line"
    elif path.suffix in (".jsonl", ".ndjson"):
        rows, unit = _from_jsonl(path), "line"
    else:
        rows, unit = _from_parquet(path, columns), "row"
    return Table(name, source, _readable(name, source, rows), unit, skips)


def _readable(name: str, source: str, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows, with errors of the file and its format as messages."""
    try:
        yield from rows
    except BadData as error:
        raise BadData(f"{name}: {error}") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise BadData(
            f"{name}: {source} cannot be read: {reason}. Expected Parquet, or a .csv, .tsv or .jsonl file."
        ) from error


def _from_parquet(path: Path, columns: Iterable[str | None]) -> Iterator[Row]:
    """The rows with all of these columns that exist; with all columns if one is missing, so that they can be listed."""
    with pq.ParquetFile(path) as file:
        existing = file.schema_arrow.names
        wanted = [column for column in columns if column]
        batches = file.iter_batches(BATCH, columns=wanted if set(wanted) <= set(existing) else None)
        yield from _numbered(row for batch in batches for row in batch.to_pylist())


def _numbered(rows: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    return (Row(number, row) for number, row in enumerate(rows, start=1))


def _from_csv(path: Path) -> Iterator[Row]:
    rows = read_cells(path)
    heading = [name.strip() for name in next(rows)[1]]
    for number, cells in rows:
        missing = [None] * (len(heading) - len(cells))
        yield Row(number, dict(zip(heading, [*cells, *missing], strict=False)), max(0, len(cells) - len(heading)))


def _from_jsonl(path: Path) -> Iterator[Row]:
    for number, line in read_lines(path):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadData(f"{path}, line {number} is not JSON: {error}.") from error
        if not isinstance(row, dict):
            raise BadData(f"{path}, line {number} is not a JSON object.")
        yield Row(number, row)


def _from_hub(name: str, origin: Origin, columns: Iterable[str | None]) -> Iterator[Row]:
    """The rows of a Hub data set, or of a folder that `datasets` can read; images are kept as encoded files.

    `datasets` stores the set in its cache on disk, from which rows are read one by one.
    """
    from datasets import Image, load_dataset

    files = {"data_files": list(origin.data_files)} if origin.data_files else {}
    try:
        data = patiently(
            lambda: load_dataset(origin.source, origin.config, split=origin.split, revision=origin.revision, **files)
        )
        for column, feature in data.features.items():
            if isinstance(feature, Image):
                data = data.cast_column(column, Image(decode=False))
        wanted = [column for column in columns if column]
        if set(wanted) <= set(data.features):
            data = data.select_columns(wanted)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise MissingData(
            f"{name}: {origin.source} is not a file and cannot be loaded from the Hub. {reason}"
        ) from error
    return _numbered(data)
