"""One run of ours against mteb's evaluation of the same 121 language pairs: same encoder, same texts, one thread.

The two do not compute the same. For each pair mteb gives nDCG, MAP, recall, precision, MRR and hit rate, each at 1, 3,
5, 10, 20, 100 and 1,000, and the area under the abstention curve of all but the last by three measures of confidence.
We give twelve metrics for each pair, from full ranks, then the same for the pool of all languages, the bias measures,
and an interval for each number. Both give nDCG@10, and it must be the same.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from mteb.models import CachedEmbeddingWrapper
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Claim
from benchmarks.meter import Cost, Meter
from benchmarks.peer import MeteredEncoder, evaluate, pairs_task
from panglot.data.catalogue import suite_tasks
from panglot.data.load import read_pool
from panglot.data.pool import Pool
from panglot.data.task import Task
from panglot.encode.model import Encoder
from panglot.evaluate.run import run
from panglot.results.result_record import ResultRecord

pytestmark = pytest.mark.filterwarnings("ignore")

METRIC = "ndcg@10"
SAME = 1e-4
"""Largest difference allowed: mteb orders equal scores by id, we against the encoder."""


class Ours(NamedTuple):
    """One run of ours, from the data's files to the result's."""

    record: ResultRecord
    whole: Cost
    encoding: Cost


def run_ours(task: Task, encoder: Encoder, folder: Path) -> Ours:
    """Read, run and write, counting the time inside the encoder apart."""
    encode = Meter(encoder.encode)

    def measure() -> ResultRecord:
        outcome = run(task, SimpleNamespace(card=encoder.card, encode=encode))
        outcome.save(folder)
        return outcome.record

    whole = Meter(measure)
    return Ours(whole(), whole.total, encode.total)


@pytest.fixture(scope="session")
def warm_peer(encoder: Encoder) -> None:
    """What mteb imports only when it evaluates is not counted."""
    assert torch.get_num_threads() == 1
    starter = suite_tasks()["starter"]
    evaluate(MeteredEncoder(encoder), pairs_task(read_pool(starter, ("de", "en"))))


@pytest.mark.usefixtures("warm_peer")
@pytest.mark.parametrize(("cached", "limit"), [(False, 12), (True, 4)], ids=["plain", "cached"])
def test_against_mteb(
    benchmark: BenchmarkFixture,
    claim: Claim,
    task: Task,
    pool: Pool,
    encoder: Encoder,
    tmp_path: Path,
    cached: bool,
    limit: float,
) -> None:
    ours = run_ours(task, encoder, tmp_path)
    metered = MeteredEncoder(encoder)
    model = CachedEmbeddingWrapper(metered, tmp_path / "cache") if cached else metered
    theirs = Meter(evaluate)
    numbers = benchmark.pedantic(theirs, (model, pairs_task(pool)))

    name = "mteb with its cache" if cached else "mteb"
    whole, encoding = theirs.total, metered.encoding.total
    claim(
        f"{name} over ours, everything, CPU",
        whole.cpu / ours.whole.cpu,
        at_least=limit,
        ours=ours.whole,
        mteb=whole,
        mteb_encodes=f"{metered.texts:,} texts in {encoding}",
    )
    claim(
        f"{name} over ours, everything but encoding, CPU",
        (whole.cpu - encoding.cpu) / (ours.whole.cpu - ours.encoding.cpu),
        at_least=25,
        ours=f"{ours.whole.cpu - ours.encoding.cpu:.2f} CPU-s",
        mteb=f"{whole.cpu - encoding.cpu:.2f} CPU-s",
    )
    claim(
        f"{name} and ours, largest difference of {METRIC} in any pair",
        largest_difference(ours.record, numbers),
        at_most=SAME,
        pairs=len(numbers),
        numbers_of_mteb_for_a_pair=max(map(len, numbers.values())),
    )


def largest_difference(result: ResultRecord, numbers: dict[str, dict[str, float]]) -> float:
    """Over all pairs."""
    return max(
        abs(cell.value - numbers[f"{query}-{candidate}"][METRIC.replace("@", "_at_")])
        for query, row in zip(result.task.languages, result.pairs[METRIC], strict=True)
        for candidate, cell in zip(result.task.languages, row, strict=True)
        if cell
    )
