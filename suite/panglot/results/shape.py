"""Bounds on the numbers of a result: known settings, metrics and measures, values in range, square tables.

They hold with evidence or without. Whatever passes can be shown, ranked, compared and drawn; whether it is true,
`panglot.trust.verify` finds out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from math import isfinite
from typing import TypeAlias, TypeVar

from panglot.errors import UnknownName
from panglot.score.bias import MEASURES
from panglot.score.bootstrap import Score
from panglot.score.metrics import NAMES, parse_metric
from panglot.score.settings import SETTINGS
from panglot.score.summary import BIAS_NAMES

SETTINGS_OF_A_LANGUAGE = (*SETTINGS, "cross_to", "bias")

ROUNDING = 1e-9
"""By how much what is computed in 64 bits, and rounded for the file, may miss its range."""

MOST_METRICS = 50
"""A run writes a dozen; each of them costs time in every check and on every page."""

MOST_POINTS = 100
"""Of a curve: thirty dimensions in each of the three forms, and the full size."""

CURVE_BIAS = "normalised_rank_distance"
"""The measure of bias that a curve may hold beside the settings."""

ByMetric: TypeAlias = Mapping[str, Score]
Range: TypeAlias = tuple[float, float]

Cell = TypeVar("Cell")

SHARE: Range = (0.0, 1.0)
_RANGES = {name: SHARE for name in BIAS_NAMES} | {measure.name: measure.range for measure in MEASURES}


def check_settings(settings: Mapping[str, ByMetric], balance: ByMetric, headline: str) -> None:
    """The overall scores: mono alone, or what goes with the pool of all; balance where all three are there.

    :raises ValueError: what is wrong with them.
    """
    check_names("settings", settings, SETTINGS)
    if set(settings) != {"mono"} and "multi" not in settings:
        raise ValueError("settings: must hold multi, or mono alone")
    for setting, scores in settings.items():
        check_metrics(f"settings.{setting}", scores, headline)
    if bool(balance) != (len(settings) == len(SETTINGS)):
        raise ValueError("balance: must have scores if mono, cross and multi all do, and none otherwise")
    if balance:
        check_metrics("balance", balance, headline, is_mean=False)


def check_metrics(where: str, scores: ByMetric, headline: str, is_mean: bool = True) -> None:
    """Scores by metric, the headline among them.

    :raises ValueError: what is wrong with them.
    """
    _check_number_of(where, scores)
    if headline not in scores:
        raise ValueError(f"{where}: lacks {headline}, the headline metric of the task")
    for metric, score in scores.items():
        check_metric(where, metric)
        check_score(f"{where}.{metric}", score, SHARE, is_mean)


def _check_number_of(where: str, metrics: Collection[str]) -> None:
    if len(metrics) > MOST_METRICS:
        raise ValueError(f"{where}: has {len(metrics):,} metrics; no result has more than {MOST_METRICS}")


def check_metric(where: str, name: str) -> None:
    """A metric by the one spelling that it prints as.

    :raises ValueError: it is none, or is spelled otherwise.
    """
    if name in NAMES:
        return
    try:
        parse_metric(name)
    except UnknownName as error:
        raise ValueError(f"{where}: {error}") from error
    if "@0" in name or not name.isascii():
        raise ValueError(f"{where}: {name!a} is not the usual spelling of the metric")


def check_bias(where: str, bias: Mapping[str, Score | float], candidates: int) -> None:
    """Measures of bias or the values of a language-blind ranker; what counts ranks ends with the candidates.

    :raises ValueError: an unknown measure, or a value out of its range.
    """
    check_names(where, bias, BIAS_NAMES)
    for name, value in bias.items():
        limits = _limits(name, candidates)
        if isinstance(value, tuple):
            check_score(f"{where}.{name}", value, limits, is_mean=False)
        else:
            check_number(f"{where}.{name}", value, limits)


def check_score(where: str, score: Score, limits: Range, is_mean: bool = True) -> None:
    """A score within its range, with the ends of its interval in order; those of a mean enclose it, or there is none.

    A bootstrap interval of what is no mean need not hold the value: a range or a deviation grows when noise is added.

    :raises ValueError: what is wrong with it.
    """
    value, low, high = score
    least, most = limits
    if low is not None and high is not None and least <= low <= value <= high <= most:
        return  # as almost every one of the many
    check_number(where, value, limits)
    if low is None and high is None:
        return
    if low is None or high is None:
        raise ValueError(f"{where}: its interval has only one end")
    check_number(where, low, limits)
    check_number(where, high, limits)
    if low > high + ROUNDING or (is_mean and not low - ROUNDING <= value <= high + ROUNDING):
        raise ValueError(f"{where}: {value} is not in its interval, {low} to {high}")


def check_number(where: str, number: float, limits: Range) -> None:
    """A number within its range.

    :raises ValueError: it is outside.
    """
    least, most = limits
    if not (isfinite(number) and least - ROUNDING <= number <= most + ROUNDING):
        raise ValueError(f"{where}: {number} is not between {least:g} and {most:g}")


def check_languages(
    languages: Mapping[str, Mapping[str, ByMetric]], names: Sequence[str], headline: str, candidates: int
) -> None:
    """The scores of each query language, for every language of the task.

    :raises ValueError: what is wrong with them.
    """
    if set(languages) != set(names):
        raise ValueError(f"languages: are not those of task.languages, {', '.join(names)}")
    for language, settings in languages.items():
        check_names(f"languages.{language}", settings, SETTINGS_OF_A_LANGUAGE)
        for setting, scores in settings.items():
            where = f"languages.{language}.{setting}"
            if setting == "bias":
                check_bias(where, scores, candidates)
            else:
                check_metrics(where, scores, headline)


def check_pairs(pairs: Mapping[str, Sequence[Sequence[Score | None]]], headline: str, languages: int) -> None:
    """A grid of scores for each metric, square in the languages; that of the headline holds at least one.

    :raises ValueError: what is wrong with them.
    """
    _check_number_of("pairs", pairs)
    if headline not in pairs:
        raise ValueError(f"pairs: lacks {headline}, the headline metric of the task")
    for metric, grid in pairs.items():
        check_metric("pairs", metric)
        for where, cell in _cells(f"pairs.{metric}", grid, languages):
            check_score(where, cell, SHARE)
    if not any(cell for row in pairs[headline] for cell in row):
        raise ValueError(f"pairs.{headline}: is empty")


def check_table(where: str, table: Sequence[Sequence[float | None]], languages: int, limits: Range) -> None:
    """A table of numbers, square in the languages.

    :raises ValueError: it is ragged, or a number is out of its range.
    """
    for place, number in _cells(where, table, languages):
        check_number(place, number, limits)


def check_curve_scores(where: str, scores: Mapping[str, float], settings: Collection[str], candidates: int) -> None:
    """The scores of one point of a curve: one for each setting of the result, and perhaps `CURVE_BIAS`.

    :raises ValueError: a score is missing, unknown or out of its range.
    """
    check_names(where, scores, (*settings, CURVE_BIAS))
    if missing := [name for name in settings if name not in scores]:
        raise ValueError(f"{where}: lacks {missing[0]}")
    for name, value in scores.items():
        check_number(f"{where}.{name}", value, SHARE if name in SETTINGS else _limits(name, candidates))


def check_names(where: str, names: Collection[str], known: Collection[str]) -> None:
    """Names of which each is known.

    :raises ValueError: one is not.
    """
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise ValueError(f"{where}: {unknown[:80]!a} is unknown; expected one of {', '.join(known)}")


def _limits(measure: str, candidates: int) -> Range:
    least, most = _RANGES[measure]
    return max(least, -candidates), min(most, candidates)


def _cells(where: str, table: Sequence[Sequence[Cell | None]], languages: int) -> Iterator[tuple[str, Cell]]:
    """The filled cells of a square table with where they are."""
    if len(table) != languages or any(len(row) != languages for row in table):
        raise ValueError(f"{where}: must have {languages} rows of {languages}, one for each of task.languages")
    for row, cells in enumerate(table):
        for column, cell in enumerate(cells):
            if cell is not None:
                yield f"{where}[{row}][{column}]", cell
