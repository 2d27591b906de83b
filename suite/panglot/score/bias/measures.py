"""The measures of language bias, each a function of means per query language, beside its language-blind value."""

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
"""By name, values [queries, width], or their means [draws, languages, width]."""


SHARE, DIFFERENCE, POSITIVE, ANY = (0.0, 1.0), (-1.0, 1.0), (0.0, inf), (-inf, inf)


TOP_HITS = (
    ("right_own", "relevant", "the query's language"),
    ("right_other", "relevant", "another language"),
    ("wrong_own", "not relevant", "the query's language"),
    ("wrong_other", "not relevant", "another language"),
)
"""What the best candidate of a query can be: the end of a name, whether it answers, its language."""


class BiasMeasure(NamedTuple):
    """One measure: `by_language` gives [draws, languages], `overall` [draws], from the means of the statistics."""

    name: str
    sentence: str
    by_language: Callable[[Statistics], Floats]
    overall: Callable[[Statistics], Floats]
    blind: Callable[[Statistics], Floats] | None
    """What a language-blind ranker gets, [draws]; none where that depends on quality."""
    range: tuple[float, float] = SHARE
    """The least and the most that it can be."""


def _measure(
    name: str,
    sentence: str,
    by_language: Callable[[Statistics], Floats],
    blind: Callable[[Statistics], Floats] | None,
    overall: Callable[[Statistics], Floats] | None = None,
    range: tuple[float, float] = SHARE,  # noqa: A002
) -> BiasMeasure:
    """A measure whose overall value is the mean over query languages, unless another one is given."""
    return BiasMeasure(name, sentence, by_language, overall or (lambda means: macro(by_language(means))), blind, range)


def _column(name: str) -> Callable[[Statistics], Floats]:
    return lambda means: means[name][..., 0]


def _part(name: str, place: int) -> Callable[[Statistics], Floats]:
    return lambda means: means[name][..., place]


def _nowhere(means: Statistics) -> Floats:
    """Of no language by itself."""
    return np.full(means["distance"].shape[:2], np.nan)


def _mean_of(name: str) -> Callable[[Statistics], Floats]:
    return lambda means: macro(means[name][..., 0])


def _always(value: float) -> Callable[[Statistics], Floats]:
    return lambda means: np.full(len(means["distance"]), value)


def _normalised(distance: Floats, least: Floats, random: Floats) -> Floats:
    """NaN where every order has the same distance, as where all candidates are relevant."""
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
        "Rank distance put on a scale of 0 for a perfect ranker and 1 for a random one; above 1 the pool is polarised.",
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
        "Mean rank of the relevant candidate that stands last.",
        _column("max_rank"),
        lambda means: macro(means["least_distance"][..., 0]) + 1,
        range=POSITIVE,
    ),
    _measure(
        "kendall_w",
        "Agreement of the queries of one language about the order of languages among parallel relevants: the share "
        "of the variance of within-query ranks that languages explain (Kendall's W where every query has all "
        "languages, ties at their middle rank).",
        lambda means: _kendall(means["rank_sum"], means["rank_count"], means["rank_square"][..., 0]),
        _mean_of("blind_w"),
    ),
    _measure(
        "kendall_w_pooled",
        "The same over the queries of all languages together: only preferences that they share remain.",
        _nowhere,
        _mean_of("blind_w"),
        lambda means: _kendall(
            macro(means["rank_sum"], 1), macro(means["rank_count"], 1), macro(means["rank_square"], 1)[..., 0]
        ),
    ),
    _measure(
        f"same_language_ratio@{MIX_DEPTH}",
        f"Share of the top {MIX_DEPTH} that is in the query's language, over that language's share of the pool.",
        _column("own_ratio"),
        _always(1),
        range=POSITIVE,
    ),
    _measure(
        f"language_jsd@{MIX_DEPTH}",
        f"Jensen-Shannon divergence (bits) of the mean language mix of the top {MIX_DEPTH} from the pool's mix.",
        _jensen_shannon,
        _always(0),
    ),
    _measure(
        "first_hit_own_language",
        "Share of queries whose best-ranked relevant candidate is in the query's language; ties are shared.",
        _column("first_hit"),
        _mean_of("blind_first_hit"),
    ),
    _measure(
        "remove_one_target",
        "Average precision lost when the relevant candidate in the query's own language leaves the pool, minus the "
        "mean loss when another one leaves (after arXiv 2004.05484).",
        _column("removal"),
        _always(0),
        range=DIFFERENCE,
    ),
    _measure(
        "strong_alignment",
        "Share of relevant candidates in other languages that stand above every non-relevant in the query's language "
        "(after arXiv 2004.05484).",
        _column("strong"),
        None,
    ),
    _measure(
        "weak_alignment",
        "Share of the same relevant candidates that stand above every non-relevant in their own language.",
        _column("weak"),
        None,
    ),
    _measure(
        "alignment_gap",
        "Weak minus strong alignment: what is lost to language and not to quality.",
        lambda means: (means["weak"] - means["strong"])[..., 0],
        _always(0),
        range=DIFFERENCE,
    ),
    _measure(
        f"consistency@{MIX_DEPTH}",
        f"Weighted overlap of the top {MIX_DEPTH} that parallel queries see in the one pool (RankC, arXiv 2310.10378).",
        _column("consistency"),
        _always(1),
    ),
    *(
        _measure(
            f"top_hit_{name}",
            f"Share of queries whose best candidate is {right} and in {language}; a tie counts as wrong.",
            _part("top_hit", place),
            None,
        )
        for place, (name, right, language) in enumerate(TOP_HITS)
    ),
    _measure(
        f"hubness@{MIX_DEPTH}",
        f"Skewness of the number of queries that list a candidate among their {MIX_DEPTH} best: 0 where all are listed "
        "alike. Without an interval: drawing queries again would itself make hubs.",
        _nowhere,
        _always(0),
        lambda means: means["hubness"],
        range=ANY,
    ),
    _measure(
        f"hub_share@{MIX_DEPTH}",
        f"Share of all places in the top {MIX_DEPTH} that the most listed 1 % of the candidates hold. Without an "
        "interval, as hubness.",
        _nowhere,
        _always(0.01),
        lambda means: means["hub_share"],
    ),
    _measure(
        "english_pool_max_rank",
        "Mean rank of the relevant candidate that stands last, in the pool of English and the query's own language; "
        "queries in other languages than English (after arXiv 2604.05684).",
        _column("english_max_rank"),
        None,
        range=POSITIVE,
    ),
    _measure(
        f"english_pool_complete@{ENGLISH_DEPTH}",
        f"In the same pools, share of queries with all their relevant candidates in the top {ENGLISH_DEPTH}.",
        _column("english_complete"),
        _always(1),
    ),
    _measure(
        "english_pool_own_first",
        "In the same pools, share of queries whose relevant candidate in their own language stands above the English "
        "one; ties are shared.",
        _column("own_above_english"),
        _always(0.5),
    ),
    _measure(
        "modality_gap",
        "Mean rank of the relevant images minus mean rank of the relevant captions, in one pool of both.",
        _column("modality_gap"),
        _always(0),
        range=ANY,
    ),
    _measure(
        f"same_modality_ratio@{MIX_DEPTH}",
        f"Share of the top {MIX_DEPTH} that is of the query's modality, over that modality's share of the pool.",
        _column("own_modality"),
        _always(1),
        range=POSITIVE,
    ),
)
