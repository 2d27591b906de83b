"""The language of a query by its text, for remedies that need it where nobody states it (extra `detect`).

The detector is py3langid: a naive Bayes classifier over byte sequences that comes with its weights, 4.6 MB.
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
    """Name and version, as a result records them.

    :raises MissingExtra: it is not installed.
    """
    require(DETECTOR, "detect", "--debias-language detect")
    return f"{DETECTOR} {version(DETECTOR)}"


def detect_languages(items: Items, languages: Sequence[str]) -> Ints:
    """The language of each item as a place among `languages`, [items]; images keep theirs.

    :raises MissingExtra: the detector is not installed.
    :raises BadData: it does not know a language, or two of them are one to it.
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
    """The detector's code of each language that is spoken, with its place."""
    place: dict[str, int] = {}
    for number, language in enumerate(languages):
        if language == IMAGES:
            continue
        parsed = parse_language(language)
        code = parsed.code if parsed else language
        if code not in known:
            raise BadData(f"{DETECTOR} does not know the language '{language}'. Take languages from the data.")
        if code in place:
            raise BadData(
                f"{DETECTOR} cannot tell '{languages[place[code]]}' from '{language}'. Take languages from the data."
            )
        place[code] = number
    return place
