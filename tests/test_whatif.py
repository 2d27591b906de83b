"""What would help: policies scored, tested against the pool, and shown."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from panglot.cli.main import app
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.data.readers.captions import mixed
from panglot.errors import BadResult
from panglot.remedies.policies import parse_policy
from panglot.remedies.whatif import POLICIES, as_records, sign_flip, what_if
from panglot.results.evidence_file import read_evidence
from panglot.retrieve.evidence import Evidence, Ranking
from panglot.retrieve.ranking import collect_evidence
from panglot.score.comparison.differences import holm
from panglot.score.metrics import parse_metric
from panglot.score.summary import score_evidence
from tests.helpers.images import image_text
from tests.helpers.scores import FixedScores

SUBMISSIONS = Path(__file__).parents[1] / "submissions"


LANGUAGES = ("de", "en", "es", "th")


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """An encoder that favours the query's language; every fourth question has an answer in its own language only."""
    pool = Pool.of(
        LANGUAGES,
        [Query(f"{x}:q{n}", "", x, f"q{n}") for x in LANGUAGES for n in range(14)],
        [Candidate(f"{x}:c{n}", "", x) for x in LANGUAGES for n in range(24)],
        [
            Judgement(f"{x}:q{n}", f"{y}:c{n}")
            for x, y in product(LANGUAGES, LANGUAGES)
            for n in range(14)
            if n % 4 or x == y
        ],
    )
    scores = np.random.default_rng(2).random((len(pool.queries), len(pool.candidates)))
    scores[pool.query, pool.candidate] += 0.3
    scores += 0.2 * (pool.queries.language[:, None] == pool.candidates.language)
    return collect_evidence(pool, FixedScores(scores))


def test_pool_scores_are_those_of_the_result(evidence: Evidence) -> None:
    (pool, *_) = what_if(evidence, [], draws=40)
    scores = score_evidence(evidence, "map", draws=40)
    for name in ("map", "ndcg@10", "recall@20"):
        assert pool.scores[name] == pytest.approx(scores.settings["multi"][name], abs=1e-12)
        assert pool.languages["de"][name] == pytest.approx(scores.languages["de"]["multi"][name], abs=1e-12)
    for name in ("rank_distance", "complete@20"):
        assert pool.scores[name] == pytest.approx(scores.bias[name], abs=1e-9)
        assert pool.languages["th"][name] == pytest.approx(scores.languages["th"]["bias"][name], abs=1e-9)
    own = [scores.languages[name]["bias"]["same_language_ratio@10"].value / 4 for name in LANGUAGES]
    assert pool.scores["own_share@10"].value == pytest.approx(np.mean(own))  # each language is a quarter of the pool
    assert (pool.difference, pool.p) == ({}, {})
    assert pool.policy.name == "pool"


def test_complete_and_distance_of_two_queries_by_hand() -> None:
    """Answers at ranks 1 and 20, then at 2 and 21; a query with one answer has neither."""
    pool = Pool.of(
        ("de", "en"),
        [Query(f"q{n}", "", "de", f"q{n}") for n in range(3)],
        [Candidate(f"c{n}", "", "de" if n % 2 else "en") for n in range(24)],
        [*(Judgement(f"q{n}", f"c{answer}") for n in (0, 1) for answer in (n, n + 19)), Judgement("q2", "c5")],
    )
    scores = np.tile([-float(name[1:]) for name in pool.candidates.ids], (3, 1))
    (answer,) = what_if(collect_evidence(pool, FixedScores(scores)), [], draws=5)
    assert answer.scores["rank_distance"].value == 19
    assert answer.scores["complete@20"].value == 0.5
    assert answer.languages["de"]["complete@20"].value == 0.5
    assert answer.languages["en"] == {}


