"""From scores to evidence in one pass over blocks of queries, without sorting the pool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.data.pool import NO_CANDIDATE, Pool
from panglot.errors import BadEncoder
from panglot.progress import Progress, silent
from panglot.retrieve.columns import ColumnLayout
from panglot.retrieve.counting import Counter, Tally, kernel_for
from panglot.retrieve.device import (
    STEPS,
    DeviceColumns,
    DeviceScores,
    as_numpy,
    in_blocks,
    rounding_of,
    rows_at_a_time,
    send,
)
from panglot.retrieve.evidence import Evidence, self_counts
from panglot.retrieve.similarity import DenseScores, ScoreBlocks

DEPTH = 100
"""Length of the top list of each query in the pool of all languages."""

SHORT_DEPTH = 10
MOST_LISTED = 4_000_000
"""Maximum number of listed candidates in all queries together; above it each list has `SHORT_DEPTH` entries, which is
enough for every score."""

BLOCK_SCORES = 32_000_000
"""Scores in one block (128 MB): enough queries for the matrix product to run at full speed."""


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
    columns, counter = ColumnLayout(pool.sizes, tally.top.ids), Counter(pool, tally, kernel=kernel_for(total * width))
    if device and isinstance(scores, DenseScores):
        rounding = rounding_of(pool, scores.queries, scores.candidates)
        counted = _count_there(
            pool, DeviceScores(scores, device), counter, DeviceColumns(columns, device), rounding, block
        )
        tally.close = -_count_copies(pool, scores)
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
    for start, found in _blocks(pool, scores, block):
        counter.add_whole(start, found, columns, pool.candidate)
        yield len(found)


def _blocks(pool: Pool, scores: ScoreBlocks, block: int | None = None) -> Iterator[tuple[int, Floats]]:
    """Yield the first query and the scores [queries, candidates] of each block, valid until the next one.

    Excluded candidates score minus infinity.

    :raises BadEncoder: a score is NaN or infinite.
    """
    total, width = len(pool.queries), len(pool.candidates)
    block = min(total, block or max(1, BLOCK_SCORES // width))
    dense = scores if isinstance(scores, DenseScores) else None
    memory = np.empty(block * width if dense else 0, np.float32)
    for start in range(0, total, block):
        stop = min(start + block, total)
        found = dense.block(start, stop, memory) if dense else scores.block(start, stop)
        if not (dense and dense.are_finite):
            check_scores(found, pool.queries.ids[start:stop])
        yield start, _mask_excluded(pool, start, found)


def _count_there(
    pool: Pool, scores: DeviceScores, counter: Counter, columns: DeviceColumns, rounding: Floats, block: int | None
) -> Iterator[int]:
    """Count one block of queries at a time on a device; yields their numbers of queries."""

    def count(start: int, stop: int) -> None:
        found = scores.block(start, stop)
        if not scores.are_finite:
            check_scores(as_numpy(found), pool.queries.ids[start:stop])
        row, excluded = _excluded(pool, start, stop)
        if len(row):
            found[send(row, found.device), send(excluded, found.device)] = -np.inf
        counter.add_there(start, found, columns, rounding, pool.candidate)

    width = len(pool.candidates) + STEPS * len(pool.languages) * int(np.bincount(pool.query).max())
    return in_blocks(count, len(pool.queries), block or rows_at_a_time(width, scores.device))


def _count_copies(pool: Pool, scores: DenseScores) -> int:
    """Count the candidates with the same vector as a relevant one, itself included, whose scores are equal anywhere."""
    original = np.arange(len(pool.candidates))
    original[scores.copies] = scores.originals
    relevant = original[pool.candidate]
    same = int(np.bincount(original)[relevant].sum())
    if len(pool.excluded):
        excluded = pool.excluded[pool.query]
        same -= int(((excluded != NO_CANDIDATE) & (original[excluded] == relevant)).sum())
    return same


def best_scores(pool: Pool, scores: ScoreBlocks) -> Floats:
    """Return the score of each query's best candidate, float32 [queries]; excluded candidates do not count.

    :raises BadEncoder: a score is NaN or infinite.
    """
    found = np.empty(len(pool.queries), np.float32)
    for start, block in _blocks(pool, scores):
        found[start : start + len(block)] = block.max(axis=1)
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
        close=counter.tally.close,
    )
