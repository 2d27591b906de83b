"""Fetch image-text data sets from the Hugging Face Hub as the two tables that `panglot.data.readers.captions` reads.

Rows are streamed: if all languages share the same images, only one copy is fetched, and only one row group is in memory
at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from shutil import rmtree
from typing import Any

from panglot.data.origins.hub_rows import HubData
from panglot.files import write_whole
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

    def fetch(self, folder: Path, progress: Progress = silent, name: str = "") -> None:
        """Write `images.parquet` and `texts.parquet` into a folder; splits that an earlier attempt left are kept.

        :raises MissingExtra: the library datasets is not installed.
        :raises MissingData: the Hub cannot be reached, or does not have the data set.
        """
        pieces, data = folder / "pieces", HubData(self.path, self.revision, "image")
        pieces.mkdir(exist_ok=True)
        with progress(f"fetching {self.path}", len(self.columns)) as advance:
            for number, (split, columns) in enumerate(self.columns.items()):
                if not (pieces / f"{number}-texts").is_file():
                    self._fetch(data, pieces, number, split, columns)
                advance(1)
        for table in ("images", "texts"):
            parts = [pieces / f"{number}-{table}" for number in range(len(self.columns))]
            write_whole(folder / f"{table}.parquet", partial(_join, parts))
        rmtree(pieces)

    def _fetch(self, data: HubData, folder: Path, number: int, split: str, columns: Mapping[str, str]) -> None:
        """Write the images and then the captions of one split."""
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        shown = pa.schema({"id": pa.string(), "locale": pa.string(), "image": pa.binary()})
        schema = pa.schema({"id": pa.string(), "lang": pa.string(), "text": pa.string()})
        with_images = number == 0 or not self.shared

        def write(path: Path) -> None:
            with ParquetWriter(folder / f"{number}-images", shown) as images, ParquetWriter(path, schema) as texts:
                for rows in _chunks(self._rows(data, split, columns, with_images)):
                    images.write_table(pa.Table.from_pylist(rows if with_images else [], shown))
                    texts.write_table(pa.Table.from_pylist(list(_captions(rows)), schema))

        write_whole(folder / f"{number}-texts", write)

    def _rows(
        self, data: HubData, split: str, columns: Mapping[str, str], with_images: bool
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of one split: id, locale, image bytes, and captions by language."""
        wanted = [*columns.values(), *filter(None, (self.id, self.locale)), *(["image"] if with_images else [])]
        for number, row in enumerate(data.rows(None, split, wanted)):
            yield {
                "id": str(row[self.id]) if self.id else str(number),
                "locale": row[self.locale] if self.locale else "",
                "image": row["image"]["bytes"] if with_images else None,
                "captions": {language: row[column] for language, column in columns.items()},
            }


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while chunk := list(islice(rows, ROW_GROUP)):
        yield chunk


def _captions(rows: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    for row in rows:
        for language, captions in row["captions"].items():
            for text in [captions] if isinstance(captions, str) else captions:
                yield {"id": row["id"], "lang": language, "text": text}


def _join(parts: Iterable[Path], path: Path) -> None:
    """Write the rows of several tables into one; of images with the same id, only the first is kept."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile, ParquetWriter

    files = [ParquetFile(part) for part in parts]
    seen = set[str]()
    with ParquetWriter(path, files[0].schema_arrow) as writer:
        for table in chain.from_iterable(map(_row_groups, files)):
            if "image" in table.column_names:
                first = {id_: place for place, id_ in reversed(list(enumerate(table["id"].to_pylist())))}
                new = sorted(place for id_, place in first.items() if id_ not in seen)
                seen |= first.keys()
                table = table.take(pa.array(new, pa.int64()))
            writer.write_table(table)


def _row_groups(file: Any) -> Iterator[Any]:
    return (file.read_row_group(group) for group in range(file.num_row_groups))
