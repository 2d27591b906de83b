"""Candidates as columns of a score matrix: their positions, their ids, and the order of equal scores."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.retrieve.evidence import NOBODY

NO_KEY = np.uint64((1 << 64) - 1)
"""Placeholder for a tie key that has not been computed yet."""


def tie_keys(ids: Sequence[str]) -> np.ndarray:
    """Return the keys that order candidates with equal scores in the top list, [candidates], uint64.

    Keys are hashes of the ids, independent of position and language: an order by position in the file would favour a
    language.
    """
    digests = [hashlib.blake2b(id_.encode(), digest_size=8).digest() for id_ in ids]
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)


class CandidateIds:
    """Ids of candidates by number, and their tie keys, which are computed on first use.

    `numbers` [candidates] is ascending and begins with `NOBODY`, whose id is empty; `ids` [candidates] is aligned with
    it.
    """

    def __init__(self, numbers: Ints | None = None, ids: Sequence[str] = ()) -> None:
        self.numbers, self.ids = np.array([NOBODY]), np.array([""], object)
        self._keys = np.zeros(1, np.uint64)
        if numbers is not None:
            self._join(numbers, np.array(ids, object), np.full(len(numbers), NO_KEY))

    def add(self, first: int, ids: Sequence[str]) -> None:
        """Add the ids of candidates numbered consecutively from `first`."""
        self.merge(CandidateIds(np.arange(first, first + len(ids)), ids))

    def merge(self, other: CandidateIds) -> None:
        """Add the ids and tie keys of `other`."""
        self._join(other.numbers, other.ids, other._keys)

    def _join(self, *others: np.ndarray) -> None:
        """Merge sorted arrays; a candidate in both is kept once."""
        both = [np.concatenate(pair) for pair in zip((self.numbers, self.ids, self._keys), others, strict=True)]
        first = np.unique(both[0], return_index=True)[1]
        self.numbers, self.ids, self._keys = (part[first] for part in both)

    def keep(self, numbers: Ints) -> None:
        """Drop all candidates except these."""
        kept = np.zeros(len(self.numbers), bool)
        kept[0] = True
        kept[self.places(np.sort(numbers, axis=None))] = True  # sorted keys are found twice as fast
        self.numbers, self.ids, self._keys = self.numbers[kept], self.ids[kept], self._keys[kept]

    def places(self, numbers: Ints) -> Ints:
        """Return the indices of candidate numbers, in the same shape."""
        return np.searchsorted(self.numbers, numbers)

    def keys_of(self, numbers: Ints) -> np.ndarray:
        """Return the tie keys of candidate numbers, in the same shape."""
        places = self.places(numbers)
        new = np.unique(places[self._keys[places] == NO_KEY])
        if len(new):
            self._keys[new] = tie_keys(self.ids[new].tolist())
        return self._keys[places]


class ColumnLayout:
    """Column layout in which every language starts at a multiple of eight, so that hits can be counted byte by byte.

    Padding columns between languages hold minus infinity. `sizes` [languages] counts the candidates, `first` is the
    number of the first one, `number` [columns] the candidate number of each column, and `ids` maps numbers to ids.
    """

    def __init__(self, sizes: Ints, ids: CandidateIds, first: int = 0) -> None:
        self.sizes, self.first = sizes, first
        width = np.maximum(-(-sizes // 8), 1)
        self._bytes = np.concatenate([[0], np.cumsum(width)])
        ends = np.cumsum(sizes)
        self._slices = [
            (slice(8 * byte, 8 * byte + size), slice(end - size, end))
            for byte, size, end in zip(self._bytes[:-1].tolist(), sizes.tolist(), ends.tolist(), strict=True)
        ]
        self._ids, self.number = ids, np.full(8 * self._bytes[-1], NOBODY)
        for columns, candidates in self._slices:
            self.number[columns] = np.arange(first + candidates.start, first + candidates.stop)
        self._taken = np.flatnonzero(self.number != NOBODY)

    @cached_property
    def order(self) -> Ints:
        """The columns that hold a candidate, in tie-key order, [candidates]."""
        return self._taken[np.argsort(self._ids.keys_of(self.number[self._taken]))]

    def spread(self, scores: Floats) -> Floats:
        """Arrange scores [rows, candidates] in these columns, [rows, columns]."""
        if len(self._taken) == len(self.number):
            return scores.astype(np.float32, copy=False)
        strip = np.full((len(scores), len(self.number)), -np.inf, np.float32)
        for columns, candidates in self._slices:
            strip[:, columns] = scores[:, candidates]
        return strip

    def count(self, hits: np.ndarray) -> Ints:
        """Count the true entries of each row in each language, [rows, languages]."""
        counts = np.bitwise_count(np.packbits(hits, axis=1))
        return np.add.reduceat(counts, self._bytes[:-1], axis=1, dtype=np.int32)
