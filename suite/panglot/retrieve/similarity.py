"""Scores of every query against every candidate, a block of queries at a time."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from panglot.arrays import Floats


class ScoreBlocks(Protocol):
    """Whatever yields a block of scores can be ranked: dense, sparse, late interaction, lexical."""

    def block(self, start: int, stop: int) -> Floats:
        """Scores [stop - start, candidates], float32, of the queries from `start` up to `stop`; higher is nearer."""


class DenseScores:
    """Dot products of float32 vectors: `queries` [queries, dim] with `candidates` [candidates, dim].

    Candidates whose vectors are equal to the byte share one column's scores. A float32 product does not promise that:
    its last bit depends on where a column stands, which would put copies of one text in a random order.
    """

    def __init__(self, queries: Floats, candidates: Floats) -> None:
        self.queries = np.ascontiguousarray(queries, np.float32)
        self.candidates = np.ascontiguousarray(candidates, np.float32)
        first = _first_of_equal(self.candidates)
        self._copies = np.flatnonzero(first != np.arange(len(first)))
        self._originals = first[self._copies]

    def block(self, start: int, stop: int) -> Floats:
        """The product of a block of queries with all candidates."""
        scores: Floats = self.queries[start:stop] @ self.candidates.T
        if len(self._copies):
            scores[:, self._copies] = scores[:, self._originals]
        return scores


def _first_of_equal(vectors: Floats) -> np.ndarray:
    """For each row the index of the first row that equals it to the byte, [rows]."""
    rows = np.ascontiguousarray(vectors).view(np.dtype((np.void, vectors.shape[1] * vectors.itemsize))).ravel()
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(row.tobytes(), index) for index, row in enumerate(rows)], np.intp)
