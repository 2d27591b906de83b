"""Custom tables as training data: a file or a Hub data set; messages give the location of invalid rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from panglot.errors import BadData, MissingData
from panglot.languages import canonical
from panglot.train.pairs import TextPair
from panglot.train.recipe import Origin, TextData

Rows = list[dict[str, Any]]
LONGEST = 60
"""Characters of a wrong value that a message shows."""

SHOWN = 10
"""Most languages that a message lists."""
DELIMITERS = {".csv": ",", ".tsv": "\t"}


class Fault(NamedTuple):
    """A cell with an unexpected value."""

    row: int
    column: str
    expected: str
    found: str


@dataclass
class Table:
    """The rows of a table, and the location of each in its source."""

    name: str
    source: str
    rows: Rows
    lines: Sequence[int] = ()
    """Line number of each row's end, for text files."""
    faults: list[Fault] = field(default_factory=list)

    def check_columns(self, *columns: str | None) -> None:
        """Check that the table has rows and these columns.

        :raises BadData: it has no rows, or lacks a column; the message lists the existing columns.
        """
        if not self.rows:
            raise BadData(f"{self.name}: {self.source} has no rows.")
        existing = self.rows[0].keys()
        missing = [column for column in columns if column and column not in existing]
        if missing:
            raise BadData(
                f"{self.name}: {self.source} has no column {', '.join(missing)}; it has {', '.join(existing)}."
            )

    def text(self, row: int, column: str) -> str:
        """The text in a cell; any other value is noted as a fault."""
        value = self.rows[row].get(column)
        if not isinstance(value, str) or not value.strip():
            self.note(row, column)
            return ""
        return value

    def note(self, row: int, column: str, expected: str = "a text", found: str = "") -> None:
        """Note that a cell has an unexpected value."""
        self.faults.append(Fault(row, column, expected, found or _described(self.rows[row].get(column))))

    def optional_text(self, row: int, column: str | None) -> str | None:
        """The text in a cell that may be empty."""
        value = self.rows[row].get(column) if column else None
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        return self.text(row, str(column))

    def key(self, row: int, column: str) -> str:
        """The key in a cell: a text or an integer."""
        value = self.rows[row].get(column)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # pandas stores integer columns with gaps as floats
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else self.text(row, column)

    def check_rows(self) -> None:
        """Check that no faults were noted.

        :raises BadData: there are faults; the message gives file, row and column of the first, and their number.
        """
        if self.faults:
            first, bad = self.faults[0], len({fault.row for fault in self.faults})
            others = f" {bad - 1} more rows are invalid." if bad > 1 else ""
            raise BadData(
                f"{self.name}: {self.source}, {self._place(first.row)}, column '{first.column}': expected "
                f"{first.expected}, found {first.found}.{others} Correct or remove these rows."
            )

    def _place(self, row: int) -> str:
        return f"line {self.lines[row]}" if self.lines else f"row {row + 1}"


def _described(value: Any) -> str:
    """Description of a value that is not a text, for messages."""
    if isinstance(value, str):
        return "only white space" if value else "an empty text"
    if value is None:
        return "null"
    kinds = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "a record"}
    kind = next((name for kind, name in kinds.items() if isinstance(value, kind)), type(value).__name__)
    text = str(value)
    return f"{kind} ({text if len(text) <= LONGEST else f'{text[:LONGEST]}…'})"


def table_entries(data: TextData, languages: Sequence[str]) -> Iterator[TextPair]:
    """The rows of a custom table in the given languages, under any of their codes.

    :raises MissingData: the source is neither a file nor an accessible Hub data set.
    :raises BadData: a column is missing, a row is invalid, or no row is in one of the languages.
    """
    table = read_table(data.name, data)
    table.check_columns(data.query, data.passage, data.language, data.group, data.negative)
    spelling = {canonical(language): language for language in languages}
    entries: list[TextPair] = []
    seen = set()
    for row in range(len(table.rows)):
        language = table.text(row, data.language) if data.language else data.only_language or ""
        entry = TextPair(
            group=table.key(row, data.group) if data.group else str(row),
            language=spelling.get(canonical(language), ""),
            query=table.text(row, data.query),
            passage=table.text(row, data.passage),
            negative=table.optional_text(row, data.negative),
        )
        seen.add(language)
        if entry.language:
            entries.append(entry)
    table.check_rows()
    if not entries:
        raise BadData(
            f"{data.name}: {table.source} is in {first_few(seen)}; the recipe's languages are {first_few(languages)}."
        )
    return iter(entries)


def first_few(languages: Iterable[str]) -> str:
    """The first `SHOWN` languages, for a message."""
    return ", ".join(sorted(languages)[:SHOWN])


def read_table(name: str, origin: Origin) -> Table:
    """Read a Parquet, CSV, TSV or JSON Lines file, or a Hub data set; `name` identifies it in messages.

    :raises MissingData: the source is neither a file nor an accessible Hub data set.
    :raises BadData: the file is damaged or has another format.
    """
    source = origin.source or ""
    path = Path(source)
    if not path.is_file():
        return Table(name, source, _from_hub(name, origin))
    try:
        if path.suffix in DELIMITERS:
            return Table(name, source, *_from_csv(path))
        if path.suffix in (".jsonl", ".ndjson"):
            return Table(name, source, *_from_jsonl(path))
        return Table(name, source, pq.read_table(path).to_pylist())
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise BadData(
            f"{name}: {source} cannot be read: {reason}. Expected Parquet, or a .csv, .tsv or .jsonl file."
        ) from error


def _from_csv(path: Path) -> tuple[Rows, list[int]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=DELIMITERS[path.suffix])
        numbered = [(row, reader.line_num) for row in reader]
    return [row for row, _ in numbered], [line for _, line in numbered]


def _from_jsonl(path: Path) -> tuple[Rows, list[int]]:
    rows, lines = [], []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    rows.append(json.loads(line))
                except ValueError as error:
                    raise ValueError(f"Line {number} is not JSON: {error}") from error
                if not isinstance(rows[-1], dict):
                    raise ValueError(f"Line {number} is not a JSON object")
                lines.append(number)
    return rows, lines


def _from_hub(name: str, origin: Origin) -> Rows:
    """The rows of a Hub data set, or of a folder that `datasets` can read; images are kept as encoded files."""
    from datasets import Image, load_dataset

    files = {"data_files": list(origin.data_files)} if origin.data_files else {}
    try:
        data = load_dataset(origin.source, origin.config, split=origin.split, revision=origin.revision, **files)
        for column, feature in data.features.items():
            if isinstance(feature, Image):
                data = data.cast_column(column, Image(decode=False))
        return list(data)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise MissingData(
            f"{name}: {origin.source} is not a file and cannot be loaded from the Hub. {reason}"
        ) from error
