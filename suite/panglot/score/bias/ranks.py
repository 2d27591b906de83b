"""Statistics of the ranks of parallel relevant candidates: arrays [queries, width], NaN where undefined."""

from __future__ import annotations

import numpy as np

from panglot.arrays import Floats, Ints, divide
from panglot.languages import match_language
from panglot.retrieve.evidence import Evidence, rank_cells
from panglot.score.bias.pairs import by_pair, in_own_language, mean_over_ties, mean_per_query, sum_before
from panglot.score.metrics import average_precision

COMPLETE_DEPTHS = (20, 100)
"""Cut-offs of `complete@k`."""


def distances(evidence: Evidence) -> dict[str, Floats]:
    """Largest minus smallest rank, its minimum and its random value, and statistics of the last rank, [queries, 1]."""
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


def within_query_ranks(evidence: Evidence) -> dict[str, Floats]:
    """Ranks of the parallel relevant candidates among themselves, relative to their mean.

    Sums and counts [queries, languages] by candidate language, and the sum of squares [queries, 1].
    """
    ranking = evidence.together
    languages = len(evidence.languages)
    centred = ranking.middle - (ranking.relevants[ranking.cell] + 1) / 2
    at = ranking.cell * languages + evidence.language[ranking.pair]
    shape = (evidence.queries, languages)
    return {
        "rank_sum": _sums(at, centred, shape).astype(np.float32),  # multiples of a half, exact
        "rank_count": _sums(at, np.ones(len(at)), shape).astype(np.float32),
        "rank_square": _sums(ranking.cell, centred**2, (evidence.queries, 1)),
    }


def first_hits(evidence: Evidence) -> dict[str, Floats]:
    """1 if the best-ranked relevant candidate is in the query's language, a fraction if several tie, [queries, 1].

    A language-blind ranker scores the share of the query's language among the relevant candidates.
    """
    ranking = evidence.together
    middle = ranking.middle
    best = middle == middle[np.searchsorted(ranking.cell, ranking.cell)]
    own = in_own_language(evidence)
    return {
        "first_hit": mean_per_query(evidence, own, by_pair(ranking, best))[:, None],
        "blind_first_hit": mean_per_query(evidence, own, np.ones(len(own), bool))[:, None],
    }


def remove_one_target(evidence: Evidence) -> dict[str, Floats]:
    """Average precision lost without the own-language relevant candidate, minus the mean loss without another one.

    [queries, 1], after arXiv 2004.05484.
    """
    ranking = evidence.together
    relevants = ranking.relevants[ranking.cell]
    place, rank = ranking.place, ranking.rank
    before = sum_before(ranking, place / rank)
    moved_up = (place - 1) / np.maximum(rank - 1, 1)
    after = np.bincount(ranking.cell, moved_up, ranking.cells)[ranking.cell] - sum_before(ranking, moved_up) - moved_up
    loss = average_precision(ranking)[ranking.cell] - (before + after) / np.maximum(relevants - 1, 1)
    loss = by_pair(ranking, mean_over_ties(ranking, loss))
    own = in_own_language(evidence)
    removal = mean_per_query(evidence, loss, own) - mean_per_query(evidence, loss, ~own)
    return {"removal": removal[:, None]}


def alignments(evidence: Evidence) -> dict[str, Floats]:
    """Strong and weak alignment (after arXiv 2004.05484), [queries, 1].

    Share of the relevant candidates in other languages that rank above all non-relevant candidates in the query's
    language (strong) or in their own language (weak).
    """
    other = ~in_own_language(evidence)
    own_relevants = _own_scores(evidence)[evidence.query]
    strong = evidence.above_in_query_language == (own_relevants >= evidence.score[:, None]).sum(axis=1)
    within = evidence.within
    weak = by_pair(within, within.rank == within.place)
    return {
        "strong": mean_per_query(evidence, strong, other)[:, None],
        "weak": mean_per_query(evidence, weak, other)[:, None],
    }


ENGLISH_DEPTH = 10
"""Cut-off of `english_pool_complete@k`."""


def english_pool(evidence: Evidence) -> dict[str, Floats]:
    """Statistics of non-English queries in a pool of English and their own language, [queries, 1].

    The rank of the last relevant candidate, whether all of them are in the top list, and whether the best in the
    query's language ranks above the best in English (0.5 on a tie); after arXiv 2604.05684. NaN if one of the two
    languages has no relevant candidate, and for narrow evidence, which has no separate counts for English.
    """
    english = [evidence.languages.index(name) for name in match_language("en", evidence.languages)]
    names = ("english_max_rank", "english_complete", "own_above_english")
    if evidence.narrow or not english:
        return {name: np.full((evidence.queries, 1), np.nan) for name in names}
    own, foreign = in_own_language(evidence), evidence.language == english[0]
    in_pool = own | foreign
    above = evidence.above_in_query_language + evidence.above[:, english[0]]
    ranking = rank_cells(
        evidence.query[in_pool].astype(np.int64), 1 + above[in_pool], evidence.gain[in_pool], evidence.queries
    )
    best = [np.full(evidence.queries, np.inf) for _ in range(2)]
    for found, among in zip(best, (own, foreign), strict=True):
        chosen = among[in_pool][ranking.pair]
        np.minimum.at(found, ranking.cell[chosen], ranking.middle[chosen])
    defined = np.isfinite(best).all(axis=0) & (evidence.query_language != english[0])
    worst = np.zeros(evidence.queries)
    np.maximum.at(worst, ranking.cell, ranking.rank)
    values = (worst, worst <= ENGLISH_DEPTH, (best[0] < best[1]) + (best[0] == best[1]) / 2)
    return {name: np.where(defined, value, np.nan)[:, None] for name, value in zip(names, values, strict=True)}


def _sums(at: Ints, values: Floats, shape: tuple[int, int]) -> Floats:
    """Sum of the values at each flat index, reshaped to `shape`."""
    total: Floats = np.bincount(at, values, shape[0] * shape[1]).astype(np.float64)
    return total.reshape(shape)


def blind_agreement(evidence: Evidence, count: Floats) -> Floats:
    """Kendall's W of a language-blind ranker, [queries], from counts of relevant candidates [queries, languages]."""
    languages = len(evidence.languages)
    own = evidence.query_language
    relevants = np.bincount(own, weights=count.sum(axis=1), minlength=languages)
    present = np.array([np.count_nonzero(count[own == place].any(axis=0)) for place in range(languages)])
    return divide(present, relevants)[own]


def _own_scores(evidence: Evidence) -> Floats:
    """Scores of each query's own-language relevant candidates, [queries, largest count], padded with -inf."""
    own = np.flatnonzero(in_own_language(evidence))
    query = evidence.query[own]
    place = np.arange(len(own)) - np.searchsorted(query, query)
    scores = np.full((evidence.queries, place.max(initial=0) + 1), -np.inf)
    scores[query, place] = evidence.score[own]
    return scores
