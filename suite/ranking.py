"""From scores to evidence: one pass over blocks of queries, no sorting of the pool, no second look at it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from suite.arrays import Floats, Ints
from suite.evidence import NOBODY, Evidence
from suite.pool import NOTHING, Pool
from suite.progress import Progress, silent
from suite.scores import Scores

DEPTH = 100
"""Candidates kept for each query in the pool of all languages."""

SHORT_DEPTH = 10
MOST_LISTED = 4_000_000
"""Candidates kept for all queries together; where there would be more, each keeps `SHORT_DEPTH`, which no score needs
to be longer."""

BLOCK_SCORES = 8_000_000
"""Scores in one block (32 MB): enough queries at a time for the matrix product to run at full speed."""

STRIP_SCORES = 500_000
"""Scores looked at together while counting (2 MB): they stay in the processor's cache."""


def collect_evidence(
    pool: Pool, scores: Scores, depth: int | None = None, block: int | None = None, progress: Progress = silent
) -> Evidence:
    """Count, for every relevant pair and every language, the candidates that score at least as high.

    `depth` is the length of the lists of the best, `block` the number of queries scored at a time; no count depends
    on either.
    """
    total, width = len(pool.queries), len(pool.candidates)
    depth = depth or (DEPTH if total * DEPTH <= MOST_LISTED else SHORT_DEPTH)
    block = block or max(1, BLOCK_SCORES // width)
    counter = _Counter(pool, min(depth, width - bool(len(pool.left_out))))
    with progress("ranking", total) as advance:
        for start in range(0, total, block):
            stop = min(start + block, total)
            counter.add(start, scores.block(start, stop))
            advance(stop - start)
    return counter.evidence()


class _Counter:
    """Fills the arrays of an `Evidence`, a block of queries at a time."""

    def __init__(self, pool: Pool, depth: int) -> None:
        self._pool = pool
        self._layout = _Layout(pool.sizes)
        self._tie_order = self._layout.column[_tie_order(pool.candidates.ids)]
        self._tie_place = np.empty(len(self._layout.candidate), np.int64)
        self._tie_place[self._tie_order] = np.arange(len(self._tie_order))
        self._first_pair = np.searchsorted(pool.query, np.arange(len(pool.queries) + 1))
        self._score = np.empty(len(pool.query), np.float32)
        self._above = np.empty((len(pool.query), len(pool.languages)), np.int32)
        self._top = np.full((len(pool.queries), depth), NOBODY, np.int32)
        self._top_score = np.full((len(pool.queries), depth), -np.inf, np.float32)

    def add(self, start: int, scores: Floats) -> None:
        """Take the scores [queries of the block, candidates] of the queries from `start` on."""
        scores = self._without_left_out(start, scores)
        pairs = slice(self._first_pair[start], self._first_pair[start + len(scores)])
        self._score[pairs] = scores[self._pool.query[pairs] - start, self._pool.candidate[pairs]]
        rows = max(1, STRIP_SCORES // scores.shape[1])
        for first in range(0, len(scores), rows):
            strip = self._layout.spread(scores[first : first + rows])
            self._count(start + first, strip)
            self._list_top(start + first, strip)

    def _without_left_out(self, start: int, scores: Floats) -> Floats:
        """The scores with minus infinity for the candidate that a query is not offered, so that it never counts."""
        left_out = self._pool.left_out[start : start + len(scores)]
        rows = np.flatnonzero(left_out != NOTHING)
        if not len(rows):
            return scores
        scores = scores.copy()
        scores[rows, left_out[rows]] = -np.inf
        return scores

    def _count(self, start: int, strip: Floats) -> None:
        """Count what stands at or above each relevant candidate of the strip's queries."""
        first = self._first_pair[start : start + len(strip)]
        relevants = np.diff(self._first_pair[start : start + len(strip) + 1])
        for place in range(relevants.max()):
            rows = np.flatnonzero(relevants > place)
            pairs = first[rows] + place
            scores = strip if len(rows) == len(strip) else strip[rows]
            self._above[pairs] = self._layout.count(scores >= self._score[pairs, None])

    def _list_top(self, start: int, strip: Floats) -> None:
        """Keep the best candidates of each query.

        With the columns in groups of eight, at least `depth` scores reach the `depth`-th largest of the groups' maxima
        and fewer than eight times `depth` exceed it: those few are sorted, and ties at that floor fill the rest.
        """
        depth = self._top.shape[1]
        maxima = strip.reshape(len(strip), 8, -1).max(axis=1)
        floor = np.full(len(strip), np.finfo(np.float32).min)
        if maxima.shape[1] > depth:
            floor = np.maximum(floor, np.partition(maxima, -depth, axis=1)[:, -depth])
        width = strip.shape[1]
        above = np.flatnonzero(strip > floor[:, None])
        bounds = np.searchsorted(above, width * np.arange(len(strip) + 1))
        for index, scores in enumerate(strip):
            columns = above[bounds[index] : bounds[index + 1]] - width * index
            best = columns[np.lexsort((self._tie_place[columns], -scores[columns]))][:depth]
            if len(best) < depth:
                best = np.concatenate([best, self._tied(scores, floor[index], depth - len(best))])
            self._top[start + index] = self._layout.candidate[best]
            self._top_score[start + index] = scores[best]

    def _tied(self, scores: Floats, value: float, count: int) -> Ints:
        """The first `count` columns, in the order of ties, that score exactly `value`."""
        for columns in (self._tie_order[: 8 * self._top.shape[1]], self._tie_order):
            tied = columns[scores[columns] == value][:count]
            if len(tied) == count:
                break
        return tied

    def evidence(self) -> Evidence:
        """The finished arrays; a relevant candidate is not above itself."""
        pool = self._pool
        language = pool.candidates.language[pool.candidate]
        above = self._above.copy()
        above[np.arange(len(above)), language] -= 1
        return Evidence(
            query_ids=pool.queries.ids,
            candidate_ids=pool.candidates.ids,
            languages=pool.languages,
            sizes=pool.sizes,
            query_language=pool.queries.language,
            group=pool.group,
            query=pool.query,
            candidate=pool.candidate,
            language=language,
            gain=pool.gain,
            score=self._score,
            above=above,
            top=self._top,
            top_language=np.where(self._top == NOBODY, NOBODY, pool.candidates.language[self._top]),
            top_score=self._top_score,
        )


class _Layout:
    """Columns in which every language starts at a multiple of eight, so that eight comparisons are one byte to count.

    The columns between two languages hold minus infinity: no score is below it.
    """

    def __init__(self, sizes: Ints) -> None:
        width = np.maximum(-(-sizes // 8), 1)
        self._bytes = np.concatenate([[0], np.cumsum(width)])
        ends = np.cumsum(sizes)
        self._slices = [
            (slice(8 * byte, 8 * byte + size), slice(end - size, end))
            for byte, size, end in zip(self._bytes[:-1].tolist(), sizes.tolist(), ends.tolist(), strict=True)
        ]
        self.candidate = np.full(8 * self._bytes[-1], NOBODY)
        for columns, candidates in self._slices:
            self.candidate[columns] = np.arange(candidates.start, candidates.stop)
        self.column = np.flatnonzero(self.candidate != NOBODY)

    def spread(self, scores: Floats) -> Floats:
        """Scores [rows, candidates] put into the columns of this layout, [rows, columns]."""
        strip = np.full((len(scores), len(self.candidate)), -np.inf, np.float32)
        for columns, candidates in self._slices:
            strip[:, columns] = scores[:, candidates]
        return strip

    def count(self, hits: np.ndarray) -> Ints:
        """True entries of each row in each language, [rows, languages]."""
        counts = np.bitwise_count(np.packbits(hits, axis=1))
        return np.add.reduceat(counts, self._bytes[:-1], axis=1, dtype=np.int32)


def _tie_order(ids: Sequence[str]) -> Ints:
    """The candidates in a fixed order that has nothing to do with their place or language, [candidates].

    Equal scores need some order in the list of the best; any order by place in the file would favour a language.
    """
    digests = [hashlib.blake2b(id_.encode(), digest_size=8).digest() for id_ in ids]
    return np.argsort(np.frombuffer(b"".join(digests), ">u8"), kind="stable")
