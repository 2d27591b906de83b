"""Fetch images from an archive in a data set of the Hugging Face Hub, with captions from text files.

A file has the names of the images, and one for each language their captions, line by line in the same order. The
outcome is the two tables that `panglot.data.readers.captions` reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import rmtree

from panglot.data.origins.hub import ROW_GROUP
from panglot.data.origins.hub_rows import HubData
from panglot.data.origins.packed import MOST_BYTES, Packed, packed_files
from panglot.errors import BadData, MissingData
from panglot.files import write_whole
from panglot.hub import patiently
from panglot.lines import read_all_lines
from panglot.progress import Progress, silent

LARGEST_IMAGE = 64 << 20
LARGEST_TEXT = 64 << 20
TIMEOUT = 60.0
"""Maximum time without any data, in seconds."""


@dataclass(frozen=True)
class CaptionFiles:
    """The files of a data set: `images` is the archive, `names` and each of `captions` a file or a URL."""

    path: str
    revision: str
    images: str
    names: str
    captions: Mapping[str, str]

    def fetch(self, folder: Path, progress: Progress = silent, name: str = "") -> None:
        """Write `images.parquet` and `texts.parquet` into a folder; an interrupted download of the archive goes on.

        :raises MissingExtra: the library datasets is not installed.
        :raises MissingData: the Hub or a URL cannot be reached, or does not have a file.
        :raises BadData: a file is not of this form, an image is missing, or a limit is exceeded.
        """
        pieces, data = folder / "pieces", HubData(self.path, self.revision, "image")
        data.check()
        pieces.mkdir(exist_ok=True)
        with progress(f"fetching {self.path}", len(self.captions) + 2) as advance:
            names = self._names(data, pieces)
            advance(1)
            texts: dict[str, list[str]] = {}
            for language, place in self.captions.items():
                texts[language] = _lines(data, place, pieces, f"{language}.txt")
                if len(texts[language]) != len(names):
                    lines = f"{place} has {len(texts[language]):,} lines"
                    raise BadData(f"{lines}, but there are {len(names):,} images. Each image needs one line.")
                advance(1)
            archive = data.file(self.images, pieces, MOST_BYTES)
            packed = packed_files(archive, names.keys(), LARGEST_IMAGE, f"{self.path}: {self.images}")
            write_whole(folder / "images.parquet", partial(_write_images, packed, names))
            write_whole(folder / "texts.parquet", partial(_write_texts, list(names.values()), texts))
            advance(1)
        rmtree(pieces)

    def _names(self, data: HubData, pieces: Path) -> dict[str, str]:
        """Return the ids of the images, as they are named, by file name."""
        found: dict[str, str] = {}
        for number, id_ in enumerate(_lines(data, self.names, pieces, "names.txt"), start=1):
            file = id_.rpartition("/")[2]
            if not file or file in found:
                fault = f"the image '{id_[:80]}' is named twice" if file else "the name of an image is missing"
                raise BadData(f"{self.names}, line {number}: {fault}.")
            found[file] = id_
        return found


def _lines(data: HubData, place: str, folder: Path, name: str) -> list[str]:
    """Return the lines of a text file of the data set, or at a URL; empty lines at its end are dropped."""
    path = folder / name
    if not place.startswith(("https://", "http://")):
        path = data.file(place, folder, LARGEST_TEXT)
    else:
        content = _download(place)
        write_whole(path, lambda unfinished: unfinished.write_bytes(content))
    lines = [line.rstrip("\r\n") for _, line in read_all_lines(path)]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def _download(url: str) -> bytes:
    from huggingface_hub.utils import get_session

    def read() -> bytes:
        content = bytearray()
        with get_session().stream("GET", url, timeout=TIMEOUT, follow_redirects=True) as response:
            response.raise_for_status()
            for part in response.iter_bytes():
                content += part
                if len(content) > LARGEST_TEXT:
                    raise BadData(f"{url} has more than {LARGEST_TEXT >> 20} MiB, which is the limit of a text file.")
        return bytes(content)

    try:
        return patiently(read)
    except BadData:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise MissingData(f"{url} cannot be read ({reason}). Check the network, or try again later.") from error


def _write_images(packed: Iterator[Packed], ids: Mapping[str, str], path: Path) -> None:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema = pa.schema({"id": pa.string(), "locale": pa.string(), "image": pa.binary()})
    with ParquetWriter(path, schema) as writer:
        for chunk in _chunks(packed):
            rows = [{"id": ids[name], "locale": "", "image": content} for name, content in chunk]
            writer.write_table(pa.Table.from_pylist(rows, schema))


def _chunks(packed: Iterator[Packed]) -> Iterator[list[Packed]]:
    """Yield row groups: fewer images if they are large."""
    chunk, size = list[Packed](), 0
    for file in packed:
        chunk.append(file)
        size += len(file.data)
        if len(chunk) == ROW_GROUP or size > LARGEST_IMAGE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _write_texts(ids: Sequence[str], texts: Mapping[str, Sequence[str]], path: Path) -> None:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    rows = [
        {"id": id_, "lang": language, "text": text}
        for language, lines in texts.items()
        for id_, text in zip(ids, lines, strict=True)
    ]
    schema = pa.schema({"id": pa.string(), "lang": pa.string(), "text": pa.string()})
    write_table(pa.Table.from_pylist(rows, schema), path)
