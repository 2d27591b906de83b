"""Tables of one's own as training data: a file, or a data set of the Hub, with every bad row named by its place."""

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
SHOWN = 10
"""Most languages in a message."""
DIVIDERS = {".csv": ",", ".tsv": "\t"}


class Fault(NamedTuple):
    """What is wrong in one cell."""

    row: int
    column: str
    expected: str
    found: str


@dataclass
class Table:
    """Rows, and where each of them stands in its source."""

    name: str
    source: str
    rows: Rows
    lines: Sequence[int] = ()
    """Of a text file, where each row ends."""
    faults: list[Fault] = field(default_factory=list)

    def check_columns(self, *columns: str | None) -> None:
        """Refuse a table without these columns, or without a row.

        :raises BadData: naming the columns that there are.
        """
        if not self.rows:
            raise BadData(f"{self.name}: {self.source} has no rows.")
        there = self.rows[0].keys()
        missing = [column for column in columns if column and column not in there]
        if missing:
            raise BadData(f"{self.name}: {self.source} has no column {', '.join(missing)}; it has {', '.join(there)}.")

    def text(self, row: int, column: str) -> str:
        """The text in a cell; anything else is noted as a fault."""
        value = self.rows[row].get(column)
        if not isinstance(value, str) or not value.strip():
            self.note(row, column)
            return ""
        return value

    def note(self, row: int, column: str, expected: str = "a text", found: str = "") -> None:
        """Note that a cell holds something else than what was expected."""
        self.faults.append(Fault(row, column, expected, found or _described(self.rows[row].get(column))))

    def optional_text(self, row: int, column: str | None) -> str | None:
        """The text in a cell that may be empty."""
        value = self.rows[row].get(column) if column else None
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        return self.text(row, str(column))

    def key(self, row: int, column: str) -> str:
        """What names something: a text or a whole number."""
        value = self.rows[row].get(column)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # as pandas writes whole numbers of a column with gaps
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else self.text(row, column)

    def check_rows(self) -> None:
        """Refuse a table in which faults were noted.

        :raises BadData: naming the first of them by file, row and column, and how many there are.
        """
        if self.faults:
            first, bad = self.faults[0], len({fault.row for fault in self.faults})
            others = f" {bad - 1} more rows are not usable." if bad > 1 else ""
            raise BadData(
                f"{self.name}: {self.source}, {self._place(first.row)}, column '{first.column}': expected "
                f"{first.expected}, found {first.found}.{others} Correct these rows or leave them out."
            )

    def _place(self, row: int) -> str:
        return f"line {self.lines[row]}" if self.lines else f"row {row + 1}"


def _described(value: Any) -> str:
    """A value that is no text, for a person."""
    if isinstance(value, str):
        return "a blank" if value else "an empty text"
    if value is None:
        return "nothing (null)"
    kinds = {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "a record"}
    kind = next((name for kind, name in kinds.items() if isinstance(value, kind)), type(value).__name__)
    return f"{kind} ({str(value)[:60]})"


def table_entries(data: TextData, languages: Sequence[str]) -> Iterator[TextPair]:
    """The rows of a table that are in one of the languages, in any spelling of these.

    :raises MissingData: the source is neither a file nor a data set that can be had.
    :raises BadData: a column is not there, a row cannot be used, or no row is in the languages.
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
        raise BadData(f"{data.name}: {table.source} is in {some(seen)}; the recipe's languages are {some(languages)}.")
    return iter(entries)


def some(languages: Iterable[str]) -> str:
    """The first of some languages, for a message."""
    return ", ".join(sorted(languages)[:SHOWN])


def read_table(name: str, origin: Origin) -> Table:
    """A Parquet, CSV, TSV or JSON-lines file, or a data set of the Hub.

    :raises MissingData: it is neither.
    :raises BadData: the file is damaged, or in no such format.
    """
    source = origin.source or ""
    path = Path(source)
    if not path.is_file():
        return Table(name, source, _from_hub(name, origin))
    try:
        if path.suffix in DIVIDERS:
            return Table(name, source, *_from_csv(path))
        if path.suffix in (".jsonl", ".ndjson"):
            return Table(name, source, *_from_jsonl(path))
        return Table(name, source, pq.read_table(path).to_pylist())
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise BadData(
            f"{name}: {source} cannot be read. {reason}. Expected Parquet, or text ending in .csv, .tsv or .jsonl."
        ) from error


def _from_csv(path: Path) -> tuple[Rows, list[int]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=DIVIDERS[path.suffix])
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
    """A data set of the Hub, or a folder of files as `datasets` reads one; images stay as the bytes of their files."""
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
        raise MissingData(f"{name}: {origin.source} is no file and cannot be had from the Hub. {reason}") from error
