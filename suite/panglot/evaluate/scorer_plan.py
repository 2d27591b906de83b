"""Plan a model that encodes texts and keeps their vectors to itself: learned sparse retrieval, late interaction."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple, Protocol

import numpy as np

from panglot.arrays import Ints
from panglot.data.pool import Candidate, Items, Judgement, Pool, Query
from panglot.encode.batches import count_tokens, distinct
from panglot.encode.card import Role
from panglot.encode.model import CountsTokens, Scorer, cut_at
from panglot.evaluate.role_plan import RolePlan, truncated
from panglot.progress import silent

SAMPLE = 64
"""Texts of each role that are encoded to measure the speed."""

BYTES_PER_VALUE = 8
"""Bytes of a value in a token's vector, which late interaction holds twice."""


class ReadingScorer(Scorer, CountsTokens, Protocol):
    """A scorer that counts the tokens of the texts that it encodes."""


class ScorerPlan(NamedTuple):
    """The plan of both roles, the bytes of token vectors in memory, and the seconds of comparing them."""

    roles: tuple[RolePlan, ...] = ()
    vector_bytes: int = 0
    ranking_seconds: float = 0.0


def plan_scorer(model: ReadingScorer, pool: Pool) -> ScorerPlan:
    """Plan a run from the time that some queries and candidates take.

    :raises BadEncoder: the model fails.
    """
    sides = [_Side(model, pool.queries, "query"), _Side(model, pool.candidates, "passage")]
    model.scores(pool_of(*(side.texts[:1] for side in sides)), silent).block(0, 1)  # may load weights, or compile
    sample = pool_of(*([side.texts[place] for place in side.sample] for side in sides))
    start = perf_counter()
    scores = model.scores(sample, silent)
    encoded = perf_counter()
    scores.block(0, len(sample.queries))
    ranked = perf_counter()
    per_token = (encoded - start) / sum(int(side.read[side.sample].sum()) for side in sides)
    read = sum(int(side.read.sum()) for side in sides)
    values = (model.card.dimension or 0) if model.card.similarity == "late interaction" else 0
    pairs, whole = (len(part.queries) * len(part.candidates) for part in (sample, pool))
    roles = tuple(side.plan(per_token, pool.languages) for side in sides)
    return ScorerPlan(roles, BYTES_PER_VALUE * values * read, (ranked - encoded) * whole / pairs)


class _Side:
    """The distinct texts of one role, their `tokens` [texts], and the tokens `read` [texts] of those, before the cut.

    `sample` are the indices of some of them, evenly spaced.
    """

    def __init__(self, model: ReadingScorer, items: Items, role: Role) -> None:
        self._model, self._items, self._role = model, items, role
        self.texts, _ = distinct(items.texts)
        self.tokens = count_tokens(model, self.texts, role)
        self.read: Ints = np.clip(self.tokens, 1, cut_at(model, role))
        self.sample = np.linspace(0, len(self.texts) - 1, min(SAMPLE, len(self.texts)), dtype=int)

    def plan(self, per_token: float, languages: Sequence[str]) -> RolePlan:
        """The plan of this role, if each token takes so many seconds."""
        return RolePlan(
            role=self._role,
            items=len(self._items),
            texts=len(self.texts),
            cached=0,
            tokens=int(self.tokens.sum()),
            seconds=per_token * int(self.read.sum()),
            truncated=truncated(self._model, self._items, languages, self._role),
        )


def pool_of(queries: Sequence[str], candidates: Sequence[str]) -> Pool:
    """Return a pool of these texts, the first candidate relevant to all queries."""
    return Pool.of(
        ["und"],
        [Query(f"q{number}", text, "und", f"q{number}") for number, text in enumerate(queries)],
        [Candidate(f"c{number}", text, "und") for number, text in enumerate(candidates)],
        [Judgement(f"q{number}", "c0") for number in range(len(queries))],
    )
