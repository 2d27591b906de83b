"""Files that are small and would unfold to much."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import compute

from panglot.results.parquet import MOST_TEXTS

MORE_TEXTS = MOST_TEXTS + 1


def bombs(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Files that are small and would unfold to much, by the name of the file of a submission that each replaces."""
    for text in (
        b'{"a":' * 200_000,
        b"[" * 1_000_000,
        b'{"format":' + b"1" * 15_000_000,
        b"[" + b"[]," * 5_000_000 + b"[]]",
    ):
        yield "starter.de-en.json", text
    yield "starter.de-en.json", b'{"pairs":{"map":[' + b"[]," * 5_000_000 + b"[]]}}"
    for text in (b'"\\"', b"[1", b"{}1", b'"":'):
        yield "starter.de-en.json", text * 5_000_000
    yield "card.json", b'{"training":{' + b",".join(b'"%d":"x"' % n for n in range(1_000_000)) + b"}}"
    yield "card.json", b'{"languages":[' + b'"en",' * 3_000_000 + b'"en"]}'
    yield "card.json", b" " * (65 << 20)
    top = pq.read_table(folder / "starter.de-en.top100.parquet")
    evidence = pq.read_table(folder / "starter.de-en.evidence.parquet")
    name = "starter.de-en.top100.parquet"
    yield name, _parquet(top.take(np.zeros(8 << 20, np.int64)))
    long = pa.DictionaryArray.from_arrays(np.zeros(len(top), np.int32), pa.array(["x" * (65 << 20)]))
    yield name, _parquet(top.set_column(1, "candidate", long))
    codes = pa.DictionaryArray.from_arrays(np.zeros(len(top), np.int32), _numbers(20))
    yield name, _parquet(top.set_column(1, "candidate", codes))
    different = pa.DictionaryArray.from_arrays(np.arange(MORE_TEXTS, dtype=np.int32), _numbers(9))
    columns = [different, different, different, pa.array(np.zeros(MORE_TEXTS, "f"))]
    yield name, _parquet(pa.table(columns, schema=top.schema))
    single = pa.DictionaryArray.from_arrays(np.zeros(len(top), np.int32), top["query"].chunk(0).dictionary)
    yield name, _parquet(top.set_column(0, "query", single))
    for metadata in (
        {"sizes": "[" * 500_000},
        {"sizes": '{"de": 1e400}'},
        {"sizes": '{"de": 9999999999999}'},
        {"x": "y" * (2 << 20)},
    ):
        yield "starter.de-en.evidence.parquet", _parquet(evidence.replace_schema_metadata(metadata))
    wide = pa.table({f"c{n}": pa.array([1], pa.int32()) for n in range(3000)})
    yield name, _parquet(wide)
    groups = evidence.set_column(2, "group", pa.array(np.full(len(evidence), (1 << 31) - 1, np.int32)))
    yield "starter.de-en.evidence.parquet", _parquet(groups)
    data = bytearray((folder / name).read_bytes())
    for at in range(4, 60):
        lying = bytearray(data)
        lying[at : at + 5] = b"\xfe\xff\xff\xff\x0f"
        if at % 8 == 0:
            yield name, bytes(lying)


def _numbers(width: int) -> pa.Array:
    """Different texts of a width."""
    return compute.utf8_lpad(pa.array(np.arange(MORE_TEXTS)).cast(pa.string()), width, "0")


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
