"""Means per query language, of the data and of its bootstrap draws, and the intervals computed from them.

`ONE_DRAW` and `INTERVALS` describe the draws and the intervals.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from copy import copy
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats, Ints, divide

ONE_DRAW = (
    "Each draw samples clusters with replacement. All questions on one article, in all languages, form one "
    "cluster, because they are not independent of each other (the cluster bootstrap of Efron and Tibshirani, "
    "1993, chapter 8)."
)
INTERVALS = (
    "Intervals are expanded percentile intervals (Hesterberg, 2015, arXiv 1411.5279): percentiles of the draws, "
    "wider if there are fewer clusters. Plain percentiles are too narrow by √((n − 1) / n) and ignore the "
    "uncertainty of the spread itself, so the share cut off on each side is Φ(−√(n / (n − 1)) × t), where t is "
    "the quantile of Student's t distribution with n − 1 degrees of freedom. n is the *effective* number of "
    "clusters, 1 / Σ w² over the clusters' weights w: clusters of unequal size carry less information than the "
    "same number of equal ones. With fewer than 5 effective clusters no interval is given."
)

DRAWS = 1000
"""Bootstrap draws."""

MOST_MEANS = 1_500_000
"""Means computed at a time (12 MB)."""
FEWEST_ROWS = 128
"""Draws computed at a time at least, since what they share is prepared anew each time."""
SEED = 20240820
LEVEL = 0.95
"""Coverage of the intervals."""

FEWEST = 5
"""Smallest effective number of clusters that gets an interval; fewer cannot show how much a score varies."""

TOO_FEW = f"fewer than {FEWEST} effective clusters of questions"
"""Why a score has no interval, for people."""


class Score(NamedTuple):
    """A value with its 95 % bootstrap interval; `low` and `high` are None if there are too few clusters."""

    value: float
    low: float | None
    high: float | None


class Sample:
    """Queries and their bootstrap weights. Row 0 of every result is the data itself, the other rows are draws.

    `cluster` and `language` [queries] hold the index of each query's cluster and language; `languages` is the number
    of languages.
    """

    def __init__(self, cluster: Ints, language: Ints, languages: int, draws: int = DRAWS, seed: int = SEED) -> None:
        self.clusters = int(cluster.max()) + 1
        self._weights = draw_clusters(self.clusters, draws, seed)
        self._queries: list[Ints] = []
        self._first: list[Ints] = []
        self._clusters: list[Ints] = []
        for number in range(languages):
            queries = np.flatnonzero(language == number)
            queries = queries[np.argsort(cluster[queries], kind="stable")]
            clusters, first = np.unique(cluster[queries], return_index=True)
            self._queries.append(queries)
            self._first.append(first)
            self._clusters.append(clusters)

    @property
    def rows(self) -> int:
        """Rows of every result: the data itself and its draws."""
        return len(self._weights)

    def parts(self, width: int) -> Iterator[Sample]:
        """Yield the rows in parts, whose means of `width` columns are about `MOST_MEANS`; row 0 is in the first."""
        rows = max(FEWEST_ROWS, MOST_MEANS // (width * len(self._queries)))
        for first in range(0, self.rows, rows):
            part = copy(self)
            part._weights = self._weights[first : first + rows]
            yield part

    def means(self, values: Mapping[str, Floats]) -> dict[str, Floats]:
        """Mean of each of `values` [queries, width] over the queries of each language, [1 + draws, languages, width].

        NaN marks a query without a value in that column and is skipped; the mean of a language without values is NaN.
        """
        ends = np.cumsum([value.shape[1] for value in values.values()])
        means = np.full((self.rows, len(self._queries), ends[-1]), np.nan)
        for language, queries in enumerate(self._queries):
            if len(queries):
                columns = np.concatenate([value[queries] for value in values.values()], axis=1)
                means[:, language] = self._weighted(language, columns)
        return dict(zip(values, np.split(means, ends[:-1], axis=2), strict=True))

    def weights(self, values: Floats) -> Floats:
        """Weight of each cluster in the means of `values` [queries, width], [clusters, languages, width].

        The weight is the cluster's share of the queries that have a value; NaN if no query has one.
        """
        weights = np.zeros((self.clusters, len(self._queries), values.shape[1]))
        for language, queries in enumerate(self._queries):
            if len(queries):
                valid = ~np.isnan(values[queries])
                weights[self._clusters[language], language] = np.add.reduceat(valid, self._first[language], dtype=float)
        total = weights.sum(axis=0)
        weights /= np.where(total > 0, total, np.nan)  # in place: with many language pairs they are large
        return weights

    def _weighted(self, language: int, values: Floats) -> Floats:
        """Means [1 + draws, columns] of `values` [queries of the language, columns], ignoring NaN."""
        valid = ~np.isnan(values)
        if valid.all():
            valid = valid[:, :1]
        else:
            values = np.where(valid, values, 0.0)
        weights, first = self._weights[:, self._clusters[language]], self._first[language]
        total = weights @ np.add.reduceat(values, first, axis=0)
        return divide(total, weights @ np.add.reduceat(valid, first, axis=0, dtype=float))


def draw_clusters(clusters: int, draws: int = DRAWS, seed: int = SEED) -> Floats:
    """How often each cluster counts, [1 + draws, clusters]: once in row 0, then as often as the draw contains it."""
    drawn = np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), size=draws)
    return np.concatenate([np.ones((1, clusters)), drawn])


def effective(weight: Floats) -> Floats:
    """Effective number of clusters behind each score, 1 / Σ w², [...], from the clusters' weights [clusters, ...].

    It equals the number of clusters if all weights are equal, and decreases as they differ (Kish, 1965; for clusters:
    Carter, Schnepel and Steigerwald, 2017). It is 0 if no cluster contributes.
    """
    return np.nan_to_num(divide(weight.sum(axis=0) ** 2, (weight**2).sum(axis=0)))


def macro(values: Floats, axis: int = -1) -> Floats:
    """Unweighted mean of values [..., n, ...] along one axis, [...], ignoring NaN; NaN if all values are NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmean(values, axis=axis)


