"""Scores of a run that comes from elsewhere, as trec_eval gives them with `-c`: a query without a list earns 0.

A run lists the best of each query, so what it does not list has no rank: the evidence is truncated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import numpy as np

from panglot.arrays import Floats
from panglot.data.corpus import Questions, StreamedTask
from panglot.data.load import read_pool
from panglot.data.pool import NO_CANDIDATE, Judgement, Pool, Query
from panglot.data.task import Task
from panglot.errors import BadResult
from panglot.fields import Count
from panglot.results.record import Record
from panglot.retrieve.evidence import Ranking
from panglot.score.bootstrap import Sample, Score, effective, macro, score_of
from panglot.score.metrics import NAMES, parse_metric

Lists: TypeAlias = dict[str, dict[str, float]]
"""The score of each listed candidate of each query."""

Listed = TypeVar("Listed")


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
    listed_outside: Count = 0
    """Listed candidates that are not in the pool, as those of other languages; they take places, as in trec_eval."""
    listed_excluded: Count = 0
    """Listed candidates that the task excludes for their query; they take places too."""
    scores: dict[str, Score]
    """Mean over the languages."""
    all_queries: dict[str, float]
    """Mean over the queries of all languages, which trec_eval prints for `all`."""
    by_language: dict[str, dict[str, Score]]


def score_run(task: Task, lists: Lists, languages: Sequence[str] = (), data_dir: Path | None = None) -> RunScores:
    """Score a run of a task, whole or in some of its languages.

    Ids are those of the task, as in `sw:7#0`. Where one language is asked and all its ids begin with it, they may lack
    it, as in `7#0`.

    :raises UnknownName: a language that the task lacks.
    :raises BadResult: the run lists no query of the task.
    """
    chosen = task.choose(languages)
    pool = None
    if isinstance(task, StreamedTask):
        questions = _with_relevants(task.questions(task, chosen, data_dir))
    else:
        pool = read_pool(task, chosen, data_dir)
        questions = Questions(list(_queries(pool)), list(_judgements(pool)))
    listed = _with_language(lists, chosen[0], questions) if len(chosen) == 1 else lists
    asking = {query.language for query in questions.queries}
    ordered = {query: order(own) for query, own in listed.items()}
    scores = _score(task, tuple(language for language in chosen if language in asking), questions, ordered)
    return scores.model_copy(update=_misplaced(pool, ordered)) if pool else scores


def _with_relevants(questions: Questions) -> Questions:
    """Without queries that have no relevant candidate: trec_eval leaves them out."""
    answered = {judgement.query for judgement in questions.judgements}
    return questions._replace(queries=[query for query in questions.queries if query.id in answered])


def _queries(pool: Pool) -> Iterable[Query]:
    queries = pool.queries
    for place, (id_, language) in enumerate(zip(queries.ids, queries.language.tolist(), strict=True)):
        yield Query(id_, "", pool.languages[language], pool.groups[place], cluster=pool.clusters[place])


def _judgements(pool: Pool) -> Iterable[Judgement]:
    for query, candidate, gain in zip(pool.query.tolist(), pool.candidate.tolist(), pool.gain.tolist(), strict=True):
        yield Judgement(pool.queries.ids[query], pool.candidates.ids[candidate], gain)


def _with_language(lists: Lists, language: str, questions: Questions) -> Lists:
    """The lists with the language in front of every id that lacks it, if that is how the task's ids begin.

    :raises BadResult: an id occurs with the language and without.
    """
    prefix = f"{language}:"
    ids = (id_ for judgement in questions.judgements for id_ in (judgement.query, judgement.candidate))
    if not all(id_.startswith(prefix) for id_ in ids):
        return lists

    def full(listed: Mapping[str, Listed]) -> dict[str, Listed]:
        named = {id_ if id_.startswith(prefix) else f"{prefix}{id_}": value for id_, value in listed.items()}
        if len(named) < len(listed):
            twice = next(id_ for id_ in listed if f"{prefix}{id_}" in listed)
            raise BadResult(f"The run has both the id '{twice}' and '{prefix}{twice}', which are one.")
        return named

    return full({query: full(own) for query, own in lists.items()})


def _misplaced(pool: Pool, ordered: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How many listed candidates are not in the pool, or not offered to their query."""
    offered = set(pool.candidates.ids)
    lists = [ordered.get(query, ()) for query in pool.queries.ids]
    excluded = pool.left_out.tolist() if len(pool.left_out) else [NO_CANDIDATE] * len(lists)
    return {
        "listed_outside": sum(id_ not in offered for own in lists for id_ in own),
        "listed_excluded": sum(
            place != NO_CANDIDATE and pool.candidates.ids[place] in own
            for place, own in zip(excluded, lists, strict=True)
        ),
    }


def _score(
    task: Task, languages: tuple[str, ...], questions: Questions, ordered: Mapping[str, Sequence[str]]
) -> RunScores:
    asked = {query.id for query in questions.queries}
    if not asked & set(ordered):
        raise BadResult(
            f"The run has no query of {task.name}, {', '.join(languages)}. Its first query is "
            f"'{next(iter(ordered))[:80]}', that of the task '{questions.queries[0].id}'. Use the ids of the task."
        )
    ranking = _ranking(questions, ordered)
    values = np.stack([parse_metric(name).compute(ranking) for name in NAMES], axis=1)
    sample = _sample(questions, languages)
    drawn, weights = sample.means({"it": values})["it"], sample.weights(values[:, :1])[..., 0]
    return RunScores(
        task=task.name,
        languages=languages,
        setting="mono" if isinstance(task, StreamedTask) else "multi",
        longest_list=max(len(ordered[query]) for query in asked & set(ordered)),
        queries=len(asked),
        queries_without_list=len(asked - set(ordered)),
        relevant=len(ranking.rank),
        relevant_not_listed=int(np.isinf(ranking.rank).sum()),
        scores=_named_scores(macro(drawn, 1), effective(macro(weights))),
        all_queries=dict(zip(NAMES, values.mean(axis=0).tolist(), strict=True)),
        by_language={
            language: _named_scores(drawn[:, place], effective(weights[:, place]))
            for place, language in enumerate(languages)
        },
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


def _sample(questions: Questions, languages: Sequence[str]) -> Sample:
    """The queries with their clusters and languages as numbers."""
    clusters = [query.group if query.cluster is None else query.cluster for query in questions.queries]
    number = {language: place for place, language in enumerate(languages)}
    asked = np.array([number[query.language] for query in questions.queries])
    return Sample(np.unique(clusters, return_inverse=True)[1], asked, len(languages))


def _named_scores(drawn: Floats, clusters: Floats) -> dict[str, Score]:
    """The scores of each metric, from [1 + draws, metrics] and the effective number of clusters."""
    scores = {name: score_of(drawn[:, place], clusters) for place, name in enumerate(NAMES)}
    return {name: score for name, score in scores.items() if score}


def order(listed: dict[str, float]) -> list[str]:
    """The candidates of one list as trec_eval orders them: by score in 32 bits, equal ones by id, the last first."""
    with np.errstate(over="ignore"):
        scores = np.array([*listed.values()], np.float32).tolist()
    return [
        id_
        for _, _, id_ in sorted(
            ((score, id_.encode(), id_) for id_, score in zip(listed, scores, strict=True)), reverse=True
        )
    ]
