"""Evidence: equal to the slow twin under heavy ties, and independent of everything that must not matter."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panglot.data.pool import NO_CANDIDATE, Candidate, Judgement, Pool, Query
from panglot.errors import BadEncoder
from panglot.retrieve.columns import CandidateIds, ColumnLayout, tie_keys
from panglot.retrieve.counting import Counter, Tally
from panglot.retrieve.evidence import NOBODY, Evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.retrieve.similarity import DenseScores
from panglot.retrieve.toplists import TopLists
from panglot.score.metrics import NAMES, parse_metric
from tests.helpers import naive
from tests.helpers.pools import PoolMaker
from tests.helpers.scores import FixedScores

LANGUAGES = ("de", "en", "th", "zh")


@st.composite
def scored_pools(draw: st.DrawFn) -> tuple[Pool, np.ndarray]:
    """Pools with graded and missing relevants, empty languages, candidates left out, and scores of few values."""
    candidates = draw(st.lists(st.integers(0, 3), min_size=2, max_size=40))
    queries = draw(st.integers(1, 6))
    pairs = st.tuples(st.integers(0, queries - 1), st.integers(0, len(candidates) - 1))
    judged = draw(st.dictionaries(pairs, st.sampled_from([1.0, 2.0, 3.0]), max_size=30))
    judged |= {(query, 0): 1.0 for query in range(queries)}
    unjudged = [[n for n in range(len(candidates)) if (query, n) not in judged] for query in range(queries)]
    excluded = [draw(st.sampled_from([None, *(f"c{n}" for n in others[:2])])) for others in unjudged]
    pool = Pool.of(
        LANGUAGES,
        [Query(f"q{n}", "", LANGUAGES[n % 4], f"g{n // 2}", excluded=excluded[n]) for n in range(queries)],
        [Candidate(f"c{n}", "", LANGUAGES[language]) for n, language in enumerate(candidates)],
        [Judgement(f"q{query}", f"c{candidate}", gain) for (query, candidate), gain in judged.items()],
    )
    values = draw(st.lists(st.integers(0, 3), min_size=queries * len(candidates), max_size=queries * len(candidates)))
    return pool, np.array(values, np.float32).reshape(queries, len(candidates))


@settings(max_examples=100, deadline=None)
@given(scored_pools(), st.integers(1, 7), st.sampled_from([1, 90, 500_000]))
def test_ranks_and_metrics_equal_the_naive_implementation(
    case: tuple[Pool, np.ndarray], block: int, strip: int
) -> None:
    pool, scores = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("panglot.retrieve.counting.STRIP_SCORES", strip)
        evidence = collect_evidence(pool, FixedScores(scores), depth=10, block=block)
    for languages, ranking in [([place], evidence.within) for place in range(4)] + [
        (list(range(4)), evidence.together)
    ]:
        values = {name: parse_metric(name).compute(ranking) for name in NAMES}
        for query in range(len(pool.queries)):
            expected = naive.ranks(pool, scores, query, languages)
            cell = query if len(languages) > 1 else query * 4 + languages[0]
            assert sorted(ranking.rank[ranking.cell == cell].tolist()) == [rank for rank, _ in expected]
            if not expected:
                assert all(np.isnan(values[name][cell]) for name in NAMES)
                continue
            if len({scores[query, candidate] for _, candidate in expected}) == len(expected):
                wanted = naive.metrics(expected, naive.gains(pool, query, languages))
                for name in NAMES:
                    assert values[name][cell] == pytest.approx(wanted[name], abs=1e-12), name


@settings(max_examples=60, deadline=None)
@given(scored_pools(), st.integers(1, 12), st.integers(1, 7), st.sampled_from([1, 90, 500_000]))
def test_the_top_is_the_best_of_the_pool(case: tuple[Pool, np.ndarray], depth: int, block: int, strip: int) -> None:
    pool, scores = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("panglot.retrieve.counting.STRIP_SCORES", strip)
        evidence = collect_evidence(pool, FixedScores(scores), depth=depth, block=block)
    kept = min(depth, len(pool.candidates) - bool(len(pool.excluded)))
    keys = tie_keys(pool.candidates.ids)
    for query, listed in enumerate(evidence.top.tolist()):
        excluded = pool.excluded[query] if len(pool.excluded) else NO_CANDIDATE
        offered = [candidate for candidate in range(len(pool.candidates)) if candidate != excluded]
        assert listed == sorted(offered, key=lambda c: (-scores[query, c], keys[c]))[:kept]
        assert scores[query, listed].tolist() == evidence.top_score[query].tolist()
        assert (evidence.top_language[query] == pool.candidates.language[listed]).all()


@settings(max_examples=60, deadline=None)
@given(scored_pools(), st.integers(1, 12), st.randoms(use_true_random=False), st.sampled_from([1, 90, 500_000]))
def test_counts_add_and_lists_merge_in_any_order(
    case: tuple[Pool, np.ndarray], depth: int, random: Random, strip: int
) -> None:
    """The candidates arrive in parts, some counted one after the other, some apart and then put together."""
    pool, scores = case
    pool = replace(pool, excluded=np.empty(0, np.int32))
    whole = collect_evidence(pool, FixedScores(scores), depth=depth)
    cuts = sorted({0, len(pool.candidates), *random.choices(range(len(pool.candidates)), k=3)})
    parts = [slice(*pair) for pair in pairwise(cuts)]
    random.shuffle(parts)
    tallies = [Tally.empty(pool, whole.top.shape[1]) for _ in range(2)]
    for part in parts:
        sizes = np.bincount(pool.candidates.language[part], minlength=4)
        tally = random.choice(tallies)
        tally.top.ids.add(part.start, pool.candidates.ids[part])
        columns = ColumnLayout(sizes, tally.top.ids, part.start)
        counter, half = Counter(pool, tally, whole.score), len(scores) // 2
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("panglot.retrieve.counting.STRIP_SCORES", strip)
            for queries in (slice(0, half), slice(half, None)):
                counter.add(queries.start, scores[queries, part], columns)
        if random.random() < 0.5:
            tally.top.forget()
    tallies[0].merge(tallies[1])
    own = (whole.language[:, None] == np.arange(4)).astype(int)
    assert tallies[0].above.tolist() == (whole.above + own).tolist()
    best = tallies[0].top
    assert best.number.tolist() == whole.top.tolist()
    assert best.score.tolist() == whole.top_score.tolist()
    listed = sorted({NOBODY, *whole.top.ravel().tolist()})
    assert best.ids.numbers.tolist() == listed
    assert best.ids.ids.tolist() == ["" if number == NOBODY else pool.candidates.ids[number] for number in listed]


@pytest.mark.parametrize("depth", [5, 100, 1000])
def test_the_top_of_a_large_pool(depth: int) -> None:
    random = np.random.default_rng(depth)
    pool = Pool.of(
        ("de", "en"),
        [Query(f"q{n}", "", "de", f"g{n}") for n in range(9)],
        [Candidate(f"{language}{n}", "", language) for language in ("de", "en") for n in range(6001)],
        [Judgement(f"q{n}", "de0") for n in range(9)],
    )
    scores = np.argsort(random.random((9, 12_002)), axis=1).astype(np.float32)
    expected = np.argsort(-scores, axis=1)[:, :depth]
    assert collect_evidence(pool, FixedScores(scores), depth=depth).top.tolist() == expected.tolist()


@pytest.mark.parametrize("tied", [20, 60, 900])
def test_ties_that_are_too_many_to_sort_are_ordered_all_the_same(tied: int) -> None:
    """The list is of three, so that more than 48 that tie are looked at in the order of ties, a few first."""
    ids = [f"c{n}" for n in range(1000)]
    pool = Pool.of(
        ("de",), [Query("q", "", "de", "g")], [Candidate(id_, "", "de") for id_ in ids], [Judgement("q", "c0")]
    )
    scores = np.zeros((1, 1000), np.float32)
    scores[0, np.random.default_rng(tied).choice(1000, tied, replace=False)] = 1
    keys = tie_keys(ids)
    for best in ({}, {500: 2.0}, {500: 2.0, 7: 3.0}):
        scores[0, list(best)] = list(best.values())
        expected = sorted(range(1000), key=lambda candidate: (-scores[0, candidate], keys[candidate]))[:3]
        assert collect_evidence(pool, FixedScores(scores), depth=3).top.tolist() == [expected]


def test_lists_are_long_where_they_may_be(make_pool: PoolMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = make_pool(questions=4, distractors=46)
    for most, depth in ((1200, 100), (1199, 10)):
        monkeypatch.setattr("panglot.retrieve.ranking.MOST_LISTED", most)
        assert collect_evidence(pool, FixedScores(np.zeros((12, 150)))).top.shape == (12, depth)


def test_progress_is_reported_per_query(make_pool: PoolMaker) -> None:
    told: list[object] = []

    @contextmanager
    def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
        told.append((what, total))
        yield told.append

    collect_evidence(make_pool(), FixedScores(np.zeros((9, 15))), block=4, progress=progress)
    assert told == [("ranking", 9), 4, 4, 1]


def test_numbers_take_four_bytes(make_pool: PoolMaker) -> None:
    """A pool of a million candidates in eighteen languages has a hundred million counts."""
    pool = make_pool()
    tally = Tally.empty(pool, 5)
    assert [tally.above.dtype, tally.top.score.dtype] == [np.int32, np.float32]
    assert tally.top.number.dtype == np.int64  # corpora can be larger than 2^31
    evidence = collect_evidence(pool, FixedScores(np.zeros((9, 15))))
    assert [evidence.above.dtype, evidence.top.dtype] == [np.int32, np.int32]
    assert [evidence.score.dtype, evidence.top_score.dtype] == [np.float32, np.float32]


@given(st.lists(st.integers(0, 20), min_size=1, max_size=9).filter(any), st.randoms(use_true_random=False))
def test_hits_are_counted_in_each_language(sizes: list[int], random: Random) -> None:
    """Languages may begin anywhere in a byte, several in one, and have no candidate."""
    columns = ColumnLayout(np.array(sizes), CandidateIds(), 5)
    hits = columns.no_hits(3)
    hits[:, :-1] = [[random.random() < 0.5 for _ in range(sum(sizes))] for _ in range(3)]
    language = columns.language_of(5 + np.arange(sum(sizes)))
    assert columns.count(hits).tolist() == [
        [int((row[:-1] & (language == place)).sum()) for place in range(len(sizes))] for row in hits
    ]


def test_a_tie_key_is_made_when_it_is_asked_for_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"c{n}" for n in range(10)]
    made: list[str] = []

    def noted(ids: Sequence[str]) -> np.ndarray:
        made.extend(ids)
        return tie_keys(ids)

    monkeypatch.setattr("panglot.retrieve.columns.tie_keys", noted)
    names = CandidateIds()
    names.add(20, ids)
    assert names.keys_of(np.array([[20, 29], [23, 20]])).tolist() == _rows(["c0", "c9"], ["c3", "c0"])
    assert names.keys_of(np.array([[23, 25]])).tolist() == _rows(["c3", "c5"])
    assert made == ["c0", "c3", "c9", "c5"]
    names.keep(np.array([29, NOBODY]))
    names.add(20, ids[:8])
    assert names.keys_of(np.array([[NOBODY, 29]])).tolist() == [[0, tie_keys(["c9"])[0]]]
    assert made[4:] == []
    columns = ColumnLayout(np.array([3, 4]), names, 20)
    assert sorted(columns.order.tolist()) == list(range(7))
    assert sorted(made[4:]) == ids[:7]


def _rows(*rows: list[str]) -> list[list[int]]:
    return [tie_keys(row).tolist() for row in rows]


def test_no_tie_key_is_made_where_nothing_ties(monkeypatch: pytest.MonkeyPatch) -> None:
    best = TopLists.empty(2, 3)
    best.ids.add(0, [f"c{n}" for n in range(16)])
    strip = np.random.default_rng(0).permuted(np.tile(np.arange(16, dtype=np.float32), (2, 1)), axis=1)
    with monkeypatch.context() as patch:
        patch.delattr("panglot.retrieve.columns.tie_keys")
        best.update(slice(len(strip)), strip, ColumnLayout(np.array([16]), best.ids))
    assert best.number.tolist() == np.argsort(-strip, axis=1)[:, :3].tolist()
    assert best.score.tolist() == [[15, 14, 13]] * 2


def test_a_long_tie_at_the_end_of_the_top_is_cut_by_id_not_by_place(fixed_scores: type[FixedScores]) -> None:
    languages = ("de", "en")
    pool = Pool.of(
        languages,
        [Query("q", "", "de", "g")],
        [Candidate(f"{language}:{n}", "", language) for language in languages for n in range(500)],
        [Judgement("q", "de:0")],
    )
    scores = np.zeros((1, 1000), np.float32)
    scores[0, 7] = 1.0
    evidence = collect_evidence(pool, fixed_scores(scores), depth=100)
    assert evidence.top[0, 0] == 7
    assert 30 < (evidence.top_language[0] == 1).sum() < 70
    backwards = collect_evidence(pool, fixed_scores(scores), depth=50)
    assert backwards.top[0].tolist() == evidence.top[0, :50].tolist()


def _evidence(pool: Pool, queries: np.ndarray, candidates: np.ndarray, block: int | None = None) -> Evidence:
    return collect_evidence(pool, DenseScores(queries, candidates), block=block)


def _values(evidence: Evidence) -> np.ndarray:
    return np.concatenate([parse_metric(name).compute(evidence.together) for name in NAMES])


def test_nothing_depends_on_block_size_or_candidate_order(make_pool: PoolMaker) -> None:
    pool = make_pool(questions=40, distractors=60)
    random = np.random.default_rng(0)
    queries = random.standard_normal((len(pool.queries), 32), np.float32)
    candidates = random.standard_normal((len(pool.candidates), 32), np.float32)
    expected = _evidence(pool, queries, candidates)
    for block in (1, 7, 64, 1000):
        assert np.abs(_values(_evidence(pool, queries, candidates, block)) - _values(expected)).max() < 1e-6
    place = {id_: index for index, id_ in enumerate(pool.candidates.ids)}
    order = random.permutation(len(pool.candidates))
    shuffled = Pool.of(
        pool.languages,
        [
            Query(id_, "", pool.languages[language], group)
            for id_, language, group in zip(pool.queries.ids, pool.queries.language, pool.groups, strict=True)
        ],
        [Candidate(pool.candidates.ids[index], "", pool.languages[pool.candidates.language[index]]) for index in order],
        [
            Judgement(pool.queries.ids[query], pool.candidates.ids[candidate])
            for query, candidate in zip(pool.query, pool.candidate, strict=True)
        ],
    )
    moved = candidates[[place[id_] for id_ in shuffled.candidates.ids]]
    found = _evidence(shuffled, queries, moved)
    assert np.abs(_values(found) - _values(expected)).max() < 1e-6
    for query in range(len(pool.queries)):
        assert [shuffled.candidates.ids[index] for index in found.top[query]] == [
            pool.candidates.ids[index] for index in expected.top[query]
        ]


@pytest.mark.parametrize("block", [1, 3, 17, None])
def test_copies_of_a_relevant_tie_with_it_wherever_they_stand(make_pool: PoolMaker, block: int | None) -> None:
    """A float32 product gives copies of one vector different last bits; they must share a column's scores."""
    pool = make_pool(questions=50, distractors=150)
    random = np.random.default_rng(1)
    queries = random.standard_normal((len(pool.queries), 96), np.float32)
    candidates = random.standard_normal((len(pool.candidates), 96), np.float32)
    copies = [index for index, id_ in enumerate(pool.candidates.ids) if id_.endswith(":c199")]
    original = pool.candidates.ids.index("en:c0")
    before = _evidence(pool, queries, candidates, block)
    candidates[copies] = candidates[original]
    evidence = _evidence(pool, queries, candidates, block)
    rows = np.flatnonzero(evidence.candidate == original)
    scores = queries.astype(np.float64) @ candidates.astype(np.float64).T
    for row in rows:
        query = evidence.query[row]
        others = np.array([index for index in range(len(pool.candidates)) if index not in (*copies, original)])
        higher = (scores[query, others] > scores[query, original]).sum()
        assert evidence.above[row].sum() == higher + len(copies)
    assert before.above.shape == evidence.above.shape


