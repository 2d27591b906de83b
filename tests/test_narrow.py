"""Narrow evidence, of pools of very many languages: three counts give the scores that one of each language gives."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from panglot.arrays import Floats
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.data.task import Size, Task
from panglot.errors import BadResult
from panglot.results.assembly import LIST_COLUMNS
from panglot.results.evidence_file import NARROW_LIMITS, read_evidence, write_evidence
from panglot.results.parquet import LIMITS, Limits
from panglot.results.result_record import TaskRecord
from panglot.retrieve.evidence import ASKED, NARROW, TOGETHER, WITHIN, Evidence, narrow_counts
from panglot.retrieve.ranking import DEPTH, collect_evidence
from panglot.score.summary import Grid, Scores, score_evidence
from panglot.trust.evidence_check import check_evidence
from tests.helpers import naive
from tests.helpers.tasks import TASKS

BELEBELE = TASKS["belebele"]

LANGUAGES = tuple(f"l{number:02}" for number in range(40))
QUESTIONS, PASSAGES = 12, 8
LISTS = ("top", "top_language", "top_score")
TASK = replace(BELEBELE, sizes=dict.fromkeys(LANGUAGES, Size(QUESTIONS, PASSAGES)))


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Questions about parallel passages, some about the same one."""
    return Pool.of(
        LANGUAGES,
        [Query(f"{name}:q{n}", "", name, f"q{n}") for name in LANGUAGES for n in range(QUESTIONS)],
        [Candidate(f"{name}:p{n}", "", name) for name in LANGUAGES for n in range(PASSAGES)],
        [
            Judgement(f"{asking}:q{n}", f"{offering}:p{n % PASSAGES}")
            for asking in LANGUAGES
            for offering in LANGUAGES
            for n in range(QUESTIONS)
        ],
    )


@pytest.fixture(scope="module")
def products() -> Floats:
    """Of small integers, so that many tie; the passages of every third language are exact, of others blurred."""
    random = np.random.default_rng(5)
    passages = random.integers(-3, 4, (PASSAGES, 6))
    blur = np.arange(len(LANGUAGES)) % 3
    candidates = np.concatenate([passages + random.integers(-most, most + 1, passages.shape) for most in blur])
    asked = passages[np.arange(QUESTIONS) % PASSAGES]
    queries = np.concatenate([asked + random.integers(-1, 2, asked.shape) for _ in LANGUAGES])
    return (queries @ candidates.T).astype(np.float32)


class Fixed:
    def __init__(self, scores: Floats) -> None:
        self._scores = scores

    def block(self, start: int, stop: int) -> Floats:
        return self._scores[start:stop]


def score(evidence: Evidence) -> Scores:
    return score_evidence(evidence, "ndcg@10", ["map", "ndcg@10", "recall@5"], draws=20)


@pytest.fixture(scope="module")
def narrow(pool: Pool, products: Floats) -> Evidence:
    return collect_evidence(pool, Fixed(products))


