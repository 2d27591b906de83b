"""A result computed anew from the evidence beside it: new measures, new intervals, the present format.

What was measured stays as it is: the record of the run, the model, the task, the curve and every count. A value that
would move is a sign that the evidence is not the one that the result was computed from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from pydantic import ConfigDict, Field, ValidationError

from panglot.data.catalogue import suite_tasks
from panglot.data.local import remembered_pool
from panglot.encode.card import ModelCard
from panglot.errors import BadResult
from panglot.numbers import count
from panglot.results.evidence_file import (
    OlderEvidence,
    evidence_file,
    hash_evidence,
    read_evidence,
    read_older_evidence,
    write_pairs,
)
from panglot.results.facts import can_be_scored
from panglot.results.no_answer import NoAnswerRecord
from panglot.results.record import Record, first_fault, read_record, record_text, write_record
from panglot.results.result_record import CurvePoint, ResultRecord, TaskRecord
from panglot.results.run_record import RunRecord
from panglot.retrieve.evidence import Evidence
from panglot.score.metrics import NAMES
from panglot.score.summary import score_evidence
from panglot.trust.verify import DERIVED

LARGEST_MOVE = 1e-9
"""Values that move by less are rounded otherwise; any other has changed."""


_TABLES = ("language_mix", "language_rank")
"""What a result holds in rows of plain numbers."""


class Measured(Record):
    """What a result holds that does not follow from its evidence, and the rest only as far as it is compared."""

    model_config = ConfigDict(extra="ignore")

    task: TaskRecord
    model: ModelCard
    curve: tuple[CurvePoint, ...] = ()
    no_answer: NoAnswerRecord | None = None
    run: RunRecord
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    bias: dict[str, Any] = Field(default_factory=dict)
    evidence: dict[str, str] = Field(default_factory=dict)


class Rescored(NamedTuple):
    """What became of one result."""

    path: Path
    changed: bool
    clusters: int
    added: tuple[str, ...]
    """Metrics and measures that the result did not hold."""
    moved: tuple[str, ...]
    """Values that changed; empty unless that was asked for."""
    widening: float | None
    """How many times as wide the intervals are as before, the median over all that were wider than 0."""


def rescore(path: Path, metrics: Sequence[str] = (), allow_moves: bool = False) -> Rescored:
    """Compute a result anew from its evidence, and write it if it changed.

    Clusters that the evidence does not name yet are taken from the task's data.

    :param metrics: computed besides those that the result holds and those that every result has
    :param allow_moves: whether values may change that the result holds already

    :raises BadResult: the result or its evidence cannot be read, the task's data is needed and not here, or a value
        would move and `allow_moves` is not set.
    :raises UnknownName: a metric that is not known here.
    """
    measured = read_record(path, Measured)
    before = json.loads(path.read_bytes())
    try:
        evidence, complete = read_evidence(path), True
    except OlderEvidence:
        evidence, complete = _with_clusters(path, measured.task), False
    if not can_be_scored(evidence):
        raise BadResult(f"{path}: its evidence is impossible. For details: panglot verify {path}")
    names = dict.fromkeys([*NAMES, *_held(before), *metrics])
    scores = score_evidence(evidence, measured.task.headline, list(names))
    try:
        result = ResultRecord.of(measured.task, measured.model, scores, measured.curve, measured.run)
        result = result.model_copy(update={"no_answer": measured.no_answer})
    except ValidationError as error:
        raise BadResult(f"{path} cannot be rescored. {first_fault(error)}.") from error
    after = json.loads(record_text(result))
    moved = tuple(_moves(before, after))
    if moved and not allow_moves:
        raise BadResult(
            f"{path}: {count(len(moved), 'value')} would change, first {moved[0]}. Its evidence is not what it was "
            "computed from, or a definition changed. Nothing was written; --force accepts the new values."
        )
    if not complete:
        write_pairs(path, evidence)
    result = result.model_copy(update={"evidence": _hashes(path, before)})
    changed = not complete or path.read_text(encoding="utf-8") != record_text(result)
    if changed:
        write_record(path, result)
    added = tuple(name for name in _names(after) if name not in _names(before))
    return Rescored(path, changed, scores.clusters, added, moved, _widening(before, after))


def _with_clusters(path: Path, task: TaskRecord) -> Evidence:
    """Older evidence with the clusters of the task's data."""
    known = suite_tasks().get(task.name)
    pool = remembered_pool(known, task.languages) if known else None
    if pool is None or pool.fingerprint != task.fingerprint:
        reason = "is not one of the suite" if known is None else "has no data here" if pool is None else "has changed"
        raise BadResult(
            f"{path}: its evidence does not name clusters, and they cannot be looked up, because the task {task.name} "
            f"{reason}. Get the data with panglot fetch, or pass its folder with --data-dir."
        )
    return read_older_evidence(path, dict(zip(pool.queries.ids, pool.clusters, strict=True)))


def _hashes(path: Path, before: dict[str, Any]) -> dict[str, str]:
    """The evidence that the result names: its files as they are now, and those that are named and not here."""
    named = before.get("evidence", {})
    missing = {name: sha256 for name, sha256 in named.items() if not evidence_file(path, name).exists()}
    return missing | hash_evidence(path)


def _held(record: dict[str, Any]) -> list[str]:
    """Names of the metrics of a result."""
    return [name for scores in record.get("settings", {}).values() for name in scores]


def _names(record: dict[str, Any]) -> list[str]:
    """Names of the metrics and measures of a result, each once."""
    return list(dict.fromkeys([*_held(record), *record.get("bias", {})]))


def _numbers(record: Any, where: str = "") -> Iterator[tuple[str, list[float | None]]]:
    """Every number that follows from evidence, with its place: scores as value, low and high, others alone."""
    if isinstance(record, dict):
        for key, inner in record.items():
            yield from _numbers(inner, f"{where}.{key}".lstrip("."))
    elif isinstance(record, list) and (where.startswith(_TABLES) or not _is_score(record)):
        for place, inner in enumerate(record):
            yield from _numbers(inner, f"{where}[{place}]")
    elif isinstance(record, list):
        yield where, record
    elif isinstance(record, float | int):
        yield where, [record]


def _is_score(values: list[Any]) -> bool:
    return len(values) == 3 and values[0] is not None and all(isinstance(value, float | int | None) for value in values)


def _by_place(record: dict[str, Any]) -> dict[str, list[float | None]]:
    return dict(_numbers({name: record[name] for name in DERIVED if name in record}))


def _moves(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Values of before that are gone or changed, with their places."""
    new = _by_place(after)
    for where, (old, *_) in _by_place(before).items():
        value = new.get(where, [None])[0]
        if value is None or old is None:
            yield f"{where} is gone"
        elif abs(value - old) > LARGEST_MOVE * max(1, abs(old)):
            yield f"{where} from {old!r} to {value!r}"


def _widening(before: dict[str, Any], after: dict[str, Any]) -> float | None:
    """The median ratio of the widths of intervals that are in both."""
    new = _widths(after)
    ratios = [new[where] / width for where, width in _widths(before).items() if width > 0 and where in new]
    return median(ratios) if ratios else None


def _widths(record: dict[str, Any]) -> dict[str, float]:
    ends = {where: ends for where, (_, *ends) in _by_place(record).items()}
    return {where: both[1] - both[0] for where, both in ends.items() if both and None not in both}  # type: ignore[operator]
