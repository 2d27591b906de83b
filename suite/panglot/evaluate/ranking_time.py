"""Measure how long debiasing and ranking take, with generated vectors in place of a model's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats, to_unit_length
from panglot.data.pool import Items, Pool
from panglot.encode.card import ModelCard, Role
from panglot.encode.model import Composite, CountsTokens, Encoder, Model, Reranks, ScorePairs
from panglot.encode.scoring import score_pool
from panglot.progress import Progress
from panglot.remedies.debiased import Debias
from panglot.retrieve.counting import WORTH_COMPILING, kernel_for
from panglot.retrieve.ranking import BLOCK_SCORES, collect_evidence
from panglot.retrieve.similarity import DenseScores, ScoreBlocks
from panglot.score.summary import score_evidence

METRIC = "map"
"""The headline metric of most tasks; all take the same time."""

SLOW_SCORES = 4_000_000
"""Scores measured where they are not products of vectors: BM25 and fusion take a second for as many."""


class RankingTime(NamedTuple):
    """Seconds of debiasing vectors, of ranking them once, and of all scores with intervals."""

    preparing: float
    ranking: float
    scoring: float


def measure_ranking(
    model: Model, dimension: int, pool: Pool, debias: Debias | None = None, device: str | None = None
) -> RankingTime:
    """Estimate how long it takes to debias the vectors of a pool, to rank it, and to score it.

    Vectors [items, dimension] of the whole pool are debiased; the first queries are ranked, on `device` if it is given.
    What scores without encoding, such as BM25, is measured itself.

    :raises BadEncoder: the method of debiasing does not suit the model or the pool.
    :raises BadData: a query is among the texts that the method is fitted on.
    :raises MissingData: the model has no vectors for this pool.
    """
    pool = replace(pool, queries=_as_texts(pool.queries), candidates=_as_texts(pool.candidates))
    start = perf_counter()
    scores = (debias.score_pool if debias else score_pool)(_twin(model, dimension), pool).scores
    preparing = perf_counter() - start
    total, width = len(pool.queries), len(pool.candidates)
    rows = min(total, -(-_enough(scores, total * width) // width))
    part = pool.part(np.arange(rows), np.arange(width))
    if device:
        collect_evidence(part, scores, device=device)  # the first products of a device take longer
    start = perf_counter()
    evidence = collect_evidence(part, scores, device=device)
    ranked = perf_counter()
    score_evidence(evidence, METRIC)
    scored = perf_counter()
    return RankingTime(preparing, (ranked - start) * total / rows, (scored - ranked) * total / rows)


def _enough(scores: ScoreBlocks, whole: int) -> int:
    """How many scores to measure, of so many in all: as many as are ranked the same way, few if each takes long."""
    if not isinstance(scores, DenseScores):
        return SLOW_SCORES
    return WORTH_COMPILING if kernel_for(whole) else BLOCK_SCORES


def _as_texts(items: Items) -> Items:
    """The same items with a text in place of each image, which thus need not be decoded."""
    texts = tuple(id_ if place in items.images else items.texts[place] for place, id_ in enumerate(items.ids))
    return replace(items, texts=texts, images={})


def _twin(model: Model, dimension: int) -> Model:
    """A model that makes up its vectors; a reranker's is that of its first stage."""
    if isinstance(model, Reranks):
        return _twin(model.members[0], dimension)
    if isinstance(model, Composite):
        return _Fused(model, [_twin(member, dimension) for member in model.members])
    if isinstance(model, Encoder):
        return _Generated(model.card, dimension)
    return _Noise(model.card) if isinstance(model, CountsTokens) else model


class _Generated:
    """Random unit vectors."""

    def __init__(self, card: ModelCard, dimension: int) -> None:
        self.card, self._dimension = card, dimension
        self._random = np.random.default_rng(0)

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Return vectors [texts, dimension]."""
        vectors = self._random.standard_normal((len(texts), self._dimension), np.float32)
        to_unit_length(vectors)
        return vectors


class _Noise:
    """Random scores, for a model that encodes texts and keeps their vectors to itself."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self._random = np.random.default_rng(0)
        self._width = 0

    def scores(self, pool: Pool, progress: Progress) -> ScoreBlocks:
        """Return scores of a pool."""
        self._width = len(pool.candidates)
        return self

    def block(self, start: int, stop: int) -> Floats:
        """Return scores [stop - start, candidates]."""
        return self._random.random((stop - start, self._width), np.float32)


class _Fused:
    """Fuses the scores of other members as a model does."""

    def __init__(self, model: Composite, members: Sequence[Model]) -> None:
        self.card, self.members, self._model = model.card, members, model

    def fuse(self, scores: Sequence[ScoreBlocks], pool: Pool, score_pairs: ScorePairs) -> ScoreBlocks:
        """Fuse the scores of the members."""
        return self._model.fuse(scores, pool, score_pairs)
