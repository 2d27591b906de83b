"""TOML files that people write: their content, and the line of each key, for messages."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from panglot.errors import BadData, MissingData, in_our_words

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

    Model = TypeVar("Model", bound=BaseModel)

LARGEST = 1 << 20
"""Bytes; a table of a thousand languages takes a tenth."""
SHOWN = 5
"""Faults that one message names."""

Keys = Sequence[str | int]
"""The way to a value: names of tables and keys, and places in arrays."""


@dataclass(frozen=True)
class TomlFile:
    """A TOML file that was read: `content` is what it says, `text` how."""

    path: Path
    text: str
    content: dict[str, Any]

    def parse(self, model: type[Model]) -> Model:
        """The content as a model; types are strict, so that `"3"` is not a number.

        :raises BadData: naming file, line and key of what does not fit the model.
        """
        from pydantic import ValidationError

        # JSON, since strict models take its arrays for tuples. An array of text stands for a date, which JSON lacks:
        # no key of ours holds either, so the date is refused.
        content = json.dumps(self.content, default=lambda value: [str(value)])
        try:
            return model.model_validate_json(content, strict=True)
        except ValidationError as error:
            raise self._faults(error, model) from error

    def error(self, keys: Keys, message: str) -> BadData:
        """An error about one key."""
        said = self._fault(keys, message)
        return BadData(f"{self.path}, {said}{'' if said.endswith(('.', '?')) else '.'}")

    def line(self, keys: Keys) -> int:
        """The line, from 1, of a key, or of the table that should hold it."""
        way = [str(key) for key in keys]
        while way and tuple(way) not in self._lines:
            way.pop()
        return self._lines.get(tuple(way), 1)

    def _faults(self, error: ValidationError, model: type[BaseModel]) -> BadData:
        """What a model finds wrong, as an error."""
        found = [
            (self._keys(_location(fault)), fault_message(fault, model)) for fault in error.errors(include_url=False)
        ]
        said = [self._fault(*fault) for fault in sorted(found, key=lambda fault: self.line(fault[0]))]
        more = f"; and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
        return BadData(f"{self.path}, {'; '.join(said[:SHOWN])}{more}.")

    def _fault(self, keys: Keys, message: str) -> str:
        return f"line {self.line(keys)}: {'.'.join(map(str, keys))}: {message}"

    def _keys(self, location: Keys) -> Keys:
        """The location without the names that a model puts between keys, as those of the members of a union."""
        keys: list[str | int] = []
        value: Any = self.content
        for place, key in enumerate(location):
            inner = dict(_items(value))
            if key in inner:
                value = inner[key]
            elif place < len(location) - 1:
                continue
            keys.append(key)
        return keys

    @cached_property
    def _lines(self) -> dict[tuple[str, ...], int]:
        return dict(reversed(list(_positions(self.text))))


def read_toml(path: Path) -> TomlFile:
    """Read a TOML file.

    :raises MissingData: there is no such file.
    :raises BadData: it cannot be read, or is not valid TOML; with the line.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise BadData(f"{path} is larger than {LARGEST >> 20} MiB.")
        text = data.decode()
        return TomlFile(path, text, tomllib.loads(text))
    except FileNotFoundError as error:
        raise MissingData(f"There is no file {path}.") from error
    except OSError as error:
        raise BadData(f"{path} cannot be read. {error.strerror}.") from error
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadData(f"{path}, line {line}: not UTF-8 (byte 0x{data[error.start]:02x}).") from error
    except (ValueError, RecursionError) as error:  # tomllib raises plain ValueError for numbers that are too long
        raise BadData(f"{path} is not valid TOML. {error}.") from error


