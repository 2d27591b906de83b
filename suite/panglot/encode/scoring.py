"""Score a pool with any model; vectors are cached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats, to_unit_length
from panglot.data.pool import Pool
from panglot.encode.cache import VectorCache
from panglot.encode.model import Composite, Model, Scorer
from panglot.encode.pairs import score_pairs
from panglot.encode.vectors import Encoded, check_dimensions, encode_items, encode_with_images
from panglot.progress import Progress, silent
from panglot.retrieve.similarity import DenseScores, ScoreBlocks


class Scored(NamedTuple):
    """Scores of a pool, and the encoded queries and candidates if the model produces vectors."""

    scores: ScoreBlocks
    queries: Encoded | None = None
    candidates: Encoded | None = None


def score_pool(
    model: Model,
    pool: Pool,
    cache: VectorCache | None = None,
    progress: Progress = silent,
    change: Callable[[Scored, Model], Scored] = lambda scored, _: scored,
) -> Scored:
    """Score every query of a pool against every candidate.

    `change` can replace the scores of a model; for a fusion, those of each member.

    :raises BadEncoder: the model fails, or returns invalid vectors.
    """
    if isinstance(model, Composite):
        parts = [score_pool(member, pool, cache, progress, change) for member in model.members]
        keep = partial(score_pairs, cache=cache, progress=progress)
        return Scored(model.fuse([part.scores for part in parts], pool, keep))
    if isinstance(model, Scorer):
        return change(Scored(model.scores(pool, progress)), model)
    if pool.has_images:
        queries, candidates = encode_with_images(model, pool, cache, progress)
    else:
        queries = encode_items(model, pool, "query", cache, progress)
        candidates = encode_items(model, pool, "passage", cache, progress)
    check_dimensions(model.card.name, queries=queries.vectors, passages=candidates.vectors)
    return change(Scored(DenseScores(queries.vectors, candidates.vectors), queries, candidates), model)


def reduced(vectors: Sequence[Floats], dimension: int, form: str, similarity: str) -> list[Floats]:
    """Truncate and quantise queries and candidates [items, dim]; returns float32 [items, dimension].

    After truncation, vectors are normalised if `similarity` is cosine; for dot products they keep their norms. `form`
    is `float32` (no quantisation), `int8` (256 steps over the candidates' range in each dimension, also for queries) or
    `binary` (signs only, so that dot products rank like Hamming distances).
    """
    cut = [part[:, :dimension].copy() for part in vectors]
    if similarity == "cosine":
        for part in cut:
            to_unit_length(part)
    if form == "int8":
        low, high = cut[-1].min(axis=0), cut[-1].max(axis=0)
        step = np.maximum(high - low, 1e-12) / 255
        cut = [(np.clip(np.round((part - low) / step), 0, 255) * step + low).astype(np.float32) for part in cut]
    elif form == "binary":
        cut = [np.where(part > 0, np.float32(1), np.float32(-1)) for part in cut]
    return cut
