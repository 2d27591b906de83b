"""Language bias in the pool of all languages: which languages an encoder pushes up or down.

Every measure is a function of means per query language of a few numbers per query (`statistics`), so values and
bootstrap intervals come from one computation. Each stands beside the value that a language-blind ranker gets.
Meaningful only where the candidates are parallel: every language holds an equally good answer.

In pools with images fewer measures mean something (`measures_of`): an image has no language of its own to prefer, and
where only images are offered there is no language to push up. Pools that mix captions and images have two measures of
their own: how far apart the modalities stand, and which of them fills the top.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np

from suite.arrays import Floats, Ints
from suite.evidence import NOBODY, Evidence, Ranking
from suite.image import IMAGES
from suite.metrics import average_precision
from suite.sample import macro

MIX_DEPTH = 10
COMPLETE_DEPTHS = (20, 100)

Statistics: TypeAlias = Mapping[str, Floats]
"""By name, values [queries, width], or their means [draws, languages, width]."""


def statistics(evidence: Evidence, measures: Collection[str]) -> dict[str, Floats]:
    """The numbers per query from which these measures follow, each [queries, width]; NaN where undefined."""
    found = {**_distances(evidence), **_within_query_ranks(evidence), **_top_languages(evidence)}
    for compute, needed_by in _NEEDED_BY_FEW.items():
        if needed_by.intersection(measures):
            found |= compute(evidence)
    return found


class BiasMeasure(NamedTuple):
    """One measure: `by_language` gives [draws, languages], `overall` [draws], from the means of the statistics."""

    name: str
    sentence: str
    by_language: Callable[[Statistics], Floats]
    overall: Callable[[Statistics], Floats]
    blind: Callable[[Statistics], Floats] | None
    """What a language-blind ranker gets, [draws]; none where that depends on quality."""


def _measure(
    name: str,
    sentence: str,
    by_language: Callable[[Statistics], Floats],
    blind: Callable[[Statistics], Floats] | float | None,
    overall: Callable[[Statistics], Floats] | None = None,
) -> BiasMeasure:
    if isinstance(blind, int | float):
        constant = float(blind)
        blind = lambda means: np.full(len(means["distance"]), constant)  # noqa: E731
    return BiasMeasure(name, sentence, by_language, overall or (lambda means: macro(by_language(means))), blind)


def _column(name: str) -> Callable[[Statistics], Floats]:
    return lambda means: means[name][..., 0]


def _overall(name: str) -> Callable[[Statistics], Floats]:
    return lambda means: macro(means[name][..., 0])


def _normalised(distance: Floats, least: Floats, random: Floats) -> Floats:
    return (distance - least) / (random - least)


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
        _overall("least_distance"),
    ),
    _measure(
        "normalised_rank_distance",
        "Rank distance put on a scale of 0 for a perfect ranker and 1 for a random one; above 1 the pool is polarised.",
        lambda means: _normalised(
            means["distance"][..., 0], means["least_distance"][..., 0], means["random_distance"][..., 0]
        ),
        0,
        lambda means: _normalised(
            *(macro(means[name][..., 0]) for name in ("distance", "least_distance", "random_distance"))
        ),
    ),
    *(
        _measure(
            f"complete@{depth}",
            f"Share of queries with all their parallel relevant candidates in the top {depth}.",
            _column(f"complete@{depth}"),
            1,
        )
        for depth in COMPLETE_DEPTHS
    ),
    _measure(
        "max_rank",
        "Mean rank of the relevant candidate that stands last.",
        _column("max_rank"),
        lambda means: macro(means["least_distance"][..., 0]) + 1,
    ),
    _measure(
        "kendall_w",
        "Agreement of the queries of one language about the order of languages among parallel relevants: the share "
        "of the variance of within-query ranks that languages explain (Kendall's W where every query has all "
        "languages, ties at their middle rank).",
        lambda means: _kendall(means["rank_sum"], means["rank_count"], means["rank_square"][..., 0]),
        lambda means: macro(means["blind_w"][..., 0]),
    ),
    _measure(
        "kendall_w_pooled",
        "The same over the queries of all languages together: only preferences that they share remain.",
        lambda means: np.full(means["distance"].shape[:2], np.nan),
        lambda means: macro(means["blind_w"][..., 0]),
        lambda means: _kendall(
            macro(means["rank_sum"], 1), macro(means["rank_count"], 1), macro(means["rank_square"], 1)[..., 0]
        ),
    ),
    _measure(
        f"same_language_ratio@{MIX_DEPTH}",
        f"Share of the top {MIX_DEPTH} that is in the query's language, over that language's share of the pool.",
        _column("own_ratio"),
        1,
    ),
    _measure(
        f"language_jsd@{MIX_DEPTH}",
        f"Jensen-Shannon divergence (bits) of the mean language mix of the top {MIX_DEPTH} from the pool's mix.",
        _jensen_shannon,
        0,
    ),
    _measure(
        "first_hit_own_language",
        "Share of queries whose best-ranked relevant candidate is in the query's language; ties are shared.",
        _column("first_hit"),
        lambda means: macro(means["blind_first_hit"][..., 0]),
    ),
    _measure(
        "remove_one_target",
        "Average precision lost when the relevant candidate in the query's own language leaves the pool, minus the "
        "mean loss when another one leaves (after arXiv 2004.05484).",
        _column("removal"),
        0,
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
        0,
    ),
    _measure(
        f"consistency@{MIX_DEPTH}",
        f"Weighted overlap of the top {MIX_DEPTH} that parallel queries see in the one pool (RankC, arXiv 2310.10378).",
        _column("consistency"),
        1,
    ),
    _measure(
        "modality_gap",
        "Mean rank of the relevant images minus mean rank of the relevant captions, in one pool of both.",
        _column("modality_gap"),
        0,
    ),
    _measure(
        f"same_modality_ratio@{MIX_DEPTH}",
        f"Share of the top {MIX_DEPTH} that is of the query's modality, over that modality's share of the pool.",
        _column("own_modality"),
        1,
    ),
)


_OF_IMAGE_QUERIES = frozenset(
    {
        "rank_distance",
        "normalised_rank_distance",
        *(f"complete@{depth}" for depth in COMPLETE_DEPTHS),
        "max_rank",
        "kendall_w",
        f"language_jsd@{MIX_DEPTH}",
    }
)
_OF_CONSISTENCY = frozenset({f"consistency@{MIX_DEPTH}"})
_OF_MODALITIES = frozenset({"modality_gap", f"same_modality_ratio@{MIX_DEPTH}"})


def measures_of(evidence: Evidence) -> tuple[BiasMeasure, ...]:
    """The measures that mean something in the pool of an evidence.

    Texts alone have all of language; images that ask have those that need no language of the query; images that are
    asked for have the consistency of parallel captions, and with captions beside them also those of modality.
    """
    offers_images, offers_texts = _offers(evidence)
    if offers_images:
        names = _OF_CONSISTENCY | (_OF_MODALITIES if offers_texts else frozenset())
    elif IMAGES in evidence.languages:
        names = _OF_IMAGE_QUERIES
    else:
        names = frozenset(measure.name for measure in MEASURES) - _OF_MODALITIES
    return tuple(measure for measure in MEASURES if measure.name in names)


def _offers(evidence: Evidence) -> tuple[bool, bool]:
    """Whether there are images among the candidates, and whether there are texts."""
    images = np.array(evidence.languages) == IMAGES
    return bool(evidence.sizes[images].sum()), bool(evidence.sizes[~images].sum())


def _distances(evidence: Evidence) -> dict[str, Floats]:
    """Largest minus smallest rank, its least and its random value, and what follows from the last rank."""
    ranking = evidence.together
    relevants = ranking.relevants
    last = np.cumsum(relevants) - 1
    best, worst = ranking.rank[last - relevants + 1], ranking.rank[last]
    total = int(evidence.sizes.sum())
    parallel = np.where(relevants > 1, 1.0, np.nan)
    values = {
        "distance": parallel * (worst - best),
        "least_distance": parallel * (relevants - 1),
        "random_distance": parallel * (total + 1) * (relevants - 1) / (relevants + 1),
        "max_rank": parallel * worst,
        **{f"complete@{depth}": parallel * (worst <= depth) for depth in COMPLETE_DEPTHS},
    }
    return {name: value[:, None] for name, value in values.items()}


def _within_query_ranks(evidence: Evidence) -> dict[str, Floats]:
    """Ranks of the parallel relevants among themselves, from their mean: sums and counts per candidate language."""
    ranking = evidence.together
    languages = len(evidence.languages)
    centred = ranking.middle - (ranking.relevants[ranking.cell] + 1) / 2
    at = ranking.cell * languages + evidence.language[ranking.pair]
    shape = (evidence.queries, languages)
    length = evidence.queries * languages
    count = np.bincount(at, minlength=length).reshape(shape)
    asking = np.bincount(evidence.query_language, minlength=languages)
    per_query = count.sum(axis=1)
    relevants = np.bincount(evidence.query_language, weights=per_query, minlength=languages)
    present = np.array([(count[evidence.query_language == place].sum(axis=0) > 0).sum() for place in range(languages)])
    blind = np.divide(present, relevants, out=np.full(languages, np.nan), where=asking > 0)
    return {
        "rank_sum": np.bincount(at, weights=centred, minlength=length).reshape(shape),
        "rank_count": count.astype(np.float64),
        "rank_square": np.bincount(ranking.cell, weights=centred**2, minlength=evidence.queries)[:, None],
        "blind_w": blind[evidence.query_language][:, None],
    }


def _top_languages(evidence: Evidence) -> dict[str, Floats]:
    """The language mix of the top of the pool, and the query's own share of it over its share of the pool."""
    languages = len(evidence.languages)
    top = evidence.top_language[:, :MIX_DEPTH]
    mix = np.stack([(top == place).mean(axis=1) for place in range(languages)], axis=1)
    mix = mix / np.maximum((top != NOBODY).mean(axis=1), 1e-12)[:, None]
    pool = evidence.sizes / evidence.sizes.sum()
    own = np.arange(evidence.queries), evidence.query_language
    share = pool[evidence.query_language]
    ratio = np.divide(mix[own], share, out=np.full(evidence.queries, np.nan), where=share > 0)
    return {"mix": mix, "pool": np.broadcast_to(pool, mix.shape), "own_ratio": ratio[:, None]}


