"""All scores of a result as one tidy table, a row for each; pandas is needed here only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from panglot.errors import require
from panglot.results.result_record import ResultRecord
from panglot.score.bootstrap import Score

if TYPE_CHECKING:
    import pandas

COLUMNS = ("setting", "query", "candidate", "metric", "value", "low", "high")
ALL = "*"
"""All languages; in `cross`, all others."""

Row = tuple[str, str, str, str, float, float, float]


def to_frame(record: ResultRecord) -> pandas.DataFrame:
    """A data frame with the columns `COLUMNS`.

    :raises MissingExtra: pandas is not installed.
    """
    require("pandas", "pandas", "A data frame")
    import pandas

    return pandas.DataFrame(rows(record), columns=list(COLUMNS))


def rows(record: ResultRecord) -> Iterator[Row]:
    """A row for each score: of the whole, of each query language, of each candidate language, of each pair."""
    for setting, scores in (*record.settings.items(), ("balance", record.balance), ("bias", record.bias)):
        yield from _rows(setting, ALL, ALL, scores)
    for language, settings in record.languages.items():
        for setting, scores in settings.items():
            yield from _rows(*_place(setting, language), scores)
    for row, query in enumerate(record.task.languages):
        for column, candidate in enumerate(record.task.languages):
            cells = {metric: grid[row][column] for metric, grid in record.pairs.items()}
            if query != candidate:  # pairs of one language are `mono` of that language
                yield from _rows("cross", query, candidate, {name: cell for name, cell in cells.items() if cell})


def _place(setting: str, language: str) -> tuple[str, str, str]:
    """Setting, query language and candidate language of what is known of one language."""
    if setting == "cross_to":
        return "cross", ALL, language
    return setting, language, language if setting == "mono" else ALL


def _rows(setting: str, query: str, candidate: str, scores: Mapping[str, Score]) -> Iterator[Row]:
    for metric, score in scores.items():
        low, high = (math.nan if end is None else end for end in (score.low, score.high))
        yield setting, query, candidate, metric, score.value, low, high
