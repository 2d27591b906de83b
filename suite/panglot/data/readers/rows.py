"""Rows of files written by users: every value is checked, and every error names file, line and id."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from panglot.errors import BadData

LONGEST_ID = 500
"""Maximum length in characters; evidence files do not support longer ids."""

Names = tuple[tuple[str, tuple[str, ...]], ...]
"""The fields of a format, each with other usual names in the form of `simplified`."""

_UNWRITABLE = re.compile("[\0\ud800-\udfff]")
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True)
class Row:
    """One line of a text file, or one row of a table; `values` are by field. `id` is empty if the format has none."""

    path: Path
    number: int
    id: str
    values: Mapping[str, Any]
    unit: str = "line"

    def error(self, message: str) -> BadData:
        """Return an error about this row; the message begins with file, line and id."""
        shown = f" ('{self.id[:80]}')" if self.id else ""
        return BadData(f"{self.path}, {self.unit} {self.number}{shown}: {message}")

    def optional_name(self, field: str) -> str | None:
        """Return a short name, or None if the field is missing or null.

        :raises BadData: the value is neither a string nor an integer, or is not a valid name.
        """
        value = self.values.get(field)
        if value is None:
            return None
        fault = fault_of_name(value)
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
            raise self.error(f"the field '{field}' must be a string, not {shown(value)}.")
        odd = _UNWRITABLE.search(value)
        if odd:
            kind = "a NUL character" if odd[0] == "\0" else f"an unpaired surrogate (U+{ord(odd[0]):04X})"
            raise self.error(f"the field '{field}' contains {kind} at position {odd.start() + 1}.")
        return value

    def optional_flag(self, field: str, default: bool) -> bool:
        """Return a truth value.

        :raises BadData: the value is neither true nor false.
        """
        value = self.values.get(field)
        if value is None:
            return default
        if isinstance(value, str):  # as in tables
            value = {"true": True, "false": False}.get(value.lower(), value)
        if not isinstance(value, bool):
            raise self.error(f"the field '{field}' must be true or false, not {shown(value)}.")
        return value


def identified(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield rows with their ids, which are in the field `_id`.

    :raises BadData: a row has no valid id, or that of another row.
    """
    first: dict[str, int] = {}
    for row in rows:
        id_ = row.optional_name("_id")
        if id_ is None:
            raise row.error("the field '_id' is missing.")
        found = Row(row.path, row.number, id_, row.values, row.unit)
        if first.setdefault(id_, row.number) != row.number:
            raise found.error(f"duplicate id, first used in {row.unit} {first[id_]}. Ids must be unique.")
        yield found


@lru_cache(maxsize=1024)
def fields_of(headings: tuple[str, ...], names: Names) -> Mapping[str, str]:
    """Return the heading that holds each field, for the fields that have one: its own name, or another usual one.

    Case, hyphens, underscores and spaces are ignored unless a heading is exactly the field's name.

    :raises ValueError: a field has no heading of its own name and several other usual ones.
    """
    simple: dict[str, list[str]] = {}
    for heading in headings:
        simple.setdefault(simplified(heading), []).append(heading)
    found = {}
    for field, others in names:
        names_of_field = dict.fromkeys((simplified(field), *others))
        usual = [heading for name in names_of_field for heading in simple.get(name, ())]
        if field in headings:
            found[field] = field
        elif len(usual) > 1:
            raise ValueError(f"{' and '.join(repr(name) for name in usual[:2])} can both mean '{field}'")
        elif usual:
            found[field] = usual[0]
    return found


def simplified(heading: str) -> str:
    """Return a heading in lower case, without hyphens, underscores and spaces: `Query_ID` is `queryid`."""
    return re.sub("[-_ ]", "", heading).lower()


def renamed(fields: Iterable[tuple[str, str]]) -> str:
    """Say which headings were read as which fields; empty if all have the names of their fields."""
    return ", ".join(
        f"'{heading[:40]}' as {field.strip('_')}"
        for field, heading in fields
        if simplified(heading) != simplified(field)
    )


def fault_of_name(value: Any) -> str:
    """Return what is wrong with an id, a group or a language; empty if nothing."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return f"must be a string or an integer, not {shown(value)}"
    if not value.strip():
        return "is empty"
    if value != value.strip():
        return f"begins or ends with white space: {value[:80]!r}"
    if len(value) > LONGEST_ID:
        return f"is longer than {LONGEST_ID} characters: {value[:80]!r}…"
    odd = _CONTROL.search(value)
    return f"contains the character U+{ord(odd[0]):04X}, which is not allowed in a name: {value[:80]!a}" if odd else ""


def shown(value: Any) -> str:
    """Return the beginning of a value for a message."""
    return json.dumps(value, default=str)[:80]