def _modalities(evidence: Evidence) -> dict[str, Floats]:
    """How far the relevant images stand behind the relevant captions, and the share of captions in the top.

    Relevants that tie have the mean of their ranks, so that a tie favours neither. None where the pool lacks one kind.
    """
    if not all(_offers(evidence)):
        return {}
    place = evidence.languages.index(IMAGES)
    is_image = evidence.language == place
    rank = _by_pair(evidence.together, _mean_over_ties(evidence.together, evidence.together.rank.astype(np.float64)))
    gap = _mean_per_query(evidence, rank, is_image) - _mean_per_query(evidence, rank, ~is_image)
    top = evidence.top_language[:, :MIX_DEPTH]
    asks_image = (evidence.query_language == place)[:, None]
    own = (((top == place) == asks_image) & (top != NOBODY)).sum(axis=1) / (top != NOBODY).sum(axis=1)
    images = evidence.sizes[place] / evidence.sizes.sum()
    share = np.where(asks_image[:, 0], images, 1 - images)
    return {"modality_gap": gap[:, None], "own_modality": (own / share)[:, None]}


def _alignments(evidence: Evidence) -> dict[str, Floats]:
    """Shares of the relevants in other languages above all non-relevants of the query's language, and of their own."""
    asked = evidence.query_language[evidence.query]
    other = evidence.language != asked
    own_relevants = _own_scores(evidence)[evidence.query]
    own_above = evidence.above[np.arange(len(asked)), asked]
    strong = own_above == (own_relevants >= evidence.score[:, None]).sum(axis=1)
    within = evidence.within
    weak = np.empty(len(asked), bool)
    weak[within.pair] = within.rank == within.place
    return {
        "strong": _mean_per_query(evidence, strong, other)[:, None],
        "weak": _mean_per_query(evidence, weak, other)[:, None],
    }


