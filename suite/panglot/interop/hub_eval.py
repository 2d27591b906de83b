"""Evaluation results for a model's repository on the Hub: `.eval_results/*.yaml`, a list of dataset, value and source.

See https://huggingface.co/docs/hub/eval-results. Each setting of each task is one entry, with the headline metric.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from panglot.data.catalogue import known_tasks
from panglot.interop.about import notes, repository
from panglot.plain import plain_json
from panglot.results.result_record import ResultRecord
from panglot.score.settings import SCORES


def hub_entries(results: Sequence[ResultRecord], source: str = "") -> list[dict[str, Any]]:
    """The entries for results of one model; values range from 0 to 1.

    The dataset of a task whose data is on the Hub is that data set at its commit, with the task id `TASK_SETTING`; that
    of other tasks is `panglot/TASK` with the task id `SETTING` and without a revision, which would be a commit. The Hub
    shows the values on the model's page, and on a leaderboard only if the dataset is registered as a benchmark. The
    fingerprint of the content is in the notes.

    :param source: address of a page about the results; by default Panglot's repository, if the package states one.
    """
    return [
        {
            "dataset": _dataset(record, setting),
            "value": round(score.value, 6),
            "date": record.run.created,
            **_source(record, source or repository()),
            "notes": notes(record, setting, record.task.headline, score),
        }
        for record in results
        for setting in SCORES
        if (score := {**record.settings, "balance": record.balance}.get(setting, {}).get(record.task.headline))
    ]


def _dataset(record: ResultRecord, setting: str) -> dict[str, str]:
    task = known_tasks().get(record.task.name)
    stated = record.task.origin.removeprefix("hub:").partition("?")[0]
    pinned = next(filter(None, (stated, *(task.source.hub if task else ()))), "")
    if not pinned:
        return {"id": f"panglot/{record.task.name}", "task_id": setting}
    name, _, commit = pinned.partition("@")
    return {"id": name, "task_id": f"{record.task.name}_{setting}", "revision": commit}


def _source(record: ResultRecord, address: str | None) -> dict[str, Any]:
    """The source of a score; the Hub does not accept one without an address."""
    return {"source": {"url": address, "name": f"Panglot {record.run.panglot}"}} if address else {}


def yaml_lines(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the entries as lines of YAML; strings are quoted as in JSON, which is valid YAML."""
    for entry in entries:
        mark = "- "
        for key, value in entry.items():
            if isinstance(value, Mapping):
                yield f"{mark}{key}:"
                yield from (f"    {inner}: {_quoted(each)}" for inner, each in value.items())
            else:
                yield f"{mark}{key}: {_quoted(value)}"
            mark = "  "


def _quoted(value: Any) -> str:
    return plain_json(json.dumps(value, ensure_ascii=False))
