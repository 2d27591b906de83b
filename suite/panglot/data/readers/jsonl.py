"""Read JSON Lines written by users: one object with an id per line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from panglot.data.readers.rows import Names, Row, fault_of_name, fields_of, shown
from panglot.errors import BadData
from panglot.lines import read_lines


def read_json_lines(path: Path, names: Names) -> Iterator[Row]:
    """Yield the JSON objects of a file, one per line; blank lines are skipped.

    :param names: the fields, with other usual names; one of them is `_id`.
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
            raise BadData(f"{path}, line {number}: expected a JSON object, found {shown(values)}.")
        try:
            fields = fields_of(tuple(values), names)
        except ValueError as error:
            raise BadData(f"{path}, line {number}: the fields {error}. Rename one of them.") from error
        id_ = values.get(fields.get("_id", ""))
        fault = fault_of_name(id_) if id_ is not None else "is missing"
        if fault:
            raise BadData(f"{path}, line {number}: the field '_id' {fault}.")
        found = Row(path, number, str(id_), {field: values[heading] for field, heading in fields.items()})
        if first.setdefault(found.id, number) != number:
            raise found.error(f"duplicate id, first used in line {first[found.id]}. Ids must be unique.")
        yield found
    if not first:
        raise BadData(f"{path} is empty.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"Duplicate field '{next(name for name in names if names.count(name) > 1)}'")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a valid JSON value")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
