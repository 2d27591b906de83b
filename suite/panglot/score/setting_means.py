"""Means over queries of each metric in every setting, for the data and its bootstrap draws, some draws at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from panglot.arrays import Floats, return_memory
from panglot.retrieve.evidence import Evidence
from panglot.score import bias
from panglot.score.bootstrap import MOST_MEANS, Sample, macro
from panglot.score.metrics import parse_metric


def means_by_metric(
    evidence: Evidence, parts: Sequence[Evidence], sample: Sample, metrics: Sequence[str], headline: str
) -> Iterator[tuple[str, dict[str, Floats]]]:
    """Each metric's means over queries; `MOST_MEANS` limits how many metrics one matrix product covers.

    Of narrow evidence, the means of language pairs are kept for the headline metric only.
    """
    together = max(1, MOST_MEANS // (sample.rows * len(evidence.languages) ** 2))
    for first in range(0, len(metrics), together):
        found = _means(evidence, parts, sample, metrics[first : first + together], headline)
        if evidence.narrow:
            return_memory()
        for name in [*found]:
            yield name, found.pop(name)


def _means(
    evidence: Evidence, parts: Sequence[Evidence], sample: Sample, metrics: Sequence[str], headline: str
) -> dict[str, dict[str, Floats]]:
    """Some metrics' means over queries; what they are computed from is large, and is freed on return."""
    values = _per_query(evidence, parts, metrics)
    found: dict[str, dict[str, Floats]] = {name: {} for name in metrics}
    stop = 0
    for part in sample.parts(sum(value.shape[1] for value in values.values())):
        start, stop = stop, stop + part.rows
        means = part.means(values)
        for name in metrics:
            drawn = _settings(evidence, means, name)
            drawn |= {f"overall {setting}": value for setting, value in overall_means(drawn).items()}
            if evidence.narrow and name != headline:
                del drawn["pairs"]
            for key, rows in drawn.items():
                whole = found[name].setdefault(key, np.empty((sample.rows, *rows.shape[1:])))
                whole[start:stop] = rows
    return found


def weights_of(evidence: Evidence, parts: Sequence[Evidence], sample: Sample, headline: str) -> dict[str, Floats]:
    """Weights of the clusters in the means of `_settings`, [clusters, ...], averaged in the same way as the scores."""
    values = _per_query(evidence, parts, [headline])
    weights = {name: sample.weights(values.pop(name)) for name in [*values]}  # with many languages both are large
    return _settings(evidence, weights, headline)


def overall_means(by_language: Mapping[str, Floats]) -> dict[str, Floats]:
    """The settings' means over languages or language pairs, [rows], from the result of `_settings`."""
    return {
        "mono": macro(by_language["mono"]),
        "cross": _pair_mean(by_language["pairs"]),
        "multi": macro(by_language["multi"]),
    }


def _per_query(evidence: Evidence, parts: Sequence[Evidence], metrics: Sequence[str]) -> dict[str, Floats]:
    """Each metric per query: in the pool of each language with candidates [queries, pools], and in all [queries, 1]."""
    values: dict[str, Floats] = {}
    has_candidates = evidence.sizes > 0
    for name in metrics:
        compute = parse_metric(name).compute
        within, together = np.empty((evidence.queries, has_candidates.sum())), np.empty((evidence.queries, 1))
        stop = 0
        for part in parts:
            start, stop = stop, stop + part.queries
            within[start:stop] = compute(part.within).reshape(part.queries, -1)[:, has_candidates]
            together[start:stop, 0] = compute(part.together)
        values[f"within {name}"], values[f"together {name}"] = within, together
    return values


def _settings(evidence: Evidence, means: bias.Statistics, metric: str) -> dict[str, Floats]:
    """One metric's means over queries: `pairs` [rows, languages, languages], the others [rows, languages]."""
    within, languages = means[f"within {metric}"], len(evidence.languages)
    pairs = within
    if within.shape[2] < languages:
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


def _pair_mean(pairs: Floats) -> Floats:
    """Mean over all ordered pairs of different languages, [rows]."""
    different = ~np.eye(pairs.shape[2], dtype=bool)
    return macro(pairs[:, different])
