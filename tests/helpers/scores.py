"""Scores that come from no model."""

from __future__ import annotations

import numpy as np

from panglot.data.pool import Pool


class FixedScores:
    """Scores given as one matrix [queries, candidates]."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = np.asarray(matrix, np.float32)

    def block(self, start: int, stop: int) -> np.ndarray:
        return self.matrix[start:stop]


class Perfect:
    """Every relevant candidate scores 1, everything else 0."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def block(self, start: int, stop: int) -> np.ndarray:
        scores = np.zeros((stop - start, len(self._pool.candidates)), np.float32)
        here = (self._pool.query >= start) & (self._pool.query < stop)
        scores[self._pool.query[here] - start, self._pool.candidate[here]] = 1
        return scores


class Random:
    """Independent scores."""

    def __init__(self, pool: Pool) -> None:
        self._random = np.random.default_rng(4)
        self._candidates = len(pool.candidates)

    def block(self, start: int, stop: int) -> np.ndarray:
        return self._random.random((stop - start, self._candidates), np.float32)


class Constant(Perfect):
    """Everything scores alike."""

    def block(self, start: int, stop: int) -> np.ndarray:
        return np.zeros((stop - start, len(self._pool.candidates)), np.float32)


def ranks_of(scores: np.ndarray) -> np.ndarray:
    """The rank of each score in its row, ties counted against it."""
    return (scores[:, None, :] >= scores[:, :, None]).sum(axis=2)
