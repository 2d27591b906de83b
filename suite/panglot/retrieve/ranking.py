"""From scores to evidence in one pass over blocks of queries, without sorting the pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.data.pool import NO_CANDIDATE, Pool
from panglot.errors import BadEncoder
from panglot.progress import Progress, silent
from panglot.retrieve.columns import ColumnLayout
from panglot.retrieve.evidence import NARROW, Evidence, is_narrow, narrow_counts, self_counts
from panglot.retrieve.similarity import ScoreBlocks
from panglot.retrieve.toplists import TopLists

DEPTH = 100
"""Length of the top list of each query in the pool of all languages."""

SHORT_DEPTH = 10
MOST_LISTED = 4_000_000
"""Maximum number of listed candidates in all queries together; above it each list has `SHORT_DEPTH` entries, which is
enough for every score."""

BLOCK_SCORES = 8_000_000
"""Scores in one block (32 MB): enough queries for the matrix product to run at full speed."""

STRIP_SCORES = 500_000
"""Scores counted together (2 MB), so that they stay in the CPU cache."""


def collect_evidence(
    pool: Pool, scores: ScoreBlocks, depth: int | None = None, block: int | None = None, progress: Progress = silent
) -> Evidence:
    """For every relevant pair and every language, count the candidates that score at least as high.

    `depth` is the length of the top lists and `block` the number of queries scored at a time; the counts depend on
    neither.

    :raises BadEncoder: a score is NaN or infinite.
    """
    total, width = len(pool.queries), len(pool.candidates)
    depth = depth or (DEPTH if total * DEPTH <= MOST_LISTED else SHORT_DEPTH)
    block = block or max(1, BLOCK_SCORES // width)
    tally = Tally.empty(pool, min(depth, width - bool(len(pool.excluded))))
    tally.top.ids.add(0, pool.candidates.ids)
    columns = ColumnLayout(pool.sizes, tally.top.ids)
    counter = Counter(pool, tally)
    with progress("ranking", total) as advance:
        for start in range(0, total, block):
            stop = min(start + block, total)
            found = check_scores(scores.block(start, stop), pool.queries.ids[start:stop])
            counter.add(start, _mask_excluded(pool, start, found), columns, pool.candidate)
            advance(stop - start)
    return _evidence(pool, counter)


def check_scores(scores: Floats, query_ids: Sequence[str]) -> Floats:
    """Return the scores [queries, candidates] if all of them are finite.

    :raises BadEncoder: a score is NaN or infinite; names the first such query.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        suspect = not np.isfinite(scores.sum())  # faster than testing each; not finite if any score is not
    if suspect and not np.isfinite(scores).all():
        query = query_ids[int(np.argmin(np.isfinite(scores).all(axis=1)))]
        raise BadEncoder(
            f"A score for the query {query!r} is NaN or infinite. Scores must be finite. Dot products of vectors that "
            "are not of unit length can overflow; scale the vectors."
        )
    return scores


def _mask_excluded(pool: Pool, start: int, scores: Floats) -> Floats:
    """Set the score of each query's excluded candidate to minus infinity, so that it never counts."""
    excluded = pool.excluded[start : start + len(scores)]
    rows = np.flatnonzero(excluded != NO_CANDIDATE)
    if not len(rows):
        return scores
    scores = scores.copy()
    scores[rows, excluded[rows]] = -np.inf
    return scores


def _evidence(pool: Pool, counter: Counter) -> Evidence:
    """Assemble the evidence; a relevant candidate does not count as above itself."""
    language, query_language = pool.candidates.language[pool.candidate], pool.queries.language[pool.query]
    above, lists = counter.tally.above, counter.tally.top
    top = lists.number.astype(np.int32)
    above -= self_counts(language, query_language, len(pool.languages))
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
    """Counts and top lists for a part of the candidates; tallies can be merged in any order.

    `above` [pairs, counts] counts the candidates that score at least as high as a relevant one, including itself;
    `top` holds the best candidates of each query.
    """

    above: Ints
    top: TopLists

    @classmethod
    def empty(cls, pool: Pool, depth: int) -> Tally:
        """Return a tally with no candidates counted."""
        counts = len(NARROW) if is_narrow(len(pool.languages)) else len(pool.languages)
        return cls(np.zeros((len(pool.query), counts), np.int32), TopLists.empty(len(pool.queries), depth))

    def merge(self, other: Tally) -> None:
        """Add the counts and lists of other candidates."""
        self.above += other.above
        self.top.merge(other.top)


class Counter:
    """Fills a tally, one block of queries against a part of the candidates at a time.

    `pool` gives the relevant pairs; `score` [pairs] is the score of each relevant candidate.
    """

    def __init__(self, pool: Pool, tally: Tally, score: Floats | None = None) -> None:
        self.tally = tally
        self.score = score if score is not None else np.empty(len(pool.query), np.float32)
        self._query = pool.query
        self._language, self._asked = pool.candidates.language[pool.candidate], pool.queries.language[pool.query]
        self._first_pair = np.searchsorted(pool.query, np.arange(len(pool.queries) + 1))

    def add(self, start: int, scores: Floats, columns: ColumnLayout, relevant: Ints | None = None) -> None:
        """Count the scores [queries of the block, candidates] of consecutive queries from `start`.

        `relevant` [pairs] gives the column of each relevant candidate; if None, `score` is already filled.
        """
        if relevant is not None:
            pairs = slice(self._first_pair[start], self._first_pair[start + len(scores)])
            self.score[pairs] = scores[self._query[pairs] - start, relevant[pairs]]
        rows = max(1, STRIP_SCORES // scores.shape[1])
        for first in range(0, len(scores), rows):
            strip = columns.spread(scores[first : first + rows])
            self._count(start + first, strip, columns)
            self.tally.top.update(start + first, strip, columns)

    def _count(self, start: int, strip: Floats, columns: ColumnLayout) -> None:
        """Count the candidates at or above each relevant candidate of the strip's queries."""
        first = self._first_pair[start : start + len(strip)]
        relevants = np.diff(self._first_pair[start : start + len(strip) + 1])
        for place in range(relevants.max()):
            rows = np.flatnonzero(relevants > place)
            pairs = first[rows] + place
            scores = strip if len(rows) == len(strip) else strip[rows]
            counts = columns.count(scores >= self.score[pairs, None])
            self.tally.above[pairs] += narrow_counts(counts, self._language[pairs], self._asked[pairs])
