"""Images with captions in many languages, and the three pools made from such a data set.

The files are two tables: `images` with one row per image, and `texts` with the captions. Each `read_...` function
handles one data set; the pools depend only on the images, their captions, and which images show the same picture.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from panglot.data.image import IMAGES, Image
from panglot.data.readers.parquet import read_files, read_rows
from panglot.data.readers.rows import fault_of_name
from panglot.data.records import Candidate, Judgement, Query
from panglot.data.task import Direction, Reader
from panglot.errors import BadData

if TYPE_CHECKING:
    from panglot.data.pool import Pool


class Shown(NamedTuple):
    """One image. Images with the same `picture` look the same, so where one is relevant, all are.

    `locale` is the language of the place where it was taken and `cluster` its sampling unit, if known; by default the
    captions of a picture are a cluster.
    """

    id: str
    image: Image
    picture: str
    locale: str = ""
    cluster: str = ""


class Caption(NamedTuple):
    """One caption of one image; `id` is unique in the data set."""

    id: str
    image: str
    language: str
    text: str


class ImageText(NamedTuple):
    """A data set: images, and their captions in all languages."""

    images: Sequence[Shown]
    captions: Sequence[Caption]


ImageTextReader: TypeAlias = Callable[[Mapping[str, Path]], ImageText]


def reader(read: ImageTextReader, direction: Direction, only_own_locale: bool = False) -> Reader:
    """Return the reader for one direction of a data set.

    With `only_own_locale`, the queries of a mixed pool are the first caption of each image in its own language.
    """
    pools: dict[Direction, Callable[[ImageText], Pool]] = {
        "t2i": text_to_image,
        "i2t": image_to_text,
        "mixed": partial(mixed, only_own_locale=only_own_locale),
    }
    return lambda paths: pools[direction](read(paths))


def text_to_image(data: ImageText) -> Pool:
    """Build the text → image pool: every caption is a query for its image; captions of one image are parallel."""
    from panglot.data.pool import Pool

    pictures, cluster = _by_picture(data), _clusters(data)
    return Pool.of(
        _languages(data),
        [
            Query(caption.id, caption.text, caption.language, caption.image, cluster=cluster[caption.image])
            for caption in data.captions
        ],
        _images(data),
        [
            Judgement(caption.id, _image_id(shown))
            for caption in data.captions
            for shown in pictures[caption.image].images
        ],
    )


def image_to_text(data: ImageText) -> Pool:
    """Build the image → text pool: every image with captions is a query for them among those of all languages."""
    from panglot.data.pool import Pool

    pictures, cluster = _by_picture(data), _clusters(data)
    queries = [shown for shown in data.images if pictures[shown.id].captions]
    return Pool.of(
        _languages(data),
        [Query(_image_id(shown), "", IMAGES, shown.id, shown.image, cluster=cluster[shown.id]) for shown in queries],
        _captions(data),
        [Judgement(_image_id(shown), caption.id) for shown in queries for caption in pictures[shown.id].captions],
    )


def mixed(data: ImageText, only_own_locale: bool = False) -> Pool:
    """Build the mixed pool: captions are queries among images and captions; each query excludes itself."""
    from panglot.data.pool import Pool

    pictures, cluster = _by_picture(data), _clusters(data)
    queries = _in_own_locale(data) if only_own_locale else data.captions
    return Pool.of(
        _languages(data),
        [
            Query(
                caption.id,
                caption.text,
                caption.language,
                caption.image,
                excluded=caption.id,
                cluster=cluster[caption.image],
            )
            for caption in queries
        ],
        [*_captions(data), *_images(data)],
        [
            Judgement(caption.id, relevant)
            for caption in queries
            for relevant in [
                *(other.id for other in pictures[caption.image].captions if other.id != caption.id),
                *map(_image_id, pictures[caption.image].images),
            ]
        ],
    )


def read_emoji(paths: Mapping[str, Path], *, keywords: bool = False) -> ImageText:
    """Read the test split of the emoji data set: the name of each emoji and, with `keywords`, a second caption."""
    rows = [
        row for row in read_rows(paths["texts"], "id", "lang", "name", "keywords", "split") if row["split"] == "test"
    ]
    texts = (
        (row, [row["name"], *([", ".join(row["keywords"])] if keywords and row["keywords"] else [])]) for row in rows
    )
    return ImageText(
        [
            Shown(row["id"], image, row["id"])
            for row, image in read_files(paths["images"], "png", "id")
            if row["split"] == "test"
        ],
        [caption for row, own in texts for caption in _numbered(row["id"], row["lang"], own)],
    )


def read_storybooks(paths: Mapping[str, Path]) -> ImageText:
    """Read the test split of the storybooks: titles and page texts; a cover repeats the picture of an inner page.

    The pages of a story are one cluster.
    """
    rows = read_rows(paths["texts"], "id", "lang", "kind", "text", "split")
    return ImageText(
        [
            Shown(row["id"], image, row["picture"], cluster=row["story"])
            for row, image in read_files(paths["images"], "jpeg", "id", "picture", "story")
            if row["split"] == "test"
        ],
        [
            caption
            for row in rows
            if row["split"] == "test" and row["kind"] in ("title", "page")
            for caption in _numbered(row["id"], row["lang"], [row["text"]])
        ],
    )


def read_hub(paths: Mapping[str, Path], *, first_only: bool = False) -> ImageText:
    """Read a data set fetched from the Hub, with all captions or the first in each language.

    :raises BadData: a table is not of this form, or the id of an image is not a valid name.
    """
    own = defaultdict[tuple[str, str], list[str]](list)
    for row in read_rows(paths["texts"], "id", "lang", "text"):
        own[row["id"], row["lang"]].append(row["text"])
    images = list(read_files(paths["images"], "image", "id", "locale"))
    if faults := [fault for row, _ in images if (fault := fault_of_name(row["id"]))]:
        raise BadData(f"{paths['images']}: the id of an image {faults[0]}.")
    return ImageText(
        [Shown(row["id"], image, row["id"], row["locale"]) for row, image in images],
        [
            caption
            for (image, language), texts in own.items()
            for caption in _numbered(image, language, texts[:1] if first_only else texts)
        ],
    )


def _numbered(image: str, language: str, texts: Sequence[str]) -> Iterator[Caption]:
    for number, text in enumerate(texts):
        yield Caption(f"{language}:{image}:{number}", image, language, text)


def _in_own_locale(data: ImageText) -> list[Caption]:
    locale = {shown.id: shown.locale for shown in data.images}
    first = dict[str, Caption]()
    for caption in data.captions:
        if caption.language == locale[caption.image]:
            first.setdefault(caption.image, caption)
    return list(first.values())


def _by_picture(data: ImageText) -> dict[str, ImageText]:
    """Return for each image all images of its picture, and all their captions."""
    picture = {shown.id: shown.picture for shown in data.images}
    images, captions = defaultdict[str, list[Shown]](list), defaultdict[str, list[Caption]](list)
    for shown in data.images:
        images[shown.picture].append(shown)
    for caption in data.captions:
        if caption.image not in picture:
            raise BadData(f"The caption {caption.id} belongs to the unknown image '{caption.image}'.")
        captions[picture[caption.image]].append(caption)
    together = {name: ImageText(images[name], captions[name]) for name in images}
    return {image: together[name] for image, name in picture.items()}


def _clusters(data: ImageText) -> dict[str, str]:
    """Return the cluster of each image."""
    return {shown.id: shown.cluster or shown.picture for shown in data.images}


def _languages(data: ImageText) -> tuple[str, ...]:
    return (*sorted({caption.language for caption in data.captions}), IMAGES)


def _image_id(shown: Shown) -> str:
    return f"{IMAGES}:{shown.id}"


def _images(data: ImageText) -> list[Candidate]:
    return [Candidate(_image_id(shown), "", IMAGES, shown.image) for shown in data.images]


def _captions(data: ImageText) -> list[Candidate]:
    return [Candidate(caption.id, caption.text, caption.language) for caption in data.captions]
