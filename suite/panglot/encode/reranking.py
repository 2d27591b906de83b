"""Reranking: the best candidates of each query in a new order above the others, which stay as the first stage has them.

A query's list holds every candidate whose rank in the first stage is at most `depth`, in the pool of all languages.
Ranks count ties against the candidate, so tied candidates are all in the list or all outside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.data.pool import NO_CANDIDATE, Pool
from panglot.retrieve.ranking import BLOCK_SCORES, check_scores
from panglot.retrieve.similarity import ScoreBlocks

PAIRS_TOGETHER = 1_000_000
"""Pairs scored under one progress bar (about 200 MB for their keys)."""


class RerankedScores:
    """The scores of a first stage, with each query's list in the order of other scores, equal ones tied.

    `score_pairs` scores pairs of a query and a candidate, given by index, [pairs]. The first stage scores each query
    twice, once for its list and once for its block, since scores of all candidates do not fit in memory.
    """

    def __init__(self, first: ScoreBlocks, pool: Pool, depth: int, score_pairs: Callable[[Ints, Ints], Floats]) -> None:
        self._first, self._score_pairs = first, score_pairs
        self._lists = list[tuple[Ints, Floats]]()
        """The candidates of each query's list, and their scores."""
        queries = max(1, PAIRS_TOGETHER // min(depth, len(pool.candidates)))
        waiting = list[Ints]()
        for listed in lists_of(first, pool, depth):
            waiting.append(listed)
            if len(waiting) == queries:
                self._score(waiting)
                waiting = []
        if waiting:
            self._score(waiting)

    def _score(self, lists: list[Ints]) -> None:
        """Score the lists of the next queries."""
        lengths = [len(listed) for listed in lists]
        query = np.repeat(np.arange(len(self._lists), len(self._lists) + len(lists)), lengths)
        scores = self._score_pairs(query, np.concatenate(lists))
        self._lists += zip(lists, np.split(scores, np.cumsum(lengths)[:-1]), strict=True)

    def block(self, start: int, stop: int) -> Floats:
        """Return scores [stop - start, candidates]: those of the first stage, and evenly spaced ones for the lists.

        A list's scores lie above all others of their query, in even steps that float32 keeps apart: the pair scorer's
        own differences can be too small for that.
        """
        scores = np.array(self._first.block(start, stop), np.float32)
        for row, (listed, given) in zip(scores, self._lists[start:stop], strict=True):
            if len(listed):
                levels, place = np.unique(given, return_inverse=True)
                top = row.max()
                span = max(float(top - row.min()), abs(float(top))) or 1.0
                row[listed] = top + span * (place + 1) / len(levels)
        return scores


def lists_of(first: ScoreBlocks, pool: Pool, depth: int) -> Iterator[Ints]:
    """Yield the candidates of each query's list, [at most depth]."""
    width = len(pool.candidates)
    block = max(1, BLOCK_SCORES // width)
    for start in range(0, len(pool.queries), block):
        stop = min(start + block, len(pool.queries))
        scores = np.array(check_scores(first.block(start, stop), pool.queries.ids[start:stop]))
        for row, scored in enumerate(scores, start):
            if len(pool.excluded) and pool.excluded[row] != NO_CANDIDATE:
                scored[pool.excluded[row]] = -np.inf
            below = -np.inf if width <= depth else np.partition(scored, width - depth - 1)[width - depth - 1]
            yield np.flatnonzero(scored > below)
