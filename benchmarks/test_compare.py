"""Comparing two models and ranking two hundred, at the size of XQuAD-R, in processor seconds."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Claim
from benchmarks.meter import Meter
from panglot.score.comparison.contributions import Contributions
from panglot.score.comparison.paired import SWAPS, compare_contributions
from panglot.score.comparison.standings import rank_contributions

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
QUESTIONS = 1190
MODELS = 200
ROUNDS = 3


def generated(models: int) -> dict[str, Contributions]:
    """Models a little apart, with a shared difficulty of each question."""
    random = np.random.default_rng(0)
    shape = (QUESTIONS, len(LANGUAGES) * (len(LANGUAGES) + 1))
    level = random.random(shape)
    count = np.ones(shape, np.int32)
    return {
        f"model {number}": Contributions(
            LANGUAGES, np.clip(level + random.normal(number / 5000, 0.2, shape), 0, 1), count
        )
        for number in range(models)
    }


def test_compare(benchmark: BenchmarkFixture, claim: Claim) -> None:
    one, other = generated(2).values()
    ours = Meter(compare_contributions)
    comparison = benchmark.pedantic(ours, (one, other, "map"), rounds=ROUNDS)
    assert comparison.swaps == SWAPS + 1  # the observed signs count too
    assert comparison.by_pair.cells == 121
    claim(
        "comparison of two models in all cells of XQuAD-R, 10,000 permutations, CPU seconds",
        ours.typical.cpu,
        at_most=5.0,
        cost=ours.typical,
    )


@pytest.mark.parametrize("setting", ["multi", "cross", "balance"])
def test_rank(benchmark: BenchmarkFixture, claim: Claim, setting: str) -> None:
    models = generated(MODELS)
    ours = Meter(rank_contributions)
    standings = benchmark.pedantic(ours, (models, "map", setting), rounds=1)
    assert len(standings.models) == MODELS
    claim(
        f"rank of {MODELS} models of XQuAD-R's size in {setting}, CPU seconds",
        ours.typical.cpu,
        at_most=20.0,
        cost=ours.typical,
    )