@pytest.fixture(scope="module")
def full(pool: Pool, products: Floats) -> tuple[Evidence, Scores]:
    """The same with a count of every language, as pools of fewer languages have it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("panglot.retrieve.evidence.WIDEST", len(LANGUAGES))
        evidence = collect_evidence(pool, Fixed(products))
        assert evidence.above.shape == (len(pool.query), len(LANGUAGES))
        return evidence, score(evidence)


def test_the_counts_are_those_of_the_full_evidence(narrow: Evidence, full: tuple[Evidence, Scores]) -> None:
    wide = full[0]
    assert narrow.narrow
    assert narrow.above.tolist() == narrow_counts(wide.above, wide.language, wide.pair_query_language).tolist()
    assert narrow.top.tolist() == wide.top.tolist()


def test_ranks_are_those_of_a_sorted_pool(pool: Pool, products: Floats, narrow: Evidence) -> None:
    for ranking, languages in ((narrow.together, range(len(LANGUAGES))), (narrow.within, [7])):
        for query in (0, 100, 479):
            cell = query if ranking is narrow.together else query * len(LANGUAGES) + 7
            expected = [rank for rank, _ in naive.ranks(pool, products, query, list(languages))]
            assert ranking.rank[ranking.cell == cell].tolist() == expected


def test_every_score_is_that_of_the_full_evidence(narrow: Evidence, full: tuple[Evidence, Scores]) -> None:
    ours, expected = score(narrow), full[1]
    for name in ("settings", "balance", "bias", "blind", "languages", "worst_language"):
        assert getattr(ours, name) == getattr(expected, name), name
    assert {"mono", "cross", "multi"} == set(ours.settings)
    assert {"strong_alignment", "weak_alignment", "remove_one_target", "kendall_w"} <= set(ours.bias)
    np.testing.assert_array_equal(ours.pairs["ndcg@10"].values, expected.pairs["ndcg@10"].values)
    np.testing.assert_array_equal(ours.language_mix, expected.language_mix)
    np.testing.assert_array_equal(ours.language_rank, expected.language_rank)


def test_all_pairs_are_one_matrix(narrow: Evidence) -> None:
    pairs = score(narrow).pairs
    assert list(pairs) == ["ndcg@10"]
    assert pairs["ndcg@10"].values.shape == (40, 40, 3)


def test_narrow_evidence_gives_no_other_pool(narrow: Evidence) -> None:
    assert narrow.only(LANGUAGES) is narrow
    with pytest.raises(BadResult, match=r"covers 40 languages and cannot be reduced .* --languages l00,l01"):
        narrow.only(["l00", "l01"])


def test_scores_computed_in_parts_are_those_of_the_whole(narrow: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = score(narrow)
    monkeypatch.setattr("panglot.retrieve.evidence.PART_PAIRS", 1000)
    for module in ("bootstrap", "setting_means", "summary"):
        monkeypatch.setattr(f"panglot.score.{module}.MOST_MEANS", 30_000)
    monkeypatch.setattr("panglot.score.bootstrap.FEWEST_ROWS", 2)
    assert len(narrow.parts()) == -(-len(narrow.query) // 1000)
    parts = score(narrow)
    for name in ("settings", "balance", "bias", "blind", "languages", "pairs"):
        one, other = (_numbers(getattr(scores, name)) for scores in (whole, parts))
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(whole.language_rank, parts.language_rank)
    np.testing.assert_allclose(whole.language_mix, parts.language_mix)


def _numbers(value: object) -> list[float]:
    """All numbers in nested scores, in order; NaN where there is none."""
    if isinstance(value, dict):
        return [number for each in value.values() for number in _numbers(each)]
    if isinstance(value, Grid):
        return value.values.ravel().tolist()
    return [np.nan if number is None else number for number in np.atleast_1d(value).tolist()]


def test_narrow_evidence_survives_its_files(narrow: Evidence, tmp_path: Path) -> None:
    write_evidence(tmp_path / "a.json", narrow)
    read = read_evidence(tmp_path / "a.json")
    assert read.above.tolist() == narrow.above.tolist()
    assert score(read).settings == score(narrow).settings


def record_of(evidence: Evidence, pool: Pool) -> TaskRecord:
    return TaskRecord(
        name=TASK.name,
        fingerprint=pool.fingerprint,
        headline=TASK.headline,
        languages=LANGUAGES,
        queries=evidence.queries,
        candidates=TASK.candidates,
    )


class TestCheck:
    def findings(self, evidence: Evidence, pool: Pool, task: Task = TASK) -> list[str]:
        return check_evidence(evidence, task, record_of(evidence, pool), pool)

    def test_true_evidence_is_possible(self, narrow: Evidence, pool: Pool, tmp_path: Path) -> None:
        write_evidence(tmp_path / "a.json", narrow)
        assert self.findings(read_evidence(tmp_path / "a.json"), pool) == []

    @pytest.mark.parametrize(
        ("column", "rows", "value", "said"),
        [
            (WITHIN, 1, PASSAGES, "below 0 or above"),
            (WITHIN, 1, -1, "below 0 or above"),
            (ASKED, 1, 3, "other counts than a relevant candidate with the same score"),
            (TOGETHER, 8, 38, "fewer candidates than score higher"),
        ],
    )
    def test_a_changed_count_is_found(
        self, narrow: Evidence, pool: Pool, tmp_path: Path, column: int, rows: int, value: int, said: str
    ) -> None:
        """Of some of the relevants that tie in the last places of their query, behind 32 others."""
        own = narrow.query == 294
        tied = np.flatnonzero(own & (narrow.score == narrow.score[own].min()))
        assert np.unique(narrow.above[tied, ASKED:], axis=0).tolist() == [[2, 69]]
        above = narrow.above.copy()
        above[tied[:rows], column] = value
        write_evidence(tmp_path / "a.json", replace(narrow, above=above))
        assert any(said in finding for finding in self.findings(read_evidence(tmp_path / "a.json"), pool))

    def test_counts_that_contradict_each_other_are_found(self, narrow: Evidence, pool: Pool, tmp_path: Path) -> None:
        above = narrow.above.copy()
        own = np.flatnonzero((narrow.language == narrow.pair_query_language) & (above[:, WITHIN] < PASSAGES - 1))
        above[own, WITHIN] += 1
        write_evidence(tmp_path / "a.json", replace(narrow, above=above))
        findings = self.findings(read_evidence(tmp_path / "a.json"), pool)
        assert any("more candidates in one language than in all" in finding for finding in findings)


def test_only_narrow_files_may_be_large(narrow: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_evidence(tmp_path / "a.json", narrow)
    monkeypatch.setattr("panglot.results.evidence_file.NARROW_LIMITS", Limits(cells=10 * len(narrow.query) - 1))
    with pytest.raises(BadResult, match="it claims 19200 rows"):
        read_evidence(tmp_path / "a.json")
    monkeypatch.setattr("panglot.results.evidence_file.NARROW_LIMITS", Limits(file=1000))
    with pytest.raises(BadResult, match="it is larger than 0 MiB"):
        read_evidence(tmp_path / "a.json")


def test_long_lists_of_narrow_evidence_are_read(
    narrow: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred of each of Belebele's queries are more cells than any other result has."""
    write_evidence(tmp_path / "a.json", narrow)
    monkeypatch.setattr("panglot.results.parquet.LIMITS", Limits(cells=1000))
    monkeypatch.setattr("panglot.results.evidence_file.LIMITS", Limits(cells=1000))
    assert read_evidence(tmp_path / "a.json").top.shape == (480, 100)


