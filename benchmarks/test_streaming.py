"""Streaming 2,000 queries × 1 M passages × 384, exact, against the bare blocked product and three libraries.

Only ours gives the full rank of every relevant passage beside the list of 100. Each measurement runs in a process of
its own, with its libraries and the compiled kernel loaded (about a second, once a process); passages and vectors are
made shard by shard, and the time of making them is taken off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Claim
from benchmarks.meter import Cost, Meter
from panglot.arrays import Floats
from panglot.data.corpus import Passage
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.evaluate.shards.counting import TILE_PASSAGES, ShardCounter
from panglot.evaluate.shards.streaming import SHARD_PASSAGES, shards_of, stream
from panglot.retrieve.counting import kernel_for
from panglot.retrieve.ranking import BLOCK_SCORES

QUERIES = 2000
DIMENSION = 384
RELEVANT = 2
DEPTH = 100
MILLION = 1_000_000
MEBIBYTE = 1 << 20


class Generated:
    """Passages that are their number."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.make = Meter(lambda language, numbers: [Passage(f"{language}:{n}", str(n)) for n in numbers])

    def passages(self, language: str, start: int = 0) -> Iterator[Passage]:
        for first in range(start, self._size, 10_000):
            yield from self.make(language, range(first, min(first + 10_000, self._size)))


def drawn(first: int, count: int) -> Floats:
    """Unit vectors of a shard, [count, DIMENSION]."""
    vectors = np.random.default_rng(first).standard_normal((count, DIMENSION), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def queries() -> Floats:
    return drawn(1 << 40, QUERIES)


def ask(size: int) -> ShardCounter:
    """Every query with two relevant passages of the first shard."""
    first = drawn(0, min(SHARD_PASSAGES, size))
    numbers = np.random.default_rng(1).choice(len(first), RELEVANT * QUERIES, replace=False)
    pool = Pool.of(
        ["sw"],
        [Query(f"q{query}", "", "sw", f"q{query}") for query in range(QUERIES)],
        [Candidate(f"sw:{number}", str(number), "sw") for number in numbers],
        [Judgement(f"q{place // RELEVANT}", f"sw:{number}") for place, number in enumerate(numbers)],
    )
    return ShardCounter(pool, queries(), first[[int(text) for text in pool.candidates.texts]])


class Measured(NamedTuple):
    """What a way of searching costs beside drawing the vectors, and the memory of its process."""

    cost: Cost
    before: int
    peak: int


def streamed(size: int) -> Measured:
    draw = Meter(drawn)

    def vectors_of(passages: Sequence[Passage], language: str) -> Floats:
        return draw(int(passages[0].text), len(passages))

    asked, corpus = ask(size), Generated(size)
    kernel_for(QUERIES * size)
    before = resident("VmRSS")
    run = Meter(stream)
    run(asked, corpus, shards_of("sw", size), vectors_of)
    return Measured(_less(_less(run.total, draw.total), corpus.make.total), before, resident("VmHWM"))


def product(size: int) -> Measured:
    """The bare product, blocked as ours is, into memory that is already there."""
    asking = queries()
    rows = BLOCK_SCORES // TILE_PASSAGES
    scores = np.empty((rows, TILE_PASSAGES), np.float32)

    def search(vectors: Floats, first: int) -> None:
        for tile in range(0, len(vectors), TILE_PASSAGES):
            part = vectors[tile : tile + TILE_PASSAGES].T
            for start in range(0, QUERIES, rows):
                block = asking[start : start + rows]
                np.matmul(block, part, out=scores[: len(block), : part.shape[1]])

    return _by_shard(size, search)


def faiss_knn(size: int) -> Measured:
    import faiss

    faiss.omp_set_num_threads(1)
    asking, best = queries(), faiss.ResultHeap(QUERIES, DEPTH, keep_max=True)

    def search(vectors: Floats, first: int) -> None:
        found, places = faiss.knn(asking, vectors, DEPTH, metric=faiss.METRIC_INNER_PRODUCT)
        best.add_result(found, places + first)

    return _by_shard(size, search)


def torch_topk(size: int) -> Measured:
    import torch

    torch.set_num_threads(1)
    asking = torch.from_numpy(queries())
    best = torch.full((QUERIES, DEPTH), -torch.inf)

    def search(vectors: Floats, first: int) -> None:
        for start in range(0, QUERIES, 80):
            rows = slice(start, start + 80)
            found = torch.topk(asking[rows] @ torch.from_numpy(vectors).T, DEPTH).values
            best[rows] = torch.topk(torch.cat([best[rows], found], 1), DEPTH).values

    return _by_shard(size, search)


def usearch_exact(size: int) -> Measured:
    from usearch.index import MetricKind, search

    asking = queries()
    return _by_shard(size, lambda vectors, first: search(vectors, asking, DEPTH, MetricKind.IP, exact=True, threads=1))


def _by_shard(size: int, search: Callable[[Floats, int], object]) -> Measured:
    metered = Meter(search)
    before = resident("VmRSS")
    for first in range(0, size, SHARD_PASSAGES):
        metered(drawn(first, min(SHARD_PASSAGES, size - first)), first)
    return Measured(metered.total, before, resident("VmHWM"))


def _less(whole: Cost, part: Cost) -> Cost:
    return Cost(whole.cpu - part.cpu, whole.wall - part.wall)


def alone(measure: Callable[[int], Measured], size: int) -> Measured:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure, size).result()


def test_time(benchmark: BenchmarkFixture, claim: Claim) -> None:
    bare = alone(product, MILLION)
    ours = benchmark.pedantic(alone, (streamed, MILLION))
    claim(
        "streaming 2,000 × 1 M × 384 with all ranks, over the bare blocked product, CPU",
        ours.cost.cpu / bare.cost.cpu,
        at_most=1.3,
        streaming=ours.cost,
        bare_product=bare.cost,
    )
    peers = {"faiss": faiss_knn, "torch": torch_topk, "usearch": usearch_exact}
    for name, peer in peers.items():
        if find_spec(name):
            cost = alone(peer, MILLION if name != "usearch" else MILLION // 10).cost
            scale = 1 if name != "usearch" else 10
            claim(f"{name}, the best 100 alone, over the bare blocked product, CPU", scale * cost.cpu / bare.cost.cpu)


@pytest.mark.parametrize("size", [MILLION // 10, MILLION, 10 * MILLION], ids=["100k", "1M", "10M"])
def test_memory(benchmark: BenchmarkFixture, claim: Claim, size: int) -> None:
    """Flat: what is above one shard and the queries does not grow with the corpus."""
    measured = benchmark.pedantic(alone, (streamed, size))
    shard = 4 * DIMENSION * (SHARD_PASSAGES + QUERIES)
    claim(
        f"peak memory of streaming {size:,} passages beyond one shard and the queries, MiB",
        (measured.peak - shard) / MEBIBYTE,
        at_most=600,
        peak_MiB=measured.peak // MEBIBYTE,
        before_MiB=measured.before // MEBIBYTE,
    )


def resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{field}:"))
