"""Evidence by hand: ranks, places and ties from counts, and what is left when languages leave the pool."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import numpy as np
import pytest

from panglot.errors import BadResult
from panglot.retrieve.evidence import NOBODY, WIDEST, Evidence, Ranking, narrow_counts, self_counts


@pytest.fixture
def evidence() -> Evidence:
    """Three queries over two German, three English and one Thai candidate.

    The first asks in German for d0, e0 and e1, the second in English for t0, the third in Thai for d1 and t0.
    """
    return Evidence(
        query_ids=("de:q", "en:q", "th:r"),
        candidate_ids=("d0", "d1", "e0", "e1", "e2", "t0"),
        languages=("de", "en", "th"),
        sizes=np.array([2, 3, 1]),
        query_language=np.array([0, 1, 2]),
        group=np.array([0, 0, 1]),
        cluster=np.array([0, 0, 1]),
        query=np.array([0, 0, 0, 1, 2, 2]),
        candidate=np.array([0, 2, 3, 5, 1, 5]),
        language=np.array([0, 1, 1, 2, 0, 2]),
        gain=np.array([1.0, 2, 3, 1, 1, 1]),
        score=np.array([9.0, 7, 7, 1, 2, 3], np.float32),
        above=np.array([[0, 0, 0], [1, 2, 1], [1, 2, 1], [2, 3, 0], [1, 0, 1], [0, 0, 0]]),
        top=np.array([[0, 4, 5], [1, 2, 0], [5, 1, 0]]),
        top_language=np.array([[0, 1, 2], [0, 1, 0], [2, 0, 0]]),
        top_score=np.array([[9, 8, 7.5], [6, 5, 4], [3, 2, 1]], np.float32),
    )


def test_a_place_is_counted_inside_its_cell() -> None:
    ranking = Ranking(np.array([1, 1, 1, 3]), np.arange(4), np.array([2, 5, 6, 4]), np.zeros(4), np.ones(4), 5)
    assert ranking.place.tolist() == [1, 2, 3, 1]
    assert ranking.relevants.tolist() == [0, 3, 0, 1, 0]


def test_ranks_in_one_language(evidence: Evidence) -> None:
    """The first query's English relevants tie with each other behind e2, so they share out ranks 2 and 3."""
    ranking = evidence.within
    assert ranking.cells == 9
    assert ranking.cell.tolist() == [0, 1, 1, 5, 6, 8]
    assert ranking.pair.tolist() == [0, 1, 2, 3, 4, 5]
    assert ranking.rank.tolist() == [1, 2, 3, 1, 2, 1]
    assert ranking.middle.tolist() == [1, 1.5, 1.5, 1, 1, 1]
    assert ranking.gain.tolist() == [1, 2, 3, 1, 1, 1]


def test_ranks_in_the_one_pool(evidence: Evidence) -> None:
    ranking = evidence.together
    assert ranking.cells == evidence.queries == 3
    assert ranking.cell.tolist() == [0, 0, 0, 1, 2, 2]
    assert ranking.pair.tolist() == [0, 1, 2, 3, 5, 4]
    assert ranking.rank.tolist() == [1, 4, 5, 6, 1, 3]
    assert ranking.middle.tolist() == [1, 2.5, 2.5, 1, 1, 2]
    assert evidence.pair_query_language.tolist() == [0, 0, 0, 1, 2, 2]
    assert evidence.above_in_query_language.tolist() == [0, 1, 1, 3, 1, 0]


def test_a_tie_of_relevants_takes_its_last_places() -> None:
    """Four relevants and one other candidate score alike: the other comes first."""
    evidence = Evidence(
        query_ids=("q",),
        candidate_ids=tuple("abcde"),
        languages=("de",),
        sizes=np.array([5]),
        query_language=np.array([0]),
        group=np.array([0]),
        cluster=np.array([0]),
        query=np.zeros(4, int),
        candidate=np.arange(4),
        language=np.zeros(4, int),
        gain=np.ones(4),
        score=np.ones(4, np.float32),
        above=np.full((4, 1), 4),
        top=np.array([[4]]),
        top_language=np.array([[0]]),
        top_score=np.ones((1, 1), np.float32),
    )
    assert evidence.together.rank.tolist() == [2, 3, 4, 5]
    assert evidence.together.middle.tolist() == [2.5] * 4


