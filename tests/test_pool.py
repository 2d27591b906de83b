"""Pools check themselves, and their fingerprint is their content."""

from __future__ import annotations

import random

import pytest

from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.errors import BadData

LANGUAGES = ("de", "en")
QUERIES = [Query("de:1", "Wer?", "de", "1"), Query("en:1", "Who?", "en", "1")]
CANDIDATES = [Candidate("en:a", "Me.", "en"), Candidate("de:a", "Ich.", "de"), Candidate("de:b", "Du.", "de")]
JUDGEMENTS = [Judgement(query, candidate) for query in ("de:1", "en:1") for candidate in ("de:a", "en:a")]


def test_candidates_stand_by_language() -> None:
    pool = Pool.of(LANGUAGES, QUERIES, CANDIDATES, JUDGEMENTS)
    assert pool.candidates.ids == ("de:a", "de:b", "en:a")
    assert pool.sizes.tolist() == [2, 1]
    assert pool.group.tolist() == [0, 0]
    assert [(pool.queries.ids[q], pool.candidates.ids[c]) for q, c in zip(pool.query, pool.candidate, strict=True)] == [
        ("de:1", "de:a"),
        ("de:1", "en:a"),
        ("en:1", "de:a"),
        ("en:1", "en:a"),
    ]


def test_fingerprint_is_the_content_in_any_order() -> None:
    expected = Pool.of(LANGUAGES, QUERIES, CANDIDATES, JUDGEMENTS).fingerprint
    shuffled = [list(records) for records in (QUERIES, CANDIDATES, JUDGEMENTS)]
    for records in shuffled:
        random.Random(1).shuffle(records)
    assert Pool.of(("en", "de"), *shuffled).fingerprint == expected
    changed = [QUERIES[0]._replace(text="Wer ?"), QUERIES[1]]
    assert Pool.of(LANGUAGES, changed, CANDIDATES, JUDGEMENTS).fingerprint != expected
    assert Pool.of(LANGUAGES, QUERIES, CANDIDATES, [*JUDGEMENTS, Judgement("de:1", "de:b")]).fingerprint != expected


@pytest.mark.parametrize(
    ("queries", "candidates", "judgements", "message"),
    [
        ([*QUERIES, QUERIES[0]], CANDIDATES, JUDGEMENTS, "Duplicate id 'de:1' among the query items"),
        (QUERIES, [*CANDIDATES, CANDIDATES[1]], JUDGEMENTS, "Duplicate id 'de:a' among the candidate items"),
        ([*QUERIES, Query("de:2", "Was?", "de", "2")], CANDIDATES, JUDGEMENTS, r"1 queries have no relevant .*de:2"),
        (QUERIES, CANDIDATES, [*JUDGEMENTS, Judgement("de:1", "fr:a")], "names the unknown candidate 'fr:a'"),
        (QUERIES, CANDIDATES, [*JUDGEMENTS, Judgement("fr:1", "de:a")], "names the unknown query 'fr:1'"),
        (QUERIES, CANDIDATES, [*JUDGEMENTS, JUDGEMENTS[0]], r"1 duplicate .*first is \('de:1', 'de:a'\)"),
        (QUERIES, CANDIDATES, [*JUDGEMENTS, Judgement("de:1", "de:b", 0.0)], "Gains must be finite and greater than 0"),
        (QUERIES, CANDIDATES, [*JUDGEMENTS, Judgement("de:1", "de:b", float("nan"))], "Gains must be finite"),
        (QUERIES, [*CANDIDATES, Candidate("fr:a", "Moi.", "fr")], JUDGEMENTS, "'fr', which is not one of de, en"),
    ],
)
def test_invalid_pool_is_refused_with_the_reason(
    queries: list[Query], candidates: list[Candidate], judgements: list[Judgement], message: str
) -> None:
    with pytest.raises(BadData, match=message):
        Pool.of(LANGUAGES, queries, candidates, judgements)
