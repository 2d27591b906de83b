"""Scores of a run from another system, as computed by `trec_eval -c`: a query without a list scores 0.

A run lists only the best candidates of each query. The others have no rank, so the evidence is truncated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias, TypeVar

import numpy as np

from panglot.arrays import Floats
from panglot.data.corpus import Questions, StreamedTask
from panglot.data.load import read_pool
from panglot.data.pool import NO_CANDIDATE, Pool
from panglot.data.records import Judgement, Query
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
    """Scores of a run: each metric averaged over languages and for each language, with 95 % bootstrap intervals."""

    task: str
    languages: tuple[str, ...]
    setting: Literal["mono", "multi"]
    """`mono` for tasks whose queries search their own language only, else `multi`: the pool of all languages."""
    truncated: Literal[True] = True
    """The evidence is truncated: nothing is known about candidates beyond the end of a list."""
    longest_list: Count
    queries: Count
    queries_without_list: Count
    relevant: Count
    relevant_not_listed: Count
    """Relevant candidates without a rank; they count as not found."""
    listed_outside: Count = 0
    """Listed candidates outside the pool, such as those in other languages; they occupy ranks, as in trec_eval."""
    listed_excluded: Count = 0
    """Listed candidates that the task excludes for their query; they occupy ranks too."""
    scores: dict[str, Score]
    """Mean over the languages."""
    all_queries: dict[str, float]
    """Mean over the queries of all languages: the value that trec_eval prints for `all`."""
    by_language: dict[str, dict[str, Score]]


def score_run(task: Task, lists: Lists, languages: Sequence[str] = ()) -> RunScores:
    """Score a run on a task, in all or some of its languages.

    The run uses the task's ids, such as `sw:7#0`. If a single language is chosen and all its ids start with the
    language, the run may omit this prefix: `7#0`.

    :raises UnknownName: the task does not have one of the languages.
    :raises BadResult: the run lists no query of the task, or one id both with and without its language.
    """
    chosen = task.choose(languages)
    pool = None
    if isinstance(task, StreamedTask):
        questions = _with_relevants(task.questions(task, chosen))
    else:
        pool = read_pool(task, chosen)
        questions = Questions(list(_queries(pool)), list(_judgements(pool)))
    listed = _with_language(lists, chosen[0], questions) if len(chosen) == 1 else lists
    query_languages = {query.language for query in questions.queries}
    ordered = {query: order(own) for query, own in listed.items()}
    scores = _score(task, tuple(language for language in chosen if language in query_languages), questions, ordered)
    return scores.model_copy(update=_count_invalid(pool, ordered)) if pool else scores


def _with_relevants(questions: Questions) -> Questions:
    """The questions without queries that have no relevant candidate, which trec_eval skips."""
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
    """The lists with the language prefixed to every id that lacks it, if all ids of the task start with it.

    :raises BadResult: an id occurs both with and without the language.
    """
    prefix = f"{language}:"
    ids = (id_ for judgement in questions.judgements for id_ in (judgement.query, judgement.candidate))
    if not all(id_.startswith(prefix) for id_ in ids):
        return lists

    def full(listed: Mapping[str, Listed]) -> dict[str, Listed]:
        named = {id_ if id_.startswith(prefix) else f"{prefix}{id_}": value for id_, value in listed.items()}
        if len(named) < len(listed):
            short = next(id_ for id_ in listed if f"{prefix}{id_}" in listed)
            raise BadResult(f"The run has both '{short}' and '{prefix}{short}', which are the same id.")
        return named

    return full({query: full(own) for query, own in lists.items()})


def _count_invalid(pool: Pool, ordered: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Number of listed candidates that are outside the pool, or excluded for their query."""
    in_pool = set(pool.candidates.ids)
    lists = [ordered.get(query, ()) for query in pool.queries.ids]
    excluded = pool.excluded.tolist() if len(pool.excluded) else [NO_CANDIDATE] * len(lists)
    return {
        "listed_outside": sum(id_ not in in_pool for own in lists for id_ in own),
        "listed_excluded": sum(
            place != NO_CANDIDATE and pool.candidates.ids[place] in own
            for place, own in zip(excluded, lists, strict=True)
        ),
    }


def _score(
    task: Task, languages: tuple[str, ...], questions: Questions, ordered: Mapping[str, Sequence[str]]
) -> RunScores:
    known = {query.id for query in questions.queries}
    if not known & set(ordered):
        raise BadResult(
            f"The run has no queries of {task.name} ({', '.join(languages)}). Its first query id is "
            f"'{next(iter(ordered))[:80]}', the task's is '{questions.queries[0].id}'. Use the task's ids."
        )
    ranking = _ranking(questions, ordered)
    names = tuple(dict.fromkeys([*NAMES, task.headline]))
    values = np.stack([parse_metric(name).compute(ranking) for name in names], axis=1)
    sample = _sample(questions, languages)
    drawn, weights = sample.means({"metrics": values})["metrics"], sample.weights(values[:, :1])[..., 0]
    return RunScores(
        task=task.name,
        languages=languages,
        setting="mono" if isinstance(task, StreamedTask) else "multi",
        longest_list=max(len(ordered[query]) for query in known & set(ordered)),
        queries=len(known),
        queries_without_list=len(known - set(ordered)),
        relevant=len(ranking.rank),
        relevant_not_listed=int(np.isinf(ranking.rank).sum()),
        scores=_named_scores(names, macro(drawn, 1), effective(macro(weights))),
        all_queries=dict(zip(names, values.mean(axis=0).tolist(), strict=True)),
        by_language={
            language: _named_scores(names, drawn[:, place], effective(weights[:, place]))
            for place, language in enumerate(languages)
        },
    )


def _ranking(questions: Questions, ordered: Mapping[str, Sequence[str]]) -> Ranking:
    """Ranks of the relevant candidates, infinite for those that are not listed. A cell is a query."""
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
    """The bootstrap sample of the queries, with clusters and languages as indices."""
    clusters = [query.group if query.cluster is None else query.cluster for query in questions.queries]
    number = {language: place for place, language in enumerate(languages)}
    language_of = np.array([number[query.language] for query in questions.queries])
    return Sample(np.unique(clusters, return_inverse=True)[1], language_of, len(languages))


def _named_scores(names: Sequence[str], drawn: Floats, clusters: Floats) -> dict[str, Score]:
    """The score of each metric, from values [1 + draws, metrics] and the effective number of clusters."""
    scores = {name: score_of(drawn[:, place], clusters) for place, name in enumerate(names)}
    return {name: score for name, score in scores.items() if score}


def order(listed: dict[str, float]) -> list[str]:
    """Order one list like trec_eval: by descending 32-bit score, then by descending id."""
    with np.errstate(over="ignore"):
        scores = np.array([*listed.values()], np.float32).tolist()
    return [
        id_
        for _, _, id_ in sorted(
            ((score, id_.encode(), id_) for id_, score in zip(listed, scores, strict=True)), reverse=True
        )
    ]
