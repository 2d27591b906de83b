"""Read JSON Lines written by users: every field is checked, and every error names file, line and id."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from panglot.errors import BadData
from panglot.lines import read_lines

LONGEST_ID = 500
"""Maximum length in characters; evidence files do not support longer ids."""

_UNWRITABLE = re.compile("[\0\ud800-\udfff]")
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True)
class JsonLine:
    """One line: a JSON object with the field `_id`."""

    path: Path
    number: int
    id: str
    values: dict[str, Any]

    def error(self, message: str) -> BadData:
        """Return an error about this line; the message begins with file, line and id."""
        return BadData(f"{self.path}, line {self.number} ('{self.id[:80]}'): {message}")

    def optional_name(self, field: str) -> str | None:
        """Return a short name, or None if the field is missing or null.

        :raises BadData: the value is neither a string nor an integer, or is not a valid name.
        """
        value = self.values.get(field)
        if value is None:
            return None
        fault = _fault_of_name(value)
        if fault:
            raise self.error(f"the field '{field}' {fault}.")
        return str(value)

    def text(self, field: str) -> str:
        """Return a required text.

        :raises BadData: the field is missing or null, is not a string, or is not valid Unicode.
        """
        if self.values.get(field) is None:
            raise self.error(f"the field '{field}' is missing.")
        return self.optional_text(field)

    def optional_text(self, field: str) -> str:
        """Return a text; empty if the field is missing or null.

        :raises BadData: the value is not a string, or is not valid Unicode.
        """
        value = self.values.get(field)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.error(f"the field '{field}' must be a string, not {_shown(value)}.")
        odd = _UNWRITABLE.search(value)
        if odd:
            kind = "a NUL character" if odd[0] == "\0" else f"an unpaired surrogate (U+{ord(odd[0]):04X})"
            raise self.error(f"the field '{field}' contains {kind} at position {odd.start() + 1}.")
        return value


def read_json_lines(path: Path) -> Iterator[JsonLine]:
    """Yield the JSON objects of a file, one per line; blank lines are skipped.

    :raises MissingData: the file does not exist.
    :raises BadData: a line is not a JSON object, has a duplicate field or no valid `_id`; or two lines share an id.
    """
    first: dict[str, int] = {}
    for number, line in read_lines(path):
        try:
            values = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            raise BadData(f"{path}, line {number}: not JSON. {error}.") from error
        if not isinstance(values, dict):
            raise BadData(f"{path}, line {number}: expected a JSON object, found {_shown(values)}.")
        fault = _fault_of_name(values["_id"]) if values.get("_id") is not None else "is missing"
        if fault:
            raise BadData(f"{path}, line {number}: the field '_id' {fault}.")
        found = JsonLine(path, number, str(values["_id"]), values)
        if first.setdefault(found.id, number) != number:
            raise found.error(f"duplicate id, first used in line {first[found.id]}. Ids must be unique.")
        yield found
    if not first:
        raise BadData(f"{path} is empty.")


def _fault_of_name(value: Any) -> str:
    """Return what is wrong with an id, a group or a language; empty if nothing."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return f"must be a string or an integer, not {_shown(value)}"
    if not value.strip():
        return "is empty"
    if value != value.strip():
        return f"begins or ends with white space: {value[:80]!r}"
    if len(value) > LONGEST_ID:
        return f"is longer than {LONGEST_ID} characters: {value[:80]!r}…"
    odd = _CONTROL.search(value)
    return f"contains the character U+{ord(odd[0]):04X}, which is not allowed in a name: {value[:80]!a}" if odd else ""


def _shown(value: Any) -> str:
    return json.dumps(value)[:80]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"Duplicate field '{next(name for name in names if names.count(name) > 1)}'")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a valid JSON value")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
