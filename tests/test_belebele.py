"""Belebele: a made-up twin of the same form gives every setting, and what is not parallel is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from panglot.data.load import read_pool
from panglot.data.readers.belebele import parallel_pool
from panglot.errors import BadData
from panglot.retrieve.ranking import collect_evidence
from panglot.retrieve.similarity import DenseScores
from panglot.score.summary import score_evidence
from tests.helpers.belebele import PASSAGES, QUESTIONS, write_twin
from tests.helpers.tasks import TASKS

BELEBELE = TASKS["belebele"]
LANGUAGES = BELEBELE.languages


def test_sizes_are_those_of_the_paper() -> None:
    assert len(BELEBELE.languages) == 122
    assert (BELEBELE.queries, BELEBELE.candidates) == (109_800, 59_536)


def test_every_setting_and_pair_from_one_evidence(tmp_path: Path) -> None:
    languages = LANGUAGES[:14]
    pool = parallel_pool(write_twin(tmp_path, languages))
    assert (len(pool.queries), len(pool.candidates)) == (14 * QUESTIONS, 14 * PASSAGES)
    assert len(pool.query) == 14 * 14 * QUESTIONS
    random = np.random.default_rng(0)
    vectors = [random.standard_normal((len(items), 8), np.float32) for items in (pool.queries, pool.candidates)]
    scores = score_evidence(collect_evidence(pool, DenseScores(*vectors)), "ndcg@10", ["ndcg@10"], draws=10)
    assert set(scores.settings) == {"mono", "cross", "multi"}
    assert scores.pairs["ndcg@10"].values.shape == (14, 14, 3)
    assert not np.isnan(scores.pairs["ndcg@10"].values).any()
    assert "normalised_rank_distance" in scores.bias


def test_some_languages_are_read_from_the_data_folder(own_data: Path) -> None:
    (own_data / "belebele").mkdir()
    write_twin(own_data / "belebele", ["swh_Latn", "yor_Latn"])
    assert read_pool(BELEBELE, ["swh_Latn", "yor_Latn"]).languages == ("swh_Latn", "yor_Latn")


def test_what_is_not_parallel_is_refused(tmp_path: Path) -> None:
    paths = write_twin(tmp_path, ["swh_Latn"]) | write_twin(tmp_path, ["yor_Latn"], PASSAGES - 1)
    with pytest.raises(BadData, match="The passages of yor_Latn differ from those of swh_Latn"):
        parallel_pool(paths)


def test_a_line_without_a_question_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "swh_Latn.jsonl"
    path.write_text('{"link": "a"}\n', encoding="utf-8")
    with pytest.raises(BadData, match=r"swh_Latn\.jsonl, line 1: not a Belebele question"):
        parallel_pool({"swh_Latn": path})


def test_line_separators_in_a_passage_end_no_line(tmp_path: Path) -> None:
    row = {"link": "https://a", "question_number": 1, "flores_passage": "one\u2028two\x85three", "question": "Who?"}
    path = tmp_path / "eng_Latn.jsonl"
    path.write_text("\ufeff" + json.dumps(row, ensure_ascii=False) + "\r\n", encoding="utf-8")
    assert parallel_pool({"eng_Latn": path}).candidates.texts == (row["flores_passage"],)
