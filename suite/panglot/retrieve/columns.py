"""Candidates as columns of a score matrix: their positions, their ids, and the order of equal scores."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from panglot.arrays import Bools, Ints
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
        self._join(other.numbers[1:], other.ids[1:], other._keys[1:])

    def _join(self, *others: np.ndarray) -> None:
        """Merge sorted arrays; a candidate in both is kept once. Larger numbers, as of a later shard, are appended."""
        held = self.numbers, self.ids, self._keys
        both = [np.concatenate(pair) for pair in zip(held, others, strict=True)]
        if len(others[0]) and others[0][0] <= self.numbers[-1]:
            first = np.unique(both[0], return_index=True)[1]
            both = [part[first] for part in both]
        self.numbers, self.ids, self._keys = both

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
    """Candidates as columns, grouped by language: how hits are counted, and the order of equal scores.

    `sizes` [languages] counts the candidates, `bounds` [languages + 1] are the columns where the languages begin and
    end, `first` is the number of the first candidate, and `ids` maps numbers to ids.
    """

    def __init__(self, sizes: Ints, ids: CandidateIds, first: int = 0) -> None:
        self.sizes, self.first = sizes, first
        self.bounds = np.concatenate([[0], np.cumsum(sizes)])
        self._width, self._ids = int(self.bounds[-1]), ids
        self._byte, bit = np.divmod(self.bounds, 8)
        self._earlier = (0xFF00 >> bit & 0xFF).astype(np.uint8)  # the bits of that byte that are before the bound
        self._bytes, self._place = np.unique(self._byte, return_inverse=True)

    @cached_property
    def _language(self) -> Ints:
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def language_of(self, number: Ints) -> Ints:
        """Return the languages of candidates by number, in the same shape."""
        return self._language[number - self.first]

    @cached_property
    def order(self) -> Ints:
        """The columns in tie-key order, [candidates]."""
        return np.argsort(self._ids.keys_of(self.first + np.arange(self._width)))

    def no_hits(self, rows: int) -> Bools:
        """Return memory for hits, [rows, candidates + 1]; the last column stays false."""
        return np.zeros((rows, self._width + 1), bool)

    def count(self, hits: Bools) -> Ints:
        """Count the true entries of each row [rows, candidates + 1] in each language, [rows, languages]."""
        packed = np.packbits(hits, axis=1)
        counts = np.add.reduceat(np.bitwise_count(packed), self._bytes, axis=1, dtype=np.int32)
        before = (counts.cumsum(axis=1, dtype=np.int32) - counts)[:, self._place]
        return np.diff(before + np.bitwise_count(packed[:, self._byte] & self._earlier), axis=1)
