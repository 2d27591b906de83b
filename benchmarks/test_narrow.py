"""A whole run on a pool of the size of Belebele: 122 languages, 900 questions and 488 passages in each."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Claim
from benchmarks.meter import Cost, Meter
from benchmarks.test_streaming import MEBIBYTE, resident
from panglot.arrays import Floats, to_unit_length
from panglot.data.catalogue import suite_tasks
from panglot.data.pool import Items
from panglot.data.readers.belebele import parallel_pool
from panglot.results.evidence_file import evidence_file, write_evidence
from panglot.retrieve.ranking import BLOCK_SCORES, collect_evidence
from panglot.retrieve.similarity import DenseScores
from panglot.score.summary import score_evidence

BELEBELE = suite_tasks()["belebele"]

QUESTIONS, PASSAGES, DIMENSION = 900, 488, 384


def write_languages(folder: Path) -> dict[str, Path]:
    """Files of the published form; a text is its number."""
    paths = {language: folder / f"{language}.jsonl" for language in BELEBELE.languages}
    for path in paths.values():
        rows = [
            {
                "link": f"https://example.org/{number % PASSAGES}",
                "question_number": number // PASSAGES + 1,
                "flores_passage": str(number % PASSAGES),
                "question": str(number % PASSAGES),
            }
            for number in range(QUESTIONS)
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return paths


def vectors_of(items: Items, seed: int) -> Floats:
    """Near to those of the same number, and to those of the same language; made one language at a time."""
    shared, own = np.random.default_rng(7), np.random.default_rng(seed)
    by_number, by_language = (shared.standard_normal((count, DIMENSION), np.float32) for count in (PASSAGES, 122))
    vectors = np.empty((len(items), DIMENSION), np.float32)
    numbers = np.array([int(text) for text in items.texts])
    for language in range(122):
        rows = np.flatnonzero(items.language == language)
        noise = own.standard_normal((len(rows), DIMENSION), np.float32)
        vectors[rows] = by_number[numbers[rows]] + 0.7 * by_language[language] + 0.5 * noise
    to_unit_length(vectors)
    return vectors


class Measured(NamedTuple):
    """What reading, the bare product, ranking, scoring and writing cost, the peak memory, and the evidence, in MiB."""

    read: Cost
    product: Cost
    rank: Cost
    score: Cost
    write: Cost
    peak: int
    evidence: float


def measure(folder: Path) -> Measured:
    """A whole run on generated vectors, and the bare product in the same blocks, into memory that is already there."""
    read, rank, score, write = (
        Meter[..., Any](call) for call in (parallel_pool, collect_evidence, score_evidence, write_evidence)
    )
    pool = read(write_languages(folder))
    scores = DenseScores(vectors_of(pool.queries, 1), vectors_of(pool.candidates, 2))
    rows = BLOCK_SCORES // len(pool.candidates)
    memory = np.zeros(rows * len(pool.candidates), np.float32)
    product = Meter(DenseScores.block)
    for start in range(0, len(pool.queries), rows):
        product(scores, start, min(start + rows, len(pool.queries)), memory)
    del memory
    evidence = rank(pool, scores)
    del scores
    score(evidence, BELEBELE.headline)
    write(folder / "belebele.json", evidence)
    size = evidence_file(folder / "belebele.json", "evidence").stat().st_size / MEBIBYTE
    peak = resident("VmHWM") // MEBIBYTE
    return Measured(read.total, product.total, rank.total, score.total, write.total, peak, size)


def test_memory_and_time(benchmark: BenchmarkFixture, claim: Claim, tmp_path: Path) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        found = benchmark.pedantic(process.submit(measure, tmp_path).result)
    claim(
        "peak memory of a whole run on 122 languages, 109,800 queries, 13.4 M relevant pairs, MiB",
        found.peak,
        at_most=1536,
        read=found.read,
        score=found.score,
        write=found.write,
        evidence_MiB=round(found.evidence, 1),
    )
    claim(
        f"its ranking over the bare product of {DIMENSION} dimensions, CPU",
        found.rank.cpu / found.product.cpu,
        at_most=1.3,
        rank=found.rank,
        bare_product=found.product,
    )
