"""Estimate the cost of a streamed corpus by measuring speed and tokens for a few seconds; writes nothing.

The corpora need not be downloaded: sample texts of each language's mean passage length are made from its questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from time import perf_counter
from typing import NamedTuple

import numpy as np

from panglot.data.corpus import Passage, StreamedTask
from panglot.encode.batches import count_tokens
from panglot.encode.model import Composite, CountsTokens, Encoder, EncodesConcurrently, HasBudget, Model, Scorer
from panglot.errors import BadEncoder
from panglot.evaluate.role_plan import BYTES_PER_TOKEN
from panglot.evaluate.scorer_plan import pool_of
from panglot.evaluate.shards.counting import TILE_PASSAGES, ShardCounter
from panglot.evaluate.speed import measure_speed
from panglot.retrieve.ranking import BLOCK_SCORES

SECONDS = 30.0
"""Duration of the measurement, all languages together."""

BATCH = 16
"""Texts encoded at a time; more if the model has a budget of tokens for them, as on a GPU."""

FORMS = {"fp32": 4, "fp16": 2, "int8": 1}
"""Bytes of one vector component in each form."""

BLOCK = (BLOCK_SCORES // TILE_PASSAGES, TILE_PASSAGES)
"""Queries and passages of the block that is measured."""


class LanguagePlan(NamedTuple):
    """One language: its passages and queries, and the estimated tokens and encoding seconds of the passages."""

    language: str
    passages: int
    queries: int
    tokens: int
    encode_seconds: float


class StreamPlan(NamedTuple):
    """The estimated cost of one model on a corpus, with one worker on this machine."""

    languages: tuple[LanguagePlan, ...]
    dimension: int
    scoring_seconds: float

    @property
    def passages(self) -> int:
        """Passages of all languages."""
        return sum(language.passages for language in self.languages)

    @property
    def tokens(self) -> int:
        """Tokens of the passages of all languages."""
        return sum(language.tokens for language in self.languages)

    @property
    def encode_seconds(self) -> float:
        """Encoding seconds of all languages."""
        return sum(language.encode_seconds for language in self.languages)

    def seconds(self, workers: int = 1) -> float:
        """Estimated seconds with `workers` like this one; there are many equal shards, so work divides evenly."""
        return (self.encode_seconds + self.scoring_seconds) / workers

    def disk_bytes(self, form: str) -> int:
        """Bytes of all vectors in a form (`FORMS`)."""
        return self.passages * self.dimension * FORMS[form]


def plan_stream(
    model: Model,
    task: StreamedTask,
    languages: Sequence[str] = (),
    seconds: float = SECONDS,
    rank_device: str | None = None,
) -> StreamPlan:
    """Plan a run over a corpus from a measurement of `seconds`, with at least one batch of each language.

    Scores are measured on `rank_device`, a name of torch, if it is given.

    :raises BadEncoder: the model does not produce vectors.
    :raises UnknownName: the task does not have one of the languages.
    """
    if isinstance(model, Scorer | Composite):
        raise BadEncoder(f"{model.card.name} does not produce vectors, which the streamed task {task.name} needs.")
    samples = {language: _Sample(task, language) for language in task.choose(languages)}
    dimension = measure_speed(model, next(iter(samples.values())).texts(1), "passage").dimension
    stop = perf_counter() + seconds
    for place, sample in enumerate(cycle(samples.values())):
        if place >= len(samples) and perf_counter() > stop:
            break
        sample.measure(model)
    per_score = _scoring_seconds(dimension, rank_device)
    plans = tuple(sample.plan() for sample in samples.values())
    return StreamPlan(plans, dimension, sum(plan.passages * plan.queries for plan in plans) * per_score)


class _Sample:
    """Sample texts of one language, and the tokens and seconds of encoding them."""

    def __init__(self, task: StreamedTask, language: str) -> None:
        self._task, self._language, self._size = task, language, task.sizes[language]
        self._length = max(1, task.characters[language] // self._size.candidates)
        texts = [query.text for query in task.questions(task, [language]).queries]
        self._words = cycle(" ".join(texts) + " ")
        self._texts, self._tokens, self._seconds = 0, 0, 0.0

    def texts(self, count: int) -> list[str]:
        """The next texts."""
        return ["".join(next(self._words) for _ in range(self._length)) for _ in range(count)]

    def measure(self, encoder: Encoder) -> None:
        """Encode one batch, or as many as are encoded at once."""
        budget = encoder.budget.tokens if isinstance(encoder, HasBudget) and isinstance(encoder, CountsTokens) else 0
        lanes = encoder.lanes if isinstance(encoder, EncodesConcurrently) else 1
        texts = self.texts(lanes * max(BATCH, budget // _estimate_tokens(self.texts(1))))
        self._seconds += measure_speed(encoder, texts, "passage").seconds
        counts = count_tokens(encoder, texts, "passage") if isinstance(encoder, CountsTokens) else None
        self._tokens += int(counts.sum()) if counts is not None else _estimate_tokens(texts)
        self._texts += len(texts)

    def plan(self) -> LanguagePlan:
        """Extrapolate the measurement to all passages."""
        factor = self._size.candidates / self._texts
        tokens, seconds = int(self._tokens * factor), self._seconds * factor
        return LanguagePlan(self._language, self._size.candidates, self._size.queries, tokens, seconds)


def _estimate_tokens(texts: Sequence[str]) -> int:
    return sum(len(text.encode()) // BYTES_PER_TOKEN + 1 for text in texts)


def _scoring_seconds(dimension: int, device: str | None) -> float:
    """Seconds per score, multiplied and counted, measured on one block; the first on a device takes longer."""
    random = np.random.default_rng(0)
    queries, passages = (random.standard_normal((rows, dimension), np.float32) for rows in BLOCK)
    pool = pool_of([str(number) for number in range(len(queries))], ["relevant"])
    counter = ShardCounter(pool, queries, passages[:1], device)
    texts = [Passage(f"{number}", f"passage {number}") for number in range(len(passages))]
    seconds = 0.0
    for _ in range(2):
        start = perf_counter()
        counter.count(counter.tally(), texts, passages, 0)
        seconds = perf_counter() - start
    return seconds / (len(queries) * len(passages))
