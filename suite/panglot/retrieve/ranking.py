"""From scores to evidence in one pass over blocks of queries, without sorting the pool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.data.pool import NO_CANDIDATE, Pool
from panglot.errors import BadEncoder
from panglot.progress import Progress, silent
from panglot.retrieve.columns import ColumnLayout
from panglot.retrieve.device import DeviceColumns, DeviceScores, as_numpy, in_blocks, rows_at_a_time, rows_of, send
from panglot.retrieve.evidence import NARROW, NOBODY, Evidence, is_narrow, narrow_counts, self_counts
from panglot.retrieve.similarity import DenseScores, ScoreBlocks
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
    pool: Pool,
    scores: ScoreBlocks,
    depth: int | None = None,
    block: int | None = None,
    progress: Progress = silent,
    device: str | None = None,
) -> Evidence:
    """For every relevant pair and every language, count the candidates that score at least as high.

    `depth` is the length of the top lists and `block` the number of queries scored at a time; the counts depend on
    neither. Dot products are computed and counted on `device`, a name of torch, if it is given.

    :raises BadEncoder: a score is NaN or infinite.
    :raises PanglotError: the device has too little memory.
    """
    total, width = len(pool.queries), len(pool.candidates)
    depth = depth or (DEPTH if total * DEPTH <= MOST_LISTED else SHORT_DEPTH)
    tally = Tally.empty(pool, min(depth, width - bool(len(pool.excluded))))
    tally.top.ids.add(0, pool.candidates.ids)
    columns, counter = ColumnLayout(pool.sizes, tally.top.ids), Counter(pool, tally)
    if device and isinstance(scores, DenseScores):
        counted = _count_there(pool, DeviceScores(scores, device), counter, DeviceColumns(columns, device), block)
    else:
        counted = _count_here(pool, scores, counter, columns, block)
    with progress("ranking", total) as advance:
        for queries in counted:
            advance(queries)
    return _evidence(pool, counter)


def _count_here(
    pool: Pool, scores: ScoreBlocks, counter: Counter, columns: ColumnLayout, block: int | None
) -> Iterator[int]:
    """Count one block of queries at a time; yields their numbers of queries."""
    total, block = len(pool.queries), block or max(1, BLOCK_SCORES // len(pool.candidates))
    for start in range(0, total, block):
        stop = min(start + block, total)
        found = check_scores(scores.block(start, stop), pool.queries.ids[start:stop])
        counter.add(start, _mask_excluded(pool, start, found), columns, pool.candidate)
        yield stop - start


def _count_there(
    pool: Pool, scores: DeviceScores, counter: Counter, columns: DeviceColumns, block: int | None
) -> Iterator[int]:
    """Count one block of queries at a time on a device; yields their numbers of queries."""

    def count(start: int, stop: int) -> None:
        found = scores.block(start, stop)
        if not scores.are_finite:
            check_scores(as_numpy(found), pool.queries.ids[start:stop])
        row, excluded = _excluded(pool, start, stop)
        if len(row):
            found[send(row, found.device), send(excluded, found.device)] = -np.inf
        counter.add_there(start, found, columns, pool.candidate)

    width = len(pool.candidates) + len(pool.languages) * int(np.bincount(pool.query).max())
    return in_blocks(count, len(pool.queries), block or rows_at_a_time(width, scores.device))


def best_scores(pool: Pool, scores: ScoreBlocks) -> Floats:
    """Return the score of each query's best candidate, float32 [queries]; excluded candidates do not count.

    :raises BadEncoder: a score is NaN or infinite.
    """
    total, found = len(pool.queries), np.empty(len(pool.queries), np.float32)
    block = max(1, BLOCK_SCORES // len(pool.candidates))
    for start in range(0, total, block):
        stop = min(start + block, total)
        checked = check_scores(scores.block(start, stop), pool.queries.ids[start:stop])
        found[start:stop] = _mask_excluded(pool, start, checked).max(axis=1)
    return found


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
    row, excluded = _excluded(pool, start, start + len(scores))
    if not len(row):
        return scores
    scores = scores.copy()
    scores[row, excluded] = -np.inf
    return scores


def _excluded(pool: Pool, start: int, stop: int) -> tuple[Ints, Ints]:
    """Return the rows of a block of queries that exclude a candidate, and these candidates."""
    excluded = pool.excluded[start:stop]
    row = np.flatnonzero(excluded != NO_CANDIDATE)
    return row, excluded[row]


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
            pairs = self._pairs(start, len(scores))
            self.score[pairs] = scores[self._query[pairs] - start, relevant[pairs]]
        rows = max(1, STRIP_SCORES // scores.shape[1])
        for first in range(0, len(scores), rows):
            strip = columns.spread(scores[first : first + rows])
            self._count(start + first, strip, columns)
            self.tally.top.update(start + first, strip, columns)

    def add_there(self, start: int, scores: Any, columns: DeviceColumns, relevant: Ints | None = None) -> None:
        """Count like `add`, with scores that are on a device."""
        pairs, asked = self._pairs(start, len(scores)), self._asked[self._first_pair[start : start + len(scores)]]
        relevants = np.diff(self._first_pair[start : start + len(scores) + 1])
        if relevant is None:
            score, language = (send(part[pairs], scores.device) for part in (self.score, self._language))
        else:
            place = send(relevant[pairs], scores.device)
            score, language = scores[rows_of(relevants, scores.device), place], columns.language[place]
        above = columns.count(scores, score, relevants, language, send(asked, scores.device))
        best, number, cut = columns.best(scores, self.tally.top.depth)
        tied = as_numpy(scores[send(cut, scores.device)])
        self.score[pairs] = as_numpy(score)
        self.tally.above[pairs] += above
        best[cut], number[cut] = -np.inf, NOBODY
        self.tally.top.add(slice(start, start + len(scores)), best, number)
        for place, strip in zip(cut.tolist(), tied[:, None], strict=True):
            self.tally.top.update(start + place, columns.layout.spread(strip), columns.layout)

    def _pairs(self, start: int, rows: int) -> slice:
        """The relevant pairs of consecutive queries from `start`."""
        return slice(self._first_pair[start], self._first_pair[start + rows])

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
