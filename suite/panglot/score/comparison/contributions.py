"""The contribution of each cluster to every score of one model.

Every score except balance is a mean of means over queries, so it is a sum over clusters of queries; a cluster's term is
its *share*. Tests, bootstrap draws and model rankings need nothing else from the evidence.
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
"""Index of balance among the cells: after the settings of which it is the harmonic mean."""


@dataclass(frozen=True, eq=False)
class Contributions:
    """The contribution of each cluster to every score of one model.

    `total` and `count` [clusters, basics] hold the sum of the metric over the cluster's queries, and the number of
    queries that have a value. A *basic* is a query language combined with a pool; the pools (each language alone, then
    all together) vary fastest, so basics = languages × (languages + 1). Every score is an unweighted mean, over the
    basics that `members` selects, of the mean over queries.
    """

    languages: tuple[str, ...]
    total: Floats
    count: Ints

    def shares(self, members: Bools) -> Floats:
        """Each cluster's share of the scores, [clusters, scores], from `members` [scores, basics].

        share[g, s] = sum over basics b of s of total[g, b] / (number of queries in b) / (number of basics in s),
        over the basics that have queries; NaN for a score without any. The shares of all clusters sum to the score.
        """
        return self.total @ self._per_query(members).T

    def weights(self, members: Bools) -> Floats:
        """Each cluster's weight in the scores, [clusters, scores]: its part of the queries. Weights sum to 1."""
        return self.count @ self._per_query(members).T

    def influence(self, members: Bools) -> Floats:
        """First-order influence of each cluster on the scores, [clusters, scores]; sums to 0 over clusters.

        These are the shares of the query values after subtracting the mean of their basic.
        """
        mean = divide(self.total.sum(axis=0), self.count.sum(axis=0))
        return (self.total - self.count * np.nan_to_num(mean)) @ self._per_query(members).T

    def drawn(self, weights: Floats, members: Bools) -> Floats:
        """The scores with each cluster counted `weights` [draws, clusters] times, [draws, scores]."""
        used = members.any(axis=0)
        count = weights @ self.count[:, used]
        mean = np.divide(weights @ self.total[:, used], count, out=np.zeros_like(count), where=count > 0)
        return divide(mean @ members[:, used].T, (count > 0) @ members[:, used].T.astype(float))

    def _per_query(self, members: Bools) -> Floats:
        """Weight of one query of each basic in each score, [scores, basics]."""
        number = self.count.sum(axis=0)
        used = members & (number > 0)
        return divide(used, used.sum(axis=1, keepdims=True) * np.maximum(number, 1))


def contributions(evidence: Evidence, metric: str) -> Contributions:
    """Sums and counts of a metric for each cluster, query language and pool.

    If the task is divided by language, the pool of all languages has no values.

    :raises UnknownName: there is no such metric.
    """
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
    """Check that both models have the same number of queries in every cluster, language and pool.

    :raises BadResult: they differ.
    """
    if one.languages != other.languages or not np.array_equal(one.count, other.count):
        raise BadResult("The models were not evaluated on the same queries in the same clusters.")


@cache
def members_of(languages: int) -> Bools:
    """Which basics each score averages, [scores, basics].

    The scores are, in order: the settings, the settings of each query language, each ordered pair of languages.
    """
    basics = np.eye(languages * (languages + 1), dtype=bool).reshape(languages, languages + 1, -1)
    pairs, multi = basics[:, :-1], basics[:, -1]
    own = np.eye(languages, dtype=bool)[..., None]
    by_language = np.stack([(pairs & own).any(axis=1), (pairs & ~own).any(axis=1), multi], axis=1)
    rows = (by_language.any(axis=0), by_language.reshape(-1, basics.shape[2]), pairs.reshape(-1, basics.shape[2]))
    return np.concatenate(rows)


def with_balance(scores: Floats) -> Floats:
    """Scores [..., cells] with balance inserted after the settings; balance is 0 if one of its parts is 0."""
    with np.errstate(divide="ignore"):
        balance = BALANCE / (1 / np.maximum(scores[..., :BALANCE], 0)).sum(axis=-1)
    return np.insert(scores, BALANCE, balance, axis=-1)


def with_linear_balance(shares: Floats, parts: Floats) -> Floats:
    """Shares [clusters, cells] with those of balance inserted, linearised at the settings' scores `parts` [3].

    The derivative of the harmonic mean h of three parts with respect to a part m is (h / m)² / 3. h is homogeneous of
    degree 1, so the weighted shares sum exactly to h (Euler's theorem); only their spread is approximate.
    """
    balance = with_balance(parts)[BALANCE]
    slope = np.divide(balance, parts, out=np.zeros_like(parts), where=parts != 0) ** 2 / BALANCE
    return np.insert(shares, BALANCE, shares[:, :BALANCE] @ slope, axis=1)


def place_of(kind: str, name: str, names: tuple[str, ...]) -> int:
    """Index of a name chosen by the user; `kind` says what it names.

    :raises UnknownName: it is not one of `names`.
    """
    if name not in names:
        raise UnknownName(kind, name, names)
    return names.index(name)
