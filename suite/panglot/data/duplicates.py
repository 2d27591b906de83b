"""Find texts that are nearly the same: those that share most of their runs of five characters.

Runs are hashed, and one permutation hashing (Li, Owen and Zhang, NIPS 2012) keeps the smallest hash in each of 64 bins.
Texts that agree in one of 16 bands of four bins are compared by all their runs. At a similarity of 0.8 a pair is missed
with probability 0.0002, so 100,000 passages take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from panglot.arrays import Ints

SIMILAR = 0.8
"""Least Jaccard similarity of near duplicates: runs in both over runs in either."""

RUN = 5
BINS = 64
BAND = 4

_CHUNK = 1 << 22
"""Characters hashed at a time."""
_FACTOR, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_EMPTY = np.uint32(0xFFFFFFFF)


def near_duplicates(texts: Sequence[str]) -> list[list[int]]:
    """Return groups of indices of texts that are nearly the same, each in order; texts without a twin are in none.

    Case and white space are ignored. Groups are joined: the ends of a chain of near duplicates can differ more.
    """
    plain = [" ".join(text.casefold().split()) for text in texts]
    bins = _smallest(plain)
    leader = list(range(len(texts)))
    runs: dict[int, Ints] = {}
    for one, other in _candidates(bins):
        first, second = _find(leader, one), _find(leader, other)
        if first != second and _similarity(plain, runs, one, other) >= SIMILAR:
            leader[max(first, second)] = min(first, second)
    groups: dict[int, list[int]] = {}
    for index in range(len(texts)):
        groups.setdefault(_find(leader, index), []).append(index)
    return [group for group in groups.values() if len(group) > 1]


def _smallest(texts: Sequence[str]) -> np.ndarray:
    """The smallest hash of each text's runs in each bin, uint32 [texts, BINS]; empty bins take the next one's."""
    found = np.full((len(texts), BINS), _EMPTY, np.uint32)
    for start, stop in _chunks(texts):
        hashes, text = _hashes(texts[start:stop])
        place = text * BINS + (hashes >> np.uint64(58)).astype(np.int64)
        np.minimum.at(found[start:stop].reshape(-1), place, hashes.astype(np.uint32))
    rows = np.flatnonzero((found == _EMPTY).any(axis=1) & (found != _EMPTY).any(axis=1))
    part = found[rows]
    while len(rows) and (empty := part == _EMPTY).any():
        part[empty] = np.roll(part, -1, axis=1)[empty]
    found[rows] = part
    return found


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    start = size = 0
    for index, text in enumerate(texts):
        size += len(text)
        if size >= _CHUNK:
            yield start, index + 1
            start, size = index + 1, 0
    yield start, len(texts)


def _hashes(texts: Sequence[str]) -> tuple[np.ndarray, Ints]:
    """Hashes of all runs within the texts, uint64 [runs], and the index of each run's text. Short texts are padded."""
    padded = [text.ljust(RUN) if text else "" for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    owner = np.repeat(np.arange(len(texts)), list(map(len, padded)))
    count = max(len(codes) - RUN + 1, 0)
    hashes = np.zeros(count, np.uint64)
    for place in range(RUN):
        hashes = hashes * _FACTOR + codes[place : place + count]
    hashes ^= hashes >> np.uint64(31)
    hashes *= _MIX
    hashes ^= hashes >> np.uint64(27)
    hashes *= _FACTOR
    within = owner[:count] == owner[RUN - 1 : RUN - 1 + count]
    return hashes[within], owner[:count][within]


def _candidates(bins: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pairs of texts that agree in a band: each with the one before it, and with the first, of those that agree."""
    filled = np.flatnonzero(bins[:, 0] != _EMPTY)
    seen: set[tuple[int, int]] = set()
    for start in range(0, BINS, BAND):
        band = np.ascontiguousarray(bins[filled, start : start + BAND])
        keys = band.view(np.dtype((np.void, BAND * band.itemsize))).ravel()
        _, group = np.unique(keys, return_inverse=True)
        order = np.argsort(group, kind="stable")
        first = 0
        sorted_group, members = group[order].tolist(), filled[order].tolist()
        for place in range(1, len(members)):
            if sorted_group[place] != sorted_group[place - 1]:
                first = place
                continue
            for pair in ((members[place - 1], members[place]), (members[first], members[place])):
                if pair not in seen:
                    seen.add(pair)
                    yield pair


def _similarity(texts: Sequence[str], runs: dict[int, Ints], one: int, other: int) -> float:
    for index in (one, other):
        if index not in runs:
            runs[index] = np.unique(_hashes([texts[index]])[0])
    shared = len(np.intersect1d(runs[one], runs[other], assume_unique=True))
    return shared / (len(runs[one]) + len(runs[other]) - shared)


def _find(leader: list[int], index: int) -> int:
    while leader[index] != index:
        leader[index] = leader[leader[index]]
        index = leader[index]
    return index
