"""From a model and a pool to scores, by whatever way the model has; vectors go through the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats, to_unit_length
from panglot.data.pool import Pool
from panglot.encode.cache import VectorCache
from panglot.encode.model import Composite, Model, Scorer
from panglot.encode.vectors import Encoded, check_dimensions, encode_items, encode_with_images
from panglot.progress import Progress, silent
from panglot.retrieve.similarity import DenseScores, ScoreBlocks


class Scored(NamedTuple):
    """Scores of a pool; and the encoded queries and candidates they are products of, if the model makes vectors."""

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

    `change` may replace what a model gives; of a fusion, what each of its members gives.

    :raises BadEncoder: the model fails, or returns something that is no vector.
    """
    if isinstance(model, Composite):
        parts = [score_pool(member, pool, cache, progress, change) for member in model.members]
        return Scored(model.fuse([part.scores for part in parts]))
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
    """Queries and candidates [items, dim] cut to `dimension` and stored in fewer bits, as the float32 they multiply as.

    Where the model compares by cosine they are brought to unit length once they are cut; dot products keep lengths.
    `float32` does no more; `int8` divides the candidates' range of each dimension into 256 steps (the queries take the
    same steps); `binary` keeps signs, so that products order as Hamming distances do.
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
