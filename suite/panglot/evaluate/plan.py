"""Estimate the cost of a run from a small sample of texts, without encoding the rest."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Literal, NamedTuple

import numpy as np

from panglot.arrays import Ints
from panglot.data.pool import Items, Pool
from panglot.encode.batches import ItemKeys, count_tokens
from panglot.encode.cache import VectorCache
from panglot.encode.card import Role
from panglot.encode.model import Composite, CountsTokens, Encoder, Model, Reranks, Scorer, cut_at
from panglot.encode.pairs import score_pairs
from panglot.evaluate.speed import measure_images, measure_speed
from panglot.retrieve.ranking import BLOCK_SCORES

SAMPLE = 64
"""Pairs scored to measure the speed."""

BYTES_PER_TOKEN = 3
"""Conservative estimate for encoders that do not count tokens."""

PAIR_BYTES = 28
"""Bytes on disk of a pair's score: its key, two numbers and a token count."""
MEMORY_PER_PAIR = 20

BYTES_PER_SCORE = 6


class RolePlan(NamedTuple):
    """The plan for one role; images form a role of their own, without tokens, and so do the pairs of a reranker.

    `texts` counts distinct texts, `cached` those in the cache; `tokens` and `seconds` cover what is left to encode.
    `truncated` is the share of each language's texts that exceed the model's limit.
    """

    role: Role | Literal["image", "pair"]
    items: int
    texts: int
    cached: int
    tokens: int
    seconds: float
    truncated: dict[str, float]

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens encoded in a second, as measured; None if nothing is left to encode, and for images."""
        return self.tokens / self.seconds if self.tokens and self.seconds else None


class Plan(NamedTuple):
    """The estimated cost of one task with one model.

    `dimension` is 0 without vectors. `disk_bytes` is the size of the float32 vectors and of a reranker's scores;
    `memory_bytes` adds the largest block of scores.
    """

    roles: tuple[RolePlan, ...]
    dimension: int
    disk_bytes: int
    memory_bytes: int

    @property
    def seconds(self) -> float:
        """Seconds of encoding left."""
        return sum(role.seconds for role in self.roles)

    @property
    def tokens(self) -> int:
        """Tokens left to encode."""
        return sum(role.tokens for role in self.roles)


def plan_run(model: Model, pool: Pool, cache: VectorCache | None) -> Plan | None:
    """Plan a run; None for models without vectors, which take only seconds.

    Encodes a few batches of each role, of those that a run would have, to measure the speed and the dimension.

    :raises BadEncoder: the pool has images and the model cannot encode them, or the model fails.
    """
    if isinstance(model, Reranks):
        return _plan_reranker(model, pool, cache)
    if isinstance(model, Scorer | Composite):
        return None
    if pool.has_images:
        queries, dimension = _plan_role(model, pool, _captions(pool), "query", cache)
        candidates = _plan_images(model, pool, cache)
    else:
        queries, dimension = _plan_role(model, pool, pool.queries, "query", cache)
        candidates, _ = _plan_role(model, pool, pool.candidates, "passage", cache)
    vectors = 4 * dimension * (len(pool.queries) + len(pool.candidates))
    return Plan((queries, candidates), dimension, vectors, 2 * vectors + _block_bytes(pool))


def _plan_reranker(model: Reranks, pool: Pool, cache: VectorCache | None) -> Plan:
    """The plan of the first stage, and for the pairs that the reranker scores, all of them as if none were cached.

    Scores `SAMPLE` pairs of queries and candidates, evenly spaced, to measure the speed.
    """
    first = plan_run(model.members[0], pool, cache) or Plan((), 0, 0, _block_bytes(pool))
    pairs = len(pool.queries) * min(model.depth, len(pool.candidates))
    query, candidate = (np.linspace(0, len(items) - 1, SAMPLE, dtype=int) for items in (pool.queries, pool.candidates))
    score_pairs(model.pair_scorer, pool, query[:1], candidate[:1])
    start = perf_counter()
    score_pairs(model.pair_scorer, pool, query, candidate)
    seconds = (perf_counter() - start) * pairs / SAMPLE
    texts = [pool.queries.texts[place] for place in query] + [pool.candidates.texts[place] for place in candidate]
    tokens = sum(len(text.encode()) // BYTES_PER_TOKEN + 1 for text in texts) * pairs // SAMPLE
    role = RolePlan("pair", pairs, pairs, 0, tokens, seconds, {})
    disk = first.disk_bytes + PAIR_BYTES * pairs
    return Plan((*first.roles, role), first.dimension, disk, first.memory_bytes + MEMORY_PER_PAIR * pairs)


def _block_bytes(pool: Pool) -> int:
    """Bytes of the largest block of scores, and of what is counted in it."""
    return BYTES_PER_SCORE * min(BLOCK_SCORES, len(pool.queries) * len(pool.candidates))


def _captions(pool: Pool) -> Items:
    """The texts among the queries and candidates of a pool with images."""
    sides = (pool.queries, pool.candidates)
    places = [(items, place) for items in sides for place in range(len(items)) if place not in items.images]
    return Items(
        tuple(items.ids[place] for items, place in places),
        tuple(items.texts[place] for items, place in places),
        np.array([items.language[place] for items, place in places], np.int16),
    )


def _plan_images(encoder: Encoder, pool: Pool, cache: VectorCache | None) -> RolePlan:
    """The plan for all images; encodes some of them to measure the speed.

    :raises BadEncoder: the encoder cannot encode images, or fails on them.
    """
    sides = (pool.queries, pool.candidates)
    keys = [image.sha256 for image in ItemKeys(pool.languages, sides).images]
    stored = cache.shelf(encoder.card, "image").find(keys) if cache else None
    missing = np.flatnonzero(~stored.there) if stored else np.arange(len(keys))
    seconds = measure_images(encoder, pool.languages, sides, missing)
    items = sum(len(side.images) for side in sides)
    return RolePlan("image", items, len(keys), len(keys) - len(missing), 0, seconds, {})


def _plan_role(
    encoder: Encoder, pool: Pool, items: Items, role: Role, cache: VectorCache | None
) -> tuple[RolePlan, int]:
    texts = sorted({text.strip() for text in items.texts}, key=len)
    stored = cache.shelf(encoder.card, role).find(texts) if cache else None
    missing = [text for index, text in enumerate(texts) if stored is None or not stored.there[index]]
    tokens = _tokens(encoder, missing, role)
    seconds, dimension = measure_speed(encoder, missing or texts[:1], role)
    plan = RolePlan(
        role=role,
        items=len(items),
        texts=len(texts),
        cached=len(texts) - len(missing),
        tokens=int(tokens.sum()),
        seconds=seconds if missing else 0.0,
        truncated=_truncated(encoder, items, pool.languages, role),
    )
    return plan, dimension


def _tokens(encoder: Encoder, texts: list[str], role: Role) -> Ints:
    """Tokens of each text, counted or estimated, [texts]."""
    if isinstance(encoder, CountsTokens) and texts:
        return count_tokens(encoder, texts, role)
    return np.array([len(text.encode()) // BYTES_PER_TOKEN + 1 for text in texts], np.int64)


def _truncated(encoder: Encoder, items: Items, languages: Sequence[str], role: Role) -> dict[str, float]:
    """Share of each language's texts that the model truncates; empty if it does not count tokens."""
    longest = cut_at(encoder, role)
    if not (longest and isinstance(encoder, CountsTokens)):
        return {}
    cut = count_tokens(encoder, [text.strip() for text in items.texts], role) > longest
    return {
        name: float(cut[items.language == place].mean())
        for place, name in enumerate(languages)
        if (items.language == place).any()
    }
