"""Texts as they are compared: NFKC, in lower case, only letters, marks and digits.

Where words are not divided by spaces, 13 characters stand for eight words, 30 in Thai.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from suite.languages import parse_language

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


def plain(text: str) -> str:
    """A text as it is compared: only letters, marks and digits, words divided by one space."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().translate(_KEPT).split())


def runs(text: str, language: str) -> Iterator[str]:
    """Every run of eight words, or of as many characters as stand for them, of a plain text."""
    known = parse_language(language)
    if known and known.is_unspaced:
        characters, size = text.replace(" ", ""), CHARACTERS.get(known.script, CHARACTERS_OTHERWISE)
        yield from (characters[start : start + size] for start in range(len(characters) - size + 1))
        return
    words = text.split(" ")
    yield from (" ".join(words[start : start + WORDS]) for start in range(len(words) - WORDS + 1))
