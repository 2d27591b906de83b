"""Means and draws: equal to counting by hand, one draw for all versions of a question, intervals as quantiles."""

from __future__ import annotations

import numpy as np
import pytest

from suite.evidence import Evidence
from suite.pool import Candidate, Judgement, Pool, Query
from suite.ranking import collect_evidence
from suite.sample import DRAWS, Sample, Score, draw_groups, macro, score_of, scores_of
from tests.conftest import FixedScores

ASKED = [("de", "a"), ("de", "b"), ("en", "a"), ("en", "b"), ("en", "c"), ("zh", "c")]
"""Language and question of each query; nobody asks in the fourth language."""


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    pool = Pool.of(
        ("de", "en", "th", "zh"),
        [Query(f"{language}:{question}", "", language, question) for language, question in ASKED],
        [Candidate("c", "", "th")],
        [Judgement(f"{language}:{question}", "c") for language, question in ASKED],
    )
    return collect_evidence(pool, FixedScores(np.zeros((len(ASKED), 1))))


def _slow_mean(values: np.ndarray, weights: np.ndarray) -> float:
    """The mean of the values that are there, each written down as often as it was drawn."""
    listed = [value for value, weight in zip(values, weights, strict=True) for _ in range(int(weight))]
    there = [value for value in listed if not np.isnan(value)]
    return sum(there) / len(there) if there else np.nan


@pytest.mark.parametrize("gap", [0.0, np.nan])
def test_means_are_those_of_the_drawn_queries_written_down(evidence: Evidence, gap: float) -> None:
    values = {"one": np.array([[3.0], [5], [2], [4], [9], [gap]]), "two": np.arange(12.0).reshape(6, 2)}
    values["two"][2, 1] += gap
    means = Sample(evidence, draws=40, seed=7).means(values)
    weights = draw_groups(3, 40, 7)
    assert [(name, mean.shape) for name, mean in means.items()] == [("one", (41, 4, 1)), ("two", (41, 4, 2))]
    for language, name in enumerate(evidence.languages):
        queries = [number for number, (asked, _) in enumerate(ASKED) if asked == name]
        groups = ["abc".index(ASKED[number][1]) for number in queries]
        for key, column in (("one", 0), ("two", 0), ("two", 1)):
            expected = [_slow_mean(values[key][queries, column], row[groups]) for row in weights]
            assert means[key][:, language, column] == pytest.approx(expected, nan_ok=True, abs=1e-12)


def test_the_first_row_is_the_data_itself(evidence: Evidence) -> None:
    means = Sample(evidence).means({"value": np.array([[3.0], [5], [2], [4], [np.nan], [8]])})["value"]
    assert len(means) == 1 + DRAWS
    assert means[0, :, 0] == pytest.approx([4, 3, np.nan, 8], nan_ok=True)


def test_the_versions_of_a_question_are_drawn_together(evidence: Evidence) -> None:
    """German and English answer a and b alike, so where c is not drawn their means agree."""
    means = Sample(evidence, draws=200).means({"value": np.array([[0.0], [1], [0], [1], [7], [7]])})["value"]
    without = draw_groups(3, 200)[:, 2] == 0
    assert 20 < without.sum() < 100
    assert (means[without, 0] == means[without, 1]).all()
    assert np.isnan(means[without, 3]).all()


def test_a_draw_takes_as_many_questions_as_there_are() -> None:
    drawn = draw_groups(50)
    assert drawn.shape == (1 + DRAWS, 50)
    assert (drawn[0] == 1).all()
    assert (drawn.sum(axis=1) == 50).all()
    assert np.abs(drawn[1:].mean(axis=0) - 1).max() < 0.15
    assert (drawn == draw_groups(50)).all()
    assert (drawn != draw_groups(50, seed=1)).any()


def test_macro_is_over_what_is_there() -> None:
    values = np.array([[1.0, 3.0, np.nan], [np.nan, np.nan, np.nan]])
    assert macro(values) == pytest.approx([2, np.nan], nan_ok=True)
    assert macro(values, axis=0) == pytest.approx([1, 3, np.nan], nan_ok=True)


def test_an_interval_is_the_middle_95_in_100_of_the_draws() -> None:
    drawn = np.concatenate([[7.0], np.arange(101.0)])
    assert score_of(drawn) == pytest.approx(Score(7, 2.5, 97.5))
    assert scores_of(np.stack([drawn, drawn[::-1]], axis=1)).shape == (2, 3)
    assert score_of(np.concatenate([drawn, [np.nan] * 50])) == pytest.approx(Score(7, 2.5, 97.5))


def test_without_a_value_there_is_no_score() -> None:
    assert score_of(np.full(11, np.nan)) is None