def test_belebele_is_within_the_limits() -> None:
    rows = BELEBELE.queries * len(BELEBELE.languages)
    assert rows == 13_395_600
    assert rows * 10 <= NARROW_LIMITS.cells
    assert LIMITS.cells < BELEBELE.queries * DEPTH * len(LIST_COLUMNS) <= NARROW_LIMITS.cells
    assert 3 * LIMITS.cells < rows * 10


def test_the_columns_have_names() -> None:
    assert [NARROW[place] for place in (WITHIN, ASKED, TOGETHER)] == ["within", "asked", "together"]


@pytest.fixture(scope="module")
def many(narrow: Evidence) -> Evidence:
    """The same queries four times over, so that columns are large beside what a reader holds anyway."""
    times, queries = 4, narrow.queries
    return replace(
        narrow,
        query_ids=tuple(f"{time}:{id_}" for time in range(times) for id_ in narrow.query_ids),
        query=np.concatenate([narrow.query + time * queries for time in range(times)]),
        group=np.concatenate([narrow.group + time * QUESTIONS for time in range(times)]),
        cluster=np.concatenate([narrow.cluster + time * QUESTIONS for time in range(times)]),
        **{
            name: np.concatenate([getattr(narrow, name)] * times)
            for name in [
                "query_language",
                "candidate",
                "language",
                "gain",
                "score",
                "above",
                "top",
                "top_language",
                "top_score",
            ]
        },
    )


def peak(work: Callable[[], object]) -> int:
    """The most bytes that Python and numpy hold at once while something is done, beyond what they hold before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def size(evidence: Evidence) -> int:
    return sum(value.nbytes for value in vars(evidence).values() if isinstance(value, np.ndarray))


def test_reading_holds_little_more_than_the_evidence(many: Evidence, tmp_path: Path) -> None:
    write_evidence(tmp_path / "a.json", many)
    held = size(read_evidence(tmp_path / "a.json"))
    assert peak(lambda: read_evidence(tmp_path / "a.json")) < 1.5 * held


def test_checking_needs_no_copy_of_the_evidence(
    many: Evidence, pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_evidence(tmp_path / "a.json", many)
    read = read_evidence(tmp_path / "a.json")
    peaks = []
    for rows in (len(read.query), 8000):
        monkeypatch.setattr("panglot.trust.evidence_check.ROWS", rows)
        peaks.append(peak(lambda: check_evidence(read, None, record_of(read, pool), None)))
    assert peaks[0] > 4 * peaks[1]


@pytest.mark.parametrize("rows", [1, 41])
def test_parts_find_what_the_whole_finds(
    narrow: Evidence, pool: Pool, tmp_path: Path, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(3)
    above = narrow.above.copy()
    above[random.choice(len(above), 50), random.integers(0, 3, 50)] += random.integers(-2, 3, 50, dtype=np.int32)
    write_evidence(tmp_path / "a.json", replace(narrow, above=above))
    read = read_evidence(tmp_path / "a.json")
    whole = check_evidence(read, TASK, record_of(read, pool), pool)
    monkeypatch.setattr("panglot.trust.evidence_check.ROWS", rows)
    assert len(whole) >= 3
    assert sorted(check_evidence(read, TASK, record_of(read, pool), pool)) == sorted(whole)