def test_a_constant_encoder_gets_the_floor(make_pool: PoolMaker) -> None:
    pool = make_pool(questions=4, distractors=6)
    evidence = _evidence(pool, np.ones((12, 8)), np.ones((30, 8)))
    assert set(evidence.within.rank.tolist()) == {10}
    assert evidence.together.rank.reshape(-1, 3).tolist() == [[28, 29, 30]] * 12


def test_evidence_of_some_languages_is_that_of_their_own_pool(starter: Pool) -> None:
    random = np.random.default_rng(2)
    queries = random.standard_normal((len(starter.queries), 16), np.float32)
    candidates = random.standard_normal((len(starter.candidates), 16), np.float32)
    kept = ["zh", "de", "ru"]
    part = _evidence(starter, queries, candidates).only(kept)
    numbers = [starter.languages.index(language) for language in kept]
    asked = np.isin(starter.queries.language, numbers)
    offered = np.isin(starter.candidates.language, numbers)
    names = starter.languages
    alone = Pool.of(
        kept,
        [
            Query(id_, "", names[language], group)
            for id_, language, group, here in zip(
                starter.queries.ids, starter.queries.language, starter.groups, asked, strict=True
            )
            if here
        ],
        [
            Candidate(id_, "", names[language])
            for id_, language, here in zip(starter.candidates.ids, starter.candidates.language, offered, strict=True)
            if here
        ],
        [
            Judgement(starter.queries.ids[query], starter.candidates.ids[candidate])
            for query, candidate in zip(starter.query, starter.candidate, strict=True)
            if asked[query] and offered[candidate]
        ],
    )
    place = {id_: index for index, id_ in enumerate(starter.candidates.ids)}
    expected = _evidence(alone, queries[asked], candidates[[place[id_] for id_ in alone.candidates.ids]])
    assert part.query_ids == expected.query_ids
    assert part.sizes.tolist() == expected.sizes.tolist()
    assert part.group.tolist() == expected.group.tolist()
    assert np.abs(_values(part) - _values(expected)).max() < 1e-9
    width = part.top.shape[1]
    for query in range(part.queries):
        listed = part.top[query][part.top[query] != NOBODY]
        assert [part.candidate_ids[index] for index in listed] == [
            expected.candidate_ids[index] for index in expected.top[query, : len(listed)]
        ]
    assert 10 < width <= 100


