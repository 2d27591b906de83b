"""Whether a submission says what it shows: each score follows from the evidence, and the evidence is possible.

What a forger can still do is to invent consistent evidence; only scoring again (`suite.rerun`) finds that.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from suite.arrays import Bools, Ints
from suite.errors import BadResult, MissingData
from suite.evidence import NOBODY, Evidence
from suite.evidence_file import EVIDENCE_FILES, SHORT, evidence_file, is_evidence_of, read_evidence, shorten
from suite.pool import Pool
from suite.progress import Progress, silent
from suite.ranking import DEPTH
from suite.record import DECIMALS, read_record
from suite.rerun import Attestation, attestation_file
from suite.result import Result, TaskRecord, find_results, read_result, result_folder
from suite.sources import read_pool
from suite.sources.fetch import DATA_VARIABLE
from suite.submission import CARD, SubmissionCard, check_name, check_text
from suite.summary import score_evidence
from suite.task import Task

Level: TypeAlias = Literal["failed", "self-reported", "recomputed", "reproduced"]

NOISE = 5e-14
"""Relative; what one evidence gives on different processors differs by less than a fifth of it."""

MOST_FINDINGS = 20

_DERIVED = (
    "settings", "balance", "bias", "blind", "languages", "worst_language", "pairs", "language_mix", "language_rank",
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What was found of one file: how far it can be trusted, what is wrong, and what could not be checked here."""

    path: Path
    level: Level
    findings: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()


def verify(path: Path, data_dir: Path | None = None) -> Verdict:
    """Check one result file and the evidence beside it.

    Ids, languages and judgements are compared where the task's data is here: in `data_dir`, in the folder that
    PANGLOT_DATA names, in the download cache, or in the package. Nothing is downloaded.

    :raises BadData: the data that is here is damaged.
    """
    try:
        _check_file(path)
        return _Check(path, read_result(path), data_dir).verdict()
    except BadResult as error:
        return Verdict(path, "failed", (str(error),))


def verify_folder(folder: Path, data_dir: Path | None = None, progress: Progress = silent) -> tuple[Verdict, ...]:
    """Check all that is in the folder of one model: each result, the card, and that nothing else is there.

    :raises BadData: the data that is here is damaged.
    """
    try:
        results = list(find_results([folder]))
    except BadResult as error:
        return (Verdict(folder, "failed", (str(error),)),)
    verdicts = []
    with progress("verifying", len(results)) as advance:
        for path in results:
            verdicts.append(_at_home(verify(path, data_dir), folder))
            advance(1)
    if (folder / CARD).exists():
        verdicts.append(_verify_card(folder / CARD))
    expected = {folder / CARD, *results, *map(attestation_file, results)}
    expected |= {evidence_file(path, name) for path in results for name in EVIDENCE_FILES}
    for path in sorted(set(folder.iterdir()) - expected):
        verdicts.append(Verdict(path, "failed", ("This is no file of a submission. Remove it.",)))
    return tuple(verdicts)


def known_tasks() -> dict[str, Task]:
    """The tasks that results can be of; looked up by name, since the suite itself does not depend on them."""
    return {task.name: task for task in import_module("tasks").ALL}


def pool_of(task: Task, languages: tuple[str, ...], data_dir: Path | None = None) -> Pool | None:
    """The pool of a task in these languages if its data is here; nothing is downloaded.

    :raises BadData: the data that is here is damaged.
    """
    root = str(data_dir or os.environ.get(DATA_VARIABLE) or "")
    given = bool(root) and (not task.source.build or _holds(Path(root), task))
    if not (given or task.source.packaged or _is_cached(task)):
        return None
    return _pool(task.name, languages, root)


@lru_cache(maxsize=4)
def _pool(name: str, languages: tuple[str, ...], root: str) -> Pool | None:
    task = known_tasks()[name]
    try:
        whole = read_pool(task, (), Path(root) if root else None) if task.source.reencoded else None
        if whole and whole.fingerprint != task.fingerprint:
            return None
        return read_pool(task, languages, Path(root) if root else None)
    except MissingData:
        return None