def _own_scores(evidence: Evidence) -> Floats:
    """Scores of each query's relevants in its own language, [queries, most of them], filled with minus infinity."""
    own = np.flatnonzero(evidence.language == evidence.query_language[evidence.query])
    query = evidence.query[own]
    place = np.arange(len(own)) - np.searchsorted(query, query)
    scores = np.full((evidence.queries, place.max(initial=0) + 1), -np.inf)
    scores[query, place] = evidence.score[own]
    return scores


def _first_hits(evidence: Evidence) -> dict[str, Floats]:
    """1 where the best-ranked relevant is in the query's language, its share of the tie where several are best.

    A language-blind ranker gets the share of the query's language among the relevants.
    """
    ranking = evidence.together
    best = ranking.middle == ranking.middle[np.searchsorted(ranking.cell, ranking.cell)]
    own = evidence.language == evidence.query_language[evidence.query]
    everywhere = np.ones(len(own), bool)
    return {
        "first_hit": _mean_per_query(evidence, own, _by_pair(ranking, best))[:, None],
        "blind_first_hit": _mean_per_query(evidence, own, everywhere)[:, None],
    }


def _remove_one_target(evidence: Evidence) -> dict[str, Floats]:
    """Loss of average precision without the own-language relevant, minus the mean loss without another one."""
    ranking = evidence.together
    relevants = ranking.relevants[ranking.cell]
    place, rank = ranking.place, ranking.rank
    before = _sum_before(ranking, place / rank)
    moved_up = (place - 1) / np.maximum(rank - 1, 1)
    after = np.bincount(ranking.cell, moved_up, ranking.cells)[ranking.cell] - _sum_before(ranking, moved_up) - moved_up
    loss = average_precision(ranking)[ranking.cell] - (before + after) / np.maximum(relevants - 1, 1)
    loss = _by_pair(ranking, _mean_over_ties(ranking, loss))
    own = evidence.language == evidence.query_language[evidence.query]
    removal = _mean_per_query(evidence, loss, own) - _mean_per_query(evidence, loss, ~own)
    return {"removal": removal[:, None]}


