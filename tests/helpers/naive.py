"""A second, slow and obvious implementation: sort the pool, walk down the list."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import numpy as np

from panglot.data.pool import Pool


def ranks(pool: Pool, scores: np.ndarray, query: int, languages: Sequence[int]) -> list[tuple[int, int]]:
    """(rank, candidate) of each relevant of a query among the candidates of some languages, best first.

    Among equal scores all others come before the relevants: ties count against the encoder. A candidate that is left
    out for the query is not offered.
    """
    relevant = set(pool.candidate[pool.query == query].tolist())
    excluded = pool.excluded[query] if len(pool.excluded) else None
    offered = [c for c in range(len(pool.candidates)) if pool.candidates.language[c] in languages and c != excluded]
    order = sorted(offered, key=lambda c: (-scores[query, c], c in relevant))
    return [(place, candidate) for place, candidate in enumerate(order, start=1) if candidate in relevant]


def gains(pool: Pool, query: int, languages: Sequence[int]) -> dict[int, float]:
    """Gain of each relevant candidate of a query in some languages."""
    return {
        int(candidate): float(gain)
        for candidate, gain in zip(pool.candidate[pool.query == query], pool.gain[pool.query == query], strict=True)
        if pool.candidates.language[candidate] in languages
    }


def metrics(ranked: list[tuple[int, int]], gain: dict[int, float]) -> dict[str, float]:
    """Every metric of one list, by its textbook definition."""
    places = [rank for rank, _ in ranked]
    ideal = sorted(gain.values(), reverse=True)
    dcg = sum(gain[candidate] / log2(rank + 1) for rank, candidate in ranked if rank <= 10)
    return {
        "map": sum(found / rank for found, rank in enumerate(places, start=1)) / len(places),
        "ndcg@10": dcg / sum(value / log2(rank + 1) for rank, value in enumerate(ideal[:10], start=1)),
        **{f"recall@{k}": sum(rank <= k for rank in places) / len(places) for k in (1, 5, 10, 20, 100)},
        "mrr": 1 / places[0],
        "mrr@10": 1 / places[0] if places[0] <= 10 else 0.0,
        **{f"success@{k}": float(places[0] <= k) for k in (1, 5, 10)},
    }
