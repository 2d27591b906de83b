"""Retrieval metrics: from the ranks of the relevant candidates to one value per query and pool.

Metrics are named `map`, `ndcg@10`, `recall@100`, `mrr@10`, `mrr`, `success@1`. Without ties each equals its trec_eval
counterpart. All take a `Ranking` and return values [cells], NaN for a cell without relevant candidates.

Installed packages can add metrics through entry points in the group `panglot.metrics`: functions of a `Ranking` and a
cut-off (or None), like those below. Their names start with the package's name: `my-metrics/rprec@10`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial, wraps
from typing import NamedTuple, TypeAlias

import numpy as np

from panglot.arrays import Floats
from panglot.errors import PanglotError, UnknownName
from panglot.retrieve.evidence import Ranking


def average_precision(ranking: Ranking, at: int | None = None) -> Floats:
    """The mean of the precision at the rank of each relevant candidate; those below `at` add nothing."""
    precision = np.where(_in_top(ranking, at), ranking.place / ranking.rank, 0.0)
    return _ratio(_sum(ranking, precision), ranking.relevants)


def ndcg(ranking: Ranking, at: int | None = None) -> Floats:
    """Gain discounted by log2(rank + 1) in the top `at`, divided by that of the ideal order."""
    ideal = np.lexsort((-ranking.gain, ranking.cell))
    best = ranking._replace(rank=ranking.place, gain=ranking.gain[ideal])
    return _ratio(_discounted_gain(ranking, at), _discounted_gain(best, at))


def recall(ranking: Ranking, at: int | None = None) -> Floats:
    """The share of the relevant candidates that are in the top `at`."""
    return _ratio(_sum(ranking, _in_top(ranking, at)), ranking.relevants)


def reciprocal_rank(ranking: Ranking, at: int | None = None) -> Floats:
    """One over the rank of the first relevant candidate, 0 if it is below `at`."""
    first = (ranking.place == 1) & _in_top(ranking, at)
    return _ratio(_sum(ranking, first / ranking.rank), np.minimum(ranking.relevants, 1))


def success(ranking: Ranking, at: int | None = None) -> Floats:
    """1 if a relevant candidate is in the top `at`, else 0."""
    return _ratio(_sum(ranking, (ranking.place == 1) & _in_top(ranking, at)), np.minimum(ranking.relevants, 1))


class Metric(NamedTuple):
    """A metric with its full name, such as `ndcg@10`, and a sentence that describes it."""

    name: str
    sentence: str
    compute: Callable[[Ranking], Floats]


Family: TypeAlias = Callable[[Ranking, int | None], Floats]
"""A metric as a function of a ranking and an optional cut-off."""

ENTRY_POINTS = "panglot.metrics"
"""Entry point group of metrics from installed packages."""

_FAMILIES: dict[str, Family] = {
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
"""The metrics of every result, in the order of all tables."""


def parse_metric(name: str) -> Metric:
    """The metric with this name, with any cut-off: `parse_metric("ndcg@20")`.

    :raises UnknownName: there is no such metric, or the cut-off is not a positive integer.
    :raises PanglotError: an installed package's metric cannot be imported.
    """
    family, separator, cut = name.partition("@")
    function = _installed(family) if "/" in family else _FAMILIES.get(family)
    if function is None or (separator and not (cut.isascii() and cut.isdigit() and int(cut))):
        advice = "Cut-offs are written name@number, as in ndcg@10."
        if "/" in family and function is None:
            package = family.partition("/")[0]
            advice = f"The package {package} is not installed or has no such metric (entry points {ENTRY_POINTS})."
        raise UnknownName("metric", name, NAMES, advice)
    at = int(cut) if separator else None
    sentence = (function.__doc__ or "").splitlines()[0]
    if at is None:
        sentence = re.sub(r"[,;][^,;]* below `at`[^,;.]*", "", sentence).replace("top `at`", "whole ranking")
    return Metric(name, sentence.replace("`at`", cut), lambda ranking: function(ranking, at))


def _installed(family: str) -> Family | None:
    """The metric `package/name` of an installed package, with a check of its values; None if there is none.

    :raises PanglotError: the metric cannot be imported.
    """
    from importlib.metadata import entry_points

    package, _, name = family.partition("/")
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        if not entry.dist or entry.dist.name != package:
            continue
        try:
            function: Family = entry.load()
        except Exception as error:
            raise PanglotError(
                f"The metric {family} ({entry.value}) cannot be imported. {type(error).__name__}: {error}"
            ) from error
        return wraps(function)(partial(_checked, family, function))
    return None


def _checked(family: str, function: Family, ranking: Ranking, at: int | None) -> Floats:
    values = np.asarray(function(ranking, at), np.float64)
    if values.shape != (ranking.cells,) or not np.all(np.isnan(values) | ((values >= 0) & (values <= 1))):
        raise PanglotError(
            f"The metric {family} must return one value from 0 to 1 (or NaN) for each of {ranking.cells} cells; "
            f"it returned shape {values.shape}, values from {np.nanmin(values, initial=0):g} to "
            f"{np.nanmax(values, initial=0):g}."
        )
    return values


def _in_top(ranking: Ranking, at: int | None) -> np.ndarray:
    return np.ones(len(ranking.rank), bool) if at is None else ranking.rank <= at


def _discounted_gain(ranking: Ranking, at: int | None) -> Floats:
    return _sum(ranking, np.where(_in_top(ranking, at), ranking.gain / np.log2(ranking.rank + 1), 0.0))


def _sum(ranking: Ranking, values: np.ndarray) -> Floats:
    total: Floats = np.bincount(ranking.cell, values, ranking.cells).astype(np.float64)
    return total


def _ratio(value: np.ndarray, base: np.ndarray) -> Floats:
    """`value / base`; NaN in cells without relevant candidates."""
    return np.divide(value, base, out=np.full(len(value), np.nan), where=base > 0)