def _consistency(evidence: Evidence) -> dict[str, Floats]:
    """Mean RankC overlap of each query's top list with those of the same question in the other languages.

    Where a question is asked several times in a language, as by several captions of an image, the first stands for it.
    """
    languages = len(evidence.languages)
    place = evidence.group * languages + evidence.query_language
    groups = int(evidence.group.max()) + 1
    listed = np.full((groups * languages, MIX_DEPTH), NOBODY)
    width = min(MIX_DEPTH, evidence.top.shape[1])
    listed[place[::-1], :width] = evidence.top[::-1, :width]
    top = listed.reshape(groups, languages, MIX_DEPTH)
    weight = np.exp(-np.arange(1.0, MIX_DEPTH + 1))
    weight /= weight.sum() * np.arange(1, MIX_DEPTH + 1)
    total, count = np.zeros((groups, languages)), np.zeros((groups, languages))
    for one in range(languages):
        for other in range(one + 1, languages):
            both = (top[:, one, 0] != NOBODY) & (top[:, other, 0] != NOBODY)
            value = _overlaps(top[both, one], top[both, other]) @ weight
            for language in (one, other):
                total[both, language] += value
                count[both, language] += 1
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return {"consistency": mean.reshape(-1)[place][:, None]}


def _overlaps(one: Ints, other: Ints) -> Ints:
    """Candidates that two lists [lists, depth] share among their first 1, 2, … depth, [lists, depth]."""
    same = (one[:, :, None] == other[:, None, :]) & (one[:, :, None] != NOBODY)
    shared = same.cumsum(axis=1).cumsum(axis=2)
    return np.diagonal(shared, axis1=1, axis2=2)


def _sum_before(ranking: Ranking, values: Floats) -> Floats:
    """Sum of the values of the better-ranked relevants of the same cell, [pairs]."""
    running = np.cumsum(values) - values
    return running - running[np.searchsorted(ranking.cell, ranking.cell)]


def _mean_over_ties(ranking: Ranking, values: Floats) -> Floats:
    """Values with those of tied relevants replaced by their mean."""
    tie = np.cumsum((np.diff(ranking.cell, prepend=-1) != 0) | (np.diff(ranking.middle, prepend=-1) != 0)) - 1
    return (np.bincount(tie, values) / np.bincount(tie))[tie]


def _by_pair(ranking: Ranking, values: np.ndarray) -> np.ndarray:
    """Values in the order of the evidence's pairs."""
    ordered = np.empty_like(values)
    ordered[ranking.pair] = values
    return ordered


def _mean_per_query(evidence: Evidence, values: np.ndarray, where: np.ndarray) -> Floats:
    """Mean of `values` [pairs] over the pairs of each query that `where` picks, [queries]; NaN where it picks none."""
    total = np.bincount(evidence.query, weights=values * where, minlength=evidence.queries)
    count = np.bincount(evidence.query, weights=where, minlength=evidence.queries)
    return np.divide(total, count, out=np.full(evidence.queries, np.nan), where=count > 0)


_NEEDED_BY_FEW: Mapping[Callable[[Evidence], dict[str, Floats]], frozenset[str]] = {
    _alignments: frozenset({"strong_alignment", "weak_alignment", "alignment_gap"}),
    _first_hits: frozenset({"first_hit_own_language"}),
    _remove_one_target: frozenset({"remove_one_target"}),
    _consistency: _OF_CONSISTENCY,
    _modalities: _OF_MODALITIES,
}
"""Statistics that only some measures follow from: they take most of the time, and are left out where none is wanted."""
