"""The size of batches is found while encoding, several are encoded at once, and memory that runs out is remembered."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL.Image import Image as Picture

from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.data.readers.captions import mixed
from panglot.encode.budget import START, TokenBudget
from panglot.encode.lanes import in_lanes
from panglot.encode.vectors import encode_items, encode_with_images
from panglot.errors import BadEncoder
from tests.helpers.counting import Counting
from tests.helpers.images import Numbers, image_text


def settle(budget: TokenBudget, work: int, call: float, token: float, longest: float = float("inf")) -> float:
    """Spend `work` tokens on a device that takes `call + token * tokens` seconds a batch; return the tokens tried."""
    spent = 0
    while spent < work and not budget.is_settled:
        spent += budget.tokens
        if budget.tokens > longest:
            budget.exceed(budget.tokens)
        else:
            budget.record(budget.tokens, call + token * budget.tokens)
    return spent


def rate(tokens: int, call: float, token: float) -> float:
    return tokens / (call + token * tokens)


@given(call=st.floats(1e-5, 0.1), token=st.floats(1e-7, 1e-4))
def test_budget_settles_within_a_tenth_of_the_best_rate(call: float, token: float) -> None:
    budget = TokenBudget()
    settle(budget, 10**12, call, token)
    assert budget.is_settled
    assert rate(budget.tokens, call, token) >= 0.9 * min(1 / token, rate(1 << 60, call, token))


def test_budget_grows_in_the_first_twentieth_of_the_work_of_a_gpu() -> None:
    """A GPU with 5 ms a call and 250,000 tokens a second, and the tokens of Belebele in its 122 languages."""
    budget, call, token = TokenBudget(), 5e-3, 4e-6
    spent = settle(budget, 10_000_000, call, token)
    assert spent < 500_000
    assert rate(budget.tokens, call, token) >= 0.9 / token


def test_budget_shrinks_where_small_batches_are_faster() -> None:
    budget = TokenBudget()
    while not budget.is_settled:
        budget.record(budget.tokens, budget.tokens * (1 + budget.tokens / START))
    assert budget.tokens < START / 4


def test_budget_stays_within_its_limit() -> None:
    budget = TokenBudget(start=32, most=256)
    settle(budget, 10**9, 5e-3, 4e-6)
    assert budget.is_settled
    assert budget.tokens == 256


def test_images_come_in_batches_of_the_budget_of_the_model() -> None:
    sizes: list[int] = []

    class Seeing(Numbers):
        image_budget = TokenBudget(start=2, most=16)

        def encode_images(self, images: Sequence[Picture]) -> np.ndarray:
            sizes.append(len(images))
            self.image_budget.tokens = min(2 * self.image_budget.tokens, 16)
            return super().encode_images(images)

    found, _ = encode_with_images(Seeing(), mixed(image_text(40, ("en",))))
    assert sum(sizes) == 40
    assert sizes[:2] == [2, 2]  # one batch is decoded ahead
    assert max(sizes) == 16
    assert (found.vectors == encode_with_images(Numbers(), mixed(image_text(40, ("en",))))[0].vectors).all()


def test_budget_stays_where_nothing_is_gained() -> None:
    budget = TokenBudget()
    settle(budget, 10**9, 0, 1e-5)
    assert budget.tokens == START


def test_budget_below_what_exceeded_memory() -> None:
    budget = TokenBudget()
    settle(budget, 10**9, 5e-3, 4e-6, longest=5000)
    assert 2500 <= budget.tokens <= 5000


def test_fixed_budget_only_shrinks_when_memory_runs_out() -> None:
    budget = TokenBudget(fixed=1000)
    budget.record(1000, 1e-9)
    assert budget.tokens == 1000
    budget.exceed(800)
    assert budget.tokens == 400


@pytest.mark.parametrize("tokens", [0, 1, START // 2])
def test_batches_of_another_size_say_nothing(tokens: int) -> None:
    budget = TokenBudget()
    for _ in range(9):
        budget.record(tokens, 1e-6)
    assert budget.tokens == START


def encode_all(budget: TokenBudget, lengths: list[int], call: float, token: float) -> float:
    """Seconds that a device takes for texts of these lengths, the longest first, at `call + token * tokens` a batch."""
    seconds, place = 0.0, 0
    while place < len(lengths):
        tokens = lengths[place] * len(lengths[place : place + max(1, budget.tokens // lengths[place])])
        seconds += call + token * tokens
        budget.record(tokens, call + token * tokens)
        place += tokens // lengths[place]
    return seconds


def test_budget_grows_although_every_text_is_longer_than_its_start() -> None:
    lengths, found = [900] * 5000, TokenBudget()
    seconds = encode_all(found, lengths, 5e-3, 4e-6)
    assert found.is_settled
    assert seconds < 1.1 * encode_all(TokenBudget(fixed=found.tokens), lengths, 5e-3, 4e-6)
    assert seconds < 1.2 * 4e-6 * sum(lengths)


def test_long_texts_that_are_no_faster_together_do_not_decide_for_short_ones() -> None:
    budget, alone = TokenBudget(), [4000] * 8
    encode_all(budget, alone, 0.0, 4e-6)
    assert (budget.tokens, budget.is_settled) == (START, False)
    encode_all(budget, [3000] * 50, 5e-3, 4e-6)
    assert (budget.tokens, budget.is_settled) == (START, False)
    encode_all(budget, [100] * 20_000, 5e-3, 4e-6)
    assert budget.is_settled
    assert budget.tokens > 8 * START


@pytest.fixture
def pool() -> Pool:
    """400 passages of two to four words."""
    words = ["word " * (2 + number % 3) + str(number) for number in range(400)]
    return Pool.of(
        ("en",),
        [Query("q", "question", "en", "1")],
        [Candidate(f"c{number}", text, "en") for number, text in enumerate(words)],
        [Judgement("q", "c0")],
    )


def test_memory_that_ran_out_is_remembered(pool: Pool) -> None:
    """An encoder with its own budget fails once for each halving, and not again in later batches or tasks."""
    encoder = _Budgeted(memory=20)
    encode_items(encoder, pool, "passage")
    failed = encoder.failed
    assert 0 < failed <= 4
    encode_items(encoder, pool, "passage")
    assert encoder.failed == failed


def test_halves_of_different_dimensions_are_refused(pool: Pool) -> None:
    class Widening(Counting):
        def encode(self, texts: list[str], role: str) -> np.ndarray:
            found = super().encode(texts, role)
            return np.hstack([found, found]) if len(self.batches) > 1 else found

    with pytest.raises(BadEncoder, match=r"first returned vectors of dimension 3, then of 6, beginning with c\d+"):
        encode_items(Widening(memory=150), pool, "passage")


@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_lanes_change_no_vector(pool: Pool, lanes: int) -> None:
    encoder = _Budgeted()
    encoder.lanes = lanes
    assert (encode_items(encoder, pool, "passage").vectors == encode_items(Counting(), pool, "passage").vectors).all()


def test_lanes_keep_the_order_and_take_items_late() -> None:
    taken: list[int] = []

    def items() -> object:
        for number in range(20):
            taken.append(number)
            yield number

    found = in_lanes(lambda number: number * number, items(), 3)
    assert next(found) == 0
    assert len(taken) == 4
    assert list(found) == [number * number for number in range(1, 20)]


def test_lanes_drop_what_has_not_begun_when_one_fails() -> None:
    begun: list[int] = []
    gate = threading.Event()

    def call(number: int) -> int:
        begun.append(number)
        if number == 0:
            raise ValueError("the first")
        gate.wait(0.2)
        return number

    with pytest.raises(ValueError, match="the first"):
        list(in_lanes(call, range(100), 2))
    assert len(begun) <= 4


@pytest.mark.parametrize("lanes", [2, 4])
def test_as_many_batches_as_lanes_are_encoded_at_once(pool: Pool, lanes: int) -> None:
    """Each of the first batches waits until all of them are being encoded."""
    barrier, first = threading.Barrier(lanes, timeout=60), iter(range(lanes))

    class Meeting(_Budgeted):
        def encode(self, texts: list[str], role: str) -> np.ndarray:
            if next(first, None) is not None:
                barrier.wait()
            return super().encode(texts, role)

    encoder = Meeting()
    encoder.budget, encoder.lanes = TokenBudget(fixed=30), lanes
    encode_items(encoder, pool, "passage")
    assert sum(encoder.batches) == 400


class _Budgeted(Counting):
    """Knows its budget, and counts how often its memory ran out."""

    def __init__(self, memory: int = 10**9) -> None:
        super().__init__(memory)
        self.budget, self.lanes, self.failed = TokenBudget(), 1, 0

    def encode(self, texts: list[str], role: str) -> np.ndarray:
        self.failed += len(texts) > self._memory
        return super().encode(texts, role)


def test_size_that_is_recorded_was_used() -> None:
    budget = TokenBudget(start=100)
    assert budget.used is None
    for seconds in (1.0, 1.0, 0.9):
        budget.record(budget.tokens, seconds)
    assert (budget.tokens, budget.used) == (200, 100)  # 200 was tried once and is not known to be better
    fixed = TokenBudget(fixed=50)
    fixed.record(50, 1.0)
    assert fixed.used == 50
