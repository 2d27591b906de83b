"""Ranking and metrics of 13,090 × 13,014 × 512, against the bare float32 matrix product of the same vectors."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Claim, Encoding
from benchmarks.meter import Meter
from panglot.arrays import Floats
from panglot.data.catalogue import all_tasks
from panglot.data.load import read_pool
from panglot.data.pool import Pool
from panglot.data.task import Task
from panglot.retrieve.ranking import collect_evidence
from panglot.retrieve.similarity import DenseScores
from panglot.score.bootstrap import DRAWS
from panglot.score.summary import Scores, score_evidence

ROUNDS = 9
FEWEST_DRAWS = 1
"""The least that `score_evidence` takes; what one draw costs does not show."""
MEBIBYTE = 1 << 20


def rank_and_score(pool: Pool, queries: Floats, candidates: Floats, headline: str, draws: int = DRAWS) -> Scores:
    """From vectors to every metric of every pair and setting and every bias measure."""
    evidence = collect_evidence(pool, DenseScores(queries, candidates))
    return score_evidence(evidence, headline, draws=draws)


@pytest.mark.parametrize(
    ("draws", "limit"), [(FEWEST_DRAWS, 2.0), (DRAWS, None)], ids=["without-intervals", "with-intervals"]
)
def test_time(
    benchmark: BenchmarkFixture,
    claim: Claim,
    task: Task,
    pool: Pool,
    encoding: Encoding,
    draws: int,
    limit: float | None,
) -> None:
    """The product is made whole, into memory that is already there: no other form of it was faster."""
    queries, candidates = encoding.queries, encoding.candidates
    scores = np.ones((len(queries), len(candidates)), np.float32)
    product = Meter(lambda: np.matmul(queries, candidates.T, out=scores))
    ours = Meter(rank_and_score)

    def make_product_first() -> tuple[tuple[Any, ...], dict[str, Any]]:
        product()
        return (pool, queries, candidates, task.headline, draws), {}

    benchmark.pedantic(ours, setup=make_product_first, rounds=ROUNDS)
    claim(
        f"ranking and metrics, bootstrap draws {draws}, over the bare matrix product, CPU",
        ours.typical.cpu / product.typical.cpu,
        at_most=limit,
        ranking_and_metrics=ours.typical,
        bare_product=product.typical,
    )


def test_memory(benchmark: BenchmarkFixture, claim: Claim, encoding: Encoding, tmp_path: Path) -> None:
    """The whole process counts: interpreter, libraries and texts too, only the vectors are taken off."""
    np.save(tmp_path / "queries.npy", encoding.queries)
    np.save(tmp_path / "candidates.npy", encoding.candidates)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        before, peak = benchmark.pedantic(process.submit(memory_of_ranking, tmp_path).result)
    vectors = encoding.queries.nbytes + encoding.candidates.nbytes
    claim(
        "peak memory of ranking and metrics above the vectors, MiB",
        (peak - vectors) / MEBIBYTE,
        at_most=1024,
        vectors_MiB=vectors // MEBIBYTE,
        resident_before_MiB=before // MEBIBYTE,
        peak_MiB=peak // MEBIBYTE,
    )


def memory_of_ranking(folder: Path) -> tuple[int, int]:
    """Resident bytes of this process before ranking and metrics, and their peak after."""
    task = all_tasks()[0]
    pool = read_pool(task)
    queries, candidates = np.load(folder / "queries.npy"), np.load(folder / "candidates.npy")
    before = _resident("VmRSS")
    rank_and_score(pool, queries, candidates, task.headline)
    return before, _resident("VmHWM")


def _resident(field: str) -> int:
    """What Linux says about this process; `getrusage` would give it the peak of the process that started it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{field}:"))
