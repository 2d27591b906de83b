"""From evidence to scores: query → language or ordered pair → setting, macro at each step, all with intervals."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats
from panglot.data.image import IMAGES
from panglot.retrieve.evidence import Evidence
from panglot.score import bias
from panglot.score.bootstrap import DRAWS, Sample, Score, as_score, effective, macro, score_of, scores_of
from panglot.score.metrics import NAMES, parse_metric

MOST_MEANS = 16_000_000
"""Means of pairs of languages that are in memory at once (128 MB)."""

BIAS_NAMES = (*(measure.name for measure in bias.MEASURES), "language_spread", "language_deviation")
"""In the order of every table; the last two are over the languages' headline scores in the pool of all."""


@dataclass(frozen=True, eq=False)
class Grid:
    """One metric for every ordered pair: `values` [query languages, candidate languages, (value, low, high)]."""

    values: Floats


@dataclass(frozen=True)
class Scores:
    """All that is said of one model on one task; its intervals are over `clusters` of queries.

    `settings` holds `mono`, `cross` and `multi` by metric; `balance` their harmonic mean. `bias` maps each measure to
    its score and to what a language-blind ranker gets. `languages` repeats both for each query language (`cross` for
    queries, `cross_to` for candidates in it). `pairs` has a grid for each metric, but only for the headline where the
    evidence is narrow. `language_mix` and `language_rank`
    [query languages, candidate languages] say what the top 10 is made of and the mean rank of each language's
    relevant among its parallels, from 1. What the data gives no value for is left out: a pool with images among its
    candidates has `multi` only, one that images ask has no `mono`, and only text alone has a `balance`.
    """

    clusters: int
    settings: dict[str, dict[str, Score]]
    balance: dict[str, Score]
    bias: dict[str, Score]
    blind: dict[str, float]
    languages: dict[str, dict[str, dict[str, Score]]]
    worst_language: str
    pairs: dict[str, Grid]
    language_mix: Floats
    language_rank: Floats


def score_evidence(
    evidence: Evidence,
    headline: str,
    metrics: Sequence[str] = NAMES,
    draws: int = DRAWS,
    measures: Collection[str] = BIAS_NAMES,
) -> Scores:
    """Every setting, metric, bias measure and interval that the evidence gives, of those that are wanted."""
    sample = Sample(evidence.cluster, evidence.query_language, len(evidence.languages), draws)
    languages = _Languages(evidence.languages)
    found = _score_settings(evidence, sample, headline, metrics, languages)
    statistics = bias.statistics(evidence, measures)
    means = sample.means(statistics) | bias.of_the_whole(evidence, sample.rows)
    parallel = sample.weights(statistics["distance"])[..., 0]
    measured, blind = _bias(evidence, means, parallel, found, languages, measures)
    return Scores(
        clusters=sample.clusters,
        settings={setting: scores for setting, scores in found.settings.items() if scores},
        balance=found.balance,
        bias=measured,
        blind=blind,
        languages=languages.scores,
        worst_language=evidence.languages[int(np.nanargmin(found.by_language[0]))],
        pairs=found.pairs,
        language_mix=means["mix"][0].copy(),
        language_rank=_mean_ranks(means),
    )


class _Settings(NamedTuple):
    """The scores of each setting, balance and pairs by metric.

    `by_language` [1 + draws, languages] are the headline's means, `weights` [clusters, languages] what clusters weigh
    in them.
    """

    settings: dict[str, dict[str, Score]]
    balance: dict[str, Score]
    pairs: dict[str, Grid]
    by_language: Floats
    weights: Floats


def _score_settings(
    evidence: Evidence, sample: Sample, headline: str, metrics: Sequence[str], languages: _Languages
) -> _Settings:
    """Every metric in every setting; the means of pairs are gone when it returns, since they can be large."""
    wanted = _settings_of(evidence)
    by_language: Floats = np.empty((0, 0))
    weights = _weights(evidence, sample, headline)
    clusters = {setting: effective(of_mean) for setting, of_mean in weights.items()}
    behind = {setting: effective(of_mean) for setting, of_mean in _overall(weights).items()}
    compared = "cross_to" if _is_asked_by_images(evidence) else "multi"
    found = _Settings({setting: {} for setting in wanted}, {}, {}, by_language, weights[compared])
    for metric, drawn in _by_metric(evidence, sample, metrics):
        overall = _overall(drawn)
        for setting in wanted:
            _store(found.settings[setting], metric, overall[setting], behind[setting])
            languages.put(setting, metric, drawn[setting], clusters[setting])
        if "cross" in wanted:
            _store(found.balance, metric, _harmonic_mean(np.stack(list(overall.values()))), min(behind.values()))
            languages.put("cross_to", metric, drawn["cross_to"], clusters["cross_to"])
        if metric == headline or not evidence.narrow:
            found.pairs[metric] = Grid(scores_of(drawn["pairs"], clusters["pairs"]))
        if metric == headline:
            by_language = drawn[compared].copy()
    return found._replace(by_language=by_language)


def _weights(evidence: Evidence, sample: Sample, headline: str) -> dict[str, Floats]:
    """How much each cluster weighs in the means of `_settings`, [clusters, ...]: averaged as the scores are."""
    values = _per_query(evidence, [headline])
    return _settings(evidence, {name: sample.weights(value) for name, value in values.items()}, headline)


def _overall(by_language: Mapping[str, Floats]) -> dict[str, Floats]:
    """The settings' means over languages or pairs, [rows], from those of `_settings`."""
    return {
        "mono": macro(by_language["mono"]),
        "cross": _pair_mean(by_language["pairs"]),
        "multi": macro(by_language["multi"]),
    }


