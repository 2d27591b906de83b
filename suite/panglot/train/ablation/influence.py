"""The influence of each cluster of questions on the scores of one model."""

from __future__ import annotations

import numpy as np

from panglot.arrays import Floats, divide
from panglot.retrieve.evidence import Evidence
from panglot.score.comparison.contributions import BALANCE, Contributions, members_of, with_balance, with_linear_balance
from panglot.score.settings import SCORES


def influences(evidence: Evidence, part: Contributions) -> dict[str, Floats]:
    """First-order influence [clusters] on mono, cross, multi, balance and rank distance, without those undefined.

    `part` holds the contributions to the headline metric. An influence sums to 0 over clusters.
    """
    members = members_of(len(part.languages))[:BALANCE]
    settings = part.influence(members)
    scores = part.shares(members).sum(axis=0)
    found = dict(zip(SCORES, with_linear_balance(settings, scores).T, strict=True))
    if np.isnan(with_balance(scores)).any():
        found = {name: own for name, own, score in zip(SCORES, settings.T, scores, strict=False) if not np.isnan(score)}
    if not evidence.divided:
        found["rank_distance"] = _of_mean(evidence, _rank_distance(evidence))
    return {name: own for name, own in found.items() if not np.isnan(own).any()}


def _rank_distance(evidence: Evidence) -> Floats:
    """Largest minus smallest rank of each query's relevant candidates, [queries]; NaN if it has fewer than two."""
    ranking = evidence.together
    last = np.cumsum(ranking.relevants) - 1
    several = ranking.relevants > 1
    distance = np.full(ranking.cells, np.nan)
    distance[several] = (ranking.rank[last] - ranking.rank[last - ranking.relevants + 1])[several]
    return distance


def _of_mean(evidence: Evidence, values: Floats) -> Floats:
    """Influence [clusters] on the mean over query languages of the mean of `values` [queries]."""
    known = ~np.isnan(values)
    language, cluster = evidence.query_language[known], evidence.cluster[known]
    count = np.bincount(language, minlength=len(evidence.languages))
    mean = divide(np.bincount(language, values[known], len(evidence.languages)), count)
    share = (values[known] - mean[language]) / count[language] / np.count_nonzero(count)
    return np.bincount(cluster, share, int(evidence.cluster.max()) + 1).astype(np.float64)