def _distances(ranking: Ranking) -> np.ndarray:
    """Rank distance of each query; NaN if it has one relevant candidate."""
    ranks = [ranking.rank[ranking.cell == query] for query in range(ranking.cells)]
    return np.array([np.ptp(own) if len(own) > 1 else np.nan for own in ranks])


def test_difference_is_that_of_the_scores_and_tested_by_clusters(evidence: Evidence) -> None:
    """Six clusters, so that every swap can be made by hand; queries without a value are left out."""
    cluster = evidence.group % 6
    few = replace(evidence, cluster=cluster)
    names = ("interleave", "own-first:2")
    pool, *answers = what_if(few, names)
    served = {name: parse_policy(name).serve(few).ranking for name in ("pool", *names)}
    for measure, values in (("map", parse_metric("map").compute), ("rank_distance", _distances)):
        raw = []
        for name, answer in zip(names, answers, strict=True):
            delta = values(served[name]) - values(served["pool"])
            share = np.zeros(6)
            for language in range(4):
                own = (few.query_language == language) & ~np.isnan(delta)
                share += np.bincount(cluster[own], delta[own], 6) / own.sum() / 4
            assert answer.difference[measure].value == pytest.approx(share.sum())
            expected = answer.scores[measure].value - pool.scores[measure].value
            assert answer.difference[measure].value == pytest.approx(expected)
            every = np.array([np.dot(signs, share) for signs in product((1, -1), repeat=6)])
            raw.append((np.abs(every) >= abs(share.sum()) - 1e-9).mean())
        assert [answer.p[measure] for answer in answers] == pytest.approx(holm(np.array(raw)))


def test_difference_has_the_interval_of_the_changes(evidence: Evidence) -> None:
    """With perfect answers in its own language, `only-own` always scores 1: what changes is what the pool lacks."""
    perfect = replace(evidence, above=np.where(evidence.language[:, None] == np.arange(4), 0, evidence.above))
    pool, own = what_if(perfect, ["only-own"], draws=60)
    assert own.scores["map"] == (1, 1, 1)
    value, low, high = pool.scores["map"]
    assert low is not None
    assert high is not None
    assert own.difference["map"] == pytest.approx((1 - value, 1 - high, 1 - low))
    assert own.p.keys() == own.difference.keys() == own.scores.keys()
    assert "rank_distance" not in own.p


def test_p_counts_the_observed_signs_however_large_the_ranks() -> None:
    """Distances of millions have rounding errors beyond those of scores: no p is below that of one swap and its mirror.

    Here every cluster changes in the same direction, so no other swap reaches the observed difference.
    """
    rng = np.random.default_rng(0)
    for _ in range(40):
        change = rng.uniform(1e6, 9e6, 10)
        weights = np.full((10, 1), 0.1)
        assert sign_flip(np.arange(10), np.zeros(10, int), change, weights) == 2 / 2**10


def test_p_weighs_clusters_by_their_queries() -> None:
    """Shares of .6, .2 and −.2 of five queries; a query in another language has no value.

    Of the sums of all swaps, those at ±1 and ±.6 reach the observed .6, and those at ±.2 do not: p is 6 of 8.
    """
    cluster, language = np.array([0, 0, 0, 1, 2, 2]), np.array([0, 0, 0, 0, 0, 1])
    weights = np.array([[0.6, np.nan], [0.2, np.nan], [0.2, np.nan]])
    assert sign_flip(cluster, language, np.array([1, 1, 1, 1, -1, np.nan]), weights) == 6 / 8


def test_records_hold_scores_and_the_reason_for_none(evidence: Evidence) -> None:
    pool, unknown = as_records("model", "task", what_if(evidence, ["without:fr"], draws=5))
    assert (pool["model"], pool["task"], pool["policy"]) == ("model", "task", "pool")
    assert pool.keys() == {"model", "task", "policy", "scores", "difference", "p", "languages"}
    assert pool["languages"].keys() == set(LANGUAGES)
    assert {name: unknown[name] for name in ("scores", "difference", "p", "languages")} == {
        "scores": {},
        "difference": {},
        "p": {},
        "languages": {},
    }
    assert "language 'fr'" in unknown["why"]


