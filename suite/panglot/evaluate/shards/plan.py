"""What a corpus would take: speed and tokens measured for some seconds in every language, nothing written.

The corpora need not be here: texts as long as a passage of a language is on the average are made of its own questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats
from panglot.data.corpus import StreamedTask
from panglot.encode.batches import count_tokens
from panglot.encode.model import Composite, CountsTokens, Encoder, Model, Scorer
from panglot.encode.vectors import encode_sample
from panglot.errors import BadEncoder
from panglot.evaluate.plan import BYTES_PER_TOKEN
from panglot.evaluate.shards.counting import TILE_PASSAGES
from panglot.retrieve.ranking import BLOCK_SCORES

SECONDS = 30.0
"""How long the encoder is measured, in all languages together."""

BATCH = 16
FORMS = {"fp32": 4, "fp16": 2, "int8": 1}
"""Bytes of a number."""

PRODUCT = (BLOCK_SCORES // TILE_PASSAGES, TILE_PASSAGES)
"""Queries and passages in the block of scores whose product is measured."""


class LanguagePlan(NamedTuple):
    """One language: its passages and queries, and from the measurement their tokens and the seconds of encoding."""

    language: str
    passages: int
    queries: int
    tokens: int
    encode_seconds: float


class StreamPlan(NamedTuple):
    """What one model takes on a corpus on this machine, with one worker as it was measured."""

    languages: tuple[LanguagePlan, ...]
    dimension: int
    product_seconds: float

    @property
    def passages(self) -> int:
        """Passages in all languages."""
        return sum(language.passages for language in self.languages)

    @property
    def tokens(self) -> int:
        """Tokens in all languages, of passages."""
        return sum(language.tokens for language in self.languages)

    @property
    def encode_seconds(self) -> float:
        """Seconds of encoding in all languages."""
        return sum(language.encode_seconds for language in self.languages)

    def seconds(self, workers: int = 1) -> float:
        """Seconds with so many workers like this one: shards are many and alike, so the work divides evenly."""
        return (self.encode_seconds + self.product_seconds) / workers

    def disk_bytes(self, form: str) -> int:
        """Bytes of all vectors in one of `FORMS`."""
        return self.passages * self.dimension * FORMS[form]


def plan_stream(
    model: Model,
    task: StreamedTask,
    languages: Sequence[str] = (),
    data_dir: Path | None = None,
    seconds: float = SECONDS,
) -> StreamPlan:
    """Plan a run over a corpus from a measurement of so many seconds, at least one batch of each language.

    :raises BadEncoder: the model makes no vectors.
    :raises UnknownName: a language that the task lacks.
    """
    if isinstance(model, Scorer | Composite):
        raise BadEncoder(f"{model.card.name} makes no vectors, and {task.name} is streamed: only vectors can be.")
    samples = {language: _Sample(task, language, data_dir) for language in task.choose(languages)}
    dimension = encode_sample(model, [next(iter(samples.values())).batch()[0]], "passage").shape[1]
    stop = perf_counter() + seconds
    for place, sample in enumerate(cycle(samples.values())):
        if place >= len(samples) and perf_counter() > stop:
            break
        sample.measure(model)
    product = _product_seconds(dimension)
    plans = tuple(sample.plan() for sample in samples.values())
    return StreamPlan(plans, dimension, sum(plan.passages * plan.queries for plan in plans) * product)


class _Sample:
    """Texts of one language, and what encoding them took."""

    def __init__(self, task: StreamedTask, language: str, data_dir: Path | None) -> None:
        self._task, self._language, self._size = task, language, task.sizes[language]
        self._length = max(1, task.characters[language] // self._size.candidates)
        texts = [query.text for query in task.questions(task, [language], data_dir).queries]
        self._words = cycle(" ".join(texts) + " ")
        self._texts, self._tokens, self._seconds = 0, 0, 0.0

    def batch(self) -> list[str]:
        """The next texts."""
        return ["".join(next(self._words) for _ in range(self._length)) for _ in range(BATCH)]

    def measure(self, encoder: Encoder) -> None:
        """Encode one batch."""
        texts = self.batch()
        start = perf_counter()
        encode_sample(encoder, texts, "passage")
        self._seconds += perf_counter() - start
        counts = count_tokens(encoder, texts, "passage") if isinstance(encoder, CountsTokens) else None
        self._tokens += int(counts.sum()) if counts is not None else _guessed(texts)
        self._texts += len(texts)

    def plan(self) -> LanguagePlan:
        """For all passages what was measured of some."""
        factor = self._size.candidates / self._texts
        tokens, seconds = int(self._tokens * factor), self._seconds * factor
        return LanguagePlan(self._language, self._size.candidates, self._size.queries, tokens, seconds)


def _guessed(texts: Sequence[str]) -> int:
    return sum(len(text.encode()) // BYTES_PER_TOKEN + 1 for text in texts)


def _product_seconds(dimension: int) -> float:
    """Seconds that one score takes, measured on one block."""
    queries, passages = (np.ones((rows, dimension), np.float32) for rows in PRODUCT)
    start = perf_counter()
    scores: Floats = queries @ passages.T
    return (perf_counter() - start) / scores.size
