"""Adapters: files → training pairs. One function a set; a new set is a new function, or columns named in the recipe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from panglot.errors import MissingData
from panglot.files import DATA_VARIABLE, data_root
from panglot.train.own_images import CaptionSet, own_captions
from panglot.train.pairs import ImageCaption, Pairs, PairsBuilder, TextPair
from panglot.train.recipe import ImageData, Recipe, TextData
from panglot.train.sample import SAMPLE
from panglot.train.tables import table_entries

Rows = list[dict[str, Any]]


def read_pairs(recipe: Recipe) -> Pairs:
    """All pairs of a recipe's data sets.

    :raises MissingData: a set is not in the data folder.
    :raises BadData: a table without the columns that the recipe names.
    """
    builder = PairsBuilder(recipe.languages)
    for data in recipe.data:
        entries = text_entries(data, recipe.languages)
        builder.add_texts(data.name, entries, recipe.sampler.cloze, recipe.sampler.apart)
    for number, images in enumerate(recipe.images):
        languages = images.languages or recipe.languages
        found = caption_set(images, languages)
        captions = [caption for caption in found.captions if caption.language in languages]
        if images.pairing == "captions":
            builder.add_texts(images.name, _caption_pairs(captions), apart=recipe.sampler.apart)
        else:
            random = np.random.default_rng([recipe.seed, number])
            shown = _shuffled(captions, random) if images.pairing == "shuffled" else captions
            builder.add_images(images.name, shown, found.images())
    return builder.build()


def data_key(recipe: Recipe) -> str:
    """Equal for recipes that read the same pairs."""
    shuffled = any(images.pairing == "shuffled" for images in recipe.images)
    sampler = recipe.sampler
    made_of = (recipe.languages, recipe.data, recipe.images, sampler.cloze, sampler.apart)
    return repr((*made_of, recipe.seed if shuffled else None))


def text_entries(data: TextData, languages: Sequence[str]) -> Iterator[TextPair]:
    """The entries of one text set, with their translations where the recipe asks for them."""
    entries = table_entries(data, languages) if data.source else TEXTS[data.name]()
    if not data.translate_to:
        return entries
    from panglot.train.translate import translated

    return translated([entry for entry in entries if entry.language in languages], data)


def data_folder() -> Path:
    """The folder that holds the training sets.

    :raises MissingData: none is named.
    """
    root = data_root()
    if not root:
        raise MissingData(
            f"Training data is not downloaded. Name the folder that holds it by --data-dir or {DATA_VARIABLE}."
        )
    return root


def read_rows(file: str, folder: Path | None = None) -> Rows:
    """The rows of one Parquet file of the data folder.

    :raises MissingData: it is not there.
    """
    path = (folder or data_folder()) / file
    if not path.is_file():
        raise MissingData(f"There is no {path}. Point --data-dir or {DATA_VARIABLE} to the folder that holds {file}.")
    return pq.read_table(path).to_pylist()


def ntrex() -> Iterator[TextPair]:
    """A sentence finds the passage that it stands in: itself between its neighbours of the same document."""
    return _sentences(read_rows("train/ntrex.parquet"))


def ntrex_sample() -> Iterator[TextPair]:
    """The part of NTREX that comes with the package."""
    return _sentences(read_rows("ntrex.parquet", SAMPLE))


def _sentences(rows: Rows) -> Iterator[TextPair]:
    documents: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for row in rows:
        documents[row["doc"], row["lang"]][row["segment"]] = row["text"]
    for (document, language), sentences in documents.items():
        for place, sentence in sentences.items():
            around = [sentences[near] for near in (place - 1, place, place + 1) if near in sentences]
            if len(around) > 1:
                yield TextPair(f"{document}:{place}", language, sentence, " ".join(around))


def mkqa_questions() -> Iterator[TextPair]:
    """A search question finds its translations; within a language there is nothing to find."""
    for row in read_rows("train/mkqa_questions.parquet"):
        yield TextPair(row["id"], row["lang"], row["question"], row["question"])


def sections() -> Iterator[TextPair]:
    """A heading finds the text below it."""
    for row in read_rows("train/sections.parquet"):
        heading = row["heading"] or row["title"]
        if heading:
            yield TextPair(f"{row['source']}:{row['doc']}:{row['section']}", row["lang"], heading, row["text"])


def qa_pairs() -> Iterator[TextPair]:
    """A question finds its passage; passages of one context overlap."""
    for number, row in enumerate(read_rows("train/qa_pairs.parquet")):
        yield TextPair(str(number), row["lang"], row["question"], row["passage"], cluster=row["context_id"])


def terms() -> Iterator[TextPair]:
    """A name finds itself among its synonyms."""
    for row in read_rows("train/terms.parquet"):
        if row["synonyms"]:
            described = ", ".join([row["name"], *row["synonyms"]])
            yield TextPair(f"{row['source']}:{row['key']}", row["lang"], row["name"], described)


TEXTS: Mapping[str, Callable[[], Iterator[TextPair]]] = {
    "ntrex": ntrex,
    "ntrex_sample": ntrex_sample,
    "mkqa_questions": mkqa_questions,
    "sections": sections,
    "qa_pairs": qa_pairs,
    "terms": terms,
}


def emoji_captions() -> Iterator[ImageCaption]:
    """The name of an emoji, and its keywords, in the train split."""
    return _named_emoji(read_rows("emoji/texts.parquet"))


def emoji_sample() -> Iterator[ImageCaption]:
    """The emoji that come with the package."""
    return _named_emoji(read_rows("emoji-texts.parquet", SAMPLE))


def _named_emoji(rows: Rows) -> Iterator[ImageCaption]:
    for row in rows:
        if row["split"] == "train":
            yield ImageCaption(row["id"], row["lang"], row["name"])
            if row["keywords"]:
                yield ImageCaption(row["id"], row["lang"], ", ".join(row["keywords"]))


def storybook_captions() -> Iterator[ImageCaption]:
    """The text of a page, for its picture, in the train split."""
    picture = {row["id"]: row["picture"] for row in read_rows("storybooks/images.parquet")}
    for row in read_rows("storybooks/texts.parquet"):
        if row["split"] == "train" and row["id"] in picture:
            yield ImageCaption(picture[row["id"]], row["lang"], row["text"])


CAPTIONS: Mapping[str, Callable[[], Iterator[ImageCaption]]] = {
    "emoji": emoji_captions,
    "emoji_sample": emoji_sample,
    "storybooks": storybook_captions,
}


def caption_set(images: ImageData, languages: Sequence[str]) -> CaptionSet:
    """The captions of one image set, and what reads its images."""
    if images.source:
        return own_captions(images, languages)
    return CaptionSet(list(CAPTIONS[images.name]()), lambda: read_images(images))


def read_images(images: ImageData) -> dict[str, bytes]:
    """The pictures of a set's train split by id, as encoded files."""
    file, folder, column = IMAGES[images.name]
    rows = read_rows(file, folder)
    return {row["id"]: row[column] for row in rows if row["split"] == "train"}


IMAGES: Mapping[str, tuple[str, Path | None, str]] = {
    "emoji": ("emoji/images.parquet", None, "png"),
    "emoji_sample": ("emoji-images.parquet", SAMPLE, "png"),
    "storybooks": ("storybooks/images.parquet", None, "jpeg"),
}
"""File of the images of each set, its folder if that is not the data folder, and the column that holds them."""


def _shuffled(captions: Sequence[ImageCaption], random: np.random.Generator) -> list[ImageCaption]:
    """The same captions, those of each image given to another one as a whole."""
    ids = sorted({caption.image for caption in captions})
    turned = random.permutation(ids).tolist()
    other = dict(zip(turned, turned[1:] + turned[:1], strict=True))
    return [caption._replace(image=other[caption.image]) for caption in captions]


def _caption_pairs(captions: Sequence[ImageCaption]) -> Iterator[TextPair]:
    """Captions as texts that translate each other: the first of a language with the first of another, and so on."""
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for caption in captions:
        place = seen[caption.image, caption.language]
        seen[caption.image, caption.language] += 1
        yield TextPair(f"{caption.image}:{place}", caption.language, caption.text, caption.text, cluster=caption.image)
