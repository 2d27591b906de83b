"""Rows as the Parquet tables that `panglot.data.readers.captions` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROW_GROUP = 128
"""Rows that are read together: of a table of images few enough to be in memory."""


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], types: Mapping[str, str] = {}) -> None:
    """Write rows of the same columns; a column without a type is what its values are."""
    import pyarrow as pa
    from pyarrow.parquet import write_table

    columns = {name: pa.array([row[name] for row in rows], types.get(name)) for name in rows[0]}
    write_table(pa.table(columns), path, row_group_size=ROW_GROUP)
