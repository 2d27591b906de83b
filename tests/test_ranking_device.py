"""Ranking on a device equals ranking on the processor; the processor as a device of torch stands in for a GPU."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import panglot
from panglot.data.pool import NO_CANDIDATE, Candidate, Judgement, Pool, Query
from panglot.encode.kinds.floors import RandomVectors
from panglot.errors import BadEncoder, PanglotError
from panglot.evaluate.measure import find_rank_device
from panglot.evaluate.provenance import provenance
from panglot.results.run_record import RunRecord
from panglot.retrieve.columns import ColumnLayout
from panglot.retrieve.counting import Counter, Tally
from panglot.retrieve.device import BYTES_PER_SCORE, DeviceColumns, find_device, in_blocks, product, rows_at_a_time
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.retrieve.similarity import DenseScores
from tests.helpers.pools import PoolMaker

LANGUAGES = ("de", "en", "th", "zh")
COUNTED = ("score", "above", "top", "top_score", "top_language")


def assert_equal(found: Evidence, expected: Evidence) -> None:
    for name in COUNTED:
        one, other = getattr(found, name), getattr(expected, name)
        assert one.dtype == other.dtype, name
        assert one.tolist() == other.tolist(), name


@st.composite
def pools(draw: st.DrawFn) -> tuple[Pool, np.ndarray, np.ndarray]:
    """Pools with several or no relevants in a language, exclusions, and vectors whose few products are exact."""
    candidates = draw(st.lists(st.integers(0, 3), min_size=2, max_size=30))
    queries = draw(st.integers(1, 6))
    pairs = st.tuples(st.integers(0, queries - 1), st.integers(0, len(candidates) - 1))
    judged = draw(st.sets(pairs, max_size=20)) | {(query, 0) for query in range(queries)}
    excluded = [
        draw(st.sampled_from([None, *(f"c{n}" for n in range(len(candidates)) if (query, n) not in judged)][:3]))
        for query in range(queries)
    ]
    pool = Pool.of(
        LANGUAGES,
        [Query(f"q{n}", "", LANGUAGES[n % 4], f"g{n // 2}", excluded=excluded[n]) for n in range(queries)],
        [Candidate(f"c{n}", "", LANGUAGES[language]) for n, language in enumerate(candidates)],
        [Judgement(f"q{query}", f"c{candidate}") for query, candidate in judged],
    )
    random = np.random.default_rng(draw(st.integers(0, 1 << 20)))
    width = draw(st.sampled_from([0, 1, 3]))  # 0: all scores are equal
    vectors = [random.integers(-width, width + 1, (n, 2)).astype(np.float32) for n in (queries, len(candidates))]
    return pool, vectors[0], vectors[1]


@settings(max_examples=60, deadline=None)
@given(pools(), st.integers(1, 12), st.integers(1, 7))
def test_exact_products_give_the_evidence_of_the_processor(
    case: tuple[Pool, np.ndarray, np.ndarray], depth: int, block: int
) -> None:
    pool, *vectors = case
    scores = DenseScores(*vectors)
    there = collect_evidence(pool, scores, depth, block, device="cpu")
    assert_equal(there, collect_evidence(pool, scores, depth))
    assert there.close == count_close(pool, scores, 1e-3)  # different products differ by 1 or more


def count_close(pool: Pool, scores: DenseScores, distance: float) -> int:
    """Pairs of a relevant candidate and another, not a copy of it and not excluded, of such scores at most apart."""
    matrix = scores.block(0, len(pool.queries)).astype(np.float64)
    if len(pool.excluded):
        matrix[np.arange(len(matrix)), pool.excluded] += np.where(pool.excluded == NO_CANDIDATE, 0, np.inf)
    pairs = zip(pool.query.tolist(), pool.candidate.tolist(), strict=True)
    return sum(
        int((np.abs(matrix[query] - matrix[query, one]) <= distance)[(vectors != vectors[one]).any(axis=1)].sum())
        for vectors in [scores.candidates]
        for query, one in pairs
    )


@settings(max_examples=30, deadline=None)
@given(pools(), st.integers(1, 12), st.data())
def test_parts_counted_on_a_device_add_up(
    case: tuple[Pool, np.ndarray, np.ndarray], depth: int, data: st.DataObject
) -> None:
    pool = replace(case[0], excluded=np.empty(0, np.int32))
    scores = DenseScores(*case[1:])
    whole = collect_evidence(pool, scores, depth)
    matrix = torch.from_numpy(scores.block(0, len(pool.queries)))
    cuts = sorted({0, len(pool.candidates), *data.draw(st.lists(st.integers(0, len(pool.candidates)), max_size=3))})
    tally = Tally.empty(pool, whole.top.shape[1])
    for start, stop in pairwise(cuts):
        sizes = np.bincount(pool.candidates.language[start:stop], minlength=4)
        tally.top.ids.add(start, pool.candidates.ids[start:stop])
        columns = DeviceColumns(ColumnLayout(sizes, tally.top.ids, start), "cpu")
        part = matrix[:, start:stop].contiguous()
        Counter(pool, tally, whole.score).add_there(0, part, columns, np.zeros(len(pool.query), np.float32))
    own = (whole.language[:, None] == np.arange(4)).astype(int)
    assert tally.above.tolist() == (whole.above + own).tolist()
    assert tally.top.number.tolist() == whole.top.tolist()
    assert tally.top.score.tolist() == whole.top_score.tolist()


def make_vectors(pool: Pool, dimension: int, seed: int = 0) -> DenseScores:
    """Vectors of unit length; each third candidate is a copy of the one before."""
    random = np.random.default_rng(seed)
    queries, candidates = (
        random.standard_normal((len(i), dimension), np.float32) for i in (pool.queries, pool.candidates)
    )
    candidates[2::3] = candidates[1 : len(candidates[2::3]) * 3 : 3]
    return DenseScores(*(part / np.linalg.norm(part, axis=1, keepdims=True) for part in (queries, candidates)))


@pytest.mark.parametrize("languages", [3, 40])
@pytest.mark.parametrize("block", [1, 17, None])
def test_other_rounding_changes_only_close_scores(make_pool: PoolMaker, languages: int, block: int | None) -> None:
    """40 languages are too many to keep all counts."""
    names = tuple(f"l{n:02}" for n in range(languages))
    pool = make_pool(languages=names, questions=120 // languages, distractors=240 // languages)
    scores = make_vectors(pool, 96)
    here, there = collect_evidence(pool, scores), collect_evidence(pool, scores, block=block, device="cpu")
    matrix = scores.block(0, len(pool.queries))
    close = (np.abs(matrix[here.query] - here.score[:, None]) < 1e-6).sum(axis=1)
    copies = (matrix[here.query] == here.score[:, None]).sum(axis=1)
    assert here.narrow == (languages == 40)
    assert (np.abs(there.above - here.above).max(axis=1) <= close - copies).all()
    assert (here.close, there.close) == (None, count_close(pool, scores, 1e-6))
    np.testing.assert_allclose(there.top_score, here.top_score, atol=1e-6)
    np.testing.assert_allclose(there.score, here.score, atol=1e-6)


def test_a_long_vector_does_not_make_others_close(make_pool: PoolMaker) -> None:
    pool = make_pool(questions=20, distractors=30)
    unit = make_vectors(pool, 96)
    longer = unit.candidates.copy()
    longer[np.setdiff1d(np.arange(len(longer)), pool.candidate)[0]] *= 1e5
    found = [
        collect_evidence(pool, DenseScores(unit.queries, vectors), device="cpu").close
        for vectors in (unit.candidates, longer)
    ]
    assert found[0] == pytest.approx(found[1], abs=2)


def test_more_close_scores_than_32_bits_hold_are_recorded() -> None:
    record = provenance(RandomVectors(), {}, rank_device="cuda", close=3_000_000_000)
    assert RunRecord.model_validate_json(record.model_dump_json()).close_scores == 3_000_000_000


def test_a_constant_encoder_is_listed_by_id(make_pool: PoolMaker) -> None:
    pool = make_pool(questions=20, distractors=30)
    scores = DenseScores(np.ones((len(pool.queries), 4)), np.ones((len(pool.candidates), 4)))
    assert_equal(collect_evidence(pool, scores, 10, device="cpu"), collect_evidence(pool, scores, 10))


def test_scores_that_overflow_are_rejected(make_pool: PoolMaker) -> None:
    pool = make_pool()
    vectors = np.full((len(pool.queries), 4), 1e30), np.full((len(pool.candidates), 4), 1e30)
    with pytest.raises(BadEncoder, match=r"A score for the query .* is NaN or infinite"):
        collect_evidence(pool, DenseScores(*vectors), device="cpu")


def test_blocks_shrink_until_they_fit_in_memory() -> None:
    counted: list[tuple[int, int]] = []

    def count(start: int, stop: int) -> None:
        if stop - start > 3:
            raise torch.OutOfMemoryError
        counted.append((start, stop))

    assert list(in_blocks(count, 20, 16)) == [2] * 10
    assert counted == list(pairwise(range(0, 21, 2)))


def test_memory_that_torch_keeps_counts_as_free(monkeypatch: pytest.MonkeyPatch) -> None:
    free, reserved, allocated = 1 << 20, 5 << 20, 2 << 20
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (free, 1 << 40))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda device: reserved)
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda device: allocated)
    assert rows_at_a_time(64, "cuda:0") == (free + reserved - allocated) // 4 // BYTES_PER_SCORE // 64


def test_too_little_memory_for_one_query_is_an_error_with_advice() -> None:
    def count(start: int, stop: int) -> None:
        raise torch.OutOfMemoryError

    with pytest.raises(PanglotError, match="--rank-device cpu"):
        list(in_blocks(count, 20, 16))


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        (torch, "float32_matmul_precision", "medium"),
        (torch.backends.cuda.matmul, "fp32_precision", "tf32"),
        (torch.backends, "fp32_precision", "tf32"),
        (torch.backends.cuda.matmul, "allow_tf32", True),
    ],
)
def test_products_are_float32_whatever_the_process_has_chosen(
    where: Any, name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.mkldnn.matmul)
    before = [part.fp32_precision for part in parts]
    used: list[list[str]] = []

    def multiply(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        used.append([part.fp32_precision for part in parts])
        return one

    monkeypatch.setattr(torch.Tensor, "__matmul__", multiply)
    try:
        torch.set_float32_matmul_precision(value) if where is torch else setattr(where, name, value)
        chosen = [part.fp32_precision for part in parts]
        product(torch.ones(2, 2), torch.ones(2, 2))
        assert used == [["ieee"] * 3]
        assert [part.fp32_precision for part in parts] == chosen
        assert chosen[0] == "tf32"
    finally:
        torch.backends.fp32_precision = "none"
        for part, precision in zip(parts, before, strict=True):
            part.fp32_precision = precision


def test_run_ranks_on_the_requested_device_and_records_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panglot.retrieve.device.CLOSE", 1e-3)
    here = panglot.run("random", "starter", languages="en,de", no_cache=True)
    there = panglot.run("random", "starter", languages="en,de", no_cache=True, rank_device="cpu:0")
    assert (here.record.run.rank_device, there.record.run.rank_device) == (None, "cpu:0")
    assert here.record.run.close_scores is None
    assert there.record.run.close_scores == there.evidence.close > 0
    assert there.record.settings["multi"]["map"].value == pytest.approx(here.record.settings["multi"]["map"].value)


def test_scores_without_vectors_are_ranked_on_the_processor() -> None:
    result = panglot.run("bm25", "starter", languages="en", no_cache=True, rank_device="cpu:0")
    assert result.record.run.rank_device is None


@pytest.mark.parametrize(
    ("asked", "own", "expected"),
    [
        (None, "cuda:1", "cuda:1"),
        (None, "cpu", None),
        (None, "mps", None),
        ("cpu", "cuda", None),
        ("cpu:0", "cpu", "cpu:0"),
    ],
)
def test_device_of_the_model_ranks_if_it_is_a_gpu(asked: str | None, own: str, expected: str | None) -> None:
    model = RandomVectors()
    model.device, model.hardware = own, own
    assert find_rank_device(asked, model) == expected
    assert find_rank_device(None, RandomVectors()) is None


def test_missing_device_is_an_error() -> None:
    with pytest.raises(PanglotError, match="--rank-device nonsense: the device is not available"):
        find_device("nonsense")
    assert find_device("cpu") is None
