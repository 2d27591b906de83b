"""The field: what others reported on cells of Panglot's tasks, as one flat table in a Parquet file.

A row is one model revision on one cell. Metrics are whole numbers × 100,000, as mteb rounds them; facts of the model
are repeated in each row, which costs nothing in a column with a dictionary. `reported.parquet` beside this module was
made by `panglot import mteb` from a public repository; its metadata names source, commit and licence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from panglot.errors import BadResult
from panglot.fields import check_line, check_name
from panglot.files import write_whole
from panglot.results.parquet import Columns, Form

FILE = "reported.parquet"
SHIPPED = Path(__file__).with_name(FILE)

SCALE = 100_000
UNKNOWN = -1
"""A metric or a number of a model that is not reported."""

METRICS = {
    "ndcg@10": "ndcg_at_10",
    "map@1000": "map_at_1000",
    "mrr@10": "mrr_at_10",
    "recall@1": "recall_at_1",
    "recall@10": "recall_at_10",
    "recall@100": "recall_at_100",
}
"""Metrics of a row, and their names in mteb."""

NAMES = ("model", "revision")
KEY = ("task", *NAMES)
"""What a row is about; a later import replaces the rows of the same key."""
TEXTS = (*KEY, "query", "candidate", "data_revision", "mteb_version", "date")
FACTS = ("weights", "licence", "released", "similarity", "modalities", "link", "training")
SIZES = ("parameters", "dimension", "max_length")

_TEXT = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    dict.fromkeys(TEXTS, _TEXT)
    | dict.fromkeys(METRICS, pa.int32())
    | dict.fromkeys(FACTS, _TEXT)
    | dict.fromkeys(SIZES, pa.int64())
)
PLAIN = pa.schema([(f.name, pa.string() if f.type == _TEXT else f.type) for f in SCHEMA])
"""The same with plain texts: rows whose dictionaries differ cannot be sorted together."""
ORDER = [(name, "ascending") for name in (*KEY, "query", "candidate")]


class Facts(NamedTuple):
    """What is stated about a model; empty or UNKNOWN where nothing is."""

    weights: str = "unknown"
    licence: str = "unknown"
    released: str = ""
    similarity: str = ""
    modalities: str = "text"
    link: str = ""
    parameters: int = UNKNOWN
    dimension: int = UNKNOWN
    max_length: int = UNKNOWN


class Field(NamedTuple):
    """Rows of `SCHEMA`, in `ORDER`, and where they are from."""

    rows: pa.Table
    source: str = ""

    def models(self) -> dict[str, int]:
        """The number of model revisions on each task."""
        keys = self.rows.select(KEY).group_by(list(KEY)).aggregate([])
        counts = keys["task"].cast(pa.string()).value_counts().to_pylist()
        return {count["values"]: count["counts"] for count in counts}

    def of(self, task: str) -> pa.Table:
        """The rows of one task."""
        return self.rows.filter(pc.equal(self.rows["task"].cast(pa.string()), task))


def field_of(rows: Iterable[Mapping[str, Any]], source: str = "") -> Field:
    """A field from rows with the columns of `SCHEMA`."""
    return Field(_ordered(pa.Table.from_pylist(list(rows), PLAIN)), source)


def merge(field: Field, newer: Field) -> Field:
    """Both fields; rows of `newer` replace those of the same task, model and revision."""
    old, new = (_keys(each.rows) for each in (field, newer))
    kept = field.rows.filter(pc.invert(pc.is_in(old, value_set=new.unique())))
    rows = pa.concat_tables([kept.cast(PLAIN), newer.rows.cast(PLAIN)])
    return Field(_ordered(rows), "; ".join(dict.fromkeys(filter(None, (newer.source, field.source)))))


def write_field(path: Path, field: Field) -> None:
    """Write a field whole or not at all, its source in the metadata of the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = field.rows.replace_schema_metadata({"source": field.source})
    texts = [*TEXTS, *FACTS]
    write_whole(
        path,
        lambda unfinished: pq.write_table(
            table, unfinished, 1 << 20, compression="zstd", compression_level=19, use_dictionary=texts
        ),
    )


def read_field(path: Path) -> Field:
    """Read a field; nothing in the file is trusted.

    :raises BadResult: it is not such a file, or a name or number in it is not valid.
    """
    columns = Columns(path, lambda _: Form(dict(zip(SCHEMA.names, SCHEMA.types, strict=True))))
    found: dict[str, pa.Array] = {}
    for name, type_ in zip(SCHEMA.names, SCHEMA.types, strict=True):
        if pa.types.is_dictionary(type_):
            codes, names = columns.texts(name)
            _check_texts(path, name, names)
            found[name] = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(names, pa.string()))
        else:
            numbers = columns.numbers(name)
            if numbers.size and (numbers.min() < UNKNOWN or (name in METRICS and numbers.max() > SCALE)):
                raise BadResult(f"{path.name}: column {name} has a number out of range.")
            found[name] = pa.array(numbers, type_)
    source = columns.metadata.get(b"source", b"")[:1000].decode(errors="replace")
    return Field(pa.table(found, schema=SCHEMA), source)


@cache
def shipped_field() -> Field:
    """The field that comes with the package."""
    return read_field(SHIPPED)


def read_fields(folder: Path) -> Field:
    """The field that comes with the package, and what was imported into a folder of submissions.

    :raises BadResult: the imported file is not valid.
    """
    path = folder / FILE
    return merge(shipped_field(), read_field(path)) if path.exists() else shipped_field()


class Reported(NamedTuple):
    """One model revision on one task: what it scored on each cell, by query and candidate language, and its facts."""

    model: str
    revision: str
    cells: dict[tuple[str, str], float]
    facts: dict[str, Any]
    """`TEXTS`, `FACTS` and `SIZES`, the same on all its cells; None where unknown."""


def reported_on(field: Field, task: str, metric: str) -> list[Reported]:
    """The models of a field on one task, by name, with one of `METRICS`."""
    rows = field.of(task)
    if not len(rows):
        return []
    keys = _keys(rows).to_numpy(zero_copy_only=False)
    starts = [0, *(np.flatnonzero(keys[1:] != keys[:-1]) + 1).tolist(), len(rows)]
    pairs = list(zip(*(rows[name].cast(pa.string()).to_pylist() for name in ("query", "candidate")), strict=True))
    values = values_of(rows, metric).tolist()
    about = rows.take(starts[:-1]).select([*TEXTS, *FACTS, *SIZES]).to_pylist()
    found = []
    for start, stop, facts in zip(starts, starts[1:], about, strict=False):
        cells = {
            pair: value for pair, value in zip(pairs[start:stop], values[start:stop], strict=True) if value == value
        }
        known = {name: None if value in ("", UNKNOWN) else value for name, value in facts.items()}
        found.append(Reported(facts["model"], facts["revision"], cells, known))
    return found


def values_of(rows: pa.Table, metric: str) -> np.ndarray:
    """A metric of each row as a share, float64 [rows]; NaN where it is not reported."""
    numbers = rows[metric].to_numpy()
    return np.where(numbers == UNKNOWN, np.nan, numbers / SCALE)


def _check_texts(path: Path, column: str, texts: Iterable[str]) -> None:
    check = check_name if column in NAMES else check_line
    for text in texts:
        try:
            check(text)
        except ValueError as error:
            raise BadResult(f"{path.name}: column {column}: {text[:80]!a} {error}.") from error


def _keys(rows: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(*(rows[name].cast(pa.string()) for name in KEY), "\0")


def _ordered(rows: pa.Table) -> pa.Table:
    return rows.sort_by(ORDER).cast(SCHEMA).combine_chunks()