def _is_cached(task: Task) -> bool:
    import pooch

    return _holds(Path(pooch.os_cache("panglot")), task)


def _holds(root: Path, task: Task) -> bool:
    return all((root / task.source.folder / name).is_file() for name, _ in task.source.files.values())


def _check_file(path: Path) -> None:
    """A link could show a file of the machine that checks."""
    for file in (path, attestation_file(path), *(evidence_file(path, name) for name in EVIDENCE_FILES)):
        try:
            mode = file.lstat().st_mode
        except OSError:
            continue
        if not stat.S_ISREG(mode):
            raise BadResult(f"{file} is a link or a folder, not a file.")


def _at_home(verdict: Verdict, folder: Path) -> Verdict:
    """The verdict, with a finding more if the result belongs into another folder."""
    if verdict.level == "failed":
        return verdict
    home = result_folder(folder.parent, read_result(verdict.path).model)
    if home.name == folder.resolve().name:
        return verdict
    return Verdict(verdict.path, "failed", (f"It is a result of another model; it belongs into {home.name}/.",))


def _verify_card(path: Path) -> Verdict:
    try:
        _check_file(path)
        card = read_record(path, SubmissionCard)
        models = {
            (result.model.name, result.model.revision) for result in map(read_result, find_results([path.parent]))
        }
    except BadResult as error:
        return Verdict(path, "failed", (str(error),))
    findings = []
    if models != {(card.model, card.revision)}:
        findings.append(f"It is of {card.model}@{card.revision}, the results are not.")
    unknown = sorted(set(card.training) - set(known_tasks()))
    if unknown:
        findings.append(f"training names {', '.join(unknown[:3])}, which is no task.")
    return Verdict(path, "failed" if findings else "self-reported", tuple(findings))


class _Check:
    """The checks of one result, each only where those before it left something to look at."""

    def __init__(self, path: Path, result: Result, data_dir: Path | None) -> None:
        self._path, self._result, self._data_dir = path, result, data_dir
        self._unchecked: list[str] = []

    def verdict(self) -> Verdict:
        """All checks, in order."""
        record = self._result.task
        task = known_tasks().get(record.name)
        if task is None:
            return self._failed(
                [f"task.name: '{record.name[:80]}' is no task of this suite, so nothing compares to it."]
            )
        in_order = tuple(name for name in task.languages if name in record.languages)
        if not in_order or record.languages != in_order:
            return self._failed([f"task.languages: not languages of {task.name}, in their order."])
        pool = pool_of(task, record.languages, self._data_dir)
        findings = [*_check_texts(self._result), *self._check_task(task, pool)]
        there = [evidence_file(self._path, name).exists() for name in EVIDENCE_FILES]
        if not any(there):
            return self._verdict("self-reported", findings)
        if not there[-1]:
            self._unchecked.append(f"Places {SHORT + 1} to {DEPTH} of the lists: their file is not here.")
        if self._result.evidence and not is_evidence_of(self._result.evidence, self._path):
            findings.append("evidence: the files beside it are not those that it was written with (sha256).")
        evidence = read_evidence(self._path)
        findings += check_evidence(evidence, task, record, pool)
        if not findings:
            findings += self._check_scores(evidence)
        return self._verdict("reproduced" if self._is_attested(findings) else "recomputed", findings)

    def _check_task(self, task: Task, pool: Pool | None) -> Iterator[str]:
        """The record of the task against the task itself."""
        record = self._result.task
        whole = record.languages == task.languages
        known: dict[str, Any] = {"headline": task.headline}
        known["candidates"] = sum(task.sizes[name].candidates for name in record.languages)
        if pool:
            known |= {"fingerprint": pool.fingerprint, "queries": len(pool.queries)}
        elif whole:
            known["queries"] = task.queries
            if task.fingerprint:
                known["fingerprint"] = task.fingerprint
            else:
                self._unchecked.append("The fingerprint: nobody has read this set yet.")
        else:
            self._unchecked.append("The fingerprint of these languages: the task's data is not here.")
        if not pool:
            self._unchecked.append("Ids, groups and judgements: the task's data is not here.")
        if self._result.curve:
            self._unchecked.append("The curve over dimensions: it does not follow from the evidence.")
        yield from _differences(record.model_dump(), record.model_copy(update=known).model_dump(), "task")
        stem = task.name if whole else f"{task.name}.{'-'.join(record.languages)}"
        if self._path.stem != stem:
            yield f"The file should be called {stem}.json."

    def _check_scores(self, evidence: Evidence) -> Iterator[str]:
        """Every derived number against what the evidence gives."""
        result = self._result
        try:
            scores = score_evidence(evidence, result.task.headline)
            again = Result.of(result.task, result.model, scores, result.curve, result.run)
        except (ValueError, ArithmeticError, LookupError, RuntimeWarning) as error:
            raise BadResult(f"{self._path}: no scores follow from its evidence. {str(error)[:200]}") from error
        wanted = set(_DERIVED)
        yield from _differences(result.model_dump(include=wanted), again.model_dump(include=wanted), "")

    def _is_attested(self, findings: list[str]) -> bool:
        """Whether a sample was scored again; an attestation of something else is a finding."""
        path = attestation_file(self._path)
        if not path.exists():
            return False
        attestation, result = read_record(path, Attestation), self._result
        about = (attestation.model, attestation.revision, attestation.task, attestation.fingerprint)
        same = about == (result.model.name, result.model.revision, result.task.name, result.task.fingerprint)
        if not (same and is_evidence_of(attestation.evidence, self._path) and attestation.holds):
            findings.append(f"{path.name} does not attest this evidence. Remove it, or run panglot verify --rerun.")
        return True

    def _verdict(self, level: Level, findings: Sequence[str]) -> Verdict:
        return self._failed(findings) if findings else Verdict(self._path, level, (), tuple(self._unchecked))

    def _failed(self, findings: Sequence[str]) -> Verdict:
        return Verdict(self._path, "failed", tuple(findings[:MOST_FINDINGS]), tuple(self._unchecked))


