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
"""Language-pair means held in memory at a time (128 MB)."""

BIAS_NAMES = (*(measure.name for measure in bias.MEASURES), "language_spread", "language_deviation")
"""The bias measures, in the order of all tables; the last two use each language's headline score in the full pool."""


@dataclass(frozen=True, eq=False)
class Grid:
    """One metric by ordered language pair: `values` [query languages, candidate languages, (value, low, high)]."""

    values: Floats


@dataclass(frozen=True)
class Scores:
    """All scores of one model on one task, with intervals over `clusters` of queries.

    - `settings`: `mono`, `cross` and `multi`, each by metric; `balance`: their harmonic mean by metric.
    - `bias`: the score of each bias measure; `blind`: the value of a language-blind ranker.
    - `languages`: settings and bias of each query language (`cross` of its queries, `cross_to` of its candidates).
    - `pairs`: a grid for each metric; for narrow evidence, of the headline metric only.
    - `language_mix` [query languages, candidate languages]: composition of the top 10.
    - `language_rank` [query languages, candidate languages]: mean rank, from 1, of the relevant candidate in each
      language among its parallel ones.

    Scores without a value are omitted: a pool with image candidates has only `multi`, image queries have no `mono`,
    and only text-to-text tasks have a `balance`.
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
    """Score the evidence of one model: settings, metrics and bias measures, with intervals.

    :param headline: the metric of language spreads and of the worst language.
    :param draws: bootstrap draws.
    :param measures: names of the bias measures to compute.
    :raises UnknownName: there is no such metric.
    """
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
    """The scores of each setting, balance and language pairs, by metric.

    `by_language` [1 + draws, languages] holds the headline metric's means, `weights` [clusters, languages] the
    clusters' weights in them.
    """

    settings: dict[str, dict[str, Score]]
    balance: dict[str, Score]
    pairs: dict[str, Grid]
    by_language: Floats
    weights: Floats


def _score_settings(
    evidence: Evidence, sample: Sample, headline: str, metrics: Sequence[str], languages: _Languages
) -> _Settings:
    """Every metric in every setting. The means of language pairs can be large, so they are freed on return."""
    wanted = _settings_of(evidence)
    by_language: Floats = np.empty((0, 0))
    weights = _weights(evidence, sample, headline)
    clusters = {setting: effective(of_mean) for setting, of_mean in weights.items()}
    behind = {setting: effective(of_mean) for setting, of_mean in _overall(weights).items()}
    compared = "cross_to" if _has_only_image_queries(evidence) else "multi"
    found = _Settings({setting: {} for setting in wanted}, {}, {}, by_language, weights[compared])
    for metric, drawn in _by_metric(evidence, sample, metrics):
        overall = _overall(drawn)
        for setting in wanted:
            _store(found.settings[setting], metric, overall[setting], behind[setting])
            languages.add(setting, metric, drawn[setting], clusters[setting])
        if "cross" in wanted:
            _store(found.balance, metric, _harmonic_mean(np.stack(list(overall.values()))), min(behind.values()))
            languages.add("cross_to", metric, drawn["cross_to"], clusters["cross_to"])
        if metric == headline or not evidence.narrow:
            found.pairs[metric] = Grid(scores_of(drawn["pairs"], clusters["pairs"]))
        if metric == headline:
            by_language = drawn[compared].copy()
    return found._replace(by_language=by_language)


def _weights(evidence: Evidence, sample: Sample, headline: str) -> dict[str, Floats]:
    """Weights of the clusters in the means of `_settings`, [clusters, ...], averaged in the same way as the scores."""
    values = _per_query(evidence, [headline])
    return _settings(evidence, {name: sample.weights(value) for name, value in values.items()}, headline)


def _overall(by_language: Mapping[str, Floats]) -> dict[str, Floats]:
    """The settings' means over languages or language pairs, [rows], from the result of `_settings`."""
    return {
        "mono": macro(by_language["mono"]),
        "cross": _pair_mean(by_language["pairs"]),
        "multi": macro(by_language["multi"]),
    }