def test_policy_that_cannot_be_answered_says_why_and_others_go_on(evidence: Evidence) -> None:
    pool, unknown, known = what_if(evidence, ["without:fr", "interleave"])
    assert "language 'fr'" in unknown.why
    assert unknown.scores == {}
    assert known.scores["map"].value != pool.scores["map"].value


def test_pool_with_images_is_scored_as_it_is_and_served_in_no_other_way() -> None:
    pool = mixed(image_text(6, ("de", "en")))
    scores = FixedScores(np.random.default_rng(0).random((len(pool.queries), len(pool.candidates))))
    found, *others = what_if(collect_evidence(pool, scores), ["interleave", "two:en"], draws=5)
    assert found.scores.keys() == {"map", "ndcg@10", "recall@20"}
    assert [answer.scores for answer in others] == [{}, {}]
    assert {answer.why for answer in others} == {
        "The pool has images, which have no language, so policies do not apply."
    }


def test_policy_asked_for_in_two_spellings_is_tested_once(evidence: Evidence) -> None:
    """Otherwise Holm's correction would count it twice."""
    once, twice = (what_if(evidence, names, draws=5) for names in (["two:en"], ["two:en", "two:ENG", "two:eng_Latn"]))
    assert [(answer.policy.name, answer.p) for answer in once] == [(answer.policy.name, answer.p) for answer in twice]


def test_smaller_pools_have_no_rank_distance(evidence: Evidence) -> None:
    answer = what_if(evidence, ["only-own"])[1]
    assert answer.scores["map"] == pytest.approx(score_evidence(evidence, "map").settings["mono"]["map"], abs=1e-12)
    assert answer.scores["own_share@10"].value == 1
    assert "rank_distance" not in answer.scores


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            "multilingual-e5-small-q4@3ec4fa7d11b6",
            {"map": (0.542, 0.001), "rank_distance": (520, 5), "complete@20": (0.219, 0.002)},
        ),
        ("use-multilingual@0.2.1", {"map": (0.227, 0.0005)}),
    ],
)
def test_interleaving_of_committed_results(model: str, expected: dict[str, tuple[float, float]]) -> None:
    """It helps an encoder that favours the query's language, and hurts one that does not know three of them."""
    answer = what_if(read_evidence(SUBMISSIONS / model / "xquad-r.json"), ["interleave"], draws=20)[1]
    for name, (value, tolerance) in expected.items():
        assert answer.scores[name].value == pytest.approx(value, abs=tolerance)


def test_verb_prints_a_ladder_and_the_same_as_json(starter_results: Path) -> None:
    path = str(starter_results / "use-multilingual@0.2.1" / "starter.json")
    shown = CliRunner().invoke(app, ["whatif", path, "--by-language"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0
    for policy in POLICIES:
        assert policy in shown.stdout
    assert "Greek (el)" in shown.stdout
    rows = json.loads(CliRunner().invoke(app, ["whatif", path, "--json", "--policy", "interleave"]).stdout)
    assert [row["policy"] for row in rows] == ["pool", "interleave"]
    assert rows[1].keys() >= {"model", "task", "policy", "scores", "difference", "p"}
    assert len(rows[1]["scores"]["map"]) == len(rows[1]["difference"]["map"]) == 3
    assert f"{rows[1]['scores']['map'][0]:.3f}" in shown.stdout


def test_verb_fails_if_no_result_supports_a_policy(starter_results: Path) -> None:
    done = CliRunner().invoke(app, ["whatif", str(starter_results / "bm25@0.3.16"), "--policy", "without:xx,two:xx"])
    assert isinstance(done.exception, BadResult)
    assert "without:xx, two:xx: Unknown language 'xx'" in done.output
