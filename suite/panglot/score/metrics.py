"""Retrieval metrics: from the ranks of the relevant candidates to one value per query and pool.

Metrics are named `map`, `ndcg@10`, `recall@100`, `mrr@10`, `mrr`, `success@1`. Without ties each equals its trec_eval
counterpart. All take a `Ranking` and return values [cells], NaN for a cell without relevant candidates.

Installed packages can add metrics through entry points in the group `panglot.metrics`: functions of a `Ranking` and a
cut-off (or None), like those below. Their names start with the package's name: `my-metrics/rprec@10`; the first line of
the docstring describes them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import partial
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
    best = replace(ranking, rank=ranking.place, gain=ranking.gain[ideal])
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


Function: TypeAlias = Callable[[Ranking, int | None], Floats]
"""A metric as a function of a ranking and an optional cut-off."""


class Family(NamedTuple):
    """A metric with any cut-off: what it is over the whole ranking, and with a cut-off, which stands for `{k}`."""

    function: Function
    whole: str
    cut: str

    def describe(self, cut: str) -> str:
        """Return the sentence for a cut-off, such as `10` or `k`; none if it is empty."""
        return self.cut.replace("{k}", cut) if cut else self.whole


ENTRY_POINTS = "panglot.metrics"
"""Entry point group of metrics from installed packages."""

FAMILIES: dict[str, Family] = {
    "map": Family(
        average_precision,
        "The mean of the precision at the rank of each relevant candidate.",
        "The mean of the precision at the rank of each relevant candidate; those below rank {k} add nothing.",
    ),
    "ndcg": Family(
        ndcg,
        "Gain discounted by log2(rank + 1) in the whole ranking, divided by that of the ideal order.",
        "Gain discounted by log2(rank + 1) in the top {k}, divided by that of the ideal order.",
    ),
    "recall": Family(
        recall,
        "The share of the relevant candidates that are in the whole ranking.",
        "The share of the relevant candidates that are in the top {k}.",
    ),
    "mrr": Family(
        reciprocal_rank,
        "One over the rank of the first relevant candidate.",
        "One over the rank of the first relevant candidate, 0 if it is below rank {k}.",
    ),
    "success": Family(
        success,
        "1 if a relevant candidate is in the whole ranking, else 0.",
        "1 if a relevant candidate is in the top {k}, else 0.",
    ),
}
"""The built-in metrics."""

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
    found = _installed(family) if "/" in family else FAMILIES.get(family)
    if found is None or (separator and not (cut.isascii() and cut.isdigit() and int(cut))):
        advice = "Cut-offs are written name@number, as in ndcg@10."
        if "/" in family and found is None:
            package = family.partition("/")[0]
            advice = f"The package {package} is not installed or has no such metric (entry points {ENTRY_POINTS})."
        raise UnknownName("metric", name, NAMES, advice)
    function, at = found.function, int(cut) if separator else None
    return Metric(name, found.describe(cut), lambda ranking: function(ranking, at))


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
            function: Function = entry.load()
        except Exception as error:
            raise PanglotError(
                f"The metric {family} ({entry.value}) cannot be imported. {type(error).__name__}: {error}"
            ) from error
        sentence = (inspect.getdoc(function) or f"Metric of the package {package}.").partition("\n")[0]
        return Family(partial(_checked, family, function), sentence, sentence)
    return None


def _checked(family: str, function: Function, ranking: Ranking, at: int | None) -> Floats:
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