def _check_texts(result: Result) -> Iterator[str]:
    """Nothing that a person reads looks like something else."""
    for name in ("name", "revision", "library", "licence"):
        try:
            check_name(getattr(result.model, name))
        except ValueError as error:
            yield f"model.{name}: {error}."
    for where, text in _texts(result.model_dump(mode="json"), ""):
        try:
            check_text(text)
        except ValueError as error:
            yield f"{ascii(where[:80])[1:-1]}: {error}."


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every string in a JSON value, keys too, with where it stands."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield f"a key in {where}", key
            yield from _texts(inner, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, where)


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
            yield f"{where}: {stored!r} is stored, {round(again, DECIMALS)!r} follows."
    elif stored != again:
        yield f"{where}: {ascii(stored)[:60]} is stored, {ascii(again)[:60]} follows."


def check_evidence(evidence: Evidence, task: Task, record: TaskRecord, pool: Pool | None) -> list[str]:
    """What is impossible in the evidence of a task, if anything: about the items, the counts, the lists."""
    findings = list(_check_items(evidence, task, record))
    if not findings and pool:
        findings = list(_check_against_pool(evidence, pool))
    if not findings:
        counted = _counted(evidence)
        levels = _Levels(evidence, counted)
        findings = [*_check_counts(evidence, counted, levels), *_check_lists(evidence, counted, levels)]
    return findings


