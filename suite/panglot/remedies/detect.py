"""Detect the language of queries, for remedies that need it when it is not given (extra `detect`).

The detector is py3langid, a naive Bayes classifier over byte sequences that ships with its weights (4.6 MB).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from panglot.arrays import Ints
from panglot.data.image import IMAGES
from panglot.data.pool import Items
from panglot.errors import BadData, require
from panglot.languages import parse_language

DETECTOR = "py3langid"


def detector() -> str:
    """Name and version of the detector, as recorded in results.

    :raises MissingExtra: the detector is not installed.
    """
    require(DETECTOR, "detect", "--debias-language detect")
    return f"{DETECTOR} {version(DETECTOR)}"


def detect_languages(items: Items, languages: Sequence[str]) -> Ints:
    """The detected language of each item as an index into `languages`, [items]; images are unchanged.

    :raises MissingExtra: the detector is not installed.
    :raises BadData: the detector does not support a language, or cannot distinguish two of them.
    """
    detector()
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    place = _codes(languages, identifier.labels)
    identifier.set_languages(list(place))
    found: Ints = items.language.copy()
    for number, text in enumerate(items.texts):
        if number not in items.images:
            found[number] = place[identifier.classify(text)[0]]
    return found


def _codes(languages: Sequence[str], known: Sequence[str]) -> dict[str, int]:
    """The detector's code of each language, with the language's index."""
    place: dict[str, int] = {}
    for number, language in enumerate(languages):
        if language == IMAGES:
            continue
        parsed = parse_language(language)
        code = parsed.code if parsed else language
        if code not in known:
            raise BadData(
                f"{DETECTOR} does not support the language '{language}'. Use the languages of the data instead."
            )
        if code in place:
            raise BadData(
                f"{DETECTOR} cannot distinguish '{languages[place[code]]}' from '{language}'. "
                "Use the languages of the data instead."
            )
        place[code] = number
    return place
