"""Read JSON: lines written by users, one object each, and published formats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ValidationError

from panglot.data.readers.rows import Names, Row, fault_of_name, fields_of, shown
from panglot.errors import BadData, in_our_words
from panglot.lines import read_lines

Form = TypeVar("Form", bound=BaseModel)

_EXPECTED = "Each line must be one JSON object."


def read_json_lines(path: Path, names: Names) -> Iterator[Row]:
    """Yield the JSON objects of a file, one per line; blank lines are skipped.

    :param names: the fields, with other usual names.
    :raises MissingData: the file does not exist.
    :raises BadData: a line is not a JSON object, or has a duplicate field; or there is none.
    """
    empty = True
    for number, line in read_lines(path):
        try:
            values = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            raise BadData(f"{path}, line {number}: not JSON. {error}. {_EXPECTED}") from error
        if not isinstance(values, dict):
            raise BadData(f"{path}, line {number}: not a JSON object, but {shown(values)}. {_EXPECTED}")
        try:
            fields = fields_of(tuple(values), names)
        except ValueError as error:
            raise BadData(f"{path}, line {number}: the fields {error}. Rename one of them.") from error
        empty = False
        yield Row(path, number, "", {field: values[heading] for field, heading in fields.items()})
    if empty:
        raise BadData(f"{path} is empty.")


def parse_json(text: str, form: type[Form], fault: str) -> Form:
    """Return JSON of a published format; types are strict, and keys that the form does not name are ignored.

    :param fault: what to say, with the file, before what is wrong.
    :raises BadData: it is not JSON of this form.
    """
    try:
        return form.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BadData(f"{fault}{f' {where}:' if where else ''} {in_our_words(first['msg'])}.") from error


def _check_id(value: str) -> str:
    if fault := fault_of_name(value):
        raise ValueError(fault)
    return value


def _check_text(text: str) -> str:
    if "\0" in text:
        raise ValueError("contains a NUL character")
    return text


ItemId: TypeAlias = Annotated[str, AfterValidator(_check_id)]
ItemText: TypeAlias = Annotated[str, AfterValidator(_check_text)]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"Duplicate field '{next(name for name in names if names.count(name) > 1)}'")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a valid JSON value")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
