"""The content of a result file, one model on one task; checked when it is read, since anybody may have sent it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import Field, ValidationError, model_validator

from panglot.data.task import Task
from panglot.encode.card import ModelCard
from panglot.errors import BadData, BadResult
from panglot.fields import Count, Dimension, Label, Positive, Sha256
from panglot.results.evidence_file import EvidenceName
from panglot.results.naming import REPORTED, is_result_name
from panglot.results.no_answer import NoAnswerRecord
from panglot.results.record import FORMAT, Format, Record, first_fault, read_record
from panglot.results.run_record import RunRecord
from panglot.results.shape import (
    MOST_POINTS,
    SHARE,
    check_bias,
    check_curve_scores,
    check_languages,
    check_metric,
    check_names,
    check_pairs,
    check_settings,
    check_table,
)
from panglot.score.bootstrap import Score, as_score
from panglot.score.summary import Scores

DIVIDED = (
    "A query meets the passages of its own language only: there is no pool of all languages, hence neither cross nor "
    "multi nor language bias."
)
"""What is said beside scores of a divided task."""

VectorForm: TypeAlias = Literal["float32", "int8", "binary"]
"""What vectors can be stored as."""

Cell: TypeAlias = Score | None
ByMetric: TypeAlias = dict[str, Score]


ORIGIN = r"^(hub:[\w.-]+/[\w.-]+@[0-9a-f]{40}(\?[\w.=&%+-]+)?)?$"


class TaskRecord(Record):
    """Which content was asked; only results with one fingerprint are comparable."""

    name: Label
    fingerprint: Sha256
    headline: Label
    languages: Annotated[tuple[Label, ...], Field(min_length=1)]
    queries: Positive
    candidates: Positive
    origin: Annotated[str, Field(pattern=ORIGIN, max_length=500, exclude_if=lambda origin: not origin)] = ""
    """The set of the Hub and its revision, if the task is not built in: `hub:ORG/NAME@COMMIT?config=de`."""

    @model_validator(mode="after")
    def _check(self) -> TaskRecord:
        check_metric("headline", self.headline)
        if len(set(self.languages)) < len(self.languages):
            raise ValueError("languages: one is listed twice")
        return self


class CurvePoint(Record):
    """Headline scores of the same vectors in fewer dimensions or bits; not recomputable from the evidence."""

    dimension: Dimension
    form: VectorForm
    scores: dict[str, float]


class ResultRecord(Record):
    """One model on one task. A score is `[value, low, high]` with the ends of its 95 % bootstrap interval.

    The ends are null where too few clusters are behind a value. `clusters` is the number of them in all: units by which
    the data was drawn, as articles.
    `pairs` and the two language tables have a row for each query language and a column for each candidate language,
    in the order of `task.languages`; null where the data gives no value. `evidence` has the sha256 of each file beside
    this one; `Result.save` fills it in. The other fields are as in `Scores`.
    """

    format: Format = FORMAT
    task: TaskRecord
    model: ModelCard
    clusters: Count
    settings: dict[str, ByMetric]
    balance: ByMetric
    bias: ByMetric
    blind: dict[str, float]
    languages: dict[str, dict[str, ByMetric]]
    worst_language: str
    pairs: dict[str, tuple[tuple[Cell, ...], ...]]
    language_mix: tuple[tuple[float | None, ...], ...]
    language_rank: tuple[tuple[float | None, ...], ...]
    curve: Annotated[tuple[CurvePoint, ...], Field(max_length=MOST_POINTS)] = ()
    no_answer: NoAnswerRecord | None = None
    """None if no query is declared to have no answer."""
    evidence: dict[EvidenceName, Sha256] = Field(default_factory=dict)
    run: RunRecord

    @model_validator(mode="after")
    def _check(self) -> ResultRecord:
        names, headline, candidates = self.task.languages, self.task.headline, self.task.candidates
        check_settings(self.settings, self.balance, headline)
        check_bias("bias", self.bias, candidates)
        check_bias("blind", self.blind, candidates)
        check_languages(self.languages, names, headline, candidates)
        for role in ("queries", "candidates") if self.run.encoding else ():
            check_names(f"run.encoding.{role}", getattr(self.run.encoding, role), names)
        if self.worst_language not in names:
            raise ValueError(f"worst_language: {self.worst_language[:80]!a} is not one of task.languages")
        check_pairs(self.pairs, headline, len(names))
        check_table("language_mix", self.language_mix, len(names), SHARE)
        check_table("language_rank", self.language_rank, len(names), (-candidates, candidates))
        if self.no_answer:
            check_names("no_answer.languages", self.no_answer.languages, names)
        for place, point in enumerate(self.curve):
            check_curve_scores(f"curve[{place}].scores", point.scores, self.settings, candidates)
            if point.dimension > (self.model.dimension or point.dimension):
                raise ValueError(f"curve[{place}].dimension: is larger than that of the model, {self.model.dimension}")
        if len({(point.dimension, point.form) for point in self.curve}) < len(self.curve):
            raise ValueError("curve: two points have one dimension and form")
        return self

    @classmethod
    def of(
        cls, task: TaskRecord, model: ModelCard, scores: Scores, curve: Sequence[CurvePoint], run: RunRecord
    ) -> ResultRecord:
        """Put scores into the form of the file."""
        return cls(
            task=task,
            model=model,
            clusters=scores.clusters,
            settings=scores.settings,
            balance=scores.balance,
            bias=scores.bias,
            blind=scores.blind,
            languages=scores.languages,
            worst_language=scores.worst_language,
            pairs={metric: _cells(grid.values) for metric, grid in scores.pairs.items()},
            language_mix=_numbers(scores.language_mix),
            language_rank=_numbers(scores.language_rank),
            curve=tuple(curve),
            run=run,
        )

    @property
    def divided(self) -> bool:
        """Whether queries met their own language only; a pool of one language has `multi` too."""
        return set(self.settings) == {"mono"}

    def to_dict(self) -> dict[str, Any]:
        """The scores without intervals, pairs named `query language-candidate language`."""
        names = self.task.languages
        return {
            "task": self.task.name,
            "model": self.model.label,
            "scores": {
                **{setting: _values(scores) for setting, scores in self.settings.items()},
                "bias": _values(self.bias),
                "balance": _values(self.balance),
            },
            "languages": {
                name: {setting: _values(scores) for setting, scores in settings.items()}
                for name, settings in self.languages.items()
            },
            "pairs": {
                f"{query}-{candidate}": {
                    metric: cell.value
                    for metric, grid in self.pairs.items()
                    if (cell := grid[names.index(query)][names.index(candidate)])
                }
                for query in names
                for candidate in names
            },
            **({"no_answer": self.no_answer.model_dump(mode="json")} if self.no_answer else {}),
        }


def record_task(task: Task, fingerprint: str, languages: tuple[str, ...], queries: int, candidates: int) -> TaskRecord:
    """The record of a task, before anything costs time.

    :raises BadData: it has a name, a language or a headline metric that no result can hold.
    """
    try:
        return TaskRecord(
            name=task.name,
            fingerprint=fingerprint,
            headline=task.headline,
            languages=languages,
            queries=queries,
            candidates=candidates,
            origin=task.origin,
        )
    except ValidationError as error:
        raise BadData(f"No result can be written for the task {task.name[:80]!a}. {first_fault(error)}.") from error


def read_result_record(path: Path) -> ResultRecord:
    """Read one result file.

    :raises BadResult: it is not there, too large, not JSON, or not of this form.
    """
    return read_record(path, ResultRecord)


def find_results(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the result files that the paths name: files, a model's folder, or a folder of such folders.

    :raises BadResult: a path without results.
    """
    for path in paths:
        found = [path] if path.is_file() else sorted([*path.glob("*.json"), *path.glob("*@*/*.json")])
        found = [file for file in found if is_result_name(file.name)]
        if not found:
            raise BadResult(_nothing_in(path))
        yield from found


def _nothing_in(path: Path) -> str:
    """Why a path has no results; scores that others reported are none, since nothing follows from them."""
    if path.name.endswith(REPORTED) or any(path.glob(f"*{REPORTED}")):
        return (
            f"{path} has only scores that were reported elsewhere, without evidence, so nothing can be computed from "
            "them. The leaderboard shows them: panglot board"
        )
    problem = f"No results in {path}" if path.exists() else f"{path} does not exist"
    return f"{problem}. Pass a result file, or the folder of a model."


def _cells(values: np.ndarray) -> tuple[tuple[Cell, ...], ...]:
    return tuple(tuple(as_score(cell) for cell in row) for row in values.tolist())


def _numbers(values: np.ndarray) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(None if math.isnan(number) else number for number in row) for row in values.tolist())


def _values(scores: ByMetric) -> dict[str, float]:
    return {name: score.value for name, score in scores.items()}
