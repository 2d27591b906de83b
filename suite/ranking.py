"""From scores to evidence: one pass over blocks of queries, no sorting of the pool, no second look at it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from suite.arrays import Floats, Ints
from suite.errors import BadEncoder
from suite.evidence import NARROW, NOBODY, Evidence, is_narrow, itself, narrowed
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

MANY_TIED = 16
"""Times the length of a list: where more scores reach its floor, they tie there, and are not all sorted."""

LAST_KEY = np.uint64((1 << 64) - 1)
"""Of a place in a list where nobody stands."""


def collect_evidence(
    pool: Pool, scores: Scores, depth: int | None = None, block: int | None = None, progress: Progress = silent
) -> Evidence:
    """Count, for every relevant pair and every language, the candidates that score at least as high.

    `depth` is the length of the lists of the best, `block` the number of queries scored at a time; no count depends
    on either.

    :raises BadEncoder: a score that is no finite number.
    """
    total, width = len(pool.queries), len(pool.candidates)
    depth = depth or (DEPTH if total * DEPTH <= MOST_LISTED else SHORT_DEPTH)
    block = block or max(1, BLOCK_SCORES // width)
    columns = Columns(pool.sizes, pool.candidates.ids)
    tally = Tally.empty(pool, min(depth, width - bool(len(pool.left_out))))
    counter = Counter(pool, tally)
    with progress("ranking", total) as advance:
        for start in range(0, total, block):
            stop = min(start + block, total)
            found = checked(scores.block(start, stop), pool.queries.ids[start:stop])
            counter.add(start, _offered(pool, start, found), columns, pool.candidate)
            advance(stop - start)
    return _evidence(pool, counter)


def checked(scores: Floats, query_ids: Sequence[str]) -> Floats:
    """The scores [queries, candidates] if all of them are finite.

    :raises BadEncoder: naming the first query that has another.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        suspect = not np.isfinite(scores.sum())  # quicker than to ask each, and never finite where one is not
    if suspect and not np.isfinite(scores).all():
        query = query_ids[int(np.argmin(np.isfinite(scores).all(axis=1)))]
        raise BadEncoder(
            f"A score for the query {query!r} is NaN or infinite. Scores must be finite; those of vectors that are not "
            "of unit length can overflow."
        )
    return scores


def _offered(pool: Pool, start: int, scores: Floats) -> Floats:
    """The scores with minus infinity for the candidate that a query is not offered, so that it never counts."""
    left_out = pool.left_out[start : start + len(scores)]
    rows = np.flatnonzero(left_out != NOTHING)
    if not len(rows):
        return scores
    scores = scores.copy()
    scores[rows, left_out[rows]] = -np.inf
    return scores


def _evidence(pool: Pool, counter: Counter) -> Evidence:
    """The finished arrays; a relevant candidate is not above itself."""
    language, asked = pool.candidates.language[pool.candidate], pool.queries.language[pool.query]
    above, top = counter.tally.above, counter.tally.top.astype(np.int32)
    above -= itself(language, asked, len(pool.languages))
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
        score=counter.score,
        above=above,
        top=top,
        top_language=np.where(top == NOBODY, NOBODY, pool.candidates.language[top]),
        top_score=counter.tally.top_score,
    )


@dataclass(eq=False)
class Tally:
    """What was counted of some of the candidates: counts add, lists merge, in any order.

    `above` [pairs, counts] counts the candidates that score at least as high as a relevant one, itself too. `top`
    [queries, depth] lists the best by their number, best first; `top_score` and `top_key` order them.
    """

    above: Ints
    top: Ints
    top_score: Floats
    top_key: np.ndarray

    @classmethod
    def empty(cls, pool: Pool, depth: int) -> Tally:
        """Nothing counted yet."""
        queries, languages = len(pool.queries), len(pool.languages)
        return cls(
            above=np.zeros((len(pool.query), len(NARROW) if is_narrow(languages) else languages), np.int32),
            top=np.full((queries, depth), NOBODY, np.int64),
            top_score=np.full((queries, depth), -np.inf, np.float32),
            top_key=np.full((queries, depth), LAST_KEY),
        )

    def merge(self, other: Tally) -> None:
        """Take in what was counted of other candidates."""
        self.above += other.above
        scores, keys = (
            np.concatenate(pair, axis=1) for pair in ((self.top_score, other.top_score), (self.top_key, other.top_key))
        )
        best = np.lexsort((keys, -scores), axis=1)[:, : self.top.shape[1]]
        both = np.concatenate([self.top, other.top], axis=1)
        self.top, self.top_score, self.top_key = (np.take_along_axis(part, best, 1) for part in (both, scores, keys))


class Columns:
    """Where the candidates of a pool or of a shard stand in a block of scores, and the order of those that tie.

    `first` is the number of the first of them.
    """

    def __init__(self, sizes: Ints, ids: Sequence[str], first: int = 0) -> None:
        self.layout = _Layout(sizes)
        self.number = self.layout.candidate + first
        self._ids, self._keys = ids, np.full(len(self.layout.candidate), LAST_KEY)

    def keys_of(self, columns: Ints) -> np.ndarray:
        """The tie keys of some columns; each is made when it is asked for the first time."""
        new = columns[self._keys[columns] == LAST_KEY]
        if len(new):
            self._keys[new] = tie_keys([self._ids[candidate] for candidate in self.layout.candidate[new].tolist()])
        return self._keys[columns]

    @cached_property
    def order(self) -> Ints:
        """All columns in the order of ties, [candidates]."""
        return self.layout.column[np.argsort(self.keys_of(self.layout.column), kind="stable")]


