"""Runs from elsewhere: trec_eval's values to the last bit, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval

from suite.bridge.trec import read_run, run_lines
from suite.bridge.trec_scores import score_run
from suite.corpus import Questions
from suite.errors import BadResult
from suite.pool import Pool
from suite.ranking import collect_evidence
from suite.scores import DenseScores
from suite.sources.miracl import read_questions
from tasks.miracl import MIRACL
from tests.conftest import TASKS

THEIRS = {
    "map": "map", "ndcg@10": "ndcg_cut_10", "recall@5": "recall_5", "recall@20": "recall_20",
    "recall@100": "recall_100", "mrr": "recip_rank", "success@1": "success_1", "success@10": "success_10",
}  # fmt: skip


def synthetic_run(questions: Questions, seed: int) -> dict[str, dict[str, float]]:
    """Real queries; relevants at known ranks among made-up passages, some beyond the list, scores with many ties."""
    random = np.random.default_rng(seed)
    run: dict[str, dict[str, float]] = {}
    answers: dict[str, list[str]] = {}
    for judgement in questions.judgements:
        answers.setdefault(judgement.query, []).append(judgement.candidate)
    for query in questions.queries:
        relevant = answers[query.id]
        listed = [f"{query.language}:none#{number}" for number in range(100)]
        for place, id_ in zip(random.choice(130, len(relevant), replace=False).tolist(), relevant, strict=True):
            if place < 100:
                listed[place] = id_
        levels = np.sort(random.integers(0, 60, 100))[::-1]
        run[query.id] = {id_: float(level) for id_, level in zip(listed, levels, strict=True)}
    return run


def write_run(path: Path, run: dict[str, dict[str, float]]) -> Path:
    lines = [f"{query} Q0 {id_} 0 {score!r} tag" for query, own in run.items() for id_, score in own.items()]
    data = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("language", MIRACL.languages)
def test_a_run_over_real_queries_earns_what_trec_eval_says(data_dir: Path, tmp_path: Path, language: str) -> None:
    questions = read_questions(MIRACL, [language], data_dir)
    run = synthetic_run(questions, seed=len(language))
    judged: dict[str, dict[str, int]] = {}
    for judgement in questions.judgements:
        judged.setdefault(judgement.query, {})[judgement.candidate] = int(judgement.gain)
    measures = {"map", "ndcg_cut.10", "recall.5,20,100", "recip_rank", "success.1,10"}
    theirs = pytrec_eval.RelevanceEvaluator(judged, measures).evaluate(run)
    ours = score_run(MIRACL, read_run(write_run(tmp_path / "run.gz", run)), [language], data_dir)
    for name, their_name in THEIRS.items():
        expected = np.mean([theirs[query.id][their_name] for query in questions.queries])
        assert ours.scores[name].value == pytest.approx(expected, abs=1e-14), name
    assert ours.truncated
    assert ours.longest_list == 100
    assert 0 < ours.relevant_not_listed < ours.relevant == len(questions.judgements)


def test_known_ranks_give_known_values(data_dir: Path, tmp_path: Path) -> None:
    questions = read_questions(MIRACL, ["yo"], data_dir)
    relevant = {judgement.query: judgement.candidate for judgement in reversed(questions.judgements)}
    run = {query: {"yo:x#1": 3.0, id_: 2.0} for query, id_ in relevant.items()}
    scores = score_run(MIRACL, read_run(write_run(tmp_path / "run", run)), ["yo"], data_dir).scores
    assert scores["mrr"] == (0.5, 0.5, 0.5)
    assert scores["success@1"].value == 0


def test_ids_may_lack_the_language_where_there_is_one(data_dir: Path, tmp_path: Path) -> None:
    questions = read_questions(MIRACL, ["sw"], data_dir)
    run = synthetic_run(questions, seed=1)
    bare = {
        query.removeprefix("sw:"): {id_.removeprefix("sw:"): score for id_, score in own.items()}
        for query, own in run.items()
    }
    whole = score_run(MIRACL, read_run(write_run(tmp_path / "a", run)), ["sw"], data_dir)
    assert score_run(MIRACL, read_run(write_run(tmp_path / "b", bare)), ["sw"], data_dir) == whole


def test_a_query_without_a_list_earns_nothing(data_dir: Path, tmp_path: Path) -> None:
    questions = read_questions(MIRACL, ["yo"], data_dir)
    run = synthetic_run(questions, seed=2)
    whole = score_run(MIRACL, read_run(write_run(tmp_path / "a", run)), ["yo"], data_dir)
    best = max(run, key=lambda query: max(run[query], key=lambda id_: "none" not in id_))
    del run[best]
    part = score_run(MIRACL, read_run(write_run(tmp_path / "b", run)), ["yo"], data_dir)
    assert (whole.queries_without_list, part.queries_without_list) == (0, 1)
    assert part.queries == whole.queries
    assert part.scores["map"].value <= whole.scores["map"].value


def test_what_we_export_scores_as_we_scored_it(starter: Pool, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    vectors = [random.standard_normal((len(items), 16), np.float32) for items in (starter.queries, starter.candidates)]
    evidence = collect_evidence(starter, DenseScores(*vectors))
    (tmp_path / "run").write_text("".join(f"{line}\n" for line in run_lines(evidence, "tag")), encoding="utf-8")
    from suite.summary import score_evidence

    own = score_evidence(evidence, "map", draws=2).settings["multi"]
    scores = score_run(TASKS["starter"], read_run(tmp_path / "run"))
    assert scores.setting == "multi"
    for name in ("ndcg@10", "recall@100", "success@1"):
        assert scores.scores[name].value == pytest.approx(own[name].value, abs=1e-12)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"1 Q0 a 1 2.0\n", "line 1 has 5 columns"),
        (b"1 Q0 a 1 high tag\n", "could not convert"),
        (b"1 Q0 a 1 nan tag\n", "line 1 has the score nan"),
        (b"1 Q0 a 1 2 t\n1 Q0 a 2 1 t\n", "line 2 lists 'a' a second time"),
        (b"\xff Q0 a 1 2 t\n", "can't decode"),
        (b"1 Q0 " + b"a" * 2000 + b" 1 2 t\n", "columns"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "run").write_bytes(content)
    with pytest.raises(BadResult, match=said):
        read_run(tmp_path / "run")


def test_a_gzipped_run_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    data = gzip.compress(b"".join(f"q{n} Q0 a 1 2.0 tag\n".encode() for n in range(1000)))
    (tmp_path / "run.gz").write_bytes(data[:-30])
    with pytest.raises(BadResult, match="cannot be read as a TREC run"):
        read_run(tmp_path / "run.gz")


def test_a_run_of_something_else_is_refused(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "run").write_bytes(b"nobody Q0 a 1 2.0 tag\n")
    with pytest.raises(BadResult, match="no query of miracl, yo"):
        score_run(MIRACL, read_run(tmp_path / "run"), ["yo"], data_dir)
