"""Fetch retrieval sets from the Hugging Face Hub in the form that mteb uses, as tables for `readers.retrieval`.

A set has three configurations, `corpus`, `queries` and `qrels`, or three for each of its subsets, which are mostly
languages: `de-corpus`, `de-queries`, `de-qrels`. Each is written to one Parquet file, with limits on its size.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from panglot.data.origins.hub_rows import HubData
from panglot.errors import BadData
from panglot.files import DEVICES, write_whole
from panglot.progress import Progress

ROW_GROUP = 64
"""Number of rows in memory at a time, as they can hold images."""

TEST = "test"
"""The split that is read if none is named."""

WHOLE = "all"
"""The folder of a set without subsets."""

MOST_ROWS = 5_000_000
LONGEST_TEXT = 1_000_000
LARGEST_IMAGE = 64 << 20
MOST_BYTES = 64 << 30
"""Texts and images in one table; a set can declare any size, and the disk is the user's."""

_PLAIN = re.compile(rf"(?!(?:{DEVICES})(?:\.|$))\w(?:[\w.-]{{0,98}}[\w-])?", re.ASCII | re.IGNORECASE)

ITEM = ("id", "text", "image")
JUDGEMENT = ("query", "candidate", "gain")


class Configs(NamedTuple):
    """The configurations of one subset."""

    corpus: str
    queries: str
    qrels: str


@dataclass(frozen=True)
class HubTables:
    """The location of a retrieval set: a data set at a commit, the split, and the subset of each language.

    The subset is empty if the set has no subsets. A named split is that of the judgements, and of the texts unless they
    have a single split; without a name, it is `test` or the only one. If `shared`, all languages have the candidates of
    the first subset; languages in `asking` have queries only. `configs` and `images` name the configurations if they
    are not those of mteb; like `split`, they can contain `{subset}`. `judged` is the data set, and its commit, with the
    queries and the qrels if they are not with the corpus. `columns` has, for each part, the columns that are not named
    as in mteb.
    """

    path: str
    revision: str
    split: str
    subsets: Mapping[str, str]
    shared: bool = False
    configs: Sequence[str] | None = None
    images: str = ""
    asking: Collection[str] = ()
    judged: tuple[str, str] | None = None
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def files(self) -> dict[str, tuple[str, str]]:
        """Return the file of each part, without a hash.

        Files are named by subset: two subsets can be of one language, and the language can be chosen by the user.
        """
        folders = {language: _folder(subset) for language, subset in self.subsets.items()}
        # Judgements first: they show whether the split exists, before texts are fetched.
        parts = [part for part in reversed(Configs._fields) if not (self.shared and part == "corpus")]
        files = {
            f"{language}.{part}": f"{folder}/{part}.parquet"
            for language, folder in folders.items()
            for part in (("queries",) if language in self.asking else parts)
        }
        if self.shared:
            files["corpus"] = f"{next(iter(folders.values()))}/corpus.parquet"
        return {part: (file, "") for part, file in files.items()}

    def __call__(self, folder: Path, progress: Progress, name: str) -> None:
        """Write the file `name` into a folder: `SUBSET/PART.parquet`.

        :raises MissingExtra: the library datasets is not installed.
        :raises MissingData: the Hub cannot be reached, or does not have the set, the configuration or the split.
        :raises BadData: a row is not of this form, or a limit is exceeded.
        """
        place, _, file = name.rpartition("/")
        subset = next(subset for subset in self.subsets.values() if _folder(subset) == place)
        part = file.removesuffix(".parquet")
        data = HubData(*(self.judged if self.judged and part != "corpus" else (self.path, self.revision)))
        config = self._config(data, subset, part)
        where = f"{data.path} ({config})"
        with progress(f"fetching {where}", 0) as advance:
            rows = self._rows(data, config, subset, exact=part == "qrels")
            if part == "corpus" and self.images:
                rows = _with_images(rows, self._rows(data, _named(self.images, subset), subset))
            read, columns = (_judgement, JUDGEMENT) if part == "qrels" else (_item, ITEM)
            named = partial(_renamed, read, self.columns.get(part, {}))
            write_whole(folder / name, partial(_write, _checked(rows, named, where, advance), columns))

    def _config(self, data: HubData, subset: str, part: str) -> str:
        if self.configs:
            return _named(self.configs[Configs._fields.index(part)], subset)
        found: str = getattr(configs_of(data.configs() if not subset else (), subset), part)
        return found

    def _rows(self, data: HubData, config: str, subset: str, exact: bool = False) -> Iterator[Mapping[str, Any]]:
        wanted, splits = _named(self.split, subset), data.splits(config)
        chosen = wanted or TEST
        if chosen not in splits and len(splits) == 1 and not (wanted and exact):
            chosen = splits[0]
        if chosen not in splits:
            raise BadData(
                f"{data.path} ({config}) has no split '{chosen}', but {', '.join(splits)}. Name one of these."
            )
        return data.rows(config, chosen)


