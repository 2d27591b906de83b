"""Values of (query, relevant candidate) pairs: reorder them, average them over ties and aggregate them per query."""

from __future__ import annotations

import numpy as np

from panglot.arrays import Bools, Floats, divide
from panglot.retrieve.evidence import Evidence, Ranking


def in_own_language(evidence: Evidence) -> Bools:
    """Whether the relevant candidate of each pair is in the query's language, [pairs]."""
    own: Bools = evidence.language == evidence.query_language[evidence.query]
    return own


def by_pair(ranking: Ranking, values: np.ndarray) -> np.ndarray:
    """Reorder values [pairs] from the ranking's order to that of the evidence."""
    ordered = np.empty_like(values)
    ordered[ranking.pair] = values
    return ordered


def sum_before(ranking: Ranking, values: Floats) -> Floats:
    """Sum of the values of the better-ranked relevant candidates in the same cell, [pairs]."""
    running = np.cumsum(values) - values
    return running - running[np.searchsorted(ranking.cell, ranking.cell)]


def mean_over_ties(ranking: Ranking, values: Floats) -> Floats:
    """Values [pairs] with those of tied relevant candidates replaced by their mean."""
    tie = np.cumsum((np.diff(ranking.cell, prepend=-1) != 0) | (np.diff(ranking.middle, prepend=-1) != 0)) - 1
    return (np.bincount(tie, values) / np.bincount(tie))[tie]


def mean_per_query(evidence: Evidence, values: np.ndarray, where: Bools) -> Floats:
    """Mean of `values` [pairs] over each query's pairs selected by `where`, [queries]; NaN if none is selected."""
    total = np.bincount(evidence.query, weights=values * where, minlength=evidence.queries)
    return divide(total, np.bincount(evidence.query, weights=where, minlength=evidence.queries))
