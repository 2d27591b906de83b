"""Compare serving policies with the pool of all languages on the same evidence, with intervals and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from panglot.arrays import Floats, Ints, divide
from panglot.errors import BadResult, UnknownName
from panglot.remedies.policies import Policy, Served, parse_policies, parse_policy
from panglot.retrieve.evidence import Evidence, Ranking
from panglot.score.bias.modality import modalities
from panglot.score.bootstrap import DRAWS, Sample, Score, as_score, effective, macro, score_of, scores_of
from panglot.score.comparison.differences import holm
from panglot.score.comparison.paired import ROUNDING, SWAPS, sign_chunks
from panglot.score.metrics import parse_metric

DEPTH = 20
"""Cut-off of recall and of completeness."""

POOL = "pool"
"""The baseline that all other policies are compared with."""

POLICIES = (POOL, "interleave", "own-first:3", "only-own")
"""Default policies."""


class Answer(NamedTuple):
    """The scores of one policy on one evidence, by measure.

    `difference` is the difference from the pool over the queries that have a value under both. `p` is its two-sided
    sign-flip test over clusters, Holm-corrected over the policies evaluated together. Both are empty for the pool
    itself. `languages` has the scores of each query language. If the policy cannot be evaluated, everything is empty
    and `why` gives the reason.
    """

    policy: Policy
    scores: dict[str, Score]
    difference: dict[str, Score]
    p: dict[str, float]
    languages: dict[str, dict[str, Score]]
    why: str = ""


def what_if(evidence: Evidence, policies: Sequence[str] = POLICIES, draws: int = DRAWS) -> tuple[Answer, ...]:
    """Evaluate policies on the evidence of one model, the pool first.

    A score is the mean over query languages of the mean over queries, with the interval of `panglot.score.bootstrap`.

    :param policies: names such as `interleave` or `own-first:3`; see `panglot.remedies.policies`.
    :param draws: bootstrap draws.
    :raises UnknownName: there is no such policy.
    :raises BadResult: the evidence has no pool of several languages or of images.
    """
    wanted = parse_policies((POOL, *policies), evidence.languages)
    sample = Sample(evidence.cluster, evidence.query_language, len(evidence.languages), draws)
    pool = _values(evidence, parse_policy(POOL).serve(evidence))
    answers: list[Answer] = []
    for policy in wanted:
        try:
            values = pool if policy.name == POOL else _values(evidence, policy.serve(evidence))
        except (BadResult, UnknownName) as error:
            answers.append(Answer(policy, {}, {}, {}, {}, str(error)))
            continue
        answers.append(_answer(evidence, sample, policy, values, {} if policy.name == POOL else pool))
    return _corrected(answers)


def as_records(model: str, task: str, answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """The policies of one model on one task as JSON-ready records; a score is a list [value, low, high]."""
    return [
        {
            "model": model,
            "task": task,
            "policy": answer.policy.name,
            "scores": answer.scores,
            "difference": answer.difference,
            "p": answer.p,
            "languages": {name: scores for name, scores in answer.languages.items() if scores},
            **({"why": answer.why} if answer.why else {}),
        }
        for answer in answers
    ]


def _values(evidence: Evidence, served: Served) -> dict[str, Floats]:
    """The values of every measure, [queries]; NaN where undefined. Images among captions are not parallel to them."""
    ranking = served.ranking
    values = {name: parse_metric(name).compute(ranking) for name in ("map", "ndcg@10", f"recall@{DEPTH}")}
    if not modalities(evidence).images:
        best, worst = _ends(ranking)
        values["rank_distance"] = worst - best
        values[f"complete@{DEPTH}"] = np.where(np.isnan(worst), np.nan, worst <= DEPTH)
    values["own_share@10"] = served.own_share
    return values


def _ends(ranking: Ranking) -> tuple[Floats, Floats]:
    """Best and worst rank of each query's parallel relevant candidates, [queries]; NaN if it has fewer than two."""
    relevants = ranking.relevants
    last = np.cumsum(relevants) - 1
    parallel = relevants > 1
    ends = np.full((2, ranking.cells), np.nan)
    ends[0, parallel] = ranking.rank[(last - relevants + 1)[parallel]]
    ends[1, parallel] = ranking.rank[last[parallel]]
    return ends[0], ends[1]


def _answer(
    evidence: Evidence, sample: Sample, policy: Policy, values: Mapping[str, Floats], pool: Mapping[str, Floats]
) -> Answer:
    scores: dict[str, Score] = {}
    languages: dict[str, dict[str, Score]] = {name: {} for name in evidence.languages}
    for name, value in values.items():
        columns = value[:, None]
        drawn, weights = sample.means({name: columns})[name][..., 0], sample.weights(columns)[..., 0]
        _store(scores, name, score_of(macro(drawn), effective(macro(weights))))
        for language, three in zip(languages, scores_of(drawn, effective(weights)).tolist(), strict=True):
            _store(languages[language], name, as_score(three))
    difference: dict[str, Score] = {}
    p: dict[str, float] = {}
    for name, before in pool.items():
        change = (values[name] - before)[:, None]
        drawn = sample.means({name: change})[name][..., 0]
        weights = sample.weights(change)[..., 0]
        _store(difference, name, score_of(macro(drawn), effective(macro(weights))))
        if name in difference:
            p[name] = sign_flip(evidence.cluster, evidence.query_language, change[:, 0], weights)
    return Answer(policy, scores, difference, p, languages)


def sign_flip(cluster: Ints, language: Ints, change: Floats, weights: Floats) -> float:
    """Two-sided p of the mean over languages of the mean of `change` [queries], flipping the sign of whole clusters.

    `cluster` and `language` [queries] index `weights` [clusters, languages], each cluster's share of a language's
    queries that have a value. Sums that differ by rounding count as equal.
    """
    there = ~np.isnan(change)
    at = cluster[there] * weights.shape[1] + language[there]
    size = weights.size
    mean = divide(np.bincount(at, change[there], size), np.bincount(at, minlength=size)).reshape(weights.shape)
    share = np.nansum(mean * weights, axis=1)  # times the number of languages, which changes no p
    least = abs(share.sum()) - ROUNDING * max(1.0, np.abs(share).sum())  # ranks are not at most 1, as scores are
    reached = total = 0
    for signs in sign_chunks(len(share), SWAPS):
        reached += int((np.abs(signs @ share) >= least).sum())
        total += len(signs)
    return reached / total


def _corrected(answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """The answers with each measure's p corrected over the policies (Holm, 1979)."""
    corrected = [dict(answer.p) for answer in answers]
    for name in {name for answer in answers for name in answer.p}:
        tested = [p for p in corrected if name in p]
        for p, value in zip(tested, holm(np.array([p[name] for p in tested])).tolist(), strict=True):
            p[name] = value
    return tuple(answer._replace(p=p) for answer, p in zip(answers, corrected, strict=True))


def _store(scores: dict[str, Score], name: str, score: Score | None) -> None:
    if score:
        scores[name] = score
