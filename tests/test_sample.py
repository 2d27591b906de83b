"""Means, draws and intervals: equal to counting by hand, one draw for all that was drawn together, honest when few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student_t

from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.score.bootstrap import (
    DRAWS,
    FEWEST,
    Sample,
    Score,
    draw_clusters,
    effective,
    macro,
    score_of,
    scores_of,
    student,
    tails,
)
from tests.helpers.scores import FixedScores

ASKED = [("de", "a"), ("de", "b"), ("en", "a"), ("en", "b"), ("en", "c"), ("zh", "c"), ("en", "d")]
"""Language and question of each query; nobody asks in the fourth language."""

ARTICLE = {"a": "x", "b": "y", "c": "z", "d": "x"}
MANY = 1e12
"""So many clusters that an interval is the middle 95 % of the draws."""


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    pool = Pool.of(
        ("de", "en", "th", "zh"),
        [Query(f"{language}:{asks}", "", language, asks, cluster=ARTICLE[asks]) for language, asks in ASKED],
        [Candidate("c", "", "th")],
        [Judgement(f"{language}:{asks}", "c") for language, asks in ASKED],
    )
    return collect_evidence(pool, FixedScores(np.zeros((len(ASKED), 1))))


def sample_of(evidence: Evidence, draws: int = DRAWS, seed: int = 7) -> Sample:
    return Sample(evidence.cluster, evidence.query_language, len(evidence.languages), draws, seed)


def _slow_mean(values: np.ndarray, weights: np.ndarray) -> float:
    """The mean of the values that are there, each written down as often as it was drawn."""
    listed = [value for value, weight in zip(values, weights, strict=True) for _ in range(int(weight))]
    there = [value for value in listed if not np.isnan(value)]
    return sum(there) / len(there) if there else np.nan


@pytest.mark.parametrize("gap", [0.0, np.nan])
def test_means_are_those_of_the_drawn_queries_written_down(evidence: Evidence, gap: float) -> None:
    values = {"one": np.array([[3.0], [5], [2], [4], [9], [gap], [1]]), "two": np.arange(14.0).reshape(7, 2)}
    values["two"][2, 1] += gap
    means = sample_of(evidence, draws=40).means(values)
    weights = draw_clusters(3, 40, 7)
    assert [(name, mean.shape) for name, mean in means.items()] == [("one", (41, 4, 1)), ("two", (41, 4, 2))]
    for language, name in enumerate(evidence.languages):
        queries = [number for number, (asked, _) in enumerate(ASKED) if asked == name]
        clusters = ["xyz".index(ARTICLE[ASKED[number][1]]) for number in queries]
        for key, column in (("one", 0), ("two", 0), ("two", 1)):
            expected = [_slow_mean(values[key][queries, column], row[clusters]) for row in weights]
            assert means[key][:, language, column] == pytest.approx(expected, nan_ok=True, abs=1e-12)


def test_the_first_row_is_the_data_itself(evidence: Evidence) -> None:
    means = sample_of(evidence).means({"value": np.array([[3.0], [5], [2], [4], [np.nan], [8], [np.nan]])})["value"]
    assert len(means) == 1 + DRAWS
    assert means[0, :, 0] == pytest.approx([4, 3, np.nan, 8], nan_ok=True)


def test_what_was_drawn_together_is_drawn_together(evidence: Evidence) -> None:
    """Both English questions of x come with the one German question, and the Chinese question only comes with z."""
    values = np.array([[0.0], [1], [0], [1], [7], [7], [0]])
    means = sample_of(evidence, draws=200).means({"value": values})["value"][..., 0]
    x, y, z = draw_clusters(3, 200, 7).T
    without = z == 0
    assert 20 < without.sum() < 100
    assert means[without, 0] == pytest.approx(y[without] / (x + y)[without])
    assert means[without, 1] == pytest.approx(y[without] / (2 * x + y)[without])
    assert (np.isnan(means[:, 3]) == without).all()


def test_weights_are_the_parts_of_the_queries_with_a_value(evidence: Evidence) -> None:
    values = np.array([[3.0], [np.nan], [2], [4], [9], [1], [1]])
    weights = sample_of(evidence, draws=1).weights(values)[..., 0]
    assert weights == pytest.approx(
        np.array([[1, 2 / 4, np.nan, 0], [0, 1 / 4, np.nan, 0], [0, 1 / 4, np.nan, 1]]), nan_ok=True
    )


def test_a_draw_takes_as_many_clusters_as_there_are() -> None:
    drawn = draw_clusters(50)
    assert drawn.shape == (1 + DRAWS, 50)
    assert (drawn[0] == 1).all()
    assert (drawn.sum(axis=1) == 50).all()
    assert np.abs(drawn[1:].mean(axis=0) - 1).max() < 0.15
    assert (drawn == draw_clusters(50)).all()
    assert (drawn != draw_clusters(50, seed=1)).any()


def test_effective_clusters_by_hand() -> None:
    """Ten alike count as ten; one that is half of all counts no more than four however many there are beside it."""
    assert effective(np.full(10, 0.1)) == pytest.approx(10)
    assert effective(np.array([3.0, 1, 0])) == pytest.approx(16 / 10)
    assert effective(np.append(0.5, np.full(1000, 0.0005))) == pytest.approx(4, abs=0.01)
    assert effective(np.array([[np.nan, 0], [np.nan, 0]])).tolist() == [0, 0]


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=30))
def test_effective_clusters_are_at_least_one_and_at_most_all(weights: list[float]) -> None:
    assert 1 - 1e-9 <= effective(np.array(weights)) <= len(weights) + 1e-9


def test_macro_is_over_what_is_there() -> None:
    values = np.array([[1.0, 3.0, np.nan], [np.nan, np.nan, np.nan]])
    assert macro(values) == pytest.approx([2, np.nan], nan_ok=True)
    assert macro(values, axis=0) == pytest.approx([1, 3, np.nan], nan_ok=True)


def test_quantiles_are_those_of_students_distribution() -> None:
    freedom = np.concatenate([np.linspace(FEWEST - 1, 60, 200), [1e3, 1e9]])
    for p in (0.975, 0.8):
        assert student(p, freedom) == pytest.approx(student_t.ppf(p, freedom), abs=2e-4)


def test_intervals_reach_further_out_the_fewer_clusters_there_are() -> None:
    clusters = np.array([[FEWEST, 9.5], [48, MANY]])
    reach = np.sqrt(clusters / (clusters - 1)) * student_t.ppf(0.975, clusters - 1)
    assert tails(clusters) == pytest.approx(norm.cdf(-reach), abs=1e-5)
    assert tails(clusters)[1, 1] == pytest.approx(0.025)
    assert np.isnan(tails(np.array([0, 1, FEWEST - 0.01]))).all()


def test_an_interval_is_the_middle_95_in_100_of_the_draws() -> None:
    drawn = np.concatenate([[7.0], np.arange(101.0)])
    assert score_of(drawn, MANY) == pytest.approx(Score(7, 2.5, 97.5))
    assert scores_of(np.stack([drawn, drawn[::-1]], axis=1), np.array(MANY)).shape == (2, 3)
    assert score_of(np.concatenate([drawn, [np.nan] * 50]), MANY) == pytest.approx(Score(7, 2.5, 97.5))


def test_each_value_has_the_interval_of_its_own_clusters() -> None:
    random = np.random.default_rng(4)
    drawn = random.normal(size=(301, 2, 3))
    drawn[5:90, 1, 1] = np.nan
    clusters = np.array([[5, 6, 48], [4, 20, MANY]])
    found = scores_of(drawn, clusters)
    for at in np.ndindex(2, 3):
        left_out = float(tails(clusters[at]))
        expected = (
            [np.nan] * 2 if at == (1, 0) else np.nanquantile(drawn[(slice(1, None), *at)], [left_out, 1 - left_out])
        )
        assert found[at] == pytest.approx([drawn[(0, *at)], *expected], nan_ok=True, abs=1e-9)


def test_too_few_clusters_give_a_value_without_an_interval() -> None:
    drawn = np.linspace(0, 1, 50)
    assert score_of(drawn, FEWEST - 1) == Score(0, None, None)
    assert score_of(drawn, FEWEST) != Score(0, None, None)


def test_without_a_value_there_is_no_score() -> None:
    assert score_of(np.full(11, np.nan), 100) is None
