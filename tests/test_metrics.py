"""Metrics: worked by hand, equal to trec_eval, and named as they parse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval

from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.errors import PanglotError, UnknownName
from panglot.results.result_record import read_result_record
from panglot.retrieve.evidence import Ranking
from panglot.retrieve.ranking import collect_evidence
from panglot.score.metrics import NAMES, parse_metric
from panglot.trust.rescore import rescore
from panglot.trust.verify import verify
from tests.helpers.scores import FixedScores
from tests.helpers.trec import TREC


def _ranking(cell: list[int], rank: list[int], gain: list[float], cells: int) -> Ranking:
    return Ranking(np.array(cell), np.arange(len(cell)), np.array(rank), np.zeros(len(cell)), np.array(gain), cells)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # One query with relevants at ranks 1, 3 and 12; one with a relevant at rank 4; one without.
        ("map", [(1 / 1 + 2 / 3 + 3 / 12) / 3, 1 / 4]),
        ("mrr", [1, 1 / 4]),
        ("mrr@10", [1, 1 / 4]),
        ("mrr@3", [1, 0]),
        ("recall@1", [1 / 3, 0]),
        ("recall@10", [2 / 3, 1]),
        ("recall@20", [1, 1]),
        ("success@1", [1, 0]),
        ("success@5", [1, 1]),
        ("ndcg@10", [(1 + 1 / 2) / (1 + 0.6309297535714575 + 1 / 2), 0.43067655807339306]),
        ("ndcg@2", [1 / (1 + 0.6309297535714575), 0]),
        ("map@3", [(1 + 2 / 3) / 3, 0]),
    ],
)
def test_metrics_equal_hand_computed_values(name: str, expected: list[float]) -> None:
    values = parse_metric(name).compute(_ranking([0, 0, 0, 1], [1, 3, 12, 4], [1, 1, 1, 1], 3))
    assert values[:2] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(values[2])


def test_without_any_relevant_there_is_no_value() -> None:
    nobody = np.zeros(0, int)
    ranking = Ranking(nobody, nobody, nobody, np.zeros(0), np.zeros(0), 2)
    assert all(np.isnan(parse_metric(name).compute(ranking)).tolist() == [True, True] for name in NAMES)


def test_ndcg_with_graded_gain_equals_hand_computed_value() -> None:
    values = parse_metric("ndcg@10").compute(_ranking([0, 0], [1, 2], [1.0, 3.0], 1))
    second = 1 / np.log2(3)
    assert values[0] == pytest.approx((1 + 3 * second) / (3 + second))


def test_equal_to_trec_eval_with_grades() -> None:
    random = np.random.default_rng(3)
    pool = Pool.of(
        ("en",),
        [Query(f"q{n}", "", "en", f"q{n}") for n in range(60)],
        [Candidate(f"c{n}", "", "en") for n in range(400)],
        [
            Judgement(f"q{n}", f"c{c}", float(random.integers(1, 4)))
            for n in range(60)
            for c in random.choice(400, random.integers(1, 9), replace=False)
        ],
    )
    scores = np.argsort(random.random((60, 400)), axis=1).astype(np.float32)
    qrels: dict[str, dict[str, int]] = {}
    for query, candidate, gain in zip(pool.query, pool.candidate, pool.gain, strict=True):
        qrels.setdefault(f"q{query}", {})[pool.candidates.ids[candidate]] = int(gain)
    run = {f"q{n}": dict(zip(pool.candidates.ids, scores[n].tolist(), strict=True)) for n in range(60)}
    peer = pytrec_eval.RelevanceEvaluator(qrels, set(TREC.values())).evaluate(run)
    ranking = collect_evidence(pool, FixedScores(scores)).together
    for name, trec in TREC.items():
        expected = [peer[f"q{n}"][trec] for n in range(60)]
        assert parse_metric(name).compute(ranking) == pytest.approx(expected, abs=1e-9), name


@pytest.mark.parametrize("name", [*NAMES, "ndcg@20", "recall@7"])
def test_names_parse_to_themselves(name: str) -> None:
    metric = parse_metric(name)
    assert metric.name == name
    assert metric.sentence.endswith(".")
    assert "`" not in metric.sentence


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("map", "The mean of the precision at the rank of each relevant candidate."),
        (
            "map@30",
            "The mean of the precision at the rank of each relevant candidate; those below rank 30 add nothing.",
        ),
        ("ndcg@10", "Gain discounted by log2(rank + 1) in the top 10, divided by that of the ideal order."),
        ("ndcg", "Gain discounted by log2(rank + 1) in the whole ranking, divided by that of the ideal order."),
        ("recall@5", "The share of the relevant candidates that are in the top 5."),
        ("mrr@10", "One over the rank of the first relevant candidate, 0 if it is below rank 10."),
        ("mrr", "One over the rank of the first relevant candidate."),
        ("success@1", "1 if a relevant candidate is in the top 1, else 0."),
    ],
)
def test_a_metric_says_what_it_is(name: str, sentence: str) -> None:
    assert parse_metric(name).sentence == sentence


@pytest.mark.parametrize("name", ["ndgc@10", "ndcg@0", "ndcg@-1", "ndcg@", "ndcg@ten", "ndcg@²", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UnknownName, match=r"^Unknown metric '.* Cut-offs are written name@number, as in ndcg@10\.$"):
        parse_metric(name)


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean ndcg@10"):
        parse_metric("ndgc@10")


OFFERED = '''
import numpy as np

def rprec(ranking, at=None):
    """Share of the first R places that hold a relevant candidate.

    R is the number of relevant candidates, or the cut-off.
    """
    depth = ranking.relevants[ranking.cell] if at is None else at
    found = np.bincount(ranking.cell, ranking.rank <= depth, ranking.cells)
    return np.divide(found, ranking.relevants, out=np.full(ranking.cells, np.nan), where=ranking.relevants > 0)

def doubled(ranking, at=None):
    """Out of range."""
    return np.full(ranking.cells, 2.0)
'''


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with metrics of its own, as pip leaves it."""
    (tmp_path / "offered_metrics.py").write_text(OFFERED, encoding="utf-8")
    facts = tmp_path / "my_metrics-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: my-metrics\nVersion: 1.0\n", encoding="utf-8")
    names = ("rprec = offered_metrics:rprec", "doubled = offered_metrics:doubled", "broken = nothing_of_that_name:f")
    (facts / "entry_points.txt").write_text("\n".join(["[panglot.metrics]", *names]), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("installed")
def test_an_installed_package_offers_a_metric() -> None:
    ranking = Ranking(
        np.array([0, 0, 2]), np.arange(3), np.array([1, 3, 2]), np.array([1, 3, 2.0]), np.ones(3), cells=3
    )
    metric = parse_metric("my-metrics/rprec")
    assert metric.name == "my-metrics/rprec"
    assert metric.compute(ranking) == pytest.approx([0.5, np.nan, 0], nan_ok=True)
    cut = parse_metric("my-metrics/rprec@3")
    assert cut.sentence == "Share of the first R places that hold a relevant candidate."
    assert cut.compute(ranking) == pytest.approx([1, np.nan, 1], nan_ok=True)


@pytest.mark.usefixtures("installed")
def test_an_installed_metric_that_fails_is_named() -> None:
    ranking = Ranking(np.array([0]), np.arange(1), np.array([1]), np.array([1.0]), np.ones(1), cells=1)
    with pytest.raises(
        PanglotError, match=r"my-metrics/doubled must return one value from 0 to 1 \(or NaN\) for each of 1 cells"
    ):
        parse_metric("my-metrics/doubled").compute(ranking)
    with pytest.raises(PanglotError, match=r"my-metrics/broken \(nothing_of_that_name:f\) cannot be imported. Module"):
        parse_metric("my-metrics/broken")


@pytest.mark.usefixtures("installed")
def test_a_result_with_an_installed_metric_is_verified_where_it_is_installed(
    starter_results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = next(starter_results.glob("bm25@*"))
    path = Path(shutil.copytree(folder, tmp_path / folder.name)) / "starter.json"
    rescore(path, metrics=["my-metrics/rprec@10"])
    assert read_result_record(path).settings["multi"]["my-metrics/rprec@10"].value > 0
    assert verify(path).level == "recomputed"
    monkeypatch.undo()
    verdict = verify(path)
    assert verdict.level == "failed"
    assert "The package my-metrics is not installed or has no such metric" in verdict.findings[0]


def test_a_result_that_lacks_a_metric_is_verified(starter_results: Path, tmp_path: Path) -> None:
    folder = next(starter_results.glob("bm25@*"))
    path = Path(shutil.copytree(folder, tmp_path / folder.name)) / "starter.json"
    record = json.loads(path.read_bytes())
    for scores in (*record["settings"].values(), record["balance"], record["pairs"]):
        del scores["mrr@10"]
    for settings in record["languages"].values():
        for name, scores in settings.items():
            scores.pop("kendall_w" if name == "bias" else "mrr@10")
    del record["bias"]["kendall_w"], record["blind"]["kendall_w"]
    path.write_text(json.dumps(record), encoding="utf-8")
    assert verify(path).findings == ()
    record["settings"]["multi"]["ndcg@10"][0] += 0.001
    path.write_text(json.dumps(record), encoding="utf-8")
    assert "settings.multi.ndcg@10[0]" in verify(path).findings[0]
