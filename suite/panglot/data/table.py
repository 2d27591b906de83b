"""Write the Parquet tables that `panglot.data.readers.captions` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROW_GROUP = 128
"""Rows read together; few enough that a group of images fits in memory."""


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], types: Mapping[str, str] = {}) -> None:
    """Write rows that have the same columns; the type of a column without one in `types` follows from its values."""
    import pyarrow as pa
    from pyarrow.parquet import write_table

    columns = {name: pa.array([row[name] for row in rows], types.get(name)) for name in rows[0]}
    write_table(pa.table(columns), path, row_group_size=ROW_GROUP)
