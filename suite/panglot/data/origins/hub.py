"""Fetch image-text data sets from the Hugging Face Hub as the two tables that `panglot.data.readers.captions` reads.

Rows are streamed: if all languages share the same images, only one copy is fetched, and only one row group is in memory
at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from panglot.errors import MissingData, require
from panglot.progress import Progress, silent

ROW_GROUP = 64
"""Number of images in memory at a time."""


@dataclass(frozen=True)
class HubSet:
    """The location of a data set on the Hub and the names of its columns.

    `columns` maps each split to the caption column of each language, which has a string or a list of strings. Without
    an `id` column the row number is the id. If `shared`, all splits have the same images.
    """

    path: str
    revision: str
    columns: Mapping[str, Mapping[str, str]]
    id: str = ""
    locale: str = ""
    shared: bool = False

    def fetch(self, folder: Path, progress: Progress = silent) -> None:
        """Write `images.parquet` and `texts.parquet` into a folder.

        :raises MissingExtra: the library datasets is not installed.
        :raises MissingData: the Hub cannot be reached, or does not have the data set.
        """
        require("datasets", "image", f"The data set {self.path}")
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        shown = pa.schema({"id": pa.string(), "locale": pa.string(), "image": pa.binary()})
        schema = pa.schema({"id": pa.string(), "lang": pa.string(), "text": pa.string()})
        with (
            ParquetWriter(folder / "images.parquet", shown) as images,
            ParquetWriter(folder / "texts.parquet", schema) as texts,
        ):
            seen = set[str]()
            for number, (split, columns) in enumerate(self.columns.items()):
                with_images = number == 0 or not self.shared
                for rows in _chunks(self._rows(split, columns, with_images)):
                    new = [row for row in rows if with_images and row["id"] not in seen]
                    seen |= {row["id"] for row in new}
                    images.write_table(pa.Table.from_pylist(new, shown))
                    texts.write_table(pa.Table.from_pylist(list(_captions(rows)), schema))

    def _rows(self, split: str, columns: Mapping[str, str], with_images: bool) -> Iterator[dict[str, Any]]:
        """Yield the rows of one split: id, locale, image bytes, and captions by language."""
        from datasets import load_dataset

        wanted = [*columns.values(), *filter(None, (self.id, self.locale)), *(["image"] if with_images else [])]
        try:
            data = load_dataset(self.path, split=split, revision=self.revision, streaming=True)
            for number, row in enumerate(data.select_columns(wanted).decode(False)):
                yield {
                    "id": str(row[self.id]) if self.id else str(number),
                    "locale": row[self.locale] if self.locale else "",
                    "image": row["image"]["bytes"] if with_images else None,
                    "captions": {language: row[column] for language, column in columns.items()},
                }
        except (OSError, ValueError) as error:
            raise MissingData(
                f"{self.path} at revision {self.revision} cannot be read from the Hugging Face Hub "
                f"({type(error).__name__}: {str(error)[:200]}). Check the network. The partial download was discarded."
            ) from error


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk = list[dict[str, Any]]()
    for row in rows:
        chunk.append(row)
        if len(chunk) == ROW_GROUP:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _captions(rows: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    for row in rows:
        for language, captions in row["captions"].items():
            for text in [captions] if isinstance(captions, str) else captions:
                yield {"id": row["id"], "lang": language, "text": text}
