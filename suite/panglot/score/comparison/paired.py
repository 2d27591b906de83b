"""Do two models differ: paired tests over clusters of questions, with their limits.

A cluster is the unit that is swapped, drawn and counted: questions on one article, in all languages, are not
independent of each other.

- Test: see `PERMUTATION_TEST`.
- Several tests at once: Holm (1979) over the family that is looked at.
- Interval: that of the cluster bootstrap of `panglot.score.bootstrap`, the same draws for both models.
- What could have been found: effect size and smallest detectable difference; formulas at `Differences`.
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
    "Paired permutation, two-sided. Under the hypothesis that the two models are alike, all values of a "
    "cluster could as well be the other model's (Smucker et al., 2007; Dror et al., 2018). Swaps are signs, "
    "so one product of signs [swaps, clusters] and differences of shares [clusters, cells] permutes every "
    "cell at once. Where there are no more swaps than draws, each is made once and p is exact."
)

DRAWS = 10_000
CHUNK = 1000
"""Draws that are in memory at once."""

ROUNDING = 1e-12
"""Differences closer than this are equal: scores are at most 1, and sums of shares keep 15 digits of them."""


def compare(one: Evidence, other: Evidence, metric: str, draws: int = DRAWS) -> Comparison:
    """Every setting, query language and pair of two models, tested over the same clusters of questions.

    :raises BadResult: the two do not hold the same queries.
    """
    check_same_queries(one, other)
    return compare_contributions(contributions(one, metric), contributions(other, metric), metric, draws)


def compare_contributions(one: Contributions, other: Contributions, metric: str, draws: int = DRAWS) -> Comparison:
    """The same from contributions that are already there, for a page that keeps them."""
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
    """Two models can be paired where they answered the same queries.

    :raises BadResult: they did not.
    """
    left_out = {*one.query_ids} ^ {*other.query_ids}
    if left_out:
        raise BadResult(f"{len(left_out)} queries stand in one of the two only, {min(left_out)} among them.")
    alike = one.languages == other.languages and one.query_ids == other.query_ids
    if not alike or any(
        (getattr(one, name) != getattr(other, name)).any() for name in ("group", "cluster", "query_language")
    ):
        raise BadResult("The two hold the same queries in another order, other languages, groups or clusters.")


def enough_draws(languages: int) -> int:
    """Draws whose smallest p, 1 / (1 + draws), is still half of α after Holm's correction over all pairs."""
    return max(DRAWS, ceil(2 * languages**2 / ALPHA))


def swaps_of(clusters: int, draws: int) -> int:
    """How many swaps a test looks at: all that differ where those are no more than the draws, else the draws.

    The data itself is one of them. All are 2^clusters, of which one half is the other with the models exchanged.
    """
    return min(1 << min(clusters - 1, 62), draws + 1)


def sign_chunks(clusters: int, draws: int, seed: int = SEED) -> Iterator[Floats]:
    """Which clusters are swapped (−1), the data itself first, [at most CHUNK swaps, clusters] at a time."""
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
    """All cells of `members_of`, with balance behind the settings."""
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
    """Two-sided p of every cell with balance, [cells + 1], from shares [groups, cells].

    Where `middle` is half the sum of the two models' scores and s the signs, the models after the swaps score
    middle ± (s @ difference of shares) / 2. That holds for balance's three parts too, so it is their harmonic mean in
    each of the two swapped models.
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
    """The standard error of a sum of influences [clusters, cells] of so many clusters, [cells]."""
    return np.sqrt(divide(taking_part * (influence**2).sum(axis=0), np.maximum(taking_part - 1, 0)))


def _reach(clusters: Floats) -> Floats:
    """Standard errors from 0 to a difference that is found with the power `POWER`, [cells]."""
    freedom = np.where(clusters < FEWEST, np.nan, clusters) - 1
    return student(1 - ALPHA / 2, freedom) + student(POWER, freedom)