def _by_metric(evidence: Evidence, sample: Sample, metrics: Sequence[str]) -> Iterator[tuple[str, dict[str, Floats]]]:
    """Each metric's means over queries, of as many metrics in one product as `MOST_MEANS` allows."""
    together = max(1, MOST_MEANS // (sample.rows * len(evidence.languages) ** 2))
    for first in range(0, len(metrics), together):
        names = metrics[first : first + together]
        means = sample.means(_per_query(evidence, names))
        yield from ((name, _settings(evidence, means, name)) for name in names)


def _settings_of(evidence: Evidence) -> tuple[str, ...]:
    """The settings of an evidence: only one pool where images are offered, since they are in no language."""
    if evidence.divided:
        return ("mono",)
    if IMAGES in evidence.languages and evidence.sizes[evidence.languages.index(IMAGES)]:
        return ("multi",)
    return ("mono", "cross", "multi")


def _is_asked_by_images(evidence: Evidence) -> bool:
    """Whether all queries are images, so that languages differ as candidates only."""
    asking = {evidence.languages[place] for place in np.unique(evidence.query_language).tolist()}
    return asking == {IMAGES}


def _per_query(evidence: Evidence, metrics: Sequence[str]) -> dict[str, Floats]:
    """Each metric of each query: in the pool of each language that has candidates, and in the whole, [queries, 1]."""
    values, offering = {}, evidence.sizes > 0
    for name in metrics:
        compute = parse_metric(name).compute
        values[f"within {name}"] = compute(evidence.within).reshape(evidence.queries, -1)[:, offering]
        values[f"together {name}"] = compute(evidence.together)[:, None]
    return values


def _settings(evidence: Evidence, means: bias.Statistics, metric: str) -> dict[str, Floats]:
    """One metric's means over queries: `pairs` [rows, languages, languages], the others [rows, languages]."""
    within, languages = means[f"within {metric}"], len(evidence.languages)
    pairs = np.full((len(within), languages, languages), np.nan)
    pairs[:, :, evidence.sizes > 0] = within
    others = np.where(np.eye(pairs.shape[2], dtype=bool), np.nan, pairs)
    return {
        "pairs": pairs,
        "mono": np.diagonal(pairs, axis1=1, axis2=2),
        "cross": macro(others, 2),
        "cross_to": macro(others, 1),
        "multi": means[f"together {metric}"][..., 0],
    }


def _bias(
    evidence: Evidence,
    means: bias.Statistics,
    parallel: Floats,
    found: _Settings,
    languages: _Languages,
    measures: Collection[str],
) -> tuple[dict[str, Score], dict[str, float]]:
    """The bias measures and what a language-blind ranker gets; none where no query has parallel relevants.

    Captions that ask for images are parallel themselves. `parallel` [clusters, languages] says how much each cluster
    weighs among the queries with parallel relevants.
    """
    measured: dict[str, Score] = {}
    blind: dict[str, float] = {}
    if evidence.divided or (IMAGES not in evidence.languages and np.isnan(means["distance"][0]).all()):
        return measured, blind
    weights = found.weights if np.isnan(parallel).all() else parallel
    clusters, behind = effective(weights), effective(macro(weights))
    for measure in (measure for measure in bias.measures_of(evidence) if measure.name in measures):
        _store(measured, measure.name, measure.overall(means), behind)
        languages.put("bias", measure.name, measure.by_language(means), clusters)
        if measure.blind and measure.name in measured:
            blind[measure.name] = float(measure.blind(means)[0])
    scores, fewest = found.by_language, effective(found.weights)[~np.isnan(found.by_language[0])].min()
    spreads = {
        "language_spread": np.nanmax(scores, axis=1) - np.nanmin(scores, axis=1),
        "language_deviation": np.nanstd(scores, axis=1),
    }
    for name in (name for name in spreads if name in measures):
        _store(measured, name, spreads[name], fewest)
        blind[name] = 0.0
    return measured, blind


def _pair_mean(pairs: Floats) -> Floats:
    """Mean over all ordered pairs of different languages, [rows]."""
    different = ~np.eye(pairs.shape[2], dtype=bool)
    return macro(pairs[:, different])


def _harmonic_mean(values: Floats) -> Floats:
    """Harmonic mean over axis 0; 0 where one of them is 0."""
    with np.errstate(divide="ignore"):
        return len(values) / (1 / values).sum(axis=0)


def _mean_ranks(means: bias.Statistics) -> Floats:
    """Mean rank of each candidate language's relevant among its parallels, from 1, [languages, languages]."""
    total, count, square = (means[name][0] for name in ("rank_sum", "rank_count", "rank_square"))
    relevants = count.sum(axis=1, keepdims=True)
    there = (count > 0) & ~np.isnan(square)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=there) + (relevants + 1) / 2


def _store(scores: dict[str, Score], name: str, drawn: Floats, clusters: float | Floats) -> None:
    score = score_of(drawn, clusters)
    if score:
        scores[name] = score


class _Languages:
    """Collects the scores of each query language."""

    def __init__(self, languages: Sequence[str]) -> None:
        self.scores: dict[str, dict[str, dict[str, Score]]] = {language: {} for language in languages}

    def put(self, setting: str, name: str, drawn: Floats, clusters: Floats) -> None:
        """Add one number of each language, from [1 + draws, languages] and the effective clusters [languages]."""
        for language, values in zip(self.scores, scores_of(drawn, clusters).tolist(), strict=True):
            if score := as_score(values):
                self.scores[language].setdefault(setting, {})[name] = score
