"""Evaluation results for a model's repository on the Hub: `.eval_results/*.yaml`, a list of dataset, value and source.

See https://huggingface.co/docs/hub/eval-results. Each setting of each task is one entry, with the headline metric.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from panglot.interop.about import notes, repository
from panglot.results.result_record import ResultRecord
from panglot.score.settings import SCORES


def hub_entries(results: Sequence[ResultRecord]) -> list[dict[str, Any]]:
    """The entries for results of one model; values range from 0 to 1.

    The dataset is `panglot/TASK` with the task id `SETTING`: the Hub shows the values on the model's page, and on a
    leaderboard only if the dataset is registered as a benchmark. Its revision would be a commit, which a task does not
    have; the fingerprint of its content is in the notes.
    """
    return [
        {
            "dataset": {"id": f"panglot/{record.task.name}", "task_id": setting},
            "value": round(score.value, 6),
            "date": record.run.created,
            **_source(record),
            "notes": notes(record, setting, record.task.headline, score),
        }
        for record in results
        for setting in SCORES
        if (score := {**record.settings, "balance": record.balance}.get(setting, {}).get(record.task.headline))
    ]


def _source(record: ResultRecord) -> dict[str, Any]:
    """The source of a score; the Hub does not accept one without an address."""
    address = repository()
    return {"source": {"url": address, "name": f"Panglot {record.run.panglot}"}} if address else {}


def yaml_lines(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the entries as lines of YAML; strings are quoted as in JSON, which is valid YAML."""
    for entry in entries:
        mark = "- "
        for key, value in entry.items():
            if isinstance(value, Mapping):
                yield f"{mark}{key}:"
                yield from (f"    {inner}: {json.dumps(each, ensure_ascii=False)}" for inner, each in value.items())
            else:
                yield f"{mark}{key}: {json.dumps(value, ensure_ascii=False)}"
            mark = "  "
