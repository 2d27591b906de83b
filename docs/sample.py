"""Make the sample of training data that the package carries anew: python docs/sample.py (needs the data folder)."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from panglot.files import data_root
from panglot.train.data.sample import SAMPLE
from panglot.train.recipes.recipe import LANGUAGES

DOCUMENTS = 40
EMOJI = 100


def main() -> None:
    """Write the first documents of NTREX and every eighth emoji of the train split, in the languages of XQuAD-R."""
    root = data_root()
    if root is None:
        sys.exit("Set PANGLOT_DATA to the data folder.")
    sentences = _rows(root / "train" / "ntrex.parquet", lambda row: row["lang"] in LANGUAGES)
    documents = sorted({row["doc"] for row in sentences})[:DOCUMENTS]
    _write(SAMPLE / "ntrex.parquet", [row for row in sentences if row["doc"] in documents])
    images = _rows(root / "emoji" / "images.parquet", lambda row: row["split"] == "train")
    images = images[:: len(images) // EMOJI][:EMOJI]
    kept = {row["id"] for row in images}
    _write(SAMPLE / "emoji-images.parquet", [{name: row[name] for name in ("id", "png", "split")} for row in images])
    texts = _rows(root / "emoji" / "texts.parquet", lambda row: row["id"] in kept and row["lang"] in LANGUAGES)
    _write(SAMPLE / "emoji-texts.parquet", texts)


def _rows(path: Path, wanted: Any) -> list[dict[str, Any]]:
    return [row for row in pq.read_table(path).to_pylist() if wanted(row)]


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows)), path, compression="zstd", compression_level=19)


if __name__ == "__main__":
    main()
