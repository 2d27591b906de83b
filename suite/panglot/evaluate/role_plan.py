"""Plan one role: count what an encoder has to encode, and measure its speed on some of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, get_args

import numpy as np

from panglot.arrays import Ints
from panglot.data.pool import Items, Pool
from panglot.encode.batches import ItemKeys, count_tokens
from panglot.encode.cache import VectorCache
from panglot.encode.card import Role
from panglot.encode.model import CountsTokens, Encoder, Model, cut_at
from panglot.evaluate.speed import measure_images, measure_speed

ROLES: tuple[Role, ...] = get_args(Role)

BYTES_PER_TOKEN = 3
"""Conservative estimate for encoders that do not count tokens."""


class RolePlan(NamedTuple):
    """The plan for one role; images form a role of their own, without tokens, and so do the pairs of a reranker.

    A role in which the texts that debiasing is fitted on are encoded ends in `(fit)`. `model` is the member of a fusion
    that encodes. `texts` counts distinct texts, `cached` those in the cache; `tokens` and `seconds` cover what is left
    to encode. `truncated` is the share of each language's texts that exceed the model's limit.
    """

    role: str
    items: int
    texts: int
    cached: int
    tokens: int
    seconds: float
    truncated: dict[str, float]
    model: str = ""

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens encoded in a second, as measured; None if nothing is left to encode, and for images."""
        return self.tokens / self.seconds if self.tokens and self.seconds else None


def plan_role(
    encoder: Encoder, languages: Sequence[str], items: Items, role: Role, cache: VectorCache | None
) -> tuple[RolePlan, int]:
    """The plan for texts, whose languages index `languages`, and the dimension of their vectors.

    :raises BadEncoder: the encoder fails on a text.
    """
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
        truncated=truncated(encoder, items, languages, role),
    )
    return plan, dimension


def plan_images(encoder: Encoder, pool: Pool, cache: VectorCache | None) -> RolePlan:
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


def captions(pool: Pool) -> Items:
    """The texts among the queries and candidates of a pool with images."""
    sides = (pool.queries, pool.candidates)
    places = [(items, place) for items in sides for place in range(len(items)) if place not in items.images]
    return Items(
        tuple(items.ids[place] for items, place in places),
        tuple(items.texts[place] for items, place in places),
        np.array([items.language[place] for items, place in places], np.int16),
    )


def _tokens(encoder: Encoder, texts: list[str], role: Role) -> Ints:
    """Tokens of each text, counted or estimated, [texts]."""
    if isinstance(encoder, CountsTokens) and texts:
        return count_tokens(encoder, texts, role)
    return np.array([len(text.encode()) // BYTES_PER_TOKEN + 1 for text in texts], np.int64)


def truncated(model: Model, items: Items, languages: Sequence[str], role: Role) -> dict[str, float]:
    """Share of each language's texts that the model truncates; empty if it does not count tokens."""
    longest = cut_at(model, role)
    if not (longest and isinstance(model, CountsTokens)):
        return {}
    cut = count_tokens(model, [text.strip() for text in items.texts], role) > longest
    return {
        name: float(cut[items.language == place].mean())
        for place, name in enumerate(languages)
        if (items.language == place).any()
    }
