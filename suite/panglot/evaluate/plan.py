"""Estimate the cost of a run from a small sample of texts, without encoding the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import NamedTuple

import numpy as np

from panglot.arrays import Ints
from panglot.data.pool import Pool
from panglot.encode.cache import VectorCache
from panglot.encode.model import Composite, CountsTokens, Encoder, Model, Reranks, Scorer, sees_images
from panglot.encode.pairs import score_pairs
from panglot.errors import BadEncoder
from panglot.evaluate.ranking_time import measure_ranking
from panglot.evaluate.role_plan import BYTES_PER_TOKEN, ROLES, RolePlan, captions, plan_images, plan_role
from panglot.evaluate.run import points_of
from panglot.evaluate.scorer_plan import ScorerPlan, plan_scorer
from panglot.remedies.debiased import Debias
from panglot.remedies.fit_texts import FitTexts
from panglot.retrieve.ranking import BLOCK_SCORES

SAMPLE = 64
"""Pairs scored to measure the speed of a cross-encoder."""

REQUESTS = 8
"""Queries sent to measure the speed of a server, at once if it takes as many."""

PAIR_BYTES = 28
"""Bytes on disk of a pair's score: its key, two numbers and a token count."""
MEMORY_PER_PAIR = 20

BYTES_PER_SCORE = 6


