"""Normalise many texts for comparison: NFKC, lower case, letters, marks and digits only.

Runs of words are compared by a 64-bit hash, so millions take seconds. In languages written without spaces, a run is 13
characters (30 in Thai) instead of eight words.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from panglot.arrays import Ints
from panglot.languages import parse_language

WORDS = 8
CHARACTERS = {"Thai": 30}
CHARACTERS_OTHERWISE = 13

_CHUNK = 1 << 22
"""Characters normalised at a time."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Base of the polynomial hash of a run; odd, so that every unit affects the hash."""
_CODE = "utf-32-le"


class Units(NamedTuple):
    """The concatenated words of many normalised texts; characters for languages written without spaces.

    `numbers` [units] are equal for equal units within a process; `text` [units] is the index of each unit's text.
    """

    numbers: Ints
    text: Ints

    @classmethod
    def of(cls, texts: Sequence[str], unspaced: bool) -> Units:
        """The units of these texts."""
        if unspaced:
            together = [text.replace(" ", "") for text in texts]
            numbers = np.frombuffer("".join(together).encode(_CODE), "<u4").astype(np.int64)
            counts = list(map(len, together))
        else:
            words = " ".join(filter(None, texts)).split()
            numbers = np.fromiter(map(hash, words), np.int64, len(words))
            counts = [text.count(" ") + 1 if text else 0 for text in texts]
        return cls(numbers, np.repeat(np.arange(len(texts)), counts))

    def runs(self, size: int) -> Units:
        """Every run of `size` units within a text, in order, as one number each."""
        count = max(len(self.numbers) - size + 1, 0)
        hashes = np.zeros(count, np.uint64)
        for place in range(size):
            hashes = hashes * _FACTOR + self.numbers[place : place + count].view(np.uint64)
        first, last = self.text[:count], self.text[size - 1 : size - 1 + count]
        within = first == last
        return Units(hashes.view(np.int64)[within], first[within])


def normalised(texts: Sequence[str]) -> list[str]:
    """Normalise texts: lower-case letters, marks and digits in NFKC, words separated by single spaces."""
    return [" ".join(line.split()) for chunk in _chunks(texts) for line in _kept("\n".join(chunk)).split("\n")]


def _chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in NFKC without line feeds, in chunks."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        chunk.append(unicodedata.normalize("NFKC", text).replace("\n", " "))
        size += len(text)
        if size >= _CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _kept(text: str) -> str:
    """The text in lower case, with all but letters, marks, digits and line feeds replaced by spaces."""
    codes = np.frombuffer(text.lower().encode(_CODE, "surrogatepass"), "<u4")
    return _kept_codes()[codes].tobytes().decode(_CODE)


@cache
def _kept_codes() -> np.ndarray:
    """The replacement of every code point, [code points]."""
    kept = (chr(code) == "\n" or is_kept(chr(code)) for code in range(sys.maxunicode + 1))
    codes = np.arange(sys.maxunicode + 1, dtype="<u4")
    return np.where(np.fromiter(kept, bool, len(codes)), codes, np.uint32(ord(" ")))


def is_kept(character: str) -> bool:
    """Whether a character is a letter, a mark or a digit."""
    return unicodedata.category(character)[0] in "LMN"


def long_runs(texts: Sequence[str], language: str) -> Units:
    """Every run of eight words in normalised texts; of 13 or 30 characters in languages written without spaces."""
    known = parse_language(language)
    if known and known.is_unspaced:
        return Units.of(texts, unspaced=True).runs(CHARACTERS.get(known.script, CHARACTERS_OTHERWISE))
    return Units.of(texts, unspaced=False).runs(WORDS)
