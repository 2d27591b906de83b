"""Detect the language of queries, for remedies that need it when it is not given (extra `detect`)."""

from __future__ import annotations

from collections.abc import Sequence

from panglot.arrays import Ints
from panglot.data.detection import identifier_of, installed_detector
from panglot.data.image import IMAGES
from panglot.data.pool import Items
from panglot.errors import BadData


def detector() -> str:
    """Name and version of the detector, as recorded in results.

    :raises MissingExtra: the detector is not installed.
    """
    return installed_detector("--debias-language detect")


def detect_languages(items: Items, languages: Sequence[str]) -> Ints:
    """The detected language of each item as an index into `languages`, [items]; images are unchanged.

    :raises MissingExtra: the detector is not installed.
    :raises BadData: the detector does not support a language, or cannot distinguish two of them.
    """
    detector()
    try:
        identifier, spelling = identifier_of(tuple(language for language in languages if language != IMAGES))
    except BadData as error:
        raise BadData(f"{error} Use the languages of the data instead.") from error
    found: Ints = items.language.copy()
    for number, text in enumerate(items.texts):
        if number not in items.images:
            found[number] = languages.index(spelling[identifier.classify(text)[0]])
    return found
