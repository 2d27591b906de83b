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
import numpy.typing as npt

from panglot.arrays import Bools, Ints
from panglot.languages import parse_language

WORDS = 8
CHARACTERS = {"Thai": 30}
CHARACTERS_OTHERWISE = 13

_CHUNK = 1 << 20
"""Characters normalised at a time."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Base of the polynomial hash of a run; odd, so that every unit affects the hash."""
_INVERSE = np.uint64(pow(int(_FACTOR), -1, 2**64))
_MIXER = np.uint64(0xD6E8FEB86659FD93)
_CODE = "utf-32-le"
_SPACE, _LINE = np.uint32(ord(" ")), np.uint32(ord("\n"))
_UNSEEN = np.uint32(0xFFFFFFFF)


class Units(NamedTuple):
    """The concatenated words of many normalised texts; characters for languages written without spaces.

    `numbers` [units] are equal for equal units within a process; `text` [units] is the index of each unit's text.
    """

    numbers: Ints
    text: Ints

    @classmethod
    def of(cls, lines: bytes, unspaced: bool) -> Units:
        """The units of normalised texts; see `as_lines`."""
        numbers, counts = _characters(lines) if unspaced else _words(lines)
        return cls(numbers, np.repeat(np.arange(len(counts)), counts))

    def runs(self, size: int) -> Units:
        """Every run of `size` units within a text, in order, as one number each."""
        count = max(len(self.text) - size + 1, 0)
        within = self.text[:count] == self.text[size - 1 : size - 1 + count]
        return Units(RunHashes(self.numbers).all(size)[within], self.text[:count][within])


class RunHashes:
    """64-bit hashes of runs of any size, each from two of the sums of all units times powers of a factor."""

    def __init__(self, numbers: Ints | npt.NDArray[np.uint8]) -> None:
        weighted = numbers.astype(np.uint64) * _powers(_FACTOR, len(numbers))
        self._sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(weighted, dtype=np.uint64)])
        self._inverse = _powers(_INVERSE, len(numbers) + 1)

    def all(self, size: int) -> Ints:
        """The hashes of all runs of `size` units, by the unit that they start at."""
        sums = self._sums[size:] - self._sums[: max(len(self._sums) - size, 0)]
        return (sums * self._inverse[: len(sums)]).view(np.int64)

    def of(self, starts: Ints, sizes: Ints | int) -> Ints:
        """The hashes of the runs that start at these units, [starts]."""
        return ((self._sums[starts + sizes] - self._sums[starts]) * self._inverse[starts]).view(np.int64)


def as_lines(texts: Sequence[str]) -> bytes:
    """Normalised texts in UTF-8, one a line."""
    return "\n".join(texts).encode(errors="surrogatepass")


def _words(lines: bytes) -> tuple[Ints, Ints]:
    """Hashes of all words, and the number of words of each line."""
    data = np.frombuffer(b"\n" + lines + b"\n", np.uint8)
    breaks = data == ord("\n")  # no byte of another character equals it, nor a space
    bounds = np.flatnonzero(breaks | (data == ord(" ")))
    starts, ends = bounds[:-1] + 1, bounds[1:]
    found = ends > starts
    last = np.searchsorted(ends, np.flatnonzero(breaks)[1:])
    hashes = RunHashes(data).of(starts[found], (ends - starts)[found])
    return _mixed(hashes.view(np.uint64)), np.diff(np.cumsum(found)[last], prepend=0)


def _characters(lines: bytes) -> tuple[Ints, Ints]:
    """Hashes of all characters except spaces, and the number of them in each line."""
    codes = np.frombuffer(lines.decode(errors="surrogatepass").encode(_CODE, "surrogatepass"), "<u4")
    codes = codes[codes != _SPACE]
    breaks = np.flatnonzero(codes == _LINE)
    counts = np.diff(np.r_[-1, breaks, len(codes)]) - 1
    return _mixed(np.delete(codes, breaks).astype(np.uint64)), counts


def _mixed(numbers: np.ndarray) -> Ints:
    """Numbers spread over 64 bits, as `hash` spreads words."""
    numbers = numbers * _MIXER
    return ((numbers ^ (numbers >> np.uint64(32))) * _MIXER).view(np.int64)


_kept_powers: dict[np.uint64, np.ndarray] = {}


def _powers(factor: np.uint64, count: int) -> np.ndarray:
    """The first powers of a number modulo 2^64, from the zeroth; the longest list is kept."""
    if len(_kept_powers.get(factor, ())) < count:
        powers = np.full(1 << count.bit_length(), factor)
        powers[0] = 1
        _kept_powers[factor] = np.cumprod(powers, dtype=np.uint64)
    return _kept_powers[factor][:count] if count else np.empty(0, np.uint64)


class Known:
    """Numbers among which others are looked up: a table of their last bits rules out nearly all that are not there."""

    def __init__(self, numbers: Ints) -> None:
        self._numbers = np.sort(numbers)
        self._table = np.zeros(1 << max(16, 4 + len(self._numbers).bit_length()), bool)
        self._table[self._numbers & (len(self._table) - 1)] = True

    def has(self, numbers: Ints) -> Bools:
        """Whether each number is one of them, [numbers]."""
        found = self._table[numbers & (len(self._table) - 1)]
        likely = numbers[found]
        places = np.searchsorted(self._numbers, likely)
        places[places == len(self._numbers)] = 0
        found[found] = self._numbers[places] == likely if len(self._numbers) else False
        return found


def normalised(texts: Sequence[str]) -> list[str]:
    """Normalise texts: lower-case letters, marks and digits in NFKC, words separated by single spaces."""
    return [line for chunk in _chunks(texts) for line in _kept("\n".join(chunk)).split("\n")]


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
    """The text in lower case: letters, marks, digits and line feeds, with single spaces in place of all else."""
    codes = np.frombuffer(text.lower().encode(_CODE, "surrogatepass"), "<u4")
    table = _replacements()
    kept = table[codes]
    new = kept == _UNSEEN
    if new.any():
        for code in np.unique(codes[new]).tolist():
            table[code] = code if code == _LINE or is_kept(chr(code)) else _SPACE
        kept = table[codes]
    before = np.concatenate([[_LINE], kept[:-1]])
    kept = kept[(kept != _SPACE) | ((before != _SPACE) & (before != _LINE))]
    after = np.concatenate([kept[1:], [_LINE]])
    return kept[(kept != _SPACE) | (after != _LINE)].astype("<u4").tobytes().decode(_CODE)


@cache
def _replacements() -> np.ndarray:
    """The replacement of every code point, [code points], filled in as characters occur."""
    return np.full(sys.maxunicode + 1, _UNSEEN, "<u4")


def is_kept(character: str) -> bool:
    """Whether a character is a letter, a mark or a digit."""
    return unicodedata.category(character)[0] in "LMN"


def long_runs(lines: bytes, language: str) -> Units:
    """Every run of eight words in normalised texts; of 13 or 30 characters in languages written without spaces."""
    known = parse_language(language)
    if known and known.is_unspaced:
        return Units.of(lines, unspaced=True).runs(CHARACTERS.get(known.script, CHARACTERS_OTHERWISE))
    return Units.of(lines, unspaced=False).runs(WORDS)
