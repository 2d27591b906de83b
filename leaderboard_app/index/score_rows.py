"""A row for each score of a result: how the index holds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import pyarrow as pa

from panglot.results.reported import ReportedResult
from panglot.results.result_record import ResultRecord

ALL = ""
"""Stands in the columns `query` and `candidate` for all languages together."""


class Row(NamedTuple):
    """One score. `query` and `candidate` are languages, or ALL; a pair of one language is `mono`."""

    metric: str
    setting: str
    query: str
    candidate: str
    value: float
    low: float | None
    high: float | None


_Ends: TypeAlias = tuple[float, float | None, float | None]

_ROW = {
    "metric": pa.dictionary(pa.int32(), pa.string()),
    "setting": pa.dictionary(pa.int32(), pa.string()),
    "query": pa.dictionary(pa.int32(), pa.string()),
    "candidate": pa.dictionary(pa.int32(), pa.string()),
    "value": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
}
SCHEMA = pa.schema({"result": pa.dictionary(pa.int32(), pa.string()), "task": _ROW["metric"], **_ROW})


def result_rows(result: ResultRecord) -> Iterator[Row]:
    """Every score of a result file."""
    overall = {**result.settings, "balance": result.balance, "bias": result.bias}
    for setting, scores in overall.items():
        yield from (Row(metric, setting, ALL, ALL, *score) for metric, score in scores.items())
    for language, settings in result.languages.items():
        for setting, scores in settings.items():
            if setting != "mono":  # the pair of a language with itself
                yield from _of_language(language, setting, scores.items())
    names = result.task.languages
    for metric, grid in result.pairs.items():
        for query, row in zip(names, grid, strict=True):
            for candidate, cell in zip(names, row, strict=True):
                if cell:
                    yield Row(metric, "mono" if query == candidate else "cross", query, candidate, *cell)


def reported_rows(reported: ReportedResult) -> Iterator[Row]:
    """Every number that somebody else reports; they come without intervals."""
    overall = {**reported.settings, "balance": reported.balance, "bias": reported.bias}
    for setting, values in overall.items():
        yield from (Row(metric, setting, ALL, ALL, value, None, None) for metric, value in values.items())
    for language, settings in reported.languages.items():
        for setting, values in settings.items():
            yield from _of_language(language, setting, ((metric, (v, None, None)) for metric, v in values.items()))
    for pair, values in reported.pairs.items():
        query, _, candidate = pair.partition("-")
        if query != candidate:
            yield from (Row(metric, "cross", query, candidate, v, None, None) for metric, v in values.items())


def _of_language(language: str, setting: str, scores: Iterable[tuple[str, _Ends]]) -> Iterator[Row]:
    query = ALL if setting == "cross_to" else language
    candidate = language if setting in ("mono", "cross_to") else ALL
    for metric, score in scores:
        yield Row(metric, setting.removesuffix("_to"), query, candidate, *score)


def table_of(result: str, task: str, rows: Iterator[Row]) -> pa.Table:
    """The rows of one result, with its id and the task that it can be compared on."""
    columns: list[Sequence[object]] = list(zip(*rows, strict=True)) or [()] * len(_ROW)
    arrays = [_array(column, type_) for column, type_ in zip(columns, _ROW.values(), strict=True)]
    same = [pa.array([text] * len(arrays[0]), _ROW["metric"]) for text in (result, task)]
    return pa.table([*same, *arrays], schema=SCHEMA)


def _array(column: Sequence[object], type_: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(type_):
        return pa.array(column, pa.string()).dictionary_encode()  # a tenth of what arrow takes to do both at once
    return pa.array(column, type_)
