"""Queries contained in passages: they would make false negatives in a batch, or reduce retrieval to finding a copy."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from panglot.arrays import Bools, Ints
from panglot.languages import is_unspaced
from panglot.train.data.texts import Texts
from panglot.train.data.words import Known, RunHashes, Units, is_kept

HEADS = {False: (1, 2, 4, 8), True: (2, 4, 8, 16)}
"""Units (words, or characters of unspaced languages) by which a query is looked up; the largest that fits is used.
A single character is too short to be a word."""
COMPARED = 1 << 21
"""Queries that are compared with passages at a time."""

_EDGES = " \t\r\n,;:"
"""Characters stripped from the ends of a passage after a sentence or a name was removed from it."""


class Entries(NamedTuple):
    """The entries of a data set as indices, [entries] each: of groups, languages and texts."""

    group: Ints
    language: Ints
    query: Ints
    passage: Ints


class Marks(NamedTuple):
    """Which groups must not share a batch with a group: those whose `own` marks are among its `barred` ones.

    A query that passages of other groups contain makes two marks: that of the groups that ask it, and that of the
    groups whose passages contain it. Each bars the other. Marks are negative numbers.
    """

    own: frozenset[int]
    barred: frozenset[int]


UNMARKED = Marks(frozenset(), frozenset())


def find_contained(entries: Entries, texts: Texts, languages: Sequence[str]) -> dict[int, Marks]:
    """The marks of groups of which a passage contains the query of another as whole words, in some language.

    The entries of a group are translations, so a query found in one language counts as contained in all. The texts
    must be normalised.
    """
    own, barred = defaultdict[int, set[int]](set), defaultdict[int, set[int]](set)
    for place, language in enumerate(languages):
        of = entries.language == place
        group, _, query, passage = (column[of] for column in entries)
        asked, query = np.unique(query, return_inverse=True)
        read, passage = np.unique(passage, return_inverse=True)
        if not len(asked):
            continue
        found = _contained(asked, read, texts, is_unspaced(language))
        found = found[:, ~_within_one_group(found, query, passage, group)]
        asking = np.isin(query, found[1])
        holding, held = _readers(found, passage)
        codes = -2 * (asked * len(languages) + place)
        for groups, queries, asks in ((group[asking], query[asking], 1), (group[holding], held, 2)):
            for one, code in zip(groups.tolist(), codes[queries].tolist(), strict=True):
                own[one].add(code - asks)
                barred[one].add(code - 3 + asks)
    return {group: Marks(frozenset(own[group]), frozenset(barred[group])) for group in own}


def _within_one_group(found: Ints, query: Ints, passage: Ints, group: Ints) -> Bools:
    """Whether only one group has the passage and the query, [found]."""
    (lowest_reader, highest_reader), (lowest_asker, highest_asker) = (_span(one, group) for one in (passage, query))
    return (lowest_reader[found[0]] == highest_asker[found[1]]) & (highest_reader[found[0]] == lowest_asker[found[1]])


def _span(item: Ints, group: Ints) -> tuple[Ints, Ints]:
    """The lowest and the highest group of each item, [items] each."""
    order = np.argsort(item)
    starts = np.flatnonzero(np.diff(item[order], prepend=-1))
    return np.minimum.reduceat(group[order], starts), np.maximum.reduceat(group[order], starts)


def _readers(found: Ints, passage: Ints) -> tuple[Ints, Ints]:
    """The entries with each passage that was found, and the query that it contains."""
    order = np.argsort(passage)
    bounds = np.searchsorted(passage[order], np.stack([found[0], found[0] + 1]))
    counts = bounds[1] - bounds[0]
    return order[_ranges(bounds[0], counts)], np.repeat(found[1], counts)


def _ranges(first: Ints, counts: Ints) -> Ints:
    """The concatenated ranges that start at `first` and have `counts` numbers."""
    return np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)


def _contained(asked: Ints, read: Ints, texts: Texts, unspaced: bool) -> Ints:
    """Which passages contain which queries, as places in `read` and `asked`, [2, found]; texts are read in chunks."""
    heads = _heads([_hashed(lines, len(part), unspaced) for part, lines in texts.lines(asked)])
    by_size = [(size, own, Known(own.head)) for size in HEADS[unspaced] if len((own := heads.of_size(size)).head)]
    found = [np.empty((2, 0), np.int64)]
    before = 0
    for part, lines in texts.lines(read):
        units = Units.of(lines, unspaced)
        hashes = RunHashes(units.numbers)
        for size, own, known in by_size:
            starts = np.flatnonzero(known.has(hashes.all(size)))
            found += [pairs + np.array([[before], [0]]) for pairs in _found(units, hashes, starts, size, own)]
        before += len(part)
    return np.unique(np.concatenate(found, axis=1), axis=1)


class _Heads(NamedTuple):
    """How queries are looked up, [queries] each, sorted by `head`: the hash of the first `size` of their units.

    `query` is a query's number, `units` how many units it has, and `whole` the hash of them all.
    """

    query: Ints
    size: Ints
    units: Ints
    head: Ints
    whole: Ints

    def of_size(self, size: int) -> _Heads:
        """Those with this size."""
        return _Heads(*(column[self.size == size] for column in self))


def _hashed(queries: bytes, count: int, unspaced: bool) -> tuple[Ints, Ints, Ints, Ints]:
    """The sizes, units, heads and whole hashes of `count` queries; size 0 if one is too short to be looked up."""
    units = Units.of(queries, unspaced)
    counts = np.bincount(units.text, minlength=count)
    sizes = np.array([0, *HEADS[unspaced]])[np.searchsorted(HEADS[unspaced], counts, side="right")]
    hashes, starts = RunHashes(units.numbers), np.cumsum(counts) - counts
    return sizes, counts, hashes.of(starts, sizes), hashes.of(starts, counts)


def _heads(chunks: Sequence[tuple[Ints, ...]]) -> _Heads:
    """The heads of the queries of all chunks."""
    sizes, counts, heads, wholes = (np.concatenate(column) for column in zip(*chunks, strict=True))
    order = np.argsort(heads)
    return _Heads(order, sizes[order], counts[order], heads[order], wholes[order])


def _found(units: Units, hashes: RunHashes, starts: Ints, size: int, known: _Heads) -> Iterator[Ints]:
    """The texts that contain a query, with the query's number, [2, found]: all of it is compared where its head is.

    :param starts: where the head of some query starts.
    """
    heads = hashes.of(starts, size)
    first = np.searchsorted(known.head, heads, side="left")
    counts = np.searchsorted(known.head, heads, side="right") - first
    for block in np.split(np.arange(len(starts)), np.flatnonzero(np.diff(np.cumsum(counts) // COMPARED)) + 1):
        start = np.repeat(starts[block], counts[block])
        place = _ranges(first[block], counts[block])
        end = start + known.units[place]
        fits = end <= len(units.text)
        start, place, end = start[fits], place[fits], end[fits]
        same = units.text[start] == units.text[end - 1]
        same &= hashes.of(start, end - start) == known.whole[place]
        yield np.stack([units.text[start[same]], known.query[place[same]]])


def without_query(query: str, passage: str, language: str, share: float) -> str:
    """Remove the query from the passage, for the given share of the pairs whose passage contains it verbatim.

    This is the inverse cloze task of ORQA (arXiv 1906.00300), which removes nine of ten sentences. Which pairs are
    chosen depends only on their texts. A passage that would become empty is not changed.
    """
    if query == passage or query not in passage or not query.strip() or _share_of(query, passage) >= share:
        return passage
    rest, *others = passage.split(query)
    for part in others:
        inside_a_word = not is_unspaced(language) and (_is_word(rest[-1:]) or _is_word(part[:1]))
        rest = f"{rest}{query}{part}" if inside_a_word else f"{rest.rstrip()} {part.lstrip()}"
    rest = rest.strip(_EDGES)
    return rest if any(map(_is_word, rest)) else passage


@cache
def _is_word(character: str) -> bool:
    """Whether a character is part of a word; False for an empty string."""
    return any(map(is_kept, unicodedata.normalize("NFKC", character)))


def _share_of(query: str, passage: str) -> float:
    """A pseudo-random number in [0, 1) derived from the texts."""
    digest = hashlib.sha256(f"{query}\0{passage}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
