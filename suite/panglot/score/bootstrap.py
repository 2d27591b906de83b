"""Means per query language, of the data as it is and of its bootstrap draws, in one product; and what follows of them.

`ONE_DRAW` and `INTERVALS` state how draws are taken and intervals made.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats, Ints, divide

ONE_DRAW = (
    "A draw takes clusters with replacement: all questions of an article, in all languages, are one draw, "
    "because they are not independent of each other (the cluster bootstrap of Efron and Tibshirani, 1993, "
    "chapter 8)."
)
INTERVALS = (
    "An interval is the expanded percentile interval (Hesterberg, 2015, arXiv 1411.5279): the percentiles of "
    "the draws, further out the fewer the clusters are. Plain percentiles are too narrow by √((n − 1) / n) "
    "and take no account of how uncertain the spread itself is; so the share left out on each side is Φ(−√(n "
    "/ (n − 1)) × t), with t the quantile of Student's distribution with n − 1 degrees of freedom. n is the "
    "*effective* number of clusters: clusters of different size say less than as many of one size (see "
    "`effective`). With fewer than `FEWEST` there is no interval."
)

DRAWS = 1000
SEED = 20240820
LEVEL = 0.95

FEWEST = 5
"""Effective clusters below which there is no interval: too few to tell how far a score could move."""


class Score(NamedTuple):
    """A value with its 95 % bootstrap interval, which is None where there are too few clusters for one."""

    value: float
    low: float | None
    high: float | None


class Sample:
    """Queries, weighted: row 0 of every result is the data itself, the other rows are draws.

    `cluster` and `language` [queries] number the clusters and the languages, of which there are so many.
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
        """The data itself and its draws."""
        return len(self._weights)

    def means(self, values: Mapping[str, Floats]) -> dict[str, Floats]:
        """Mean of each of `values` [queries, width] over the queries of a language, [1 + draws, languages, width].

        NaN means that a query has no value in that column; a language without any has the mean NaN.
        """
        ends = np.cumsum([value.shape[1] for value in values.values()])
        means = np.full((self.rows, len(self._queries), ends[-1]), np.nan)
        for language, queries in enumerate(self._queries):
            if len(queries):
                columns = np.concatenate([value[queries] for value in values.values()], axis=1)
                means[:, language] = self._weighted(language, columns)
        return dict(zip(values, np.split(means, ends[:-1], axis=2), strict=True))

    def weights(self, values: Floats) -> Floats:
        """How much each cluster weighs in the means of `values` [queries, width], [clusters, languages, width].

        That is its part of the queries that have a value; NaN in means without any.
        """
        weights = np.zeros((self.clusters, len(self._queries), values.shape[1]))
        for language, queries in enumerate(self._queries):
            if len(queries):
                there = ~np.isnan(values[queries])
                weights[self._clusters[language], language] = np.add.reduceat(there, self._first[language], dtype=float)
        return divide(weights, weights.sum(axis=0))

    def _weighted(self, language: int, values: Floats) -> Floats:
        """Means [1 + draws, columns] of `values` [queries of the language, columns], NaN left out."""
        there = ~np.isnan(values)
        if there.all():
            there = there[:, :1]
        else:
            values = np.where(there, values, 0.0)
        weights, first = self._weights[:, self._clusters[language]], self._first[language]
        total = weights @ np.add.reduceat(values, first, axis=0)
        return divide(total, weights @ np.add.reduceat(there, first, axis=0, dtype=float))


def draw_clusters(clusters: int, draws: int = DRAWS, seed: int = SEED) -> Floats:
    """How often each cluster counts, [1 + draws, clusters]: once in the data itself, then as often as it is drawn."""
    drawn = np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), size=draws)
    return np.concatenate([np.ones((1, clusters)), drawn])


def effective(weight: Floats) -> Floats:
    """The effective number of clusters of each score, 1 / Σ w², from their weights in it, [clusters, ...].

    That is their number where all weigh the same, and less the more they differ (Kish, 1965; for clusters Carter,
    Schnepel and Steigerwald, 2017). A score to which no cluster adds anything has none.
    """
    return np.nan_to_num(divide(weight.sum(axis=0) ** 2, (weight**2).sum(axis=0)))


def macro(values: Floats, axis: int = -1) -> Floats:
    """Plain mean along an axis over what is there; NaN where nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmean(values, axis=axis)


def student(p: float, freedom: Floats) -> Floats:
    """The quantile p of Student's distribution, by its expansion around the normal one (Fisher and Cornish, 1960).

    Right to .0002 from `FEWEST` − 1 degrees of freedom on, for the p that are used here.
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
    """The share of the draws that an interval leaves out on each side; NaN where there are too few clusters for one."""
    return np.array([_tail(number) for number in np.ravel(clusters).tolist()]).reshape(np.shape(clusters))


@lru_cache(maxsize=4096)
def _tail(clusters: float) -> float:
    if clusters < FEWEST:
        return np.nan
    reach = np.sqrt(clusters / (clusters - 1)) * student((1 + LEVEL) / 2, np.array(clusters - 1))
    return NormalDist().cdf(-float(reach))


def scores_of(drawn: Floats, clusters: Floats) -> Floats:
    """Value, low and high end of the interval from [1 + draws, ...], as [..., 3].

    `clusters` [...] is the effective number of them behind each value. The ends are NaN where they are too few.
    """
    left_out = np.broadcast_to(tails(clusters), drawn.shape[1:])
    there = np.count_nonzero(~np.isnan(drawn[1:]), axis=0)
    places = np.stack([left_out, 1 - left_out]) * np.maximum(there - 1, 0)
    known = ~np.isnan(places) & (there > 0)
    below: Ints = np.where(known, places, 0).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(there - 1, 0))
    wanted = sorted({*below.ravel().tolist(), *above.ravel().tolist()})
    ordered = np.partition(drawn[1:], wanted, axis=0)  # NaN comes last
    one, other = (np.take_along_axis(ordered, place, axis=0) for place in (below, above))
    low, high = np.where(known, one + (places - below) * (other - one), np.nan)
    return np.stack([drawn[0], low, high], axis=-1)


def score_of(drawn: Floats, clusters: float | Floats) -> Score | None:
    """The score of one number from [1 + draws]; none where the data gives no value."""
    return as_score(scores_of(drawn, np.asarray(clusters)).tolist())


def as_score(three: list[float]) -> Score | None:
    """The score of value, low and high, where NaN says that there is none."""
    value, low, high = three
    if np.isnan(value):
        return None
    return Score(value, None, None) if np.isnan(low) else Score(value, low, high)
