"""A recipe that trains in a second, and its data."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

RECIPE = """
name = "small"
languages = ["de", "en", "zh"]
evaluation = ["starter"]
[text]
kind = "static"
dimension = 16
vocabulary = 300
[[data]]
name = "own"
source = "SOURCE"
language = "lang"
group = "id"
[training]
steps = 6
batch = 8
learning_rate = 0.05
checkpoint_every = 2
"""


def write_recipe(folder: Path) -> Path:
    """Write `small.toml`, and beside it forty questions with their answers in three languages."""
    rows = [
        {"query": f"{x} question{n}", "passage": f"{x} answer{n} of {x} question{n}", "lang": x, "id": str(n)}
        for n in range(40)
        for x in ("de", "en", "zh")
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet")
    path = folder / "small.toml"
    path.write_text(RECIPE.replace("SOURCE", str(folder / "rows.parquet")), encoding="utf-8")
    return path
