"""Means per query language, of the data as it is and of its bootstrap draws, in one product.

A draw takes parallel question groups with replacement: the eleven versions of one question are one draw, because they
are not independent of each other (the cluster bootstrap of Efron and Tibshirani, 1993, chapter 8).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from suite.arrays import Floats
from suite.evidence import Evidence

DRAWS = 1000
SEED = 20240820
LEVEL = 0.95


class Score(NamedTuple):
    """A value with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


class Sample:
    """The queries of an evidence, weighted: row 0 of every result is the data itself, the other rows are draws."""

    def __init__(self, evidence: Evidence, draws: int = DRAWS, seed: int = SEED) -> None:
        self._weights = draw_groups(int(evidence.group.max()) + 1, draws, seed)
        self._group = evidence.group
        self._queries = [np.flatnonzero(evidence.query_language == place) for place in range(len(evidence.languages))]

    @property
    def rows(self) -> int:
        """The data itself and its draws."""
        return len(self._weights)

    def means(self, values: Mapping[str, Floats]) -> dict[str, Floats]:
        """Mean of each of `values` [queries, width] over the queries of a language, [1 + draws, languages, width].

        NaN means that a query has no value in that column; a language without any has the mean NaN.
        """
        ends = np.cumsum([value.shape[1] for value in values.values()])
        means = np.full((len(self._weights), len(self._queries), ends[-1]), np.nan)
        for language, queries in enumerate(self._queries):
            if len(queries):
                columns = np.concatenate([value[queries] for value in values.values()], axis=1)
                means[:, language] = _weighted_means(self._weights[:, self._group[queries]], columns)
        return dict(zip(values, np.split(means, ends[:-1], axis=2), strict=True))


def draw_groups(groups: int, draws: int = DRAWS, seed: int = SEED) -> Floats:
    """How often each question counts, [1 + draws, groups]: once in the data itself, then as often as it is drawn."""
    drawn = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=draws)
    return np.concatenate([np.ones((1, groups)), drawn])


def macro(values: Floats, axis: int = -1) -> Floats:
    """Plain mean along an axis over what is there; NaN where nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmean(values, axis=axis)


def scores_of(drawn: Floats) -> Floats:
    """Value, low and high end of the 95 % interval from [1 + draws, ...], as [..., 3]."""
    tail = (1 - LEVEL) / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        quantile = np.quantile if not np.isnan(drawn).any() else np.nanquantile
        low, high = quantile(drawn[1:], [tail, 1 - tail], axis=0)
    return np.stack([drawn[0], low, high], axis=-1)


def score_of(drawn: Floats) -> Score | None:
    """The score of one number from [1 + draws]; none where the data gives no value."""
    value, low, high = scores_of(drawn).tolist()
    return None if np.isnan(value) else Score(value, low, high)


def _weighted_means(weights: Floats, values: Floats) -> Floats:
    """Means [draws, columns] of `values` [queries, columns] under `weights` [draws, queries], NaN left out."""
    there = ~np.isnan(values)
    whole = bool(there.all())
    total: Floats = weights @ (values if whole else np.where(there, values, 0.0))
    count: Floats = weights.sum(axis=1, keepdims=True) if whole else weights @ there
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
