"""Memory of a whole run on a pool of Belebele's size: 122 languages, 900 questions and 488 passages in each."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Claim
from benchmarks.meter import Meter
from benchmarks.test_streaming import MEBIBYTE, resident
from panglot.arrays import Floats
from panglot.data.catalogue import suite_tasks
from panglot.data.pool import Items
from panglot.data.readers.belebele import parallel_pool
from panglot.results.evidence_file import evidence_file, write_evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.retrieve.similarity import DenseScores
from panglot.score.summary import score_evidence

BELEBELE = suite_tasks()["belebele"]

QUESTIONS, PASSAGES, DIMENSION = 900, 488, 64


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
    """Near to those of the same number, and to those of the same language."""
    random = np.random.default_rng(7)
    by_number, by_language = (random.standard_normal((count, DIMENSION)) for count in (PASSAGES, 122))
    own = np.random.default_rng(seed).standard_normal((len(items), DIMENSION))
    vectors = by_number[[int(text) for text in items.texts]] + 0.7 * by_language[items.language] + 0.5 * own
    unit: Floats = vectors.astype(np.float32) / np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    return unit


def measure(folder: Path) -> tuple[list[str], int, float]:
    """What reading, ranking, scoring and writing cost, the peak memory, and the size of the evidence, in MiB."""
    read, rank, score = Meter(parallel_pool), Meter(collect_evidence), Meter(score_evidence)
    pool = read(write_languages(folder))
    evidence = rank(pool, DenseScores(vectors_of(pool.queries, 1), vectors_of(pool.candidates, 2)))
    score(evidence, BELEBELE.headline)
    write_evidence(folder / "belebele.json", evidence)
    size = evidence_file(folder / "belebele.json", "evidence").stat().st_size / MEBIBYTE
    return [str(meter.total) for meter in (read, rank, score)], resident("VmHWM") // MEBIBYTE, size


def test_memory(benchmark: BenchmarkFixture, claim: Claim, tmp_path: Path) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        (read, rank, score), peak, size = benchmark.pedantic(process.submit(measure, tmp_path).result)
    claim(
        "peak memory of a whole run on 122 languages, 109,800 queries, 13.4 M relevant pairs, MiB",
        peak,
        at_most=3000,
        read=read,
        rank=rank,
        score=score,
        evidence_MiB=round(size, 1),
    )
