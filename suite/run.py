"""The whole measurement, top to bottom: pool → scores → evidence → result."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from suite.encoder import Encoder, Model, Scorer
from suite.evidence import Evidence
from suite.pool import Pool
from suite.progress import Progress, silent
from suite.ranking import collect_evidence
from suite.result import Result, RunRecord, TaskRecord
from suite.scores import DenseScores, Scores
from suite.sources import read_pool
from suite.summary import score_evidence
from suite.task import Task
from suite.vectors import encode_items


class Outcome(NamedTuple):
    """What a run gives: the result, the evidence that it follows from, and the stem of their files' names."""

    result: Result
    evidence: Evidence
    stem: str


def run(
    task: Task,
    model: Model,
    languages: Sequence[str] = (),
    data_dir: Path | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Measure one model on one task, whole or in some of its languages.

    :raises PanglotError: data that is missing or damaged, a model that returns no vectors.
    """
    seconds: dict[str, float] = {}
    with _timed(seconds, "read"):
        pool = read_pool(task, languages, data_dir)
    with _timed(seconds, "encode"):
        scores = _scores(model, pool, progress)
    with _timed(seconds, "rank"):
        evidence = collect_evidence(pool, scores, progress=progress)
    with _timed(seconds, "score"):
        derived = score_evidence(evidence, task.headline)
    record = TaskRecord(
        name=task.name,
        fingerprint=pool.fingerprint,
        headline=task.headline,
        languages=pool.languages,
        queries=len(pool.queries),
        candidates=len(pool.candidates),
    )
    whole = len(pool.languages) == len(task.languages)
    stem = task.name if whole else f"{task.name}.{'-'.join(pool.languages)}"
    return Outcome(Result.of(record, model.card, derived, _provenance(seconds)), evidence, stem)


def _scores(model: Encoder | Scorer, pool: Pool, progress: Progress) -> Scores:
    """Scores of a pool by whatever way the model has."""
    if isinstance(model, Scorer):
        return model.scores(pool, progress)
    queries = encode_items(model, pool, "query", progress)
    candidates = encode_items(model, pool, "passage", progress)
    return DenseScores(queries, candidates)


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    start = perf_counter()
    yield
    seconds[step] = round(perf_counter() - start, 3)


def _provenance(seconds: dict[str, float]) -> RunRecord:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return RunRecord(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        panglot=version("panglot"),
        python=platform.python_version(),
        packages={name: version(name) for name in ("numpy", "pyarrow")},
        platform=platform.platform(),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        seconds=seconds,
        peak_memory_mib=peak // (1 << 20 if sys.platform == "darwin" else 1 << 10),
    )


def _processor() -> str:
    """The processor's name; Python itself does not know it on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
