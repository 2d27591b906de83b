"""Ray: what two workers cost and gain here, and measured shard times replayed through its scheduler at 1, 8 and 64.

A replayed worker sleeps for a shard's time instead of encoding, so 64 of them fit on two cores; reading, counting,
sending, merging and saving are real.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Claim
from benchmarks.meter import Meter
from benchmarks.test_streaming import Generated, ask, drawn
from panglot.arrays import Floats
from panglot.data.corpus import Passage
from panglot.evaluate.shards.checkpoint import Checkpoint
from panglot.evaluate.shards.cluster import Cluster
from panglot.evaluate.shards.streaming import SHARD_PASSAGES, ShardVectors, shards_of, stream

pytestmark = pytest.mark.filterwarnings("ignore")

SHARD_SECONDS = 10.0
"""A shard's time in the replay: 100,000 passages at 10,000 a second, a small encoder on a fast GPU."""
WAVES = 6
REPLAYED_PASSAGES = 1000
"""Passages of a replayed shard: lists and counts that are sent and merged are as large as those of a real one."""


def draw(passages: Sequence[Passage], language: str) -> Floats:
    return drawn(int(passages[0].text), len(passages))


def busy(passages: Sequence[Passage], language: str) -> Floats:
    """An encoder that computes for three seconds."""
    stop = time.process_time() + 3
    while time.process_time() < stop:
        pass
    return drawn(int(passages[0].text), len(passages))


def asleep(passages: Sequence[Passage], language: str) -> Floats:
    time.sleep(SHARD_SECONDS)
    return drawn(int(passages[0].text), len(passages))


@pytest.fixture(scope="module")
def cluster_of() -> Iterator[Callable[[int], Cluster]]:
    import ray

    ray.init(num_cpus=64, include_dashboard=False, log_to_driver=False)
    yield Cluster
    ray.shutdown()


def both(
    cluster: Cluster, vectors_of: ShardVectors, size: int, shards: int
) -> tuple[Meter[..., object], Meter[..., object]]:
    """One process and two workers over the same shards; the workers are warm."""
    asked, parts = ask(size), shards_of("sw", size, shards)
    here, there = Meter(stream), Meter(cluster.stream)
    here(asked, Generated(size), parts, vectors_of)
    there(asked, Generated(size), parts, lambda: vectors_of)
    return here, there


def test_overhead(benchmark: BenchmarkFixture, claim: Claim, cluster_of: Callable[[int], Cluster]) -> None:
    here, there = benchmark.pedantic(both, (cluster_of(2), draw, 10 * SHARD_PASSAGES, 10))
    claim(
        "two Ray workers over one process, product-bound, wall-clock",
        there.total.wall / here.total.wall,
        at_most=1.15,
        one_process=here.total,
        two_workers=there.total,
    )


def test_gain(benchmark: BenchmarkFixture, claim: Claim, cluster_of: Callable[[int], Cluster]) -> None:
    here, there = benchmark.pedantic(both, (cluster_of(2), busy, 20 * 1000, 20))
    claim(
        "one process over two Ray workers, encode-bound, wall-clock",
        here.total.wall / there.total.wall,
        at_least=1.7,
        one_process=here.total,
        two_workers=there.total,
    )


@pytest.mark.parametrize("workers", [1, 8, 64])
def test_replay(
    benchmark: BenchmarkFixture, claim: Claim, cluster_of: Callable[[int], Cluster], workers: int, tmp_path: Path
) -> None:
    """The rate from the second wave to the last but one: starting 64 workers on few cores is left out."""
    shards, times = WAVES * workers, list[float]()
    size = REPLAYED_PASSAGES * shards
    asked, checkpoint = ask(size), Checkpoint(tmp_path / "sw.npz", "a")

    @contextmanager
    def clock(label: str, total: int) -> Iterator[Callable[[int], object]]:
        yield lambda done: times.append(time.perf_counter())

    arguments = (asked, Generated(size), shards_of("sw", size, shards), lambda: asleep, checkpoint, clock)
    benchmark.pedantic(cluster_of(workers).stream, arguments)
    seconds = times[(WAVES - 1) * workers] - times[2 * workers]
    claim(
        f"replay, {workers} workers: ideal over real time in the steady state",
        (WAVES - 3) * SHARD_SECONDS / seconds,
        shards=shards,
        seconds_a_wave=round(seconds / (WAVES - 3), 2),
        median_between_shards=round(float(np.median(np.diff(times[2 * workers :]))), 3),
    )
