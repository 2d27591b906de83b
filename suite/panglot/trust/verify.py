"""Whether a result says what it shows: each score follows from the evidence, and the evidence is possible.

What a forger can still do is to invent consistent evidence; only scoring again (`panglot.trust.rerun`) finds that.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from panglot.data.catalogue import suite_tasks
from panglot.data.local import remembered_pool
from panglot.data.pool import Pool
from panglot.data.task import Task
from panglot.errors import BadResult
from panglot.fields import check_name
from panglot.lookalikes import imitated
from panglot.results.evidence_file import (
    EVIDENCE_FILES,
    SHORT,
    evidence_file,
    is_evidence_of,
    read_evidence,
    read_facts,
)
from panglot.results.facts import check_facts, check_record
from panglot.results.naming import result_stem, stem_of
from panglot.results.record import DECIMALS, read_record
from panglot.results.result_record import ResultRecord, read_result_record
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import DEPTH
from panglot.score.bias import HEADLINES
from panglot.score.summary import score_evidence
from panglot.trust import attested
from panglot.trust.evidence_check import check_evidence
from panglot.trust.levels import Level
from panglot.trust.rerun import Attestation, attestation_file

NOISE = 5e-14
"""Relative; what one evidence gives on different processors differs by less than a fifth of it."""

MOST_FINDINGS = 20

DERIVED = (
    "clusters", "settings", "balance", "bias", "blind", "languages", "worst_language", "pairs", "language_mix",
    "language_rank",
)  # fmt: skip
"""What a result holds that follows from its evidence."""


@dataclass(frozen=True)
class Verdict:
    """What was found of one file: how far it can be trusted, what is wrong, and what could not be checked here."""

    path: Path
    level: Level
    findings: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    result: ResultRecord | None = field(default=None, repr=False, compare=False)
    """What the file says, if it is a result that could be read."""


Use: TypeAlias = Callable[[Path, ResultRecord, Evidence], object]
"""Takes a result file whose evidence holds, what it says, and that evidence, which can be too large to keep."""


def verify(path: Path, use: Use | None = None) -> Verdict:
    """Check one result file and the evidence beside it.

    Ids, languages and judgements are compared where the task's data is here: in the data folder, in the
    download cache, or in the package. Nothing is downloaded.

    :param use: called with the evidence if it holds, so that nobody has to read it again
    :returns: the verdict; whatever is wrong with the files is a finding, not an error
    :raises BadData: the data that is here is damaged.
    """
    result = None
    try:
        refuse_links(path)
        result = read_result_record(path)
        return _Check(path, result, use).verdict()
    except BadResult as error:
        return Verdict(path, "failed", (str(error),), result=result)


def refuse_links(path: Path) -> None:
    """Refuse links, which could show files of the machine that checks, and folders.

    :raises BadResult: the file, or one of those that belong to it, is a link or a folder.
    """
    for file in (path, attestation_file(path), *(evidence_file(path, name) for name in EVIDENCE_FILES)):
        if os.path.lexists(file) and not _is_file(file):
            raise BadResult(f"{file} is a link or a folder, not a file.")


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


class _Check:
    """The checks of one result, each only where those before it left something to look at."""

    def __init__(self, path: Path, result: ResultRecord, use: Use | None) -> None:
        self._path, self._result, self._use = path, result, use
        self._unchecked: list[str] = []

    def verdict(self) -> Verdict:
        """All checks, in order."""
        record = self._result.task
        task = suite_tasks().get(record.name)
        findings = list(check_record(self._result, task))
        if findings:
            return self._failed(findings)
        pool = remembered_pool(task, record.languages) if task else None
        findings += [*_check_names(self._result), *self._check_task(task, pool)]
        if other := imitated(record.name, suite_tasks()):
            findings.append(f"task.name: {record.name[:80]!a} can be mistaken for {other}. Rename the task.")
        there = [evidence_file(self._path, name).exists() for name in EVIDENCE_FILES]
        if not any(there):
            return self._verdict("self-reported", findings)
        if not there[-1]:
            self._unchecked.append(f"Places {SHORT + 1} to {DEPTH} of the lists: their file is missing.")
        if self._result.evidence and not is_evidence_of(self._result.evidence, self._path):
            findings.append("evidence: the files beside it do not have the sha256 that the result states.")
        findings += check_facts(self._result, read_facts(self._path), task)
        if findings:
            return self._failed(findings)
        evidence = read_evidence(self._path)
        findings += check_evidence(evidence, task, record, pool)
        if not findings:
            findings += self._check_scores(evidence)
        checked: Level = "recomputed" if pool else "consistent"
        level = "reproduced" if self._is_attested(findings) else checked
        if self._use and not findings:
            self._use(self._path, self._result, evidence)
        return self._verdict(level, findings)

    def _check_task(self, task: Task | None, pool: Pool | None) -> Iterator[str]:
        """The record of the task against the task itself."""
        record = self._result.task
        known: dict[str, Any] = {}
        if task:
            known |= {"headline": task.headline, "origin": task.origin}
            known["candidates"] = sum(task.sizes[name].candidates for name in record.languages)
        if pool:
            known |= {"fingerprint": pool.fingerprint, "queries": len(pool.queries)}
        elif task and record.languages == task.languages:
            known["queries"] = task.queries
            known["fingerprint"] = task.fingerprint or record.fingerprint
        self._note_unchecked(task, pool)
        yield from _differences(record.model_dump(), record.model_copy(update=known).model_dump(), "task")
        if self._result.no_answer and pool and not len(pool.unanswered):
            yield "no_answer: every query of this task has an answer."
        either = [result_stem(record.name, record.languages), result_stem(record.name)]
        stems = [stem_of(task, record.languages)] if task else either
        if self._path.stem not in stems:
            yield f"The file must be named {stems[-1]}.json."

    def _note_unchecked(self, task: Task | None, pool: Pool | None) -> None:
        """Say what could not be compared, and why."""
        if task is None:
            self._unchecked.append(f"The task: {self._result.task.name} is not a task in this suite.")
        elif not pool:
            if self._result.task.languages != task.languages:
                self._unchecked.append(
                    "Fingerprint and relevant pairs of these languages: the task's data is not here."
                )
            elif not task.fingerprint:
                self._unchecked.append("The fingerprint: this task has no reference fingerprint yet.")
            self._unchecked.append("Ids, groups and judgements: the task's data is not here.")
        if self._result.curve:
            self._unchecked.append("The curve over dimensions: it does not follow from the evidence.")
        if self._result.no_answer:
            self._unchecked.append("The queries that nothing answers: evidence has only the others.")

    def _check_scores(self, evidence: Evidence) -> Iterator[str]:
        """Every derived number that the file holds against what the evidence gives; it need not hold every one."""
        result = self._result
        metrics = dict.fromkeys(name for scores in result.settings.values() for name in scores)
        measures = {*result.bias, *HEADLINES}  # bias that goes unstated would pass as none
        try:
            scores = score_evidence(evidence, result.task.headline, list(metrics), measures=measures)
            again = ResultRecord.of(result.task, result.model, scores, result.curve, result.run)
        except (ValueError, ArithmeticError, LookupError, RuntimeWarning) as error:
            raise BadResult(f"{self._path}: its evidence cannot be scored. {str(error)[:200]}") from error
        wanted = set(DERIVED)
        yield from _differences(result.model_dump(include=wanted), again.model_dump(include=wanted), "")

    def _is_attested(self, findings: list[str]) -> bool:
        """Whether a sample was scored again on this machine.

        An attestation of something else is a finding. One that was made elsewhere anybody could have written: who
        vouches for it is told, and it raises no level.
        """
        path = attestation_file(self._path)
        if not path.exists():
            return False
        attestation, result = read_record(path, Attestation), self._result
        about = (attestation.model, attestation.revision, attestation.task, attestation.fingerprint)
        same = about == (result.model.name, result.model.revision, result.task.name, result.task.fingerprint)
        if not (same and is_evidence_of(attestation.evidence, self._path) and attestation.holds):
            findings.append(
                f"{path.name} attests other evidence or another model. Delete it, or run panglot verify --rerun."
            )
        elif not attested.made_here(path):
            maintainers = f"the maintainers of {self._path.resolve().parents[1].name}"
            claim = "recorded as reproduced" if attested.is_recorded(path) else "not recorded"
            self._unchecked.append(
                f"{path.name}: made on another machine, {claim} by {maintainers}. To score a sample on this one, run "
                "panglot verify --rerun."
            )
            return False
        return True

    def _verdict(self, level: Level, findings: Sequence[str]) -> Verdict:
        if findings:
            return self._failed(findings)
        return Verdict(self._path, level, (), tuple(self._unchecked), self._result)

    def _failed(self, findings: Sequence[str]) -> Verdict:
        found = tuple(findings[:MOST_FINDINGS])
        return Verdict(self._path, "failed", found, tuple(self._unchecked), self._result)


def _check_names(result: ResultRecord) -> Iterator[str]:
    """Nothing that people call the model looks like something else."""
    for name in ("name", "revision", "library", "licence"):
        try:
            check_name(getattr(result.model, name))
        except ValueError as error:
            yield f"model.{name}: {error}."


def _differences(stored: Any, again: Any, where: str) -> Iterator[str]:
    """Where two nested values differ by more than rounding and the noise of different processors."""
    if isinstance(stored, dict) and isinstance(again, dict):
        for key in sorted(set(stored) | set(again)):
            if key not in stored or key not in again:
                yield f"{where}.{key}"[:120].lstrip(".") + f": is {'missing' if key in again else 'not expected'}."
            else:
                yield from _differences(stored[key], again[key], f"{where}.{key}".lstrip("."))
    elif isinstance(stored, list | tuple) and isinstance(again, list | tuple) and len(stored) == len(again):
        for place, (one, other) in enumerate(zip(stored, again, strict=True)):
            yield from _differences(one, other, f"{where}[{place}]")
    elif isinstance(stored, float) and isinstance(again, float):
        if not abs(stored - again) <= 10**-DECIMALS / 2 + NOISE * max(1, abs(again)):
            yield f"{where}: {stored!r} was found, {round(again, DECIMALS)!r} was expected."
    elif stored != again:
        yield f"{where}: {ascii(stored)[:60]} was found, {ascii(again)[:60]} was expected."
