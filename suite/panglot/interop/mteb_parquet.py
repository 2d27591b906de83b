"""Read mteb's results from Parquet files with a row for each model, task, split and subset, and facts of the models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from panglot.errors import BadResult
from panglot.interop.field import METRICS, SCALE
from panglot.interop.mteb_field import Measured
from panglot.results.parquet import read_table

_HEAD = ("model", "revision", "task", "split", "dataset_revision", "mteb_version", "date")
RESULTS = (*_HEAD, "hf_subset", *METRICS.values())
"""Columns of a file of results; metrics are whole numbers × 100,000."""
MODELS = (
    "name",
    "revision",
    "release_date",
    "n_parameters",
    "embed_dim",
    "max_tokens",
    "open_weights",
    "license",
    "reference",
    "similarity",
    "training_datasets",
    "modalities",
)
"""Columns of a file of models, named as in mteb's metadata."""

Models = Mapping[tuple[str, str], Mapping[str, Any]]


def read_parquets(path: Path) -> tuple[list[Measured], Models]:
    """Results and models from one file, or from all Parquet files of a folder, told apart by their columns.

    :raises BadResult: a file is damaged or too large, or there are no results.
    """
    measured: list[Measured] = []
    models: dict[tuple[str, str], Mapping[str, Any]] = {}
    for file in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
        if (table := read_table(file, RESULTS)) is not None:
            measured.extend(_measured(table.to_pylist()))
        elif (table := read_table(file, MODELS)) is not None:
            models |= _models(table.to_pylist())
    if not measured:
        raise BadResult(f"{path} has no mteb results: expected the columns {', '.join(RESULTS)}.")
    return measured, models


def _measured(rows: list[dict[str, Any]]) -> Iterator[Measured]:
    def head(row: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple("" if row[name] is None else str(row[name]) for name in _HEAD)

    for (model, revision, task, split, data_revision, version, date), group in groupby(sorted(rows, key=head), head):
        named = [
            {"hf_subset": row["hf_subset"]} | {name: _share(row[name]) for name in METRICS.values()} for row in group
        ]
        what = f"{model}@{revision}, {task}, {split}"
        yield Measured(what, model, revision, task, split, data_revision, version, date, named)


def _share(number: object) -> object:
    """A metric as a share; what is not a whole number stays as it is, to be reported."""
    return number / SCALE if isinstance(number, int) else number


def _models(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """The metadata of each model revision; where several rows differ, what they differ in is left out."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        known = found.setdefault((str(row["name"]), str(row["revision"])), dict(row))
        for key in [key for key, value in row.items() if known.get(key) != value]:
            known.pop(key, None)
    return found
