"""JSON files of a given form: written so that their diffs are readable, and read without trusting them."""

from __future__ import annotations

import json
import re
import stat
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from panglot.errors import BadResult, in_our_words
from panglot.files import write_whole

FORMAT = 1
DECIMALS = 10
LARGEST_JSON = 16 << 20
MOST_VALUES = 400_000
"""Commas and brackets of a file; the scores of Belebele in 122 languages have a quarter of that."""
MOST_FAULTS = 1000
"""Beyond that they are counted, not listed: a list of each wrong value would need gigabytes."""

Format: TypeAlias = Annotated[int, Field(ge=FORMAT, le=FORMAT)]


class Record(BaseModel):
    """What is written to a file: frozen, without fields that are not stated, without NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


AnyRecord = TypeVar("AnyRecord", bound=BaseModel)


def read_record(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    """Read one JSON file and check it against a model: no duplicate keys, and no value of another type.

    :param kind: the model; its name is in the message of an error
    :raises BadResult: the file is missing, too large, nested too deeply, not JSON, or does not fit the model.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a device has no end, and a pipe may have no beginning
            raise BadResult(f"{path} is not a file.")
        if status.st_size > LARGEST_JSON:
            raise BadResult(f"{path} is larger than {LARGEST_JSON >> 20} MiB, the limit for a result.")
        data = path.read_bytes()
        _check_values(data)
        record = kind.model_validate_json(data, strict=True)
        json.loads(data, object_pairs_hook=_unique)
        return record
    except OSError as error:
        raise BadResult(f"{path} cannot be read. {error.strerror}.") from error
    except (ValidationError, ValueError) as error:
        name = re.sub("(?<!^)(?=[A-Z])", " ", kind.__name__.removesuffix("Record")).lower()
        raise BadResult(f"{path} is not a valid {name} of format {FORMAT}. {first_fault(error)}.") from error


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record atomically."""
    text = record_text(record)
    write_whole(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))


def record_text(record: BaseModel) -> str:
    """Return the JSON text of a record: sorted keys, floats rounded to `DECIMALS`."""
    return _dump(_rounded(record.model_dump(mode="json"))) + "\n"


def _check_values(data: bytes) -> None:
    """Refuse what would cost a parser much before it is parsed; how deep it is nested, the parser bounds itself."""
    if sum(map(data.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise ValueError(f"it has more than {MOST_VALUES:,} values")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, none of whose keys stands in it twice: programs differ in which of the two they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"Duplicate key {twice[:80]!a} in one object")
    return found


def first_fault(error: ValueError) -> str:
    """What is wrong with a record and where, in one sentence without a full stop."""
    if not isinstance(error, ValidationError):
        return str(error)
    if error.error_count() > MOST_FAULTS:
        return f"It has {error.error_count():,} errors"
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    where = ascii(".".join(str(part) for part in first["loc"])[:200])[1:-1]
    what = in_our_words(first["msg"])[:300]
    return f"{where}: {what}" if where else what


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
