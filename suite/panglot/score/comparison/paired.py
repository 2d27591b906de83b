"""Paired significance tests of two models over clusters of questions.

The cluster is the unit that is swapped, drawn and counted, because the questions on one article, in all languages, are
not independent of each other.

- Test: see `PERMUTATION_TEST`.
- Multiple tests: Holm's correction (1979) over the displayed family.
- Interval: the cluster bootstrap of `panglot.score.bootstrap`, with the same draws for both models.
- Sensitivity: effect size and smallest detectable difference; see `Differences` for the formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import numpy as np

from panglot.arrays import Bools, Floats, Ints, divide
from panglot.errors import BadResult
from panglot.retrieve.evidence import Evidence
from panglot.score.bootstrap import FEWEST, SEED, draw_clusters, effective, scores_of, student
from panglot.score.comparison.comparison import Comparison
from panglot.score.comparison.contributions import (
    BALANCE,
    Contributions,
    check_same_counts,
    contributions,
    members_of,
    with_balance,
    with_linear_balance,
)
from panglot.score.comparison.differences import ALPHA, POWER, Differences
from panglot.score.settings import SCORES, SETTINGS

PERMUTATION_TEST = (
    "Two-sided paired permutation test. Under the null hypothesis that the two models do not differ, the values "
    "of a cluster can be swapped between them (Smucker et al., 2007; Dror et al., 2018). A swap flips the sign "
    "of the cluster's difference, so one matrix product of signs [swaps, clusters] and differences "
    "[clusters, cells] tests all cells. If there are no more possible swaps than draws, each is made once and p "
    "is exact."
)

SWAPS = 10_000
"""Random swaps of a test."""
CHUNK = 1000
"""Swaps held in memory at a time."""

ROUNDING = 1e-12
"""Differences below this count as equal: scores are at most 1, and sums of shares are accurate to 15 digits."""


def compare(one: Evidence, other: Evidence, metric: str, draws: int = SWAPS) -> Comparison:
    """Test two models in every setting, query language and pair of languages, over the same clusters of questions.

    :param draws: random swaps of the permutation test.
    :raises BadResult: the models were not evaluated on the same queries.
    :raises UnknownName: there is no such metric.
    """
    check_same_queries(one, other)
    return compare_contributions(contributions(one, metric), contributions(other, metric), metric, draws)


def compare_contributions(one: Contributions, other: Contributions, metric: str, draws: int = SWAPS) -> Comparison:
    """Like `compare`, but from precomputed contributions, for pages that cache them.

    :raises BadResult: the models were not evaluated on the same queries.
    """
    check_same_counts(one, other)
    languages = len(one.languages)
    cells = _differences(one, other, members_of(languages), draws)
    ends = np.cumsum([BALANCE + 1, len(SETTINGS) * languages])
    return Comparison(
        metric=metric,
        settings=SCORES,
        query_languages=one.languages,
        languages=one.languages,
        clusters=len(one.total),
        swaps=swaps_of(len(one.total), draws),
        by_setting=cells[: ends[0]],
        by_language=cells[ends[0] : ends[1]].reshape(languages, len(SETTINGS)),
        by_pair=cells[ends[1] :].reshape(languages, languages),
    )


def check_same_queries(one: Evidence, other: Evidence) -> None:
    """Check that two models answered the same queries, so that they can be paired.

    :raises BadResult: they did not.
    """
    unpaired = {*one.query_ids} ^ {*other.query_ids}
    if unpaired:
        raise BadResult(f"{len(unpaired)} queries are in only one of the two results, for example {min(unpaired)}.")
    alike = one.languages == other.languages and one.query_ids == other.query_ids
    if not alike or any(
        (getattr(one, name) != getattr(other, name)).any() for name in ("group", "cluster", "query_language")
    ):
        raise BadResult(
            "The two results have the same queries but differ in their order, languages, groups or clusters."
        )


def enough_draws(languages: int) -> int:
    """Number of draws whose smallest p, 1 / (1 + draws), stays below α / 2 after Holm's correction over all pairs."""
    return max(SWAPS, ceil(2 * languages**2 / ALPHA))


