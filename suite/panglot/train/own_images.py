"""Custom images with captions: a folder with a table, a Parquet file, or a Hub data set with images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from panglot.data.image import Image, find_damaged
from panglot.errors import BadData
from panglot.languages import canonical
from panglot.train.pairs import ImageCaption
from panglot.train.recipe import ImageData
from panglot.train.tables import Table, first_few, read_table

TABLES = ("captions.csv", "captions.tsv", "captions.jsonl", "captions.parquet", "metadata.csv", "metadata.jsonl")
"""File names of the table in an image folder; `metadata` is the name used by `datasets`."""


class CaptionSet(NamedTuple):
    """Captions, and a function that reads their image files by id."""

    captions: list[ImageCaption]
    images: Callable[[], dict[str, bytes]]


def own_captions(data: ImageData, languages: Sequence[str]) -> CaptionSet:
    """Read the captions of a custom source in the given languages, under any of their codes, with the images.

    Identical images are merged, and their captions count as parallel; the id of an image is the hash of its file.

    :raises MissingData: there is no such source.
    :raises BadData: a row has no caption or no readable image, or no row is in one of the languages.
    """
    source = Path(data.source or "")
    table_file = next((source / name for name in TABLES if (source / name).is_file()), source)
    table = read_table(data.name, data.model_copy(update={"source": str(table_file)}))
    table.check_columns(data.image, data.caption, data.language)
    folder = table_file.parent if table_file.is_file() else None
    spelling = {canonical(language): language for language in languages}
    captions: list[ImageCaption] = []
    files: dict[str, bytes] = {}
    first_row: dict[str, int] = {}
    seen = set()
    for row in range(len(table.rows)):
        language = table.text(row, data.language) if data.language else data.only_language or ""
        caption = table.text(row, data.caption)
        seen.add(language)
        if canonical(language) in spelling and (image := _image_of(table, row, data.image, folder)):
            id_ = hashlib.sha256(image).hexdigest()
            files[id_] = image
            first_row.setdefault(id_, row)
            captions.append(ImageCaption(id_, spelling[canonical(language)], caption))
    for id_, fault in find_damaged([Image(id_, partial(bytes, file)) for id_, file in files.items()]).items():
        table.note(first_row[id_], data.image, "an image", fault)
    table.check_rows()
    if not captions:
        raise BadData(f"{data.name}: {table.source} is in {first_few(seen)}, expected {first_few(languages)}.")
    return CaptionSet(captions, lambda: files)


def _image_of(table: Table, row: int, column: str, folder: Path | None) -> bytes:
    """The bytes of an image file: the cell's own, or those of the file in the folder whose path the cell holds."""
    value = table.rows[row].get(column)
    if isinstance(value, dict):  # the image format of `datasets`
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes) and value:
        return value
    if not folder or not isinstance(value, str) or not value:
        table.note(row, column, "an image")
        return b""
    path = (folder / value).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        table.note(row, column, "an image", f"'{value[:80]}', which is not a file in {folder}")
        return b""
    return path.read_bytes()
