"""Whether evidence is about what its result and its task say: compared before a column of it is read.

A result, its evidence and the task each state the languages, the candidates of each and whether the task is divided;
the task knows how many relevant pairs there are besides. Who lies about one of them is found here, with or without the
task's data.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from panglot.data.task import Task
from panglot.errors import BadResult
from panglot.results.evidence_file import EvidenceFacts, read_evidence, read_facts
from panglot.results.result_record import ResultRecord
from panglot.retrieve.evidence import NOBODY, Evidence


def read_evidence_of(path: Path, result: ResultRecord, task: Task | None = None) -> Evidence:
    """Read the evidence beside a result file and check that it is about the result, and the task if that is known.

    :param path: the result file
    :raises BadResult: a file is missing or is not evidence, or it contradicts the result or the task.
    """
    wrong = [*check_record(result, task), *check_facts(result, read_facts(path), task)]
    if wrong:
        raise BadResult(f"{path}: {wrong[0]}")
    evidence = read_evidence(path)
    if evidence.queries != result.task.queries:
        raise BadResult(f"{path}: its evidence has {evidence.queries:,} queries, the result {result.task.queries:,}.")
    if not can_be_scored(evidence):
        raise BadResult(f"{path}: its evidence is impossible. For details: panglot verify {path}")
    return evidence


def can_be_scored(evidence: Evidence) -> bool:
    """Whether every number is one that scores can be computed from; whether it is possible, `verify` finds out."""
    numbers, counts = np.concatenate([evidence.group, evidence.cluster]), evidence.above
    listed = evidence.top != NOBODY
    finite = all(np.isfinite(values).all() for values in (evidence.score, evidence.gain, evidence.top_score[listed]))
    return bool(
        finite
        and (evidence.gain > 0).all()
        and ((numbers >= 0) & (numbers < evidence.queries)).all()
        and ((counts >= 0) & (counts < evidence.sizes.sum())).all()
    )


def check_record(result: ResultRecord, task: Task | None) -> Iterator[str]:
    """Yield what a result says of its task that contradicts the task."""
    record = result.task
    if task is None:
        return
    in_order = tuple(name for name in task.languages if name in record.languages)
    if record.languages != in_order:
        yield f"task.languages: must be languages of {task.name}, in its order."
    elif result.divided != task.divided:
        yield f"settings: {', '.join(result.settings)}, but {task.name} {_is_divided(task.divided)}."


def check_facts(result: ResultRecord, facts: EvidenceFacts, task: Task | None) -> Iterator[str]:
    """Yield what evidence states of its pool that contradicts the result or the task."""
    record, sizes = result.task, facts.sizes
    if tuple(sizes) != record.languages:
        yield f"The evidence is about {', '.join(sizes)[:80]}; task.languages are {', '.join(record.languages)[:80]}."
    elif task and (odd := _other_size(facts, task)):
        yield f"The evidence counts {sizes[odd]:,} candidates in {odd}; {task.name} has {task.sizes[odd].candidates:,}."
    elif sum(sizes.values()) != record.candidates:
        yield f"The evidence counts {sum(sizes.values()):,} candidates, the result {record.candidates:,}."
    elif facts.divided != result.divided:
        yield f"The evidence {_is_divided(facts.divided)}; the settings of the result are {', '.join(result.settings)}."
    elif facts.pairs < record.queries:
        yield f"The evidence has {facts.pairs:,} relevant pairs for {record.queries:,} queries."
    elif task and record.languages == task.languages and task.relevants not in (None, facts.pairs):
        yield f"The evidence has {facts.pairs:,} relevant pairs; {task.name} has {task.relevants:,}."


def _other_size(facts: EvidenceFacts, task: Task) -> str | None:
    return next((name for name, size in facts.sizes.items() if size != task.sizes[name].candidates), None)


def _is_divided(divided: bool) -> str:
    return "is divided by language" if divided else "is not divided by language"