def test_scores_may_be_large_as_long_as_they_are_numbers(make_pool: PoolMaker) -> None:
    scores = np.full((9, 15), 3e38, np.float32)
    scores[:, 4] = -3e38
    assert collect_evidence(make_pool(), FixedScores(scores)).top_score.max() == np.float32(3e38)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("candidate", [0, 4])
def test_a_nan_score_stops_the_run(value: float, candidate: int) -> None:
    pool = Pool.of(
        ("de", "en"),
        [Query("first", "", "de", "1"), Query("second", "", "de", "2")],
        [Candidate(f"{language}{number}", "", language) for language in ("de", "en") for number in range(3)],
        [Judgement("first", "de0"), Judgement("second", "de0")],
    )
    scores = np.zeros((2, 6), np.float32)
    scores[1, candidate] = value
    with pytest.raises(BadEncoder, match="query 'second' is NaN or infinite"):
        collect_evidence(pool, FixedScores(scores))


def test_products_are_float32_and_overflow_without_a_warning() -> None:
    """Scores that are not finite are refused with the query's id; numpy's own warning would say less."""
    scores = DenseScores(np.array([[1e30, 1.0], [1.0, 0.0]]), np.array([[1e30, 0.0], [0.5, 2.0]]))
    assert {part.dtype for part in (scores.queries, scores.candidates, scores.block(0, 2))} == {np.dtype(np.float32)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not scores.are_finite
        assert scores.block(0, 2).tolist() == [[np.inf, pytest.approx(5e29)], [pytest.approx(1e30), 0.5]]
        assert np.isnan(DenseScores(np.array([[1e30, 1e30]]), np.array([[1e30, -1e30]])).block(0, 1)).all()


def test_blocks_are_written_to_the_memory_that_is_given() -> None:
    memory = np.zeros(9, np.float32)
    scores = DenseScores(np.eye(3), np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])).block(1, 3, memory)
    assert scores.tolist() == [[2, 5], [3, 6]]
    assert memory.tolist() == [2, 5, 3, 6, *[0] * 5]


def test_two_equal_candidates_are_copies() -> None:
    """Only rows that begin alike are compared whole; two are enough."""
    rows = np.array([[1, 2, 3], [4, 5, 6], [1, 2, 3], [1, 2, 4], [4, 5, 6]])
    found = DenseScores(np.eye(3), rows)
    assert (found.copies.tolist(), found.originals.tolist()) == ([2, 4], [0, 1])


@pytest.mark.parametrize(("query", "candidate", "finite"), [(1.0, 1.0, True), (0.99, 1.0, True), (1.01, 1.01, False)])
def test_norms_bound_products(query: float, candidate: float, finite: bool) -> None:
    """The largest product of two vectors that are this many times as long as the root of the largest number."""
    longest = 0.9999 * np.sqrt(np.finfo(np.float32).max)
    queries, candidates = np.array([[query * longest], [0.0]]), np.array([[0.0], [candidate * longest]])
    assert DenseScores(queries, candidates).are_finite is finite
    assert DenseScores(queries[:0], candidates).are_finite is (candidate <= 1)
