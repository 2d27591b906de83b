"""JSON files of a stated form: written so that differences read well, read without trusting them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from suite.errors import BadResult

FORMAT: Literal[1] = 1
DECIMALS = 10
LARGEST_JSON = 16 << 20
DEEPEST_JSON = 64
MOST_VALUES = 300_000
MOST_FAULTS = 1000
"""Beyond that they are counted, not listed: a list of each wrong value would need gigabytes."""

Count: TypeAlias = Annotated[int, Field(ge=0, lt=1 << 31)]

_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_LONG_INTEGER = re.compile(rb"(?<![\d.])\d{16,}")


class Record(BaseModel):
    """What is written to a file: frozen, without fields that are not stated, without NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


AnyRecord = TypeVar("AnyRecord", bound=BaseModel)


def read_record(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    """Read one JSON file of a stated form.

    :raises BadResult: it is not there, too large, nested too deeply, not JSON, or not of this form.
    """
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise BadResult(f"{path} is larger than {LARGEST_JSON >> 20} MiB; no result is.")
        data = path.read_bytes()
        _check_json(data)
        return kind.model_validate_json(data)
    except OSError as error:
        raise BadResult(f"{path} cannot be read. {error.strerror}.") from error
    except (ValidationError, ValueError) as error:
        raise BadResult(f"{path} is no {kind.__name__.lower()} of format {FORMAT}: {_first_fault(error)}.") from error


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record with sorted keys and fixed rounding, whole or not at all."""
    text = _dump(_rounded(record.model_dump(mode="json"))) + "\n"
    write_whole(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file beside its place, then put it there: it is whole or not there at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _check_json(data: bytes) -> None:
    """Refuse what would cost a parser much before it is parsed."""
    if data.count(b'"') > 4 * MOST_VALUES:
        raise ValueError(f"it has more than {MOST_VALUES:,} values")
    outside = _STRINGS.sub(b"", data)
    if _LONG_INTEGER.search(outside):
        raise ValueError("it has a number of more than 15 digits")
    if outside.count(b",") > MOST_VALUES:
        raise ValueError(f"it has more than {MOST_VALUES:,} values")
    brackets = np.frombuffer(outside.translate(None, _NO_BRACKETS), np.uint8)
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1).astype(np.int8)
    if np.cumsum(steps, dtype=np.int32).max(initial=0) > DEEPEST_JSON:
        raise ValueError(f"it is nested more than {DEEPEST_JSON} levels deep")


def _first_fault(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    if error.error_count() > MOST_FAULTS:
        return f"it has {error.error_count():,} faults"
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])[:200] or "the file"
    return f"{where}: {first['msg'][:200]}"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DECIMALS)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value


def _dump(value: Any, indent: str = "") -> str:
    """JSON with sorted keys and a line for each score or row of a table, so that differences read well."""
    deeper = indent + " "
    if isinstance(value, dict) and value:
        lines = [f"{deeper}{json.dumps(key)}: {_dump(value[key], deeper)}" for key in sorted(value)]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(inner, list) for inner in value):
        return "[\n" + ",\n".join(f"{deeper}{_line(row)}" for row in value) + f"\n{indent}]"
    return _line(value)


def _line(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False, sort_keys=True)
