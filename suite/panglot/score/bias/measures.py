"""The measures of language bias: functions of per-language means, each with the value of a language-blind ranker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import NamedTuple, TypeAlias

import numpy as np

from panglot.arrays import Floats
from panglot.score.bias.lists import MIX_DEPTH
from panglot.score.bias.ranks import COMPLETE_DEPTHS, ENGLISH_DEPTH
from panglot.score.bootstrap import macro

Statistics: TypeAlias = Mapping[str, Floats]
"""By name: values [queries, width], or their means [1 + draws, languages, width]."""


SHARE, DIFFERENCE, POSITIVE, ANY = (0.0, 1.0), (-1.0, 1.0), (0.0, inf), (-inf, inf)


HEADLINES = (
    "normalised_rank_distance",
    f"same_language_ratio@{MIX_DEPTH}",
    "modality_gap",
    f"same_modality_ratio@{MIX_DEPTH}",
)
"""The measures in every summary of a result; no result may leave out one that its evidence gives."""

TOP_HITS = (
    ("right_own", "relevant", "the query's language"),
    ("right_other", "relevant", "another language"),
    ("wrong_own", "not relevant", "the query's language"),
    ("wrong_other", "not relevant", "another language"),
)
"""Classes of a query's first candidate: suffix of the measure's name, relevance, language."""


class BiasMeasure(NamedTuple):
    """One bias measure, computed from the means of the statistics.

    `by_language` returns [1 + draws, languages]; `overall` returns [1 + draws].
    """

    name: str
    sentence: str
    by_language: Callable[[Statistics], Floats]
    overall: Callable[[Statistics], Floats]
    blind: Callable[[Statistics], Floats] | None
    """Value of a language-blind ranker, [1 + draws]; None if that value depends on retrieval quality."""
    range: tuple[float, float] = SHARE
    """Smallest and largest possible value."""


def _measure(
    name: str,
    sentence: str,
    by_language: Callable[[Statistics], Floats],
    blind: Callable[[Statistics], Floats] | None,
    overall: Callable[[Statistics], Floats] | None = None,
    range: tuple[float, float] = SHARE,  # noqa: A002
) -> BiasMeasure:
    """A measure whose overall value defaults to the mean over query languages."""
    return BiasMeasure(name, sentence, by_language, overall or (lambda means: macro(by_language(means))), blind, range)


def _column(name: str) -> Callable[[Statistics], Floats]:
    return lambda means: means[name][..., 0]


def _part(name: str, place: int) -> Callable[[Statistics], Floats]:
    return lambda means: means[name][..., place]


def _undefined_by_language(means: Statistics) -> Floats:
    """NaN for every language: the measure is defined overall only."""
    return np.full(means["distance"].shape[:2], np.nan)


def _mean_of(name: str) -> Callable[[Statistics], Floats]:
    return lambda means: macro(means[name][..., 0])


def _always(value: float) -> Callable[[Statistics], Floats]:
    return lambda means: np.full(len(means["distance"]), value)


def _normalised(distance: Floats, least: Floats, random: Floats) -> Floats:
    """Distance on a scale from the least to the random one; NaN if all orders have the same distance."""
    return np.divide(distance - least, random - least, out=np.full(distance.shape, np.nan), where=random > least)


def _kendall(total: Floats, count: Floats, square: Floats) -> Floats:
    """Share of the variance of within-query ranks that languages explain, [...], from [..., languages]."""
    between = np.divide(total**2, count, out=np.zeros_like(total), where=count > 0).sum(axis=-1)
    return np.divide(between, square, out=np.where(np.isnan(square), np.nan, 0.0), where=square > 0)


def _jensen_shannon(means: Statistics) -> Floats:
    """Jensen-Shannon divergence in bits between each language's mean top-k mix and the pool's mix."""
    mix, pool = means["mix"], means["pool"]
    middle = (mix + pool) / 2
    return (_relative_entropy(mix, middle) + _relative_entropy(pool, middle)) / 2


def _relative_entropy(p: Floats, q: Floats) -> Floats:
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    return (p * np.log2(ratio)).sum(axis=-1)


MEASURES = (
    _measure(
        "rank_distance",
        "Mean over queries of the largest minus the smallest rank among the parallel relevant candidates "
        "(arXiv 2408.10536).",
        _column("distance"),
        _mean_of("least_distance"),
        range=POSITIVE,
    ),
    _measure(
        "normalised_rank_distance",
        "Rank distance rescaled to 0 for a perfect ranker and 1 for a random one; above 1, languages are polarised.",
        lambda means: _normalised(
            means["distance"][..., 0], means["least_distance"][..., 0], means["random_distance"][..., 0]
        ),
        _always(0),
        lambda means: _normalised(
            *(macro(means[name][..., 0]) for name in ("distance", "least_distance", "random_distance"))
        ),
        range=POSITIVE,
    ),
    *(
        _measure(
            f"complete@{depth}",
            f"Share of queries with all their parallel relevant candidates in the top {depth}.",
            _column(f"complete@{depth}"),
            _always(1),
        )
        for depth in COMPLETE_DEPTHS
    ),
    _measure(
        "max_rank",
        "Mean rank of the last relevant candidate.",
        _column("max_rank"),
        lambda means: macro(means["least_distance"][..., 0]) + 1,
        range=POSITIVE,
    ),
    _measure(
        "kendall_w",
        "Agreement among the queries of one language on the order of languages among the parallel relevant "
        "candidates: the share of the variance of within-query ranks that language explains (Kendall's W if every "
        "query has all languages; ties get their mean rank).",
        lambda means: _kendall(means["rank_sum"], means["rank_count"], means["rank_square"][..., 0]),
        _mean_of("blind_w"),
    ),
    _measure(
        "kendall_w_pooled",
        "Kendall's W over the queries of all languages together: only preferences that all query languages share "
        "remain.",
        _undefined_by_language,
        _mean_of("blind_w"),
        lambda means: _kendall(
            macro(means["rank_sum"], 1), macro(means["rank_count"], 1), macro(means["rank_square"], 1)[..., 0]
        ),
    ),
    _measure(
        f"same_language_ratio@{MIX_DEPTH}",
        f"Share of the top {MIX_DEPTH} in the query's language, divided by that language's share of the pool.",
        _column("own_ratio"),
        _always(1),
        range=POSITIVE,
    ),
    _measure(
        f"language_jsd@{MIX_DEPTH}",
        f"Jensen-Shannon divergence (bits) between the mean language mix of the top {MIX_DEPTH} and that of the pool.",
        _jensen_shannon,
        _always(0),
    ),
    _measure(
        "first_hit_own_language",
        "Share of queries whose best-ranked relevant candidate is in the query's language; ties are split.",
        _column("first_hit"),
        _mean_of("blind_first_hit"),
    ),
    _measure(
        "remove_one_target",
        "Average precision lost when the relevant candidate in the query's own language is removed from the pool, "
        "minus the mean loss when one in another language is removed (after arXiv 2004.05484).",
        _column("removal"),
        _always(0),
        range=DIFFERENCE,
    ),
    _measure(
        "strong_alignment",
        "Share of relevant candidates in other languages that rank above every non-relevant candidate in the query's "
        "language (after arXiv 2004.05484).",
        _column("strong"),
        None,
    ),
    _measure(
        "weak_alignment",
        "Share of relevant candidates in other languages that rank above every non-relevant candidate in their own "
        "language (after arXiv 2004.05484).",
        _column("weak"),
        None,
    ),
    _measure(
        "alignment_gap",
        "Weak minus strong alignment: the loss due to language rather than to retrieval quality.",
        lambda means: (means["weak"] - means["strong"])[..., 0],
        _always(0),
        range=DIFFERENCE,
    ),
    _measure(
        f"consistency@{MIX_DEPTH}",
        f"Weighted overlap of the top {MIX_DEPTH} of parallel queries in the same pool (RankC, arXiv 2310.10378).",
        _column("consistency"),
        _always(1),
    ),
    *(
        _measure(
            f"top_hit_{name}",
            f"Share of queries whose first candidate is {right} and in {language}; a tie counts as not relevant.",
            _part("top_hit", place),
            None,
        )
        for place, (name, right, language) in enumerate(TOP_HITS)
    ),
    _measure(
        f"hubness@{MIX_DEPTH}",
        f"Skewness of how many queries list each candidate in their top {MIX_DEPTH}; 0 if all are listed equally "
        "often. No interval: resampling queries would itself create hubs.",
        _undefined_by_language,
        _always(0),
        lambda means: means["hubness"],
        range=ANY,
    ),
    _measure(
        f"hub_share@{MIX_DEPTH}",
        f"Share of all top-{MIX_DEPTH} entries held by the 1 % of candidates that are listed most often. No interval, "
        "for the same reason as hubness.",
        _undefined_by_language,
        _always(0.01),
        lambda means: means["hub_share"],
    ),
    _measure(
        "english_pool_max_rank",
        "Mean rank of the last relevant candidate in a pool of English and the query's own language, over non-English "
        "queries (after arXiv 2604.05684).",
        _column("english_max_rank"),
        None,
        range=POSITIVE,
    ),
    _measure(
        f"english_pool_complete@{ENGLISH_DEPTH}",
        "Share of non-English queries with all their relevant candidates in the top "
        f"{ENGLISH_DEPTH} of a pool of English and the query's own language.",
        _column("english_complete"),
        _always(1),
    ),
    _measure(
        "english_pool_own_first",
        "Share of non-English queries that rank the relevant candidate in their own language above the English one, "
        "in a pool of these two languages; ties are split.",
        _column("own_above_english"),
        _always(0.5),
    ),
    _measure(
        "modality_gap",
        "Mean rank of the relevant images minus mean rank of the relevant captions, in a pool of both.",
        _column("modality_gap"),
        _always(0),
        range=ANY,
    ),
    _measure(
        f"same_modality_ratio@{MIX_DEPTH}",
        f"Share of the top {MIX_DEPTH} in the query's modality, divided by that modality's share of the pool.",
        _column("own_modality"),
        _always(1),
        range=POSITIVE,
    ),
)
