"""Impossible evidence: each thing that cannot be is said, by the check that is there for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from panglot.data.pool import Pool
from panglot.data.readers.captions import mixed
from panglot.errors import BadResult
from panglot.results.evidence_file import read_evidence, shorten
from panglot.results.result_record import TaskRecord
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.retrieve.similarity import DenseScores
from panglot.trust.evidence_check import check_evidence
from tests.helpers.images import image_text
from tests.helpers.tasks import TASKS

STARTER = TASKS["starter"]


@pytest.fixture(scope="module")
def evidence(starter: Pool) -> Evidence:
    """True evidence of random vectors, as its files give it back."""
    random = np.random.default_rng(0)
    vectors = (random.standard_normal((len(items), 16), np.float32) for items in (starter.queries, starter.candidates))
    found = collect_evidence(starter, DenseScores(*vectors))
    return replace(found, top_score=shorten(found.top_score))


@pytest.fixture(scope="module")
def record(starter: Pool) -> TaskRecord:
    return TaskRecord(
        name=STARTER.name,
        fingerprint=starter.fingerprint,
        headline=STARTER.headline,
        languages=starter.languages,
        queries=len(starter.queries),
        candidates=len(starter.candidates),
    )


def _swapped(ids: tuple[str, ...], place: int, new: str) -> tuple[str, ...]:
    return (*ids[:place], new, *ids[place + 1 :])


def _with(array: np.ndarray, place: int | tuple[int, int], value: float) -> np.ndarray:
    changed = array.copy()
    changed[place] = value
    return changed


def test_true_evidence_is_possible(evidence: Evidence, record: TaskRecord, starter: Pool) -> None:
    assert check_evidence(evidence, STARTER, record, starter) == []
    assert check_evidence(evidence, STARTER, record, None) == []


def test_lists_of_a_small_pool_lack_the_candidate_that_a_query_is_not_offered() -> None:
    pool = mixed(image_text(6, ("de", "en")))  # a caption is not offered itself
    vectors = (
        np.random.default_rng(0).random((len(items), 4), np.float32) for items in (pool.queries, pool.candidates)
    )
    found = collect_evidence(pool, DenseScores(*vectors))
    assert found.top.shape[1] == len(pool.candidates) - 1
    record = TaskRecord(
        name="pictures",
        fingerprint=pool.fingerprint,
        headline="map",
        languages=pool.languages,
        queries=len(pool.queries),
        candidates=len(pool.candidates),
    )
    assert check_evidence(replace(found, top_score=shorten(found.top_score)), None, record, pool) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda e: {"query_language": np.zeros_like(e.query_language)},
            "The evidence has 572 queries, or more in one language than the task has.",
        ),
        (lambda e: {"group": e.group + 1}, "The groups of queries are not numbered from 0."),
        (lambda e: {"group": _with(e.group, 0, 2**31 - 1)}, "The groups of queries are not numbered from 0."),
        (lambda e: {"cluster": _with(e.cluster, 0, 2**31 - 1)}, "The clusters of queries are not numbered from 0."),
        (
            lambda e: {"language": _with(e.language, 0, (e.language[0] + 1) % 11)},
            "A candidate is in two languages.",
        ),
        (
            lambda e: (
                {"candidate": _with(e.candidate, 1, e.candidate[0]), "language": e.language * 0}
                | {"top_language": e.top_language * 0}
            ),
            "A query has a duplicate relevant candidate.",
        ),
        (
            lambda e: {"gain": _with(e.gain, 7, 0)},
            "Scores or gains are not finite numbers, or gains are 0 or less.",
        ),
        (lambda e: {"top": _with(e.top, (3, 99), -1)}, "A top list does not have 10 or 100 candidates."),
        (
            lambda e: {"query_ids": _swapped(e.query_ids, 2, "en:another\n")},
            r"The queries are not the task's; the first that differs is 'en:another\n'.",
        ),
        (
            lambda e: {"candidate_ids": _swapped(e.candidate_ids, 5, "de:ü")},
            r"'de:\xfc' is not a candidate of the task.",
        ),
        (
            lambda e: {"candidate": _with(e.candidate, 0, e.candidate[0] + 1)},
            "The column 'relevant candidate' is not the task's, first in row 0.",
        ),
        (lambda e: {"gain": _with(e.gain, 7, 2)}, "The column 'gain' is not the task's, first in row 7."),
        (
            lambda e: (
                {"top": np.concatenate([e.top[:, :1], e.top[:, :1], e.top[:, 2:]], axis=1)}
                | {
                    "top_language": np.concatenate(
                        [e.top_language[:, :1], e.top_language[:, :1], e.top_language[:, 2:]], 1
                    )
                }
            ),
            "572 lists hold a candidate twice. First: query 'ar:honeybees-1', candidate 'ar:1:0' (row 0).",
        ),
        (lambda e: {"top_score": e.top_score[:, ::-1]}, "572 lists are not in the order of their scores."),
    ],
)
def test_impossible_evidence_is_explained(
    evidence: Evidence,
    record: TaskRecord,
    starter: Pool,
    change: Callable[[Evidence], dict[str, object]],
    message: str,
) -> None:
    findings = check_evidence(replace(evidence, **change(evidence)), STARTER, record, starter)
    assert any(finding.startswith(message) for finding in findings), findings


def test_missing_relevant_pair_is_found(evidence: Evidence, record: TaskRecord, starter: Pool) -> None:
    pairs = ("query", "candidate", "language", "gain", "score", "above")
    shorter = replace(evidence, **{name: getattr(evidence, name)[:-1] for name in pairs})
    assert check_evidence(shorter, STARTER, record, starter) == ["There are 6291 relevant pairs; the task has 6292."]
    assert check_evidence(shorter, STARTER, record, None) == []


def test_list_in_another_language_is_found(evidence: Evidence, record: TaskRecord, starter: Pool) -> None:
    """A candidate that is relevant to nobody can claim any language until the task is looked at."""
    distractor = np.setdiff1d(evidence.top, evidence.candidate)[0]
    claimed = (starter.candidates.language[distractor] + 1) % 11
    language = np.where(evidence.top == distractor, claimed, evidence.top_language)
    findings = check_evidence(replace(evidence, top_language=language), STARTER, record, starter)
    assert findings == ["A candidate in a top list has another language in the task."]


def test_more_clusters_than_a_bootstrap_can_draw_are_refused(
    starter_results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = starter_results / "bm25@0.3.16" / "starter.json"
    read_evidence(path)
    monkeypatch.setattr("panglot.results.assembly.MOST_CLUSTERS", 25)
    with pytest.raises(BadResult, match="more than 25 clusters"):
        read_evidence(path)