def _check_items(evidence: Evidence, task: Task, record: TaskRecord) -> Iterator[str]:
    """The evidence is about the task's items in the form that it has."""
    sizes = [task.sizes[name].candidates for name in record.languages]
    asked = np.bincount(evidence.query_language, minlength=len(evidence.languages))
    most = [task.sizes[name].queries for name in record.languages]
    if evidence.languages != record.languages or evidence.sizes.tolist() != sizes:
        yield f"The evidence counts other candidates than the task, which has {sizes} in {', '.join(record.languages)}."
        return
    if evidence.queries != record.queries or np.any(asked > most):
        yield f"The evidence has {evidence.queries} queries, or more in a language than the task."
    if not np.array_equal(np.unique(evidence.group), np.arange(evidence.group.max() + 1)):
        yield "The groups of queries are not numbered from 0 on."
    language = np.full(len(evidence.candidate_ids), NOBODY)
    listed = evidence.top != NOBODY
    candidates = np.concatenate([evidence.candidate, evidence.top[listed]])
    languages = np.concatenate([evidence.language, evidence.top_language[listed]])
    language[candidates] = languages
    if np.any(language[candidates] != languages):
        yield "A candidate stands in two languages."
    pairs = evidence.query.astype(np.int64) * len(evidence.candidate_ids) + evidence.candidate
    if len(np.unique(pairs)) < len(pairs):
        yield "A relevant candidate of a query stands there twice."
    numbers = (evidence.score, evidence.gain, evidence.top_score[listed])
    if not all(np.isfinite(values).all() for values in numbers) or np.any(evidence.gain <= 0):
        yield "There are scores or gains that are no numbers, or gains of 0 and less."
    if evidence.top.shape[1] not in (min(SHORT, sum(sizes)), min(DEPTH, sum(sizes))) or not listed.all():
        yield f"A list of the best is not {min(SHORT, sum(sizes))} or {min(DEPTH, sum(sizes))} candidates long."


def _check_against_pool(evidence: Evidence, pool: Pool) -> Iterator[str]:
    """The evidence is about exactly the pool's queries, relevants and candidates, in the pool's order."""
    if evidence.query_ids != pool.queries.ids:
        odd = next((id_ for id_, own in zip(evidence.query_ids, pool.queries.ids, strict=False) if id_ != own), "")
        yield f"The queries are not the task's; the first that differs is {odd[:80]!a}."
        return
    if len(evidence.query) != len(pool.query):
        yield f"There are {len(evidence.query)} relevant pairs; the task has {len(pool.query)}."
        return
    number = {id_: place for place, id_ in enumerate(pool.candidates.ids)}
    known = np.array([number.get(id_, NOBODY) for id_ in evidence.candidate_ids])
    if np.any(known == NOBODY):
        yield f"{evidence.candidate_ids[int(np.argmin(known))][:80]!a} is no candidate of the task."
        return
    columns = {
        "language of queries": (evidence.query_language, pool.queries.language),
        "group": (evidence.group, pool.group),
        "query": (evidence.query, pool.query),
        "relevant candidate": (known[evidence.candidate], pool.candidate),
        "language of candidates": (evidence.language, pool.candidates.language[pool.candidate]),
        "gain": (evidence.gain, pool.gain.astype(np.float32)),
    }
    for name, (stored, own) in columns.items():
        if not np.array_equal(stored, own):
            yield f"The column '{name}' is not the task's, first in row {int(np.argmax(stored != own))}."
    if not np.array_equal(evidence.top_language, pool.candidates.language[known[evidence.top]]):
        yield "A candidate in a list of the best has another language in the task."


def _counted(evidence: Evidence) -> Ints:
    """For each relevant and language, the candidates that score at least as high, itself too, [pairs, languages]."""
    counted = evidence.above.astype(np.int64)
    counted[np.arange(len(counted)), evidence.language] += 1
    return counted


class _Levels:
    """The relevants of each query by score, those of one score together: `order` [pairs], `first` [levels] in it.

    `level` [pairs] is the level of each pair, `opens` [levels] tells the best of its query, `floor` [levels, languages]
    what must at least be counted: what the level before counts, and the relevants of this one.
    """

    def __init__(self, evidence: Evidence, counted: Ints) -> None:
        self.order = np.lexsort((-evidence.score, evidence.query))
        query, score = evidence.query[self.order], evidence.score[self.order]
        opens = np.diff(query, prepend=-1) != 0
        self.first = np.flatnonzero(opens | (np.diff(score, prepend=np.nan) != 0))
        self.opens = opens[self.first]
        self.level = np.empty(len(query), np.int64)
        self.level[self.order] = np.repeat(np.arange(len(self.first)), np.diff(self.first, append=len(query)))
        relevants = np.zeros((len(self.first), counted.shape[1]), np.int64)
        np.add.at(relevants, (self.level, evidence.language), 1)
        self.counted = counted[self.order[self.first]]
        self.before = np.where(self.opens[:, None], 0, np.roll(self.counted, 1, axis=0))
        self.floor = self.before + relevants