class Counter:
    """Fills a tally, a block of queries against some of the candidates at a time.

    `pool` says what is relevant, `score` [pairs] is the score that each relevant candidate got.
    """

    def __init__(self, pool: Pool, tally: Tally, score: Floats | None = None) -> None:
        self.tally = tally
        self.score = score if score is not None else np.empty(len(pool.query), np.float32)
        self._query = pool.query
        self._language, self._asked = pool.candidates.language[pool.candidate], pool.queries.language[pool.query]
        self._first_pair = np.searchsorted(pool.query, np.arange(len(tally.top) + 1))

    def add(self, start: int, scores: Floats, columns: Columns, relevant: Ints | None = None) -> None:
        """Take the scores [queries of the block, candidates] of the queries from `start` on.

        `relevant` [pairs] says where the relevant candidates stand in them; without it their scores are known.
        """
        if relevant is not None:
            pairs = slice(self._first_pair[start], self._first_pair[start + len(scores)])
            self.score[pairs] = scores[self._query[pairs] - start, relevant[pairs]]
        rows = max(1, STRIP_SCORES // scores.shape[1])
        for first in range(0, len(scores), rows):
            strip = columns.layout.spread(scores[first : first + rows])
            self._count(start + first, strip, columns)
            self._list_top(start + first, strip, columns)

    def _count(self, start: int, strip: Floats, columns: Columns) -> None:
        """Count what stands at or above each relevant candidate of the strip's queries."""
        first = self._first_pair[start : start + len(strip)]
        relevants = np.diff(self._first_pair[start : start + len(strip) + 1])
        for place in range(relevants.max()):
            rows = np.flatnonzero(relevants > place)
            pairs = first[rows] + place
            scores = strip if len(rows) == len(strip) else strip[rows]
            counts = columns.layout.count(scores >= self.score[pairs, None])
            self.tally.above[pairs] += narrowed(counts, self._language[pairs], self._asked[pairs])

    def _list_top(self, start: int, strip: Floats, columns: Columns) -> None:
        """Keep the best candidates of each query; those few that reach the floor are sorted."""
        tally, depth = self.tally, self.tally.top.shape[1]
        floor = self._floor(start, strip)
        reaching = np.flatnonzero(strip >= floor[:, None])
        bounds = np.searchsorted(reaching, strip.shape[1] * np.arange(len(strip) + 1))
        for index in np.flatnonzero(np.diff(bounds)).tolist():
            row, scores = start + index, strip[index]
            found = reaching[bounds[index] : bounds[index + 1]] - strip.shape[1] * index
            if len(found) > MANY_TIED * depth:
                tied = _tied(scores, floor[index], columns, depth)
                found = np.concatenate([found[scores[found] > floor[index]], tied])
            score, key, number = scores[found], columns.keys_of(found), columns.number[found]
            if tally.top[row, 0] != NOBODY:
                score, key = np.concatenate([tally.top_score[row], score]), np.concatenate([tally.top_key[row], key])
                number = np.concatenate([tally.top[row], number])
            best = np.lexsort((key, -score))[:depth]
            place = slice(len(best))
            tally.top[row, place], tally.top_score[row, place] = number[best], score[best]
            tally.top_key[row, place] = key[best]

    def _floor(self, start: int, strip: Floats) -> Floats:
        """A score that the best of each query reach and few others, [rows].

        That is the last of the list where it is full. Else, with the columns in groups of eight, at least `depth`
        scores reach the `depth`-th largest of the groups' maxima and fewer than eight times `depth` exceed it.
        """
        depth = self.tally.top.shape[1]
        last = self.tally.top_score[start : start + len(strip), -1]
        floor = np.maximum(last, np.finfo(np.float32).min)
        if strip.shape[1] > 8 * depth and np.isinf(last).any():
            maxima = strip.reshape(len(strip), 8, -1).max(axis=1)
            floor = np.maximum(floor, np.partition(maxima, -depth, axis=1)[:, -depth])
        return floor


def _tied(scores: Floats, value: float, columns: Columns, count: int) -> Ints:
    """The first `count` columns, in the order of ties, that score exactly `value`."""
    for part in (columns.order[: 8 * count], columns.order):
        tied = part[scores[part] == value][:count]
        if len(tied) == count:
            break
    return tied


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
        if len(self.column) == len(self.candidate):
            return scores.astype(np.float32, copy=False)
        strip = np.full((len(scores), len(self.candidate)), -np.inf, np.float32)
        for columns, candidates in self._slices:
            strip[:, columns] = scores[:, candidates]
        return strip

    def count(self, hits: np.ndarray) -> Ints:
        """True entries of each row in each language, [rows, languages]."""
        counts = np.bitwise_count(np.packbits(hits, axis=1))
        return np.add.reduceat(counts, self._bytes[:-1], axis=1, dtype=np.int32)


def tie_keys(ids: Sequence[str]) -> np.ndarray:
    """What orders equal scores in the list of the best, [candidates].

    It has nothing to do with a candidate's place or language: any order by place in the file would favour a language.
    """
    digests = [hashlib.blake2b(id_.encode(), digest_size=8).digest() for id_ in ids]
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)
