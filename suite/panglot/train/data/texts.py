"""Distinct texts in Arrow buffers, which take only their bytes; Python strings would take two to three times that."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import pyarrow as pa

from panglot.arrays import Ints

CHUNK = 16_384
"""Texts in a buffer."""


class Texts(Sequence[str]):
    """An immutable sequence of texts; an item becomes a string when it is read."""

    def __init__(self, chunks: Sequence[Any]) -> None:
        self._texts = pa.chunked_array(chunks, pa.large_string())

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return self.take(np.arange(len(self))[place])
        return self._texts[int(place)].as_py()

    def __iter__(self) -> Iterator[str]:
        for chunk in self._texts.chunks:
            yield from chunk.to_pylist()

    def take(self, places: Ints) -> list[str]:
        """The texts at these places."""
        return self._texts.take(pa.array(places)).to_pylist()


class TextStore:
    """Collects texts, each once, and numbers them. Texts that differ only in case share a second number, their fold."""

    def __init__(self) -> None:
        self._chunks: list[Any] = []
        self._pending: list[str] = []
        self._first: dict[int, int] = {}
        self._variants: dict[str, int] = {}
        self._hashes = array("q")
        self._fold = array("i")

    def __len__(self) -> int:
        return len(self._hashes)

    @property
    def fold(self) -> Ints:
        """The fold of each text [texts]: the number of the first text that equals it except in case."""
        return np.array(self._fold, np.int32)

    def add(self, text: str) -> int:
        """The number of a text, which is stored if it is new.

        Two texts count as equal if 64 bits of the hash of their folded forms and the hash of the texts agree.
        """
        digest = hashlib.blake2b(text.casefold().encode("utf-8", "surrogatepass"), digest_size=8).digest()
        first = self._first.setdefault(int.from_bytes(digest, "big"), len(self))
        if first < len(self):
            if self._hashes[first] == hash(text):
                return first
            if text in self._variants:
                return self._variants[text]
            self._variants[text] = len(self)
        self._fold.append(first)
        self._hashes.append(hash(text))
        self._pending.append(text)
        if len(self._pending) == CHUNK:
            self._flush()
        return len(self) - 1

    def texts(self) -> Texts:
        """All texts, by number."""
        self._flush()
        return Texts(self._chunks)

    def _flush(self) -> None:
        if self._pending:
            self._chunks.append(pa.array(self._pending, pa.large_string()))
            self._pending = []
