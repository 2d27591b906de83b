"""Files that are small and would unfold to much."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


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
    long = pa.DictionaryArray.from_arrays(np.zeros(len(top), np.int32), pa.array(["x" * (200 << 20)]))
    yield name, _parquet(top.set_column(1, "candidate", long))
    many = pa.array([f"{n:020}" for n in range(3_000_000)]).dictionary_encode()
    codes = pa.DictionaryArray.from_arrays(np.zeros(len(top), np.int32), many.dictionary)
    yield name, _parquet(top.set_column(1, "candidate", codes))
    plain = pa.array([f"{n:09}" for n in range(3_500_000)])
    table = pa.table(
        {"query": plain, "candidate": plain, "candidate_language": plain, "score": np.zeros(len(plain), "f")}
    )
    yield name, _parquet(table.cast(top.schema))
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


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
