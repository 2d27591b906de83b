"""What each cluster adds to every score of one model.

Every score of the suite but balance is a mean of means over queries, so it is a sum of what each cluster of queries
adds to it, its *share*. Tests, draws and ranks of models need nothing else of the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from panglot.arrays import Bools, Floats, Ints, divide
from panglot.errors import BadResult, UnknownName
from panglot.retrieve.evidence import Evidence
from panglot.score.metrics import parse_metric
from panglot.score.settings import SETTINGS

BALANCE = len(SETTINGS)
"""Place of balance among the cells: behind the settings that it is the harmonic mean of."""


@dataclass(frozen=True, eq=False)
class Contributions:
    """What each cluster adds to every score of one model: the only thing that tests and draws need.

    `total` and `count` [clusters, basics] hold the sum of the metric over the cluster's queries and the number of them
    that have a value. A basic is a query language and a pool, pools changing fastest: each language alone, then all
    together; basics = languages × (languages + 1). Every score is a plain mean over basics (`members`) of the mean
    over queries.
    """

    languages: tuple[str, ...]
    total: Floats
    count: Ints

    def shares(self, members: Bools) -> Floats:
        """What each cluster adds to the scores that average these basics, [clusters, scores]; they sum to the scores.

        share[g, s] = sum over basics b of s of total[g, b] / (number of queries in b) / (number of basics in s),
        over the basics that have queries; NaN for a score without any.
        """
        return self.total @ self._per_query(members).T

    def weights(self, members: Bools) -> Floats:
        """How much each cluster weighs in the scores, [clusters, scores]: its part of the queries; they sum to 1."""
        return self.count @ self._per_query(members).T

    def influence(self, members: Bools) -> Floats:
        """How far each cluster moves the scores to first order, [clusters, scores]; it sums to 0.

        The shares of what is left of each query's value without the mean of its basic.
        """
        mean = divide(self.total.sum(axis=0), self.count.sum(axis=0))
        return (self.total - self.count * np.nan_to_num(mean)) @ self._per_query(members).T

    def drawn(self, weights: Floats, members: Bools) -> Floats:
        """The scores of the data with each cluster counted so many times, [draws, scores], from [draws, clusters]."""
        used = members.any(axis=0)
        count = weights @ self.count[:, used]
        mean = np.divide(weights @ self.total[:, used], count, out=np.zeros_like(count), where=count > 0)
        return divide(mean @ members[:, used].T, (count > 0) @ members[:, used].T.astype(float))

    def _per_query(self, members: Bools) -> Floats:
        """What one query of each basic adds to each score for each point of the metric, [scores, basics]."""
        number = self.count.sum(axis=0)
        there = members & (number > 0)
        return divide(there, there.sum(axis=1, keepdims=True) * np.maximum(number, 1))


def contributions(evidence: Evidence, metric: str) -> Contributions:
    """Sums and counts of a metric for each cluster, query language and pool; none of a pool that is none."""
    compute = parse_metric(metric).compute
    languages = len(evidence.languages)
    alone = compute(evidence.within).reshape(evidence.queries, languages)
    together = np.full(evidence.queries, np.nan) if evidence.divided else compute(evidence.together)
    values = np.column_stack([alone, together])
    shape = (int(evidence.cluster.max()) + 1, languages, languages + 1)
    total, count = np.zeros(shape), np.zeros(shape, np.int32)
    where = (evidence.cluster, evidence.query_language)
    np.add.at(total, where, np.nan_to_num(values))
    np.add.at(count, where, ~np.isnan(values))
    return Contributions(evidence.languages, total.reshape(shape[0], -1), count.reshape(shape[0], -1))


def check_same_counts(one: Contributions, other: Contributions) -> None:
    """Contributions can be paired where every cluster has the same queries.

    :raises BadResult: they have not.
    """
    if one.languages != other.languages or not np.array_equal(one.count, other.count):
        raise BadResult("The models were not asked the same queries in the same clusters.")


@cache
def members_of(languages: int) -> Bools:
    """Which basics each score averages, [scores, basics].

    Scores: the settings; for each query language its settings; for each pair itself.
    """
    basics = np.eye(languages * (languages + 1), dtype=bool).reshape(languages, languages + 1, -1)
    pairs, multi = basics[:, :-1], basics[:, -1]
    own = np.eye(languages, dtype=bool)[..., None]
    by_language = np.stack([(pairs & own).any(axis=1), (pairs & ~own).any(axis=1), multi], axis=1)
    rows = (by_language.any(axis=0), by_language.reshape(-1, basics.shape[2]), pairs.reshape(-1, basics.shape[2]))
    return np.concatenate(rows)


def with_balance(scores: Floats) -> Floats:
    """Scores [..., cells] with balance put in behind the settings; 0 where one of its parts is 0."""
    with np.errstate(divide="ignore"):
        balance = BALANCE / (1 / np.maximum(scores[..., :BALANCE], 0)).sum(axis=-1)
    return np.insert(scores, BALANCE, balance, axis=-1)


def with_linear_balance(shares: Floats, parts: Floats) -> Floats:
    """Shares [clusters, cells] with those of balance put in, to first order at the settings' scores `parts` [3].

    The derivative of a harmonic mean h of three by its part m is (h / m)² / 3. As h grows with its parts' common
    factor, shares that sum to the parts so weighted sum to h itself (Euler), so only their spread is approximate.
    """
    balance = with_balance(parts)[BALANCE]
    slope = np.divide(balance, parts, out=np.zeros_like(parts), where=parts != 0) ** 2 / BALANCE
    return np.insert(shares, BALANCE, shares[:, :BALANCE] @ slope, axis=1)


def place_of(kind: str, name: str, names: tuple[str, ...]) -> int:
    """Index of a name that a person gave.

    :raises UnknownName: it is not among the names.
    """
    if name not in names:
        raise UnknownName(kind, name, names)
    return names.index(name)
