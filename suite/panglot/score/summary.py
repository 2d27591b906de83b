"""From evidence to scores: query → language or ordered pair → setting, macro at each step, all with intervals."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats, joined_up, return_memory
from panglot.data.image import IMAGES
from panglot.retrieve.evidence import Evidence
from panglot.score import bias
from panglot.score.bootstrap import DRAWS, MOST_MEANS, Sample, Score, as_score, effective, macro, score_of, scores_of
from panglot.score.metrics import NAMES
from panglot.score.setting_means import means_by_metric, overall_means, weights_of

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

    :param headline: the metric of language spreads and of the worst language; it is always among the scores.
    :param draws: bootstrap draws.
    :param measures: names of the bias measures to compute.
    :raises UnknownName: there is no such metric.
    """
    metrics = metrics if headline in metrics else [*metrics, headline]
    sample = Sample(evidence.cluster, evidence.query_language, len(evidence.languages), draws)
    languages = _Languages(evidence.languages)
    parts = evidence.parts()
    found = _score_settings(evidence, parts, sample, headline, metrics, languages)
    statistics = bias.statistics(evidence, parts, measures)
    if evidence.narrow:
        return_memory()
    drawn, means = _drawn_measures(evidence, sample, statistics, measures)
    parallel = sample.weights(statistics["distance"])[..., 0]
    measured, blind = _bias(evidence, drawn, means, parallel, found, languages, measures)
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
    evidence: Evidence,
    parts: Sequence[Evidence],
    sample: Sample,
    headline: str,
    metrics: Sequence[str],
    languages: _Languages,
) -> _Settings:
    """Every metric in every setting. The means of language pairs can be large, so they are freed on return."""
    wanted = _settings_of(evidence)
    by_language: Floats = np.empty((0, 0))
    weights = weights_of(evidence, parts, sample, headline)
    clusters = {setting: effective(of_mean) for setting, of_mean in weights.items()}
    behind = {setting: effective(of_mean) for setting, of_mean in overall_means(weights).items()}
    compared = "cross_to" if _has_only_image_queries(evidence) else "multi"
    found = _Settings({setting: {} for setting in wanted}, {}, {}, by_language, weights[compared])
    del weights  # those of language pairs are large
    for metric, drawn in means_by_metric(evidence, parts, sample, metrics, headline):
        overall = {setting: drawn[f"overall {setting}"] for setting in behind}
        for setting in wanted:
            _store(found.settings[setting], metric, overall[setting], behind[setting])
            languages.add(setting, metric, drawn[setting], clusters[setting])
        if "cross" in wanted:
            _store(found.balance, metric, _harmonic_mean(np.stack(list(overall.values()))), min(behind.values()))
            languages.add("cross_to", metric, drawn["cross_to"], clusters["cross_to"])
        if "pairs" in drawn:
            found.pairs[metric] = _grid(drawn["pairs"], clusters["pairs"])
        if metric == headline:
            by_language = drawn[compared].copy()
        del drawn  # can be large, and would last until the next means are known
    return found._replace(by_language=by_language)


def _grid(pairs: Floats, clusters: Floats) -> Grid:
    """The scores of language pairs, from their means [1 + draws, languages, languages], a few rows at a time."""
    rows = max(1, MOST_MEANS // (len(pairs) * pairs.shape[2]))
    starts = range(0, pairs.shape[1], rows)
    return Grid(joined_up([scores_of(pairs[:, row : row + rows], clusters[row : row + rows]) for row in starts]))


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


def _drawn_measures(
    evidence: Evidence, sample: Sample, statistics: bias.Statistics, measures: Collection[str]
) -> tuple[dict[str, tuple[Floats, Floats]], bias.Statistics]:
    """Each bias measure overall [1 + draws] and by language [1 + draws, languages], and the means of the data.

    The means of all statistics can be large, so they are computed for some draws at a time.
    """
    wanted = [measure for measure in bias.measures_of(evidence) if measure.name in measures]
    whole = bias.of_the_whole(evidence, sample.rows)
    found: dict[str, list[tuple[Floats, Floats]]] = {measure.name: [] for measure in wanted}
    of_data: bias.Statistics = {}
    row = 0
    for part in sample.parts(sum(value.shape[1] for value in statistics.values())):
        means = part.means(statistics) | {name: value[row : row + part.rows] for name, value in whole.items()}
        for measure in wanted:
            found[measure.name].append((measure.overall(means), measure.by_language(means)))
        of_data = of_data or {name: value[:1].copy() for name, value in means.items()}
        row += part.rows
    joined = {name: [joined_up(list(values)) for values in zip(*each, strict=True)] for name, each in found.items()}
    return {name: (overall, by_language) for name, (overall, by_language) in joined.items()}, of_data


def _bias(
    evidence: Evidence,
    drawn: Mapping[str, tuple[Floats, Floats]],
    means: bias.Statistics,
    parallel: Floats,
    found: _Settings,
    languages: _Languages,
    measures: Collection[str],
) -> tuple[dict[str, Score], dict[str, float]]:
    """The bias measures and the values of a language-blind ranker; empty if no query has parallel relevant candidates.

    In text-to-image retrieval the captions themselves are parallel. `drawn` holds each measure's values, `means` the
    means of the statistics; `parallel` [clusters, languages] holds the clusters' weights among the queries with
    parallel relevant candidates.
    """
    measured: dict[str, Score] = {}
    blind: dict[str, float] = {}
    if evidence.divided or (IMAGES not in evidence.languages and np.isnan(means["distance"][0]).all()):
        return measured, blind
    weights = found.weights if np.isnan(parallel).all() else parallel
    clusters, behind = effective(weights), effective(macro(weights))
    for measure in (measure for measure in bias.measures_of(evidence) if measure.name in drawn):
        overall, by_language = drawn[measure.name]
        _store(measured, measure.name, overall, behind)
        languages.add("bias", measure.name, by_language, clusters)
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