class Plan(NamedTuple):
    """The estimated cost of one task with one model.

    `dimension` is 0 without vectors. `disk_bytes` is the size of the float32 vectors and of a reranker's scores;
    `memory_bytes` adds the largest block of scores. `ranking_seconds` is the time of debiasing, ranking and scoring.
    """

    roles: tuple[RolePlan, ...]
    dimension: int
    disk_bytes: int
    memory_bytes: int
    ranking_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds of encoding left, and of ranking."""
        return sum(role.seconds for role in self.roles) + self.ranking_seconds

    @property
    def tokens(self) -> int:
        """Tokens left to encode."""
        return sum(role.tokens for role in self.roles)


def plan_run(
    model: Model,
    pool: Pool,
    cache: VectorCache | None,
    debias: Debias | None = None,
    rank_device: str | None = None,
    curve: Sequence[tuple[int, str]] = (),
) -> Plan:
    """Plan a run that debiases vectors, ranks on a device of torch, or also scores the vectors in other forms.

    Encodes a few batches of each role, of those that a run would have, to measure the speed and the dimension.

    :raises BadEncoder: the pool has images and the model cannot encode them, the model fails, it cannot be debiased, or
        its vectors do not have the dimensions of the curve.
    :raises BadData: a query is among the texts that debiasing is fitted on.
    """
    if pool.has_images and not sees_images(model):
        raise BadEncoder(f"{model.card.name} encodes only text, but {pool.task or 'the task'} has images.")
    pool = pool.asking_all()
    plan = _plan(model, pool, cache, debias)
    points = points_of(curve, plan.dimension if isinstance(model, Encoder) else 0)
    preparing, ranking, scoring = measure_ranking(model, plan.dimension, pool, debias, rank_device)
    seconds = preparing + (plan.ranking_seconds + ranking) * (1 + len(points)) + scoring
    return plan._replace(ranking_seconds=seconds)


def _plan(model: Model, pool: Pool, cache: VectorCache | None, debias: Debias | None) -> Plan:
    """The plan without the time of debiasing and ranking vectors."""
    if isinstance(model, Reranks):
        return _plan_reranker(model, pool, cache, debias)
    if isinstance(model, Composite):
        return _plan_members(model, pool, cache, debias)
    if isinstance(model, Scorer):
        roles, vectors, seconds = plan_scorer(model, pool) if isinstance(model, CountsTokens) else ScorerPlan()
        return Plan(roles, 0, 0, vectors + _block_bytes(pool), seconds)
    if pool.has_images:
        queries, dimension = plan_role(model, pool.languages, captions(pool), "query", cache)
        candidates = plan_images(model, pool, cache)
    else:
        queries, dimension = plan_role(model, pool.languages, pool.queries, "query", cache)
        candidates, _ = plan_role(model, pool.languages, pool.candidates, "passage", cache)
    fits = _plan_fit(model, pool, debias.texts, cache) if debias and debias.texts else ()
    vectors = 4 * dimension * (len(pool.queries) + len(pool.candidates))
    return Plan((queries, candidates, *fits), dimension, vectors, 2 * vectors + _block_bytes(pool))


def _plan_fit(encoder: Encoder, pool: Pool, texts: FitTexts, cache: VectorCache | None) -> Iterator[RolePlan]:
    """Plan to encode the texts that debiasing is fitted on, in both roles.

    :raises BadData: a query is among them.
    """
    texts.check_apart(pool.queries)
    texts, languages = texts.beside(pool.languages)
    for role in ROLES:
        plan, _ = plan_role(encoder, languages, texts.items(languages), role, cache)
        yield plan._replace(role=f"{role} (fit)")


def _plan_members(model: Composite, pool: Pool, cache: VectorCache | None, debias: Debias | None) -> Plan:
    """The plans of all members together."""
    plans = [_plan(member, pool, cache, debias) for member in model.members]
    return Plan(
        tuple(
            role._replace(model=member.card.name)
            for member, plan in zip(model.members, plans, strict=True)
            for role in plan.roles
        ),
        max(plan.dimension for plan in plans),
        sum(plan.disk_bytes for plan in plans),
        sum(plan.memory_bytes for plan in plans),
        sum(plan.ranking_seconds for plan in plans),
    )


def _plan_reranker(model: Reranks, pool: Pool, cache: VectorCache | None, debias: Debias | None) -> Plan:
    """The plan of the first stage, and for the pairs that the reranker scores, all of them as if none were cached."""
    first = _plan(model.members[0], pool, cache, debias)
    pairs = len(pool.queries) * min(model.depth, len(pool.candidates))
    query, candidate = _some_pairs(model, pool)
    score_pairs(model.pair_scorer, pool, query[:1], candidate[:1])
    start = perf_counter()
    score_pairs(model.pair_scorer, pool, query, candidate)
    seconds = perf_counter() - start
    texts = {
        (pool.queries.texts[one].strip(), pool.candidates.texts[other].strip())
        for one, other in zip(query, candidate, strict=True)
    }
    tokens = sum(len(text.encode()) // BYTES_PER_TOKEN + 1 for pair in texts for text in pair) * pairs // len(texts)
    seconds *= pairs / len(texts)
    role = RolePlan("pair", pairs, pairs, 0, tokens, seconds, {})
    disk = first.disk_bytes + PAIR_BYTES * pairs
    return Plan(
        (*first.roles, role),
        first.dimension,
        disk,
        first.memory_bytes + MEMORY_PER_PAIR * pairs,
        first.ranking_seconds,
    )


def _some_pairs(model: Reranks, pool: Pool) -> tuple[Ints, Ints]:
    """Queries and candidates, evenly spaced, of some pairs to measure the speed with.

    A server gets whole requests, one for each of `REQUESTS` queries with as many candidates as in a run.
    """
    queries, candidates = len(pool.queries), len(pool.candidates)
    if isinstance(model.pair_scorer, CountsTokens):
        return _spaced(queries, SAMPLE), _spaced(candidates, SAMPLE)
    asked, depth = min(REQUESTS, queries), min(model.depth, candidates)
    return np.repeat(_spaced(queries, asked), depth), np.tile(_spaced(candidates, depth), asked)


def _spaced(items: int, chosen: int) -> Ints:
    return np.linspace(0, items - 1, chosen, dtype=int)


def _block_bytes(pool: Pool) -> int:
    """Bytes of the largest block of scores, and of what is counted in it."""
    return BYTES_PER_SCORE * min(BLOCK_SCORES, len(pool.queries) * len(pool.candidates))
