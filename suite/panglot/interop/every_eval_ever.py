"""Results in the schema of Every Eval Ever 0.3.0 (arXiv 2606.14516): one record a result, and one line a query.

Files lie where its datastore has them: `data/panglot-TASK/DEVELOPER/MODEL/UUID.json`, `UUID_samples.jsonl` beside it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np

from panglot.data.catalogue import known_tasks
from panglot.interop.about import INTERVAL
from panglot.plain import plain_json
from panglot.results.result_record import ResultRecord
from panglot.retrieve.evidence import NOBODY, Evidence
from panglot.score.bias import MEASURES
from panglot.score.bootstrap import DRAWS, LEVEL, Score
from panglot.score.metrics import parse_metric
from panglot.score.settings import MEANINGS, SCORES

VERSION = "0.3.0"
LOCAL = "local"
"""The developer of models that are not named `org/name`."""

LOWER_IS_BETTER = ("rank_distance", "normalised_rank_distance")
"""The bias measures in a record: the others are best at a value in between, which the schema cannot say."""

_HUB = re.compile(r"[A-Za-z0-9](?:[\w.-]*\w)?/[A-Za-z0-9](?:[\w.-]*\w)?", re.ASCII)

LISTED = 10
"""Candidates of a query in its line, best first."""


def model_id(record: ResultRecord) -> str:
    """The model as `developer/model`, in characters that every file system takes."""
    developer, slash, name = record.model.name.partition("/")
    if not slash or not _HUB.fullmatch(record.model.name):
        developer, name = LOCAL, record.model.name
    return f"{developer}/{re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('.-') or 'unnamed'}"


def path_of(record: ResultRecord) -> str:
    """Where the record belongs, without its suffix; the same result always has the same name."""
    state = "\n".join([record.task.fingerprint, record.model.label, record.run.created])
    number = UUID(bytes=hashlib.sha256(state.encode()).digest()[:16], version=4)
    return f"data/panglot-{_slug(record.task.name)}/{model_id(record)}/{number}"


def aggregate(record: ResultRecord, source: str = "", lines: list[str] | None = None) -> dict[str, Any]:
    """The record of a result: each setting and metric with its interval, and the rank distances.

    :param source: the person or organization that measured.
    :param lines: the lines of `samples`, to which the record then refers.
    """
    found = {
        "schema_version": VERSION,
        "evaluation_id": _evaluation_id(record),
        "evaluation_timestamp": record.run.created,
        "retrieved_timestamp": _epoch(record),
        "source_metadata": {
            "source_name": "Panglot",
            "source_type": "evaluation_run",
            "source_organization_name": source or "unknown",
            "evaluator_relationship": "other",
        },
        "eval_library": {
            "name": "panglot",
            "version": record.run.panglot,
            "additional_details": {"python": record.run.python, **record.run.packages},
        },
        "model_info": _model(record),
        "evaluation_results": list(_results(record)),
    }
    if lines is not None:
        found["detailed_evaluation_results"] = {
            "format": "jsonl",
            "file_path": f"{path_of(record)}_samples.jsonl",
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest(),
            "total_rows": len(lines),
        }
    return found


def samples(record: ResultRecord, evidence: Evidence) -> Iterator[str]:
    """Yield a line of JSON for each query in the pool of all languages, or in its own language without such a pool.

    Texts are not in the evidence, and may not be free: queries and candidates are named by their ids.
    """
    setting = "multi" if "multi" in record.settings else "mono"
    ranking = evidence.together if setting == "multi" else evidence.within
    metric = record.task.headline
    scores, hits = (parse_metric(name).compute(ranking) for name in (metric, "success@1"))
    cells = np.arange(evidence.queries)
    if setting == "mono":
        cells = cells * len(evidence.languages) + evidence.query_language
    relevant: list[list[str]] = [[] for _ in range(evidence.queries)]
    for query, candidate in zip(evidence.query.tolist(), evidence.candidate.tolist(), strict=True):
        relevant[query].append(evidence.candidate_ids[candidate])
    for query, cell in enumerate(cells.tolist()):
        listed = [number for number in evidence.top[query, :LISTED].tolist() if number != NOBODY]
        key = json.dumps([evidence.query_ids[query], sorted(relevant[query])], ensure_ascii=False)
        line = json.dumps(
            {
                "schema_version": f"instance_level_eval_{VERSION}",
                "evaluation_id": _evaluation_id(record),
                "model_id": model_id(record),
                "evaluation_name": _name(record, setting),
                "evaluation_result_id": f"{setting}/{metric}",
                "sample_id": evidence.query_ids[query],
                "sample_hash": hashlib.sha256(key.encode()).hexdigest(),
                "interaction_type": "single_turn",
                "input": {"raw": evidence.query_ids[query], "reference": sorted(relevant[query])},
                "output": {"raw": [evidence.candidate_ids[number] for number in listed]},
                "messages": None,
                "answer_attribution": [],
                "evaluation": {"score": float(scores[cell]), "is_correct": bool(hits[cell] == 1)},
                "metadata": {
                    "language": evidence.languages[evidence.query_language[query]],
                    "cluster": str(evidence.cluster[query]),
                    "is_correct": "whether the first candidate is relevant",
                    "texts": "named by their ids",
                },
            },
            ensure_ascii=False,
            allow_nan=False,
        )
        yield plain_json(line)


def _results(record: ResultRecord) -> Iterator[dict[str, Any]]:
    settings = {**record.settings, "balance": record.balance}
    for setting in (name for name in SCORES if name in settings):
        for metric, score in settings[setting].items():
            family, _, cut = metric.partition("@")
            config = {
                "evaluation_description": MEANINGS[setting],
                "metric_id": metric.replace("@", "-at-"),
                "metric_name": metric,
                "metric_kind": family,
                "metric_unit": "proportion",
                "metric_parameters": {"k": int(cut)} if cut else {},
                "lower_is_better": False,
                "score_type": "continuous",
                "min_score": 0,
                "max_score": 1,
            }
            yield _result(record, setting, metric, score, config)
    sentences = {measure.name: measure.sentence for measure in MEASURES}
    for name in (name for name in LOWER_IS_BETTER if name in record.bias):
        config = {
            "evaluation_description": sentences[name],
            "metric_id": f"panglot.{name}",
            "metric_name": name.replace("_", " "),
            "metric_kind": "language_bias",
            "lower_is_better": True,
        }
        yield _result(record, "bias", name, record.bias[name], config)


def _result(record: ResultRecord, setting: str, name: str, score: Score, config: dict[str, Any]) -> dict[str, Any]:
    details: dict[str, Any] = {"score": score.value}
    if score.low is not None and score.high is not None:
        details["uncertainty"] = {
            "confidence_interval": {
                "lower": score.low,
                "upper": score.high,
                "confidence_level": LEVEL,
                "method": INTERVAL,
            },
            "num_samples": record.clusters,
            "num_bootstrap_samples": DRAWS,
        }
    return {
        "evaluation_result_id": f"{setting}/{name}",
        "evaluation_name": _name(record, setting),
        "evaluation_timestamp": record.run.created,
        "source_data": _data(record),
        "metric_config": config,
        "score_details": details,
    }


def _data(record: ResultRecord) -> dict[str, Any]:
    """Where the data of a task is from, and which content it was."""
    task, known = record.task, known_tasks().get(record.task.name)
    urls = [known.source.url] if known and known.source.url.startswith("http") else []
    return {
        "dataset_name": task.name,
        **({"source_type": "url", "url": urls} if urls else {"source_type": "other"}),
        "additional_details": {
            "fingerprint": task.fingerprint,
            "languages": ",".join(task.languages),
            "queries": str(task.queries),
            "candidates": str(task.candidates),
        },
    }


def _model(record: ResultRecord) -> dict[str, Any]:
    card = record.model
    served = card.backend.startswith(("http://", "https://"))
    details = {
        "deployment_type": "externally_managed" if served else "self_deployed",
        "model_availability": "unknown",
        "revision": card.revision,
        "settings": ", ".join(card.settings),
        "similarity": card.similarity,
        "precision": card.precision,
        "licence": card.licence,
        **{f"{role}_prompt": prompt for role, prompt in card.prompts.items()},
        **{
            name: str(value)
            for name in ("dimension", "parameters", "max_length")
            if (value := getattr(card, name)) is not None
        },
    }
    library, _, version = card.library.partition(" ")
    return {
        "name": card.name,
        "id": model_id(record),
        "developer": model_id(record).partition("/")[0],
        "inference_engine": {"name": library, "version": version},
        "additional_details": details,
    }


def _name(record: ResultRecord, setting: str) -> str:
    return f"panglot.{record.task.name}.{setting}"


def _evaluation_id(record: ResultRecord) -> str:
    return f"panglot-{record.task.name}/{model_id(record)}/{_epoch(record)}"


def _epoch(record: ResultRecord) -> str:
    """When the result was made, in seconds since 1970."""
    return str(int(datetime.fromisoformat(record.run.created).timestamp()))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip(".-") or "task"
