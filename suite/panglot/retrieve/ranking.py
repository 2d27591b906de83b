"""From scores to evidence: one pass over blocks of queries, no sorting of the pool, no second look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.data.pool import NO_CANDIDATE, Pool
from panglot.errors import BadEncoder
from panglot.progress import Progress, silent
from panglot.retrieve.columns import ColumnLayout
from panglot.retrieve.evidence import NARROW, Evidence, is_narrow, itself, narrowed
from panglot.retrieve.similarity import ScoreBlocks
from panglot.retrieve.toplists import TopLists

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
    pool: Pool, scores: ScoreBlocks, depth: int | None = None, block: int | None = None, progress: Progress = silent
) -> Evidence:
    """Count, for every relevant pair and every language, the candidates that score at least as high.

    `depth` is the length of the lists of the best, `block` the number of queries scored at a time; no count depends
    on either.

    :raises BadEncoder: a score that is no finite number.
    """
    total, width = len(pool.queries), len(pool.candidates)
    depth = depth or (DEPTH if total * DEPTH <= MOST_LISTED else SHORT_DEPTH)
    block = block or max(1, BLOCK_SCORES // width)
    tally = Tally.empty(pool, min(depth, width - bool(len(pool.left_out))))
    tally.top.ids.add(0, pool.candidates.ids)
    columns = ColumnLayout(pool.sizes, tally.top.ids)
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
    rows = np.flatnonzero(left_out != NO_CANDIDATE)
    if not len(rows):
        return scores
    scores = scores.copy()
    scores[rows, left_out[rows]] = -np.inf
    return scores


def _evidence(pool: Pool, counter: Counter) -> Evidence:
    """The finished arrays; a relevant candidate is not above itself."""
    language, asked = pool.candidates.language[pool.candidate], pool.queries.language[pool.query]
    above, lists = counter.tally.above, counter.tally.top
    top = lists.number.astype(np.int32)
    above -= itself(language, asked, len(pool.languages))
    return Evidence(
        query_ids=pool.queries.ids,
        candidate_ids=pool.candidates.ids,
        languages=pool.languages,
        sizes=pool.sizes,
        query_language=pool.queries.language,
        group=pool.group,
        cluster=pool.cluster,
        query=pool.query,
        candidate=pool.candidate,
        language=language,
        gain=pool.gain,
        score=counter.score,
        above=above,
        top=top,
        top_language=pool.candidates.language[top],
        top_score=lists.score,
    )


@dataclass(eq=False)
class Tally:
    """What was counted of some of the candidates: counts add, lists merge, in any order.

    `above` [pairs, counts] counts the candidates that score at least as high as a relevant one, itself too; `top`
    lists the best of each query.
    """

    above: Ints
    top: TopLists

    @classmethod
    def empty(cls, pool: Pool, depth: int) -> Tally:
        """Nothing counted yet."""
        counts = len(NARROW) if is_narrow(len(pool.languages)) else len(pool.languages)
        return cls(np.zeros((len(pool.query), counts), np.int32), TopLists.empty(len(pool.queries), depth))

    def merge(self, other: Tally) -> None:
        """Take in what was counted of other candidates."""
        self.above += other.above
        self.top.merge(other.top)


class Counter:
    """Fills a tally, a block of queries against some of the candidates at a time.

    `pool` says what is relevant, `score` [pairs] is the score that each relevant candidate got.
    """

    def __init__(self, pool: Pool, tally: Tally, score: Floats | None = None) -> None:
        self.tally = tally
        self.score = score if score is not None else np.empty(len(pool.query), np.float32)
        self._query = pool.query
        self._language, self._asked = pool.candidates.language[pool.candidate], pool.queries.language[pool.query]
        self._first_pair = np.searchsorted(pool.query, np.arange(len(pool.queries) + 1))

    def add(self, start: int, scores: Floats, columns: ColumnLayout, relevant: Ints | None = None) -> None:
        """Take the scores [queries of the block, candidates] of the queries from `start` on.

        `relevant` [pairs] says where the relevant candidates stand in them; without it their scores are known.
        """
        if relevant is not None:
            pairs = slice(self._first_pair[start], self._first_pair[start + len(scores)])
            self.score[pairs] = scores[self._query[pairs] - start, relevant[pairs]]
        rows = max(1, STRIP_SCORES // scores.shape[1])
        for first in range(0, len(scores), rows):
            strip = columns.spread(scores[first : first + rows])
            self._count(start + first, strip, columns)
            self.tally.top.offer(start + first, strip, columns)

    def _count(self, start: int, strip: Floats, columns: ColumnLayout) -> None:
        """Count what stands at or above each relevant candidate of the strip's queries."""
        first = self._first_pair[start : start + len(strip)]
        relevants = np.diff(self._first_pair[start : start + len(strip) + 1])
        for place in range(relevants.max()):
            rows = np.flatnonzero(relevants > place)
            pairs = first[rows] + place
            scores = strip if len(rows) == len(strip) else strip[rows]
            counts = columns.count(scores >= self.score[pairs, None])
            self.tally.above[pairs] += narrowed(counts, self._language[pairs], self._asked[pairs])