def _check_counts(evidence: Evidence, counted: Ints, levels: _Levels) -> Iterator[str]:
    """The counts could come from scores: they fit into the pool, equal scores count alike, lower ones count more."""
    rules = {
        "counts fewer than none or more than there are": (evidence.above < 0) | (counted > evidence.sizes),
        "counts otherwise than another of the same score": counted != levels.counted[levels.level],
        "counts fewer than those that score higher": (levels.counted < levels.floor)[levels.level],
    }
    for rule, broken in rules.items():
        yield from _say(evidence, broken.any(axis=1), f"a relevant {rule}")


def _check_lists(evidence: Evidence, counted: Ints, levels: _Levels) -> Iterator[str]:
    """The lists of the best could come from the same scores as the counts."""
    top, scores, query = evidence.top, evidence.top_score, evidence.query
    depth = top.shape[1]
    if np.any(np.diff(np.sort(top, axis=1), axis=1) == 0):
        yield "A candidate stands twice in a list of the best."
    if np.any(np.diff(scores, axis=1) > 0):
        yield "The scores of a list of the best are not in order."
    reach = counted.sum(axis=1)
    place = _places_in_lists(evidence)
    listed = place < depth
    own = shorten(evidence.score)
    lowest = scores[query, np.clip(reach, 1, depth) - 1]
    before = levels.before.sum(axis=1)[levels.level]
    rules = {
        "stands in the list where its counts do not allow": np.where(
            listed, (place >= reach) | (place < before), reach <= depth
        ),
        "has another score than in the list": listed & (scores[query, np.minimum(place, depth - 1)] != own),
        "has a score that does not fit the list": (lowest < own) | (((reach <= depth) | listed) & (lowest != own)),
        "counts fewer of a language than the list shows": _fewer_than_listed(
            evidence, counted, np.clip(reach, 1, depth)
        ),
    }
    for rule, broken in rules.items():
        yield from _say(evidence, broken, f"a relevant {rule}")


def _places_in_lists(evidence: Evidence) -> Ints:
    """Where each relevant stands in its query's list, from 0; the length of the list if it does not, [pairs]."""
    width, depth = len(evidence.candidate_ids), evidence.top.shape[1]
    pairs = evidence.query.astype(np.int64) * width + evidence.candidate
    order = np.argsort(pairs)
    entries = (np.arange(evidence.queries)[:, None] * width + evidence.top).ravel()
    at = np.minimum(np.searchsorted(pairs[order], entries), len(pairs) - 1)
    found = np.flatnonzero(pairs[order[at]] == entries)
    place = np.full(len(pairs), depth)
    place[order[at[found]]] = found % depth
    return place


def _fewer_than_listed(evidence: Evidence, counted: Ints, reach: Ints) -> Bools:
    """Whether the first `reach` of the list have more of a language than the relevant counts, [pairs]."""
    fewer = np.zeros(len(counted), bool)
    for language in range(len(evidence.languages)):
        shown = np.cumsum(evidence.top_language == language, axis=1, dtype=np.int32)
        fewer |= shown[evidence.query, reach - 1] > counted[:, language]
    return fewer


def _say(evidence: Evidence, broken: Bools, what: str) -> Iterator[str]:
    if broken.any():
        row = int(np.argmax(broken))
        query, candidate = evidence.query_ids[evidence.query[row]], evidence.candidate_ids[evidence.candidate[row]]
        yield f"{broken.sum()} times {what}, first {candidate[:80]!a} for query {query[:80]!a} (row {row})."
