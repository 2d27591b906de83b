"""What each parallel question adds to every score of one model.

Every score of the suite but balance is a mean of means over queries, so it is a sum of what each parallel question
(group) adds to it, its *share*. Tests, draws and ranks of models need nothing else of the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from suite.arrays import Bools, Floats, Ints, divide
from suite.errors import BadResult
from suite.evidence import Evidence
from suite.metrics import parse_metric

SETTINGS = ("mono", "cross", "multi")
BALANCE = len(SETTINGS)
"""Place of balance among the cells: behind the settings that it is the harmonic mean of."""


@dataclass(frozen=True, eq=False)
class Contributions:
    """What each parallel question adds to every score of one model: the only thing that tests and draws need.

    `total` and `count` [groups, basics] hold the sum of the metric over the question's queries and the number of them
    that have a value. A basic is a query language and a pool, pools changing fastest: each language alone, then all
    together; basics = languages × (languages + 1). Every score is a plain mean over basics (`members`) of the mean
    over queries.
    """

    languages: tuple[str, ...]
    total: Floats
    count: Ints

    def shares(self, members: Bools) -> Floats:
        """What each question adds to the scores that average these basics, [groups, scores]; they sum to the scores.

        share[g, s] = sum over basics b of s of total[g, b] / (number of queries in b) / (number of basics in s),
        over the basics that have queries; NaN for a score without any.
        """
        number = self.count.sum(axis=0)
        there = members & (number > 0)
        weight = divide(there, there.sum(axis=1, keepdims=True) * np.maximum(number, 1))
        return self.total @ weight.T

    def takes_part(self, members: Bools) -> Bools:
        """Whether the question has a query in the score, [groups, scores]."""
        return (self.count > 0) @ members.T

    def drawn(self, weights: Floats, members: Bools) -> Floats:
        """The scores of the data with each question counted so many times, [draws, scores], from [draws, groups]."""
        used = members.any(axis=0)
        count = weights @ self.count[:, used]
        mean = np.divide(weights @ self.total[:, used], count, out=np.zeros_like(count), where=count > 0)
        return divide(mean @ members[:, used].T, (count > 0) @ members[:, used].T.astype(float))


def contributions(evidence: Evidence, metric: str) -> Contributions:
    """Sums and counts of a metric for each parallel question, query language and pool; none of a pool that is none."""
    compute = parse_metric(metric).compute
    languages = len(evidence.languages)
    alone = compute(evidence.within).reshape(evidence.queries, languages)
    together = np.full(evidence.queries, np.nan) if evidence.divided else compute(evidence.together)
    values = np.column_stack([alone, together])
    shape = (int(evidence.group.max()) + 1, languages, languages + 1)
    total, count = np.zeros(shape), np.zeros(shape, np.int32)
    where = (evidence.group, evidence.query_language)
    np.add.at(total, where, np.nan_to_num(values))
    np.add.at(count, where, ~np.isnan(values))
    return Contributions(evidence.languages, total.reshape(shape[0], -1), count.reshape(shape[0], -1))


def check_same_counts(one: Contributions, other: Contributions) -> None:
    """Contributions can be paired where every question has the same queries.

    :raises BadResult: they have not.
    """
    if one.languages != other.languages or not np.array_equal(one.count, other.count):
        raise BadResult("The models do not hold the same queries for the same questions.")


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


def with_linear_balance(shares: Floats) -> Floats:
    """Shares [groups, cells] with those of balance put in, to first order.

    The derivative of a harmonic mean h of three by its part m is (h / m)² / 3. As h grows with its parts' common
    factor, the shares so weighted sum to h itself (Euler), so only their spread is approximate.
    """
    parts = shares[:, :BALANCE].sum(axis=0)
    balance = with_balance(parts)[BALANCE]
    slope = np.divide(balance, parts, out=np.zeros_like(parts), where=parts != 0) ** 2 / BALANCE
    return np.insert(shares, BALANCE, shares[:, :BALANCE] @ slope, axis=1)
