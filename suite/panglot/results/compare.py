"""Two results on one task, tested against each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from panglot.data.catalogue import known_tasks
from panglot.data.local import local_pool
from panglot.errors import BadResult
from panglot.results.result import Result
from panglot.results.result_record import TaskRecord
from panglot.retrieve.evidence import Evidence
from panglot.score.comparison.comparison import Comparison
from panglot.score.comparison.paired import compare, enough_draws


def compare_results(one: Result, other: Result, metric: str | None = None) -> Comparison:
    """Whether two models differ in each setting, query language and pair; `metric` is the task's headline by default.

    Where one was asked in some of the other's languages, they are compared in the pool of these languages.

    :raises UnknownName: there is no such metric.
    :raises BadResult: the two are not about the same content, or evidence is missing or does not match.
    """
    first, second = _on_common_content(one, other)
    draws = enough_draws(len(first.languages))
    try:
        compared = compare(first, second, metric or one.record.task.headline, draws)
    except BadResult as error:
        raise BadResult(f"{one.place} and {other.place} cannot be compared. {error}") from error
    return replace(compared, task=one.task, models=(one.model.label, other.model.label))


def _on_common_content(one: Result, other: Result) -> Iterator[Evidence]:
    """The evidence of both on the same content.

    :raises BadResult: they were not asked the same; why.
    """
    first, second = one.record.task, other.record.task
    if first.name != second.name:
        raise BadResult(f"The two have no task in common: A has {first.name}, B has {second.name}.")
    smaller = min(first, second, key=lambda record: len(record.languages))
    for result in (one, other):
        record = result.record.task
        if record.fingerprint == smaller.fingerprint:
            yield result.read_evidence()
        elif _is_part(smaller, record):
            yield result.read_evidence().only(smaller.languages)
        else:
            why = f"{one.place} and {other.place} cannot be compared on {first.name}: {_difference(first, second)}."
            raise BadResult(f"{why} Score both on the same content.")


def _is_part(part: TaskRecord, whole: TaskRecord) -> bool:
    """Whether one content is that of some languages of the other, as far as the data that is here can tell."""
    task = known_tasks().get(whole.name)
    if task is None or task.divided or task.fingerprint != whole.fingerprint:
        return False
    if not {*part.languages} <= {*whole.languages}:
        return False
    pool = local_pool(task, part.languages)
    return pool is not None and pool.fingerprint == part.fingerprint


def _difference(one: TaskRecord, other: TaskRecord) -> str:
    if one.languages != other.languages:
        return f"A was asked in {', '.join(one.languages)}, B in {', '.join(other.languages)}"
    return f"its content was another (fingerprints {one.fingerprint[:12]} and {other.fingerprint[:12]})"
