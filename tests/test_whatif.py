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
from panglot.errors import BadResult
from panglot.remedies.policies import parse_policy
from panglot.remedies.whatif import POLICIES, what_if
from panglot.results.evidence_file import read_evidence
from panglot.retrieve.evidence import Evidence
from panglot.score.comparison.differences import holm
from panglot.score.metrics import parse_metric
from panglot.score.summary import score_evidence

SUBMISSIONS = Path(__file__).parents[1] / "submissions"


@pytest.fixture(scope="module")
def evidence(starter_results: Path) -> Evidence:
    return read_evidence(starter_results / "use-multilingual@0.2.1" / "starter.json")


def test_pool_scores_are_those_of_the_result(evidence: Evidence) -> None:
    (pool, *_) = what_if(evidence, [])
    scores = score_evidence(evidence, "map")
    for name in ("map", "ndcg@10", "recall@20"):
        assert pool.scores[name] == pytest.approx(scores.settings["multi"][name], abs=1e-12)
        assert pool.languages["de"][name] == pytest.approx(scores.languages["de"]["multi"][name], abs=1e-12)
    for name in ("rank_distance", "complete@20"):
        assert pool.scores[name] == pytest.approx(scores.bias[name], abs=1e-9)
    assert pool.difference == pool.p == {}


def test_difference_is_that_of_the_scores_and_tested_by_clusters(evidence: Evidence) -> None:
    """Six clusters, so that every swap can be made by hand."""
    few = evidence.only(evidence.languages[:4])
    cluster = few.group % 6
    few = replace(few, cluster=cluster)
    answers = what_if(few, ["interleave", "own-first:2"])
    by_policy = {answer.policy.name: answer for answer in answers}
    raw = {}
    for name in ("interleave", "own-first:2"):
        change, pool = (
            parse_metric("map").compute(parse_policy(policy).serve(few).ranking) for policy in (name, "pool")
        )
        delta = change - pool
        share = np.zeros(6)
        for language in range(4):
            own = few.query_language == language
            share += np.bincount(cluster[own], delta[own], 6) / own.sum() / 4
        assert by_policy[name].difference["map"].value == pytest.approx(share.sum())
        expected = by_policy[name].scores["map"].value - by_policy["pool"].scores["map"].value
        assert by_policy[name].difference["map"].value == pytest.approx(expected)
        every = np.array([np.dot(signs, share) for signs in product((1, -1), repeat=6)])
        raw[name] = (np.abs(every) >= abs(share.sum()) - 1e-12).mean()
    corrected = dict(zip(raw, holm(np.array(list(raw.values()))), strict=True))
    for name, p in corrected.items():
        assert by_policy[name].p["map"] == pytest.approx(p)


def test_policy_that_cannot_be_answered_says_why_and_others_go_on(evidence: Evidence) -> None:
    pool, known, unknown = what_if(evidence, ["interleave", "without:fr"])
    assert "language 'fr'" in unknown.why
    assert unknown.scores == {}
    assert known.scores["map"].value != pool.scores["map"].value


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
    shown = CliRunner().invoke(app, ["whatif", path, "--by-language", "map"], env={"COLUMNS": "120"})
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
    assert "without:xx: Unknown language 'xx'" in done.output