def _by_metric(evidence: Evidence, sample: Sample, metrics: Sequence[str]) -> Iterator[tuple[str, dict[str, Floats]]]:
    """Each metric's means over queries; `MOST_MEANS` limits how many metrics one matrix product covers."""
    together = max(1, MOST_MEANS // (sample.rows * len(evidence.languages) ** 2))
    for first in range(0, len(metrics), together):
        names = metrics[first : first + together]
        means = sample.means(_per_query(evidence, names))
        yield from ((name, _settings(evidence, means, name)) for name in names)


def _settings_of(evidence: Evidence) -> tuple[str, ...]:
    """The settings that apply: image candidates have no language, so they allow only the full pool."""
    if evidence.divided:
        return ("mono",)
    if IMAGES in evidence.languages and evidence.sizes[evidence.languages.index(IMAGES)]:
        return ("multi",)
    return ("mono", "cross", "multi")


def _has_only_image_queries(evidence: Evidence) -> bool:
    """Whether all queries are images, so that only the candidates differ in language."""
    return {evidence.languages[place] for place in np.unique(evidence.query_language).tolist()} == {IMAGES}


def _per_query(evidence: Evidence, metrics: Sequence[str]) -> dict[str, Floats]:
    """Each metric per query: in the pool of each language with candidates [queries, pools], and in all [queries, 1]."""
    values, has_candidates = {}, evidence.sizes > 0
    for name in metrics:
        compute = parse_metric(name).compute
        values[f"within {name}"] = compute(evidence.within).reshape(evidence.queries, -1)[:, has_candidates]
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
    """The bias measures and the values of a language-blind ranker; empty if no query has parallel relevant candidates.

    In text-to-image retrieval the captions themselves are parallel. `parallel` [clusters, languages] holds the
    clusters' weights among the queries with parallel relevant candidates.
    """
    measured: dict[str, Score] = {}
    blind: dict[str, float] = {}
    if evidence.divided or (IMAGES not in evidence.languages and np.isnan(means["distance"][0]).all()):
        return measured, blind
    weights = found.weights if np.isnan(parallel).all() else parallel
    clusters, behind = effective(weights), effective(macro(weights))
    for measure in (measure for measure in bias.measures_of(evidence) if measure.name in measures):
        _store(measured, measure.name, measure.overall(means), behind)
        languages.add("bias", measure.name, measure.by_language(means), clusters)
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
    """Harmonic mean over axis 0; 0 if one of the values is 0."""
    with np.errstate(divide="ignore"):
        return len(values) / (1 / values).sum(axis=0)


def _mean_ranks(means: bias.Statistics) -> Floats:
    """Mean rank, from 1, of each language's relevant candidate among its parallel ones, [languages, languages]."""
    total, count, square = (means[name][0] for name in ("rank_sum", "rank_count", "rank_square"))
    relevants = count.sum(axis=1, keepdims=True)
    defined = (count > 0) & ~np.isnan(square)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=defined) + (relevants + 1) / 2


def _store(scores: dict[str, Score], name: str, drawn: Floats, clusters: float | Floats) -> None:
    score = score_of(drawn, clusters)
    if score:
        scores[name] = score


class _Languages:
    """Collects the scores of each query language."""

    def __init__(self, languages: Sequence[str]) -> None:
        self.scores: dict[str, dict[str, dict[str, Score]]] = {language: {} for language in languages}

    def add(self, setting: str, name: str, drawn: Floats, clusters: Floats) -> None:
        """Add one score for each language, from [1 + draws, languages] and the effective clusters [languages]."""
        for language, values in zip(self.scores, scores_of(drawn, clusters).tolist(), strict=True):
            if score := as_score(values):
                self.scores[language].setdefault(setting, {})[name] = score
