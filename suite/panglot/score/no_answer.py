"""Queries that nothing answers: how well the score of the best candidate tells them from the others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.score.bootstrap import DRAWS, Score, draw_clusters, score_of

MEANING = (
    "auroc: share of pairs of a query with an answer and one without in which the best candidate of the former scores "
    "higher; ties count half, and 0.5 is chance. The threshold gives the largest sum of answered queries kept and "
    "unanswered ones rejected."
)


class Separation(NamedTuple):
    """How well one threshold on the best score separates queries with an answer from queries without one."""

    answered: int
    unanswered: int
    auroc: Score
    threshold: float
    """Best scores at or above it count as answers."""
    kept: float
    """Share of the answered queries at or above the threshold."""
    rejected: float
    """Share of the unanswered queries below it."""


def separate(answered: Floats, unanswered: Floats, cluster: Ints, draws: int = DRAWS) -> Separation:
    """Compare the best scores of answered [n] and unanswered queries [m]; neither may be empty.

    `cluster` [n] is the cluster of each answered query, as a number; each unanswered query is a cluster of its own.
    """
    threshold, kept, rejected = _best_threshold(answered, unanswered)
    auroc = _auroc(answered, unanswered, np.unique(cluster, return_inverse=True)[1], draws)
    return Separation(len(answered), len(unanswered), auroc, threshold, kept, rejected)


def _auroc(answered: Floats, unanswered: Floats, cluster: Ints, draws: int) -> Score:
    """The area under the ROC curve, with an interval over resampled clusters on both sides."""
    ordered, clusters = np.sort(unanswered), int(cluster.max()) + 1
    place = np.argsort(np.argsort(unanswered, kind="stable"), kind="stable")
    # Queries of a cluster beat the first `wins` of the ordered unanswered queries; ties count as half of both ends.
    wins = np.zeros((clusters, len(unanswered) + 1))
    for side in ("left", "right"):
        np.add.at(wins, (cluster, np.searchsorted(ordered, answered, side)), 0.5)
    beaten = wins[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:][:, place]
    of_clusters = draw_clusters(clusters, draws)
    of_queries = draw_clusters(len(unanswered), draws, seed=1)
    won = ((of_clusters @ beaten) * of_queries).sum(axis=1)
    drawn = won / ((of_clusters @ np.bincount(cluster)) * of_queries.sum(axis=1))
    score = score_of(drawn, float(min(clusters, len(unanswered))))
    return score or Score(float(drawn[0]), None, None)


def _best_threshold(answered: Floats, unanswered: Floats) -> tuple[float, float, float]:
    """The threshold with the largest sum of shares, and both shares; it lies between two scores where it can."""
    scores = np.unique(np.concatenate([answered, unanswered]).astype(np.float64))
    kept = 1 - np.searchsorted(np.sort(answered), scores) / len(answered)
    rejected = np.searchsorted(np.sort(unanswered), scores) / len(unanswered)
    best = int(np.argmax(kept + rejected))
    threshold = scores[best] if best == 0 else (scores[best - 1] + scores[best]) / 2
    return float(threshold), float(kept[best]), float(rejected[best])