def _positions(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Each key's way, and the line on which its statement begins; where a way occurs again, the first counts.

    A statement is as many lines as tomllib needs to parse them on their own: a heading, or a key with its value.
    """
    table: tuple[str, ...] = ()
    counts: dict[tuple[str, ...], int] = {}
    statement, start = "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        statement += f"{line}\n"
        try:
            content = tomllib.loads(statement)
        except ValueError:
            continue
        if statement.lstrip().startswith("["):
            table = _heading(content, counts)
            yield from ((table[:depth], start) for depth in range(1, len(table) + 1))
        else:
            yield from (((*table, *way), start) for way in _ways(content))
        statement, start = "", number + 1


def _heading(content: dict[str, Any], counts: dict[tuple[str, ...], int]) -> tuple[str, ...]:
    """The way that `[a.b]` or `[[a.b]]` opens; tables of an array are counted."""
    path: tuple[str, ...] = ()
    value: Any = content
    while value:
        ((name, value),) = value.items()
        path = (*path, name)
        if isinstance(value, list):
            counts[path] = counts.get(path, -1) + 1
            return (*path, str(counts[path]))
        if path in counts:
            path = (*path, str(counts[path]))
    return path


def _ways(value: Any) -> Iterator[tuple[str, ...]]:
    """The way to everything in a value."""
    for key, inner in _items(value):
        yield (str(key),)
        yield from ((str(key), *way) for way in _ways(inner))


def _items(value: Any) -> Iterable[tuple[str | int, Any]]:
    """What is in a table or an array, by key or place."""
    return value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()


def _keys_beside(model: type[BaseModel], location: Keys) -> list[str]:
    """Return the keys that a model knows in the table of a location's last key, sorted."""
    schema = _schema(model)
    tables = _members(schema, schema)
    for key in location[:-1]:
        found = [inner for table in tables for inner in _parts(table, key)]
        # A location also has the names of members of unions, which lead nowhere.
        tables = [member for inner in found for member in _members(inner, schema)] or tables
    return sorted({name for table in tables for name in table.get("properties", ())})


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _members(part: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The forms that a part of a JSON schema can have."""
    if "$ref" in part:
        return _members(schema["$defs"][part["$ref"].rpartition("/")[2]], schema)
    forms = [*part.get("anyOf", ()), *part.get("oneOf", ())]
    return [member for form in forms for member in _members(form, schema)] or [part]


def _parts(table: dict[str, Any], key: str | int) -> Iterator[dict[str, Any]]:
    """The schema of what a table or an array has under a key."""
    part = table.get("items") if isinstance(key, int) else table.get("properties", {}).get(key)
    other = part or (table.get("additionalProperties") if isinstance(key, str) else None)
    if isinstance(other, dict):
        yield other


def _location(fault: ErrorDetails) -> Keys:
    """Where a fault is; that of a table of unknown kind is in the key that says the kind."""
    if fault["type"] in ("union_tag_not_found", "union_tag_invalid"):
        return (*fault["loc"], fault["ctx"]["discriminator"].strip("'"))
    return [key for key in fault["loc"] if key != "[key]"]


def fault_message(fault: ErrorDetails, model: type[BaseModel]) -> str:
    """Say what a model finds wrong with a key; an unknown one may stand for one that the same table can have."""
    key = str(fault["loc"][-1]) if fault["loc"] else ""
    match fault["type"]:
        case "missing" | "union_tag_not_found":
            return "this key is missing"
        case "too_short":
            return "must not be empty"
        case "extra_forbidden":
            known = _keys_beside(model, fault["loc"])
            longer = [name for name in known if len(key) > 2 and name.startswith(key)]
            nearest = " or ".join(longer[:3] or get_close_matches(key, known, n=1))
            return f"unknown key{f' (did you mean {nearest}?)' if nearest else ''}"
        case "union_tag_invalid":
            return f"'{fault['ctx']['tag']}' is not one of {fault['ctx']['expected_tags']}"
        case "value_error":
            return str(fault["ctx"]["error"])
        case "int_parsing" | "int_from_float":
            return "must be a valid integer"
        case "tuple_type" | "list_type":
            return "must be an array"
        case "string_pattern_mismatch":
            return f"{str(fault['input'])[:80]!r} does not match the pattern {fault['ctx']['pattern']}"
    return in_our_words(fault["msg"])
