"""Scores: one column for copies of a vector, float32 whatever comes in."""

from __future__ import annotations

import numpy as np
import pytest

from panglot.retrieve.similarity import DenseScores


@pytest.mark.parametrize("rows", [1, 2, 3, 17])
@pytest.mark.parametrize("dim", [8, 32, 96, 128])
def test_copies_of_a_vector_score_alike(rows: int, dim: int) -> None:
    """Over these shapes a plain float32 product gives copies different last bits, here where and there."""
    random = np.random.default_rng(dim)
    queries = random.standard_normal((rows, dim), np.float32)
    two = random.standard_normal((2, dim), np.float32)
    scores = DenseScores(queries, np.tile(two, (75, 1))).block(0, rows)
    assert (scores[:, 0::2] == scores[:, :1]).all()
    assert (scores[:, 1::2] == scores[:, 1:2]).all()
    assert scores[:, :2] == pytest.approx(queries @ two.T, abs=1e-4)


def test_a_block_is_some_of_the_queries() -> None:
    scores = DenseScores(np.array([[1, 0], [0, 1], [1, 1], [2, 1]]), np.array([[1, 2], [3, 5], [1, 2]]))
    assert scores.block(1, 3).tolist() == [[2, 5, 2], [3, 8, 3]]


@pytest.mark.parametrize(("queries", "candidates"), [(np.float64, np.float32), (np.float32, np.float64)])
def test_scores_are_float32(queries: type, candidates: type) -> None:
    assert DenseScores(np.ones((2, 4), queries), np.ones((3, 4), candidates)).block(0, 2).dtype == np.float32
