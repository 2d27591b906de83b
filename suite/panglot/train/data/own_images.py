"""Custom images with captions: a folder with a table, a Parquet file, or a Hub data set with images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from panglot.data.image import find_damaged, in_memory
from panglot.errors import BadData
from panglot.files import real_path
from panglot.languages import canonical
from panglot.train.data.pairs import ImageCaption
from panglot.train.data.tables import Row, Table, first_few, read_table
from panglot.train.recipes.recipe import ImageData

TABLES = ("captions.csv", "captions.tsv", "captions.jsonl", "captions.parquet", "metadata.csv", "metadata.jsonl")
"""File names of the table in an image folder; `metadata` is the name used by `datasets`."""


class CaptionSet(NamedTuple):
    """Captions, and a function that reads their image files by id."""

    captions: list[ImageCaption]
    images: Callable[[], dict[str, bytes]]


def own_captions(data: ImageData, languages: Sequence[str], skipped: list[str] | None = None) -> CaptionSet:
    """Read the captions of a custom source in the given languages, under any of their codes, with the images.

    Identical images are merged, and their captions count as parallel; the id of an image is the hash of its file. If
    invalid rows are skipped, a message with their number is added to `skipped`.

    :raises MissingData: there is no such source.
    :raises BadData: a row has no caption or no readable image and is not skipped, or no row is in one of the languages.
    """
    source = Path(data.source or "")
    table_file = next((source / name for name in TABLES if (source / name).is_file()), source)
    columns = (data.image, data.caption, data.language)
    table = read_table(data.name, data.model_copy(update={"source": str(table_file)}), columns)
    table.check_columns(*columns)
    folder = table_file.parent if table_file.is_file() else None
    spelling = {canonical(language): language for language in languages}
    captions: list[ImageCaption] = []
    files: dict[str, bytes] = {}
    rows: dict[str, list[Row]] = {}
    seen = set()
    for row in table.rows:
        table.check_width(row)
        language = table.text(row, data.language) if data.language else data.only_language or ""
        caption = table.text(row, data.caption)
        seen.add(language)
        if canonical(language) not in spelling:
            continue
        image = _image_of(table, row, data.image, folder)
        if row.place not in table.bad:
            id_ = hashlib.sha256(image).hexdigest()
            files[id_] = image
            rows.setdefault(id_, []).append(Row(row.place, {}))
            captions.append(ImageCaption(id_, spelling[canonical(language)], caption))
    for id_, fault in find_damaged([in_memory(file) for file in files.values()]).items():
        for row in rows[id_]:
            table.note(row, data.image, "an image", fault)
        del files[id_]
    report = table.check_rows()
    if report and skipped is not None:
        skipped.append(report)
    captions = [caption for caption in captions if caption.image in files]
    if not captions:
        raise BadData(f"{data.name}: {table.source} is in {first_few(seen)}, expected {first_few(languages)}.")
    return CaptionSet(captions, lambda: files)


def _image_of(table: Table, row: Row, column: str, folder: Path | None) -> bytes:
    """The bytes of an image file: the cell's own, or those of the file in the folder whose path the cell holds."""
    value = row.cells.get(column)
    if isinstance(value, dict):  # the image format of `datasets`
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes) and value:
        return value
    if not folder or not isinstance(value, str) or not value:
        table.note(row, column, "an image")
        return b""
    try:
        path = real_path(folder / value)
        if path.is_relative_to(real_path(folder)) and path.is_file():
            return path.read_bytes()
    except (OSError, ValueError):  # no file has such a name: it is too long or has a null character
        pass
    table.note(row, column, "an image", f"{value[:80]!r}, which is not a file in {folder}")
    return b""
