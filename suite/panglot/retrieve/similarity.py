"""Scores of every query against every candidate, one block of queries at a time."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np

from panglot.arrays import Floats


class ScoreBlocks(Protocol):
    """Interface of everything that can be ranked: dense, sparse, late interaction and lexical scores."""

    def block(self, start: int, stop: int) -> Floats:
        """Return scores [stop - start, candidates], float32, of queries `start` to `stop`; higher is more similar."""


class DenseScores:
    """Dot products of float32 vectors: `queries` [queries, dim] with `candidates` [candidates, dim].

    Candidates with byte-identical vectors share the scores of one column. A float32 matrix product does not guarantee
    equal scores: the last bit depends on the column's position, which would order copies of a text at random. `copies`
    are the candidates that equal an earlier one, and `originals` those earlier ones, both [copies].
    """

    def __init__(self, queries: Floats, candidates: Floats) -> None:
        self.queries = np.ascontiguousarray(queries, np.float32)
        self.candidates = np.ascontiguousarray(candidates, np.float32)
        first = _first_of_equal(self.candidates)
        self.copies = np.flatnonzero(first != np.arange(len(first)))
        self.originals = first[self.copies]

    @cached_property
    def are_finite(self) -> bool:
        """Whether the vectors' norms bound all their products (Cauchy-Schwarz); cheaper than checking each product."""
        return all(np.isfinite(np.einsum("ij,ij->i", part, part)).all() for part in (self.queries, self.candidates))

    def block(self, start: int, stop: int, memory: Floats | None = None) -> Floats:
        """Return the products of queries `start` to `stop` with all candidates, [stop - start, candidates].

        They are written to `memory`, if given: float32, at least as many. New memory for each block takes time.
        """
        shape = stop - start, len(self.candidates)
        scores = np.empty(shape, np.float32) if memory is None else memory[: shape[0] * shape[1]].reshape(shape)
        with np.errstate(invalid="ignore", over="ignore"):
            np.matmul(self.queries[start:stop], self.candidates.T, out=scores)
        if len(self.copies):
            scores[:, self.copies] = scores[:, self.originals]
        return scores


def _first_of_equal(vectors: Floats) -> np.ndarray:
    """Return for each row the index of the first byte-identical row, [rows].

    Only rows that share their first two numbers with another one are compared whole.
    """
    beginning = np.ascontiguousarray(vectors[:, :2])
    bits = beginning.view(np.uint64 if beginning.shape[1] == 2 else np.uint32)
    _, key, count = np.unique(bits.ravel(), return_inverse=True, return_counts=True)
    first, seen = np.arange(len(vectors)), dict[bytes, int]()
    for row in np.flatnonzero(count[key] > 1).tolist():
        first[row] = seen.setdefault(vectors[row].tobytes(), row)
    return first