def _folder(subset: str) -> str:
    """The folder of a subset: its name, which the data set chose, or its hash if that can be no folder everywhere."""
    return (subset if _PLAIN.fullmatch(subset) else sha256(subset.encode()).hexdigest()[:16]) if subset else WHOLE


def _named(name: str, subset: str) -> str:
    return name.replace("{subset}", subset)


def _renamed(
    read: Callable[[Mapping[str, Any]], Sequence[Any]], columns: Mapping[str, str], row: Mapping[str, Any]
) -> Sequence[Any]:
    return read({**row, **{name: row[column] for name, column in columns.items()}})


def _with_images(
    corpus: Iterator[Mapping[str, Any]], images: Iterator[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """Yield the images of a corpus with the id of their page; they are named by `file_name`, pages by `image_id`."""
    ids = {str(row["image_id"]): row["_id"] for row in corpus}
    for row in images:
        yield {"id": ids[str(row["file_name"])], "image": row["image"]}


def configs_of(names: Sequence[str], subset: str) -> Configs:
    """Return the configurations of a subset, as mteb names them."""
    if subset:
        return Configs(f"{subset}-corpus", f"{subset}-queries", f"{subset}-qrels")
    return Configs("corpus", "query" if "query" in names else "queries", "qrels" if "qrels" in names else "default")


def _checked(
    rows: Iterator[Mapping[str, Any]],
    read: Callable[[Mapping[str, Any]], Sequence[Any]],
    where: str,
    advance: Callable[[int], object],
) -> Iterator[Sequence[Any]]:
    """Yield what is read from each row, within the limits."""
    total, number = 0, -1
    for number, row in enumerate(rows):
        try:
            found = read(row)
        except (KeyError, TypeError, ValueError) as error:
            reason = f"the column {error} is missing" if isinstance(error, KeyError) else str(error)
            raise BadData(f"{where}, row {number}: {' '.join(reason.split())}. Found: {', '.join(row)}.") from error
        total += sum(len(value) for value in found if isinstance(value, str | bytes))
        if number >= MOST_ROWS or total > MOST_BYTES:
            limits = f"{MOST_ROWS:,} rows or {MOST_BYTES >> 30} GiB of texts and images"
            raise BadData(f"{where} has more than {limits}, which is the limit.")
        yield found
        advance(1)
    if number < 0:
        raise BadData(f"{where} has no rows.")


def _item(row: Mapping[str, Any]) -> Sequence[Any]:
    """Return id, text and image file of a query or a candidate; an image is used rather than its text."""
    id_ = _id(row["id"] if "id" in row else row["_id"])
    image = row.get("image")
    if isinstance(image, Mapping):
        image = image.get("bytes")
    if image is not None and not (isinstance(image, bytes) and 0 < len(image) <= LARGEST_IMAGE):
        raise ValueError(f"the image is not a file of at most {LARGEST_IMAGE >> 20} MiB")
    if image is not None:
        return id_, "", image
    text, title = row["text"], row.get("title") or ""
    if not isinstance(text, str) or not isinstance(title, str):
        raise TypeError("text and title must be strings")
    if len(text) + len(title) > LONGEST_TEXT:
        raise ValueError(f"a text is longer than {LONGEST_TEXT:,} characters")
    return id_, f"{title}\n{text}" if title else text, None


def _judgement(row: Mapping[str, Any]) -> Sequence[Any]:
    score = math.nan if row["score"] is None else float(row["score"])
    if not math.isfinite(score):
        raise ValueError(f"the score must be a finite number, not {row['score']}")
    return _id(row["query-id"]), _id(row["corpus-id"]), score


def _id(value: Any) -> str:
    if not isinstance(value, str | int):
        raise TypeError(f"ids must be strings or integers, not {value}")
    return str(value)


def _write(rows: Iterator[Sequence[Any]], columns: Sequence[str], path: Path) -> None:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    types = {"image": pa.binary(), "gain": pa.float64()}
    schema = pa.schema({name: types.get(name, pa.string()) for name in columns})
    with ParquetWriter(path, schema) as writer:
        while chunk := list(islice(rows, ROW_GROUP)):
            writer.write_table(pa.table([list(column) for column in zip(*chunk, strict=True)], schema=schema))