def student(p: float, freedom: Floats) -> Floats:
    """Quantile p of Student's t distribution, [...], for degrees of freedom [...].

    By the Cornish-Fisher expansion (Fisher and Cornish, 1960). Accurate to .0002 for at least
    `FEWEST` − 1 degrees of freedom and the values of p used in this package.
    """
    x = NormalDist().inv_cdf(p)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
        (27 * x**11 + 339 * x**9 + 930 * x**7 - 1782 * x**5 - 765 * x**3 + 17955 * x) / 368640,
    )
    return np.asarray(x + sum(term / freedom**power for power, term in enumerate(terms, start=1)))


def tails(clusters: Floats) -> Floats:
    """Share of the draws that an interval cuts off on each side, [...], by the effective number of clusters [...].

    NaN if there are too few clusters.
    """
    return np.array([_tail(number) for number in np.ravel(clusters).tolist()]).reshape(np.shape(clusters))


@lru_cache(maxsize=4096)
def _tail(clusters: float) -> float:
    if clusters < FEWEST:
        return np.nan
    reach = np.sqrt(clusters / (clusters - 1)) * student((1 + LEVEL) / 2, np.array(clusters - 1))
    return NormalDist().cdf(-float(reach))


def scores_of(drawn: Floats, clusters: Floats) -> Floats:
    """Value and both ends of the interval, [..., 3], from values [1 + draws, ...].

    `clusters` [...] is the effective number of clusters behind each value. The ends are NaN if there are too few.
    """
    cut_off = np.broadcast_to(tails(clusters), drawn.shape[1:])
    valid = np.count_nonzero(~np.isnan(drawn[1:]), axis=0)
    places = np.stack([cut_off, 1 - cut_off]) * np.maximum(valid - 1, 0)
    known = ~np.isnan(places) & (valid > 0)
    below: Ints = np.where(known, places, 0).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(valid - 1, 0))
    wanted = sorted({*below.ravel().tolist(), *above.ravel().tolist()})
    ordered = np.partition(drawn[1:], wanted, axis=0)  # NaN comes last
    one, other = (np.take_along_axis(ordered, place, axis=0) for place in (below, above))
    low, high = np.where(known, one + (places - below) * (other - one), np.nan)
    return np.stack([drawn[0], low, high], axis=-1)


def score_of(drawn: Floats, clusters: float | Floats) -> Score | None:
    """The score of one number from its values [1 + draws]; None if the data gives no value."""
    return as_score(scores_of(drawn, np.asarray(clusters)).tolist())


def as_score(three: list[float]) -> Score | None:
    """The score of [value, low, high]; NaN marks a missing value or interval."""
    value, low, high = three
    if np.isnan(value):
        return None
    return Score(value, None, None) if np.isnan(low) else Score(value, low, high)