def test_evidence_of_some_languages_equals_its_own_pool(evidence: Evidence) -> None:
    """Without English the second query goes on with its Thai relevant no longer asked for: it leaves."""
    part = evidence.only(["th", "de"])
    assert part.query_ids == ("de:q", "th:r")
    assert part.candidate_ids == evidence.candidate_ids
    assert part.languages == ("th", "de")
    assert part.sizes.tolist() == [1, 2]
    assert part.query_language.tolist() == [1, 0]
    assert part.group.tolist() == [0, 1]
    assert part.query.tolist() == [0, 1, 1]
    assert part.candidate.tolist() == [0, 1, 5]
    assert part.language.tolist() == [1, 1, 0]
    assert part.gain.tolist() == [1, 1, 1]
    assert part.score.tolist() == [9, 2, 3]
    assert part.above.tolist() == [[0, 0], [1, 1], [0, 0]]
    assert part.top.tolist() == [[0, 5, NOBODY], [5, 1, 0]]
    assert part.top_language.tolist() == [[1, 0, NOBODY], [0, 1, 1]]
    assert part.top_score.tolist() == [[9, 7.5, -np.inf], [3, 2, 1]]


def test_lists_are_as_long_as_the_longest_that_is_left(evidence: Evidence) -> None:
    """Query by query; what leaves comes from the middle, the end or nowhere, and groups are numbered anew."""
    part = evidence.only(["de", "en"])
    assert part.query_ids == ("de:q",)
    assert part.top.tolist() == [[0, 4]]
    assert part.top_language.tolist() == [[0, 1]]
    assert evidence.only(["th"]).group.tolist() == [0]
    assert evidence.only(["th"]).top.tolist() == [[5]]


def test_languages_without_a_relevant_leave_nothing(evidence: Evidence) -> None:
    part = evidence.only(["en"])
    assert (part.queries, part.query_ids, part.above.shape, part.top.shape) == (0, (), (0, 1), (0, 0))
    assert part.sizes.tolist() == [3]


def test_a_part_is_made_of_what_the_whole_is_made_of(evidence: Evidence) -> None:
    part = evidence.only(["th", "de"])
    assert {type(id_) for id_ in part.query_ids} == {str}
    for field in fields(Evidence):
        if isinstance(whole := getattr(evidence, field.name), np.ndarray):
            assert getattr(part, field.name).dtype == whole.dtype, field.name


def test_a_ranking_takes_four_bytes_a_number(evidence: Evidence) -> None:
    """Pools of a hundred parallel languages have tens of millions of relevant pairs."""
    for ranking in (evidence.within, evidence.together):
        parts = (ranking.cell, ranking.pair, ranking.rank, ranking.shift)
        assert [part.dtype for part in parts] == [np.int32, np.int32, np.int32, np.float32]


def test_a_part_of_a_divided_pool_is_divided(evidence: Evidence) -> None:
    assert not evidence.only(["de"]).divided
    assert replace(evidence, divided=True).only(["de"]).divided


def test_all_languages_are_the_evidence_itself(evidence: Evidence) -> None:
    assert evidence.only(("de", "en", "th")) is evidence
    assert evidence.only(("en", "de", "th")).languages == ("en", "de", "th")


def _wide(languages: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts [pairs, languages], and the languages of the relevants and of the queries."""
    random = np.random.default_rng(languages)
    return random.integers(0, 9, (50, languages)), *random.integers(0, languages, (2, 50))


@pytest.mark.parametrize("languages", [WIDEST, WIDEST + 1])
def test_above_the_widest_three_counts_stand_for_all(languages: int) -> None:
    counts, language, asked = _wide(languages)
    kept = narrow_counts(counts, language, asked)
    if languages == WIDEST:
        assert (kept == counts).all()
    else:
        expected = [[row[own], row[query], sum(row)] for row, own, query in zip(counts, language, asked, strict=True)]
        assert kept.tolist() == expected


@pytest.mark.parametrize("languages", [2, WIDEST, WIDEST + 1])
def test_a_relevant_counts_itself_once_wherever_it_is_counted(languages: int) -> None:
    _, language, asked = _wide(languages)
    alone = np.zeros((50, languages), int)
    alone[np.arange(50), language] = 1
    assert self_counts(language, asked, languages).tolist() == narrow_counts(alone, language, asked).tolist()


def test_a_narrow_pool_answers_for_all_languages_only(evidence: Evidence) -> None:
    names = tuple(f"l{number}" for number in range(WIDEST + 1))
    narrow = replace(evidence, languages=names, above=np.arange(18).reshape(6, 3))
    assert narrow.narrow
    assert not evidence.narrow
    assert narrow.above_within.tolist() == [0, 3, 6, 9, 12, 15]
    assert narrow.above_in_query_language.tolist() == [1, 4, 7, 10, 13, 16]
    assert narrow.above_together.tolist() == [2, 5, 8, 11, 14, 17]
    assert narrow.only(names) is narrow
    advice = (
        "This result covers 33 languages and cannot be reduced to fewer: above 32 languages only counts for the whole "
        "pool are kept. Run the model on the languages that you need: "
        "panglot run … --languages l0,l1,l2,l3,l4,l5,l6,l7,l8"
    )
    with pytest.raises(BadResult, match=f"^{re.escape(advice)}$"):
        narrow.only(names[:12])
