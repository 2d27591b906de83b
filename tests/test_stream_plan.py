"""What a corpus would take, from a measurement of some seconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from rich.console import Console

from panglot.cli.view.listing import list_stream_plan
from panglot.encode.budget import TokenBudget
from panglot.encode.card import Role
from panglot.encode.kinds.floors import RandomVectors
from panglot.encode.load import load_model
from panglot.errors import BadEncoder
from panglot.evaluate.shards.plan import BATCH, plan_stream
from tests.helpers.tasks import TASKS

MIRACL = TASKS["miracl"]


class Counting(RandomVectors):
    """Remembers what it encoded, and has one token for every two characters."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        self.seen += texts
        return super().encode(texts, role)

    def count_tokens(self, texts: Sequence[str], role: Role) -> np.ndarray:
        return np.array([len(text) // 2 for text in texts])


@pytest.mark.usefixtures("real_data")
def test_every_language_is_measured_with_texts_as_long_as_its_passages() -> None:
    encoder = Counting()
    plan = plan_stream(encoder, MIRACL, ["yo", "sw"], seconds=0)
    assert [part.language for part in plan.languages] == ["sw", "yo"]
    assert len(encoder.seen) == 2 + 2 * (1 + BATCH)  # one text first, which may take longer
    for part, text in zip(plan.languages, (encoder.seen[2], encoder.seen[3 + BATCH]), strict=True):
        assert len(text) == MIRACL.characters[part.language] // MIRACL.sizes[part.language].candidates
        assert (part.passages, part.queries) == MIRACL.sizes[part.language][::-1]
        assert part.tokens == pytest.approx(part.passages * (len(text) // 2), abs=1)
        assert part.encode_seconds > 0
    assert plan.passages == 131_924 + 49_043
    assert plan.tokens == sum(part.tokens for part in plan.languages)


@pytest.mark.usefixtures("real_data")
def test_batches_are_as_large_as_those_of_a_run() -> None:
    encoder, length = Counting(), MIRACL.characters["yo"] // MIRACL.sizes["yo"].candidates
    encoder.budget = TokenBudget(fixed=100 * length)
    plan_stream(encoder, MIRACL, ["yo"], seconds=0)
    assert len(encoder.seen) > 1 + 100


@pytest.mark.usefixtures("real_data")
def test_work_divides_and_disk_follows_from_the_form() -> None:
    plan = plan_stream(RandomVectors(), MIRACL, ["yo"], seconds=0)
    assert plan.seconds(8) == pytest.approx(plan.seconds() / 8)
    assert plan.seconds() == plan.encode_seconds + plan.scoring_seconds
    numbers = 49_043 * plan.dimension
    assert [plan.disk_bytes(form) for form in ("fp32", "fp16", "int8")] == [4 * numbers, 2 * numbers, numbers]


@pytest.mark.usefixtures("real_data")
def test_the_whole_of_miracl_is_planned_at_once() -> None:
    plan = plan_stream(RandomVectors(), MIRACL, (), seconds=0)
    assert plan.passages == 106_332_152
    assert [part.language for part in plan.languages] == list(MIRACL.languages)


@pytest.mark.usefixtures("real_data")
def test_tokens_are_guessed_where_the_encoder_counts_none() -> None:
    (part,) = plan_stream(RandomVectors(), MIRACL, ["te"], seconds=0).languages
    assert part.tokens > part.passages * 10


@pytest.mark.usefixtures("real_data")
def test_models_without_vectors_are_refused() -> None:
    with pytest.raises(BadEncoder, match="does not produce vectors, which the streamed task miracl"):
        plan_stream(load_model("bm25"), MIRACL, ["yo"], seconds=0)


@pytest.mark.usefixtures("real_data")
def test_plan_command_prints_streamed_plan() -> None:
    plan = plan_stream(RandomVectors(), MIRACL, ["yo"], seconds=0)
    console = Console(width=100)
    with console.capture() as captured:
        console.print(list_stream_plan("miracl", plan, workers=8, price=0.0))
    said = captured.get()
    assert "49,043" in said
    assert all(form in said for form in ("fp32", "fp16", "int8"))
    assert "Total with 8 workers" in " ".join(said.split())
