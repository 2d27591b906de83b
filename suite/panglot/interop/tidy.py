"""Results as tidy tables, CSV or JSON Lines: a row for each score, or for each query in each pool."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from panglot.fields import no_formula
from panglot.plain import plain_json
from panglot.results.frame import ALL, COLUMNS, rows
from panglot.results.result_record import ResultRecord
from panglot.retrieve.evidence import Evidence
from panglot.score.metrics import NAMES, parse_metric

Row = Mapping[str, Any]


def score_rows(record: ResultRecord) -> Iterator[Row]:
    """Yield a row for each score of a result: what was measured, the columns of `panglot.results.frame`, the interval.

    `query` and `candidate` are languages; `*` stands for all of them, in `cross` for all others.
    """
    for row in rows(record):
        yield {**_measured(record), **dict(zip(COLUMNS, row, strict=True))}


def query_rows(record: ResultRecord, evidence: Evidence) -> Iterator[Row]:
    """Yield a row for each query in each pool of the settings that the result has, with a column for each metric.

    `cluster` numbers the units by which the data was drawn, such as articles. Pools without a relevant candidate for
    the query are omitted. The mean of a column over the queries of a language, then over languages or ordered pairs, is
    the score of the result.
    """
    metrics = [record.task.headline, *(name for name in NAMES if name != record.task.headline)]
    for setting, query, candidate, values in _cells(record, evidence, metrics):
        yield {
            **_measured(record),
            "setting": setting,
            "query": evidence.languages[evidence.query_language[query]],
            "candidate": candidate,
            "query_id": evidence.query_ids[query],
            "cluster": int(evidence.cluster[query]),
            **dict(zip(metrics, values, strict=True)),
        }


def _cells(
    record: ResultRecord, evidence: Evidence, metrics: Sequence[str]
) -> Iterator[tuple[str, int, str, Sequence[float]]]:
    """Yield setting, query, candidate language and values of each query in each pool."""
    computed = [parse_metric(name).compute for name in metrics]
    languages = evidence.languages
    if {"mono", "cross"} & record.settings.keys():
        shape = (evidence.queries, len(languages), len(metrics))
        within = np.stack([compute(evidence.within) for compute in computed], axis=-1).reshape(shape)
        for query, candidate in np.argwhere(~np.isnan(within[..., 0])).tolist():
            setting = "mono" if evidence.query_language[query] == candidate else "cross"
            if setting in record.settings:
                yield setting, query, languages[candidate], within[query, candidate].tolist()
    if "multi" in record.settings:
        together = np.stack([compute(evidence.together) for compute in computed], axis=-1)
        for query, values in enumerate(together.tolist()):
            yield "multi", query, ALL, values


def _measured(record: ResultRecord) -> dict[str, str]:
    task, model = record.task, record.model
    return {"task": task.name, "fingerprint": task.fingerprint, "model": model.name, "revision": model.state}


def table_lines(table: Iterable[Row], form: Literal["csv", "jsonl"]) -> Iterator[str]:
    """Yield the lines of a table without line ends; missing values are empty in CSV and null in JSON Lines.

    In CSV, an id that a spreadsheet would take for a formula gets an apostrophe in front; JSON Lines has it as it is.
    """
    header: list[str] = []
    for row in table:
        values = {name: None if value != value else value for name, value in row.items()}  # NaN
        if form == "jsonl":
            yield plain_json(json.dumps(values, ensure_ascii=False, allow_nan=False))
            continue
        if not header:
            header = list(values)
            yield _csv(header)
        yield _csv([no_formula(values.get(name)) for name in header])


def _csv(values: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()
