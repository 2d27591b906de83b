"""Scores of a run that comes from elsewhere, as trec_eval gives them with `-c`: a query without a list earns 0.

A run lists the best of each query, so what it does not list has no rank: the evidence is truncated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from suite.arrays import Floats
from suite.bridge.trec import Lists, order
from suite.corpus import Questions, StreamedTask
from suite.errors import BadResult
from suite.evidence import Ranking
from suite.fields import Count
from suite.metrics import NAMES, parse_metric
from suite.pool import Judgement, Pool, Query
from suite.results.record import Record
from suite.sample import Score, draw_groups, macro, score_of
from suite.sources import read_pool
from suite.task import Task


class RunScores(Record):
    """What a run earns: each metric as a mean over languages, and of each language, with 95 % bootstrap intervals."""

    task: str
    languages: tuple[str, ...]
    setting: Literal["mono", "multi"]
    """`mono` for tasks whose queries meet their own language only, else the pool of all languages."""
    truncated: Literal[True] = True
    """The evidence is truncated: beyond the end of a list nothing is known."""
    longest_list: Count
    queries: Count
    queries_without_list: Count
    relevant: Count
    relevant_not_listed: Count
    """They have no rank, and count as not found."""
    scores: dict[str, Score]
    by_language: dict[str, dict[str, Score]]


def score_run(task: Task, lists: Lists, languages: Sequence[str] = (), data_dir: Path | None = None) -> RunScores:
    """Score a run of a task, whole or in some of its languages.

    Ids are those of the task, as in `sw:7#0`; where one language is asked they may lack it, as in `7#0`.

    :raises UnknownName: a language that the task lacks.
    :raises BadResult: the run lists no query of the task.
    """
    chosen = task.choose(languages)
    questions = _questions(task, chosen, data_dir)
    listed = _with_language(lists, chosen[0]) if len(chosen) == 1 else lists
    return _score(task, chosen, questions, {query: order(own) for query, own in listed.items()})


def _questions(task: Task, languages: Sequence[str], data_dir: Path | None) -> Questions:
    if isinstance(task, StreamedTask):
        return task.questions(task, languages, data_dir)
    pool = read_pool(task, languages, data_dir)
    return Questions(list(_queries(pool)), list(_judgements(pool)))


def _queries(pool: Pool) -> Iterable[Query]:
    for id_, language, group in zip(pool.queries.ids, pool.queries.language.tolist(), pool.groups, strict=True):
        yield Query(id_, "", pool.languages[language], group)


def _judgements(pool: Pool) -> Iterable[Judgement]:
    for query, candidate, gain in zip(pool.query.tolist(), pool.candidate.tolist(), pool.gain.tolist(), strict=True):
        yield Judgement(pool.queries.ids[query], pool.candidates.ids[candidate], gain)


def _with_language(lists: Lists, language: str) -> Lists:
    """The lists with the language in front of every id that lacks it."""

    def full(id_: str) -> str:
        return id_ if id_.startswith(f"{language}:") else f"{language}:{id_}"

    return {full(query): {full(candidate): score for candidate, score in own.items()} for query, own in lists.items()}


def _score(
    task: Task, languages: tuple[str, ...], questions: Questions, ordered: Mapping[str, Sequence[str]]
) -> RunScores:
    asked = {query.id for query in questions.queries}
    if not asked & set(ordered):
        raise BadResult(
            f"The run has no query of {task.name}, {', '.join(languages)}; its first is {next(iter(ordered))[:80]!a}, "
            f"the task's {questions.queries[0].id!a}."
        )
    ranking = _ranking(questions, ordered)
    columns = [parse_metric(name).compute(ranking) for name in NAMES]
    drawn = {language: _drawn(questions, language, np.stack(columns, axis=1)) for language in languages}
    together = macro(np.stack(list(drawn.values())), 0)
    return RunScores(
        task=task.name,
        languages=languages,
        setting="mono" if isinstance(task, StreamedTask) else "multi",
        longest_list=max(len(ordered[query]) for query in asked & set(ordered)),
        queries=len(asked),
        queries_without_list=len(asked - set(ordered)),
        relevant=len(ranking.rank),
        relevant_not_listed=int(np.isinf(ranking.rank).sum()),
        scores=_named_scores(together),
        by_language={language: _named_scores(own) for language, own in drawn.items()},
    )


def _ranking(questions: Questions, ordered: Mapping[str, Sequence[str]]) -> Ranking:
    """Ranks of the relevants, infinite where they are not listed; cell = query."""
    relevant: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in questions.judgements:
        relevant[judgement.query].append(judgement)
    rows = []
    for cell, query in enumerate(questions.queries):
        place = {id_: rank for rank, id_ in enumerate(ordered.get(query.id, ()), start=1)}
        ranked = [(place.get(judgement.candidate, np.inf), judgement.gain) for judgement in relevant[query.id]]
        rows += [(cell, rank, gain) for rank, gain in sorted(ranked)]
    cells, ranks, gains = (np.array(column) for column in zip(*rows, strict=True))
    return Ranking(cells, np.arange(len(rows)), ranks, np.empty(0), gains, len(questions.queries))


def _drawn(questions: Questions, language: str, values: Floats) -> Floats:
    """Means of the queries of a language, of the data itself and of its bootstrap draws, [1 + draws, metrics]."""
    own = np.flatnonzero([query.language == language for query in questions.queries])
    weights = draw_groups(len(own))
    return (weights @ values[own]) / weights.sum(axis=1, keepdims=True)


def _named_scores(drawn: Floats) -> dict[str, Score]:
    scores = {name: score_of(drawn[:, place]) for place, name in enumerate(NAMES)}
    return {name: score for name, score in scores.items() if score}
