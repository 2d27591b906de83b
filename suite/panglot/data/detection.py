"""Detect the languages of texts (extra `detect`).

The detector is py3langid, a naive Bayes classifier over byte sequences that ships with its weights (4.6 MB).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

from panglot.errors import BadData, require
from panglot.languages import code_of, parse_language

DETECTOR = "py3langid"

UNKNOWN = "und"
"""The language of a text that is in none (ISO 639-2)."""

DOUBT = math.log(100)
"""A text is doubtful if another language is more than one hundredth as likely."""

TWO_LETTERS = 2

_NO_LANGUAGE = "zxx"
"""What the detector says about texts without words; in Panglot it is reserved for images."""


class Detected(NamedTuple):
    """The language of a text; `other` is the next most likely one if the text is doubtful, and empty otherwise."""

    language: str
    other: str = ""


def installed_detector(purpose: str) -> str:
    """Name and version of the detector, as recorded in results.

    :raises MissingExtra: the detector is not installed, which `purpose` needs.
    """
    require(DETECTOR, "detect", purpose)
    return f"{DETECTOR} {version(DETECTOR)}"


def detect(texts: Iterable[str], languages: tuple[str, ...] = ()) -> Iterator[Detected]:
    """Yield the language of each text: one of `languages`, or any with a two-letter code if none is given.

    Languages without such a code are rarely told from their neighbours, as Wu from Chinese, so they must be named. A
    text without letters is in `und`.

    :raises BadData: the detector does not support a language, or cannot distinguish two of them.
    """
    identifier, spelling = identifier_of(languages)
    for text in texts:
        if not any(map(str.isalpha, text)):
            yield Detected(UNKNOWN)
            continue
        (first, score), *others = identifier.rank(text)[:2]
        other = others[0][0] if others and score - others[0][1] < DOUBT else ""
        yield Detected(spelling[first], spelling.get(other, ""))


@lru_cache(maxsize=4)
def identifier_of(languages: tuple[str, ...]) -> tuple[Any, Mapping[str, str]]:
    """The detector limited to some languages, if any are given, and the spelling of the languages by its codes.

    :raises BadData: the detector does not support a language, or cannot distinguish two of them.
    """
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    known = [label for label in identifier.labels if label != _NO_LANGUAGE]
    spelling: dict[str, str] = {}
    for language in languages or [label for label in known if len(label) == TWO_LETTERS]:
        parsed = parse_language(language) if languages else None
        code = parsed.code if parsed else language
        if code not in known:
            hint = f" Use '{named}'." if (named := code_of(language)) in known else ""
            raise BadData(f"{DETECTOR} does not support the language '{language}'.{hint}")
        if code in spelling:
            raise BadData(f"{DETECTOR} cannot distinguish '{spelling[code]}' from '{language}'.")
        spelling[code] = language
    identifier.set_languages(list(spelling))
    return identifier, spelling