def swaps_of(clusters: int, draws: int) -> int:
    """Number of swaps in a test, the unswapped data included: all distinct ones if `draws` suffice, else 1 + draws.

    Of the 2^clusters swaps, one half mirrors the other with the models exchanged, so half of them are distinct.
    """
    return min(1 << min(clusters - 1, 62), draws + 1)


def sign_chunks(clusters: int, draws: int, seed: int = SEED) -> Iterator[Floats]:
    """Signs of the clusters (−1: swapped), in chunks [at most CHUNK swaps, clusters]; the first row swaps nothing."""
    swaps = swaps_of(clusters, draws)
    random = np.random.default_rng(seed)
    for start in range(0, swaps, CHUNK):
        rows = np.arange(start, min(start + CHUNK, swaps))
        if swaps <= draws:
            swapped = rows[:, None] >> np.arange(clusters) & 1
        else:
            swapped = random.integers(0, 2, (len(rows), clusters), np.int8) * (rows > 0)[:, None]
        yield 1.0 - 2 * swapped


def _differences(one: Contributions, other: Contributions, members: Bools, draws: int) -> Differences:
    """The differences in all cells of `members_of`, with balance after the settings."""
    shares, other_shares = one.shares(members), other.shares(members)
    weights = draw_clusters(len(shares))
    drawn, other_drawn = (with_balance(model.drawn(weights, members)) for model in (one, other))
    behind = one.weights(members)
    clusters = np.insert(effective(behind), BALANCE, effective(behind[:, :BALANCE]).min())
    taking_part = (behind > 0).sum(axis=0)
    taking_part = np.insert(taking_part, BALANCE, taking_part[:BALANCE].min())
    value, low, high = np.moveaxis(scores_of(other_drawn - drawn, clusters), -1, 0)
    influence, other_influence = (
        with_linear_balance(model.influence(members), own.sum(axis=0)[:BALANCE])
        for model, own in ((one, shares), (other, other_shares))
    )
    error = _standard_error(other_influence - influence, taking_part)
    same = np.abs(value) <= ROUNDING
    return Differences(
        one=drawn[0],
        other=other_drawn[0],
        difference=value,
        low=low,
        high=high,
        p=_permutation_p(shares, other_shares, draws),
        effect=np.where(same, 0.0, divide(value, error * np.sqrt(taking_part))),
        detectable=np.where(2.0 ** (1 - taking_part) <= ALPHA, _reach(clusters) * error, np.nan),
    )


def _permutation_p(shares: Floats, other_shares: Floats, draws: int) -> Floats:
    """Two-sided p of every cell, balance included, [cells + 1], from shares [clusters, cells].

    With `middle` the mean of the two models' scores and s the signs, the swapped models score
    middle ± (s @ difference of shares) / 2. This also holds for the three parts of balance, so balance is the harmonic
    mean of the parts in each swapped model.
    """
    difference = other_shares - shares
    middle = (other_shares + shares).sum(axis=0) / 2

    def between(swapped: Floats) -> Floats:
        return with_balance(middle + swapped / 2) - with_balance(middle - swapped / 2)

    observed = np.abs(between(difference.sum(axis=0)))
    reached = np.zeros(len(observed), np.int64)
    for signs in sign_chunks(len(shares), draws):
        reached += (np.abs(between(signs @ difference)) >= observed - ROUNDING).sum(axis=0)
    return np.where(np.isnan(observed), np.nan, reached / swaps_of(len(shares), draws))


def _standard_error(influence: Floats, taking_part: Ints) -> Floats:
    """Standard error of a sum of influences [clusters, cells] over `taking_part` [cells] clusters, [cells]."""
    return np.sqrt(divide(taking_part * (influence**2).sum(axis=0), np.maximum(taking_part - 1, 0)))


def _reach(clusters: Floats) -> Floats:
    """Standard errors between 0 and a difference that is detected with power `POWER`, [cells]."""
    freedom = np.where(clusters < FEWEST, np.nan, clusters) - 1
    return student(1 - ALPHA / 2, freedom) + student(POWER, freedom)
