"""Retrieval metrics: from the ranks of the relevant candidates to one value per query and pool.

A metric prints as it parses: `map`, `ndcg@10`, `recall@100`, `mrr@10`, `mrr`, `success@1`. On scores without ties each
equals trec_eval; a cell without relevants has no value (NaN). All take a `Ranking` and return values [cells].
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from suite.arrays import Floats
from suite.errors import UnknownName
from suite.evidence import Ranking


def average_precision(ranking: Ranking, at: int | None = None) -> Floats:
    """The mean, over the relevant candidates, of the precision at each one's rank; those below `at` add nothing."""
    precision = np.where(_in_top(ranking, at), ranking.place / ranking.rank, 0.0)
    return _ratio(_sum(ranking, precision), ranking.relevants)


def ndcg(ranking: Ranking, at: int | None = None) -> Floats:
    """Gain discounted by log2(rank + 1) in the top `at`, over the best that any order could reach."""
    ideal = np.lexsort((-ranking.gain, ranking.cell))
    best = ranking._replace(rank=ranking.place, gain=ranking.gain[ideal])
    return _ratio(_discounted_gain(ranking, at), _discounted_gain(best, at))


def recall(ranking: Ranking, at: int | None = None) -> Floats:
    """The share of the relevant candidates that stand in the top `at`."""
    return _ratio(_sum(ranking, _in_top(ranking, at)), ranking.relevants)


def reciprocal_rank(ranking: Ranking, at: int | None = None) -> Floats:
    """One over the rank of the first relevant candidate, 0 where it stands below `at`."""
    first = (ranking.place == 1) & _in_top(ranking, at)
    return _ratio(_sum(ranking, first / ranking.rank), np.minimum(ranking.relevants, 1))


def success(ranking: Ranking, at: int | None = None) -> Floats:
    """1 where a relevant candidate stands in the top `at`, else 0."""
    return _ratio(_sum(ranking, (ranking.place == 1) & _in_top(ranking, at)), np.minimum(ranking.relevants, 1))


class Metric(NamedTuple):
    """A metric by the name it prints as."""

    name: str
    sentence: str
    compute: Callable[[Ranking], Floats]


_FAMILIES: dict[str, Callable[[Ranking, int | None], Floats]] = {
    "map": average_precision,
    "ndcg": ndcg,
    "recall": recall,
    "mrr": reciprocal_rank,
    "success": success,
}

NAMES = (
    "map",
    "ndcg@10",
    "recall@1",
    "recall@5",
    "recall@10",
    "recall@20",
    "recall@100",
    "mrr@10",
    "mrr",
    "success@1",
    "success@5",
    "success@10",
)
"""What every result holds, in the order of every table."""


def parse_metric(name: str) -> Metric:
    """The metric of a printed name, with any cut-off: `parse_metric("ndcg@20")`.

    :raises UnknownName: no such family, or a cut-off that is no positive number.
    """
    family, separator, cut = name.partition("@")
    if family not in _FAMILIES or (separator and not (cut.isascii() and cut.isdigit() and int(cut))):
        raise UnknownName("metric", name, NAMES, "Cut-offs are written name@number, as in ndcg@10.")
    function, at = _FAMILIES[family], int(cut) if separator else None
    sentence = (function.__doc__ or "").splitlines()[0]
    if at is None:
        sentence = re.sub(r"[,;][^,;]* below `at`[^,;.]*", "", sentence).replace("top `at`", "whole ranking")
    return Metric(name, sentence.replace("`at`", cut), lambda ranking: function(ranking, at))


def _in_top(ranking: Ranking, at: int | None) -> np.ndarray:
    return np.ones(len(ranking.rank), bool) if at is None else ranking.rank <= at


def _discounted_gain(ranking: Ranking, at: int | None) -> Floats:
    return _sum(ranking, np.where(_in_top(ranking, at), ranking.gain / np.log2(ranking.rank + 1), 0.0))


def _sum(ranking: Ranking, values: np.ndarray) -> Floats:
    total: Floats = np.bincount(ranking.cell, values, ranking.cells).astype(np.float64)
    return total


def _ratio(value: np.ndarray, base: np.ndarray) -> Floats:
    """`value / base`, and NaN in cells that hold no relevant candidate."""
    return np.divide(value, base, out=np.full(len(value), np.nan), where=base > 0)
