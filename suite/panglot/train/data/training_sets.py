"""The training sets that Panglot knows: one function for each reads its file as pairs or captions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from panglot.data.builders.training.fetch import FOLDER as TRAINING
from panglot.errors import MissingData
from panglot.files import DATA_VARIABLE, cache_dir, data_cache, data_root
from panglot.train.data.pairs import ImageCaption, TextPair
from panglot.train.data.sample import SAMPLE
from panglot.train.recipes.recipe import ImageData

Rows = list[dict[str, Any]]

NTREX = "train/ntrex.parquet"


def read_rows(file: str, folder: Path | None = None, languages: Collection[str] = ()) -> Rows:
    """The rows of a Parquet file in a folder; by default in the data folder or, if that lacks it, in the user's cache.

    :param languages: the values of `lang` to read; all by default.
    :raises MissingData: there is no such file.
    """
    # Task files choose folders in the cache of their data, so training sets have another; a data folder has both.
    cached = cache_dir() if file.startswith(f"{TRAINING}/") else data_cache()
    places = [folder] if folder else [place for place in (data_root(), cached) if place]
    path = next((place / file for place in places if (place / file).is_file()), None)
    if path is None:
        raise MissingData(
            f"{places[0] / file} does not exist. Download it by `panglot fetch training`, or set --data-dir or "
            f"{DATA_VARIABLE} to a folder that contains {file}."
        )
    with pq.ParquetFile(path) as read:  # `read_table` imports a quarter of a second more
        table = read.read()
    if languages:
        table = table.filter(pc.is_in(table["lang"], pa.array(languages)))
    columns = [column.to_pylist() for column in table.columns]  # much quicker than a row at a time
    names = table.column_names
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def ntrex(languages: Collection[str] = ()) -> Iterator[TextPair]:
    """Query: a sentence; passage: the sentence with its neighbours in the same document."""
    return _sentences(read_rows(NTREX, languages=languages))


def validation_documents(count: int) -> list[dict[str, list[str]]]:
    """The sentences of `count` NTREX documents by language, in order; the documents are spread evenly over the set."""
    documents: dict[str, dict[str, list[str]]] = {name: defaultdict(list) for name in _held_out(count)}
    for row in sorted(read_rows(NTREX), key=lambda row: row["segment"]) if documents else ():
        if row["doc"] in documents:
            documents[row["doc"]][row["lang"]].append(row["text"])
    return list(documents.values())


def without_validation(entries: Iterable[TextPair], count: int) -> Iterator[TextPair]:
    """The entries of `ntrex` that are not from one of the `validation_documents`."""
    held_out = set(_held_out(count))
    return (entry for entry in entries if (entry.group or "").rpartition(":")[0] not in held_out)


def sentences(languages: Sequence[str], held_out: int, count: int) -> list[tuple[str, str]]:
    """About `count` NTREX sentences in each of these languages, as (language, text), without validation documents."""
    left_out = set(_held_out(held_out))
    by_language: dict[str, list[str]] = {language: [] for language in languages}
    for row in read_rows(NTREX):
        if row["lang"] in by_language and row["doc"] not in left_out:
            by_language[row["lang"]].append(row["text"])
    return [
        (language, text) for language, texts in by_language.items() for text in texts[:: max(1, len(texts) // count)]
    ]


def _held_out(count: int) -> list[str]:
    """The names of `count` documents at equal distances in sorted order; all if there are fewer."""
    ordered = sorted({row["doc"] for row in read_rows(NTREX)}) if count else []
    return [ordered[place * len(ordered) // count] for place in range(count)] if count < len(ordered) else ordered


def ntrex_sample(languages: Collection[str] = ()) -> Iterator[TextPair]:
    """The sample of NTREX that ships with the package."""
    return _sentences(read_rows("ntrex.parquet", SAMPLE, languages))


def _sentences(rows: Rows) -> Iterator[TextPair]:
    documents: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for row in rows:
        documents[row["doc"], row["lang"]][row["segment"]] = row["text"]
    for (document, language), sentences in documents.items():
        for place, sentence in sentences.items():
            around = [sentences[near] for near in (place - 1, place, place + 1) if near in sentences]
            if len(around) > 1:
                yield TextPair(f"{document}:{place}", language, sentence, " ".join(around))


def mkqa_questions(languages: Collection[str] = ()) -> Iterator[TextPair]:
    """Query: a search question; passage: its translations. There are no monolingual pairs."""
    for row in read_rows("train/mkqa_questions.parquet", languages=languages):
        yield TextPair(row["id"], row["lang"], row["question"], row["question"])


def sections(languages: Collection[str] = ()) -> Iterator[TextPair]:
    """Query: a heading; passage: the text below it."""
    for row in read_rows("train/sections.parquet", languages=languages):
        heading = row["heading"] or row["title"]
        if heading:
            yield TextPair(f"{row['source']}:{row['doc']}:{row['section']}", row["lang"], heading, row["text"])


def qa_pairs(languages: Collection[str] = ()) -> Iterator[TextPair]:
    """Query: a question; passage: the one that answers it. Passages of one context overlap.

    Groups are the numbers of rows, so all languages are read.
    """
    for number, row in enumerate(read_rows("train/qa_pairs.parquet")):
        yield TextPair(str(number), row["lang"], row["question"], row["passage"], cluster=row["context_id"])


def terms(languages: Collection[str] = ()) -> Iterator[TextPair]:
    """Query: a name; passage: the name with its synonyms."""
    for row in read_rows("train/terms.parquet", languages=languages):
        if row["synonyms"]:
            described = ", ".join([row["name"], *row["synonyms"]])
            yield TextPair(f"{row['source']}:{row['key']}", row["lang"], row["name"], described)


TEXTS: Mapping[str, Callable[[Collection[str]], Iterator[TextPair]]] = {
    "ntrex": ntrex,
    "ntrex_sample": ntrex_sample,
    "mkqa_questions": mkqa_questions,
    "sections": sections,
    "qa_pairs": qa_pairs,
    "terms": terms,
}


def emoji_captions() -> Iterator[ImageCaption]:
    """Names and keywords of the emoji in the train split."""
    return _named_emoji(read_rows("emoji/texts.parquet"))


def emoji_sample() -> Iterator[ImageCaption]:
    """The sample of emoji that ships with the package."""
    return _named_emoji(read_rows("emoji-texts.parquet", SAMPLE))


def _named_emoji(rows: Rows) -> Iterator[ImageCaption]:
    for row in rows:
        if row["split"] == "train":
            yield ImageCaption(row["id"], row["lang"], row["name"])
            if row["keywords"]:
                yield ImageCaption(row["id"], row["lang"], ", ".join(row["keywords"]))


def storybook_captions() -> Iterator[ImageCaption]:
    """Page texts of the train split, as captions of the page's picture."""
    picture = {row["id"]: row["picture"] for row in read_rows("storybooks/images.parquet")}
    for row in read_rows("storybooks/texts.parquet"):
        if row["split"] == "train" and row["id"] in picture:
            yield ImageCaption(picture[row["id"]], row["lang"], row["text"])


CAPTIONS: Mapping[str, Callable[[], Iterator[ImageCaption]]] = {
    "emoji": emoji_captions,
    "emoji_sample": emoji_sample,
    "storybooks": storybook_captions,
}


def read_images(images: ImageData) -> dict[str, bytes]:
    """The encoded image files of a set's train split, by id."""
    file, folder, column = IMAGES[images.name]
    rows = read_rows(file, folder)
    return {row["id"]: row[column] for row in rows if row["split"] == "train"}


IMAGES: Mapping[str, tuple[str, Path | None, str]] = {
    "emoji": ("emoji/images.parquet", None, "png"),
    "emoji_sample": ("emoji-images.parquet", SAMPLE, "png"),
    "storybooks": ("storybooks/images.parquet", None, "jpeg"),
}
"""Image file of each set, its folder if it is not the data folder, and the column of the images."""
