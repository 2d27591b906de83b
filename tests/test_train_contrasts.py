"""Tests between arms: errors over clusters and seeds, recomputed from the rows of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.retrieve.similarity import DenseScores
from panglot.score.comparison.contributions import contributions
from panglot.score.summary import score_evidence
from panglot.train.ablation.contrasts import contrasts
from panglot.train.ablation.errors import Arm, difference, pooled
from panglot.train.ablation.experiment import ArmTitle, RunRow, read_experiment
from panglot.train.ablation.influence import influences

FILES = sorted((Path(__file__).parents[1] / "leaderboard_app" / "experiments").glob("*.json"))


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """Questions of twelve articles in three languages, with random vectors."""
    random = np.random.default_rng(0)
    languages, groups = ("de", "en", "th"), [(article, n) for article in range(12) for n in range(1 + article % 3)]
    ids = [f"{article}.{n}" for article, n in groups]
    queries = [
        Query(f"q{g}{own}", "t", own, g, cluster=g.partition(".")[0])
        for g in ids
        for own in languages
        if (g, own) != ("0.0", "th")
    ]
    candidates = [Candidate(f"c{g}{own}", "t", own) for g in ids for own in languages]
    judgements = [Judgement(q.id, f"c{q.group}{own}") for q in queries for own in languages]
    pool = Pool.of(languages, queries, candidates, judgements)
    vectors = [random.standard_normal((len(items), 8)).astype(np.float32) for items in (pool.queries, pool.candidates)]
    return collect_evidence(pool, DenseScores(*vectors))


def test_influence_is_the_slope_of_a_score_in_the_weight_of_a_cluster(evidence: Evidence) -> None:
    found = influences(evidence, contributions(evidence, "map"))
    assert set(found) == {"mono", "cross", "multi", "balance", "rank_distance"}
    scored = score_evidence(evidence, "map", ["map"], draws=2)
    ranks = np.array([np.ptp(own) for own in _ranks(evidence)], float)
    step = 1e-6
    for cluster, slope in enumerate(found["rank_distance"]):
        weight = 1 + step * (evidence.cluster == cluster)
        means = [
            np.average(ranks[own], weights=weight[own])
            for own in (evidence.query_language == place for place in range(3))
        ]
        assert (np.mean(means) - scored.bias["rank_distance"].value) / step == pytest.approx(slope, abs=1e-3)
    for own in found.values():
        assert own.sum() == pytest.approx(0, abs=1e-12)


def _ranks(evidence: Evidence) -> list[np.ndarray]:
    ranking = evidence.together
    return np.split(ranking.rank, np.cumsum(ranking.relevants)[:-1])


def test_error_over_clusters_is_that_of_a_paired_t_test() -> None:
    random = np.random.default_rng(1)
    one, other = random.random((2, 30))
    first, second = (Arm([own.mean()], [(own - own.mean()) / 30], varies=False) for own in (one, other))
    found = difference(first, second, pooled({}))
    expected = ttest_rel(other, one)
    assert (found.value / found.error, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.interval == pytest.approx(tuple(expected.confidence_interval()))


def test_error_over_seeds_is_that_of_a_t_test_of_two_samples() -> None:
    random = np.random.default_rng(2)
    one, other = random.random((2, 4))
    flat = np.full(5, 1e-12) * [1, -1, 1, -1, 0]
    first, second = (Arm(scores.tolist(), [flat * scale] * 4, varies=True) for scale, scores in ((1, one), (2, other)))
    found = difference(first, second, pooled({"one": one.tolist(), "other": other.tolist()}))
    expected = ttest_ind(other, one)
    assert (found.value / found.error, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.detectable(1) < found.detectable(15)


def test_arm_that_does_not_vary_has_no_error_over_seeds() -> None:
    seeds = pooled({"one": [0.1, 0.3], "other": [0.2, 0.2]})
    assert seeds.variance == pytest.approx(0.01)
    assert seeds.freedom == 2
    flat = np.array([0.1, -0.1])
    varying, fixed = Arm([0.1, 0.3], [flat, flat], varies=True), Arm([0.2], [2 * flat], varies=False)
    assert difference(fixed, varying, seeds).seeds_error == pytest.approx((0.01 / 2) ** 0.5)


def test_two_equal_models_differ_by_nothing() -> None:
    runs = [
        RunRow(arm=arm, seed=1, recipe="", steps=1, seconds=1, validation=None, task="t", scores={"mono": 0.5},
               influence={"mono": (0.1, -0.1)})
        for arm in ("a", "b")
    ]  # fmt: skip
    (row,) = contrasts([ArmTitle("a", "a"), ArmTitle("b", "b")], runs, [("a", "b")], ["mono"], ["t"])
    assert (row.difference, row.p, row.low, row.agreeing) == (0, 1, None, 0)


def test_debiased_forms_do_not_count_as_further_models() -> None:
    """`a+centre` has the models of `a`: its small spread would hide how much training again changes."""
    scores = {"a": (0.5, 0.7), "a+centre": (0.6, 0.6), "b": (0.5, 0.7)}
    runs = [
        RunRow(arm=arm, seed=seed, recipe="", steps=1, seconds=1, validation=None, task="t", scores={"mono": score},
               influence={"mono": (0.1, -0.1) if arm == "a" else (-0.1, 0.1)})
        for arm, own in scores.items()
        for seed, score in enumerate(own)
    ]  # fmt: skip
    titles = [ArmTitle(arm, arm) for arm in scores]
    assert [title.is_trained for title in (*titles, ArmTitle("start", "", varies=False))] == [True, False, True, False]
    found = contrasts(titles, runs, [("a", "b"), ("a+centre", "b")], ["mono"], ["t"])
    assert [row.seeds_error for row in found] == pytest.approx([0.02**0.5] * 2)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_tests_of_a_committed_file_follow_from_its_rows(path: Path) -> None:
    experiment = read_experiment(path)
    stored = [row for row in experiment.tests if row.clusters_error is not None]
    assert bool(stored) == any(run.influence for run in experiment.runs)
    if stored:
        columns = zip(*((row.task, row.setting, (row.one, row.other)) for row in stored), strict=True)
        tasks, measures, pairs = (tuple(dict.fromkeys(column)) for column in columns)
        found = contrasts(experiment.arms, experiment.runs, pairs, measures, tasks)
        numbers = ("difference", "low", "high", "p", "agreeing", "detectable")
        for one, other in zip(found, experiment.tests, strict=True):
            stated = [getattr(other, name) for name in numbers]
            assert [getattr(one, name) for name in numbers] == pytest.approx(stated, rel=1e-5, abs=1e-6)
