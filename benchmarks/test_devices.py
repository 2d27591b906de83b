"""Devices that no machine at hand has, imitated by sleeping: batches that grow, two devices, tokenizing ahead.

A device takes `CALL` seconds for each batch and `TOKEN` seconds for each token; the pipeline around it is the real one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Claim
from panglot.arrays import Floats
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.encode.budget import TokenBudget
from panglot.encode.checkpoints.devices import Call, Here, Processes
from panglot.encode.lanes import in_lanes
from panglot.encode.vectors import encode_items
from tests.helpers.devices import FakeEncoder, FakeModel, imitate_gpu

CALL, TOKEN = 1e-2, 4e-5
BATCH = 4096


def passages(count: int) -> Pool:
    """Distinct passages of 8 to 40 words."""
    texts = [f"{number} " + "word " * (7 + number % 33) for number in range(count)]
    return Pool.of(
        ["en"],
        [Query("q", "question", "en", "q")],
        [Candidate(f"c{number}", text, "en") for number, text in enumerate(texts)],
        [Judgement("q", "c0")],
    )


def seconds(encoder: FakeEncoder, pool: Pool) -> float:
    """Wall-clock time of encoding."""
    start = time.perf_counter()
    encode_items(encoder, pool, "passage")
    return time.perf_counter() - start


def alone(call: Callable[[Call], Floats], budget: TokenBudget) -> FakeEncoder:
    return FakeEncoder(call, budget, lanes=1)


def rate(tokens: int) -> float:
    """Tokens a second in batches of this size, as a share of those in endless ones."""
    return tokens * TOKEN / (CALL + TOKEN * tokens)


def test_budget(benchmark: BenchmarkFixture, claim: Claim) -> None:
    """The work until batches are large enough, and the rate of the size that is kept."""
    pool, model, budget = passages(24_000), FakeModel(CALL, TOKEN), TokenBudget()
    calls: list[tuple[int, int]] = []

    def call(batch: Call) -> Floats:
        calls.append((budget.tokens, sum(len(text.split()) for text in batch.inputs)))
        return model.encode(batch.inputs)

    benchmark.pedantic(seconds, (alone(call, budget), pool), rounds=1)
    small = sum(words for tokens, words in calls if rate(tokens) < 0.9)
    claim(
        "share of the tokens in batches that are slower than 0.9 of endless ones",
        small / sum(words for _, words in calls),
        at_most=0.05,
    )
    claim("rate at the size that is kept ÷ that of endless batches", rate(budget.tokens), at_least=0.9)


def on_devices(count: int, folder: Path, pool: Pool) -> float:
    """Wall-clock time of as many devices, all of which have started."""
    folder.mkdir()
    run = Processes(FakeModel(CALL, TOKEN, folder=folder, devices=count), ["cpu"] * count)
    list(in_lanes(run, [Call("encode", ["start"], "", autocast=False)] * run.lanes, run.lanes))
    return seconds(FakeEncoder(run, TokenBudget(fixed=BATCH), run.lanes), pool)


def test_two_devices(benchmark: BenchmarkFixture, claim: Claim, tmp_path: Path) -> None:
    pool = passages(6000)
    one, two = (on_devices(count, tmp_path / str(count), pool) for count in (1, 2))
    benchmark.pedantic(lambda: None, rounds=1)
    claim("wall-clock time of two devices ÷ one", two / one, at_most=0.55, one=f"{one:.2f} s", two=f"{two:.2f} s")


def test_tokenizing_is_hidden(benchmark: BenchmarkFixture, claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokenizing takes half the time of the device, once in the same thread and once ahead, as on a GPU."""
    pool, reading = passages(6000), TOKEN / 2
    device = FakeModel(CALL, TOKEN)
    bare = seconds(alone(lambda call: device.encode(call.inputs), TokenBudget(fixed=BATCH)), pool)
    imitate_gpu(monkeypatch)
    run = Here(FakeModel(CALL, TOKEN, reading), "cuda")
    ahead = seconds(FakeEncoder(run, TokenBudget(fixed=BATCH), run.lanes), pool)
    benchmark.pedantic(lambda: None, rounds=1)
    words = sum(len(text.split()) for text in pool.candidates.texts)
    claim(
        "wall-clock time with tokenizing ÷ that of the device alone",
        ahead / bare,
        at_most=1.1,
        device=f"{bare:.2f} s",
        tokenizing=f"{np.float64(words * reading):.2f} s",
    )
