"""Texts as they are compared: NFKC, in lower case, only letters, marks and digits.

Where words are not divided by spaces, 13 characters stand for eight words, 30 in Thai.
"""

from __future__ import annotations

import unicodedata
from typing import TypeAlias

from panglot.languages import parse_language

Units: TypeAlias = tuple[str, ...] | str
"""A normalised text as words or, where these are not divided by spaces, as characters."""

WORDS = 8
CHARACTERS = {"Thai": 30}
CHARACTERS_OTHERWISE = 13


class _Kept(dict[int, str]):
    """What each character becomes, found out once."""

    def __missing__(self, character: int) -> str:
        kept = unicodedata.category(chr(character))[0] in ("L", "M", "N")
        self[character] = chr(character) if kept else " "
        return self[character]


_KEPT = _Kept()


def normalised(text: str) -> str:
    """A text as it is compared: only letters, marks and digits, words divided by one space."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().translate(_KEPT).split())


def units(text: str, unspaced: bool) -> Units:
    """The words of a normalised text or, where these are not divided by spaces, its characters."""
    return text.replace(" ", "") if unspaced else tuple(text.split(" ")) if text else ()


def runs(parts: Units, size: int) -> set[Units]:
    """Every run of so many units."""
    if isinstance(parts, str):
        return {parts[start : start + size] for start in range(len(parts) - size + 1)}
    return set(zip(*(parts[start:] for start in range(size)), strict=False))


def long_runs(text: str, language: str) -> set[Units]:
    """Every run of eight words, or of as many characters as stand for them, of a normalised text."""
    known = parse_language(language)
    if known and known.is_unspaced:
        return runs(units(text, True), CHARACTERS.get(known.script, CHARACTERS_OTHERWISE))
    return runs(units(text, False), WORDS)
