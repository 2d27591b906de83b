"""Read the pairs of a recipe, from training sets and from custom tables and images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from panglot.train.data.own_images import CaptionSet, own_captions
from panglot.train.data.pairs import ImageCaption, Pairs, PairsBuilder, TextPair
from panglot.train.data.tables import table_entries
from panglot.train.data.training_sets import CAPTIONS, TEXTS, read_images, without_validation
from panglot.train.recipes.recipe import ImageData, Recipe, TextData


def read_pairs(recipe: Recipe) -> Pairs:
    """Read all pairs of a recipe's data sets.

    :raises MissingData: a data set is missing.
    :raises BadData: a table lacks a column that the recipe names, or has invalid rows.
    """
    builder = PairsBuilder(recipe.languages)
    skipped = list[str]()
    for data in recipe.data:
        entries = text_entries(data, recipe.languages, skipped)
        if data.name == "ntrex" and data.source is None:
            entries = without_validation(entries, recipe.validation.documents)
        builder.add_texts(data.name, entries, recipe.sampler.cloze, recipe.sampler.apart)
    for number, images in enumerate(recipe.images):
        languages = images.languages or recipe.languages
        found = caption_set(images, languages, skipped)
        captions = [caption for caption in found.captions if caption.language in languages]
        if images.pairing == "captions":
            builder.add_texts(images.name, _caption_pairs(captions), apart=recipe.sampler.apart)
        else:
            random = np.random.default_rng([recipe.seed, number])
            shown = _shuffled(captions, random) if images.pairing == "shuffled" else captions
            builder.add_images(images.name, shown, found.images())
    return builder.build(tuple(skipped))


def data_key(recipe: Recipe) -> str:
    """A key that is equal for recipes with the same pairs."""
    shuffled = any(images.pairing == "shuffled" for images in recipe.images)
    sampler = recipe.sampler
    held_out = recipe.validation.documents
    made_of = (recipe.languages, recipe.data, recipe.images, sampler.cloze, sampler.apart, held_out)
    return repr((*made_of, recipe.seed if shuffled else None))


def text_entries(data: TextData, languages: Sequence[str], skipped: list[str] | None = None) -> Iterator[TextPair]:
    """The entries of one text set, with translations if the recipe sets `translate_to`.

    A message about skipped rows is added to `skipped` when the entries have been read.
    """
    entries = table_entries(data, languages, skipped) if data.source else TEXTS[data.name](languages)
    if not data.translate_to:
        return entries
    from panglot.train.data.translate import translated

    return translated([entry for entry in entries if entry.language in languages], data)


def caption_set(images: ImageData, languages: Sequence[str], skipped: list[str] | None = None) -> CaptionSet:
    """The captions of one image set, and the function that reads its images."""
    if images.source:
        return own_captions(images, languages, skipped)
    return CaptionSet(list(CAPTIONS[images.name]()), lambda: read_images(images))


def _shuffled(captions: Sequence[ImageCaption], random: np.random.Generator) -> list[ImageCaption]:
    """The captions with images permuted: all captions of an image are assigned to the same other image."""
    ids = sorted({caption.image for caption in captions})
    turned = random.permutation(ids).tolist()
    other = dict(zip(turned, turned[1:] + turned[:1], strict=True))
    return [caption._replace(image=other[caption.image]) for caption in captions]


def _caption_pairs(captions: Sequence[ImageCaption]) -> Iterator[TextPair]:
    """Captions as parallel texts: the n-th caption of an image in one language with the n-th in another."""
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for caption in captions:
        place = seen[caption.image, caption.language]
        seen[caption.image, caption.language] += 1
        yield TextPair(f"{caption.image}:{place}", caption.language, caption.text, caption.text, cluster=caption.image)
